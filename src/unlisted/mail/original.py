"""What a report returns of the original message: its header, out of which only fields that name it.

The part may be the message, its header alone, or lines below the human text. Refuses nothing.
"""

import re

import msgspec

from unlisted.mail import message
from unlisted.mail.mimescan import Mail
from unlisted.mail.trace import TRACE_HEADER

KINDS = frozenset(
    {
        "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "text/rfc822",
        "message/global", "message/global-headers", "message/partial", "message/external-body",
        "text/rfc822-header", "message/rfc822-header",
    }
)  # fmt: skip
MAX_ORIGINAL = 32 * 1024
_REST = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*){0,4}")
_ADDRESS = re.compile(r"[^\s<>\"',;:()]{1,64}@[^\s<>\"',;()]{1,255}")
_ID_LINE = re.compile(rb"^[ \t]*(?:message-id|received|return-path|from):[ \t]*[^\n]", re.I | re.M)

_FIELD_LINE = re.compile(rb"[!-9;-~]{1,76}:|[ \t]+\S")


class Original(msgspec.Struct, frozen=True):
    """headers: its header block, bounded, line ends as line feeds; the rest is read when asked."""

    headers: bytes
    message_id: str | None
    trace: str | None

    def to(self) -> tuple[str, ...]:
        """Addresses of To, X-Original-To, Delivered-To and Cc."""
        return self._addresses(_TO_FIELDS, 20)

    def rcpt_to(self) -> tuple[str, ...]:
        """Recipients as a receiver that reports wrote them in."""
        return self._addresses(_RCPT_FIELDS, 1)

    def source(self) -> str | None:
        """The address it came from, as a receiver wrote it in."""
        for name in _SOURCE_FIELDS:
            value = message.header(self.headers, name)
            if value:
                return value.strip("[] ")[:64]
        return None

    def _addresses(self, names: tuple[str, ...], each: int) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in names:
            value = message.header(self.headers, name) or ""
            found.update(dict.fromkeys(_ADDRESS.findall(value[:2000])[:each]))
        return tuple(found)[:20]


NONE = Original(b"", None, None)
# Written by the receiver that reports, not by whoever sent the mail.
_TO_FIELDS = ("To", "X-Original-To", "Delivered-To", "Cc")
_RCPT_FIELDS = ("X-HmXmrOriginalRecipient", "X-Original-Rcpt-To", "X-Apparently-To", "X-Rcpt-To")
_SOURCE_FIELDS = ("X-Originating-IP", "X-HmXmrSourceIP", "X-SID-PRA-IP", "X-Source-IP")


def of_mail(mail: Mail, trace_header: str = TRACE_HEADER) -> Original:
    """The first part that is one; else what follows the human text in a text part."""
    for part in mail.parts:
        if part.kind in KINDS:
            return of_block(part.payload(MAX_ORIGINAL * 2), trace_header)
    for part in mail.parts[:4]:
        if part.kind.startswith("text/"):
            data = part.payload(MAX_ORIGINAL * 2)
            found = _ID_LINE.search(data)
            if found:
                return of_block(data[_block_start(data, found.start()) :], trace_header)
    return NONE


def of_block(block: bytes, trace_header: str = TRACE_HEADER) -> Original:
    block = block[: MAX_ORIGINAL * 2].lstrip(b"\r\n")
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    head = message.split(block)[0][:MAX_ORIGINAL]
    lowered = b"\n" + head.lower()
    return Original(
        headers=head,
        message_id=_value(head, lowered, b"message-id"),
        trace=_value(head, lowered, trace_header.lower().encode("ascii", "replace")),
    )


def _value(head: bytes, lowered: bytes, name: bytes) -> str | None:
    """As `message.header`, for two fields of one block: it is lower-cased once."""
    start = lowered.find(b"\n" + name + b":")
    if start < 0:
        return None
    found = _REST.match(head, start + len(name) + 1)
    value = b" ".join(found[0].split()).decode("utf-8", "replace") if found else ""
    return value[:300] or None


def _block_start(data: bytes, at: int) -> int:
    """Where the fields around this one begin: their first line, back to one that is no field."""
    start = line_start = at
    while line_start > 0:
        before = data.rfind(b"\n", 0, line_start - 1) + 1
        line = data[before:line_start]
        if not _FIELD_LINE.match(line):
            break
        line_start = before
        if line[0] not in b" \t":
            start = before
    return start
