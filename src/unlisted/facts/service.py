"""The service about itself: timers, inputs that fall silent, stations that fail."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed


class FeedSilent(Observed, frozen=True, tag=True):
    """An input of ours has said nothing for longer than it ever does: `usual_s` is its rhythm."""

    feed: str
    last_at: float
    usual_s: float


class FeedHeard(Observed, frozen=True, tag=True):
    """An input that was silent speaks again."""

    feed: str
    silent_s: float


class TimerFired(Observed, frozen=True, tag=True):
    """A timer that a station set came due."""

    key: str


class StationFault(Fact, frozen=True, tag=True):
    """runner: a station failed or derived too much on this input: quarantined, service goes on."""

    station: str
    error: str
    because: tuple[int, ...] = ()
