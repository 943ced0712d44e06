"""The lottery over weeks: e-values from the recorded draws, exact for any list.

An innocent sender's address in an epoch was drawn without regard to the listings. For each epoch we
bet (1 + q x) / (1 + q X): x is the mail by the address drawn, weighted by how near the listings of
that address are, X the same on average over its pool. Under innocence the bet's mean is 1 whatever
the listings were; epochs are drawn apart, so the product over all epochs has mean 1, exactly, also
where windows overlap or one listing gives two points. What else may explain a listing (`rest`)
only weakens bets on it, and must not have been fitted with the unit that is tested.

A group (campaign, tenant) is tested without the two members that speak loudest against it, so that
one guilty member does not condemn the others. Refuses rows that were not drawn: they bet nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlisted.causes.exposure import CampaignRows, Exposures, Floats
from unlisted.causes.points import Points

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

# Evidence one message brings, over two orders: the first pays at once, the last survives much
# honest mail beside the spam; and how much is bet on each.
RATES = (0.03, 0.01, 0.003, 0.0007)
_BET = np.log(np.array((0.3, 0.3, 0.25, 0.15)))
# Beforehand, for three lags one after the other.
EVEN = np.tile(_BET, 3) - np.log(3.0)
_LEFT_OUT = 2
_DRAWN = 1e-3


@dataclass(frozen=True)
class Stakes:
    """What lay near listings: per (address, bucket), and on average over the address's pool.
    `place`: of each bucket its column, where there is not one for each."""

    by_cell: Array
    by_pool: Array
    pool_of: Index
    buckets: int
    place: Index | None = None


@dataclass(frozen=True)
class Sight:
    """What of the addresses could be seen, in `some` buckets (None: in all): for how much of a cell
    further evidence was `hidden`; and `apart`, cells and their mean over the pool: what was left
    open of them, first by that, then by what was listed."""

    some: Index | None
    hidden: Array
    apart: tuple[tuple[Array, Array], ...]


def sight(points: Points, exposures: Exposures, some: Index | None = None) -> Sight:
    """`some`: the only buckets that are asked for, in order. Who mailed in a few of a month's hours
    needs no table of all."""
    buckets = max(1, points.buckets)
    hidden = points.hidden if some is None else _columns(points.hidden, buckets, some)
    closed = [hidden]
    if points.listed is not None:
        listed = points.listed if some is None else _columns(points.listed, buckets, some)
        # An address listed within a bucket was drawn by some of its senders and not by others.
        closed += [(listed > 0).astype(np.float64), (listed >= 1).astype(np.float64)]
    left = [1.0 - one for one in closed]
    columns = buckets if some is None else len(some)
    apart = tuple((one, _by_pool(one, exposures, columns)) for one in left)
    return Sight(some, hidden, apart)


def stakes(points: Points, rest: Array, exposures: Exposures, seen: Sight | None = None) -> Stakes:
    """Nearness over the rest of what explains the point, per cell and pool. The rest is told per
    point, or per point and bucket."""
    seen = seen or sight(points, exposures)
    buckets = max(1, points.buckets)
    weight = points.near / (rest[:, None] if rest.ndim == 1 else rest)
    by_cell = sums(points.cell.ravel(), weight.ravel(), exposures.addresses * buckets)
    place = None
    if seen.some is not None:
        by_cell = _columns(by_cell, buckets, seen.some)
        place = np.zeros(buckets, dtype=np.int64)
        place[seen.some] = np.arange(len(seen.some))
        buckets = len(seen.some)
    # To have mailed by an address whose listing hid what followed speaks neither way: it counts as
    # the pool's visible addresses do on average.
    usual = _among_open(by_cell, seen.apart[0], exposures, buckets)
    by_cell = by_cell + seen.hidden * usual.reshape(-1, buckets)[exposures.pools.of].ravel()
    by_pool = _by_pool(by_cell, exposures, buckets)
    for apart in seen.apart[1:]:
        by_pool = np.maximum(by_pool, _among_open(by_cell, apart, exposures, buckets))
    return Stakes(by_cell, by_pool, exposures.pools.of, buckets, place)


def _columns(by_cell: Array, buckets: int, some: Index) -> Array:
    return by_cell.reshape(-1, buckets)[:, some].ravel()


def _among_open(
    by_cell: Array, apart: tuple[Array, Array], exposures: Exposures, buckets: int
) -> Array:
    """The mean over the addresses that were not listed. Nobody was drawn to the listed ones, and
    they are nearest to no new listing: with them, each draw among the others would win its bet."""
    still, there = apart
    score = _by_pool(still * by_cell, exposures, buckets)
    return np.divide(score, there, out=np.zeros_like(score), where=there > 0)


def evenly(mail: Array, exposures: Exposures, buckets: int, some: Index) -> Array:
    """Mail per cell, in `some` buckets only, as it is on average over each pool; per bucket."""
    pools = len(exposures.pools.begins)
    even = np.zeros((pools, buckets))
    even[:, some] = _by_pool(_columns(mail, buckets, some), exposures, len(some)).reshape(pools, -1)
    return even.ravel()


def foreseen(
    points: Points,
    mail: Array,
    even: Array,
    exposures: Exposures,
    epoch: tuple[int, int],
    *,
    group: bool,
) -> Array:
    """Per point and bucket, how much of the unit's own mail (per cell; `even`: `evenly`) may
    explain the point beside the epoch of that bucket. What left in later epochs counts by the
    addresses drawn: it may be known when an epoch is bet on, and a listing it explains needs no
    second explanation. What left in earlier ones counts as on average over the pool: else every
    epoch that missed would be blamed for a listing that an earlier one brought. Of a group the
    epoch's own mail counts so as well: its members draw apart, and one of them is enough."""
    own = mail[points.cell] * points.near
    later = np.cumsum(own, axis=1) - own
    buckets = max(1, points.buckets)
    bucket = points.cell % buckets
    pool = exposures.pools.of[points.address]
    usual = np.cumsum(even[pool[:, None] * buckets + bucket] * points.near, axis=1)
    length, late = epoch
    place, since = np.arange(own.shape[1])[None, :], (bucket + late) % length
    begin = np.maximum(place - (length - 1 - since), 0)
    end = np.minimum(place + since, own.shape[1] - 1)
    later = np.take_along_axis(later, begin, axis=1)
    done = np.take_along_axis(usual, end, axis=1)
    if group:
        done = np.where(begin > 0, np.take_along_axis(usual, np.maximum(begin - 1, 0), axis=1), 0.0)
    return np.asarray(later + usual[:, -1:] - done, dtype=np.float64)


def _by_pool(by_cell: Array, exposures: Exposures, buckets: int) -> Array:
    """The mean over each pool's addresses, per bucket."""
    pools = exposures.pools
    rows = by_cell.reshape(-1, buckets)
    if pools.order is not None:
        rows = rows[pools.order]
    # A pool without addresses has no rows to add.
    there = pools.size > 0
    total = np.zeros((len(pools.begins), buckets))
    total[there] = np.add.reduceat(rows, pools.begins[there], axis=0)
    return np.asarray((total / np.maximum(1, pools.size)[:, None]).ravel(), dtype=np.float64)


def sums(
    index: npt.NDArray[np.integer], weight: npt.NDArray[np.integer | np.floating], count: int
) -> Array:
    """The sum of the weights of each index below `count`."""
    return np.asarray(np.bincount(index, weight, count)[:count], dtype=np.float64)


def drawn(
    exposures: Exposures, address: npt.NDArray[np.integer], probability: Floats | None
) -> npt.NDArray[np.bool_] | None:
    """Which rows were drawn evenly over their pool; None: all."""
    if probability is None:
        return None
    size = np.bincount(exposures.pool_of)[exposures.pool_of][address]
    return np.asarray((np.abs(probability * size - 1.0) < _DRAWN) & (size > 1), dtype=bool)


@dataclass(frozen=True)
class Bets:
    """Bets of one epoch each: whose, the mail at stake by the address drawn and on average."""

    unit: Index
    member: Index
    drawn: Array
    even: Array


def bets_of(
    unit: npt.NDArray[np.integer],
    member: npt.NDArray[np.integer],
    address: npt.NDArray[np.integer],
    bucket: npt.NDArray[np.integer],
    messages: npt.NDArray[np.integer],
    table: Stakes,
    epoch: tuple[int, int],
) -> Bets:
    """The bets of some rows; rows of one member in one epoch are one bet."""
    column = bucket if table.place is None else table.place[bucket]
    average = table.by_pool[table.pool_of[address] * table.buckets + column]
    live = np.flatnonzero(average > 0)
    unit, member, bucket = unit[live], member[live], bucket[live]
    mail = messages[live].astype(np.float64)
    even = mail * average[live]
    hit = mail * table.by_cell[address[live].astype(np.int64) * table.buckets + column[live]]
    when = (bucket + epoch[1]) // epoch[0]
    same = (unit[1:] == unit[:-1]) & (member[1:] == member[:-1])
    ordered = bool(
        np.all(
            (unit[1:] > unit[:-1])
            | ((unit[1:] == unit[:-1]) & (member[1:] > member[:-1]))
            | (same & (when[1:] >= when[:-1]))
        )
    )
    if not ordered:
        order = np.lexsort((when, member, unit))
        unit, member, when = unit[order], member[order], when[order]
        even, hit = even[order], hit[order]
        same = (unit[1:] == unit[:-1]) & (member[1:] == member[:-1])
    new = np.ones(len(unit), dtype=bool)
    new[1:] = ~(same & (when[1:] == when[:-1]))
    begin = np.flatnonzero(new)
    if len(begin) < len(unit):
        even, hit = np.add.reduceat(even, begin), np.add.reduceat(hit, begin)
    return Bets(unit[begin].astype(np.int64), member[begin].astype(np.int64), hit, even)


def log_bets(bets: Bets, rate: float) -> Array:
    """ln of each bet at one rate."""
    return np.log1p(rate * bets.drawn) - np.log1p(rate * bets.even)


def mixed(by_rate: Array) -> Array:
    """ln of the mean over the rates (first axis, once or several times over)."""
    times = len(by_rate) // len(RATES)
    value = by_rate + np.tile(_BET, times)[:, None] - np.log(times)
    return np.asarray(np.logaddexp.reduce(value, axis=0), dtype=np.float64)


def per_unit(bets: Bets, units: int, rate: float) -> Array:
    """ln of the product of each unit's bets."""
    return sums(bets.unit, log_bets(bets, rate), units)


def per_group(bets: Bets, groups: int, rate: float) -> Array:
    """The same for groups, each without the members loudest against it; bets must be in order."""
    if not len(bets.unit):
        return np.zeros(groups)
    new = np.ones(len(bets.unit), dtype=bool)
    new[1:] = (bets.unit[1:] != bets.unit[:-1]) | (bets.member[1:] != bets.member[:-1])
    begin = np.flatnonzero(new)
    of_member = np.add.reduceat(log_bets(bets, rate), begin)
    return without_loudest(bets.unit[begin], of_member, groups)


def without_loudest(group: Index, of_member: Array, groups: int) -> Array:
    """Sums by group, less the `_LEFT_OUT` largest positive members."""
    total = sums(group, of_member, groups)
    against = np.flatnonzero(of_member > 0)
    against = against[np.lexsort((-of_member[against], group[against]))]
    of = group[against]
    first = np.searchsorted(of, of, side="left")
    loud = against[np.arange(len(of)) - first < _LEFT_OUT]
    return total - sums(group[loud], of_member[loud], groups)


def epoch_buckets(exposures: Exposures) -> tuple[int, int]:
    """How many buckets one draw holds for, and how many of its epoch the first bucket comes after:
    epochs lie on multiples of their length since the Unix epoch."""
    late = (exposures.start % exposures.epoch_s) / exposures.bucket_s
    return max(1, round(exposures.epoch_s / exposures.bucket_s)), round(late)


def bets_by(
    exposures: Exposures,
    rows: Exposures | CampaignRows,
    table: Stakes,
    some: Index | None = None,
) -> Bets:
    """The bets of all senders or campaigns (member by member), or of some of their rows."""
    if rows.probability is not None:
        near = slice(None) if some is None else some
        keep = drawn(exposures, rows.address[near], rows.probability[near])
        if keep is not None:
            some = np.flatnonzero(keep) if some is None else some[keep]
    pick = slice(None) if some is None else some
    unit = rows.campaign if isinstance(rows, CampaignRows) else rows.sender
    return bets_of(
        unit[pick],
        rows.sender[pick],
        rows.address[pick],
        rows.bucket[pick],
        rows.messages[pick],
        table,
        epoch_buckets(exposures),
    )
