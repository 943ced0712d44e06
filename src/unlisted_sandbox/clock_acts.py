"""Holds, turns, sleep and patience for those who live in the world's own process.

The same contract as the clock of a platform in its own process (docs/clock.md), written anew:
the sandbox stands outside the product and imports nothing of it. A hold makes time stand and is
a local count; parked, by label, it lets time go. A turn is a first-come lock, one per lane,
given away while the act that has it is parked or asleep.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Protocol


class Timer:
    """One callback at one simulated time, in one lane."""

    __slots__ = ("callback", "label", "when")

    def __init__(self, when: float, callback: Callable[[], None], label: str):
        self.when = when
        self.callback: Callable[[], None] | None = callback
        self.label = label

    def cancel(self) -> None:
        self.callback = None


class Act:
    """One act that has, or had, its lane's turn."""

    __slots__ = ("away", "over", "turns")

    def __init__(self, turns: Turns):
        self.turns = turns
        self.away = 0
        self.over = False

    def give(self) -> None:
        self.away += 1
        if self.away == 1 and not self.over:
            self.turns.acting -= 1
            self.turns.grant()

    def take(self) -> None:
        # It goes on at once: what woke it are bytes on a socket, which nobody can withhold.
        self.away -= 1
        if self.away == 0 and not self.over:
            self.turns.acting += 1


class Turns:
    """Who acts in one lane."""

    def __init__(self, acts: dict[asyncio.Task[Any], Act]):
        self.acting = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._acts = acts

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        if task in self._acts:
            raise RuntimeError("a turn inside a turn would wait for itself")
        await self._enter()
        act = self._acts[task] = Act(self)
        try:
            yield
        finally:
            del self._acts[task]
            act.over = True
            if not act.away:
                self.acting -= 1
            self.grant()

    async def _enter(self) -> None:
        if not self.acting and not self._waiting:
            self.acting += 1
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.acting -= 1
            self.grant()
            raise

    def grant(self) -> None:
        while not self.acting and self._waiting:
            granted = self._waiting.popleft()
            if not granted.done():
                self.acting += 1
                granted.set_result(None)


class Hold:
    """Time stands while this is open and neither parked nor asleep."""

    __slots__ = ("_given", "_holds", "asleep", "counted", "label", "parked", "since", "task")

    def __init__(self, holds: Holds, label: str):
        self._holds = holds
        self.label = label
        self._given: Act | None = None
        self.task: asyncio.Task[Any] | None = None
        self.since = 0.0
        self.parked = False
        self.asleep = 0
        self.counted = False

    def relabel(self, label: str) -> None:
        """Name the hold anew: a transaction's label is its initiator's `ip:port`."""
        self.label = label
        if self in self._holds.opened:
            self._holds.adopt(self)

    def open(self) -> Hold:
        """For work that a callback ends, such as a writer thread's: not bound to the task that
        opens it, so a sleep of that task does not park it. `with` binds to the task."""
        if self in self._holds.opened:
            raise RuntimeError(f"hold {self.label!r} is open already")
        self.since = time.monotonic()
        self._holds.opened[self] = None
        self._holds.adopt(self)
        return self

    def close(self) -> None:
        """The end of `open`; a second one is harmless."""
        if self in self._holds.opened:
            del self._holds.opened[self]
            self.parked = False
            self.settle()

    def __enter__(self) -> Hold:
        try:
            self.task = asyncio.current_task()
        except RuntimeError:
            self.task = None  # before the loop runs
        return self.open()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def settle(self) -> None:
        """Bring the count, and the turn of the act it belongs to, in line with its state."""
        opened = self in self._holds.opened
        away = opened and (self.parked or self.asleep > 0)
        if (opened and not away) != self.counted:
            self.counted = not self.counted
            self._holds.count += 1 if self.counted else -1
        if away and self._given is None and self.task is not None:
            self._given = self._holds.acts.get(self.task)
            if self._given is not None:
                self._given.give()
        elif not away and self._given is not None:
            given, self._given = self._given, None
            given.take()


class Holds:
    """All holds of the world's process. `count` is the number that make time stand."""

    def __init__(self) -> None:
        self.count = 0
        self.opened: dict[Hold, None] = {}  # in order of opening
        self.acts: dict[asyncio.Task[Any], Act] = {}
        self._early: dict[str, None] = {}  # parked before a hold had the label

    def adopt(self, hold: Hold) -> None:
        if hold.label in self._early:
            del self._early[hold.label]
            hold.parked = True
        hold.settle()

    def park(self, label: str) -> bool:
        """True if a hold has the label; otherwise the next one to take it is born parked."""
        found = [hold for hold in self.opened if hold.label == label]
        for hold in found:
            hold.parked = True
            hold.settle()
        if not found:
            self._early[label] = None
        return bool(found)

    def unpark(self, label: str) -> None:
        self._early.pop(label, None)
        for hold in self.opened:
            if hold.label == label and hold.parked:
                hold.parked = False
                hold.settle()

    def wake(self, task: asyncio.Task[Any] | None) -> None:
        """The task waits for its peer no longer: its holds count again."""
        for hold in self.opened:
            if hold.task is not None and hold.task is task and hold.parked:
                hold.parked = False
                hold.settle()

    def fall_asleep(self, task: asyncio.Task[Any] | None, change: int) -> None:
        for hold in self.opened:
            if hold.task is not None and hold.task is task:
                hold.asleep += change
                hold.settle()

    def listing(self) -> list[tuple[str, float]]:
        """Label and real age of each hold that makes time stand, oldest first."""
        now = time.monotonic()
        return [(hold.label, now - hold.since) for hold in self.opened if hold.counted]


class Scheduler(Protocol):
    """What sleep and patience need."""

    def now(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer: ...


async def sleep(scheduler: Scheduler, holds: Holds, seconds: float) -> None:
    """Simulated; the sleeper's own holds are parked and its turn is given away meanwhile."""
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = scheduler.call_at(
        scheduler.now() + max(0.0, seconds),
        lambda: None if woken.done() else woken.set_result(None),
    )
    task = asyncio.current_task()
    act = None if task is None else holds.acts.get(task)
    holds.fall_asleep(task, +1)
    if act is not None:
        act.give()
    try:
        await woken
    finally:
        timer.cancel()
        if act is not None:
            act.take()
        holds.fall_asleep(task, -1)


class patience:
    """TimeoutError once that much simulated time has passed (RFC 5321 §4.5.3.2)."""

    __slots__ = ("_holds", "_limit", "_scheduler", "_seconds", "_task", "_timer")

    def __init__(self, scheduler: Scheduler, holds: Holds, seconds: float) -> None:
        self._scheduler = scheduler
        self._holds = holds
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._task = asyncio.current_task()
        self._limit = asyncio.timeout(None)
        await self._limit.__aenter__()
        self._timer = self._scheduler.call_at(self._scheduler.now() + self._seconds, self._run_out)

    def _run_out(self) -> None:
        self._holds.wake(self._task)
        self._limit.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)
