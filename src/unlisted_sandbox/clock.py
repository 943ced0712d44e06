"""The stepping clock: simulated time moves only when nobody has work in hand (docs/clock.md).

The coordinator lives in the world's own event loop, whose selector is wrapped: where the loop
would block with no hold open, every platform idle and nothing on any socket, time jumps to the
earliest timer anybody holds, `speed` permitting, and each lane with a timer due releases exactly
one. A lane is one platform with the world's timers for it. Platforms in processes of their own
join by a UNIX SEQPACKET socket; platforms in the world's process use a `LaneClock`.
A process that is stopped or gone makes time stand; the watchdog names who.
Refuses a platform whose name is not a lane meant for it.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager

import msgspec

from unlisted_sandbox.clock_acts import Hold, Holds, Timer, patience, sleep
from unlisted_sandbox.clock_lanes import PLATFORM, WORLD, Lane, LaneClock, LaneScheduler
from unlisted_sandbox.clock_platforms import Platforms
from unlisted_sandbox.clock_selector import SteppingSelector
from unlisted_sandbox.clock_watchdog import Watchdog

SLIP_S = 1.0  # a longer slip against the speed limit is not caught up
MAX_LATE_EXAMPLES = 20


class ClockFailure(Exception):
    """Time can never move again; the text names who or what stopped it."""


class Statistics(msgspec.Struct, frozen=True):
    """What the clock did, for the report of a run."""

    steps: int = 0
    releases: int = 0
    messages: int = 0


class Coordinator:
    """Leads simulated time. Everything here belongs to the thread of the world's loop."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        start: float,
        lanes: Sequence[str],
        speed: float | None = None,
        *,
        remote: Sequence[str] = (),
        absence_limit_s: float = 60.0,
        stall_limit_s: float | None = None,
        report: Callable[[str], None] | None = None,
    ):
        """`remote`: the lanes whose platform is a process of its own; until it says hello, and
        again after it dies, time stands, at most `absence_limit_s` real seconds.
        `stall_limit_s`: real seconds after which time that stands for any reason is a failure.
        """
        if speed is not None and not speed > 0:
            raise ValueError("speed must be positive")
        unknown = sorted(set(remote) - set(lanes))
        if unknown or len(set(lanes)) != len(lanes):
            raise ValueError(f"lanes must be distinct and hold every remote one: {unknown}")
        self.path = os.fspath(path)
        self.speed = speed
        self.late = 0
        self.late_examples: list[str] = []
        self.failure: str | None = None
        self._report = report or _to_stderr
        self._holds = Holds()
        self._lanes = {name: Lane(name, name in remote, self._holds) for name in lanes}
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._anchor: tuple[float, float] | None = None  # (real, simulated) of the speed limit
        self._now = start
        self._steps = self._releases = 0
        self._selector = SteppingSelector(self)
        self.platforms = Platforms(
            self.path, self._lanes, self._holds, self._selector, self._report
        )
        self.watchdog = Watchdog(
            self.platforms, self._holds, self._report, absence_limit_s, stall_limit_s
        )
        self.platforms.set_time(start)
        try:
            self.platforms.listen()
        except OSError as error:
            raise ClockFailure(f"the clock cannot listen at {self.path}: {error}") from error

    # For the world

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """The one loop of the world; time moves only while it runs."""
        if self._loop is not None:
            raise RuntimeError("the world has one loop")
        self._loop = asyncio.SelectorEventLoop(self._selector)
        return self._loop

    def now(self) -> float:
        return self._now

    def call_at(
        self, when: float, lane: str, callback: Callable[[], None], *, label: str = ""
    ) -> Timer:
        """A timer of the world in that lane."""
        return self._lanes[lane].add(when, WORLD, callback, label)

    def hold(self, label: str) -> Hold:
        """Time stands while it is open: from before the first byte of a transaction begun by
        someone in this process until its last reply is read and what follows is done."""
        return Hold(self._holds, label)

    def park(self, label: str) -> None:
        """The initiator `ip:port` is made to wait on simulated time by a server of ours."""
        self.platforms.park(label)

    def unpark(self, label: str) -> None:
        """The wait is over; call it before the reply is written or the connection closed."""
        self.platforms.unpark(label)

    @contextmanager
    def parked(self, label: str) -> Iterator[None]:
        self.park(label)
        try:
            yield
        finally:
            self.unpark(label)

    async def sleep(self, lane: str, seconds: float) -> None:
        await sleep(LaneScheduler(self, self._lanes[lane], WORLD), self._holds, seconds)

    def patience(self, lane: str, seconds: float) -> AbstractAsyncContextManager[None]:
        return patience(LaneScheduler(self, self._lanes[lane], WORLD), self._holds, seconds)

    def lane_clock(self, lane: str) -> LaneClock:
        """The clock of a platform that lives in the world's process."""
        if self._lanes[lane].remote:
            raise ValueError(f"lane {lane!r} belongs to a process of its own")
        return LaneClock(self, self._lanes[lane], self._holds)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until the predicate holds, asked only while everybody is idle.

        ClockFailure if no timer is left that could make it true, or when time can never move
        again."""
        if self.failure is not None:
            raise ClockFailure(self.failure)
        met: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((predicate, met))
        await met

    def stamp(self) -> float:
        """The instant at which a message is sent; hand it to `check` where it is seen."""
        return self._now

    def check(self, stamp: float, what: str) -> bool:
        """Count the message as late if it is seen at another instant than it was sent at."""
        if stamp == self._now:
            return True
        self.late += 1
        if len(self.late_examples) < MAX_LATE_EXAMPLES:
            self.late_examples.append(f"{what}: sent at {stamp}, seen at {self._now}")
        return False

    @property
    def statistics(self) -> Statistics:
        return Statistics(self._steps, self._releases, self.platforms.messages)

    def close(self) -> None:
        """The end of time: platforms still connected are told by the end of their socket."""
        self.platforms.close()

    # The step

    def all_idle(self) -> bool:
        """With nothing on any socket and the own loop dry, nobody has work in hand."""
        if self._holds.count or self.failure is not None:
            return False
        return self.platforms.all_idle()

    def advance(self) -> tuple[bool, float | None]:
        """One step. (the loop has something to run, real seconds to wait at most)"""
        self.watchdog.moved()
        if self._waiters and self._ask_waiters():
            return True, None
        when = self._earliest()
        if when is None:
            if self._waiters:
                self._end_waiters("no timer is left, so what is waited for cannot come")
                return True, None
            return False, None
        when = max(when, self._now)
        wait = self._too_fast(when)
        if wait > 0:
            return False, wait
        if when != self._now:
            self._steps += 1
            self._now = when
            self.platforms.set_time(when)
        return self._release(when), 0.0

    def _release(self, when: float) -> bool:
        """One timer due of each lane; whether one of them is for the own loop."""
        assert self._loop is not None
        called = False
        for lane in self._lanes.values():
            first = lane.first()
            participant = self.platforms.here.get(lane.name)
            theirs = None if participant is None else participant.next
            if first is not None and (theirs is None or first[:2] <= (theirs, PLATFORM)):
                if first[0] <= when:
                    heapq.heappop(lane.heap)
                    timer = first[3]
                    callback, timer.callback = timer.callback, None
                    assert callback is not None
                    self._loop.call_soon(callback)
                    self._releases += 1
                    called = True
            elif participant is not None and theirs is not None and theirs <= when:
                participant.next = None
                self.platforms.tell(participant, "fire")
                self._releases += 1
        return called

    def _earliest(self) -> float | None:
        earliest: float | None = None
        for lane in self._lanes.values():
            first = lane.first()
            if first is not None and (earliest is None or first[0] < earliest):
                earliest = first[0]
        for participant in self.platforms.here.values():
            theirs = participant.next
            if theirs is not None and (earliest is None or theirs < earliest):
                earliest = theirs
        return earliest

    def _too_fast(self, when: float) -> float:
        """Real seconds until the speed limit permits that instant."""
        if self.speed is None:
            return 0.0
        real = time.monotonic()
        if self._anchor is None:
            self._anchor = (real, self._now)
        slip = real - (self._anchor[0] + (when - self._anchor[1]) / self.speed)
        if slip > SLIP_S:
            self._anchor = (real, when)
        return max(0.0, -slip)

    def _ask_waiters(self) -> bool:
        met = False
        for waiter in list(self._waiters):
            predicate, future = waiter
            if future.done():
                self._waiters.remove(waiter)
                continue
            try:
                holds = predicate()
            except Exception as error:
                future.set_exception(error)
                holds = True
            if holds:
                self._waiters.remove(waiter)
                if not future.done():
                    future.set_result(None)
                met = True
        return met

    def _end_waiters(self, why: str) -> None:
        for _predicate, future in self._waiters:
            if not future.done():
                future.set_exception(ClockFailure(why))
        self._waiters.clear()

    def watch(self) -> bool:
        """Let the watchdog look; True if time can never move again."""
        why = None if self.failure is not None else self.watchdog.look()
        if why is None:
            return False
        self.failure = why
        self._report(f"clock: time ends: {why}")
        self._end_waiters(why)
        return True


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
