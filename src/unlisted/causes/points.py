"""When a listing's evidence came: two points per episode, and what mail each could come from.

A listing tells two times. Its opening is the piece of evidence that was enough; its release minus
the list's term is the last piece. What lies between them nobody can see, and the silent term after
the last piece is exposure without evidence. A point is an interval, as exact as the looks at it.

How long after a message its evidence comes is a mixture: traps within minutes, people within
hours, a tail of a day. Where this is wrong, culprits are found later; nobody is blamed for it,
because the draws are judged against the draws (`draws.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from unlisted.causes.exposure import Exposures, Listing

Array = npt.NDArray[np.float64]

# (weight, mean lag in s)
LAGS = ((0.3, 1200.0), (0.4, 5 * 3600.0), (0.3, 24 * 3600.0))
# Where a list lives on traps alone, or on people's reports; which, the listings tell (`trial.py`).
SOON_LAGS = ((0.8, 1200.0), (0.2, 5 * 3600.0))
LATE_LAGS = ((0.4, 5 * 3600.0), (0.6, 15 * 3600.0))
REACH_S = 48 * 3600.0
# Nothing is known more exactly than this: the list's own delay to publish.
_LEAST_WIDTH_S = 300.0


@dataclass(frozen=True)
class Points:
    """Times of evidence, and for each the buckets before it with their nearness.

    `cell` are flat indices (address, bucket) of the listed address, `near` how likely a message of
    that bucket brings its evidence at the point, per hour, if the lag is a mixture of all;
    `near_soon` and `near_late` if it is short, or long. `listing` is the episode's place,
    `opening` whether it is the first of its two points. `hidden` tells per cell for how much of the
    bucket further evidence could not be seen: between a listing's two points; `listed` for how much the address was
    listed and left out of the draw, None where routing does not look at listings.
    """

    listing: npt.NDArray[np.int64]
    opening: npt.NDArray[np.bool_]
    address: npt.NDArray[np.int64]
    at: Array
    cell: npt.NDArray[np.int64]
    near: Array
    near_soon: Array
    near_late: Array
    buckets: int
    hidden: Array
    listed: Array | None

    def __len__(self) -> int:
        return len(self.at)

    def sharp(self) -> "Points":
        """The same if only the bucket of the point and the one before counted."""
        near = self.near.copy()
        near[:, 2:] = 0.0
        return replace(self, near=near)

    def soon(self) -> "Points":
        """The same if evidence comes at once as a rule."""
        return replace(self, near=self.near_soon)

    def late(self) -> "Points":
        """The same if it takes hours."""
        return replace(self, near=self.near_late)


def points_of(listings: Sequence[Listing], exposures: Exposures) -> Points:
    """Both points of every listing, in the listings' order."""
    rows: list[tuple[int, bool, int, float, float]] = []
    taken: dict[int, list[tuple[float, float]]] = {}
    for place, one in enumerate(listings):
        both = [(True, one.opened)]
        if one.released is not None and one.term_s is not None:
            last = (one.released[0] - one.term_s, one.released[1] - one.term_s)
            # Before its opening: it was released by hand, or the term is not what it was.
            if last[0] > one.opened[1]:
                both.append((False, last))
        before = taken.setdefault(one.address, [])
        for opening, (begin, end) in both:
            # Several lists that live on the same evidence are one witness.
            if not opening and any(a <= end and begin <= b for a, b in before):
                continue
            before.append((begin, end))
            rows.append((place, opening, one.address, begin, end))
    low = np.array([row[3] for row in rows], dtype=np.float64)
    high = np.array([row[4] for row in rows], dtype=np.float64)
    address = np.array([row[2] for row in rows], dtype=np.int64)
    cell, near, soon, late = _nearness(address, low, high, exposures)
    return Points(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=bool),
        address,
        (low + high) / 2,
        cell,
        near,
        soon,
        late,
        exposures.buckets,
        _spans(listings, exposures, exposures.buckets, with_term=False),
        _spans(listings, exposures, exposures.buckets, with_term=True)
        if exposures.rests_listed
        else None,
    )


def _nearness(
    address: npt.NDArray[np.int64], low: Array, high: Array, exposures: Exposures
) -> tuple[npt.NDArray[np.int64], Array, Array, Array]:
    wide, buckets = exposures.bucket_s, exposures.buckets
    reach = int(np.ceil(REACH_S / wide)) + 1
    low = np.minimum(low, high - _LEAST_WIDTH_S)
    last = np.floor((high - exposures.start) / wide).astype(np.int64)
    bucket = last[:, None] - np.arange(reach)[None, :]
    begins = exposures.start + bucket * wide
    inside = (bucket >= 0) & (bucket < buckets)
    cell = address[:, None] * max(1, buckets) + np.where(inside, bucket, 0)
    found = []
    for lags in (LAGS, SOON_LAGS, LATE_LAGS):
        near = (
            _twice(high[:, None] - begins, lags)
            - _twice(low[:, None] - begins, lags)
            - _twice(high[:, None] - begins - wide, lags)
            + _twice(low[:, None] - begins - wide, lags)
        ) / ((high - low)[:, None] * wide / 3600.0)
        found.append(np.where(inside, np.maximum(near, 0.0), 0.0))
    return cell, found[0], found[1], found[2]


def _twice(lag: Array, lags: Sequence[tuple[float, float]]) -> Array:
    """The density of the lag, integrated twice from zero."""
    lag = np.maximum(lag, 0.0)
    total = np.zeros_like(lag)
    for weight, mean in lags:
        total += weight * (lag + mean * np.expm1(-lag / mean))
    return total


def _spans(
    listings: Sequence[Listing], exposures: Exposures, buckets: int, *, with_term: bool
) -> Array:
    """For how much of each (address, bucket) a listing hid what came after its first evidence; or
    with its silent term, for how much the address was listed."""
    found = np.zeros((exposures.addresses, max(1, buckets)))
    for one in listings:
        until = np.inf
        if one.released is not None:
            until = one.released[1] - (0.0 if with_term else one.term_s or 0.0)
        begin = (one.opened[0] - exposures.start) / exposures.bucket_s
        end = min((until - exposures.start) / exposures.bucket_s, float(buckets))
        if end <= max(begin, 0.0):
            continue
        first, last = max(0, int(begin)), min(buckets - 1, int(end))
        if first > last:
            continue
        at = np.arange(first, last + 1)
        inside = np.minimum(at + 1, end) - np.maximum(at, begin)
        row = found[one.address, first : last + 1]
        found[one.address, first : last + 1] = np.maximum(row, np.clip(inside, 0.0, 1.0))
    return found.ravel()
