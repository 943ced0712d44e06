"""A progress bar for a person who waits: bytes, rate, time left; on a terminal only."""

from __future__ import annotations

import time
from typing import TextIO

WIDTH = 24
EVERY_S = 0.2
KNOWN_S, KNOWN_SHARE = 1.0, 0.01  # before that no time left is told


def size(count: float) -> str:
    """1.4 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


class Bar:
    """Drawn on one line and wiped at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._on = stream.isatty()
        self._begun = time.monotonic()
        self._drawn = 0.0

    def show(self, done: int, total: int | None) -> None:
        """Bytes read, and of how many if that is known."""
        now = time.monotonic()
        if not self._on or now - self._drawn < EVERY_S:
            return
        self._drawn = now
        self._stream.write(f"\r{self.line(done, total, now - self._begun)[:79]:<79}")
        self._stream.flush()

    @staticmethod
    def line(done: int, total: int | None, spent_s: float) -> str:
        """The bar as text."""
        rate = done / max(spent_s, 1e-3)
        if not total:
            return f"{size(done)}  {size(rate)}/s"
        part = min(1.0, done / total)
        filled = round(part * WIDTH)
        bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {part:4.0%}  {size(done)} of {size(total)}"
        if spent_s < KNOWN_S or part < KNOWN_SHARE:
            return bar  # too early for a rate: the first bytes only tell how the start went
        return f"{bar}  {size(rate)}/s  {(total - done) / max(rate, 1.0):.0f} s left"

    def end(self) -> None:
        """Wipe it."""
        if self._on and self._drawn:
            self._stream.write("\r" + " " * 79 + "\r")
            self._stream.flush()
