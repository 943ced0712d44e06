"""8. Is it over: the list, every path, a control receiver and the usual share of refusals must agree.

Fewer refusals can mean that the source stopped, that the list let go, or that a receiver dropped the
list: the three are told apart by the source's own volume (`contain`), the list's answer (`delist`) and
control receivers (`_dropped`). An episode closes when its list says clean (with sane test points, and
lately), every path it closed accepts again, one of them at a receiver that is known to ask that list,
and each path's refusals are for a stated time what they were before (`_band`). An input that has gone
silent closes nothing. After it the list is watched for a relisting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.facts import (
    Carried,
    Delisted,
    Delivery,
    EpisodeOpened,
    Fact,
    Failed,
    FeedHeard,
    FeedSilent,
    PathReopened,
    PathRested,
    PathTested,
    ProbeAnswered,
    ReceiverDropped,
    Refusal,
    Relisted,
    SourceStopped,
    Suspicion,
    TimerFired,
    Woken,
)
from unlisted.loop import _account, _band, _closing, _dropped, _idle, _paths, _relisting
from unlisted.loop._account import Accounts
from unlisted.loop._band import Bands
from unlisted.loop._dropped import Doubts
from unlisted.loop._relisting import Watch
from unlisted.loop._resting import Path

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States


class Check:
    """What one episode still needs before it is over."""

    __slots__ = (
        "band_since",
        "because",
        "control",
        "delisted_at",
        "dropped",
        "paths",
        "recurrence",
        "refused_at",
        "reopened",
        "stopped",
        "waits",
    )

    def __init__(self, recurrence: int) -> None:
        self.paths: set[Path] = set()
        self.reopened: dict[Path, float] = {}
        self.control = ""  # a receiver known to ask the list, and to accept since it let go
        self.delisted_at: float | None = None
        self.stopped = False
        self.refused_at: float | None = None  # of watched mail: the last refusal
        self.dropped: list[str] = []  # receivers that dropped the list
        self.recurrence = recurrence
        self.band_since: float | None = None  # since when only the band is waited for
        self.because: dict[str, int] = {}  # the newest facts that it rests on, by what they say
        self.waits: tuple[str, ...] = ()  # paths that it last was said to wait for


class State:
    """Checks of open episodes, and how often a path was tried again."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.silent: set[str] = set()  # feeds that have gone silent
        self.taken: dict[Path, int] = {}  # watched paths: recipients taken since the last refusal
        self.rounds: dict[Path, int] = {}
        self.doubts = Doubts()  # whether a receiver still follows a list
        self.bands = Bands()
        self.accounts = Accounts()
        self.watches: dict[Path, Watch] = {}  # (zone, address): listings that ended

    def stopped(self, episode: str) -> bool:
        """Whether the source behind an open episode was found stopped."""
        check = self.checks.get(episode)
        return check is None or check.stopped

    def troubled(self, states: States, address: str) -> bool:
        """Whether an episode of this address is open."""
        return any(states.sense.episodes[one].address == address for one in self.checks)


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Let canaries out, hear them, close what is over."""
    state = states.verify
    _account.follow(states, fact, n)
    if isinstance(fact, Delivery | Carried | Refusal | Suspicion | Failed):
        yield from _reply(states, fact, n)
    elif isinstance(fact, TimerFired):
        yield from _fired(states, fact, n)
    elif isinstance(fact, EpisodeOpened):
        yield from _opened(states, fact, n)
    elif isinstance(fact, PathRested):
        yield from _paths.rested(states, fact)
    elif isinstance(fact, Delisted):
        yield from _delisted(states, fact.episode, fact.at, n)
    elif isinstance(fact, Relisted) and fact.episode in state.checks:
        yield from _relisted(states, fact, n)
    elif isinstance(fact, SourceStopped):
        for episode in fact.episodes:
            if episode in state.checks:
                state.checks[episode].stopped = True
                state.checks[episode].because["stopped"] = n
    elif isinstance(fact, Woken) and (fact.done or "").startswith("canary/") and not fact.taken:
        yield from _paths.unwaited(states, fact, n)
    elif isinstance(fact, PathTested):
        path = (fact.address, fact.receiver)
        yield from _paths.tested(states, fact, n)
        if _paths.taken_by(states, fact) and path not in states.deliver.rests:
            yield from _controlled(states, path, fact.at, n)
    elif isinstance(fact, ProbeAnswered):
        yield from _dropped.answered(states, fact, n)
        yield from _relisting.answered(states, fact, n)
    elif isinstance(fact, ReceiverDropped):
        if fact.episode in state.checks:
            state.checks[fact.episode].dropped.append(fact.receiver)
            state.checks[fact.episode].because[f"dropped {fact.receiver}"] = n
        # Other addresses of ours that rest towards it for the same list are tried now.
        resting = [path for path in states.deliver.rests if path[1] == fact.receiver]
        yield from _paths.canaries(states, resting, fact.at, n)
    elif isinstance(fact, FeedSilent):
        state.silent.add(fact.feed)
    elif isinstance(fact, FeedHeard):
        state.silent.discard(fact.feed)
        for episode in [] if state.silent else sorted(state.checks):
            yield from _closing.closes(states, episode, fact.at, n)
    elif isinstance(fact, PathReopened):
        yield from _reopened(states, fact, n)


def _opened(states: States, fact: EpisodeOpened, n: int) -> Iterator[Out]:
    state = states.verify
    count = yield from _relisting.opened(states, fact, n)
    check = state.checks[fact.episode] = Check(count)
    rests = states.deliver.rests
    check.paths.update(path for path in rests if rests[path].episode == fact.episode)
    check.paths.update(_paths.watched_paths(states, fact))
    clean = state.accounts.clean.get((fact.zone or "", fact.address))
    state.accounts.open(fact, clean)
    state.bands.trouble(fact.address, fact.since)
    yield from _idle.opened(states, fact.episode, fact.at)


def _fired(states: States, fact: TimerFired, n: int) -> Iterator[Out]:
    kind, _, name = fact.key.partition("|")
    if kind == "canary":
        address, _, receiver = name.partition("|")
        yield from _paths.canary(states, (address, receiver), fact.at, n)
    elif kind in ("control", "band") and name in states.verify.checks:
        yield from _closing.closes(states, name, fact.at, n)
    elif kind == "idle" and name in states.verify.checks:
        yield from _idle.fired(states, name, fact.at, n)
    elif kind == "relisting":
        zone, _, address = name.partition("|")
        yield from _relisting.fired(states, (zone, address), fact.at, n)


# ---------------------------------------------------------------- replies


def _reply(
    states: States, fact: Delivery | Carried | Refusal | Suspicion | Failed, n: int
) -> Iterator[Out]:
    path = (fact.address, fact.receiver)
    blamed = isinstance(fact, Refusal | Suspicion)
    count = sum(taken for _, taken in fact.senders) if isinstance(fact, Carried) else 1
    if not isinstance(fact, Failed) or fact.code:
        _counted(states, path, fact.at, count if blamed else 0, count)
    if isinstance(fact, Delivery | Carried):
        states.verify.accounts.took(path, fact.at)
        waited = isinstance(fact, Carried) and path in states.verify.taken
        if isinstance(fact, Carried):
            yield from _paths.carried(states, fact, count, n)
        else:
            yield from _paths.accepted(states, fact, n)
        if path not in states.deliver.rests and not waited:
            yield from _controlled(states, path, fact.at, n)
    elif isinstance(fact, Refusal | Suspicion):
        if fact.row.watched:
            _paths.refused_watched(states, fact)
        if isinstance(fact, Refusal):
            states.verify.bands.refused(path)
            yield from _paths.control(states, path, fact.at, n)


def _counted(states: States, path: Path, at: float, refused: int, attempts: int) -> None:
    bands = states.verify.bands
    bands.again(_band.ALL, at, refused, attempts)
    if states.verify.troubled(states, path[0]):
        bands.again(_band.stream_of(path), at, refused, attempts)
    elif path not in states.deliver.rests:
        pool = states.deliver.pool_of.get(path[0])
        bands.add(path, pool.name if pool else "", at, refused, attempts)


def _reopened(states: States, fact: PathReopened, n: int) -> Iterator[Out]:
    path = (fact.address, fact.receiver)
    states.verify.rounds.pop(path, None)
    for episode in sorted(states.verify.checks):
        check = states.verify.checks[episode]
        if states.sense.episodes[episode].address == fact.address and (
            path in check.paths or episode == fact.episode
        ):
            check.reopened[path] = fact.at
            check.because[f"open {fact.receiver}"] = n
            states.verify.accounts.opened_again(episode, fact.at)
            yield from _closing.closes(states, episode, fact.at, n)


def _controlled(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
    """A receiver accepted: is it a control for an episode that waits for one?"""
    address, receiver = path
    for episode in sorted(states.verify.checks):
        check = states.verify.checks[episode]
        opened = states.sense.episodes[episode]
        if opened.address != address or opened.zone is None or check.delisted_at is None:
            continue
        if not check.control and receiver in states.sense.users.get(opened.zone, ()):
            check.control = receiver
            yield from _closing.closes(states, episode, at, n)


# ---------------------------------------------------------------- the list


def _delisted(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    check = states.verify.checks.get(episode)
    if check is None:
        return
    check.delisted_at = at
    check.because["delisted"] = n
    _dropped.ended(states, episode)
    yield _account.dated(states, episode, at, n, check.recurrence)
    address = states.sense.episodes[episode].address
    resting = [path for path in states.deliver.rests if path[0] == address]
    yield from _paths.canaries(states, resting, at, n)
    yield from _closing.closes(states, episode, at, n)


def _relisted(states: States, fact: Relisted, n: int) -> Iterator[Out]:
    """The list holds it again. If all else was over, that listing was one, and this is the next: its
    end dates evidence of its own. Else the list's answers flutter while it lets go."""
    check = states.verify.checks[fact.episode]
    if check.band_since is not None:
        yield from _closing.close(
            states, fact.episode, fact.at, n, "delisted, and listed again since"
        )
        return
    check.delisted_at = None
    check.control = ""
