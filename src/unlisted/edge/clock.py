"""The clocks of the edge. Only the edge and the wiring ask for the time; within, time is an argument.

Three clocks behind one protocol: `WallClock` in service, `SteppingClock` when another process
leads simulated time (docs/clock.md), `VirtualClock` for a whole run in one process. Everything
mail means by time goes through a Clock, the patience for a reply included (RFC 5321 §4.5.3.2);
time-outs of sockets, TLS, DNS libraries and the disk are real and do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import NewType, Protocol

from unlisted.edge.clock_simulated import Timer
from unlisted.edge.clock_stepping import ClockError, SteppingClock
from unlisted.edge.clock_virtual import VirtualClock
from unlisted.edge.clock_wall import WallClock

__all__ = [
    "Clock",
    "ClockError",
    "Hold",
    "RealSeconds",
    "SimSeconds",
    "SteppingClock",
    "Timer",
    "VirtualClock",
    "WallClock",
    "new_event_loop",
    "open_clock",
]


# Two kinds of seconds that must never be taken for each other: simulated ones (a reply's patience)
# and real ones (a socket's time-out, a retry of the disk).
SimSeconds = NewType("SimSeconds", float)
RealSeconds = NewType("RealSeconds", float)


class Hold(Protocol):
    """Time stands while it is open: inside its `with`, which belongs to the task that enters it,
    or from `open` to `close`, which belong to nobody and suit work that a callback ends."""

    @property
    def label(self) -> str: ...

    def relabel(self, label: str) -> None: ...

    def open(self) -> Hold: ...

    def close(self) -> None: ...

    def __enter__(self) -> Hold: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Clock(Protocol):
    """What the edge may ask of time."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at that time; ties in order of creation; `Timer.cancel()`."""
        ...

    def hold(self, label: str) -> Hold:
        """Time stands: from before a transaction's first byte until its outcome is committed,
        or from `record()` to its future. Label a transaction with its initiator's `ip:port`."""
        ...

    def park(self, label: str) -> None:
        """As a server: the initiator `ip:port` is made to wait on simulated time."""
        ...

    def unpark(self, label: str) -> None:
        """As a server: the wait is over; call it before the reply is written."""
        ...

    async def sleep(self, seconds: SimSeconds) -> None: ...

    def patience(self, seconds: SimSeconds) -> AbstractAsyncContextManager[None]:
        """TimeoutError when that much of this clock's time passes."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """While stepping, one act of the edge at a time, in order of asking."""
        ...


def open_clock(setting: str, name: str) -> Clock:
    """The clock that the setting names: empty or "wall", or "unix:PATH" as platform `name`."""
    if setting in ("", "wall"):
        return WallClock()
    scheme, _, path = setting.partition(":")
    if scheme != "unix" or not path:
        raise ClockError(f'clock = "{setting}": expected "wall" or "unix:PATH"')
    return SteppingClock.connect(path, name)


def new_event_loop(clock: Clock) -> asyncio.AbstractEventLoop:
    """A loop that this clock can see through."""
    if isinstance(clock, SteppingClock | VirtualClock):
        return clock.new_event_loop()
    return asyncio.new_event_loop()
