"""The proof behind a name: bets have mean one over all draws, and the naming rule counts on it."""

import math
from dataclasses import replace
from itertools import chain, combinations, product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_platform import HOUR, START, Platform, listing

from unlisted.causes import draws, naming, trial
from unlisted.causes.attribute import _case
from unlisted.causes.exposure import CampaignRows, Exposures

POOL = 3
HOURS = 4


def case_of(address, messages, listings, epoch_h: int, rests: bool = False) -> trial.Case:
    """One sender mails in every hour."""
    x = Exposures(
        start=START - START % (4 * HOUR),
        senders=1,
        pool_of=np.zeros(POOL, dtype=np.int64),
        sender=np.zeros(HOURS, dtype=np.int64),
        address=address,
        bucket=np.arange(HOURS),
        messages=messages,
        epoch_s=epoch_h * HOUR,
        rests_listed=rests,
    )
    case, _ = _case(x, listings, None, None)
    return case


def mean_e(case, unit) -> float:
    values = trial.log_e(case, unit, case.ground, trial._NOBODY)
    return math.exp(trial._mixed(values, draws.EVEN))


LISTINGS = st.lists(
    st.tuples(st.integers(0, POOL - 1), st.floats(0.1, HOURS), st.floats(0.0, 3.0)),
    min_size=1,
    max_size=4,
)


@given(
    LISTINGS, st.lists(st.integers(1, 500), min_size=HOURS, max_size=HOURS), st.sampled_from((1, 2))
)
@settings(max_examples=6, deadline=None)
def test_over_all_possible_draws_the_e_value_of_an_innocent_is_one_on_average(
    where, messages, epoch_h
):
    listings = [listing(n, a, at, held) for n, (a, at, held) in enumerate(where)]
    found = []
    for drawn in product(range(POOL), repeat=HOURS // epoch_h):
        address = np.repeat(np.array(drawn), epoch_h)
        case = case_of(address, np.array(messages), listings, epoch_h)
        found.append(mean_e(case, ("sender", 0)))
    assert np.mean(found) == pytest.approx(1.0, abs=1e-9)


@given(st.permutations([0, 1, 2]), st.lists(st.integers(9, 500), min_size=4, max_size=4))
@settings(max_examples=4, deadline=None)
def test_where_listed_addresses_are_left_out_of_the_draw_the_mean_is_one_at_most(order, messages):
    # One address is listed from the first hour on; another's listing is to be explained.
    start = START - START % (4 * HOUR) - START
    listings = [
        listing(0, order[0], start / HOUR, 0.0),
        listing(1, order[1], start / HOUR + 3.5, 0.0),
    ]
    found = []
    for drawn in product(sorted(order[1:]), repeat=HOURS):
        case = case_of(np.array(drawn), np.array(messages), listings, 1, rests=True)
        found.append(mean_e(case, ("sender", 0)))
    assert np.mean(found) <= 1.0 + 1e-9


@given(LISTINGS)
@settings(max_examples=4, deadline=None)
def test_a_groups_e_value_is_at_most_one_on_average(where):
    listings = [listing(n, a, at, held) for n, (a, at, held) in enumerate(where)]
    found = []
    for drawn in product(range(POOL), repeat=4):
        zeros, bucket = np.zeros(4, dtype=np.int64), np.array([0, 2, 1, 3])
        x = Exposures(
            START, 4, np.zeros(POOL, np.int64), np.arange(4), np.array(drawn), bucket, zeros + 30
        )
        rows = CampaignRows(1, zeros, np.arange(4), np.array(drawn), bucket, zeros + 30)
        case, _ = _case(x, listings, rows, None)
        found.append(mean_e(case, ("campaign", 0)))
    assert np.mean(found) <= 1.0 + 1e-9


def test_mail_that_was_not_drawn_bets_nothing():
    platform = Platform(senders=5, sticky=True)
    case, _ = _case(platform.exposures(), [listing(0, 3, 50)], None, None)
    table = draws.stakes(case.points, case.ground, case.exposures)
    assert len(draws.bets_by(case.exposures, case.exposures, table).unit) == 0


@given(st.sets(st.integers(0, 119), min_size=1, max_size=8), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_table_of_some_buckets_says_what_the_whole_one_says_of_them(buckets, rests):
    x = replace(Platform(senders=30, hours=120).exposures(), rests_listed=rests)
    listings = [listing(n, 2 * n, 12 + 9 * n, 0.3) for n in range(8)]
    case, _ = _case(x, listings, None, None)
    rows = np.flatnonzero(np.isin(x.bucket, sorted(buckets)))
    whole, some = (
        draws.bets_by(
            x, x, draws.stakes(case.points, case.ground, x, draws.sight(case.points, x, only)), rows
        )
        for only in (None, np.array(sorted(buckets)))
    )
    assert np.array_equal(whole.unit, some.unit)
    assert np.array_equal(whole.drawn, some.drawn) and np.array_equal(whole.even, some.even)


def test_where_nobody_is_guilty_names_are_rarer_than_promised():
    """50 platforms of 60 senders, listings by lot: at 5 % at most 5 % should name anybody."""
    wrong = 0
    for seed in range(50):
        platform = Platform(senders=60, hours=120, seed=seed)
        chance = Random(f"listings {seed}")
        listings = [
            listing(n, chance.randrange(16), 10 + 14 * n + chance.random() * 5, 0.3)
            for n in range(7)
        ]
        case, _ = _case(platform.exposures(), listings, None, None)
        tried = trial.odds(case)
        wrong += bool(naming.named(tried.log_prior, tried.log_e)[0].any())
    assert wrong <= 5


WEIGHTS = st.lists(st.floats(0.001, 0.2), min_size=1, max_size=5)


@given(WEIGHTS, st.data())
@settings(max_examples=60, deadline=None)
def test_closed_naming_is_what_all_subsets_allow_and_never_less_than_e_bh(weights, data):
    logs = [data.draw(st.floats(-3, 9)) for _ in weights]
    prior, value = np.log(np.array(weights)), np.array(logs)
    guilty, _ = naming.named(prior, value)
    weight, e = np.array(weights), np.exp(value)
    odds = np.sort(weight * e)[::-1]
    e_bh = max((k for k in range(1, len(odds) + 1) if odds[k - 1] >= 20 / k), default=0)
    assert guilty.sum() >= e_bh
    # The units not given: their weight, with an e-value of zero.
    weight = np.append(weight, max(0.0, 1 - weight.sum()))
    e, inside = np.append(e, 0.0), np.append(guilty, False)
    everyone = range(len(weight))
    for subset in chain.from_iterable(combinations(everyone, n) for n in range(1, len(weight) + 1)):
        part = np.array(subset)
        if guilty.any() and inside[part].any() and weight[part].sum() > 0:
            mean = (weight[part] * e[part]).sum() / weight[part].sum()
            assert mean >= inside[part].sum() / (0.05 * guilty.sum()) - 1e-6
