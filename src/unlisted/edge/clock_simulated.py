"""What every simulated clock has in common: timers, holds, turns, sleep and patience.

A *timer* fires when the clock says so, ties in order of creation. A *hold* makes time stand
while work waits outside the event loop (a transaction begun, a writer thread); it is a local
count and costs no message. A hold is *parked* while the peer, or the holder itself, waits on
simulated time on purpose. A *turn* lets one act of the edge run at a time, in order of asking.
Knows no socket and asks no wall clock except for the age of a hold, which only a watchdog reads.
All of it belongs to the thread of the event loop; no lock, so no other thread may call it.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

MAX_EARLY_PARKS = 4096  # labels parked before their hold exists; more is a peer that never unparks


class Timer:
    """One callback at one simulated time."""

    __slots__ = ("_timers", "callback", "number", "when")

    def __init__(self, timers: Timers, when: float, number: int, callback: Callable[[], None]):
        self.when = when
        self.number = number
        self.callback: Callable[[], None] | None = callback
        self._timers = timers

    def cancel(self) -> None:
        """The callback will not be called; harmless when it was already."""
        if self.callback is not None:
            self.callback = None
            self._timers.dropped()


class Timers:
    """A heap of timers in order of (when, creation)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._cancelled = 0

    def add(self, when: float, callback: Callable[[], None]) -> Timer:
        if when != when:
            raise ValueError("a timer needs a time, not NaN")
        self._count += 1
        timer = Timer(self, when, self._count, callback)
        heapq.heappush(self._heap, (when, timer.number, timer))
        return timer

    def dropped(self) -> None:
        # Patience is cancelled far more often than it runs out; without this the heap would
        # keep every reply that ever came.
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
            self._cancelled = max(0, self._cancelled - 1)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Callable[[], None] | None:
        """The callback of the first timer due, which is removed; None when none is due."""
        deadline = self.next_deadline()
        if deadline is None or deadline > now:
            return None
        timer = heapq.heappop(self._heap)[2]
        callback, timer.callback = timer.callback, None
        return callback


class Act:
    """One act of the edge that has, or had, the turn."""

    __slots__ = ("away", "over")

    def __init__(self) -> None:
        self.away = 0  # reasons for which it gives the turn away: parked holds, sleeps
        self.over = False


class Turns:
    """A first-come lock that an act gives away while it is parked.

    An act whose park ends goes on at once, since what wakes it is bytes on a socket that nobody
    can withhold; but no other act starts before it has ended. Under one release at a time there
    is nobody else active at that moment, so this costs no order.
    """

    def __init__(self) -> None:
        self._acting = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._acts: dict[asyncio.Task[Any], Act] = {}

    def act_of(self, task: asyncio.Task[Any] | None) -> Act | None:
        return None if task is None else self._acts.get(task)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        if task in self._acts:
            raise RuntimeError("a turn inside a turn would wait for itself")
        await self._enter()
        act = self._acts[task] = Act()
        try:
            yield
        finally:
            del self._acts[task]
            act.over = True
            if not act.away:
                self._acting -= 1
            self._grant()

    async def _enter(self) -> None:
        if not self._acting and not self._waiting:
            self._acting += 1
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._acting -= 1
            self._grant()
            raise

    def _grant(self) -> None:
        while not self._acting and self._waiting:
            granted = self._waiting.popleft()
            if not granted.done():
                self._acting += 1
                granted.set_result(None)

    def give(self, act: Act) -> None:
        act.away += 1
        if act.away == 1 and not act.over:
            self._acting -= 1
            self._grant()

    def take(self, act: Act) -> None:
        act.away -= 1
        if act.away == 0 and not act.over:
            self._acting += 1


class Hold:
    """Time stands while this is open and not parked. Nests; each is counted."""

    __slots__ = ("_given", "_holds", "_label", "asleep", "counted", "parked", "since", "task")

    def __init__(self, holds: Holds, label: str):
        self._holds = holds
        self._label = label
        self._given: Act | None = None
        self.task: asyncio.Task[Any] | None = None
        self.since = 0.0
        self.parked = False  # the peer waits on simulated time
        self.asleep = 0  # the holder does
        self.counted = False

    @property
    def label(self) -> str:
        return self._label

    def relabel(self, label: str) -> None:
        """Name the hold anew: a transaction's label is its initiator's `ip:port`."""
        self._label = label
        if self._holds.is_open(self):
            self._holds.adopt(self)

    def open(self) -> Hold:
        """For work that a callback ends, such as a writer thread's: not bound to the task that
        opens it, so a sleep of that task does not park it. `with` binds to the task."""
        self.since = time.monotonic()
        self._holds.open(self)
        return self

    def close(self) -> None:
        """The end of `open`; a second one is harmless."""
        if self._holds.is_open(self):
            self._holds.close(self)

    def __enter__(self) -> Hold:
        self.task = _current_task()
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def settle(self) -> None:
        """Bring the count, and the turn of the act it belongs to, in line with its state."""
        holding = self._holds.is_open(self) and not self.parked and not self.asleep
        if holding != self.counted:
            self.counted = holding
            self._holds.count += 1 if holding else -1
        away = self._holds.is_open(self) and (self.parked or self.asleep > 0)
        turns = self._holds.turns
        if away and self._given is None:
            self._given = turns.act_of(self.task)
            if self._given is not None:
                turns.give(self._given)
        elif not away and self._given is not None:
            given, self._given = self._given, None
            turns.take(given)


class Holds:
    """All holds of one clock. `count` is the number that make time stand."""

    def __init__(self) -> None:
        self.count = 0
        self.turns = Turns()
        self._open: dict[Hold, None] = {}  # in order of opening
        self._early: dict[str, None] = {}  # parked before a hold had the label

    def is_open(self, hold: Hold) -> bool:
        return hold in self._open

    def open(self, hold: Hold) -> None:
        if hold in self._open:
            raise RuntimeError(f"hold {hold.label!r} is open already")
        self._open[hold] = None
        self.adopt(hold)

    def adopt(self, hold: Hold) -> None:
        if hold.label in self._early:
            del self._early[hold.label]
            hold.parked = True
        hold.settle()

    def close(self, hold: Hold) -> None:
        del self._open[hold]
        hold.parked = False
        hold.settle()

    def park(self, label: str) -> None:
        """The transaction of this label waits on simulated time."""
        found = False
        for hold in self._open:
            if hold.label == label:
                found = hold.parked = True
                hold.settle()
        # A server may park in its greeting, before the initiator has put its port on the hold.
        if not found and len(self._early) < MAX_EARLY_PARKS:
            self._early[label] = None

    def unpark(self, label: str) -> None:
        self._early.pop(label, None)
        for hold in self._open:
            if hold.label == label and hold.parked:
                hold.parked = False
                hold.settle()

    def wake(self, task: asyncio.Task[Any] | None) -> None:
        """The task waits for its peer no longer: its holds count again."""
        for hold in self._open:
            if hold.task is not None and hold.task is task and hold.parked:
                hold.parked = False
                hold.settle()

    def fall_asleep(self, task: asyncio.Task[Any] | None, change: int) -> None:
        for hold in self._open:
            if hold.task is not None and hold.task is task:
                hold.asleep += change
                hold.settle()

    def listing(self) -> list[tuple[str, float]]:
        """Label and real age of each hold that makes time stand, oldest first."""
        now = time.monotonic()
        return [(hold.label, now - hold.since) for hold in self._open if hold.counted]


class SimulatedClock:
    """Timers, holds, turns, sleep and patience over a `now` that a subclass provides."""

    def __init__(self) -> None:
        self._timers = Timers()
        self._holds = Holds()

    def now(self) -> float:
        raise NotImplementedError

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._timers.add(when, callback)

    def hold(self, label: str) -> Hold:
        return Hold(self._holds, label)

    async def sleep(self, seconds: float) -> None:
        """Simulated. The sleeper's own holds are parked and its turn is given away meanwhile:
        they would otherwise forbid the very time it waits for."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_at(
            self.now() + max(0.0, seconds), lambda: None if woken.done() else woken.set_result(None)
        )
        task = asyncio.current_task()
        act = self._holds.turns.act_of(task)
        self._holds.fall_asleep(task, +1)
        if act is not None:
            self._holds.turns.give(act)
        try:
            await woken
        finally:
            timer.cancel()
            if act is not None:
                self._holds.turns.take(act)
            self._holds.fall_asleep(task, -1)

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """TimeoutError once that much simulated time has passed (RFC 5321 §4.5.3.2).

        It fires at the exact instant for a peer that is parked, and cannot fire for one that is
        merely slow, since time stands while anybody works.
        """
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit:

            def run_out() -> None:
                self._holds.wake(task)
                limit.reschedule(loop.time())

            timer = self.call_at(self.now() + seconds, run_out)
            try:
                yield
            finally:
                timer.cancel()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._holds.turns.turn():
            yield


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop: virtual time without one
        return None
