"""When an episode is over, and what its close says: the last of station verify's questions.

The list, every path and a control receiver must agree; then each path's refusals must for a stated time
be what was usual before the incident (`_band`), or the patience ends and the close says what was missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, SetTimer, TestPath
from unlisted.facts import Band, EpisodeClosed, RecoveryWatched
from unlisted.loop import _account, _band, _dropped, _relisting

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States
    from unlisted.loop.verify import Check

BANDS = 50  # paths named in one fact
FRESH = 4.0  # a list's last answer may be this many of its pauses old when an episode closes


def _unasked(states: States, check: Check) -> bool:
    """Where no list is asked, what the receivers do is all there will be."""
    config = states.accept.config
    asked = config is not None and config.lookups
    return not asked and bool(check.reopened)


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


def closes(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    """Close the episode if the list, every path, a control receiver and the band agree."""
    check = states.verify.checks[episode]
    opened = states.sense.episodes[episode]
    if states.verify.silent and states.deliver.only_watched(opened.address):
        return  # who hears nothing does not hear that it is over
    if any(path not in check.reopened for path in check.paths):
        check.band_since = None
        return
    if opened.zone is not None:
        users = states.sense.users.get(opened.zone, set())
        # What opened while the list still held the address tells nothing of its letting go.
        since = check.delisted_at or 0.0
        told = (path for path, when in check.reopened.items() if when >= since)
        control = check.control or any(path[1] in users for path in told)
        if check.delisted_at is None and not _unasked(states, check):
            check.band_since = None
            return
        if users and not control:
            yield from _asked(states, episode, at, n)
            return
    elif not check.reopened:
        return
    yield from _banded(states, episode, at, n)


def _banded(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    """All else agrees: what each path refuses must be usual, for the stated time."""
    check, policy = states.verify.checks[episode], states.accept.policy
    start = check.band_since
    if start is None:
        start = check.band_since = at
        check.waits = ("",)  # to be said
    earliest, latest = start + policy.band_s, start + policy.band_max_s
    bands = [_band.look(states, path, check.reopened[path], at) for path in sorted(check.reopened)]
    back = [_band.held(states, one) for one in bands]
    missing = tuple(one for one, is_back in zip(bands, back, strict=True) if not is_back)
    fresh = _fresh(states, episode, at)
    if at >= earliest and fresh and not missing:
        yield from close(states, episode, at, n, "", bands)
        return
    if at >= latest and fresh and all(_band.compatible(one) for one in missing):
        yield from close(states, episode, at, n, "", bands)
        return
    if tuple(one.receiver for one in missing) != check.waits:
        check.waits = tuple(one.receiver for one in missing)
        yield RecoveryWatched(
            at=at, episode=episode, earliest=earliest, latest=max(latest, at),
            paths=missing[:BANDS], because=_because(check, n),
        )  # fmt: skip
    due = earliest if at < earliest else at + policy.band_s / 4
    yield SetTimer(key=f"band|{episode}", due=min(due, latest) if at < latest else due)


def _fresh(states: States, episode: str, at: float) -> bool:
    """Whether the list's "clean" is a recent answer: a list that has gone silent is no clean one."""
    clock = states.delist.clocks.get(episode)
    if clock is None or not clock.delisted:
        return True  # of no list, or of one that is not asked
    return at - clock.answered_at <= FRESH * states.accept.policy.probe_every_s


def close(
    states: States, episode: str, at: float, n: int, how: str, bands: list[Band] | None = None
) -> Iterator[Out]:
    check = states.verify.checks.pop(episode)
    opened = states.sense.episodes[episode]
    source = _source(states, episode, check)
    if not how:
        how = "source stopped, delisted" if check.stopped else "delisted"
        if opened.zone is None:
            how = "the receiver accepts again"
        elif check.delisted_at is None:
            how = "the receivers accept again, the list was not asked"
            yield _account.dated(states, episode, at, n, check.recurrence)
    yield CancelTimer(key=f"control|{episode}")
    yield CancelTimer(key=f"band|{episode}")
    if states.deliver.only_watched(opened.address):
        yield CancelTimer(key=f"idle|{episode}")
    _dropped.ended(states, episode)
    cost = states.verify.accounts.close(episode)
    yield EpisodeClosed(
        at=at,
        episode=episode,
        how=how,
        evidence=_evidence(check, bands or []),
        because=_because(check, n),
        source=source,
        dropped=tuple(sorted(set(check.dropped))),
        bands=tuple((bands or [])[:BANDS]),
        refused=cost.refused,
        deferred=cost.deferred,
        bounced=cost.bounced,
        resent=cost.resent,
        recurrence=check.recurrence,
    )
    if opened.zone is not None:
        yield from _relisting.watched(
            states, (opened.zone, opened.address), episode, check.recurrence, at, n
        )


def _because(check: Check, n: int) -> tuple[int, ...]:
    """What led to it, and then what it rests on: the list's answer, the paths, the source."""
    rest = {number for _, number in sorted(check.because.items())[:BANDS]}
    return (n, *sorted(rest - {n}))


def _source(states: States, episode: str, check: Check) -> str:
    """What is known of the source's own volume."""
    if check.stopped:
        return "stopped"
    return "going on" if episode in states.contain.named_at else "unknown"


def _evidence(check: Check, bands: list[Band]) -> str:
    seen = (
        "accept again" if len(check.reopened) >= len(check.paths) else "were seen to accept again"
    )
    said = f"{len(check.reopened)} of {len(check.paths)} refused paths {seen}"
    if not bands:
        return said
    refused, attempts = sum(b.refused for b in bands), sum(b.attempts for b in bands)
    said += f"; since then {refused} of {attempts} attempts refused"
    short = [one for one in bands if one.missing]
    if not short:
        return said + ", each path within its usual share before the incident"
    few = ", ".join(f"{one.receiver} ({one.refused} of {one.attempts})" for one in short[:5])
    return f"{said}; too little mail to tell at {few}, nothing speaks against it"
