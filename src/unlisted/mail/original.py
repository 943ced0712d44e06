"""What a report returns of the original message: its header, out of which only fields that name it.

The part may be the message, its header alone, or lines below the human text. Refuses nothing.
"""

import re

import msgspec

from unlisted.mail import message
from unlisted.mail.mimescan import Mail, Part, fields, value_of
from unlisted.mail.trace import TRACE_HEADER

KINDS = frozenset(
    {
        "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "text/rfc822",
        "message/global", "message/global-headers", "message/partial", "message/external-body",
        "text/rfc822-header", "message/rfc822-header",
    }
)  # fmt: skip
MAX_ORIGINAL = 64 * 1024
_ADDRESS = re.compile(r"[^\s<>\"',;:()]{1,64}@[^\s<>\"',;()]{1,255}")
_ID_LINE = re.compile(rb"^[ \t]*(?:message-id|received|return-path|from):[ \t]*[^\n]", re.I | re.M)


class Original(msgspec.Struct, frozen=True):
    """headers: its header block, bounded; to: addresses of To, X-Original-To, Delivered-To, Cc;
    rcpt_to: recipients as a receiver wrote them in; source: the address it came from, likewise."""

    headers: bytes
    message_id: str | None
    trace: str | None
    to: tuple[str, ...] = ()
    rcpt_to: tuple[str, ...] = ()
    source: str | None = None


NONE = Original(b"", None, None)
# Written by the receiver that reports, not by whoever sent the mail.
_RCPT_FIELDS = (
    b"x-hmxmroriginalrecipient",
    b"x-original-rcpt-to",
    b"x-apparently-to",
    b"x-rcpt-to",
)
_SOURCE_FIELDS = (b"x-originating-ip", b"x-hmxmrsourceip", b"x-sid-pra-ip", b"x-source-ip")


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
                start = _block_start(data, found.start())
                return of_block(data[start:], trace_header)
    return NONE


def of_block(block: bytes, trace_header: str = TRACE_HEADER) -> Original:
    block = block[: MAX_ORIGINAL * 2].lstrip(b"\r\n")
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    head = message.split(block)[0][:MAX_ORIGINAL]
    found = fields(head)
    to: list[str] = []
    for name in (b"to", b"x-original-to", b"delivered-to", b"cc"):
        for address in _ADDRESS.findall(value_of(found, name)[:2000]):
            if address not in to:
                to.append(address)
    return Original(
        headers=head,
        message_id=value_of(found, b"message-id")[:300] or None,
        trace=value_of(found, trace_header.lower().encode("ascii", "replace"))[:300] or None,
        to=tuple(to[:20]),
        rcpt_to=tuple(
            address
            for name in _RCPT_FIELDS
            for address in _ADDRESS.findall(value_of(found, name)[:500])[:1]
        ),
        source=next(
            (v.strip("[] ")[:64] for n in _SOURCE_FIELDS if (v := value_of(found, n))), None
        ),
    )


def _block_start(data: bytes, at: int) -> int:
    start = data.rfind(b"\n\n", 0, at)
    return start + 2 if start >= 0 else 0


def is_original(part: Part) -> bool:
    return part.kind in KINDS
