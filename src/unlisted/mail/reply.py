"""An SMTP reply (RFC 5321 section 4.2, enhanced codes of RFC 3463 and RFC 2034).

`parse_reply` takes the reply as it was read or logged: several lines, codes repeated on each,
an enhanced code split by a space, or no code at all (a connection that was dropped, a text out
of a bounce). It refuses nothing but size; what it cannot read as a code stays in the text.
"""

import re

import msgspec

MAX_REPLY = 8192
MAX_LINES = 128

# RFC 5321 section 4.2: three digits, then "-" or a space. 2 to 5 only: "127.0.0.2" is no code. The
# second digit is 0 to 5 there; servers send "571 5.7.1" all the same, and what a client does rests
# on the first. 6, 8 and 9 nobody is known to send: "590 messages" counts unless an enhanced code of
# the same class follows.
_CODE = re.compile(
    r"([2-5][0-57][0-9]|([245])[689][0-9](?=[ \t-][#(]?\2\.\d{1,3}\.\d))(?:[ \t-]|$)"
)
# RFC 3463 section 2, and the Exchange oddities "5.7.51 1" (= 5.7.511) and "#5.7.1".
_ENHANCED = re.compile(r"[#(]?([245])\.(\d{1,3})\.(\d{1,3})(?:\)|:|;|(?=[\s,<\[-])|$)[ \t]*")
# Most replies: one line, a code and an enhanced code of its class as they ought to be written.
_USUAL = re.compile(
    r"([245])[0-5][0-9] (\1\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2})) (?=[^\s\d])"
)
_SPLIT_DIGIT = re.compile(r"(\d)(?=[ \t]|$)[ \t]*")
# A logged reply sometimes comes as one line; the second "550-5.7.1 " inside it is no text.
_INNER = re.compile(r"\s+([2-5][0-9][0-9])[- #]([245]\.\d{1,3}\.\d{1,3})\s+")


class ReplyError(ValueError):
    """The reply is too long to be one."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """code is 0 when the text has none; text is every line joined by a line feed, codes removed."""

    code: int
    enhanced: str | None
    text: str

    @property
    def temporary(self) -> bool:
        """4yz, or no code at all: a dropped connection is tried again (RFC 5321 section 4.5.4)."""
        return self.code < 500 and not (self.code == 0 and (self.enhanced or "4").startswith("5"))


def parse_reply(raw: bytes | str) -> Reply:
    """Never fails but for size: a text without any code is a reply with code 0."""
    if len(raw) > MAX_REPLY:
        raise ReplyError(f"reply longer than {MAX_REPLY} octets")
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    # Two characters "\n" stand for a line break where a reply was kept on one line.
    if "\\n" in text and "\n" not in text:
        text = text.replace("\\n", "\n")
    if "\n" not in text and "\r" not in text:
        usual = _USUAL.match(text)
        if usual:
            digits = text[:3]
            line = text[usual.end() :].rstrip()
            if digits in line:
                line = _drop_repeats(line, digits)
            return Reply(int(digits), usual[2], line)
        code, enhanced, line = _parse_line(text.strip(), 0, None)
        return Reply(code, enhanced, line)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    code = 0
    enhanced = None
    out: list[str] = []
    for index, line in enumerate(lines[:MAX_LINES]):
        code, enhanced, line = _parse_line(line.strip(), code, enhanced, index == 0)
        out.append(line)
    while out and not out[-1]:
        out.pop()
    return Reply(code=code, enhanced=enhanced, text="\n".join(out))


def _parse_line(
    line: str, code: int, enhanced: str | None, first: bool = True
) -> tuple[int, str | None, str]:
    """(code, enhanced code, text), where code and enhanced are known from the lines before."""
    found = _CODE.match(line)
    if found and (first or int(found[1]) == code):
        code = int(found[1])
        line = line[found.end() :].lstrip(" \t-")
    line, enhanced = _strip_enhanced(line, code, enhanced)
    if code and (digits := str(code)) in line:
        line = _drop_repeats(line, digits)
    return code, enhanced, line


def _drop_repeats(line: str, code: str) -> str:
    return _INNER.sub(lambda found: " " if found[1] == code else found[0], line)


def _strip_enhanced(line: str, code: int, known: str | None) -> tuple[str, str | None]:
    found = _ENHANCED.match(line)
    if not found or (code and int(found[1]) != code // 100):
        return line, known
    rest = line[found.end() :]
    detail = found[3]
    if known is None:
        # "5.7.51 1 Access denied" is 5.7.511 broken by a line fold (seen from Exchange Online).
        # Two digits are needed before it: "5.7.1 4 recipients" must keep its count.
        split = _SPLIT_DIGIT.match(rest) if len(detail) == 2 else None
        if split:
            detail += split[1]
            rest = rest[split.end() :]
        known = f"{found[1]}.{int(found[2])}.{int(detail)}"
    return rest, known


def render_reply(reply: Reply) -> bytes:
    """The lines as a server sends them (RFC 5321 section 4.2.1); line breaks become lines."""
    lines = [line for line in re.split(r"[\r\n]+", reply.text)] or [""]
    code = reply.code or 451
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    rendered = [
        f"{code}{' ' if index == len(lines) - 1 else '-'}{prefix}{line}"
        for index, line in enumerate(lines)
    ]
    return ("\r\n".join(rendered) + "\r\n").encode("utf-8", "replace")
