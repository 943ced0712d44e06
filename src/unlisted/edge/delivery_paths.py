"""Who may use which connection: at most two per (egress address, receiver), one when careful.

A path is careful from the first answer that is not a delivery until the next delivery, so that
a refusal is never met by more than the two transactions that were already under way. Waiting acts start in
the order in which they came. Idle connections are kept for 60 seconds of the service's time and
then say QUIT. Knows no fact and no message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from unlisted.edge.clock import Clock, Timer
from unlisted.edge.smtp_client import Connection

MAX_CONNECTIONS = 2
IDLE_S = 60.0

Act = TypeVar("Act")


class Path(Generic[Act]):
    """One egress address towards one receiver."""

    __slots__ = ("alone", "busy", "careful", "idle", "key", "waiting")

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.busy = 0
        self.alone = False  # an act that must have the path for itself is under way
        self.careful = False
        self.idle: deque[tuple[Connection, Timer]] = deque()
        self.waiting: deque[tuple[Act, bool]] = deque()

    def may_start(self) -> bool:
        """Whether the first waiting act may begin now."""
        if not self.waiting or self.alone:
            return False
        limit = 1 if self.careful or self.waiting[0][1] else MAX_CONNECTIONS
        return self.busy < limit


class Paths(Generic[Act]):
    """All paths. `start` is called with an act whose turn has come, at most `limit` at a time."""

    def __init__(
        self,
        clock: Clock,
        start: Callable[[Path[Act], Act], None],
        farewell: Callable[[Connection], None],
        limit: int,
    ) -> None:
        self._clock = clock
        self._start = start
        self._farewell = farewell
        self._limit = limit
        self._paths: dict[tuple[str, str], Path[Act]] = {}
        self._ready: deque[Path[Act]] = deque()
        self.running = 0
        self.waiting = 0
        self.stopped = False  # nothing more begins

    def enter(self, key: tuple[str, str], act: Act, *, alone: bool) -> None:
        """Let an act wait for its path; it starts at once if it may."""
        path = self._paths.get(key)
        if path is None:
            path = self._paths[key] = Path(key)
        path.waiting.append((act, alone))
        self.waiting += 1
        self._offer(path)
        self._pump()

    def leave(
        self, path: Path[Act], connection: Connection | None, *, went_well: bool | None
    ) -> None:
        """The act is over. A connection that can be used again is kept. `went_well` None: the
        path learned nothing."""
        path.busy -= 1
        path.alone = False
        if went_well is not None:
            path.careful = not went_well
        self.running -= 1
        if connection is not None and connection.usable:
            self._keep(path, connection)
        self._offer(path)
        if not (path.busy or path.idle or path.waiting or path.careful):
            self._paths.pop(path.key, None)
        self._pump()

    def take_idle(self, path: Path[Act]) -> Connection | None:
        """A kept connection that still stands."""
        while path.idle:
            connection, timer = path.idle.pop()
            timer.cancel()
            if connection.usable:
                return connection
            connection.close()
        return None

    def close_all(self) -> list[Connection]:
        """Every kept connection, no longer kept."""
        found: list[Connection] = []
        for path in self._paths.values():
            while (connection := self.take_idle(path)) is not None:
                found.append(connection)
        return found

    def _keep(self, path: Path[Act], connection: Connection) -> None:
        def expire() -> None:
            for entry in list(path.idle):
                if entry[0] is connection:
                    path.idle.remove(entry)
                    self._farewell(connection)

        path.idle.append((connection, self._clock.call_at(self._clock.now() + IDLE_S, expire)))

    def _offer(self, path: Path[Act]) -> None:
        if path.may_start() and path not in self._ready:
            self._ready.append(path)

    def _pump(self) -> None:
        while self._ready and self.running < self._limit and not self.stopped:
            path = self._ready.popleft()
            if not path.may_start():
                continue
            act, alone = path.waiting.popleft()
            self.waiting -= 1
            path.busy += 1
            path.alone = alone
            self.running += 1
            self._start(path, act)
            self._offer(path)
