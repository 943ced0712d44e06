"""Places in a block of log bytes as Arrow columns, without a Python object per row.

A field is the text between two places. All fields of a column become one Arrow array over the
block itself, in which every second element is a field and the others are what lies between; one
`take` picks the fields and copies them. Only for ASCII (the caller sees to it).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unlisted.edge.byte_words import MASKS, Flags, Places, Window


class Fields:
    """One field of some lines, in the order of the lines."""

    def __init__(self, window: Window, begin: Places, end: Places) -> None:
        offsets = np.empty(2 * begin.size, np.int32)
        offsets[0::2] = begin
        offsets[1::2] = end
        self._count = begin.size
        self._array = (
            pa.Array.from_buffers(
                pa.string(),
                offsets.size - 1,
                [None, pa.py_buffer(offsets), pa.py_buffer(window.data)],
            )
            if begin.size
            else pa.array([], pa.string())
        )

    def column(self) -> pa.Array:
        """All of them."""
        return self._array.take(pa.array(np.arange(0, 2 * self._count, 2)))

    def taken(self, which: Places) -> pa.Array:
        """Some of them, null where `which` is negative."""
        if not self._count:
            return pa.nulls(which.size, pa.string())
        return self._array.take(pa.array(2 * which, mask=which < 0))


def words_of(texts: Sequence[str | None], which: Places) -> pa.Array:
    """Each row's text of a few."""
    return pa.array(texts, pa.string()).take(pa.array(which))


def short(window: Window, begin: Places, end: Places) -> tuple[list[bytes], Places]:
    """The distinct texts of fields of up to eight bytes, and which is whose."""
    words = window.words[begin] & MASKS[np.clip(end - begin, 0, 8)]
    # By Arrow's hash table: a third of what sorting costs.
    encoded = pa.array(words).dictionary_encode()
    which = encoded.indices.to_numpy()
    raw = encoded.dictionary.to_numpy().tobytes()
    return [raw[at : at + 8].rstrip(b"\0") for at in range(0, len(raw), 8)], which


def filled(column: pa.Array, rows: Flags, values: Sequence[object]) -> pa.Array:
    """The column with these rows' values in their place."""
    if not len(values):
        return column
    return pc.replace_with_mask(column, pa.array(rows), pa.array(values, column.type))
