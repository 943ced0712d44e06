"""Takes rows from the queue when their time or condition comes: each becomes a Due.

The queue's order in SQL becomes a recorded input here, so a replay needs no SQL. One timer stands
for the earliest row; rows are loaded only while there is room. A row that a station could not take
(its Due was quarantined) was put off by the fixpoint, and comes again by its new time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from unlisted.edge import queue
from unlisted.edge.clock import Clock, RealSeconds, Timer
from unlisted.edge.journal import JournalError
from unlisted.edge.runner import Quarantined, Runner
from unlisted.facts import Due, Queued, Row
from unlisted.loop._fixpoint import Followed

log = logging.getLogger("unlisted.loader")

CHUNK = 100
AGAIN_S = RealSeconds(1.0)  # the journal could not be written


class Loader:
    """`is_full`: no room for more; `spawn` runs a task of the edge."""

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        is_full: Callable[[], bool],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._is_full = is_full
        self._spawn = spawn
        self._timer: Timer | None = None
        self._due: float | None = None
        self._loading = False
        self._starved = False
        self._stopped = False

    def stop(self) -> None:
        """Load no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def note(self, followed: Followed) -> None:
        """Rows were written: the earliest time may have moved forward. (Backward costs one look
        that finds nothing.)"""
        for _, fact, _ in followed.facts:
            if isinstance(fact, Queued):
                row = fact.row
                when = row.due if row.state == "due" else row.until if row.state != "out" else None
                if when is not None and (self._due is None or when < self._due):
                    self._set(when)

    def room(self) -> None:
        """An act ended: go on, if loading stopped for want of room."""
        if self._starved and not self._is_full():
            self._starved = False
            self._fire()

    def look(self) -> None:
        """Set the timer by what the table says."""
        when = queue.next_due(self._runner.journal.database)
        if when is None:
            return
        self._set(max(when, self._clock.now()))

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = when
        self._timer = None if self._stopped else self._clock.call_at(when, self._fire)

    def _fire(self) -> None:
        self._due = None
        if not self._loading and not self._stopped:
            self._loading = True
            self._spawn(self._load())

    async def _load(self) -> None:
        try:
            # In a turn: while stepping no act of the first rows begins before the last is taken,
            # or the network's speed would decide which fact stands first.
            async with self._clock.turn():
                if not await self._emptied():
                    return
        finally:
            self._loading = False
        if not self._stopped:
            self.look()

    async def _emptied(self) -> bool:
        """Take what is due; False: there was no room for all of it."""
        while not self._stopped:
            if self._is_full():
                self._starved = True
                return False
            rows = queue.due(self._runner.journal.database, self._clock.now(), CHUNK)
            if not rows:
                break
            await self.bring(rows)
        return True

    async def bring(self, rows: Sequence[tuple[Row, str]]) -> int:
        """Record Due for these rows, in order, unless one has moved on meanwhile. How many."""
        taken = 0
        for start in range(0, len(rows), CHUNK):
            waiting: list[tuple[Row, asyncio.Future[int]]] = []
            for row, why in rows[start : start + CHUNK]:
                if self._stands(row):
                    now = self._clock.now()
                    waiting.append((row, self._runner.record(Due(at=now, row=row, why=why))))
            taken += await self._committed(waiting)
        return taken

    async def _committed(self, waiting: list[tuple[Row, asyncio.Future[int]]]) -> int:
        taken = 0
        lost = False
        for row, future in waiting:
            try:
                await future
                taken += 1
            except Quarantined as exc:
                log.error("row %s is put off: %s", row.key, exc)
            except JournalError:
                lost = True
        if lost:
            await asyncio.sleep(AGAIN_S)  # the rows stand where they stood
        return taken

    def _stands(self, row: Row) -> bool:
        found = self._runner.journal.database.execute(
            "select row from queue where key=?", (row.key,)
        ).fetchone()
        return found is not None and queue.read(found[0]) == row
