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

CELLS = {"paths": 900_000, "people": 500_000, "mixed": 500_000}
BUCKETS_S = {
    "paths": (60, 300, 3600, 86400),
    "people": (900, 3600, 86400),
    "mixed": (3600, 86400, 32 * 86400),
}


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
        self.limit = CELLS[name]
        self.buckets = list(BUCKETS_S[name])
        self.cells = c.empty()

    @property
    def bucket_s(self) -> int:
        return self.buckets[0]

    def add(self, more: Cells) -> None:
        fresh = c.merged(more, self.bucket_s)
        self.cells = c.merged(c.joined([self.cells, fresh]), self.bucket_s)
        while len(self.cells) > self.limit and len(self.buckets) > 1:
            self.buckets.pop(0)
            self.cells = c.merged(self.cells, self.bucket_s)


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
