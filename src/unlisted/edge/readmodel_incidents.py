"""What is shown of an incident: its posts, its drafts, what it tells now; and how facts change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unlisted.facts import (
    DeadlineMissed,
    DeadlineMoved,
    DutyCalled,
    Fact,
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    PostDrafted,
    Posted,
    PostPending,
    PostReturned,
    ReviewWritten,
)
from unlisted.health import own
from unlisted.health.record import Record

KEPT_RETURNED = 20  # drafts of an incident


@dataclass
class Incident:
    """An incident, its posts oldest first. `draft`, `called`: since the last update, for a person.
    `missed`: the promise that passed without an update, until one comes.
    `drafts`: what waits for an approver; `returned`: what went back to its author, with the draft.
    `merged`: where it went; `absorbed`: what was merged into it; `parts`, `part_of`: splits.
    """

    opened: IncidentOpened
    posts: list[Posted] = field(default_factory=list)
    moves: list[DeadlineMoved] = field(default_factory=list)
    draft: PostDrafted | None = None
    called: DutyCalled | None = None
    missed: DeadlineMissed | None = None
    closed: IncidentClosed | None = None
    drafts: dict[int, PostPending] = field(default_factory=dict)
    returned: list[tuple[PostPending, PostReturned]] = field(default_factory=list)
    revisions: list[IncidentRevised] = field(default_factory=list)
    merged: IncidentMerged | None = None
    absorbed: list[IncidentMerged] = field(default_factory=list)
    parts: list[IncidentSplit] = field(default_factory=list)
    part_of: IncidentSplit | None = None
    review: ReviewWritten | None = None
    review_fact: int = 0  # its number: the review is of the facts before

    @property
    def reviewed(self) -> bool:
        """Whether its post-incident review is published."""
        return self.review is not None and self.review.publish

    @property
    def updated_at(self) -> float:
        return max([self.opened.at, *(one.at for one in (*self.posts[-1:], *self.revisions[-1:]))])

    @property
    def values(self) -> dict[str, str]:
        """What it tells now, by field."""
        return own.values(self.opened, self.posts, self.closed, self.revisions)

    @property
    def record(self) -> Record:
        """The same as a record, for everything that reads records."""
        links = {}
        if self.merged is not None:
            links["Merged Into"] = self.merged.into
        if self.part_of is not None:
            links["Split From"] = self.part_of.incident
        return own.record_of(self.opened, self.posts, self.closed, self.revisions, links)


Incidents = dict[str, Incident]
Take = Callable[[Incidents, Any, int], None]  # the third: the fact's number


def _opened(incidents: Incidents, fact: Any, n: int) -> None:
    incidents[fact.incident] = Incident(fact)


def _of_incident(name: str) -> Take:
    def put(incidents: Incidents, fact: Any, n: int) -> None:
        if fact.incident in incidents:
            setattr(incidents[fact.incident], name, fact)

    return put


def _posted(incidents: Incidents, fact: Any, n: int) -> None:
    if fact.incident in incidents:
        incident = incidents[fact.incident]
        incident.posts.append(fact)
        incident.drafts.pop(fact.draft, None)
        if fact.corrects is None:
            incident.draft = incident.called = incident.missed = None


def _pending(incidents: Incidents, fact: Any, n: int) -> None:
    if fact.incident in incidents:
        incidents[fact.incident].drafts[fact.draft] = fact


def _returned(incidents: Incidents, fact: Any, n: int) -> None:
    incident = incidents.get(fact.incident)
    draft = incident.drafts.pop(fact.draft, None) if incident else None
    if incident is not None and draft is not None:
        incident.returned = [*incident.returned[1 - KEPT_RETURNED :], (draft, fact)]


def _revised(incidents: Incidents, fact: Any, n: int) -> None:
    incident = incidents.get(fact.incident)
    if incident is not None:
        incident.revisions.append(fact)
        incident.drafts.pop(fact.draft, None)


def _merged(incidents: Incidents, fact: Any, n: int) -> None:
    if fact.incident in incidents and fact.into in incidents:
        incidents[fact.incident].merged = fact
        incidents[fact.into].absorbed.append(fact)


def _split(incidents: Incidents, fact: Any, n: int) -> None:
    if fact.incident in incidents and fact.part in incidents:
        incidents[fact.incident].parts.append(fact)
        incidents[fact.part].part_of = fact


def _review(incidents: Incidents, fact: Any, n: int) -> None:
    if fact.incident in incidents:
        incidents[fact.incident].review = fact
        incidents[fact.incident].review_fact = n


def _moved(incidents: Incidents, fact: Any, n: int) -> None:
    if fact.incident in incidents:
        incidents[fact.incident].moves.append(fact)


TAKES: dict[type[Fact], Take] = {
    IncidentOpened: _opened,
    Posted: _posted,
    IncidentClosed: _of_incident("closed"),
    PostDrafted: _of_incident("draft"),
    DutyCalled: _of_incident("called"),
    DeadlineMoved: _moved,
    IncidentRevised: _revised,
    IncidentMerged: _merged,
    IncidentSplit: _split,
    PostPending: _pending,
    PostReturned: _returned,
    ReviewWritten: _review,
}
