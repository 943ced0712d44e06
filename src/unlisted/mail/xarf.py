"""XARF v4 reports: a JSON document attached to a mail (and its v3 "Report" envelope), and X-ARF
0.1 and 0.2, which many networks still send: a text part of "Field: value" lines.

https://xarf.org: class or category, type, source_identifier, evidence. Refuses JSON that names no
XARF version, lines in a mail whose header does not declare X-ARF, and anything longer than MAX_JSON;
fields it does not know are not looked at.
"""

import base64
import binascii
from typing import Any

import msgspec

from unlisted.mail.mimescan import Mail

MAX_JSON = 1024 * 1024
MAX_LINES = 100
# What a messaging report says, in the feedback types of RFC 5965.
_KINDS = {
    "spam": "abuse", "bulk_messaging": "abuse", "spamtrap": "abuse", "unsolicited": "abuse",
    "phishing": "fraud", "fraud": "fraud", "malware": "virus", "virus": "virus",
}  # fmt: skip


class Report(msgspec.Struct, frozen=True):
    """kind: a feedback type. evidence: the first message quoted, header first."""

    kind: str
    category: str
    type: str
    source: str | None
    reporter: str | None
    recipients: tuple[str, ...]
    evidence: bytes


def find(mail: Mail) -> Report | None:
    declared = b"x-xarf" in mail.headers or "xarf" in mail.header(b"content-type").lower()
    for part in mail.parts:
        name = (
            part.head.get(b"content-type", b"").lower()
            + part.head.get(b"content-disposition", b"").lower()
        )
        if not (
            part.kind in ("application/json", "text/json") or b"xarf" in name or b".json" in name
        ) and not (declared and part.body.lstrip()[:1] == b"{"):
            continue
        found = parse(part.payload(MAX_JSON * 2))
        if found is not None:
            return found
    if b"x-xarf" in mail.headers or b"x-arf" in mail.headers:
        for part in mail.parts:
            found = _lines(part.text()) if part.kind.startswith("text/") else None
            if found is not None:
                return found
    return None


def _lines(text: str) -> Report | None:
    """X-ARF 0.1 and 0.2, by its three required fields; None for any other text."""
    fields: dict[str, str] = {}
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        name, colon, value = line.partition(":")
        if colon and name.strip():
            fields.setdefault(name.strip().lower(), value.strip().strip("'\""))
    if not fields.keys() >= {"reported-from", "report-type", "source"}:
        return None
    kind = _word(fields["report-type"])
    return Report(
        kind=_KINDS.get(kind, "other"),
        category=_word(fields.get("category")),
        type=kind,
        source=_source(fields["source"]),
        reporter=_reporter(fields, ("reported-from",)),
        recipients=(),
        evidence=b"",
    )


def parse(data: bytes) -> Report | None:
    """None for what is no XARF document."""
    if len(data) > MAX_JSON:
        return None
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    if "xarf_version" in document:
        return _version_4(document)
    report = document.get("Report")
    if isinstance(report, dict) and ("Version" in document or "ReporterInfo" in document):
        return _version_3(document, report)
    return None


def _version_4(document: dict[str, Any]) -> Report:
    category = _word(document.get("category") or document.get("class"))
    kind = _word(document.get("type"))
    reporter = document.get("reporter")
    evidence = document.get("evidence")
    recipients = [
        value
        for name in (
            "recipient_email",
            "smtp_to",
            "recipient",
            "smtp_rcpt_to",
            "original_recipient",
        )
        if isinstance(value := document.get(name), str) and "@" in value
    ]
    return Report(
        kind=_KINDS.get(kind, "other"),
        category=category,
        type=kind,
        source=_source(document.get("source_identifier")),
        reporter=_reporter(reporter, ("org", "contact", "domain")),
        recipients=tuple(dict.fromkeys(value.strip("<> ")[:320] for value in recipients)),
        evidence=_evidence(evidence, "content_type", "payload"),
    )


def _version_3(document: dict[str, Any], report: dict[str, Any]) -> Report:
    kind = _word(report.get("ReportType"))
    return Report(
        kind=_KINDS.get(kind, "other"),
        category=_word(report.get("ReportClass")),
        type=kind,
        source=_source(report.get("SourceIp") or report.get("SourceIP") or report.get("Source")),
        reporter=_reporter(document.get("ReporterInfo"), ("ReporterOrg", "ReporterOrgEmail")),
        recipients=(),
        evidence=_evidence(report.get("Samples"), "ContentType", "Payload"),
    )


def _reporter(value: object, names: tuple[str, ...]) -> str | None:
    if isinstance(value, dict):
        for name in names:
            found = value.get(name)
            if isinstance(found, str) and found:
                return found[:200]
    return None


def _evidence(value: object, kind: str, payload: str) -> bytes:
    """The first item that is a message, decoded; b"" without one."""
    for item in value[:20] if isinstance(value, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get(payload), str):
            continue
        if not str(item.get(kind, "")).lower().startswith(("message/", "text/")):
            continue
        text: str = item[payload]
        if ":" in text[:200]:
            return text.encode("utf-8", "replace")
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            continue
    return b""


def _word(value: object) -> str:
    return value.strip().lower()[:60] if isinstance(value, str) else ""


def _source(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.strip().strip("[]")[:300].lower() or None
