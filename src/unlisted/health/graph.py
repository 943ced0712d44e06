"""Service health as Microsoft Graph prints it: serviceAnnouncement/issues and healthOverviews.

Resources serviceHealth, serviceHealthIssue and serviceHealthIssuePost of Graph v1.0 (public
documentation). Enums are camelCase, as clients in the wild compare them. Graph has no field for
the next update or a deadline record: they are in the posts' text and, for machines, in `details`.
Nothing of a record is dropped silently: what a client dereferences is never null.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

from unlisted.health.odata import Kind
from unlisted.health.record import Entry, Record, iso, note

ROOT = "/v1.0/admin/serviceAnnouncement"
KINDS: dict[str, Kind] = {
    "id": "string",
    "title": "string",
    "service": "string",
    "feature": "string",
    "featureGroup": "string",
    "impactDescription": "string",
    "classification": "enum",
    "origin": "enum",
    "status": "enum",
    "isResolved": "bool",
    "startDateTime": "time",
    "endDateTime": "time",
    "lastModifiedDateTime": "time",
}
UNSORTED = ("details", "posts")
OVERVIEW_KINDS: dict[str, Kind] = {"id": "string", "service": "string", "status": "enum"}

# Worst first: an overview shows the worst of its open issues.
STATUSES = (
    "serviceInterruption",
    "serviceDegradation",
    "extendedRecovery",
    "restoringService",
    "verifyingService",
    "investigating",
    "investigationSuspended",
    "serviceRestored",
    "postIncidentReviewPublished",
    "falsePositive",
    "serviceOperational",
)
RESOLVED = frozenset(
    {"serviceRestored", "postIncidentReviewPublished", "falsePositive", "serviceOperational"}
)
_EPOCH = "1970-01-01T00:00:00Z"


def issue(record: Record) -> dict[str, Any]:
    """A serviceHealthIssue."""
    stamps = [post.at for post in record.posts if post.at is not None]
    first, last = min(stamps, default=record.start), max(stamps, default=record.last_updated)
    latest, corrected = record.latest, record.corrected
    resolved = record.status in RESOLVED
    return {
        "id": record.id or "",
        "title": record.title or "",
        "service": record.service or "",
        "feature": record.feature or "",
        "featureGroup": record.feature_group or "",
        "classification": record.classification or "advisory",
        "origin": record.origin,
        "status": record.status,
        "isResolved": resolved,
        "startDateTime": iso(record.start if record.start is not None else first) or _EPOCH,
        # Monitors read an end without asking whether it is there (m365-exporter).
        "endDateTime": iso(record.end if record.end is not None else last if resolved else None),
        "lastModifiedDateTime": iso(
            record.last_updated if record.last_updated is not None else last
        )
        or _EPOCH,
        "impactDescription": _impact(record, latest) or record.title or "",
        "details": _details(record, latest),
        "posts": [
            _post(post, note(post, corrected.get(n))) for n, post in enumerate(record.posts, 1)
        ],
    }


def _impact(record: Record, latest: Entry | None) -> str:
    """As last told, or revised: a post may leave it out where nothing changed."""
    if "User Impact" in record.standing:
        return record.standing["User Impact"]
    told = [*(post for _, post in record.told), *([latest] if latest else [])]
    return next((p.sections["User Impact"] for p in told[::-1] if "User Impact" in p.sections), "")


def _details(record: Record, latest: Entry | None) -> list[dict[str, str]]:
    found = [("NotifyInApp", "True")]
    if latest is not None and latest.next_update_by is not None and record.status not in RESOLVED:
        found.append(("NextUpdateBy", iso(latest.next_update_by) or ""))
    if record.severity:
        found.append(("Severity", record.severity))
    if record.scope:
        found.append(("Scope", record.scope))
    for label in ("More Info", "Merged Into", "Split From"):
        if label in record.standing:
            found.append((label.replace(" ", ""), record.standing[label]))
    return [{"name": name, "value": value} for name, value in found]


def _post(post: Entry, said: str) -> dict[str, Any]:
    return {
        "createdDateTime": iso(post.at) or _EPOCH,
        "postType": "regular",
        "description": {"contentType": "html", "content": content(post, said)},
    }


def content(post: Entry, said: str = "") -> str:
    """A post's body: what there is to say of corrections, then "Label: text" blocks, escaped."""
    told = [
        f"{escape(name, quote=False)}: " + escape(text, quote=False).replace("\n", "<br>")
        for name, text in post.sections.items()
    ] or [escape(post.text, quote=False)]
    return "<br><br>".join([said, *told] if said else told)


def overviews(services: Iterable[str], records: Iterable[Record]) -> list[dict[str, Any]]:
    """serviceHealth of each service, those of the records too; `issues` for $expand."""
    found = list(records)
    names = dict.fromkeys([*services, *(r.service for r in found if r.service)])
    out = []
    for name in names:
        of_service = [r for r in found if r.service == name]
        unresolved = [r.status for r in of_service if r.status not in RESOLVED]
        status = min(unresolved, key=_badness, default="serviceOperational")
        out.append(
            {
                "id": "".join(c for c in name if c.isalnum()),
                "service": name,
                "status": status,
                "issues": [issue(record) for record in of_service],
            }
        )
    return out


def _badness(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else 0


def error(code: str, message: str, date: str, request_id: str, client_id: str) -> dict[str, Any]:
    """Graph's error shape."""
    inner = {"date": date, "request-id": request_id, "client-request-id": client_id}
    return {"error": {"code": code, "message": message, "innerError": inner}}
