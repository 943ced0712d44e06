"""Service health in the dialect of Statuspage's public API v2 (/api/v2/*.json).

Field names and enumerations of its public documentation: page, status, components, incidents,
scheduled maintenances (we have none). Bodies are plain text, as it prints them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from unlisted.health.graph import RESOLVED
from unlisted.health.record import Entry, Record, iso, note

# Graph's states by Statuspage's.
STATES = {
    "investigating": "investigating",
    "serviceDegradation": "identified",
    "serviceInterruption": "identified",
    "restoringService": "monitoring",
    "extendedRecovery": "monitoring",
    "verifyingService": "monitoring",
    "investigationSuspended": "investigating",
    "serviceRestored": "resolved",
    "falsePositive": "resolved",
    "postIncidentReviewPublished": "postmortem",
}
_IMPACT = {"high": "critical", "critical": "critical", "major": "critical", "medium": "major",
           "moderate": "major", "normal": "major", "low": "minor", "minor": "minor"}  # fmt: skip
_COMPONENT = {"none": "operational", "minor": "degraded_performance", "major": "partial_outage",
              "critical": "major_outage"}  # fmt: skip
_DESCRIPTION = {"none": "All Systems Operational", "minor": "Minor Service Outage",
                "major": "Partial System Outage", "critical": "Major Service Outage"}  # fmt: skip
_ORDER = ("none", "minor", "major", "critical")


class Page:
    """Everything /api/v2 serves, from the records of one moment."""

    def __init__(
        self, name: str, url: str, services: Sequence[str], records: Iterable[Record], at: float
    ) -> None:
        self._records = sorted(records, key=lambda r: -(r.start or 0.0))
        stamps = [r.last_updated for r in self._records if r.last_updated is not None]
        updated = iso(max(stamps, default=at))
        self._url = url
        self._services = list(
            dict.fromkeys([*services, *(r.service for r in self._records if r.service)])
        )
        self.page = {
            "id": "unlisted",
            "name": name,
            "url": url,
            "time_zone": "Etc/UTC",
            "updated_at": updated,
        }

    def status(self) -> dict[str, Any]:
        worst = max((impact(r) for r in self._open()), key=_ORDER.index, default="none")
        return {"indicator": worst, "description": _DESCRIPTION[worst]}

    def components(self) -> list[dict[str, Any]]:
        found = []
        for position, name in enumerate(self._services, 1):
            mine = [r for r in self._open() if r.service == name]
            worst = max((impact(r) for r in mine), key=_ORDER.index, default="none")
            found.append(
                {
                    "id": "".join(c for c in name.lower() if c.isalnum()),
                    "name": name,
                    "status": _COMPONENT[worst],
                    "created_at": "1970-01-01T00:00:00Z",
                    "updated_at": self.page["updated_at"],
                    "position": position,
                    "description": None,
                    "showcase": True,
                    "group_id": None,
                    "page_id": self.page["id"],
                    "group": False,
                    "only_show_if_degraded": False,
                }
            )
        return found

    def incidents(self, *, unresolved: bool = False) -> list[dict[str, Any]]:
        found = self._open() if unresolved else self._records[:50]
        return [self._incident(record) for record in found]

    def summary(self) -> dict[str, Any]:
        return {
            "page": self.page,
            "components": self.components(),
            "incidents": self.incidents(unresolved=True),
            "scheduled_maintenances": [],
            "status": self.status(),
        }

    def _open(self) -> list[Record]:
        return [record for record in self._records if record.status not in RESOLVED]

    def _incident(self, record: Record) -> dict[str, Any]:
        corrected = record.corrected
        stamps = [post.at for post in record.posts if post.at is not None]
        created = min(stamps, default=record.start)
        return {
            "id": record.id,
            "name": record.title,
            "status": STATES.get(record.status, "investigating"),
            "created_at": iso(created),
            "updated_at": iso(record.last_updated if record.last_updated is not None else created),
            "monitoring_at": None,
            "resolved_at": iso(record.end) if record.status in RESOLVED else None,
            "impact": impact(record),
            "shortlink": f"{self._url}incidents/{record.id}",
            "started_at": iso(record.start),
            "page_id": self.page["id"],
            "incident_updates": [
                self._update(record, number, post, corrected.get(number))
                for number, post in reversed(list(enumerate(record.posts, 1)))
            ],
            "components": [c for c in self.components() if c["name"] == record.service],
        }

    def _update(self, record: Record, number: int, post: Entry, by: int | None) -> dict[str, Any]:
        last = number == len(record.posts)
        changed = record.posts[by - 1].at if by is not None else None
        state = STATES.get(record.status, "investigating") if last else _of_post(post)
        return {
            "id": f"{record.id}-{number}",
            "status": state,
            "body": body(post, note(post, by)),
            "incident_id": record.id,
            "created_at": iso(post.at),
            "updated_at": iso(post.at if changed is None else changed),
            "display_at": iso(post.at),
            "affected_components": None,
        }


def impact(record: Record) -> str:
    """none, minor, major or critical."""
    if record.severity:
        return _IMPACT.get(record.severity.lower(), "minor")
    return "major" if record.classification == "incident" else "minor"


def body(post: Entry, said: str = "") -> str:
    """A post as plain text, after what there is to say of corrections."""
    told = [f"{name}: {text}" for name, text in post.sections.items()] or [post.text]
    return "\n\n".join([said, *told] if said else told)


def _of_post(post: Entry) -> str:
    return {"current": "identified", "final": "resolved", "report": "postmortem"}[post.kind]
