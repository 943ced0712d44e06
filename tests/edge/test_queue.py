"""The queue table: a projection of Queued and Settled, and what its loaders give."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge import queue
from unlisted.facts import Fact, Queued, Row, Settled

START = 1_790_000_000.0


def row(key: str, **changes: Any) -> Row:
    message, _, _ = key.partition(".")
    return Row(
        key=key,
        message=message,
        sender=changes.pop("sender", "ann"),
        tenant="t",
        recipient="bob",
        domain="big.test",
        first_at=START,
        **changes,
    )


def table(*rows: Row) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(queue.SCHEMA)
    for one in rows:
        queue.project(db, Queued(at=START, row=one))
    return db


def test_a_key_tells_its_place() -> None:
    assert queue.place("m17.3") == (17, 3)


def test_due_rows_come_oldest_first_with_their_reason() -> None:
    db = table(
        row("m9.0", due=START + 5),
        row("m10.0", due=START + 5),
        row("m2.0", due=START + 7),
        row("m3.0", state="wait", waits_for="path:a|b", until=START + 6),
        row("m4.0", due=START + 9),
    )
    assert [(one.key, why) for one, why in queue.due(db, START + 8, 10)] == [
        ("m9.0", "due"),
        ("m10.0", "due"),
        ("m3.0", "until"),
        ("m2.0", "due"),
    ]
    assert [one.key for one, _ in queue.due(db, START + 8, 2)] == ["m9.0", "m10.0"]
    assert queue.next_due(db) == START + 5


def test_rows_in_the_edges_hands_are_never_due() -> None:
    db = table(row("m1.0", state="out", due=START, until=START, waits_for="path:a|b"))
    assert queue.due(db, START + 99, 10) == [] and queue.next_due(db) is None
    assert queue.waiting(db, "path:a|b", 10) == ([], 0)
    assert queue.of_sender(db, "ann", 10) == []


def test_rows_that_wait_for_a_condition_come_in_order_with_the_number_left() -> None:
    waits = [row(f"m{n}.0", state="wait", waits_for="path:a|b", until=START) for n in (12, 3, 7)]
    db = table(*waits, row("m1.0", state="wait", waits_for="path:a|c", until=START))
    found, left = queue.waiting(db, "path:a|b", 2)
    assert ([one.key for one in found], left) == (["m3.0", "m7.0"], 1)
    assert queue.waiting(db, "nothing", 2) == ([], 0)


def test_held_and_booked_rows_wait_and_a_senders_booked_rows_are_left_out() -> None:
    db = table(
        row("m1.0", state="held", waits_for="hold:h1", until=START),
        row("m2.0", state="booked", waits_for="book:a|b", until=START),
        row("m3.0", due=START),
        row("m4.0", sender="bob", due=START),
    )
    assert [one.key for one in queue.waiting(db, "hold:h1", 9)[0]] == ["m1.0"]
    assert [one.key for one in queue.waiting(db, "book:a|b", 9)[0]] == ["m2.0"]
    assert [one.key for one in queue.of_sender(db, "ann", 9)] == ["m1.0", "m3.0"]


def test_a_row_has_one_state_whatever_it_was_before() -> None:
    db = table(row("m1.0", due=START), row("m1.0", state="wait", waits_for="x", until=START + 9))
    assert queue.due(db, START + 1, 10) == []
    assert len(queue.rows(db)) == 1


keys = st.builds("m{}.{}".format, st.integers(1, 4), st.integers(0, 2))
states = st.sampled_from(["due", "wait", "held", "out", "booked"])
changes = st.one_of(
    st.builds(
        lambda key, state, at: Queued(
            at=START,
            row=row(key, state=state, waits_for="c", due=at if state == "due" else None, until=at),
        ),
        keys,
        states,
        st.floats(START, START + 100),
    ),
    st.builds(
        lambda key: Settled(at=START, key=key, message=key.partition(".")[0], how="delivered"),
        keys,
    ),
)


@given(st.lists(changes, max_size=30))
def test_any_sequence_of_changes_rebuilds_to_the_same_table(facts: list[Fact]) -> None:
    db = table()
    expected: dict[str, Row] = {}
    for fact in facts:
        queue.project(db, fact)
        if isinstance(fact, Queued):
            expected[fact.row.key] = fact.row
        elif isinstance(fact, Settled):
            expected.pop(fact.key, None)
    stored = dict(db.execute("select key, row from queue").fetchall())
    assert stored == queue.rebuilt(facts)
    assert {k: msgspec.json.decode(v, type=Row) for k, v in stored.items()} == expected
    assert sorted(one.key for one in queue.rows(db)) == sorted(expected)
