"""3. What was refused: reply to refusal, suspicion or failure; when it is an episode.

An episode opens on a refusal or suspicion whose list confirms the listing by DNS, or on a shift:
replies at one receiver turn against one address and not the others (`_shift.py`: e-detector over a
seasonal baseline, then contrast). Where another MTA's log is only watched and no list is asked, it
opens on the words of several (`_blame.py`). Replies are counted per address x receiver; which
receivers ask which list is learned from what they name. A failed look-up is unknown, never clean
and never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from unlisted.facts import (
    Bounce,
    Carried,
    Configured,
    Delisted,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    ProbeAnswered,
    ReceiverDropped,
    Refusal,
    Relisted,
    TimerFired,
    TransientFailure,
)
from unlisted.loop._blame import RECENT_S, answered, followed, is_ip, others, probe, replied
from unlisted.loop._shift import carried, counted
from unlisted.rates.baseline import SeasonalBaseline
from unlisted.rates.edetector import EDetector
from unlisted.rates.windows import SlidingCounts

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

STREAMS_LIMIT = 20_000  # of which the week is known


class Episode:
    """One listing of one address on one list, or one block at one receiver."""

    __slots__ = (
        "address",
        "closed_at",
        "delisted_at",
        "id",
        "opened_at",
        "parent",
        "receiver",
        "since",
        "zone",
    )

    def __init__(self, fact: EpisodeOpened) -> None:
        self.id = fact.episode
        self.address = fact.address
        self.zone = fact.zone
        self.receiver = fact.receiver
        self.parent = fact.parent
        self.since = fact.since
        self.opened_at = fact.at
        self.closed_at: float | None = None
        self.delisted_at: float | None = None  # its list let go, so far as is known


class State:
    """Counts, detectors, what is known of lists, and the episodes."""

    def __init__(self) -> None:
        self.ours: tuple[IPv4Network | IPv6Network, ...] = ()
        self.zones: tuple[str, ...] = ()
        self.users: dict[str, set[str]] = {}  # zone -> receivers that named it
        self.followers: dict[str, set[str]] = {}  # zone -> receivers that refuse while it lists
        self.blamed: dict[str, list[float]] = {}  # address -> recent refusals and suspicions
        self.blamed_at: dict[tuple[str, str], float] = {}  # path -> last of them
        self.stages: dict[str, str] = {}  # receiver -> where in the session it refuses
        self.counts = SlidingCounts(window_s=6 * 3600.0)
        self.by_sender = SlidingCounts(window_s=6 * 3600.0)
        self.hour = SlidingCounts(window_s=3600.0, bucket_s=60.0)
        self.senders: dict[tuple[str, str], dict[str, float]] = {}
        self.baseline = SeasonalBaseline(limit=STREAMS_LIMIT)
        self.pending: dict[str, list[int]] = {}  # path -> blamed and replies of the hour that runs
        self.pending_hour = -1
        self.noisy: set[str] = set()  # addresses whose block ended within it
        self.contrasted: dict[tuple[str, str], float] = {}  # path -> when its doubts were told
        self.detectors: dict[tuple[str, str], EDetector] = {}
        self.said: dict[tuple[str, str], list[tuple[float, str, str]]] = {}  # see _by_words
        self.asked: dict[tuple[str, str], float] = {}
        self.asked_beside: dict[tuple[str, str], float] = {}  # because of another episode
        self.tries: dict[tuple[str, str], int] = {}
        self.episodes: dict[str, Episode] = {}
        self.open: dict[tuple[str, str], str] = {}  # (address, zone or "@"receiver) -> episode

    def episode_at(self, address: str, receiver: str, zone: str | None) -> str | None:
        """The open episode that a refusal of `address` at `receiver` belongs to."""
        own = self.open.get((address, f"@{receiver}"))
        if own is not None:
            return own
        if zone is not None:
            return self.open.get((address, zone))
        zones = [one for where, one in sorted(self.open) if where == address and one[0] != "@"]
        asked = [one for one in zones if self.asks(receiver, one)] or zones
        return self.open[address, asked[0]] if asked else None

    def needs_mail(self, receiver: str) -> bool:
        """Whether only a whole message shows if a receiver accepts again: it refuses late."""
        return self.stages.get(receiver) in ("data", "eod")

    def asks(self, receiver: str, zone: str) -> bool:
        """Whether a receiver is known to refuse what this list lists."""
        return receiver in self.users.get(zone, ()) or receiver in self.followers.get(zone, ())

    def receivers_of(self, fact: EpisodeOpened) -> list[str]:
        """The receivers an episode closes paths to: the one, or all that ask the list and all
        that blamed the address just now."""
        if fact.receiver is not None:
            return [fact.receiver]
        zone = fact.zone or ""
        just = {
            receiver
            for (address, receiver), at in self.blamed_at.items()
            if address == fact.address and fact.at - at <= RECENT_S
        }
        return sorted(just | self.users.get(zone, set()) | self.followers.get(zone, set()))

    def open_episodes(self) -> list[Episode]:
        """Episodes not closed, oldest first."""
        return [one for one in self.episodes.values() if one.closed_at is None]


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Classify each reply, keep the counts, ask the lists, open and close episodes."""
    state = states.sense
    if isinstance(fact, TransientFailure | Bounce):
        yield from replied(states, fact, n)
    elif isinstance(fact, Refusal):
        followed(states, fact)
    elif isinstance(fact, Delivery):
        yield from counted(states, fact, False, n)
    elif isinstance(fact, Carried):
        carried(states, fact)
    elif isinstance(fact, ProbeAnswered):
        yield from answered(states, fact, n)
    elif isinstance(fact, TimerFired) and fact.key.startswith("ask|"):
        _, zone, address = fact.key.split("|")
        yield probe(zone, address, n)
    elif isinstance(fact, EpisodeOpened):
        state.episodes[fact.episode] = Episode(fact)
        state.open[fact.address, fact.zone or f"@{fact.receiver}"] = fact.episode
        yield from others(states, fact)
    elif isinstance(fact, EpisodeClosed):
        episode = state.episodes[fact.episode]
        episode.closed_at = fact.at
        state.noisy.add(episode.address)
        state.open.pop((episode.address, episode.zone or f"@{episode.receiver}"), None)
        for path in [p for p in state.detectors if p[0] == episode.address]:
            del state.detectors[path]
    elif isinstance(fact, Delisted):
        state.episodes[fact.episode].delisted_at = fact.high
    elif isinstance(fact, Relisted):
        state.episodes[fact.episode].delisted_at = None
    elif isinstance(fact, ReceiverDropped):
        for known in (state.users, state.followers):  # until it refuses by that list again
            known.get(fact.zone, set()).discard(fact.receiver)
    elif isinstance(fact, Configured):
        addresses = [a for pool in fact.pools for a in pool.addresses]
        state.ours = tuple(ip_network(one) for one in addresses if is_ip(one))
        state.zones = tuple(one.zone for one in fact.lists) if fact.lookups else ()
