"""The world's selector: where its event loop would block, it steps the clock.

Time moves only while the loop has nothing to run, nothing lies unread on any socket, and nobody
has work in hand; otherwise the selector waits as long as the watchdog lets it.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlisted_sandbox.clock import Coordinator

Event = tuple[selectors.SelectorKey, int]


class SteppingSelector(selectors.BaseSelector):
    """A selector around the system's own (`inner`)."""

    def __init__(self, coordinator: Coordinator):
        self.inner = selectors.DefaultSelector()
        self._coordinator = coordinator
        self._closed = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.modify(fileobj, events, data)

    def forget(self, sock: socket.socket) -> None:
        if not self._closed and sock.fileno() >= 0:
            self.inner.unregister(sock)

    def close(self) -> None:
        self._closed = True
        self.inner.close()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.inner.get_map()

    def select(self, timeout: float | None = None) -> list[Event]:
        coordinator = self._coordinator
        sift = coordinator.platforms.sift
        if timeout is not None and timeout <= 0:
            return sift(self.inner.select(0))
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            # An empty poll means that at one moment nothing lay unread on any socket, ours or a
            # platform's. Only with that is "all idle" true: a platform read as idle may have
            # been woken by another that was read as idle later, but its `busy` was then sent
            # before the other's `idle` and would have been in this poll.
            ready = self.inner.select(0)
            if ready:
                others = sift(ready)
                if others:
                    return others
                continue
            wait: float | None
            if coordinator.all_idle():
                run, wait = coordinator.advance()
                if run:
                    return []
            else:
                wait = coordinator.watchdog.look_in()
            if end is not None:
                left = end - time.monotonic()
                if left <= 0:
                    return []
                wait = left if wait is None else min(wait, left)
            if wait == 0.0:
                continue
            ready = self.inner.select(wait)
            if ready:
                others = sift(ready)
                if others:
                    return others
            elif not coordinator.all_idle() and coordinator.watch():
                return []
