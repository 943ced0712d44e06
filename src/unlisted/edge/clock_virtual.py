"""Virtual time inside one process: a heap of timers and no sockets.

`run` needs no event loop. Coroutines that sleep or have patience need the loop of
`new_event_loop`, which moves time whenever it would block and nobody holds it. Not for real
sockets: what is on its way between two of them is work in hand that this clock does not see.
"""

from __future__ import annotations

import asyncio
import selectors

from unlisted.edge.clock_selector import DelegatingSelector
from unlisted.edge.clock_simulated import SimulatedClock


class VirtualClock(SimulatedClock):
    """Time moves by `advance_to_next` only."""

    def __init__(self, start: float = 0.0):
        super().__init__()
        self._now = start

    def now(self) -> float:
        return self._now

    def park(self, label: str) -> None:
        self._holds.park(label)

    def unpark(self, label: str) -> None:
        self._holds.unpark(label)

    @property
    def held(self) -> bool:
        return self._holds.count > 0

    def next_deadline(self) -> float | None:
        return self._timers.next_deadline()

    def advance_to_next(self) -> bool:
        """Move to the earliest timer and fire it alone; False when there is none."""
        deadline = self._timers.next_deadline()
        if deadline is None:
            return False
        self._now = max(self._now, deadline)
        callback = self._timers.pop_due(self._now)
        assert callback is not None
        callback()
        return True

    def run(self, until: float = float("inf")) -> None:
        """Fire every timer due by `until`, also those added meanwhile, in order."""
        while (deadline := self._timers.next_deadline()) is not None and deadline <= until:
            self.advance_to_next()
        if until != float("inf"):
            self._now = max(self._now, until)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(VirtualSelector(self))


class VirtualSelector(DelegatingSelector):
    """Fires one timer where the loop would block."""

    def __init__(self, clock: VirtualClock):
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self.inner.select(timeout)
        events = self.inner.select(0)
        if events:
            return events
        if not self._clock.held and self._clock.advance_to_next():
            return []
        return self.inner.select(timeout)
