"""Lanes of the stepping clock: one platform each, with the world's timers for it.

A platform in a process of its own keeps its timers there; one that lives in the world's process
has them in its lane, by a `LaneClock`.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from unlisted_sandbox.clock_acts import Hold, Holds, Timer, Turns, patience, sleep

if TYPE_CHECKING:
    from unlisted_sandbox.clock import Coordinator

WORLD, PLATFORM = 0, 1  # at one instant the world's timers of a lane go first


class Lane:
    """The timers of one platform in the world's process, and the world's timers for it."""

    def __init__(self, name: str, remote: bool, holds: Holds):
        self.name = name
        self.remote = remote
        self.turns = Turns(holds.acts)
        self.heap: list[tuple[float, int, int, Timer]] = []
        self.numbers = [0, 0]

    def add(self, when: float, kind: int, callback: Callable[[], None], label: str = "") -> Timer:
        if when != when:
            raise ValueError("a timer needs a time, not NaN")
        timer = Timer(when, callback, label)
        self.numbers[kind] += 1
        heapq.heappush(self.heap, (when, kind, self.numbers[kind], timer))
        return timer

    def first(self) -> tuple[float, int, int, Timer] | None:
        heap = self.heap
        while heap and heap[0][3].callback is None:
            heapq.heappop(heap)
        return heap[0] if heap else None


class LaneClock:
    """The clock of one platform that lives in the world's process: the product's contract."""

    stepping = True

    def __init__(self, coordinator: Coordinator, lane: Lane, holds: Holds):
        self._coordinator = coordinator
        self._lane = lane
        self._holds = holds
        self._scheduler = LaneScheduler(coordinator, lane, PLATFORM)

    def now(self) -> float:
        return self._coordinator.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._scheduler.call_at(when, callback)

    def hold(self, label: str) -> Hold:
        return Hold(self._holds, label)

    def park(self, label: str) -> None:
        self._coordinator.park(label)

    def unpark(self, label: str) -> None:
        self._coordinator.unpark(label)

    async def sleep(self, seconds: float) -> None:
        await sleep(self._scheduler, self._holds, seconds)

    def patience(self, seconds: float) -> AbstractAsyncContextManager[None]:
        return patience(self._scheduler, self._holds, seconds)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._lane.turns.turn():
            yield


class LaneScheduler:
    """Timers of one kind in one lane."""

    def __init__(self, coordinator: Coordinator, lane: Lane, kind: int):
        self._coordinator = coordinator
        self._lane = lane
        self._kind = kind

    def now(self) -> float:
        return self._coordinator.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._lane.add(when, self._kind, callback)
