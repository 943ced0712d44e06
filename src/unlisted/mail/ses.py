"""Amazon SES notifications (its "event" JSON): alone, inside an SNS envelope, or mailed by SNS.

Bounce, Complaint and Delivery are read, other types are not ours. A mail folds the JSON in the
middle of strings; the breaks are taken out. Refuses JSON without notificationType or eventType.
"""

from typing import Any

import msgspec

MAX_JSON = 512 * 1024
MAX_RECIPIENTS = 200


class Notified(msgspec.Struct, frozen=True):
    """kind: bounce, delivered or feedback; feedback_type only with the last."""

    kind: str
    recipient: str
    action: str
    status: str | None
    diagnostic: str
    reporting_mta: str | None
    message_id: str | None
    feedback_type: str | None
    bounce_type: str


def find(text: str) -> list[Notified]:
    """Of a text that begins with the JSON; [] for any other."""
    start = text.find("{")
    if start < 0 or text[:start].strip() or len(text) > MAX_JSON:
        return []
    if "notificationType" not in text and "eventType" not in text:
        return []
    document = _decoded(text[start:])
    if isinstance(document, dict) and isinstance(document.get("Message"), str):
        document = _decoded(document["Message"])
    if not isinstance(document, dict):
        return []
    kind = document.get("notificationType") or document.get("eventType")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(document)[:MAX_RECIPIENTS] if reader else []


def _decoded(text: str) -> object:
    # SNS breaks long lines with "!", a line end and a space, as sendmail's filters do.
    text = text.replace("!\n ", "").replace("\n ", "").split("\n\n--\n", 1)[0]
    end = text.rfind("}")
    try:
        return msgspec.json.decode(text[: end + 1])
    except (msgspec.DecodeError, RecursionError):
        return None


def _bounces(document: dict[str, Any]) -> list[Notified]:
    bounce = _table(document.get("bounce"))
    mta = bounce.get("reportingMTA")
    kinds = f"{bounce.get('bounceType', '')}/{bounce.get('bounceSubType', '')}".lower()
    out = []
    for row in _rows(bounce.get("bouncedRecipients")):
        diagnostic = _text(row.get("diagnosticCode"))
        head, semicolon, rest = diagnostic.partition(";")
        if semicolon and head.strip().isalpha():
            diagnostic = rest.strip()
        out.append(
            _notified(
                document, row, "bounce", diagnostic,
                action=_text(row.get("action")) or "failed",
                status=_text(row.get("status")) or None,
                mta=_text(mta).removeprefix("dsn;").removeprefix("dns;").strip() or None,
                bounce_type=kinds,
            )
        )  # fmt: skip
    return out


def _complaints(document: dict[str, Any]) -> list[Notified]:
    complaint = _table(document.get("complaint"))
    kind = _text(complaint.get("complaintFeedbackType")).lower() or "abuse"
    return [
        _notified(document, row, "feedback", "", feedback_type=kind)
        for row in _rows(complaint.get("complainedRecipients"))
    ]


def _deliveries(document: dict[str, Any]) -> list[Notified]:
    delivery = _table(document.get("delivery"))
    recipients = delivery.get("recipients")
    return [
        _notified(
            document, {"emailAddress": address}, "delivered", _text(delivery.get("smtpResponse")),
            action="delivered", mta=_text(delivery.get("reportingMTA")) or None,
        )
        for address in (recipients if isinstance(recipients, list) else [])
        if isinstance(address, str)
    ]  # fmt: skip


_READERS = {"Bounce": _bounces, "Complaint": _complaints, "Delivery": _deliveries}


def _notified(
    document: dict[str, Any],
    row: dict[str, Any],
    kind: str,
    diagnostic: str,
    *,
    action: str = "",
    status: str | None = None,
    mta: str | None = None,
    feedback_type: str | None = None,
    bounce_type: str = "",
) -> Notified:
    mail = _table(document.get("mail"))
    return Notified(
        kind=kind,
        recipient=_text(row.get("emailAddress"))[:320],
        action=action,
        status=status,
        diagnostic=diagnostic,
        reporting_mta=mta,
        message_id=_text(mail.get("messageId")) or None,
        feedback_type=feedback_type,
        bounce_type=bounce_type,
    )


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rows(value: object) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip()[:4000] if isinstance(value, str) else ""
