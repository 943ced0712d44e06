"""The roll-up of senders, addresses and hours as one table: numbers, names once.

A month of a large site is tens of millions of rows: a column at a time, names by their number,
and each day let go of when its part is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unlisted.edge.history_files import Files, day_of
from unlisted.edge.history_rollups import EXPOSURE
from unlisted.edge.history_rows import LATEST


def read_exposure(files: Files, start: float, end: float) -> pa.Table:
    """Rows with start <= hour < end; sender and address are dictionary columns."""
    codes = (_Names(), _Names())
    days = [
        _of_day(files, day, start, end, codes)
        for day in files.days()
        if day_of(max(0.0, start)) <= day <= last_day(end)
    ]
    arrays = []
    for place, kind in enumerate(_KINDS):
        # A column at a time, and each day's part let go of: a month is not held twice.
        parts = [day[place] for day in days]
        for day in days:
            day[place] = _NONE
        column = np.concatenate(parts or [_NONE]).astype(kind, copy=False)
        arrays.append(_decoded(column, codes[place]) if place < 2 else pa.array(column))
    return pa.table(arrays, names=EXPOSURE.names)


def _of_day(
    files: Files, day: str, start: float, end: float, codes: tuple[_Names, _Names]
) -> list[Any]:
    """The day's columns as numbers, keys once: an hour lies within one day."""
    parts: list[list[Any]] = []
    for path in files.paths("exposure", day, day):
        table = pq.read_table(path, read_dictionary=["sender", "address"])
        hour = table["hour"]
        inside = pc.and_(pc.greater_equal(hour, int(start)), pc.less(hour, int(end)))
        table = table.filter(inside).unify_dictionaries()
        parts.append(
            [
                codes[0].coded(table["sender"]),
                codes[1].coded(table["address"]),
                *(table[name].to_numpy() for name in EXPOSURE.names[2:]),
            ]
        )
    if not parts:
        return [_NONE] * len(_KINDS)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if len(parts) > 1:
        columns = _summed(columns)
    return [column.astype(kind, copy=False) for column, kind in zip(columns, _KINDS, strict=True)]


_NONE = np.zeros(0, dtype=np.int64)
_KINDS = (np.int32, np.int32, np.int64, np.int32, np.int32, np.int32, np.int32)


def last_day(end: float) -> str:
    """The day a span ends on, as the folder names it."""
    return day_of(min(max(0.0, end), LATEST - 1.0))


class _Names:
    """Names met so far; a name's number is its place. None is -1."""

    def __init__(self) -> None:
        self.all = pa.array([], pa.string())

    def coded(self, column: pa.ChunkedArray) -> Any:
        """A unified dictionary column as numbers that hold for all files."""
        found = [_NONE.astype(np.int32)]
        places: Any = None
        for chunk in column.chunks:
            if places is None:
                places = self._places(chunk.dictionary.cast(pa.string()))
            indices = pc.fill_null(chunk.indices, len(places) - 1)
            found.append(places[indices.to_numpy(zero_copy_only=False)])
        return np.concatenate(found)

    def _places(self, names: pa.Array) -> Any:
        new = names.filter(pc.invert(pc.is_in(names, value_set=self.all)))
        self.all = pa.concat_arrays([self.all, new])
        places = pc.index_in(names, value_set=self.all).to_numpy(zero_copy_only=False)
        return np.append(places, -1).astype(np.int32)


def _summed(columns: list[Any]) -> list[Any]:
    """Rows with equal sender, address and hour made one."""
    order = np.lexsort(columns[:3])
    keys = [column[order] for column in columns[:3]]
    if not len(order):
        return columns
    changed = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(np.concatenate(([True], changed)))
    counts = [np.add.reduceat(column[order], starts) for column in columns[3:]]
    return [key[starts] for key in keys] + counts


def _decoded(places: Any, names: _Names) -> pa.DictionaryArray:
    indices = pa.array(places, pa.int32(), mask=places < 0)
    return pa.DictionaryArray.from_arrays(indices, names.all)
