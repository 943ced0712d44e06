"""A message as bytes (RFC 5322, MIME of RFC 2045/2046), read by hand, tolerant and bounded.

Only what the loop asks: one header, one header added, the readable text, a digest by which a
hand-sent copy is known again. Not the standard library's parser: policy.default costs ten times
the budget of a message, and we need no tree. Nothing here fails on bytes: what cannot be decoded
is replaced, what goes beyond a bound is not looked at.
"""

import base64
import binascii
import hashlib
import html
import quopri
import re
from email.errors import HeaderParseError
from email.header import decode_header

MAX_HEADERS = 256 * 1024
MAX_PARTS = 64
MAX_DEPTH = 6
_FOLD = re.compile(rb"\r?\n[ \t]+")
_PARAMETER = re.compile(
    r";\s*([A-Za-z0-9*_-]{1,40})\s*=\s*(?:\"([^\"]{0,512})\"|([^\s;\"]{0,512}))"
)
_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"[!-9;-~]{1,76}")
_TAG = re.compile(r"[A-Za-z/!?]")
_TAG_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9]{0,15})")
_HIDDEN = frozenset({"script", "style"})
_HIDDEN_END = re.compile(r"</(?:script|style)", re.IGNORECASE)
_BLOCKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "td"})


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Header block and body, at the first empty line; without one all of it is header, unless
    the first line can be no header field: then all of it is body."""
    if raw.startswith((b"\n", b"\r\n")):
        return b"", raw[2 if raw.startswith(b"\r") else 1 :]
    lf, crlf = raw.find(b"\n\n"), raw.find(b"\r\n\r\n")
    if crlf >= 0 and (lf < 0 or crlf < lf):
        return raw[: crlf + 2], raw[crlf + 4 :]
    if lf >= 0:
        return raw[: lf + 1], raw[lf + 2 :]
    first = raw[:1000].split(b"\n", 1)[0]
    colon = first.find(b":")
    if 0 < colon <= 76 and b" " not in first[:colon]:
        return raw, b""
    return b"", raw


def header(raw: bytes, name: str) -> str | None:
    """The value of the first field of that name, unfolded, not decoded; None if absent."""
    return _field(split(raw[:MAX_HEADERS])[0], name)


def add_header(raw: bytes, name: str, value: str) -> bytes:
    """The message with one field prepended, as a trace field is (RFC 5321 section 4.4).

    Refuses a name that is none and any value with a line break: no header can be smuggled in.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("not a header field name")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("a header value is one line")
    line_end = b"\r\n" if b"\r\n" in raw[:1000] or b"\n" not in raw[:1000] else b"\n"
    return f"{name}: {value}".encode("utf-8", "replace") + line_end + raw


def subject(raw: bytes) -> str:
    """The decoded subject (RFC 2047), white space folded; "" without one."""
    return decoded(header(raw, "Subject") or "")


_ANSWERED = re.compile(r"(?:\s*(?:re|aw|sv|fwd?|wg|tr|rv|vs|enc)\s*(?:\[\d{1,3}\])?\s*:)*\s*", re.I)


def bare_subject(raw: bytes) -> str:
    """The subject without marks of answer and forwarding, in one case: what a letter sent a second
    time shares with the first. "" without one."""
    text = subject(raw)[:1000]
    found = _ANSWERED.match(text)
    return text[found.end() if found else 0 :].casefold()


def decoded(value: str) -> str:
    """Encoded words decoded (RFC 2047); what cannot be decoded stays as it is."""
    if "=?" not in value:
        return _SPACE.sub(" ", value).strip()
    parts: list[str] = []
    try:
        for text, charset in decode_header(value[:8192]):
            parts.append(text if isinstance(text, str) else text_of(text, charset or "ascii"))
    except (HeaderParseError, ValueError, binascii.Error):
        return _SPACE.sub(" ", value).strip()
    return _SPACE.sub(" ", "".join(parts)).strip() or _SPACE.sub(" ", value).strip()


def body_text(raw: bytes, limit: int = 64_000) -> str:
    """The readable text of a message: its text parts decoded, html without its tags; at most
    `limit` characters. Of alternatives (RFC 2046 section 5.1.4) only the first text is taken:
    the other says the same."""
    out: list[str] = []
    budget = [MAX_PARTS, limit]
    _collect(raw, out, budget, 0)
    return "\n".join(out)[:limit]


def body_digest(raw: bytes, read: str | None = None) -> bytes:
    """16 octets that two sendings of one body share, whatever their headers, line ends, folds
    and transfer encodings are. A message without readable text is known by its raw body.

    `read`: the message's `body_text`, where the caller has it.
    """
    text = _SPACE.sub(" ", body_text(raw) if read is None else read).strip().casefold()
    material = text.encode("utf-8", "surrogatepass")
    if not material:
        material = b"\0" + b"".join(split(raw)[1][:1_000_000].split())
    return hashlib.blake2b(material, digest_size=16, person=b"unlisted-body").digest()


def parts(raw: bytes) -> list[tuple[str, bytes]]:
    """The direct parts of a multipart message, in order: (media type, the part with its
    headers). Empty for anything else."""
    head, body = split(raw)
    _, parameters = _content_type(head)
    boundary = parameters.get("boundary")
    if not boundary:
        return []
    found = []
    for part in cut(body, boundary):
        found.append((_content_type(split(part)[0])[0], part))
    return found


def content_type(raw: bytes) -> tuple[str, dict[str, str]]:
    """The media type, lower-cased, and its parameters; text/plain by default."""
    return _content_type(split(raw)[0])


def payload(part: bytes) -> bytes:
    """The body of a part with its transfer encoding undone."""
    head, body = split(part)
    return transfer(body, _field(head, "Content-Transfer-Encoding") or "")


def _field(head: bytes, name: str) -> str | None:
    needle = b"\n" + name.lower().encode("ascii", "ignore") + b":"
    lowered = b"\n" + head[:MAX_HEADERS].lower()
    at = lowered.find(needle)
    if at < 0:
        return None
    # lowered is one octet ahead of head, and the needle begins with that octet.
    start = at + len(needle) - 1
    end = start
    while True:
        stop = head.find(b"\n", end)
        if stop < 0:
            end = len(head)
            break
        end = stop + 1
        if head[end : end + 1] not in (b" ", b"\t"):
            break
    value = _FOLD.sub(b" ", head[start:end])
    return value.decode("utf-8", "replace").strip()


def _content_type(head: bytes) -> tuple[str, dict[str, str]]:
    value = _field(head, "Content-Type")
    if not value:
        return "text/plain", {}
    value = value[:2048]
    kind = value.split(";", 1)[0].strip().lower() or "text/plain"
    found = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(value)}
    return kind, found


def _collect(raw: bytes, out: list[str], budget: list[int], depth: int) -> bool:
    """Adds the text of one entity; True if it had any."""
    budget[0] -= 1
    if budget[0] < 0 or budget[1] <= 0 or depth > MAX_DEPTH:
        return False
    head, body = split(raw)
    kind, parameters = _content_type(head)
    if kind.startswith("multipart/") and parameters.get("boundary"):
        any_text = False
        for part in cut(body, parameters["boundary"]):
            had = _collect(part, out, budget, depth + 1)
            any_text = any_text or had
            if had and kind == "multipart/alternative":
                break
        return any_text
    if kind == "message/rfc822":
        return _collect(body, out, budget, depth + 1)
    # A broken multipart without boundary is read as plain text: people see it so too.
    if not kind.startswith("text") and not kind.startswith("multipart/"):
        return False
    # A decoded octet needs at most 4/3 (base64) or 3 (quoted-printable) encoded ones.
    encoded = body[: 4 * budget[1] + 4096]
    data = transfer(encoded, _field(head, "Content-Transfer-Encoding") or "")
    text = text_of(data, parameters.get("charset") or "utf-8")
    if kind == "text/html":
        text = strip_html(text)
    text = text[: budget[1]]
    if not text.strip():
        return False
    out.append(text)
    budget[1] -= len(text) + 1
    return True


def cut(body: bytes, boundary: str) -> list[bytes]:
    mark = b"--" + boundary.encode("utf-8", "replace")
    pieces = (b"\n" + body).split(b"\n" + mark, MAX_PARTS + 1)
    found = []
    for piece in pieces[1 : MAX_PARTS + 1]:
        if piece.startswith(b"--"):
            break
        line, _, rest = piece.partition(b"\n")
        if line.strip():
            # "--boundary1" is not a delimiter of "boundary" (RFC 2046 section 5.1.1).
            continue
        found.append(rest.removesuffix(b"\r"))
    return found


def transfer(body: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        compact = b"".join(body.split())
        try:
            return base64.b64decode(compact[: len(compact) // 4 * 4], validate=False)
        except (binascii.Error, ValueError):
            return body
    return body


def text_of(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset.strip("'\" ").lower() or "utf-8", "replace")
    except (LookupError, ValueError, UnicodeError):
        return data.decode("utf-8", "replace")


def strip_html(text: str) -> str:
    """The text without tags, comments, scripts and styles. Crude on purpose: it feeds
    fingerprints. Not html.parser: unclosed tags make that quadratic (38 s for 64 KB, measured);
    every character here is looked at once or twice."""
    out: list[str] = []
    at = 0
    while True:
        start = text.find("<", at)
        if start < 0:
            out.append(text[at:])
            break
        out.append(text[at:start])
        if text.startswith("<!--", start):
            end = text.find("-->", start + 4)
            at = end + 3
        elif _TAG.match(text, start + 1):
            end = text.find(">", start + 1)
            at = end + 1
            name = _TAG_NAME.match(text, start + 1)
            if name and name[1].lower() in _HIDDEN and text[start + 1] != "/":
                close = _HIDDEN_END.search(text, at) if end >= 0 else None
                end = close.start() if close else -1
                at = end
            elif name and name[1].lower() in _BLOCKS:
                out.append("\n")
        else:
            out.append("<")
            at = start + 1
            continue
        if end < 0:
            # Unclosed to the end: a reader shows none of it, nor do we.
            break
    joined = "".join(out)
    try:
        return html.unescape(joined)
    except ValueError:
        # "&#999…9;" with thousands of digits is refused by int().
        return joined
