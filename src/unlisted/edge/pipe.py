"""Files that people name, opened for reading: plain ones, and named pipes without waiting for ever.

`<(ssh mx1 cat mail.log)` is a named pipe. One that nobody writes into is refused after `WAIT_MS`,
with an OSError: opened as a plain file it would hang its reader for ever.
"""

from __future__ import annotations

import io
import os
import select
import stat
from pathlib import Path
from typing import Any, BinaryIO

WAIT_MS = 2_000


class Pipe(io.RawIOBase):
    """A named pipe's reading end. Opened only if somebody writes."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._first = b""
        poll = select.poll()
        poll.register(self._number, select.POLLIN)
        if not poll.poll(WAIT_MS):
            try:
                self._first = os.read(self._number, 1)
            except BlockingIOError:
                pass  # a writer there is, and slow
            else:
                if not self._first:
                    self.close()
                    raise OSError(0, "nobody writes into this pipe")
        os.set_blocking(self._number, True)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        data, self._first = self._first or os.read(self._number, len(into)), b""
        into[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        return super().read(size) or b""

    def close(self) -> None:
        if not self.closed:
            os.close(self._number)
        super().close()


def opened_file(path: Path) -> BinaryIO:
    """Open for reading, buffered. Raises OSError; for a pipe without a writer, too."""
    if stat.S_ISFIFO(path.stat().st_mode):
        return io.BufferedReader(Pipe(path))
    return path.open("rb")
