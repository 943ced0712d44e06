"""What is shown of an episode: how it opened, what became of it; and how facts change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unlisted.facts import (
    CausesRanked,
    Delisted,
    DelistingAdvised,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    ListingDated,
    ReceiverDropped,
    RecoveryWatched,
    Recurred,
    ReleasePredicted,
    Relisted,
    RelistingWatched,
    SourceStopped,
)


@dataclass
class Episode:
    """One listing, or one block at one receiver, with all that became of it."""

    opened: EpisodeOpened
    refusals: int
    opened_by: int = 0  # number of the input
    predicted: ReleasePredicted | None = None
    stopped: SourceStopped | None = None
    advised: DelistingAdvised | None = None
    delisted: Delisted | None = None
    relisted_at: list[float] = field(default_factory=list)
    closed: EpisodeClosed | None = None
    causes: CausesRanked | None = None
    dated: ListingDated | None = None
    recovery: RecoveryWatched | None = None
    watched: RelistingWatched | None = None
    recurred: Recurred | None = None  # an earlier listing of it came back as this
    dropped: list[ReceiverDropped] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)  # kind → number of the newest


Episodes = dict[str, Episode]
Take = Callable[[Episodes, Any, int], None]  # the third: the fact's number


def _attribute(name: str) -> Take:
    def put(episodes: Episodes, fact: Any, n: int) -> None:
        if fact.episode in episodes:
            setattr(episodes[fact.episode], name, fact)
            episodes[fact.episode].facts[type(fact).__name__] = n

    return put


def _ended(episodes: Episodes, fact: Any, n: int) -> None:
    episode = episodes.get(fact.episode)
    if episode is not None:
        episode.closed = fact
        episode.facts["EpisodeClosed"] = n
        episode.refusals = fact.refused or episode.refusals  # 0: of an earlier version


def _stopped(episodes: Episodes, fact: Any, n: int) -> None:
    for name in fact.episodes:
        if name in episodes:
            episodes[name].stopped = fact
            episodes[name].facts["SourceStopped"] = n


def _relisted(episodes: Episodes, fact: Any, n: int) -> None:
    if fact.episode in episodes:
        episodes[fact.episode].relisted_at.append(fact.at)
        episodes[fact.episode].delisted = None


def _dropped(episodes: Episodes, fact: Any, n: int) -> None:
    if fact.episode in episodes:
        episodes[fact.episode].dropped.append(fact)
        episodes[fact.episode].facts["ReceiverDropped"] = n


TAKES: dict[type[Fact], Take] = {
    SourceStopped: _stopped,
    Relisted: _relisted,
    ReceiverDropped: _dropped,
    EpisodeClosed: _ended,
    ReleasePredicted: _attribute("predicted"),
    DelistingAdvised: _attribute("advised"),
    Delisted: _attribute("delisted"),
    ListingDated: _attribute("dated"),
    RecoveryWatched: _attribute("recovery"),
    RelistingWatched: _attribute("watched"),
    Recurred: _attribute("recurred"),
}
