"""Explanations that need no sender of ours: a neighbour's range, and a list in error.

They hit addresses whatever was sent by them. A range: addresses that lie together go on a list
together, more of them than senders who leave by one address at a time could bring about. An error:
one address is listed more often than the others of its pool, though the draws treat all alike.

Both are read from the listings alone, never from anybody's draws, so that weighing them costs the
proof nothing. They are hazards beside the senders', not a filter before them: a culprit's listing
inside a range counts less, and is not thrown away.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from unlisted.causes.draws import sums
from unlisted.causes.exposure import Exposures, Listing

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_SIZES = (4, 8, 16, 32, 64, 128, 256)
_SPREADS_S = (300.0, 1800.0, 2 * 3600.0, 6 * 3600.0, 24 * 3600.0)
_FEWEST = 3
# The odds of a range around a listing, before the others are seen.
_PRIOR = 0.03
# How often only a part of a listed block is seen, any number of its addresses alike.
_SEEN = 0.5
_MOST_ODDS = 1e9
# Culprits who mail by one pool at once, and how well that is known.
_AT_ONCE = 1.5
_SHAPE = 3.0
_PAIRS = 2_000_000


def range_odds(listings: Sequence[Listing], exposures: Exposures) -> Array:
    """For each listing the odds that a range listing brought it."""
    count = len(listings)
    odds = np.zeros(count)
    if count < _FEWEST:
        return odds
    at = np.array([sum(one.opened) / 2 for one in listings])
    doubt = np.array([(one.opened[1] - one.opened[0]) / 2 for one in listings])
    address = np.array([one.address for one in listings], dtype=np.int64)
    lists = {name: place for place, name in enumerate(sorted({x.list_name for x in listings}))}
    on = np.array([lists[one.list_name] for one in listings], dtype=np.int64)
    pool_of = exposures.pool_of.astype(np.int64)
    size_of = np.bincount(pool_of)
    pool = pool_of[address]
    seconds = max(1, exposures.buckets) * exposures.bucket_s
    rate = np.bincount(pool, minlength=len(size_of))[pool] / seconds
    everywhere = np.arange(exposures.addresses)
    once = {spread: _once(at, address, on, spread) for spread in _SPREADS_S}
    for one, other in _pairs(at):
        apart = np.abs(at[one] - at[other])
        same_pool = pool[one] == pool[other]
        for spread in _SPREADS_S:
            # When a listing began is known to its bounds: nearer than that none is near another.
            near_by = (apart <= spread) & (doubt[one] <= spread) & (doubt[other] <= spread)
            weight = np.where(near_by & (on[one] == on[other]), once[spread][other], 0.0)
            in_pool = sums(one, weight * same_pool, count)
            # Nobody brings about more than one address in an epoch.
            usual = np.maximum(_AT_ONCE * (2 * spread / exposures.epoch_s + 1), 4 * spread * rate)
            for size in _SIZES:
                for shift in (0, size // 2):
                    block = (address + shift) // size
                    near = weight * (block[one] == block[other])
                    found = _odds(
                        sums(one, near, count),
                        sums(one, near * same_pool, count),
                        in_pool,
                        np.bincount((everywhere + shift) // size)[block].astype(np.float64),
                        size_of[pool].astype(np.float64),
                        usual,
                    )
                    odds = np.maximum(odds, found)
    return odds


def _pairs(at: Array) -> Iterator[tuple[Index, Index]]:
    """All pairs of listings that opened within the widest spread, in bounded lots."""
    order = np.argsort(at, kind="stable")
    times = at[order]
    low = np.searchsorted(times, times - _SPREADS_S[-1], "left")
    high = np.searchsorted(times, times + _SPREADS_S[-1], "right")
    lot = np.cumsum(high - low) // _PAIRS
    for number in np.unique(lot):
        rows = np.flatnonzero(lot == number)
        length = high[rows] - low[rows]
        begin = np.repeat(low[rows] - np.cumsum(length) + length, length)
        yield np.repeat(order[rows], length), order[np.arange(int(length.sum())) + begin]


def _once(at: Array, address: Index, on: Index, spread: float) -> Array:
    """What each listing counts for, so that one address counts once within a spread."""
    weight = np.ones(len(at))
    order = np.lexsort((at, on, address))
    new = (np.diff(address[order]) != 0) | (np.diff(on[order]) != 0)
    for group in np.split(order, np.flatnonzero(new) + 1):
        times = at[group]
        until = np.searchsorted(times, times + 2 * spread, "right")
        weight[group] = 1.0 / (until - np.searchsorted(times, times - 2 * spread, "left"))
    return weight


def _odds(
    count: Array,
    of_pool: Array,
    in_pool: Array,
    size: Array,
    pool_size: Array,
    usual: Array,
) -> Array:
    """Odds for a range against senders who rotate, from counts within a block and outside it;
    `size` is how many addresses of ours lie in the block.

    `usual` is how many of the pool's addresses may be listed meanwhile without a range: a Gamma of
    shape `_SHAPE` about it, sharpened by what was listed of the pool outside the block, predicts
    the block. A block of several pools asks that of each. A range lists the whole block; as often
    as not only some of it is seen.
    """
    pools = np.maximum(1.0, size / pool_size)
    inside = np.minimum(1.0, size / pool_size)
    shape = (_SHAPE + in_pool - of_pool) * pools
    mean = shape / (_SHAPE / usual + 1.0 - inside) * inside
    log_senders = (
        _log_gamma(count + shape)
        - _log_gamma(shape)
        - _log_gamma(count + 1.0)
        - shape * np.log1p(mean / shape)
        + count * np.log(mean / (mean + shape))
    )
    seen = _SEEN / (size + 1.0) + np.where(count > size - 0.5, 1.0 - _SEEN, 0.0)
    odds = np.exp(np.minimum(np.log(_PRIOR * seen) - log_senders, np.log(_MOST_ODDS)))
    return np.where((count > _FEWEST - 0.5) & (count > mean), odds, 0.0)


def _log_gamma(x: Array) -> Array:
    """Stirling's series after a shift of eight: exact to 1e-11 for what is counted here."""
    shift = np.zeros_like(x)
    for _ in range(8):
        shift -= np.log(x)
        x = x + 1.0
    series = (x - 0.5) * np.log(x) - x + 0.5 * math.log(2 * math.pi)
    return np.asarray(shift + series + 1.0 / (12.0 * x) - 1.0 / (360.0 * x**3), dtype=np.float64)


def address_excess(listings: Sequence[Listing], exposures: Exposures) -> Array:
    """How many times more often than its pool mates each listing's address was listed, others'
    listings only, drawn towards one and never below it."""
    count = np.zeros(exposures.addresses)
    address = np.array([one.address for one in listings], dtype=np.int64)
    np.add.at(count, address, 1.0)
    pools = int(exposures.pool_of.max()) + 1
    size = np.bincount(exposures.pool_of, minlength=pools)[exposures.pool_of]
    total = np.bincount(exposures.pool_of, count, minlength=pools)[exposures.pool_of]
    mates = (total - count) / np.maximum(1, size - 1)
    ratio = (np.maximum(count - 1.0, 0.0) + 1.0) / (mates + 1.0)
    return np.asarray(np.maximum(1.0, ratio)[address], dtype=np.float64)
