"""How the facts of an incident are told in one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unlisted.facts import (
    CausesRanked,
    Delisted,
    DelistingAdvised,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    FeedHeard,
    FeedSilent,
    HoldReleased,
    IncidentClosed,
    IncidentOpened,
    IncidentRevised,
    Posted,
    Relisted,
    RuleStepped,
    SenderHeld,
    SourceStopped,
)
from unlisted.health.figures import clock
from unlisted.health.own import revised
from unlisted.health.review_notes import Item

_TOLD: dict[type[Fact], Callable[[Any], str]] = {
    IncidentOpened: lambda f: f"Incident {f.incident} opened: {f.title}",
    EpisodeOpened: lambda f: (
        f"{f.episode}: {f.address} is blocked by {f.zone or f.receiver} ({f.basis})"
    ),
    CausesRanked: lambda f: f"{f.episode}: {f.verdict}" + (
        f", named {', '.join(f.named)}" if f.named else ""
    ),
    SenderHeld: lambda f: f"Held {f.sender}, {f.scope}, until {clock(f.expires_at)}: {f.reason}",
    HoldReleased: lambda f: f"Released {f.sender}, by {f.actor}: {f.why}",
    SourceStopped: lambda f: f"Source stopped: {f.evidence}",
    RuleStepped: lambda f: f"Rule {f.rule}: {f.old or 'new'} to {f.new}: {f.why}",
    DelistingAdvised: lambda f: f"{f.episode}: {f.advice}",
    Delisted: lambda f: f"{f.episode}: the list answers clean",
    Relisted: lambda f: f"{f.episode}: listed again",
    EpisodeClosed: lambda f: f"{f.episode}: closed, {f.how}: {f.evidence}",
    Posted: lambda f: f"Post {f.number} ({f.post}, by {f.author})" if f.author != "policy" else "",
    FeedSilent: lambda f: f"Input {f.feed} fell silent",
    FeedHeard: lambda f: f"Input {f.feed} spoke again",
    IncidentRevised: revised,
    IncidentClosed: lambda f: f"Incident {f.incident} closed",
}  # fmt: skip


def told(fact: Fact) -> str:
    tell = _TOLD.get(type(fact))
    return tell(fact) if tell else ""


def changes(items: list[Item]) -> list[Item]:
    """Ranked again every few minutes: what says the same as the last time is no news."""
    said: dict[str, str] = {}
    kept = []
    for item in items:
        topic, _, rest = item.text.partition(":")
        if said.get(topic) != rest:
            kept.append(item)
        said[topic] = rest
    return kept


def predicted_words(at: float | None, low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"between {clock(low)} and {clock(high)}"
    return f"for {clock(at)}" if at is not None else "for no known time"
