"""Paths that rest: when they are tried, what the answers say, when they open again.

After the list lets go, one waiting message per path is let through (a canary), or a transaction
without mail when nothing waits. While a list that the receiver follows holds the address no letter
that waits is spent; what tells that the receiver dropped the list is in `_dropped`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import SetTimer, TestPath, Wake
from unlisted.facts import (
    Carried,
    Delivery,
    EpisodeOpened,
    PathReopened,
    PathRested,
    PathTested,
    Refusal,
    Suspicion,
    Woken,
)
from unlisted.loop import _dropped
from unlisted.loop._dropped import listing
from unlisted.loop._resting import Path
from unlisted.mail.reply import Reply
from unlisted.replies.classify import classify

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States
    from unlisted.loop.sense import Episode

TAKEN_AGAIN = 10  # recipients in a row that a refusing receiver takes before its path is open:
# one that still refuses every fourth takes ten in a row in one case of eighteen
PATIENT = 7  # rounds of waiting for a letter to try a path with, before it is tested without


def rested(states: States, fact: PathRested) -> Iterator[Out]:
    """A path rests: it belongs to its episode, and has not opened again."""
    path = (fact.address, fact.receiver)
    if fact.episode in states.verify.checks:
        states.verify.checks[fact.episode].paths.add(path)
    for check in states.verify.checks.values():
        if check.reopened.pop(path, None) is not None:  # it had accepted again, and no longer does
            check.band_since = None
    yield _timer(states, path, fact.at)


def canary(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
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
            if not rest.trial:  # else nothing waits, and the next letter goes
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


def unwaited(states: States, fact: Woken, n: int) -> Iterator[Out]:
    """No letter waits to try a path with: ask its receiver without one, where that tells anything."""
    address, _, receiver = fact.waits_for.removeprefix("path:").partition("|")
    pool = states.deliver.pool_of.get(address)
    if pool is not None and _testable(states, (address, receiver)):
        key = f"test/{address}/{receiver}/{n}"
        yield TestPath(key=key, address=address, helo=pool.helo, receiver=receiver)


def _timer(states: States, path: Path, at: float) -> SetTimer:
    rounds = states.verify.rounds.get(path, 0)
    states.verify.rounds[path] = rounds + 1
    wait = states.accept.policy.reopen_every_s * min(2 ** (rounds // 2), 16)
    return SetTimer(key=f"canary|{path[0]}|{path[1]}", due=at + wait)


def taken_by(states: States, fact: PathTested) -> bool | None:
    """Whether a transaction without mail was accepted; None: there was no answer, or not yet."""
    if fact.code == 0:
        return None
    reply = Reply(code=fact.code, enhanced=fact.enhanced, text=fact.text)
    meaning = classify(reply, ours=states.sense.ours, source=fact.address, stage=fact.stage)
    if fact.code < 400 or (fact.code >= 500 and meaning.refusal == "no"):
        return True
    return False if fact.code >= 500 else None


def tested(states: States, fact: PathTested, n: int) -> Iterator[Out]:
    """A transaction without mail was answered."""
    path = (fact.address, fact.receiver)
    rest = states.deliver.rests.get(path)
    taken = taken_by(states, fact)
    if taken is False:
        yield from control(states, path, fact.at, n)
    if not taken:
        return
    if rest is None:
        return
    holds = listing(states, path)
    if holds is not None:
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


def accepted(states: States, fact: Delivery, n: int) -> Iterator[Out]:
    """A letter was taken."""
    path = (fact.address, fact.receiver)
    rest = states.deliver.rests.get(path)
    holds = listing(states, path)
    if holds is not None:
        yield from _taken_though_listed(states, fact, path, holds, n)
    elif rest is not None and rest.canary == fact.row.key:
        yield _open_again(fact, rest.episode, "accepted again", n)


def _taken_though_listed(
    states: States, fact: Delivery, path: Path, holds: Episode, n: int
) -> Iterator[Out]:
    """A letter of a trial, or one by a path that never closed: its receiver follows the list no
    more, or learns of listings late."""
    rest = states.deliver.rests.get(path)
    if rest is None:
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


def canaries(states: States, paths: list[Path], at: float, n: int) -> Iterator[Out]:
    """The pauses begin anew, and each path is tried now."""
    for path in sorted(paths):
        states.verify.rounds[path] = 0
        yield from canary(states, path, at, n)


def control(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
    """A receiver refuses this address: for doubts about others that follow the same list, it is
    the control."""
    holds = listing(states, path)
    states.verify.doubts.refuse(path, holds.zone if holds else None, at, n)
    for other in sorted(p for p in states.verify.doubts.open if p[0] == path[0]):
        yield from _dropped.judged(states, other, at)


def refused_watched(states: States, fact: Refusal | Suspicion) -> None:
    """Watched mail rests nowhere: the path belongs to the episode as long as it is refused."""
    path = (fact.address, fact.receiver)
    states.verify.taken[path] = 0
    for episode, check in states.verify.checks.items():
        opened = states.sense.episodes[episode]
        if opened.address == fact.address and opened.receiver in (None, fact.receiver):
            check.paths.add(path)
            check.refused_at = fact.at
            if check.reopened.pop(path, None) is not None:
                check.band_since = None


def watched_paths(states: States, fact: EpisodeOpened) -> list[Path]:
    """Paths of a watched address that were refused when its episode opened."""
    if not states.deliver.only_watched(fact.address):
        return []
    found = {(fact.address, receiver) for receiver in states.sense.receivers_of(fact)}
    return sorted(path for path in found if path in states.verify.taken or fact.receiver)


def carried(states: States, fact: Carried, count: int, n: int) -> Iterator[Out]:
    """Watched mail was taken: often enough in a row, and its path counts as open again."""
    path = (fact.address, fact.receiver)
    before = states.verify.taken.get(path)
    if before is None:
        holds = listing(states, path)
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
            if states.accept.config is not None and states.accept.config.lookups:
                why += f" although {holds.zone} lists it"
        own = states.sense.episode_at(fact.address, fact.receiver, None)
        yield _open_again(fact, own, why, n)
