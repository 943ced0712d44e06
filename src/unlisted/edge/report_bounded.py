"""What the report's pass over the logs remembers: names as numbers, counts in cells, pairs seen.

Each has a limit and keeps to it: names beyond it become "(others)", cells grow wider in time, pairs
are no longer learned. What that cost is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlisted.edge.report_columns import Hashes
from unlisted.report import cells as c
from unlisted.report.cells import Cells

BUFFERED = 1 << 17  # attempts between two mergings
CELLS = {"paths": 700_000, "people": 500_000, "mixed": 300_000}
# Widths of buckets in seconds, in the order they are tried.
BUCKETS_S = {
    "paths": (60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400),
    "people": (900, 3600, 4 * 3600, 12 * 3600, 86400),
    "mixed": (3600, 86400, 32 * 86400),
}
# Routes at receivers that refused nothing tell nothing of a block: their buckets widen first.
BY_RECEIVER = ("paths", "mixed")


class Numbered:
    """Names as numbers in the order first seen; past the limit all are the last one, "(others)"."""

    def __init__(self, limit: int, first: Sequence[Any] = (), others: Any = "(others)") -> None:
        self.names: list[Any] = list(first)
        self.numbers: dict[Any, int] = {name: i for i, name in enumerate(first)}
        self.limit = limit
        self.others = others
        self.refused = 0

    def number(self, name: Any) -> int:
        found = self.numbers.get(name)
        if found is not None:
            return found
        if len(self.names) >= self.limit - 1:
            self.refused += 1
            if len(self.names) == self.limit - 1:
                self.names.append(self.others)
            return self.limit - 1
        self.names.append(name)
        self.numbers[name] = len(self.names) - 1
        return len(self.names) - 1


class Tally:
    """Cells under one limit; merges what comes in and widens its buckets rather than grow."""

    def __init__(self, name: str) -> None:
        self._limit = CELLS[name]
        self._buckets = list(BUCKETS_S[name])
        self._quiet = list(BUCKETS_S[name]) if name in BY_RECEIVER else []
        self._loud = np.zeros(c.RECEIVERS, np.bool_) if name in BY_RECEIVER else None
        self._cells = c.empty()
        self._waiting: list[Cells] = []
        self._waits = 0

    @property
    def bucket_s(self) -> int:
        return self._buckets[0]

    def add(self, more: Cells) -> None:
        """Merged with the rest when as many wait as there are: each cell is sorted a few times."""
        if self._loud is not None:
            self._loud[more.receiver[more.answer >= c.WORDLESS]] = True
        self._waiting.append(self._merged(more))
        self._waits += len(self._waiting[-1])
        if self._waits >= max(BUFFERED, len(self._cells)):
            self._merge()

    def cells(self) -> Cells:
        """All that was added, in time order."""
        self._merge()
        return c.by_time(self._cells)

    def _merge(self) -> None:
        self._cells = self._merged(c.joined([self._cells, *self._waiting]))
        self._waiting, self._waits = [], 0
        while len(self._cells) > self._limit:
            if len(self._quiet) > 1:
                self._quiet.pop(0)
            elif len(self._buckets) > 1:
                self._buckets.pop(0)
            else:
                return
            self._cells = self._merged(self._cells)

    def _merged(self, cells: Cells) -> Cells:
        if self._loud is None:
            return c.merged(cells, self.bucket_s)
        quiet = max(self._quiet[0], self.bucket_s)
        return c.merged(cells, np.where(self._loud[cells.receiver], self.bucket_s, quiet))


class Pairs:
    """Which (sender, recipient) was seen before, as sorted 64-bit hashes; full, it learns no more."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.runs: list[Hashes] = []
        self.size = 0
        self.refused = 0

    def new(self, pairs: Hashes) -> NDArray[np.bool_]:
        """For each pair whether this is its first sight; a pair twice in `pairs` is new once."""
        unique, first = np.unique(pairs, return_index=True)
        unseen = np.ones(len(unique), np.bool_)
        for run in self.runs:
            place = np.searchsorted(run, unique)
            place[place == len(run)] = 0
            unseen &= run[place] != unique
        if self.size + int(unseen.sum()) > self.limit:
            self.refused += int(unseen.sum())
            return np.zeros(len(pairs), np.bool_)
        result = np.zeros(len(pairs), np.bool_)
        result[first[unseen]] = True
        if unseen.any():
            self._add(unique[unseen])
        return result

    def _add(self, run: Hashes) -> None:
        self.size += len(run)
        self.runs.append(run)
        # Runs double in size, so that each pair is merged a few times only.
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            two = np.concatenate((self.runs.pop(), self.runs.pop()))
            two.sort()
            self.runs.append(two)
