"""Attempts in columns: the Arrow schema of `mail.attempt`, and batches made of single attempts.

Readers yield record batches of `SCHEMA` (strings may be dictionary-free `string`); the report,
the history and the watch read them. pyarrow is imported here and in the modules that work on
batches, never by `unlisted serve` before a log is named.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from unlisted.mail.attempt import FIELDS, MEANING_FIELDS, Attempt

_TYPES = {
    "float64": pa.float64(),
    "float32": pa.float32(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bool": pa.bool_(),
}
SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in FIELDS])
CLASSIFIED = pa.schema([(name, _TYPES[kind]) for name, kind in (*FIELDS, *MEANING_FIELDS)])

BATCH_ROWS = 16_384


def batch_of(attempts: Iterable[Attempt]) -> pa.RecordBatch:
    """One batch of `SCHEMA` in the order given."""
    rows = list(attempts)
    columns = [
        pa.array([getattr(row, name) for row in rows], type=SCHEMA.field(name).type)
        for name, _ in FIELDS
    ]
    return pa.record_batch(columns, schema=SCHEMA)


def batches_of(attempts: Iterable[Attempt], rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The same in bounded batches."""
    held: list[Attempt] = []
    for attempt in attempts:
        held.append(attempt)
        if len(held) >= rows:
            yield batch_of(held)
            held = []
    if held:
        yield batch_of(held)


def attempts_of(batch: pa.RecordBatch) -> Iterator[Attempt]:
    """The rows of a batch of `SCHEMA` (or `CLASSIFIED`) as structs."""
    names = [name for name, _ in FIELDS]
    for row in batch.select(names).to_pylist():
        yield Attempt(**row)


def tried_and_given_up(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The attempts, and the rows without a recipient: those end what still waited of a message."""
    nobody = pc.equal(batch.column("recipient"), "")
    ends = pc.and_(nobody, pc.equal(batch.column("status"), "expired"))
    if not ends.true_count:
        return batch, batch.slice(0, 0)
    return batch.filter(pc.invert(ends)), batch.filter(ends)
