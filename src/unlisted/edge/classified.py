"""Attempts with what their replies mean: batches of `SCHEMA` made batches of `CLASSIFIED`.

Only what was not sent has a reply to explain. The same text, at the same stage and from the same
address of ours, is asked once as long as it is remembered; the memory is bounded and begins anew
when full. It refuses nothing: a text that means nothing has `refusal` "no" and no reason.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from unlisted.edge.attempts import CLASSIFIED
from unlisted.mail.attempt import MEANING_FIELDS
from unlisted.replies import classify
from unlisted.replies.addresses import Network, pool_of

REMEMBERED = 100_000
_LONGEST_REMEMBERED = 2048

_Key = tuple[str, str | None, str | None]
_Answer = tuple[str | None, ...]


class Meanings:
    """`ours`: our networks."""

    def __init__(self, ours: Sequence[Network] = ()) -> None:
        self._pool = pool_of(ours)
        self._answers: dict[_Key, _Answer] = {}

    def classified(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows with the columns of `MEANING_FIELDS`, null for what was sent."""
        rows = np.flatnonzero(~np.asarray(batch["text"].is_null()))
        places: dict[_Answer, int] = {}
        which = np.full(len(batch), -1)
        which[rows] = [
            places.setdefault(answer, len(places))
            for answer in self._told(batch.select(["text", "egress", "stage"]).take(pa.array(rows)))
        ]
        chosen = pa.array(which, mask=which < 0)
        told = [
            pa.array([answer[column] for answer in places], pa.string()).take(chosen)
            for column in range(len(MEANING_FIELDS))
        ]
        return pa.record_batch([*batch.columns, *told], schema=CLASSIFIED)

    def _told(self, rows: pa.RecordBatch) -> Iterator[_Answer]:
        answers = self._answers
        for key in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            answer = answers.get(key)
            if answer is None:
                answer = self._asked(*key)
                if len(key[0]) <= _LONGEST_REMEMBERED:
                    if len(answers) >= REMEMBERED:
                        answers.clear()
                    answers[key] = answer
            yield answer

    def _asked(self, text: str, egress: str | None, stage: str | None) -> _Answer:
        found = classify(text, ours=self._pool, source=egress, stage=stage)
        return tuple(getattr(found, name) for name, _ in MEANING_FIELDS)
