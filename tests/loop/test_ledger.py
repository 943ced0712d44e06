"""Counts in buckets: a window's sums are what was put in, and what no window reaches goes."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from unlisted.loop._ledger import BUCKET_S, WINDOW_S, Ledger, Sender
from unlisted.loop.explain import State

START = 1_790_000_400.0
DAY = 86400.0
CALLS = st.lists(
    st.tuples(
        st.floats(0, 5 * DAY),
        st.lists(st.integers(0, 3), min_size=1, max_size=6),
        st.sampled_from(("10.0.0.1", "10.0.0.2")),
        st.booleans(),
    ),
    max_size=40,
)


@given(CALLS, st.floats(0, 6 * DAY), st.booleans())
def test_a_window_sums_what_was_put_into_it_whatever_was_swept(
    calls: list[tuple[float, list[int], str, bool]], later: float, in_order: bool
) -> None:
    ledger = Ledger()
    if in_order:
        calls = sorted(calls, key=lambda call: call[0])
    newest = START
    for at, counts, address, swept in calls:
        ledger.add(START + at, *counts)
        ledger.leave(START + at, address, 0.25, bool(counts[0]))
        newest = max(newest, START + at)
        if swept:
            ledger.sweep(newest)
    now = max(newest, START + later)
    oldest = (now - WINDOW_S) // BUCKET_S
    inside = [one for one in calls if (START + one[0]) // BUCKET_S >= oldest]
    wanted = [
        sum(counts[column] for _, counts, _, _ in inside if column < len(counts))
        for column in range(6)
    ]
    assert ledger.total(now) == wanted
    traffic = ledger.traffic(now)
    assert sum(one.messages for one in traffic.exposures) == len(inside)
    assert sum(one.strangers for one in traffic.exposures) == sum(bool(c[1][0]) for c in inside)


def test_who_mails_no_more_keeps_nothing_but_crowds_for_a_week() -> None:
    sender = Sender("t")
    for name, strangers in (("few", 1), ("crowd", 9)):
        ledger = sender.campaigns[name] = Ledger()
        for part in (ledger, sender.all):
            part.add(START, 1, strangers, strangers)
            part.leave(START, "10.0.0.1", 0.25, True)
    sender.day(START).messages += 2
    sender.sweep(START + WINDOW_S - BUCKET_S)
    assert set(sender.campaigns) == {"few", "crowd"}
    sender.sweep(START + WINDOW_S + BUCKET_S)
    assert set(sender.campaigns) == {"crowd"} and not sender.all.left
    assert sender.week(START + WINDOW_S).alike == 9
    sender.sweep(START + 9 * DAY)
    assert not sender.campaigns and not sender.days


def test_every_sender_has_its_turn_as_letters_come_in() -> None:
    state = State()
    for number in range(50):
        state.sender(f"s{number}", "").all.add(START, 1)
    for _ in range(25):
        state.sweep(START + 3 * DAY)
    assert all(one.all.total(START) == [0] * 6 for one in state.senders.values())


def test_a_ledger_of_one_letter_is_small() -> None:
    ledger = Ledger()
    ledger.add(START, 1, 1, 0)
    ledger.leave(START, "10.0.0.1", 0.25, False)
    parts = (ledger, ledger._rows, ledger.left, ledger.left[0])
    assert sum(sys.getsizeof(one) for one in parts) < 600
