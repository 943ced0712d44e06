"""Draws and other evidence made one: bounded, and the weights stay weights."""

import math

import numpy as np
import pytest

from unlisted.causes.exposure import OtherEvidence
from unlisted.causes.others import ONE_KIND, convicts, with_other
from unlisted.causes.trial import Odds

UNITS = [("sender", 0), ("sender", 1), ("campaign", 0), ("tenant", 3)]


def tried(weights=(0.2, 0.1, 0.05, 0.01), e=(1.0, 4.0, 2.0, 0.0)):
    return Odds(UNITS, np.log(np.array(weights)), np.array(e), [], 0.0)


def test_without_weights_of_its_own_other_evidence_multiplies_the_odds():
    one = tried()
    prior, odds = with_other(one, OtherEvidence({0: 2.0}, {0: 2}))
    assert np.allclose(prior, one.log_prior)
    assert np.allclose(odds - one.log_prior - one.log_e, [2.0, 0, 0, 0])


def test_one_kind_counts_ten_at_most_and_two_count_in_full():
    for kinds, most in ((1, ONE_KIND), (2, 6.0)):
        _, odds = with_other(tried(), OtherEvidence({1: 6.0}, {1: kinds}))
        assert odds[1] == pytest.approx(math.log(0.1) + 4.0 + most)


def test_weights_of_its_own_are_mixed_in_and_sum_to_one_at_most():
    one = tried(weights=(0.4, 0.3, 0.2, 0.1))
    other = OtherEvidence({0: 5.0, 1: -9.0}, {0: 2, 1: 2}, {}, {0: math.log(0.7), 1: math.log(0.3)})
    prior, odds = with_other(one, other)
    assert np.exp(prior).sum() <= 1 + 1e-12
    mean = 0.4 * 0.4 * math.exp(1.0) + 0.6 * 0.7 * math.exp(1.0 + 5.0)
    assert odds[0] == pytest.approx(math.log(mean))
    assert odds[1] == pytest.approx(
        math.log(0.4 * 0.3 * math.exp(4.0) / 10 + 0.6 * 0.3 * math.exp(4.0 - 9.0))
    )
    assert odds[2] == pytest.approx(math.log(0.4 * 0.2) + 2.0)


def test_a_sender_whom_the_draws_give_no_weight_can_still_be_judged_by_the_rest():
    one = tried(weights=(0.0 + 1e-300, 0.1, 0.05, 0.01))
    prior, odds = with_other(one, OtherEvidence({0: 4.0}, {0: 3}, {}, {0: math.log(0.01)}))
    assert np.isfinite(prior[0]) and odds[0] == pytest.approx(math.log(0.6 * 0.01) + 1.0 + 4.0)


@pytest.mark.parametrize(
    "unit, ratio, kinds, enough",
    [
        (("sender", 0), 3.5, 2, True),
        (("sender", 0), 3.5, 1, False),
        (("sender", 0), 2.5, 3, False),
        (("sender", 9), 9.0, 3, False),
        (("campaign", 0), 9.0, 3, False),
    ],
)
def test_what_convicts_beside_the_draws(unit, ratio, kinds, enough):
    assert convicts(unit, OtherEvidence({0: ratio}, {0: kinds})) is enough
    assert not convicts(unit, None)
