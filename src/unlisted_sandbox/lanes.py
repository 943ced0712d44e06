"""A lane: one platform and the world as that platform meets it.

Everything that could carry news from one platform to another is per lane: list states, event log,
clock handle, submission queue. `WorldClock` is the coordinator seen from the world's side of a lane.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from unlisted_sandbox.blocklist import ListState, imposed
from unlisted_sandbox.clock import Coordinator
from unlisted_sandbox.clock_acts import Hold, Timer
from unlisted_sandbox.eventlog import Log
from unlisted_sandbox.smtp_client import Line, TcpLine
from unlisted_sandbox.world import World


class WorldClock:
    """The world's timers, holds and parks in one lane."""

    __slots__ = ("_lane", "coordinator", "now")

    def __init__(self, coordinator: Coordinator, lane: str) -> None:
        self.coordinator = coordinator
        self._lane = lane
        self.now: Callable[[], float] = coordinator.now

    def call_at(self, when: float, callback: Callable[[], None], label: str = "") -> Timer:
        return self.coordinator.call_at(when, self._lane, callback, label=label)

    def hold(self, label: str) -> Hold:
        return self.coordinator.hold(label)

    def park(self, label: str) -> None:
        self.coordinator.park(label)

    def unpark(self, label: str) -> None:
        self.coordinator.unpark(label)

    def patience(self, seconds: float) -> AbstractAsyncContextManager[None]:
        return self.coordinator.patience(self._lane, seconds)

    def check(self, stamp: float, what: str) -> bool:
        return self.coordinator.check(stamp, what)


class Lane:
    """One platform's part of the world."""

    def __init__(
        self,
        name: str,
        world: World,
        coordinator: Coordinator,
        pool: tuple[str, ...],
        smtp_host: str,
    ) -> None:
        self.name = name
        self.world = world
        self.clock = WorldClock(coordinator, name)
        self.log = Log(name)
        self.pool = pool
        self.smtp = (smtp_host, 0)  # the port is known once something listens there
        self.line: Callable[[str], Line] = lambda source: TcpLine(source, self.smtp)
        self.domain = "platform.example"
        self.abuse = f"abuse@{self.domain}"
        self.lists = {
            entry.zone: ListState(entry, imposed(world, entry.zone, pool)) for entry in world.lists
        }
        self.pending = 0  # submissions, complaints and copies still to come
        self.faults: list[str] = []

    def listed_now(self) -> int:
        now = self.clock.now()
        return sum(len(state.open_at(now)) for state in self.lists.values())
