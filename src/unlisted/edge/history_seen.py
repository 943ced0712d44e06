"""Which rows the history has already, an hour at a time, in bounded memory.

The data itself is the index: the ids of an hour are read from the row groups whose times touch
it. Logs come nearly in order, so a few hours are held while a file is read. Sorted arrays of
doubling sizes make one more batch cheap.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from unlisted.edge.history_files import ATTEMPTS, Files, day_of

Ids = npt.NDArray[np.uint64]
HOUR_S = 3600
IDS_LIMIT = 8_000_000  # 64 MB


class Seen:
    """Ids by hour. `flush` is called before hours are forgotten: the rows must then be files."""

    def __init__(self, files: Files, flush: Callable[[], None], limit: int = IDS_LIMIT) -> None:
        self._files = files
        self._flush = flush
        self._limit = limit
        self._hours: OrderedDict[int, list[Ids]] = OrderedDict()
        self._count = 0

    def new(self, hours: npt.NDArray[np.int64], ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these rows were never seen; they count as seen from now on."""
        fresh = np.zeros(len(ids), dtype=np.bool_)
        for hour in np.unique(hours):
            places = np.flatnonzero(hours == hour)
            mine, first = np.unique(ids[places], return_index=True)
            levels = self._levels(int(hour))
            known = np.zeros(len(mine), dtype=np.bool_)
            for level in levels:
                found = np.searchsorted(level, mine)
                found[found == len(level)] = 0
                known |= level[found] == mine
            fresh[places[first[~known]]] = True
            self._add(levels, mine[~known])
        return fresh

    def _levels(self, hour: int) -> list[Ids]:
        levels = self._hours.get(hour)
        if levels is None:
            stored = self._read(hour)
            levels = self._hours[hour] = [stored] if len(stored) else []
            self._count += len(stored)
        self._hours.move_to_end(hour)
        return levels

    def _add(self, levels: list[Ids], ids: Ids) -> None:
        if not len(ids):
            return
        self._count += len(ids)
        levels.append(ids)
        while len(levels) > 1 and len(levels[-2]) < 2 * len(levels[-1]):
            last = levels.pop()
            levels[-1] = np.sort(np.concatenate((levels[-1], last)), kind="stable")

    def trim(self) -> None:
        """Forget old hours if too many ids are held; after the rows just asked for were kept."""
        if self._count <= self._limit:
            return
        self._flush()
        while self._count > self._limit // 2 and len(self._hours) > 1:
            _, levels = self._hours.popitem(last=False)
            self._count -= sum(len(level) for level in levels)

    def _read(self, hour: int) -> Ids:
        start, end = hour * HOUR_S, (hour + 1) * HOUR_S
        found: list[Ids] = [np.zeros(0, dtype=np.uint64)]
        day = day_of(start)
        for name in self._files.names(day):
            with pq.ParquetFile(self._files.path(ATTEMPTS, day, name)) as file:
                place = file.schema_arrow.get_field_index("at")
                groups = []
                for i in range(file.num_row_groups):
                    known = file.metadata.row_group(i).column(place).statistics
                    if known is None or (known.max >= start and known.min < end):
                        groups.append(i)
                for i in groups:
                    table = file.read_row_group(i, columns=["id", "at"])
                    at = table["at"].to_numpy()
                    ids = table["id"].to_numpy()
                    found.append(ids[(at >= start) & (at < end)])
        return np.unique(np.concatenate(found))
