import math
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.rates.baseline import HOURS, SeasonalBaseline, hour_of_week

HOUR = 3600.0


def weeks(rate, per_hour: int = 20, count: int = 4, seed: int = 1) -> SeasonalBaseline:
    chance, baseline = Random(seed), SeasonalBaseline()
    for hour in range(count * HOURS):
        refused = sum(chance.random() < rate(hour) for _ in range(per_hour))
        baseline.learn("s", "p", hour * HOUR, refused, per_hour)
    return baseline


def test_nothing_known_is_one_in_a_hundred_and_bounded_above_it():
    share, _ = SeasonalBaseline().rate("s", "p", 0.0)
    assert share == pytest.approx(0.01)
    assert 0.01 < SeasonalBaseline().upper("s", "p", 0.0) < 0.1


@pytest.mark.parametrize("rate", [0.001, 0.005, 0.02])
def test_the_upper_bound_lies_above_the_true_share_and_not_far(rate):
    above = [weeks(lambda _: rate, seed=n).upper("s", "p", 5 * HOUR) for n in range(20)]
    assert sum(bound >= rate for bound in above) >= 19
    assert max(above) < 3 * rate + 0.005


def test_a_season_is_followed():
    baseline = weeks(lambda hour: 0.08 if hour % 24 < 8 else 0.004, per_hour=400)
    night, day = (baseline.rate("s", "p", h * HOUR)[0] for h in (3, 15))
    assert night > 0.04 and day < 0.02


def test_a_stream_never_seen_goes_by_its_pool():
    baseline = weeks(lambda _: 0.05, per_hour=60)
    assert baseline.rate("other", "p", 0.0)[0] == pytest.approx(0.05, abs=0.01)
    assert baseline.rate("other", "elsewhere", 0.0)[0] == pytest.approx(0.01)


def test_the_stream_touched_longest_ago_goes_first_and_the_rest_survives_encoding():
    baseline = SeasonalBaseline(limit=2)
    for stream in "abac":
        baseline.learn(stream, "p", 0.0, 0)
    assert list(baseline.streams) == ["a", "c"]
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(baseline), type=SeasonalBaseline)
    assert again.upper("a", "p", 0.0) == baseline.upper("a", "p", 0.0)


@given(st.floats(-1e12, 1e12), st.integers(0, 10**6), st.integers(0, 10**6))
def test_any_counts_give_a_bound(at, refused, more):
    baseline = SeasonalBaseline()
    baseline.learn("s", "p", at, refused, refused + more)
    assert 1e-3 <= baseline.upper("s", "p", at) <= 0.5
    assert 0 <= hour_of_week(at) < HOURS


@pytest.mark.parametrize("refused, attempts", [(2, 1), (-1, 3)])
def test_impossible_counts_are_refused(refused, attempts):
    with pytest.raises(ValueError, match="no count"):
        SeasonalBaseline().learn("s", "p", 0.0, refused, attempts)


def test_no_time_is_refused():
    with pytest.raises(ValueError, match="no time"):
        hour_of_week(math.inf)
