"""Whom to suspect before the draws are looked at: weights that cost the proof nothing.

Weighted e-BH stays exact for any weights that do not depend on the draws. Ours depend on how much a
unit mailed by its whole pool before the pool's listings, whatever the address: half of the weight
goes by its share of that mail, half evenly over all who had enough epochs at stake to be named.
So a large sender needs less than a tiny one, as among the culprits of listings it should.
"""

import numpy as np
import numpy.typing as npt

from unlisted.causes.draws import Bets, Stakes
from unlisted.causes.exposure import CampaignRows, Exposures
from unlisted.causes.points import Points

Array = npt.NDArray[np.float64]

# Of the weight: senders, campaigns, tenants.
PART = {"sender": 0.8, "campaign": 0.15, "tenant": 0.05}
_BY_MAIL = 0.5
# An epoch is at stake where the mean bet is above this, at one message in a hundred.
_STAKE = 30.0
_ENOUGH = 3


def mail_share(exposures: Exposures, points: Points, relevance: Array) -> Stakes:
    """Per (pool, bucket), the share of all pool mail near a point that one message is."""
    buckets = max(1, points.buckets)
    pool_of = exposures.pool_of.astype(np.int64)
    pools = int(pool_of.max()) + 1 if len(pool_of) else 1
    flat = pool_of[exposures.address] * buckets + exposures.bucket
    total = np.bincount(flat, exposures.messages, pools * buckets)
    where = (pool_of[points.address] * buckets)[:, None] + points.cell % buckets
    mail = (total[where] * points.near).sum(axis=1)
    value = points.near * (relevance / np.where(mail > 0, mail, 1.0))[:, None]
    per_pool = np.bincount(where.ravel(), value.ravel(), minlength=pools * buckets)
    return Stakes(np.zeros(len(pool_of) * buckets), per_pool, pool_of, buckets)


def weigh(
    exposures: Exposures, rows: Exposures | CampaignRows, share: Stakes, bets: Bets, units: int
) -> Array:
    """Weights that sum to one over senders, or over campaigns; `bets` tell what was at stake."""
    unit = rows.campaign if isinstance(rows, CampaignRows) else rows.sender
    near = share.by_pool[share.pool_of[rows.address] * share.buckets + rows.bucket]
    by_mail = np.bincount(unit, near * rows.messages, units)[:units]
    at_stake = np.bincount(bets.unit, np.minimum(1.0, bets.even / _STAKE), units)[:units]
    even = np.minimum(1.0, at_stake / _ENOUGH) ** 2
    return _BY_MAIL * _normal(by_mail) + (1 - _BY_MAIL) * _normal(even)


def of_tenants(of_senders: Array, tenants: npt.NDArray[np.integer], count: int) -> Array:
    """A tenant's weight is its senders'."""
    return _normal(np.bincount(tenants, of_senders, count)[:count])


def _normal(values: Array) -> Array:
    total = values.sum()
    return np.asarray(values / total if total > 0 else values, dtype=np.float64)
