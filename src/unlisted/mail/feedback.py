"""Feedback reports: ARF (RFC 5965, RFC 6591, RFC 6650) and reports that only forward the mail.

A report is evidence about a sender only through what we put into the message ourselves: its
original headers, and our trace header in them. "not-spam" and "opt-out" are no complaints and are
marked as such. SpamCop and XARF reports have modules of their own; `parse_feedback` asks all of
them. Refuses nothing loudly: what is no report is a NotFeedback that says why.
"""

import re

import msgspec

from unlisted.mail import spamcop, xarf
from unlisted.mail.mimescan import MAX_HEAD, Mail, scan
from unlisted.mail.original import NONE, Original, of_block, of_mail
from unlisted.mail.trace import TRACE_HEADER

MAX_REPORT = 4 * 1024 * 1024
MAX_VALUE = 1000
MAX_RECIPIENTS = 200
_TYPE = re.compile(r"[a-z0-9-]{1,40}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_FBL_SENDER = re.compile(
    r"\b(?:staff@hotmail\.com|feedbackloop@|fbl@|fbl-no-reply@|feedback(?:-loop)?@|complaints?@)",
    re.I,
)


class Feedback(msgspec.Struct, frozen=True):
    """One report. complaint is false for not-spam (and for types that blame nobody's mail).
    source: the address the mail came from, as the report says."""

    feedback_type: str
    complaint: bool
    user_agent: str | None
    original_rcpt_to: tuple[str, ...]
    incidents: int
    original_headers: bytes
    trace: str | None
    message_id: str | None
    source: str | None = None


class NotFeedback(msgspec.Struct, frozen=True):
    why: str


# RFC 5965 section 7.3 and RFC 6430: only these say that somebody did not want the mail.
_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "complaint", "miscategorized", "other"})


def parse_feedback(raw: bytes, trace_header: str = TRACE_HEADER) -> Feedback | NotFeedback:
    if len(raw) > MAX_REPORT:
        return NotFeedback(f"longer than {MAX_REPORT} octets")
    mail = scan(raw)
    return of_scanned(mail, of_mail(mail, trace_header), trace_header)


def of_scanned(
    mail: Mail, original: Original, trace_header: str = TRACE_HEADER
) -> Feedback | NotFeedback:
    """The report in a mail cut already."""
    for part in mail.parts:
        if part.kind == "message/feedback-report":
            return _arf(part.payload(), original)
    if mail.kind == "multipart/report" and mail.report_type not in ("", "feedback-report"):
        return NotFeedback("the report-type is another one")
    found = xarf.find(mail)
    if found is not None:
        return _xarf(found, original, trace_header)
    cop = spamcop.find(mail)
    if cop is not None:
        quoted = of_block(cop.headers, trace_header) if cop.headers else NONE
        return _built(cop.kind, "SpamCop", cop.recipients, quoted, cop.source)
    return _forwarded(mail, original)


def _arf(report: bytes, original: Original) -> Feedback | NotFeedback:
    fields = _fields(report)
    feedback_type = (fields.get("feedback-type") or [""])[0].lower()
    if not _TYPE.fullmatch(feedback_type):
        return NotFeedback("it names no Feedback-Type")
    recipients = [
        path
        for name in ("original-rcpt-to", "removal-recipient", "x-original-rcpt-to")
        for value in fields.get(name, [])
        if (path := _path(value))
    ]
    return _built(
        feedback_type,
        _first(fields, "user-agent"),
        tuple(dict.fromkeys(recipients))[:MAX_RECIPIENTS],
        original,
        _ip(_first(fields, "source-ip")) or _ip(_first(fields, "source")),
        _count(_first(fields, "incidents")),
    )


def _xarf(found: xarf.Report, original: Original, trace_header: str) -> Feedback:
    if found.evidence and not original.headers:
        original = of_block(found.evidence, trace_header)
    return _built(found.kind, found.reporter, found.recipients, original, found.source)


def _forwarded(mail: Mail, original: Original) -> Feedback | NotFeedback:
    """Hotmail's JMRP, and others', send the mail as an attachment and no report part. Its own
    headers say for whom it was; without them only a sender known for feedback loops counts."""
    if not original.headers or not any(part.kind == "message/rfc822" for part in mail.parts):
        return NotFeedback("it has no message/feedback-report part")
    marked = b"\nx-hmxmroriginalrecipient:" in b"\n" + original.headers.lower()
    from_loop = _FBL_SENDER.search(mail.header(b"from")) is not None
    if not marked and not from_loop and not mail.header(b"x-complaint-message"):
        return NotFeedback("a forwarded mail without a sign of a feedback loop")
    return _built("abuse", mail.header(b"from") or None, (), original, None)


def _built(
    feedback_type: str,
    user_agent: str | None,
    recipients: tuple[str, ...],
    original: Original,
    source: str | None,
    incidents: int = 1,
) -> Feedback:
    return Feedback(
        feedback_type=feedback_type,
        complaint=feedback_type in _COMPLAINTS,
        user_agent=user_agent[:MAX_VALUE] if user_agent else None,
        original_rcpt_to=recipients or original.rcpt_to(),
        incidents=incidents,
        original_headers=original.headers,
        trace=original.trace,
        message_id=original.message_id,
        source=source or original.source(),
    )


def _fields(block: bytes) -> dict[str, list[str]]:
    """The fields of the machine-readable part (RFC 5965 section 3), names lower-cased."""
    found: dict[str, list[str]] = {}
    text = block[:MAX_HEAD].decode("utf-8", "replace").replace("\r\n", "\n").lstrip("\n")
    unfolded = re.sub(r"\n[ \t]+", " ", text)
    for line in unfolded.split("\n")[:500]:
        name, colon, value = line.partition(":")
        if colon and value.strip():
            found.setdefault(name.strip().lower()[:80], []).append(value.strip()[:MAX_VALUE])
    return found


def _first(fields: dict[str, list[str]], name: str) -> str | None:
    values = fields.get(name)
    return values[0] if values else None


def _ip(value: str | None) -> str | None:
    """ "192.0.2.1", "[192.0.2.1]" or "dns;host (192.0.2.1)"; None for anything else."""
    for word in re.split(r"[\s\[\]();<>]+", value or ""):
        if _ADDRESS.fullmatch(word) and ("." in word or word.count(":") > 1):
            return word.lower()
    return None


def _path(value: str | None) -> str | None:
    """An address without brackets; "redacted" and the like are no address."""
    if not value:
        return None
    value = value.strip().removeprefix("rfc822;").strip()
    name, bracket, address = value.rpartition("<")
    if bracket and "@" not in name:
        value = address  # with a display name, which the field should not have
    value = value.removeprefix("<").removesuffix(">").strip()
    return value if "@" in value else None


def _count(value: str | None) -> int:
    if value and value.isascii() and value.isdigit() and len(value) <= 9:
        return max(1, int(value))
    return 1
