"""Roll-ups written with the history, so that nothing later reads every attempt again.

`minutes`: attempts, refusals and suspicions per minute, own address (or pool), receiver and the
list a refusal names. `exposure`: what a sender put through an address in an hour, and what came
back. Counts only: adding up two files is adding up their rows. A follow-on line of a dead site
was no conversation and counts in neither.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

MINUTES = pa.schema(
    [
        ("minute", pa.int64()),  # seconds since the epoch, a multiple of 60
        ("egress", pa.string()),  # our address; null: the log does not say
        ("pool", pa.string()),
        ("receiver", pa.string()),
        ("list", pa.string()),  # what a refusal blames; null: names none, or no refusal
        ("attempts", pa.int64()),
        ("refusals", pa.int64()),
        ("suspicions", pa.int64()),
    ]
)
EXPOSURE = pa.schema(
    [
        ("sender", pa.string()),  # typed origin, people hashed; null: the log does not say
        ("address", pa.string()),  # egress, else "pool:NAME"; null: neither is known
        ("hour", pa.int64()),  # seconds since the epoch, a multiple of 3600
        ("attempts", pa.int64()),
        ("delivered", pa.int64()),
        ("refusals", pa.int64()),
        ("suspicions", pa.int64()),
    ]
)
ROLLUPS = {"minutes": MINUTES, "exposure": EXPOSURE}


def minutes(rows: pa.Table) -> pa.Table:
    """The roll-up per minute of stored rows."""
    rows = rows.filter(pc.invert(rows["repeats"]))
    refusal, suspicion = _blamed(rows)
    named = pc.if_else(pc.or_(refusal, suspicion), rows["blames"], pa.scalar(None, pa.string()))
    made = pa.table(
        {
            "minute": _floor(rows["at"], 60),
            "egress": rows["egress"],
            "pool": rows["pool"],
            "receiver": rows["receiver"],
            "list": named,
            "attempts": pa.repeat(pa.scalar(1, pa.int64()), len(rows)),
            "refusals": pc.cast(refusal, pa.int64()),
            "suspicions": pc.cast(suspicion, pa.int64()),
        }
    )
    return added_up("minutes", made)


def exposure(rows: pa.Table) -> pa.Table:
    """The roll-up per sender, address and hour of stored rows."""
    rows = rows.filter(pc.invert(rows["repeats"]))
    refusal, suspicion = _blamed(rows)
    pool = pc.binary_join_element_wise("pool", rows["pool"], ":")
    made = pa.table(
        {
            "sender": rows["sender"],
            "address": pc.coalesce(rows["egress"], pool),
            "hour": _floor(rows["at"], 3600),
            "attempts": pa.repeat(pa.scalar(1, pa.int64()), len(rows)),
            "delivered": pc.cast(pc.equal(rows["status"], "sent"), pa.int64()),
            "refusals": pc.cast(refusal, pa.int64()),
            "suspicions": pc.cast(suspicion, pa.int64()),
        }
    )
    return added_up("exposure", made)


def added_up(kind: str, table: pa.Table) -> pa.Table:
    """Rows of one roll-up with equal keys made one, in the keys' order."""
    schema = ROLLUPS[kind]
    counts = [name for name in schema.names if name in _COUNTS]
    keys = [name for name in schema.names if name not in _COUNTS]
    found = table.group_by(keys).aggregate([(name, "sum") for name in counts])
    made = pa.table(
        [found[name] for name in keys] + [found[f"{name}_sum"] for name in counts],
        names=schema.names,
    )
    first = "minute" if kind == "minutes" else "hour"
    rest = [name for name in keys if name != first]
    return made.cast(schema).sort_by([(name, "ascending") for name in (first, *rest)])


_COUNTS = frozenset(("attempts", "delivered", "refusals", "suspicions"))


def _blamed(rows: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """(refusals, suspicions): a refusal of somebody else's address says nothing about ours."""
    said = pc.fill_null(rows["refusal"], "")
    ours = pc.not_equal(pc.fill_null(rows["ours"], ""), "no")
    return pc.and_(pc.equal(said, "yes"), ours), pc.equal(said, "suspicion")


def _floor(at: pa.ChunkedArray, step: int) -> pa.ChunkedArray:
    whole = pc.cast(pc.floor(pc.divide(at, float(step))), pa.int64())
    return pc.multiply(whole, step)
