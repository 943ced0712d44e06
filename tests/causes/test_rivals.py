import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_platform import HOUR, START, Platform, listing

from unlisted.causes.points import points_of
from unlisted.causes.rivals import address_excess, range_odds
from unlisted.causes.shares import interval


def odds(listings, addresses=256, pool=16):
    platform = Platform(senders=1, addresses=addresses, pool=pool)
    platform.send(0, 239, 1)
    return range_odds(listings, platform.exposures())


@pytest.mark.parametrize(
    "listings, ranged",
    [
        ([listing(n, 32 + n, 100 + 0.02 * n) for n in range(8)], True),
        ([listing(n, 32 + n, 100 + 0.02 * n) for n in range(32)], True),
        ([listing(n, 30 + n, 100 + 0.02 * n) for n in range(24)], True),  # not aligned
        # one culprit's way through its pool, an address an hour
        ([listing(n, 32 + (5 * n) % 16, 100 + n) for n in range(12)], False),
        ([listing(n, 37 * n % 256, 100 + 0.02 * n) for n in range(8)], False),  # far apart
        ([listing(n, 32 + n, 100) for n in range(2)], False),
        # one address again and again is no range
        ([listing(n, 32, 100 + 0.1 * n) for n in range(12)], False),
    ],
)
def test_a_range_is_told_from_what_culprits_under_rotation_do(listings, ranged):
    found = odds(listings)
    assert (np.median(found) > 5) == ranged, found


def test_a_range_that_creeps_over_a_day_is_told_by_the_rest_of_its_pool():
    creeping = [listing(n, 64 + n, 100 + 0.15 * n) for n in range(128)]
    assert np.median(odds(creeping, pool=256)) > 1000


def test_the_address_listed_more_than_its_pool_is_suspected_of_an_error_of_the_list():
    platform = Platform(senders=1)
    often = [listing(n, 3, 30 * n) for n in range(8)] + [listing(9, 5, 100)]
    found = address_excess(often, platform.exposures())
    assert found[0] > 3 and found[-1] == 1.0


def test_a_listing_gives_the_moments_of_its_first_and_of_its_last_evidence():
    platform = Platform(senders=1)
    platform.send(0, 239, 1)
    points = points_of([listing(0, 3, 100, 30)], platform.exposures())
    assert points.opening.tolist() == [True, False]
    assert ((points.at - START) / HOUR).round(2).tolist() == [100.05, 130.05]
    hidden = points.hidden.reshape(16, -1)[3]
    assert hidden[115] == 1.0 and hidden[99] == hidden[131] == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"released": None},
        {"term_s": None},
        {"released": (START + 110 * HOUR, START + 110.1 * HOUR)},  # by hand, before its term
    ],
)
def test_without_a_term_there_is_one_moment_only(changes):
    platform = Platform(senders=1)
    platform.send(0, 239, 1)
    one = msgspec.structs.replace(listing(0, 3, 100, 30), **changes)
    assert len(points_of([one], platform.exposures())) == 1


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 20), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_a_share_lies_within_its_interval(part, more, probability):
    listings = max(1, len(part) + more)
    share, low, high = interval(np.array(part), listings, probability)
    assert 0.0 <= low <= share + 1e-9 and share <= high + 1e-9 and high <= 1.0
    doubted = interval(np.array(part), listings, probability, 2.0)
    assert doubted[:2] == (share, low) and doubted[2] >= high
