"""Feedback reports: ARF (RFC 5965, with the fields of RFC 6591 and RFC 6650 in mind).

A report is evidence about a sender only through what we put into the message ourselves: its
original headers, and our trace header in them. "not-spam" is the opposite of a complaint and is
marked as such. Refuses nothing loudly: what is no report is a NotFeedback that says why.
"""

import re

import msgspec

from unlisted.mail import message
from unlisted.mail.trace import TRACE_HEADER

MAX_REPORT = 4 * 1024 * 1024
MAX_ORIGINAL = 64 * 1024
MAX_VALUE = 1000
_TYPE = re.compile(r"[a-z0-9-]{1,40}")


class Feedback(msgspec.Struct, frozen=True):
    """One report. complaint is false for not-spam (and for types that blame nobody's mail)."""

    feedback_type: str
    complaint: bool
    user_agent: str | None
    original_rcpt_to: tuple[str, ...]
    incidents: int
    original_headers: bytes
    trace: str | None
    message_id: str | None


class NotFeedback(msgspec.Struct, frozen=True):
    why: str


# RFC 5965 section 7.3 and RFC 6430: only these say that somebody did not want the mail.
_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "complaint", "miscategorized", "other"})


def parse_feedback(raw: bytes, trace_header: str = TRACE_HEADER) -> Feedback | NotFeedback:
    if len(raw) > MAX_REPORT:
        return NotFeedback(f"longer than {MAX_REPORT} octets")
    kind, parameters = message.content_type(raw)
    if kind != "multipart/report" and not kind.startswith("multipart/"):
        return NotFeedback(f"a {kind[:60]} is no multipart/report")
    if parameters.get("report-type", "feedback-report").lower() != "feedback-report":
        return NotFeedback("the report-type is another one")
    report: bytes | None = None
    original = b""
    for part_kind, part in message.parts(raw):
        if part_kind == "message/feedback-report" and report is None:
            report = message.payload(part)
        elif part_kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
            # RFC 5965 section 2 (d): the third part; a later one is another message inside.
            original = original or message.payload(part)
    if report is None:
        return NotFeedback("it has no message/feedback-report part")
    fields = _fields(report)
    feedback_type = (fields.get("feedback-type") or [""])[0].lower()
    if not _TYPE.fullmatch(feedback_type):
        return NotFeedback("it names no Feedback-Type")
    headers = _headers_only(original)
    return Feedback(
        feedback_type=feedback_type,
        complaint=feedback_type in _COMPLAINTS,
        user_agent=_first(fields, "user-agent"),
        original_rcpt_to=tuple(
            path for value in fields.get("original-rcpt-to", []) if (path := _path(value))
        ),
        incidents=_count(_first(fields, "incidents")),
        original_headers=headers,
        trace=_bounded(message.header(headers, trace_header)) if headers else None,
        message_id=_bounded(message.header(headers, "Message-ID")) if headers else None,
    )


def _fields(block: bytes) -> dict[str, list[str]]:
    """The fields of the machine-readable part (RFC 5965 section 3), names lower-cased."""
    found: dict[str, list[str]] = {}
    text = block[:64_000].decode("utf-8", "replace").replace("\r\n", "\n").lstrip("\n")
    unfolded = re.sub(r"\n[ \t]+", " ", text)
    for line in unfolded.split("\n")[:500]:
        name, colon, value = line.partition(":")
        if colon and value.strip():
            found.setdefault(name.strip().lower()[:80], []).append(value.strip()[:MAX_VALUE])
    return found


def _headers_only(original: bytes) -> bytes:
    original = original.lstrip(b"\r\n")
    if not original:
        return b""
    return message.split(original)[0][:MAX_ORIGINAL]


def _first(fields: dict[str, list[str]], name: str) -> str | None:
    values = fields.get(name)
    return values[0] if values else None


def _bounded(value: str | None) -> str | None:
    return value[:MAX_VALUE] if value else None


def _path(value: str | None) -> str | None:
    """An address without brackets; "redacted" and the like are no address."""
    if not value:
        return None
    value = value.strip().removeprefix("<").removesuffix(">").strip()
    return value if "@" in value else None


def _count(value: str | None) -> int:
    if value and value.isascii() and value.isdigit() and len(value) <= 9:
        return max(1, int(value))
    return 1
