"""What a webhook is told: the public content of an event, as JSON.

Only what the public page shows: no sender, tenant, address or author. Times are ISO 8601 in UTC. The
envelope around it (`type`, `timestamp`, `data`) is that of Standard Webhooks, and made at the edge.
"""

from __future__ import annotations

from typing import Any

import msgspec

from unlisted.facts import (
    DeadlineMissed,
    DeadlineMoved,
    Fact,
    Figure,
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    Posted,
    ReviewWritten,
)
from unlisted.health.record import iso


class Known(msgspec.Struct):
    """What was told of an incident so far."""

    incident: str
    title: str = ""
    classification: str = ""
    severity: str = ""
    status: str = ""
    start: str = ""
    end: str = ""

    def shown(self) -> dict[str, Any]:
        """As JSON has it; what is not known is null."""
        return {
            "id": self.incident,
            "title": self.title or None,
            "classification": self.classification or None,
            "severity": self.severity or None,
            "status": self.status or None,
            "start": self.start or None,
            "end": self.end or None,
        }

    def learn(self, fact: Fact) -> None:
        """Take over what a fact of this incident says."""
        if isinstance(fact, IncidentOpened):
            self.title, self.classification = fact.title, fact.classification
            self.severity, self.start = fact.severity, iso(fact.since) or ""
        elif isinstance(fact, Posted):
            self.title, self.status = fact.title, fact.status
        elif isinstance(fact, IncidentClosed):
            self.start, self.end = iso(fact.since) or "", iso(fact.until) or ""
        elif isinstance(fact, IncidentRevised) and fact.field in _REVISED:
            setattr(self, fact.field, fact.new)


_REVISED = ("title", "classification", "severity", "start", "end")


def event_of(fact: Fact) -> str | None:
    """The event that a fact is; None: none that anybody outside is told."""
    if isinstance(fact, Posted):
        return "post.published" if fact.corrects is None else "post.corrected"
    if isinstance(fact, ReviewWritten):
        return "review.published" if fact.publish else None
    return _EVENTS.get(type(fact))


_EVENTS: dict[type[Fact], str] = {
    IncidentOpened: "incident.opened",
    DeadlineMoved: "deadline.moved",
    DeadlineMissed: "deadline.missed",
    IncidentRevised: "incident.revised",
    IncidentMerged: "incident.merged",
    IncidentSplit: "incident.split",
    IncidentClosed: "incident.closed",
}


def data(fact: Fact, known: Known) -> str:
    """The event's `data` as JSON, keys in a fixed order."""
    told: dict[str, Any] = {"incident": known.shown()}
    if isinstance(fact, Posted):
        told["post"] = _post(fact)
    elif isinstance(fact, DeadlineMoved):
        told["deadline"] = {"old": iso(fact.old), "new": iso(fact.new), "by_post": fact.number}
    elif isinstance(fact, DeadlineMissed):
        told["deadline"] = {"promised": iso(fact.deadline)}
    elif isinstance(fact, IncidentRevised):
        told["revision"] = {"field": fact.field, "old": fact.old, "new": fact.new, "why": fact.why}
    elif isinstance(fact, IncidentMerged):
        told["merged"] = {"into": fact.into, "why": fact.why}
    elif isinstance(fact, IncidentSplit):
        told["split"] = {"part": fact.part, "why": fact.why}
    return msgspec.json.encode(told).decode()


def path(fact: Fact) -> str:
    """Where the public page shows it."""
    page = f"/incidents/{getattr(fact, 'incident', '')}"
    if isinstance(fact, Posted):
        return f"{page}/posts/{fact.number}"
    return page + "/review" if isinstance(fact, ReviewWritten) else page


def _post(post: Posted) -> dict[str, Any]:
    return {
        "number": post.number,
        "kind": post.post,
        "published": iso(post.at),
        "corrects": post.corrects,
        "sections": [{"label": label, "text": text} for label, text in post.sections],
        "figures": [_figure(one) for one in post.figures],
        "next_update_by": iso(post.next_update_by),
        "deadline": iso(post.deadline),
        "deadline_met": post.deadline_met,
    }


def _figure(one: Figure) -> dict[str, Any]:
    return {
        "name": one.name, "value": one.value, "unit": one.unit, "query": one.query,
        "start": iso(one.start), "end": iso(one.end), "n": one.n, "low": one.low, "high": one.high,
    }  # fmt: skip
