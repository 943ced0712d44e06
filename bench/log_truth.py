"""Whether the joined table is what the receivers saw: row by row, in every copy.

The truth of one copy is made of the receivers' and the submitter's records; the log gives only
the times and the new queue ids. Each row of the table must be one of them in every field, all its
fields of the same copy, at its copy's time, and each of them must be there once for each copy.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.log_copies import BEGIN, Template
from bench.log_traffic import COPY, Receivers, Submitted

_COMPARED = (
    "recipient",
    "mail_from",
    "message_id",
    "sender",
    "status",
    "code",
    "enhanced",
    "stage",
    "transport",
    "pool",
    "relay_ip",
    "instance",
    "text",
)
_NONE = "\x01"


@dataclass(frozen=True)
class Truth:
    """rows: the attempts of one copy as text, each once. seconds: when each was logged."""

    rows: list[str]
    seconds: list[int]


def truth_of(receivers: Receivers, known: Submitted, template: Template) -> Truth:
    """Raises when the receivers saw what the submitter did not send."""
    spelled = re.compile("|".join(map(re.escape, template.ids)))
    rows = []
    for seen in receivers.seen:
        own = seen.recipient in known.message_id
        message_id = known.message_id[seen.recipient] if own else seen.message_id
        fields = {
            "recipient": seen.recipient,
            "mail_from": seen.mail_from,
            # A notice of failure has the Message-ID that Postfix made of its queue id.
            "message_id": spelled.sub(lambda hit: template.ids[hit[0]], message_id or ""),
            "sender": known.sender[seen.recipient] if own else None,
            "status": seen.status,
            "code": str(seen.code),
            "enhanced": seen.enhanced,
            "stage": seen.stage,
            "transport": seen.pool,
            "pool": seen.pool.removeprefix("smtp-"),
            "relay_ip": "127.0.0.1",
            "instance": "postfix",
            "text": seen.text,
        }
        rows.append("\n".join(_NONE if fields[n] is None else str(fields[n]) for n in _COMPARED))
    twice = [row for row, count in Counter(rows).items() if count > 1]
    if twice:
        raise RuntimeError(f"two attempts cannot be told apart: {twice[0]!r}")
    return Truth(rows, _seconds(rows, template))


def _seconds(rows: list[str], template: Template) -> list[int]:
    """When the log says each was, by its recipient and outcome."""
    times = {}
    for at, line in zip(template.seconds, template.lines, strict=True):
        found = re.search(rb": to=<([^>]*)>,.* status=(\w+) ", line)
        if found:
            times[found[1].decode(), found[2].decode()] = at
    place = _COMPARED.index("status")
    told = [row.split("\n") for row in rows]
    return [times.get((fields[0], fields[place]), -1) for fields in told]


class Judge:
    """Counts rows that are wrong: not in the truth, of mixed copies, at another time, twice."""

    def __init__(self, truth: Truth, template: Template, copies: int) -> None:
        self._truth = pa.array(truth.rows, pa.string())
        self._seconds = np.array(truth.seconds, np.int64)
        self._half_s, self._copies = template.half_s, copies
        self._found = np.zeros(len(truth.rows) * copies, np.int32)
        self.wrong = 0
        self.example = ""
        self.refused = 0
        self._texts: set[int] = set()

    def see(self, batch: pa.RecordBatch) -> None:
        copy = _copy_of(batch["queue_id"])
        sound = np.ones(len(batch), np.bool_)
        for name in ("recipient", "mail_from", "message_id"):
            there = _copy_of(batch[name])
            sound &= (there == copy) | (there < 0)
        row = pc.binary_join_element_wise(
            *(pc.fill_null(batch[name].cast(pa.string()), _NONE) for name in _COMPARED), "\n"
        )
        marked = pc.replace_substring_regex(row, "zq[0-9]{5}", COPY)
        place = pc.fill_null(pc.index_in(marked, value_set=self._truth), -1).to_numpy()
        sound &= (place >= 0) & (copy >= 0) & (copy < self._copies)
        at = batch["at"].to_numpy()
        sound &= at == BEGIN + copy * self._half_s + self._seconds[place]
        self.wrong += int(np.count_nonzero(~sound))
        if not self.example and not sound.all():
            self.example = str(batch.slice(int(np.flatnonzero(~sound)[0]), 1).to_pylist()[0])
        np.add.at(self._found, place[sound] * self._copies + copy[sound], 1)
        texts = batch["text"].drop_null()
        self.refused += len(texts)
        self._texts.update(map(hash, texts.to_pylist()))

    def rows_wrong(self) -> int:
        """With those that are absent or there more than once."""
        return self.wrong + int(np.abs(self._found - 1).sum())

    @property
    def rows(self) -> int:
        return int(self._found.size)

    @property
    def distinct_share(self) -> float:
        """Of the texts of what was refused or deferred."""
        return len(self._texts) / self.refused if self.refused else 0.0


def _copy_of(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The copy's number in each text, -1 without one."""
    found = pc.extract_regex(column, "zq(?P<copy>[0-9]{5})")
    digits = pc.struct_field(found, "copy").cast(pa.int64())
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]] = pc.fill_null(digits, -1).to_numpy()
    return numbers


def judged(batches: Iterable[pa.RecordBatch], judge: Judge) -> None:
    for batch in batches:
        judge.see(batch)
