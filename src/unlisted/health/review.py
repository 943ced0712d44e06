"""The post-incident review of an incident of ours: what happened, measured, from the journal alone.

Title, classification, severity, start, end and impact are those that stand, by the last revision of
each; the revisions are in the timeline. Every number is one of `Review.figures` (query, window, n, interval) or the number of a fact; a person
may add text, no number can be typed over. What each act changed is told with a control: the same
figure for what the act did not touch. Refuses an incident that the facts do not have.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unlisted.facts import (
    CausesRanked,
    Configured,
    Delisted,
    DelistingAdvised,
    DutyCalled,
    EpisodeClosed,
    EpisodeOpened,
    FeedHeard,
    FeedSilent,
    Figure,
    HoldReleased,
    IncidentClosed,
    IncidentOpened,
    IncidentRevised,
    PathReopened,
    Posted,
    PostRefused,
    ProbeAnswered,
    ReleasePredicted,
    Relisted,
    Resent,
    RuleStepped,
    SenderHeld,
    Settled,
    SourceStopped,
    StationFault,
)
from unlisted.health import review_chapters as chapters
from unlisted.health.measured import Counts
from unlisted.health.review_acts import acts
from unlisted.health.review_notes import MARGIN_S, Notes, Numbered, Part

KINDS = (
    CausesRanked, Configured, Delisted, DelistingAdvised, DutyCalled, EpisodeClosed, EpisodeOpened,
    FeedHeard, FeedSilent, HoldReleased, IncidentClosed, IncidentOpened, IncidentRevised,
    PathReopened, Posted, PostRefused, ProbeAnswered, ReleasePredicted, Relisted, Resent, RuleStepped, SenderHeld, Settled,
    SourceStopped, StationFault,
)  # fmt: skip


STEPS_S = (300.0, 900.0, 3600.0, 14_400.0, 86_400.0)  # of the chart
MOST_STEPS = 270


class Review(msgspec.Struct, frozen=True):
    """A review. `steps`: (start, attempts, refused) for the chart, each `step_s` long."""

    id: str
    title: str
    classification: str
    severity: str
    since: float
    until: float | None
    parts: tuple[Part, ...]
    figures: tuple[Figure, ...]
    steps: tuple[tuple[float, int, int], ...]
    step_s: float
    marks: tuple[tuple[float, str], ...]
    senders: tuple[str, ...]
    tenants: tuple[str, ...]
    last_fact: int


def window_of(facts: Iterable[Numbered], incident: str) -> tuple[float, float]:
    """What has to be counted: the incident as told, with a margin. Raises ReviewError."""
    notes = Notes(list(facts), Counts(0.0, 0.0), incident)
    return notes.since - MARGIN_S, notes.until + MARGIN_S


def review(facts: Iterable[Numbered], counts: Counts, incident: str) -> Review:
    """The review. `facts`: those of `KINDS`, in order; `counts`: over `window_of`."""
    notes = Notes(list(facts), counts, incident)
    length = notes.until - notes.since
    step_s = next((s for s in STEPS_S if length / s <= MOST_STEPS), STEPS_S[-1])
    parts = (
        chapters.impact(notes), chapters.speed(notes), chapters.timeline(notes), chapters.causes(notes), acts(notes), chapters.clocks(notes),
        chapters.failures(notes), chapters.deadlines(notes), chapters.sources(notes),
    )  # fmt: skip
    return Review(
        id=notes.opened.incident,
        title=notes.told["title"],
        classification=notes.told["classification"],
        severity=notes.told["severity"],
        since=notes.since,
        until=notes.ended,
        parts=parts,
        figures=tuple(notes.figures),
        steps=tuple(notes.counts.by_step(step_s)),
        step_s=step_s,
        marks=_marks(notes),
        senders=_people(notes, "sender"),
        tenants=_people(notes, "tenant"),
        last_fact=notes.facts[-1][0],
    )


def _marks(notes: Notes) -> tuple[tuple[float, str], ...]:
    """The moments that a chart points at."""
    firsts = (
        (SenderHeld, "held"),
        (SourceStopped, "source stopped"),
        (Delisted, "list let go"),
    )
    found = [(notes.since, notes.beginning.removeprefix("the "))]
    found += [(rows[0][1].at, words) for kind, words in firsts if (rows := notes.inside(kind))]
    if notes.ended is not None:
        found.append((notes.ended, "over"))
    return tuple(found)


def _people(notes: Notes, field: str) -> tuple[str, ...]:
    """Every sender (or tenant) that a chapter may name, in the order of their first fact."""
    seen: dict[str, None] = {}
    for _, fact in notes.facts:
        rows = fact.shares if isinstance(fact, CausesRanked) else (fact,)
        for one in rows:
            if name := getattr(one, field, ""):
                seen[name] = None
        for name in getattr(fact, "senders", ()) if field == "sender" else ():
            seen[name] = None
    return tuple(seen)
