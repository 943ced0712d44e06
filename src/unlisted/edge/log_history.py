"""What a watched log tells, kept as `history add` keeps it: the same rows, roll-ups and files.

Attempts wait here until the feed's memory is written and are flushed before it, so that what a
crash loses is read again; a row is known by its own line, so nothing is kept twice. The folder is
locked only while it is written: `history add` may run beside a watch. Refuses nothing: while
another writes there the rows wait, the oldest go beyond `WAITING`, and the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from unlisted.mail.attempt import Attempt
from unlisted.replies.addresses import Network

log = logging.getLogger("unlisted.watch")

FLUSH_ROWS = 65_536
WAITING = 262_144
COMPACT_EVERY = 64  # flushes: one a minute makes many small files


class LogHistory:
    """Of one feed. `root`: the history's folder; `ours`: our networks."""

    def __init__(self, root: Path, secret: bytes, ours: Sequence[Network] = ()) -> None:
        self._root = root
        self._secret = secret
        self._ours = tuple(ours)
        self._rows: list[Attempt] = []
        self._flushes = 0

    def add(self, attempt: Attempt) -> None:
        """One more; it is on the disk after the next `flush`."""
        self._rows.append(attempt)
        if len(self._rows) % FLUSH_ROWS == 0:
            self.flush()

    def flush(self) -> None:
        """Write what waits, unless another process writes there now."""
        if not self._rows:
            return
        # Only here: a watch without a history does not pay for Arrow and DuckDB.
        from unlisted.edge.attempts import batches_of, tried_and_given_up
        from unlisted.edge.history import HistoryError, HistoryWriter
        from unlisted.edge.meanings import classified

        try:
            with HistoryWriter(self._root, self._secret) as writer:
                for batch in batches_of(self._rows):
                    writer.add(classified(tried_and_given_up(batch)[0], self._ours))
                self._flushes += 1
                if self._flushes % COMPACT_EVERY == 0:
                    writer.compact()
        except (HistoryError, OSError) as exc:
            gone = len(self._rows) - WAITING
            log.warning("history: %s; %d rows wait", exc, len(self._rows))
            if gone > 0:
                log.warning("history: %d rows are left out; history add brings them back", gone)
                del self._rows[:gone]
            return
        self._rows.clear()
