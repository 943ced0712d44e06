"""Whom to suspect before the draws are looked at: weights that cost the proof nothing.

The naming rule stays exact for any weights that do not depend on the draws. Ours depend on when and
how much a unit mailed by its whole pool, whatever the address, and on when the pool was listed:
a quarter goes by its share of the mail before the listings, a quarter by how much better the
listings' times fit its own hours than the pool's, a quarter by how suddenly it mailed in more hours
of some days than in all others (its volume against its own history), a quarter evenly over all with
enough epochs at stake to be named at all. So a large sender, one that mailed only when the pool was
hit, and one that became another overnight need less; who is none of these needs more.
"""

import numpy as np
import numpy.typing as npt

from unlisted.causes.draws import Bets, Stakes, sums
from unlisted.causes.exposure import CampaignRows, Exposures
from unlisted.causes.points import Points

Array = npt.NDArray[np.float64]

# Of the weight: senders, campaigns, tenants.
PART = {"sender": 0.8, "campaign": 0.15, "tenant": 0.05}
_QUARTER = 0.25
# An epoch is at stake where the mean bet is above this, at one message in a hundred.
_STAKE = 30.0
_ENOUGH = 3
# Evidence one message brings, for the times; the log ratio is doubled, because the times of nearly
# all honest mail fit worse than chance, and bounded, so that one culprit hides no other.
_TIME_RATES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_TIME_POWER, _TIME_MOST = 1.3, 10.0
# Days within which a sender may have changed; honest ones rarely exceed e^16 by luck.
_BURST_DAYS, _BURST_MOST = (1, 2, 4, 7), 16.0


def mail_share(exposures: Exposures, points: Points, relevance: Array) -> Stakes:
    """Per (pool, bucket), the share of all pool mail near a point that one message is."""
    buckets = max(1, points.buckets)
    pool_of = exposures.pool_of.astype(np.int64)
    pools = int(pool_of.max()) + 1 if len(pool_of) else 1
    flat = pool_of[exposures.address] * buckets + exposures.bucket
    total = sums(flat, exposures.messages, pools * buckets)
    where = (pool_of[points.address] * buckets)[:, None] + points.cell % buckets
    mail = (total[where] * points.near).sum(axis=1)
    value = points.near * (relevance / np.where(mail > 0, mail, 1.0))[:, None]
    per_pool = sums(where.ravel(), value.ravel(), pools * buckets)
    return Stakes(np.zeros(len(pool_of) * buckets), per_pool, pool_of, buckets)


def times(exposures: Exposures, points: Points, factor: Array) -> Stakes:
    """Per (pool, bucket), nearness over the pool's own rate of points, for what comes within two
    buckets."""
    near = points.sharp().near
    near = near / np.maximum(near.sum(axis=1, keepdims=True), 1e-9)
    buckets = max(1, points.buckets)
    pool_of = exposures.pool_of.astype(np.int64)
    pools = int(pool_of.max()) + 1
    pool = pool_of[points.address]
    rate = (sums(pool, 1.0 / factor, pools) + 1.0) / buckets
    where = (pool * buckets)[:, None] + points.cell % buckets
    value = near / (rate[pool] * factor)[:, None]
    per_pool = sums(where.ravel(), value.ravel(), pools * buckets)
    return Stakes(np.zeros(0), per_pool, pool_of, buckets)


def weigh(
    rows: Exposures | CampaignRows, share: Stakes, when: Stakes, bets: Bets, units: int, day: int
) -> Array:
    """Weights that sum to one over senders, or over campaigns; `bets` tell what was at
    stake, `day` is how many buckets a day has."""
    unit = rows.campaign if isinstance(rows, CampaignRows) else rows.sender
    flat = share.pool_of[rows.address] * share.buckets + rows.bucket
    by_mail = sums(unit, share.by_pool[flat] * rows.messages, units)[:units]
    even = np.minimum(1.0, at_stake(bets, units) / _ENOUGH) ** 2
    by_time = _by_time(rows, unit, when.by_pool[flat], units)
    by_burst = np.exp(np.minimum(_burst(unit, rows.bucket // day, units), _BURST_MOST)) * even
    return _QUARTER * (_normal(by_mail) + _normal(by_time) + _normal(by_burst) + _normal(even))


def at_stake(bets: Bets, units: int) -> Array:
    """In how many epochs a unit mailed while its pool was near a listing."""
    return sums(bets.unit, np.minimum(1.0, bets.even / _STAKE), units)[:units]


def _by_time(
    rows: Exposures | CampaignRows, unit: npt.NDArray[np.integer], near: Array, units: int
) -> Array:
    """How much likelier the points' times are had the unit brought a part of them."""
    volume = sums(unit, rows.messages, units)[:units]
    live = np.flatnonzero(near > 0)
    who, mail = unit[live], rows.messages[live] * near[live]
    found = np.full(units, -np.inf)
    for rate in _TIME_RATES:
        fits = sums(who, np.log1p(rate * mail), units)[:units]
        found = np.logaddexp(found, _TIME_POWER * fits - 2.0 * rate * volume)
    found -= np.log(len(_TIME_RATES))
    return np.where(volume > 0, np.exp(np.minimum(found, _TIME_MOST)), 0.0)


def _burst(unit: npt.NDArray[np.integer], day: npt.NDArray[np.integer], units: int) -> Array:
    """ln of how much likelier each unit's active buckets are had some days a rate of their own
    (Kulldorff's scan)."""
    days = int(day.max(initial=0)) + 1
    flat = unit.astype(np.int64) * days + day
    active = np.bincount(flat, minlength=units * days).reshape(units, days)
    whole = active.sum(axis=1).astype(np.float64)
    until = np.concatenate([np.zeros((units, 1), np.int64), np.cumsum(active, axis=1)], axis=1)
    best = np.zeros(units)
    for wide in _BURST_DAYS:
        if wide >= days:
            break
        most = (until[:, wide:] - until[:, :-wide]).max(axis=1).astype(np.float64)
        expected = whole * wide / days
        rest, rest_expected = whole - most, whole - expected
        fits = most * np.log(np.maximum(most, 1.0) / np.maximum(expected, 1e-9))
        fits += rest * np.log(np.maximum(rest, 1.0) / np.maximum(rest_expected, 1e-9))
        best = np.maximum(best, np.where(most > expected, fits, 0.0))
    return best


def of_tenants(of_senders: Array, tenants: npt.NDArray[np.integer], count: int) -> Array:
    """A tenant's weight is its senders'."""
    return _normal(sums(tenants, of_senders, count)[:count])


def _normal(values: Array) -> Array:
    total = values.sum()
    return np.asarray(values / total if total > 0 else values, dtype=np.float64)
