"""Rows that come in columns, a block at a time, and rows that come one by one and later, in the
order of their lines.

A block's rows are given out when no row before its end can come any more, or when too much is
held. Held memory is bounded by `HELD_BYTES` and one block.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from unlisted.edge.attempts import batch_of
from unlisted.mail.attempt import Attempt

HELD_BYTES = 32 << 20
_LINE_BITS = 40
_FEW = 64

Place = tuple[int, int]  # file, line


class RowOrder:
    """Blocks and single rows in, batches out."""

    def __init__(self) -> None:
        # Each with the place behind its last line.
        self._blocks: list[tuple[Place, pa.RecordBatch | None]] = []
        self._late: list[Attempt] = []

    def late(self, rows: list[Attempt]) -> None:
        """Rows of any lines so far."""
        self._late += rows

    def block(self, end: Place, batch: pa.RecordBatch | None) -> None:
        """The rows of the next lines, up to `end`."""
        self._blocks.append((end, batch))

    def ready(self, awaited: Place | None) -> Iterator[pa.RecordBatch]:
        """What no row can come before any more; awaited: the first line that still waits."""
        held = sum(batch.nbytes for _, batch in self._blocks if batch is not None)
        done = [
            end for end, _ in self._blocks if awaited is None or end <= awaited or held > HELD_BYTES
        ]
        if done:
            yield from self._before(done[-1])

    def rest(self) -> Iterator[pa.RecordBatch]:
        """All of it."""
        yield from self._before(None)

    def _before(self, end: Place | None) -> Iterator[pa.RecordBatch]:
        count = sum(1 for last, _ in self._blocks if end is None or last <= end)
        batches = [batch for _, batch in self._blocks[:count] if batch is not None]
        self._blocks = self._blocks[count:]
        now: list[Attempt] = []
        later: list[Attempt] = []
        for row in self._late:
            (now if end is None or (row.file, row.line) < end else later).append(row)
        self._late = later
        if not now:
            yield from batches
        elif len(now) <= _FEW:
            yield _inserted(batches, now)
        else:
            yield from _sorted([*batches, batch_of(now)])


def _keys(batch: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    keys: np.ndarray[tuple[int], np.dtype[np.int64]] = batch["file"].to_numpy().astype(np.int64)
    keys <<= _LINE_BITS
    keys += batch["line"].to_numpy()
    return keys


def _sorted(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    together = pa.concat_batches(batches)
    yield together.take(pa.array(np.argsort(_keys(together), kind="stable")))


def _inserted(batches: list[pa.RecordBatch], rows: list[Attempt]) -> pa.RecordBatch:
    """A few rows put in their places: what lies between them is copied as a whole."""
    few = batch_of(sorted(rows, key=lambda row: (row.file, row.line)))
    mine = _keys(few)
    parts = []
    done = 0
    for batch in batches:
        begin = 0
        for end in np.searchsorted(_keys(batch), mine[done:]).tolist():
            if end == len(batch):
                break
            parts += [batch.slice(begin, end - begin), few.slice(done, 1)]
            begin, done = end, done + 1
        parts.append(batch.slice(begin))
    return pa.concat_batches([*parts, few.slice(done)])
