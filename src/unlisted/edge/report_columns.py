"""Arrow columns of attempts as numpy columns: numbers, codes of names, hashes of names.

Hashes are Python's own of the process (SipHash, keyed), 64 bits: they tell names apart within one
run and mean nothing outside it, so none is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TURN = np.uint64(29)


def numbers(column: pa.Array, kind: type[Any]) -> NDArray[Any]:
    """A column of numbers, null as 0."""
    return np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False), dtype=kind)


def truths(column: pa.Array) -> NDArray[np.bool_]:
    """A column of booleans, null as False."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def codes(encoded: pa.DictionaryArray) -> NDArray[np.int64]:
    """1 and up by the dictionary's order, 0 for null."""
    return np.asarray(
        pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64
    ) + np.int64(1)


def looked_up(
    column: pa.Array, meaning: Callable[[str], int], missing: int = 0
) -> NDArray[np.int32]:
    """A number for each row by its name, each distinct name asked once."""
    encoded = pc.dictionary_encode(column)
    known = [missing, *(meaning(name) for name in encoded.dictionary.to_pylist())]
    return np.array(known, np.int32)[codes(encoded)]


def mapped(column: pa.Array, table: Mapping[str, int], missing: int = 0) -> NDArray[np.int32]:
    return looked_up(column, lambda name: table.get(name, missing), missing)


def hashed(column: pa.Array) -> Hashes:
    """A hash for each row, 0 for null."""
    return np.array(
        [0 if one is None else hash(one) & 0xFFFFFFFFFFFFFFFF for one in column.to_pylist()],
        np.uint64,
    )


def mixed(one: Hashes, two: Hashes) -> Hashes:
    """One hash of two."""
    turned = (one << _TURN) | (one >> (np.uint64(64) - _TURN))
    return (turned * _MIX) ^ two


class RowHashes:
    """What tells letters and people apart in one batch; worked out when asked for."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    @cached_property
    def recipient(self) -> Hashes:
        # Case in a local part tells no two people apart in practice, and logs mix it.
        return hashed(pc.ascii_lower(self._batch.column("recipient")))

    @cached_property
    def queue(self) -> Hashes:
        return mixed(hashed(self._batch.column("queue_id")), hashed(self._batch.column("instance")))

    @cached_property
    def message(self) -> Hashes:
        """Without the instance: who delivers may bear another name than who gives up."""
        queue = hashed(self._batch.column("queue_id"))
        return mixed(queue, hashed(self._batch.column("message_id")))

    @cached_property
    def letter(self) -> Hashes:
        """Message and recipient: by the Message-ID, else by the queue id."""
        message = hashed(self._batch.column("message_id"))
        return mixed(np.where(message == 0, self.queue, message), self.recipient)

    @cached_property
    def pair(self) -> Hashes:
        """Reverse-path and recipient; 0 for a bounce."""
        path = hashed(self._batch.column("mail_from"))
        none = (path == 0) | (path == np.uint64(hash("") & 0xFFFFFFFFFFFFFFFF))
        return np.where(none, np.uint64(0), mixed(path, self.recipient))
