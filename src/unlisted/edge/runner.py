"""The only way in: record an observed fact, let it be followed, commit, then act.

Facts recorded in one turn of the event loop share a commit. Nothing leaves (a 250, a command)
before the commit returned. If it fails, the states in memory are ahead of the disk: they are
rebuilt from the journal and every caller of that commit gets the error (SMTP: 451).
States begin with the newest snapshot, where there are snapshots, and the facts after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from unlisted.commands import Notify, SetTimer
from unlisted.edge.journal import Journal, JournalError, Line, NotBegun
from unlisted.edge.snapshot import WORTH, Snapshots
from unlisted.facts import Fact, Observed, StationFault, TimerFired
from unlisted.loop._fixpoint import LATER_S, Fault, Followed, States, follow, quarantine
from unlisted.loop._telling import of_fault

log = logging.getLogger("unlisted.runner")


class Quarantined(Exception):
    """The input stands in the journal, but no station could take it."""


class Runner:
    """Journal and states. `on_commit` gets what to do once it is durable."""

    def __init__(self, journal: Journal, key: bytes, snapshots: Snapshots | None = None) -> None:
        self.journal = journal
        self.key = key
        self.snapshots = snapshots
        self._since = 0  # inputs that the newest snapshot has not seen
        self.states = self._replayed()
        self.on_commit: Callable[[Followed], None] = lambda _: None
        self.faults = 0
        self._told: dict[str, float] = {}  # station: when a fault of it was last told
        self._waiting: list[tuple[asyncio.Future[int], int, Followed, bool]] = []
        self._scheduled = False

    @property
    def upcoming(self) -> int:
        """The number that the next recorded fact will get."""
        return self.journal.last + 1

    def record(
        self,
        fact: Observed,
        *,
        body: bytes | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> asyncio.Future[int]:
        """Step and append now; the future gives the fact's number once it is durable.

        The future raises Quarantined (a station failed on it) or JournalError (not durable).
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        n = self.upcoming
        try:
            followed, faulty = self._append(fact, body, personal)
        except JournalError as exc:
            self._lost(exc)
            future.set_exception(exc)
            return future
        self._waiting.append((future, n, followed, faulty))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def record_now(
        self,
        fact: Observed,
        *,
        body: bytes | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> Followed:
        """The same without an event loop: step, append, commit; the caller carries out."""
        followed = self.append(fact, body=body, personal=personal)
        self.commit()
        return followed

    def append(
        self,
        fact: Observed,
        *,
        body: bytes | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> Followed:
        """Step and append without committing: for many facts in one transaction."""
        try:
            followed, _ = self._append(fact, body, personal)
        except JournalError as exc:
            self._lost(exc)
            raise
        return followed

    def keep(self, name: str, value: str) -> None:
        """Write down a place in an input, in the transaction of the facts that came of it."""
        try:
            self.journal.keep(name, value)
        except JournalError as exc:
            self._lost(exc)
            raise

    def commit(self) -> None:
        """Make what was appended durable."""
        try:
            self.journal.commit()
        except JournalError as exc:
            self._lost(exc)
            raise
        self._durable()

    def snapshot(self) -> None:
        """At a stop: keep the states for the next start, unless the journal is followed as fast."""
        self.commit()
        kept = self.snapshots
        if kept is not None and self._since >= WORTH and kept.write(self.states, self.journal.last):
            self._since = 0

    def _append(
        self, fact: Observed, body: bytes | None, personal: Mapping[str, str] | None
    ) -> tuple[Followed, bool]:
        # Before the step: without a transaction the states must not go ahead of the disk.
        self.journal.begin()
        n = self.upcoming
        faulty = False
        timers: tuple[SetTimer, ...]
        try:
            followed = follow(self.states, fact, n)
        except Fault as fault:
            log.error("fact %d (%s) quarantined: %s", n, type(fact).__name__, fault)
            faulty = True
            timers = ()
            if isinstance(fact, TimerFired):  # its cause may last: the same timer, later
                timers = (SetTimer(key=fact.key, due=fact.at + LATER_S),)
            said = self._said(fact, n, fault)
            followed = Followed(quarantine(fact, n, fault), said, timers)
            body = None
        try:
            self.journal.append(
                n,
                fact,
                followed.facts,
                followed.commands,
                followed.timers,
                body=body,
                personal=personal,
            )
        except Exception as exc:
            raise JournalError(f"cannot append: {exc}") from exc
        if faulty:
            self.faults += 1
            self.journal.commit()
            self.states = self._replayed()
        else:
            self._since += 1
        return followed, faulty

    def _said(self, fact: Observed, n: int, fault: Fault) -> tuple[Notify, ...]:
        """The notice of a fault, once an hour for each station (a restart may say it again)."""
        if fact.at - self._told.get(fault.station, -LATER_S) < LATER_S:
            return ()
        self._told[fault.station] = fact.at
        return of_fault(self.states, n, fault.station)

    def _durable(self) -> None:
        """After a commit, when the states have seen what the disk has and nothing else."""
        kept = self.snapshots
        if kept is None or kept.every is None:
            return
        if not kept.reap() and self._since >= kept.every:
            kept.write_aside(self.states, self.journal.last)
            self._since = 0

    def _replayed(self) -> States:
        states, self._since = _followed(self.journal.lines, self.key, self.snapshots)
        return states

    def _flush(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        try:
            self.journal.commit()
        except JournalError as exc:
            self._waiting = waiting
            self._lost(exc)
            return
        self._durable()
        for future, n, followed, faulty in waiting:
            try:
                self.on_commit(followed)
            except Exception:
                log.exception("what followed from fact %d stays in the outbox", n)
            if future.cancelled():
                continue
            if faulty:
                future.set_exception(Quarantined(_error(followed)))
            else:
                future.set_result(n)

    def _lost(self, exc: JournalError) -> None:
        if isinstance(exc, NotBegun):
            log.error("%s", exc)
            return
        log.error("%s; states rebuilt from the journal", exc)
        self.journal.rollback()
        self.states = self._replayed()
        waiting, self._waiting = self._waiting, []
        for future, *_ in waiting:
            if not future.done():
                future.set_exception(exc)


def _error(followed: Followed) -> str:
    for _, fact, _ in followed.facts:
        if isinstance(fact, StationFault):
            return f"station {fact.station}: {fact.error}"
    return "fault"


def replayed(journal: Journal, key: bytes) -> States:
    """The states after every observed fact of the journal, quarantined ones left out.

    A fact that only the present stations cannot take is left out too, and the replay begins anew:
    the service must start. What was derived from it then stands in the journal.
    """
    return states_of(journal.lines, key)


def states_of(lines: Callable[[], Iterable[Line]], key: bytes) -> States:
    """The same, of journal rows that can be read again from the beginning."""
    return _followed(lambda _: lines(), key, None)[0]


def _followed(
    lines: Callable[[int], Iterable[Line]], key: bytes, snapshots: Snapshots | None
) -> tuple[States, int]:
    """The same, begun with a snapshot; and how many inputs came after it. `lines`: after a fact."""
    left_out: set[int] = set()
    while True:
        # Read again after a fault: the states that met it are half stepped.
        found = snapshots.newest() if snapshots is not None else None
        n, states = found or (0, States(key))
        followed = 0
        try:
            for number, fact in _inputs(lines(n)):
                if number not in left_out:
                    follow(states, fact, number)
                    followed += 1
            return states, followed
        except Fault as fault:
            log.error("replay: fact %d is left out: %s", number, fault)
            left_out.add(number)


def _inputs(lines: Iterable[Line]) -> Iterator[tuple[int, Fact]]:
    """Observed facts by number, without those that a StationFault followed."""
    pending: tuple[int, Fact] | None = None
    for line in lines:
        if line.cause is None:
            if pending is not None:
                yield pending
            pending = (line.n, line.fact())
        elif line.kind == "StationFault":
            pending = None
    if pending is not None:
        yield pending
