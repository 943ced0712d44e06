"""What the replies of a batch of attempts mean, as the columns of `CLASSIFIED`.

Each distinct reply is asked once; what was sent has no meaning. The room `replies` judges.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from unlisted.edge.attempts import CLASSIFIED
from unlisted.mail.attempt import MEANING_FIELDS
from unlisted.mail.reply import Reply
from unlisted.replies.addresses import Network
from unlisted.replies.classify import classify

_SAID = ("code", "enhanced", "text", "stage", "egress")
_NAMES = tuple(name for name, _ in MEANING_FIELDS)


def classified(batch: pa.RecordBatch, ours: Sequence[Network] = ()) -> pa.RecordBatch:
    """A batch of `SCHEMA` with what each reply means."""
    meanings: list[tuple[str | None, ...]] = [(None,) * len(_NAMES)]
    places: dict[tuple[object, ...], int] = {}
    indices = []
    rows = zip(batch["status"].to_pylist(), *(batch[one].to_pylist() for one in _SAID), strict=True)
    for status, *said in rows:
        place = 0
        if status != "sent":
            key = tuple(said)
            if key not in places:
                places[key] = len(meanings)
                meanings.append(_meaning(*said, ours=ours))
            place = places[key]
        indices.append(place)
    taken = pa.array(indices, pa.int64())
    columns = [
        pa.array([one[i] for one in meanings], CLASSIFIED.field(name).type).take(taken)
        for i, name in enumerate(_NAMES)
    ]
    return pa.record_batch([*batch.columns, *columns], schema=CLASSIFIED)


def _meaning(
    code: int,
    enhanced: str | None,
    text: str | None,
    stage: str | None,
    egress: str | None,
    *,
    ours: Sequence[Network],
) -> tuple[str | None, ...]:
    reply = Reply(code=code, enhanced=enhanced, text=text or "")
    found = classify(reply, ours=ours, source=egress, stage=stage)
    return tuple(getattr(found, name) for name in _NAMES)
