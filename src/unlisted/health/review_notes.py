"""What a review is written from: the facts of an incident by kind, and the figures said so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from unlisted.facts import (
    EpisodeOpened,
    Fact,
    Figure,
    IncidentClosed,
    IncidentOpened,
    IncidentRevised,
    Posted,
)
from unlisted.health import figures as measures
from unlisted.health import own
from unlisted.health.measured import Counts

MARGIN_S = 3600.0  # before and after an act, and around the incident
MOST = 200  # statements of one chapter; how many more there are is said

Numbered = tuple[int, Fact]


class ReviewError(ValueError):
    """There is nothing to review; the text says why."""


class Item(msgspec.Struct, frozen=True):
    """One statement: when, what, its figures (label, index) and the facts it stands on."""

    text: str
    at: float | None = None
    figures: tuple[tuple[str, int], ...] = ()
    facts: tuple[int, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """One chapter; `more`: statements left out for length."""

    title: str
    items: tuple[Item, ...]
    none: str
    more: int = 0


class Told:
    """What an incident tells by its last revisions, start and end as times too."""

    def __init__(
        self,
        opened: IncidentOpened,
        posts: Sequence[Posted],
        closed: IncidentClosed | None,
        revisions: Sequence[IncidentRevised],
    ) -> None:
        self.values = own.values(opened, posts, closed, revisions)
        self.since = own.start_of(opened, self.values)
        self.ended = own.end_of(closed, self.values)


class Notes:
    """`facts`: in order; `counts`: over the incident and its margin. Raises ReviewError.

    `told`: what the incident tells by its last revisions; `since`, `ended`: its start and end as
    told, by which everything is measured; `beginning`: what that start is, in words.
    """

    def __init__(self, facts: list[Numbered], counts: Counts, incident: str) -> None:
        self.facts = facts
        self.counts = counts
        self.figures: list[Figure] = []
        self.of: dict[type[Fact], list[tuple[int, Any]]] = defaultdict(list)
        for n, fact in facts:
            self.of[type(fact)].append((n, fact))
        opened = [one for one in self.of[IncidentOpened] if one[1].incident == incident]
        if not opened:
            raise ReviewError(f"there is no incident {incident[:40]}")
        self.n, self.opened = opened[0]
        closed = [f for _, f in self.of[IncidentClosed] if f.incident == incident]
        self.closed: IncidentClosed | None = closed[0] if closed else None
        self.posts = [one for one in self.of[Posted] if one[1].incident == incident]
        self.revisions = [one for one in self.of[IncidentRevised] if one[1].incident == incident]
        told = Told(
            self.opened,
            [post for _, post in self.posts],
            self.closed,
            [revision for _, revision in self.revisions],
        )
        self.told = told.values
        self.since, self.ended = told.since, told.ended
        self.beginning = (
            "the first refusal" if self.since == self.opened.since else "the start as revised"
        )
        last = max(fact.at for _, fact in facts)
        # An end that was revised to after the closing is no reason to leave out what lies between.
        self.until = max(self.closed.at, self.ended or 0.0) if self.closed else last
        self.episodes = [
            one for one in self.of[EpisodeOpened] if self.since <= one[1].at <= self.until
        ]
        self.names = {fact.episode for _, fact in self.episodes}

    def say(self, figure: Figure) -> int:
        """Keep a figure; its place among the review's figures."""
        self.figures.append(figure)
        return len(self.figures) - 1

    def count(self, name: str, query: str, value: int, unit: str) -> int:
        return self.say(measures.count(name, query, value, unit, self.since, self.until))

    def span(self, name: str, query: str, start: float, end: float) -> int:
        return self.say(
            Figure(name=name, value=end - start, unit="s", query=query, start=start, end=end, n=1)
        )

    def inside(self, kind: type[Fact]) -> list[tuple[int, Any]]:
        """The facts of a kind while the incident lasted."""
        return [one for one in self.of[kind] if self.since <= one[1].at <= self.until]


def part(title: str, items: Iterable[Item], none: str = "Nothing.") -> Part:
    """A chapter, cut to a length that can be read."""
    found = tuple(items)
    return Part(title, found[:MOST], none, max(0, len(found) - MOST))
