"""The queue as SQL rows: a projection of the journal's Queued and Settled facts.

Rows wait for a time (`due`), for a condition (`wait`, woken by the fact that ends it), for a hold
(`held`), for a re-send (`booked`), or are in the edge's hands (`out`). `rebuilt` makes the same
table from the journal alone: `unlisted queue check` compares the two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from unlisted.facts import Fact, Queued, Row, Settled

SCHEMA = """
create table if not exists queue(
  key text primary key, message integer not null, idx integer not null, sender text not null,
  state text not null, due real, waits_for text not null, until real, row text not null);
create index if not exists queue_due on queue(due) where due is not null;
create index if not exists queue_until on queue(until) where until is not null;
create index if not exists queue_waits on queue(waits_for, message, idx) where waits_for != '';
create index if not exists queue_sender on queue(sender);
create index if not exists queue_message on queue(message);
"""
_ROW = msgspec.json.Decoder(Row)
_ENCODER = msgspec.json.Encoder(order="deterministic")


def read(text: str) -> Row:
    """The row as the table's column holds it."""
    return _ROW.decode(text)


def place(key: str) -> tuple[int, int]:
    """Message number and recipient index of a row's key, "m17.0"."""
    message, _, index = key.partition(".")
    return int(message[1:]), int(index)


def project(db: sqlite3.Connection, fact: Fact) -> None:
    """Apply one derived fact to the table; most do not concern it."""
    if isinstance(fact, Queued):
        row = fact.row
        message, index = place(row.key)
        db.execute(
            "insert or replace into queue values(?,?,?,?,?,?,?,?,?)",
            (
                row.key,
                message,
                index,
                row.sender,
                row.state,
                row.due if row.state == "due" else None,
                row.waits_for if row.state in ("wait", "held", "booked") else "",
                row.until if row.state != "out" else None,
                _ENCODER.encode(row).decode(),
            ),
        )
    elif isinstance(fact, Settled):
        db.execute("delete from queue where key=?", (fact.key,))


def drop_body(db: sqlite3.Connection, message: int) -> None:
    """Forget the body of a message that has no row left and no report still to be written: an
    NDR gives back the header block (RFC 3464)."""
    db.execute(
        "delete from body where message=? and not exists (select 1 from queue where message=?) "
        "and not exists (select 1 from outbox where key between ? and ?)",
        (message, message, f"ndr/m{message}.", f"ndr/m{message}/"),
    )


def due(db: sqlite3.Connection, now: float, limit: int) -> list[tuple[Row, str]]:
    """Rows whose time (due) or patience (until) has come, oldest first, with why."""
    rows = db.execute(
        "select row, 'due' as why, due as t, message, idx from queue where due<=? union all "
        "select row, 'until' as why, until as t, message, idx from queue where until<=? "
        "and due is null order by t, message, idx limit ?",
        (now, now, limit),
    )
    return [(_ROW.decode(row), why) for row, why, *_ in rows]


def next_due(db: sqlite3.Connection) -> float | None:
    """The earliest time at which a row wants attention; None: no row waits for a time."""
    (value,) = db.execute(
        "select min(t) from (select min(due) as t from queue where due is not null "
        "union all select min(until) from queue where until is not null and due is null)"
    ).fetchone()
    return value if value is None else float(value)


def waiting(db: sqlite3.Connection, waits_for: str, limit: int) -> tuple[list[Row], int]:
    """Rows waiting for a condition, oldest first, and how many more there are."""
    rows = db.execute(
        "select row from queue where waits_for=? order by message, idx limit ?",
        (waits_for, limit),
    ).fetchall()
    (total,) = db.execute("select count(*) from queue where waits_for=?", (waits_for,)).fetchone()
    return [_ROW.decode(row) for (row,) in rows], int(total) - len(rows)


def of_sender(db: sqlite3.Connection, sender: str, limit: int) -> list[Row]:
    """A sender's rows that are not in the edge's hands, oldest first."""
    rows = db.execute(
        "select row from queue where sender=? and state not in ('out', 'booked') "
        "order by message, idx limit ?",
        (sender, limit),
    )
    return [_ROW.decode(row) for (row,) in rows]


def rows(db: sqlite3.Connection, limit: int = 10_000) -> list[Row]:
    """The queue, oldest first."""
    found = db.execute("select row from queue order by message, idx limit ?", (limit,))
    return [_ROW.decode(row) for (row,) in found]


def rebuilt(facts: Iterable[Fact]) -> dict[str, str]:
    """The table as the journal's facts alone say it: key to row (JSON)."""
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    for fact in facts:
        project(db, fact)
    table: dict[str, str] = dict(db.execute("select key, row from queue").fetchall())
    db.close()
    return table
