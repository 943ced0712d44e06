"""An input's usual silence is learned; a longer one is news, once."""

import pytest

from unlisted.edge.feed_gauge import LEAST_S, MOST_S, Gauge


def fed(*times: float) -> Gauge:
    gauge = Gauge()
    for at in times:
        gauge.heard(at)
    return gauge


def test_a_feed_never_heard_is_not_silent() -> None:
    assert not Gauge().silent(1e9)


@pytest.mark.parametrize(("gap", "limit"), [(1, LEAST_S), (200, 600), (1800, 5400), (9e4, MOST_S)])
def test_three_of_its_longest_gaps_are_news_within_bounds(gap: float, limit: float) -> None:
    gauge = fed(1e6, 1e6 + gap)
    assert gauge.limit_s(gauge.heard_at) == limit
    assert not gauge.silent(gauge.heard_at + limit)
    assert gauge.silent(gauge.heard_at + limit + 1)


def test_an_old_gap_counts_for_half_after_a_day() -> None:
    gauge = fed(0, 2000, *range(2060, 2060 + 86400, 60))
    assert 2900 < gauge.limit_s(gauge.heard_at) < 3100


def test_stamps_out_of_order_are_no_gap() -> None:
    assert fed(100, 40, 101).gap_s <= 1


def test_how_long_it_was_silent_is_known_when_it_speaks() -> None:
    assert fed(0, 10, 5000).silent_s == 4990
