"""8. Is it over: the rate, the list, and a control receiver must agree.

After the list lets go, one waiting message per path is let through (a canary), or a transaction
without mail when nothing waits. A path that accepts reopens; an episode closes when its list says
clean (with sane test points), every path it closed accepts again, one of them at a receiver that
is known to ask that list, and nothing was refused since. Fewer refusals alone never close it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, SetTimer, TestPath, Wake
from unlisted.facts import (
    Carried,
    Delisted,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
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
from unlisted.loop import _dropped
from unlisted.loop._dropped import Doubts, listing
from unlisted.mail.reply import Reply
from unlisted.rates.interval import rule_of_three
from unlisted.replies.classify import classify

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States
    from unlisted.loop.sense import Episode

Path = tuple[str, str]
TAKEN_AGAIN = 10  # recipients in a row that a refusing receiver takes before its path is open:
# one that still refuses every fourth takes ten in a row in one case of eighteen
PATIENT = 7  # rounds of waiting for a letter to try a path with, before it is tested without


class Check:
    """What one episode still needs before it is over."""

    __slots__ = (
        "accepted",
        "attempts",
        "control",
        "delisted_at",
        "paths",
        "reopened",
        "stopped",
    )

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self.reopened: dict[Path, float] = {}
        self.control = ""  # a receiver known to ask the list, and to accept since it let go
        self.delisted_at: float | None = None
        self.stopped = False
        self.attempts = 0
        self.accepted = 0


class State:
    """Checks of open episodes, and how often a path was tried again."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.silent: set[str] = set()  # feeds that have gone silent
        self.taken: dict[Path, int] = {}  # watched paths: recipients taken since the last refusal
        self.rounds: dict[Path, int] = {}
        self.doubts = Doubts()  # whether a receiver still follows a list

    def stopped(self, episode: str) -> bool:
        """Whether the source behind an open episode was found stopped."""
        check = self.checks.get(episode)
        return check is None or check.stopped


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Let canaries out, hear them, close what is over."""
    state = states.verify
    if isinstance(fact, EpisodeOpened):
        check = state.checks[fact.episode] = Check()
        rests = states.deliver.rests
        check.paths.update(path for path in rests if rests[path].episode == fact.episode)
        check.paths.update(_watched_paths(states, fact))
    elif isinstance(fact, PathRested):
        yield from _rested(states, fact)
    elif isinstance(fact, TimerFired) and fact.key.startswith("canary|"):
        _, address, receiver = fact.key.split("|")
        yield from _canary(states, (address, receiver), fact.at, n)
    elif isinstance(fact, TimerFired) and fact.key.startswith("control|"):
        if fact.key[8:] in state.checks:
            yield from _closes(states, fact.key[8:], fact.at, n)
    elif isinstance(fact, Delisted):
        yield from _delisted(states, fact.episode, fact.at, n)
    elif isinstance(fact, Relisted) and fact.episode in state.checks:
        state.checks[fact.episode].delisted_at = None
        state.checks[fact.episode].control = ""
    elif isinstance(fact, SourceStopped):
        for episode in fact.episodes:
            if episode in state.checks:
                state.checks[episode].stopped = True
    elif isinstance(fact, Woken) and (fact.done or "").startswith("canary/") and not fact.taken:
        address, _, receiver = fact.waits_for.removeprefix("path:").partition("|")
        pool = states.deliver.pool_of.get(address)
        if pool is not None and _testable(states, (address, receiver)):
            key = f"test/{address}/{receiver}/{n}"
            yield TestPath(key=key, address=address, helo=pool.helo, receiver=receiver)
    elif isinstance(fact, PathTested):
        yield from _tested(states, fact, n)
    elif isinstance(fact, Delivery):
        yield from _accepted(states, fact, n)
    elif isinstance(fact, Refusal | Suspicion):
        yield from _refused(states, fact, n)
    elif isinstance(fact, ProbeAnswered):
        yield from _dropped.answered(states, fact, n)
    elif isinstance(fact, ReceiverDropped):
        yield from _followed_no_more(states, fact, n)
    elif isinstance(fact, Carried):
        yield from _carried(states, fact, n)
    elif isinstance(fact, FeedSilent):
        state.silent.add(fact.feed)
    elif isinstance(fact, FeedHeard):
        state.silent.discard(fact.feed)
        for episode in [] if state.silent else sorted(state.checks):
            yield from _closes(states, episode, fact.at, n)
    elif isinstance(fact, PathReopened):
        yield from _reopened(states, fact, n)


def _rested(states: States, fact: PathRested) -> Iterator[Out]:
    path = (fact.address, fact.receiver)
    if fact.episode in states.verify.checks:
        states.verify.checks[fact.episode].paths.add(path)
    for check in states.verify.checks.values():
        check.reopened.pop(path, None)  # it had accepted again, and no longer does
    yield _timer(states, path, fact.at)


def _canary(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
    """Try a resting path with one message, unless a list is known to hold the address."""
    rest = states.deliver.rests.get(path)
    if rest is None:
        return
    if rest.episode is not None and rest.episode in states.verify.checks:
        states.verify.checks[rest.episode].paths.add(path)
    yield _timer(states, path, at)
    if rest.canary:
        return
    holds = listing(states, path)
    if holds is not None:
        if path in states.verify.doubts.open:
            yield from _dropped.tried_on(states, path, at, n)
        elif _dropped.worth_asking(states, path, holds, at):
            yield from _dropped.asked(states, path, holds, at, n)
    else:
        address, receiver = path
        yield Wake(
            key=f"canary/{address}/{receiver}/{n}",
            waits_for=f"path:{address}|{receiver}",
            limit=1,
            why="canary",
        )


def _testable(states: States, path: Path) -> bool:
    """Whether a transaction without mail tells anything, or is all there will be: a receiver that
    refuses late accepts it in any case, so there the next letter is tried, for some hours."""
    if path not in states.deliver.rests:
        return False
    return not states.sense.needs_mail(path[1]) or states.verify.rounds.get(path, 0) > PATIENT


def _timer(states: States, path: Path, at: float) -> SetTimer:
    rounds = states.verify.rounds.get(path, 0)
    states.verify.rounds[path] = rounds + 1
    wait = states.accept.policy.reopen_every_s * min(2 ** (rounds // 2), 16)
    return SetTimer(key=f"canary|{path[0]}|{path[1]}", due=at + wait)


def _delisted(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    check = states.verify.checks.get(episode)
    if check is None:
        return
    check.delisted_at = at
    check.attempts = check.accepted = 0
    _dropped.ended(states, episode)
    address = states.sense.episodes[episode].address
    resting = [path for path in states.deliver.rests if path[0] == address]
    yield from _canaries(states, resting, at, n)
    yield from _closes(states, episode, at, n)


def _tested(states: States, fact: PathTested, n: int) -> Iterator[Out]:
    path = (fact.address, fact.receiver)
    rest = states.deliver.rests.get(path)
    if fact.code == 0:
        return
    reply = Reply(code=fact.code, enhanced=fact.enhanced, text=fact.text)
    meaning = classify(reply, ours=states.sense.ours, source=fact.address, stage=fact.stage)
    if not (fact.code < 400 or (fact.code >= 500 and meaning.refusal == "no")):
        if fact.code >= 500:
            yield from _control(states, path, fact.at, n)
        return
    holds = listing(states, path) if rest is not None else None
    if rest is None:
        yield from _controlled(states, path, fact.at, n)
    elif holds is not None:
        yield from _dropped.took(states, path, holds, fact.at, n, letters=0)
        if not rest.canary:
            yield from _dropped.tried_on(states, path, fact.at, n)
    else:
        yield _open_again(fact, rest.episode, "a transaction without mail was accepted", n)


def _open_again(
    fact: PathTested | Delivery | Carried, episode: str | None, why: str, n: int
) -> PathReopened:
    return PathReopened(
        at=fact.at,
        address=fact.address,
        receiver=fact.receiver,
        episode=episode,
        why=why,
        because=(n,),
    )


def _accepted(states: States, fact: Delivery, n: int) -> Iterator[Out]:
    for episode, check in states.verify.checks.items():
        if states.sense.episodes[episode].address == fact.address and check.delisted_at is not None:
            check.attempts += 1
            check.accepted += 1
    path = (fact.address, fact.receiver)
    rest = states.deliver.rests.get(path)
    holds = listing(states, path)
    if holds is not None:
        yield from _taken_though_listed(states, fact, path, holds, n)
    elif rest is None:
        yield from _controlled(states, path, fact.at, n)
    elif rest.canary == fact.row.key:
        yield _open_again(fact, rest.episode, "accepted again", n)


def _taken_though_listed(
    states: States, fact: Delivery, path: Path, holds: Episode, n: int
) -> Iterator[Out]:
    """A letter of a trial, or one by a path that never closed: its receiver follows the list no
    more, or learns of listings late."""
    rest = states.deliver.rests.get(path)
    if rest is None:
        yield from _controlled(states, path, fact.at, n)  # of another list's episode
        if fact.at - holds.opened_at >= _dropped.LATE_S:
            yield from _dropped.took(states, path, holds, fact.at, n, letters=1)
        return
    yield from _dropped.took(states, path, holds, fact.at, n, letters=1)
    if rest.canary != fact.row.key:
        return
    doubt = states.verify.doubts.open.get(path)
    if doubt is not None and doubt.taken < states.accept.policy.trial_letters:
        yield from _dropped.tried_on(states, path, fact.at, n)
    else:
        yield _open_again(fact, rest.episode, _dropped.words(states, path), n)


def _followed_no_more(states: States, fact: ReceiverDropped, n: int) -> Iterator[Out]:
    """Other addresses of ours that rest towards this receiver for the same list are tried now."""
    yield from _canaries(
        states,
        [path for path in states.deliver.rests if path[1] == fact.receiver],
        fact.at,
        n,
    )


def _canaries(states: States, paths: list[Path], at: float, n: int) -> Iterator[Out]:
    """The pauses begin anew, and each path is tried now."""
    for path in sorted(paths):
        states.verify.rounds[path] = 0
        yield from _canary(states, path, at, n)


def _refused(states: States, fact: Refusal | Suspicion, n: int) -> Iterator[Out]:
    for episode, check in states.verify.checks.items():
        if states.sense.episodes[episode].address == fact.address and check.delisted_at is not None:
            check.attempts += 1
    if fact.row.watched:
        _refused_watched(states, fact)
    if isinstance(fact, Refusal):
        yield from _control(states, (fact.address, fact.receiver), fact.at, n)


def _control(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
    """A receiver refuses this address: for doubts about others that follow the same list, it is
    the control."""
    holds = listing(states, path)
    states.verify.doubts.refuse(path, holds.zone if holds else None, at, n)
    for other in sorted(p for p in states.verify.doubts.open if p[0] == path[0]):
        yield from _dropped.judged(states, other, at)


def _refused_watched(states: States, fact: Refusal | Suspicion) -> None:
    """Watched mail rests nowhere: the path belongs to the episode as long as it is refused."""
    path = (fact.address, fact.receiver)
    states.verify.taken[path] = 0
    for episode, check in states.verify.checks.items():
        opened = states.sense.episodes[episode]
        if opened.address == fact.address and opened.receiver in (None, fact.receiver):
            check.paths.add(path)
            check.reopened.pop(path, None)


def _watched_paths(states: States, fact: EpisodeOpened) -> list[Path]:
    """Paths of a watched address that were refused when its episode opened."""
    if not states.deliver.only_watched(fact.address):
        return []
    found = {(fact.address, receiver) for receiver in states.sense.receivers_of(fact)}
    return sorted(path for path in found if path in states.verify.taken or fact.receiver)


def _carried(states: States, fact: Carried, n: int) -> Iterator[Out]:
    """Watched mail was taken: often enough in a row, and its path counts as open again."""
    path = (fact.address, fact.receiver)
    count = sum(recipients for _, recipients in fact.senders)
    for episode, check in states.verify.checks.items():
        if states.sense.episodes[episode].address == fact.address and check.delisted_at is not None:
            check.attempts += count
            check.accepted += count
    before = states.verify.taken.get(path)
    if before is None:
        holds = listing(states, path)
        yield from _controlled(states, path, fact.at, n)
        if holds is not None and fact.at - holds.opened_at >= _dropped.LATE_S:
            yield from _dropped.took(states, path, holds, fact.at, n, letters=count)
        return
    states.verify.taken[path] = before + count
    if before < TAKEN_AGAIN <= before + count:
        del states.verify.taken[path]
        if not any(path in check.paths for check in states.verify.checks.values()):
            return  # it was refused now and then, and no episode came of it
        holds = listing(states, path)
        why = f"{before + count} recipients taken since its last refusal"
        if holds is not None:
            yield from _dropped.took(states, path, holds, fact.at, n, letters=before + count)
            why += f" although {holds.zone} lists it"
        own = states.sense.episode_at(fact.address, fact.receiver, None)
        yield _open_again(fact, own, why, n)


def _reopened(states: States, fact: PathReopened, n: int) -> Iterator[Out]:
    path = (fact.address, fact.receiver)
    states.verify.rounds.pop(path, None)
    for episode in sorted(states.verify.checks):
        check = states.verify.checks[episode]
        if states.sense.episodes[episode].address == fact.address and (
            path in check.paths or episode == fact.episode
        ):
            check.reopened[path] = fact.at
            yield from _closes(states, episode, fact.at, n)


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
            yield from _closes(states, episode, at, n)


def _unasked(states: States, address: str, check: Check) -> bool:
    """Watched mail where no list is asked: what the receivers do is all there will be."""
    config = states.accept.config
    asked = config is not None and config.lookups
    return not asked and bool(check.reopened) and states.deliver.only_watched(address)


def _asked(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    """Only the control is missing, and no path of this episode leads to one: ask one."""
    opened = states.sense.episodes[episode]
    pool = states.deliver.pool_of.get(opened.address)
    if pool is not None and pool.watched:
        pool = None  # nothing is sent by it; the log will show a receiver that takes its mail
    resting = {receiver for address, receiver in states.deliver.rests if address == opened.address}
    users = sorted(states.sense.users.get(opened.zone or "", set()) - resting)
    if pool is not None and users:
        yield TestPath(
            key=f"control/{episode}/{n}",
            address=opened.address,
            helo=pool.helo,
            receiver=users[n % len(users)],
        )
    wait = states.accept.policy.reopen_every_s
    yield SetTimer(key=f"control|{episode}", due=at + wait)


def _closes(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    """Close the episode if the list, every path and a control receiver agree."""
    check = states.verify.checks[episode]
    opened = states.sense.episodes[episode]
    if states.verify.silent and states.deliver.only_watched(opened.address):
        return  # who hears nothing does not hear that it is over
    if any(path not in check.reopened for path in check.paths):
        return
    if opened.zone is not None:
        users = states.sense.users.get(opened.zone, set())
        # What opened while the list still held the address tells nothing of its letting go.
        since = check.delisted_at or 0.0
        told = (path for path, when in check.reopened.items() if when >= since)
        control = check.control or any(path[1] in users for path in told)
        if check.delisted_at is None and not _unasked(states, opened.address, check):
            return
        if users and not control:
            yield from _asked(states, episode, at, n)
            return
    elif not check.reopened:
        return
    how = "source stopped, delisted" if check.stopped else "delisted"
    if opened.zone is None:
        how = "the receiver accepts again"
    elif check.delisted_at is None:
        how = "the receivers accept again, the list was not asked"
    bound = rule_of_three(check.attempts)
    evidence = f"{len(check.reopened)} of {len(check.paths)} refused paths accept again"
    if opened.zone is not None and check.attempts:
        evidence += (
            f"; since the delisting {check.attempts - check.accepted} of {check.attempts} "
            f"attempts refused (rate below {bound:.2f} if none)"
        )
    del states.verify.checks[episode]
    _dropped.ended(states, episode)
    yield CancelTimer(key=f"control|{episode}")
    yield EpisodeClosed(at=at, episode=episode, how=how, evidence=evidence, because=(n,))
