"""Where one listing ends and the next begins."""

from dataclasses import fields

import numpy as np
import pytest

from unlisted.report.cells import DTYPES, OTHER, SENT, Cells, by_time
from unlisted.report.spells import Deliveries, spells

HOUR, DAY = 3600.0, 86400.0


def cells(rows: list[tuple[float, int, int, int]]) -> Cells:
    """(at, receiver, answer, count)."""
    made = {f.name: np.zeros(len(rows), DTYPES.get(f.name, np.int32)) for f in fields(Cells)}
    for place, (at, receiver, answer, count) in enumerate(rows):
        made["first_at"][place] = made["last_at"][place] = at
        made["receiver"][place], made["answer"][place] = receiver, answer
        made["count"][place] = made["finals"][place] = count
    return by_time(Cells(**made))


def cut(
    refused: list[tuple[float, int]],
    taken: list[tuple[float, int]],
    term_s: float | None = DAY,
) -> list[tuple[int, int]]:
    refusals = cells([(at, receiver, 9, 1) for at, receiver in refused])
    deliveries = Deliveries(cells([(at, receiver, SENT, 1) for at, receiver in taken]))
    return [(one.first, one.last) for one in spells(refusals, deliveries, term_s)]


def every(
    start: float, count: int, step: float = HOUR, receiver: int = 1
) -> list[tuple[float, int]]:
    return [(start + step * number, receiver) for number in range(count)]


def test_refusals_in_a_row_are_one_spell() -> None:
    assert cut(every(0, 10), []) == [(0, 9)]


def test_silence_longer_than_the_term_ends_a_spell() -> None:
    assert cut([*every(0, 3), *every(3 * DAY, 3)], []) == [(0, 2), (3, 5)]
    assert cut([*every(0, 3), *every(3 * DAY, 3)], [], None) == [(0, 5)]


def test_mail_taken_by_who_had_refused_ends_a_spell() -> None:
    refused = [*every(0, 6), *every(12 * HOUR, 6)]
    assert cut(refused, every(6 * HOUR, 5)) == [(0, 5), (6, 11)]


def test_mail_taken_elsewhere_does_not() -> None:
    refused = [*every(0, 6), *every(12 * HOUR, 6)]
    assert cut(refused, every(6 * HOUR, 500, 10.0, receiver=2)) == [(0, 11)]


def test_a_receiver_that_refuses_for_half_of_its_users_is_no_sequence_of_listings() -> None:
    refused = every(0, 40)
    taken = every(60, 40)
    assert cut(refused, taken) == [(0, 39)]


def test_many_receivers_that_refuse_now_and_then_are_no_sequence_of_listings() -> None:
    refused = [(HOUR * number, number * 7 % 101) for number in range(300)]
    taken = [(HOUR * number / 12 + 1, number * 11 % 101) for number in range(3600)]
    assert len(cut(refused, taken)) == 1


def test_one_delivery_is_not_enough() -> None:
    refused = [*every(0, 2), *every(12 * HOUR, 2)]
    assert cut(refused, every(6 * HOUR, 1)) == [(0, 3)]


def test_a_wide_bucket_s_deliveries_lie_over_its_time_and_none_is_lost() -> None:
    wide = cells([(0.0, 1, SENT, 37)])
    wide.last_at[:] = 36 * HOUR
    found = Deliveries(wide)
    assert found.within(-1.0, 37 * HOUR) == {1: 37}
    assert 15 <= found.between(1, -1.0, 18 * HOUR) <= 22


@pytest.mark.parametrize("answer", [SENT, OTHER])
def test_only_deliveries_count_as_taken(answer: int) -> None:
    found = Deliveries(cells([(10.0, 1, answer, 3)]))
    assert found.between(1, 0.0, 20.0) == (3 if answer == SENT else 0)
    assert found.within(0.0, 20.0) == ({1: 3} if answer == SENT else {})
    assert found.between(1, 10.0, 20.0) == 0, "the edge itself is not within"
