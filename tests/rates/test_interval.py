import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.rates.interval import (
    beta_quantile,
    binomial_interval,
    incomplete_beta,
    rule_of_three,
)


@pytest.mark.parametrize(
    # Clopper-Pearson 95 %, from published tables
    "k, n, low, high",
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (7, 100, 0.0286, 0.1389),
    ],
)
def test_the_interval_is_clopper_pearsons(k, n, low, high):
    found = binomial_interval(k, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)


def test_nothing_in_n_is_bounded_by_three_over_n():
    assert binomial_interval(0, 1000, 0.90).high == pytest.approx(rule_of_three(1000), rel=0.01)
    assert rule_of_three(0) == 1.0


def test_no_trial_leaves_everything_open():
    found = binomial_interval(0, 0)
    assert (found.rate, found.low, found.high) == (None, 0.0, 1.0)


@pytest.mark.parametrize("k, n", [(-1, 3), (4, 3)])
def test_what_is_no_count_is_refused(k, n):
    with pytest.raises(ValueError, match="no count"):
        binomial_interval(k, n)


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.001, 0.999))
def test_the_beta_distribution_is_the_binomials_tail(k, more, p):
    n = k + more
    tail = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1, n + 1))
    assert incomplete_beta(k + 1, n - k, p) == pytest.approx(tail, abs=1e-9)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_its_own_rate(k, more):
    found = binomial_interval(k, k + more)
    assert 0 <= found.low <= (found.rate or 0.0) + 1e-9 or found.rate is None
    assert found.rate is None or found.rate <= found.high + 1e-9


def test_the_quantile_undoes_the_distribution():
    assert incomplete_beta(3.5, 20, beta_quantile(3.5, 20, 0.3)) == pytest.approx(0.3)
