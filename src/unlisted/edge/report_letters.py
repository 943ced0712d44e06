"""The refused rows of a log, and whether each letter arrived after all; both within bounds.

A letter is a message and a recipient. Its later delivery counts if it came under the same queue id,
or under another one some seconds after the refusal: a content filter logs its own hand-over of the
same Message-ID within moments, and before the refusal. Full, it lets go of rows that no list
explains first, then of bounced ones, oldest first, and of deferred ones last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unlisted.edge.report_columns import RowHashes, numbers
from unlisted.report import cells as c
from unlisted.report.cells import Answer
from unlisted.report.gathered import DEFERRED, EXPIRED, SENT_ROW, Kept, Strings

KEPT = 300_000
DELIVERIES = 1_000_000
APART_S = 5.0
HAND_S = 7 * 86400.0
_TEXTS = ["message_id", "queue_id", "instance", "mail_from", "recipient", "text"]
REPLY_CHARS = 300  # kept of each reply: memory is bounded by the rows
_COLUMNS: dict[str, type[Any]] = {
    "letter": np.uint64, "pair": np.uint64, "queue": np.uint64, "message": np.uint64, "at": np.float64,
    "status": np.int32, "answer": np.int32, "route": np.int32, "receiver": np.int32,
    "sender": np.int32, "file": np.int32, "line": np.int64, "size": np.int64,
}  # fmt: skip
_SENT = ("letter", "pair", "queue", "at", "size")

Columns = dict[str, NDArray[Any]]


class Letters:
    """Takes the batches in the order read."""

    def __init__(self, kept: int = KEPT, deliveries: int = DELIVERIES) -> None:
        self.limit, self.deliveries = kept, deliveries
        self.let_go = [0, 0, 0]  # bounced rows, deferred rows, deliveries
        self._rows: list[Columns] = []
        self._texts: list[pa.Table] = []
        self._size = 0
        self._refused: set[int] = set()
        self._sent: list[Columns] = []
        self._sent_size = 0
        # What of the deliveries let go concerned a letter or a pair refused before.
        self._arrived: list[Columns] = []
        self._returned: dict[int, float] = {}  # messages given up, and when

    def returned(self, given_up: pa.RecordBatch) -> None:
        """The rows that end whatever still waited of a message."""
        messages = RowHashes(given_up).message.tolist()
        at = numbers(given_up.column("at"), np.float64).tolist()
        self._returned.update(zip(messages, at, strict=True))
        while len(self._returned) > self.deliveries:
            del self._returned[next(iter(self._returned))]

    def add(
        self,
        batch: pa.RecordBatch,
        columns: Columns,
        hashes: RowHashes,
        said: list[Answer | None],
    ) -> None:
        """`columns` has at, status, answer, route, receiver, sender of each row."""
        bad = np.flatnonzero(columns["status"] != SENT_ROW)
        if len(bad):
            letters = hashes.letter[bad]
            matters = columns["answer"][bad] >= c.UNSURE
            self._refused.update(int(one) for one in letters[matters])
            if self._refused:
                # The last word on a letter refused before, whatever it is.
                known = self._refused
                matters |= np.array([int(one) in known for one in letters], np.bool_)
            self._keep(batch, columns, hashes, bad[matters])
        good = np.flatnonzero(columns["status"] == SENT_ROW)
        if len(good):
            self._sent.append(
                {
                    "letter": hashes.letter[good],
                    "pair": hashes.pair[good],
                    "queue": hashes.queue[good],
                    "at": columns["at"][good],
                    "size": numbers(batch.column("size"), np.int64)[good],
                }
            )
            self._sent_size += len(good)
            if self._sent_size > self.deliveries:
                self._forget()
        if self._size > self.limit:
            self._thin(said)

    def _keep(
        self, batch: pa.RecordBatch, columns: Columns, hashes: RowHashes, rows: NDArray[np.intp]
    ) -> None:
        if not len(rows):
            return
        every = {
            **columns,
            "letter": hashes.letter,
            "pair": hashes.pair,
            "queue": hashes.queue,
            "message": hashes.message,
            "file": numbers(batch.column("file"), np.int32),
            "line": numbers(batch.column("line"), np.int64),
            "size": numbers(batch.column("size"), np.int64),
        }
        self._rows.append({name: every[name][rows].astype(kind) for name, kind in _COLUMNS.items()})
        texts = pa.Table.from_batches([batch.select(_TEXTS).take(pa.array(rows))])
        cut = pc.utf8_slice_codeunits(texts["text"], 0, REPLY_CHARS)
        self._texts.append(texts.set_column(_TEXTS.index("text"), "text", cut))
        self._size += len(rows)

    def _thin(self, said: list[Answer | None]) -> None:
        rows = _joined(self._rows, _COLUMNS)
        blames = np.array([one is not None and one.blames_us for one in said])
        deferred = rows["status"] == DEFERRED
        listed = blames[rows["answer"]] | (rows["answer"] < c.WORDLESS)
        worth = deferred * 2 + listed
        order = np.argsort(worth, kind="stable")
        gone = order[: len(order) // 4]
        self.let_go[1] += int(deferred[gone].sum())
        self.let_go[0] += len(gone) - int(deferred[gone].sum())
        left = np.sort(order[len(gone) :])
        self._rows = [{name: column[left] for name, column in rows.items()}]
        self._texts = [pa.concat_tables(self._texts).take(pa.array(left)).combine_chunks()]
        self._size = len(left)
        self._refused = {int(one) for one in rows["letter"][left]}

    # ------------------------------------------------------------ arrivals

    def _forget(self) -> None:
        """Lets the older half of the deliveries go, but for those of letters refused before."""
        half, size = [], 0
        while self._sent and size < self._sent_size // 2:
            half.append(self._sent.pop(0))
            size += len(half[-1]["at"])
        self._sent_size -= size
        self.let_go[2] += size
        self._arrived.append(self._concerning(half))

    def _concerning(self, sent: list[Columns]) -> Columns:
        deliveries = _joined(sent, {name: _COLUMNS[name] for name in _SENT})
        rows = _joined(self._rows, _COLUMNS)
        mask = np.isin(deliveries["letter"], rows["letter"]) | (
            (deliveries["pair"] != 0) & np.isin(deliveries["pair"], rows["pair"])
        )
        return {name: column[mask] for name, column in deliveries.items()}

    def finish(self) -> Kept:
        """The rows kept, and of each letter when it arrived."""
        arrived = _joined(
            [*self._arrived, self._concerning(self._sent)],
            {name: _COLUMNS[name] for name in _SENT},
        )
        self._sent = []
        rows = _joined(self._rows, _COLUMNS)
        until = np.array([self._returned.get(one, -np.inf) for one in rows["message"].tolist()])
        waited = (rows["status"] == DEFERRED) & (rows["at"] <= until + APART_S)
        rows["status"][waited] = EXPIRED
        sent_at = np.full(len(rows["at"]), np.nan)
        wrote_at = np.full(len(rows["at"]), np.nan)
        by_letter, by_pair = _indexed(arrived, "letter"), _indexed(arrived, "pair")
        for place in range(len(sent_at)):
            row = _Delivery(*(rows[name][place].item() for name in _SENT))
            for one in by_letter.get(row.letter, ()):
                if one.at > row.at + APART_S or (one.queue == row.queue and one.at >= row.at):
                    sent_at[place] = one.at
                    break
            for one in by_pair.get(row.pair, ()) if row.pair else ():
                if row.at + APART_S < one.at <= row.at + HAND_S and _alike(row, one):
                    wrote_at[place] = one.at
                    break
        texts = pa.concat_tables(self._texts).combine_chunks() if self._texts else None

        def strings(place: int) -> Strings:
            assert texts is not None
            row = texts.slice(place, 1).to_pylist()[0]
            return Strings(**{name: row[name] or "" for name in _TEXTS})

        wanted = set(Kept.__dataclass_fields__) & set(rows)
        return Kept(
            **{name: rows[name] for name in sorted(wanted)},
            sent_at=sent_at,
            wrote_at=wrote_at,
            strings=strings,
        )


def _joined(parts: list[Columns], names: dict[str, type[Any]]) -> Columns:
    if not parts:
        return {name: np.zeros(0, kind) for name, kind in names.items()}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


class _Delivery(NamedTuple):
    letter: int
    pair: int
    queue: int
    at: float
    size: int


def _alike(one: _Delivery, two: _Delivery) -> bool:
    """Two letters between the same people that could be the same text: about the same size."""
    if one.letter == two.letter:
        return False
    return not one.size or not two.size or abs(one.size - two.size) <= max(256, one.size // 20)


def _indexed(deliveries: Columns, key: str) -> dict[int, list[_Delivery]]:
    """By that key, earliest first."""
    found: dict[int, list[_Delivery]] = {}
    for place in np.argsort(deliveries["at"], kind="stable"):
        one = _Delivery(*(deliveries[name][place].item() for name in _SENT))
        found.setdefault(one.letter if key == "letter" else one.pair, []).append(one)
    return found
