"""The wall clock: holds and turns do nothing, timers follow the system's time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType

from unlisted.edge.clock_simulated import Timer, Timers

# The wall clock jumps (suspend, NTP) and the loop's timers do not follow it: look again at
# least this often, so that a timer is never later than this after a jump.
LOOK_AGAIN_S = 30.0


class NoHold:
    """A hold where nobody steps the clock."""

    __slots__ = ("label",)

    def __init__(self, label: str):
        self.label = label

    def relabel(self, label: str) -> None:
        self.label = label

    def open(self) -> NoHold:
        return self

    def close(self) -> None:
        return None

    def __enter__(self) -> NoHold:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class WallClock:
    """Time as the system tells it, UTC."""

    def __init__(self) -> None:
        self._timers = Timers()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = float("inf")

    def now(self) -> float:
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = self._timers.add(when, callback)
        if when < self._wake_at:
            self._arm()
        return timer

    def _arm(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self._wake_at = float("inf")
        deadline = self._timers.next_deadline()
        if deadline is not None:
            delay = min(max(0.0, deadline - self.now()), LOOK_AGAIN_S)
            self._wake_at = deadline
            self._wake = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        # One at a time, the rest on the next turn of the loop: a callback that raises must not
        # take the others with it, and the order of ties is the order of creation.
        callback = self._timers.pop_due(self.now())
        self._arm()
        if callback is not None:
            callback()

    def hold(self, label: str) -> NoHold:
        return NoHold(label)

    def park(self, label: str) -> None:
        return None

    def unpark(self, label: str) -> None:
        return None

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(seconds):
            yield

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        yield
