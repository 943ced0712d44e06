"""Bounce mails of every kind as one record per recipient: `parse_bounce`.

The machine-readable part comes first (RFC 3464 in the multipart/report of RFC 6522, or wherever it
stands), then the human text for what that part leaves out, then the text alone for mailers without
one. Delivered, relayed and delayed reports, feedback and answers by machines are records of their
own kind; what is none of these gives no record. Judges nothing: `replies.bounces` says why.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec

from unlisted.mail import free_text, ses
from unlisted.mail.auto_reply import is_auto_reply
from unlisted.mail.bounce_signs import from_mailer, is_bounce, says_so
from unlisted.mail.delivery_status import PRESENT, Group, Status, parse_status
from unlisted.mail.diagnostic import REPLY, command_in, exact_status, host_in
from unlisted.mail.feedback import Feedback, of_scanned
from unlisted.mail.mimescan import Mail, Part, scan
from unlisted.mail.original import KINDS, Original, of_mail
from unlisted.mail.trace import TRACE_HEADER

MAX_TEXT = 6000
Kind = Literal["bounce", "delayed", "delivered", "feedback", "vacation"]


class BounceRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One recipient of one report.

    action: as RFC 3464 section 2.3.3, "" if unknown. status: the most exact one given. code: SMTP
    reply code, 0 without. command: what the reply answered (connect, ehlo, mail, rcpt, data, eod),
    None if unknown. text: the human part, bounded. source: feedback only, where the mail came from.
    """

    kind: Kind
    recipient: str | None
    original_recipient: str | None = None
    action: str = ""
    status: str | None = None
    code: int = 0
    diagnostic: str = ""
    diagnostic_type: str = ""
    command: str | None = None
    reporting_mta: str | None = None
    remote_mta: str | None = None
    message_id: str | None = None
    trace: str | None = None
    feedback_type: str | None = None
    source: str | None = None
    subject: str = ""
    text: str = ""


_NUMBER = re.compile(r"^[ \t]*(?:to|recipient)[ \t]*:?[ \t]*\+?(\d{8,15})[ \t]*$", re.I | re.M)
_WORD = re.compile(r"[^\W\d_]{3,}\W+[^\W\d_]{2,}")
_DELAY = (
    "warning message only", "still being retried", "still trying", "still in the queue",
    "will be retried", "has been delayed", "delivery delayed", "do not need to resend",
    "could not be delivered yet", "not been delivered yet", "keep trying",
)  # fmt: skip


def parse_bounce(raw: bytes, trace_header: str = TRACE_HEADER) -> list[BounceRecord]:
    """[] for what is neither a report nor an answer by a machine. Never fails."""
    mail = scan(raw)
    found = _records(mail, trace_header)
    return found or _attached(mail, trace_header)


def _attached(mail: Mail, trace_header: str) -> list[BounceRecord]:
    """Somebody, or a gateway, passes a bounce on as an attachment."""
    if len(mail.parts) > MAX_FORWARD or mail.header(b"in-reply-to"):
        return []
    for part in mail.parts:
        if part.kind == "message/rfc822":
            return _records(scan(part.payload(MAX_ATTACHED)), trace_header, attached=True)
    return []


MAX_FORWARD = 8
MAX_ATTACHED = 1024 * 1024


def _records(mail: Mail, trace_header: str, attached: bool = False) -> list[BounceRecord]:
    """attached: the mail came inside another, and is not looked into for one more."""
    original = of_mail(mail, trace_header)
    report = of_scanned(mail, original, trace_header)
    if isinstance(report, Feedback):
        return _feedback(report)
    texts = [
        part for part in mail.parts if part.kind.startswith("text/") and part.kind not in KINDS
    ]
    human = _human(texts)
    status = _status(mail, human)
    if status is not None and status.groups:
        return _reported(mail, status, human, original)
    noted = ses.find(human)
    if noted:
        return [_noted(row, original) for row in noted]
    if is_bounce(mail, human):
        # Fields of a report around a text that tells nothing: the report is attached whole.
        found = [] if attached or says_so(human) else _attached(mail, trace_header)
        found = found or _told(mail, human, original)
        if found:
            return found
    if is_auto_reply(mail):
        sender = free_text.first_address(mail.header(b"from"))
        subject = mail.subject()
        return [
            BounceRecord(
                kind="vacation", recipient=sender, subject=subject[:300], text=human[:MAX_TEXT]
            )
        ]
    return []


def _human(texts: list[Part]) -> str:
    """The text parts, html only where there is nothing else."""
    plain = [part for part in texts if part.kind != "text/html"]
    out = "\n".join(part.text() for part in plain[:4])
    if not out.strip():
        out = "\n".join(part.text() for part in texts[:2])
    return out


def _status(mail: Mail, human: str) -> Status | None:
    for part in mail.parts:
        if part.kind.endswith("delivery-status"):
            found = parse_status(part.text())
            if found.groups:
                return found
    if ("-Recipient" in human or "-recipient" in human) and PRESENT.search(human):
        return parse_status(human)
    for part in mail.parts:
        # The status in a part of another type (application/octet-stream and the like). A receipt
        # (RFC 8098) has recipients as well, and tells that a mail was read.
        if part.kind not in KINDS and not part.kind.startswith(_NO_STATUS):
            text = part.text() if len(part.body) < MAX_TEXT * 4 else ""
            if PRESENT.search(text):
                return parse_status(text)
    return None


_NO_STATUS = ("text/", "image/", "message/disposition-notification")


def _feedback(report: Feedback) -> list[BounceRecord]:
    return [
        BounceRecord(
            kind="feedback",
            recipient=recipient,
            message_id=_bare(report.message_id),
            trace=report.trace,
            feedback_type=report.feedback_type,
            source=report.source,
        )
        for recipient in (report.original_rcpt_to or (None,))
    ]


def _noted(row: ses.Notified, original: Original) -> BounceRecord:
    kind: Kind = "bounce"
    if row.kind == "feedback":
        kind = "feedback"
    elif row.kind == "delivered":
        kind = "delivered"
    return _record(
        kind=kind,
        recipient=row.recipient or None,
        action=row.action,
        status=row.status,
        diagnostic=row.diagnostic or row.bounce_type,
        reporting_mta=row.reporting_mta,
        message_id=row.message_id or _bare(original.message_id),
        trace=original.trace,
        feedback_type=row.feedback_type,
    )


def _reported(mail: Mail, status: Status, human: str, original: Original) -> list[BounceRecord]:
    poor = any(_is_poor(group.diagnostic) for group in status.groups)
    # The human part is asked for little where the status says all, and is not cut then.
    text = free_text.human(human) if poor else human
    known = tuple(dict.fromkeys(group.recipient for group in status.groups))
    spoken = {}
    if poor:
        own = _own(mail)
        spoken = {said.recipient: said.text for said in free_text.said(text, own, known)}
    out = []
    subject = mail.subject()[:300]
    # Of several recipients the human part tells the command, the fields do not.
    command = command_in(text[:3000], whole_report=True) if len(status.groups) > 1 else None
    for group in status.groups:
        out.append(
            _record(
                kind=_kind(group),
                recipient=group.recipient,
                original_recipient=group.original_recipient,
                action=group.action,
                status=group.status,
                diagnostic=(
                    group.diagnostic
                    if _says_something(group.diagnostic) or _is_exit_status(group)
                    else f"{group.diagnostic} {spoken.get(group.recipient, '')}".strip()
                ),
                diagnostic_type=group.diagnostic_type,
                reporting_mta=status.reporting_mta,
                remote_mta=group.remote_mta,
                message_id=_bare(original.message_id),
                trace=original.trace,
                subject=subject,
                text=(spoken.get(group.recipient, "") or text)[:MAX_TEXT],
                hint=text if len(status.groups) == 1 else "",
                command=command,
            )
        )
    return out


def _is_poor(diagnostic: str) -> bool:
    """Says no more than a code would."""
    return len(diagnostic) < 24


def _says_something(diagnostic: str) -> bool:
    return _WORD.search(diagnostic) is not None


def _is_exit_status(group: Group) -> bool:
    return group.diagnostic_type == "x-unix" and group.diagnostic.isdigit()


def _kind(group: Group) -> Kind:
    status = group.status or ""
    if group.action in ("delivered", "relayed", "expanded", "deliverable"):
        return "delivered"
    if group.action == "failed":
        return "bounce"
    if group.action == "delayed":
        return "delayed"
    return "delivered" if status.startswith("2") else "bounce"


def _own(mail: Mail) -> frozenset[str]:
    """Whom the report is to and from: named in it often, and never its recipients."""
    own: set[str] = set()
    for name in (b"to", b"delivered-to", b"x-original-to", b"envelope-to", b"from", b"reply-to"):
        for address in free_text.addresses(mail.header(name)[:2000]):
            own.add(address.lower())
    return frozenset(own)


def _told(mail: Mail, human: str, original: Original) -> list[BounceRecord]:
    text = free_text.human(human)
    known = tuple(
        dict.fromkeys(
            free_text.addresses(mail.header(b"x-failed-recipients"))
            or free_text.addresses(mail.header(b"x-mailer-daemon-recipients"))
        )
    )
    found = free_text.said(text, _own(mail), known)
    if not found:
        found = free_text.said(text, frozenset())
    if not found:
        found = [free_text.Said(address, text.strip()[:3000]) for address in original.to()[:1]]
    if not found and not (text.strip() and from_mailer(mail)):
        return []
    found = found or [free_text.Said(_number(text), text.strip()[:3000])]
    lowered = text.lower()
    delayed = False
    for words in _DELAY:
        delayed = delayed or words in lowered
    subject = mail.subject()[:300]
    out = []
    for said in found:
        out.append(
            _record(
                kind="delayed" if delayed else "bounce",
                recipient=said.recipient,
                action="delayed" if delayed else "failed",
                diagnostic=said.text if said.own else "",
                message_id=_bare(original.message_id),
                trace=original.trace,
                subject=subject,
                text=text[:MAX_TEXT],
                hint=text if len(found) == 1 or not said.own else "",
            )
        )
    return out


def _number(text: str) -> str | None:
    """A telephone carrier's recipient is a bare number."""
    found = _NUMBER.search(text)
    return found[1] if found else None


@lru_cache(maxsize=4)
def _hinted(text: str) -> str | None:
    """The command a whole report tells: asked for each of its recipients, of which there may be
    hundreds."""
    return command_in(text, whole_report=True)


def _record(
    *,
    kind: Kind,
    recipient: str | None,
    action: str,
    diagnostic: str,
    status: str | None = None,
    remote_mta: str | None = None,
    hint: str = "",
    original_recipient: str | None = None,
    diagnostic_type: str = "",
    reporting_mta: str | None = None,
    message_id: str | None = None,
    trace: str | None = None,
    feedback_type: str | None = None,
    subject: str = "",
    text: str = "",
    command: str | None = None,
) -> BounceRecord:
    """What the diagnostic text itself says is read out: code, status, command, host."""
    own = REPLY.search(diagnostic)
    reply = own or REPLY.search(hint)
    if status is None or status.endswith(".0"):
        exact = exact_status(diagnostic, own.end() if own else 0)
        if exact is None and status is None:
            exact = exact_status(hint)
        if exact and (status is None or not exact.endswith(".0.0")):
            status = exact
    if remote_mta is None:
        remote_mta = host_in(diagnostic) or (host_in(hint) if "alking to" in hint else None)
    return BounceRecord(
        kind=kind,
        recipient=recipient,
        original_recipient=original_recipient,
        action=action,
        status=status,
        code=int(reply[1]) if reply else 0,
        diagnostic=" ".join(diagnostic.split()),
        diagnostic_type=diagnostic_type,
        command=command_in(diagnostic) or command or _hinted(hint[:3000]),
        reporting_mta=reporting_mta,
        remote_mta=remote_mta,
        message_id=message_id,
        trace=trace,
        feedback_type=feedback_type,
        subject=subject,
        text=text,
    )


def _bare(message_id: str | None) -> str | None:
    return message_id.strip("<> \t") or None if message_id else None
