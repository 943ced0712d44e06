"""Whether a journal can be written now: another program's lock, a full disk.

The service runs on one event loop: while the journal cannot be written nothing may wait for it, or
the public page would stand still with the mail. So after a failure nobody waits for a lock, and
before the next fact is stepped a write of a page's size is tried on the disk itself. Free space as
the file system tells it is only a hint: a quota says nothing, a write-ahead log may have room left.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

PATIENCE_MS = 250  # for another program's lock, once
LOOK_S = 0.25  # real: how often pages ask anew
LITTLE = 1 << 20  # octets free below which the disk is tried, not trusted
_TRY = "insert or replace into meta values('room', printf('%.*c', 8192, 'x'))"


class Room:
    """What is known of one journal file. `failing`: the last attempt to write it failed."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self.failing = False
        self._looked = -LOOK_S

    def failed(self, db: sqlite3.Connection) -> None:
        """A transaction could not begin or end."""
        if not self.failing:
            self.failing = True
            db.execute("pragma busy_timeout=0")

    def worked(self, db: sqlite3.Connection) -> None:
        """A transaction is durable."""
        if self.failing:
            self.failing = False
            db.execute(f"pragma busy_timeout={PATIENCE_MS}")

    def look(self, db: sqlite3.Connection) -> bool:
        """Whether a transaction could be written, between two of them. Changes nothing."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return not self.failing
        self._looked = now
        try:
            if self.failing or self._little():
                self.tried(db)
            else:
                db.execute("begin immediate")
                db.execute("rollback")
        except (sqlite3.Error, OSError):
            self.failed(db)
        else:
            self.worked(db)
        return not self.failing

    def tried(self, db: sqlite3.Connection) -> None:
        """Write a page and take it back, durably. Raises sqlite3.Error."""
        db.execute("begin immediate")
        try:
            db.execute(_TRY)
            db.execute("delete from meta where name='room'")
            db.execute("commit")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("rollback")
            raise

    def _little(self) -> bool:
        told = os.statvfs(self._folder)
        return told.f_bavail * told.f_frsize < LITTLE
