"""A mail cut into its leaf parts (RFC 2045, 2046), from bytes, in one pass and within bounds.

For reports only: what is attached as the original message is kept as bytes and never descended
into. Not the standard library's parser: a bounce is read for a few fields, and that parser alone
costs what reading and judging one may cost. Nothing fails on bytes: beyond a bound nothing is
looked at, and a multipart whose boundary never comes is one text.
"""

import re

from unlisted.mail import message

MAX_MAIL = 1024 * 1024
MAX_HEAD = 256 * 1024
MAX_PARTS = 64
MAX_DEPTH = 6
MAX_TEXT = 64 * 1024

# A line break in front, and not "^": `re` skips to it.
_HEADER = re.compile(rb"\n([!-9;-~]{1,80}):[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)")
_FOLD = re.compile(r"[ \t]*\n[ \t]+")
_KIND = re.compile(r"[ \t\"]*([\w.+-]{1,60}/[\w.+-]{1,80})")
_PARAMETER = re.compile(
    r"(boundary|charset|report-type|name)\s*=\s*(?:\"([^\"]{0,512})\"|([^\s;\"]{0,512}))", re.I
)
# A part that begins with the header of a mail is that mail, whatever it says it is.
_MAIL_HEAD = (b"received", b"return-path", b"delivered-to", b"dkim-signature")

Headers = dict[bytes, bytes]


class Part:
    """One leaf. `head` holds its own header fields; `body` is still transfer-encoded."""

    __slots__ = ("_text", "body", "charset", "head", "kind")

    def __init__(self, kind: str, charset: str, head: Headers, body: bytes) -> None:
        self.kind = kind
        self.charset = charset
        self.head = head
        self.body = body
        self._text: str | None = None

    def payload(self, limit: int = MAX_TEXT * 4) -> bytes:
        encoding = self.head.get(b"content-transfer-encoding", b"")
        return message.transfer(self.body[:limit], encoding.decode("latin-1"))

    def text(self) -> str:
        """The decoded text, line ends as line feeds; html without its tags."""
        if self._text is None:
            data = self.payload()[:MAX_TEXT]
            # A gateway's Japanese text often says another charset than it is in; the escape is
            # proof (RFC 1468).
            charset = "iso-2022-jp" if b"\x1b$" in data else self.charset
            text = data.decode("ascii") if data.isascii() and b"\x1b" not in data else ""
            text = text or message.text_of(data, charset or "utf-8")
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if self.kind == "text/html" or (
                text[:200].lstrip()[:6].lower() in ("<html>", "<!doct")
            ):
                text = message.strip_html(text)
            self._text = text[:MAX_TEXT]
        return self._text


class Mail:
    """Header fields (first of each name, lower-cased) and the leaves in their order."""

    __slots__ = ("_subject", "headers", "kind", "parts", "report_type")

    def __init__(self, headers: Headers, kind: str, report_type: str, parts: list[Part]) -> None:
        self.headers = headers
        self.kind = kind
        self.report_type = report_type
        self.parts = parts
        self._subject: str | None = None

    def header(self, name: bytes) -> str:
        """The value of a field, unfolded and not decoded; "" without it."""
        return value_of(self.headers, name)

    def subject(self) -> str:
        """Decoded (RFC 2047), bounded."""
        if self._subject is None:
            self._subject = message.decoded(self.header(b"subject")[:2000])[:500]
        return self._subject


def scan(raw: bytes) -> Mail:
    raw = raw[:MAX_MAIL]
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    raw = raw.lstrip(b"\n")
    head, body = message.split(raw)
    headers = fields(head)
    kind, parameters = content_type(headers)
    parts: list[Part] = []
    _collect(headers, kind, parameters, body, parts, 0)
    return Mail(headers, kind, parameters.get("report-type", "").lower(), parts)


def fields(head: bytes) -> Headers:
    found: Headers = {}
    for name, value in _HEADER.findall(b"\n" + head[:MAX_HEAD]):
        found.setdefault(name.lower(), value)
    return found


def value_of(headers: Headers, name: bytes) -> str:
    value = headers.get(name)
    if value is None:
        return ""
    text = value[:8192].decode("utf-8", "replace")
    return (_FOLD.sub(" ", text) if "\n" in text else text).strip()


def content_type(headers: Headers) -> tuple[str, dict[str, str]]:
    """Media type (text/plain by default, also for what cannot be read) and parameters."""
    value = value_of(headers, b"content-type")
    if not value:
        return "text/plain", {}
    kind = _KIND.match(value)
    found: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value[:2048]):
        found.setdefault(name.lower(), quoted or bare)
    return (kind[1].lower() if kind else "text/plain"), found


def _collect(
    head: Headers, kind: str, parameters: dict[str, str], body: bytes, out: list[Part], depth: int
) -> None:
    boundary = parameters.get("boundary") if kind.startswith("multipart/") else None
    pieces = message.cut(body, boundary) if boundary and depth < MAX_DEPTH else []
    if not pieces:
        charset = parameters.get("charset", "")
        out.append(Part("text/plain" if boundary else kind, charset, head, body))
        return
    for piece in pieces:
        if len(out) >= MAX_PARTS:
            return
        part_head, part_body = message.split(piece)
        part_fields = fields(part_head)
        if depth >= 0 and any(name in part_fields for name in _MAIL_HEAD):
            out.append(Part("message/rfc822", "", {}, piece))
            continue
        part_kind, part_parameters = content_type(part_fields)
        _collect(part_fields, part_kind, part_parameters, part_body, out, depth + 1)
