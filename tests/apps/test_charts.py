"""Charts: an axis people can read, whatever the counts are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.apps import charts, words

NOW = 1_795_392_000.0 + 5000.0
LAST = int(NOW // 3600)
COUNTS = st.dictionaries(st.integers(LAST - 200, LAST + 3), st.integers(0, 10**7), max_size=60)


@given(COUNTS, COUNTS)
def test_any_counts_give_bars_within_the_picture_on_a_shared_axis(
    one: dict[int, int], other: dict[int, int]
) -> None:
    first = charts.first_hour(NOW, one, other)
    for counts in (one, other):
        chart = charts.per_hour("t", "q", "bar", counts, first, NOW)
        for bar in chart.bars:
            assert chart.left <= bar.x <= chart.width
            assert 7.9 <= bar.y <= chart.bottom
            assert 0 <= bar.height <= chart.bottom - 7.9
        seen = [hour for hour in counts if first <= hour <= LAST]
        assert chart.total == sum(counts[hour] for hour in seen)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (7200, "2 h"),
     (90000, "1 d 1 h"), (86400 * 43 - 5000, "42 d 22 h"), (-5, "0 s")],
)  # fmt: skip
def test_spans_are_said_in_their_two_largest_units(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


@given(st.text(max_size=60))
def test_any_condition_is_said(waits_for: str) -> None:
    assert isinstance(words.condition(waits_for), str)
