"""After a listing ended: its list is asked about the address for weeks, and a relisting counted.

An address that comes back on a list within the watch has a source that was not found, or that
returned. The watch acts on nobody: refusals open the next episode (`sense`), this only tells.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, Probe, SetTimer
from unlisted.facts import EpisodeOpened, ProbeAnswered, Recurred, RelistingWatched

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

Listing = tuple[str, str]  # zone, address


class Watch:
    """One listing that ended. `count`: listings before the next one; `seen`: the list said listed."""

    __slots__ = ("asked", "count", "ended_at", "episode", "seen", "until")

    def __init__(self, episode: str, ended_at: float, until: float, count: int) -> None:
        self.episode = episode
        self.ended_at = ended_at
        self.until = until
        self.count = count
        self.asked = 0
        self.seen = False


def watched(
    states: States, listing: Listing, episode: str, recurrence: int, at: float, n: int
) -> Iterator[Out]:
    """An episode closed: watch its list."""
    policy = states.accept.policy
    if policy.relisting_watch_s <= 0:
        return
    until = at + policy.relisting_watch_s
    states.verify.watches[listing] = Watch(episode, at, until, recurrence + 1)
    yield RelistingWatched(
        at=at, episode=episode, zone=listing[0], address=listing[1], until=until, because=(n,)
    )
    yield _timer(states, listing, at)


def fired(states: States, listing: Listing, at: float, n: int) -> Iterator[Out]:
    """Ask, or end the watch."""
    watch = states.verify.watches.get(listing)
    if watch is None:
        return
    if at >= watch.until:
        del states.verify.watches[listing]
        return
    watch.asked += 1
    config = states.accept.config
    if config is not None and config.lookups:
        zone, address = listing
        yield Probe(key=f"relisting/{watch.episode}/{n}", zone=zone, address=address)
    yield _timer(states, listing, at)


def answered(states: States, fact: ProbeAnswered, n: int) -> Iterator[Out]:
    """The list was asked: listed again, and nobody refused for it yet."""
    listing = (fact.zone, fact.address)
    watch = states.verify.watches.get(listing)
    if watch is None or (fact.address, fact.zone) in states.sense.open:
        return
    if fact.state == "clean":
        watch.seen = False
    elif fact.state == "listed" and not watch.seen:
        watch.seen = True
        yield _recurred(listing, watch, None, fact.at, n)


def opened(states: States, fact: EpisodeOpened, n: int) -> Generator[Out, None, int]:
    """A new episode: how many listings of this address on this list came before it."""
    listing = (fact.zone or "", fact.address)
    watch = states.verify.watches.pop(listing, None)
    if watch is None:
        return 0
    yield CancelTimer(key=f"relisting|{listing[0]}|{listing[1]}")
    if fact.at >= watch.until:
        return 0
    yield _recurred(listing, watch, fact.episode, fact.at, n)
    return watch.count


def _recurred(listing: Listing, watch: Watch, episode: str | None, at: float, n: int) -> Recurred:
    return Recurred(
        at=at,
        before=watch.episode,
        episode=episode,
        zone=listing[0],
        address=listing[1],
        after_s=at - watch.ended_at,
        count=watch.count,
        because=(n,),
    )


def _timer(states: States, listing: Listing, at: float) -> SetTimer:
    due = min(at + states.accept.policy.relisting_ask_s, states.verify.watches[listing].until)
    return SetTimer(key=f"relisting|{listing[0]}|{listing[1]}", due=due)
