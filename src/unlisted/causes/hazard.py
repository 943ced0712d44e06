"""Which unit explains which point of evidence: a sparse hazard, fitted by variational Bayes.

The hazard of a point is the background (times what rivals add) plus, for each unit that is in
doubt, its rate times its mail near the point. Rates are Gamma with a shape below one, so a unit
that explains nothing falls to nothing. No sampling: the same listings give the same shares.

A range is weighed against all that would list addresses of the pool at that time, senders as well:
so many together is as unlikely of theirs. Its hazard is its odds times the background and times
what the units' mail by the pool's addresses would bring on average; a unit that had more of its
mail by the listed address than by the others still explains more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlisted.causes.points import Points

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_SHAPE, _RATE_REF = 0.3, 0.01
_ROUNDS, _CLOSE = 40, 1e-3


@dataclass(frozen=True)
class Fit:
    """Rates of the units, and `part[e, j]`: the chance that unit j brought point e. `range_part` is
    the chance that a range did."""

    rate: Array
    part: Array
    range_part: Array


@dataclass(frozen=True)
class Ranges:
    """Points around which a range is likely, its odds there, and `even[p, j]`: unit j's mail near
    the p-th of them, on average over the addresses of its pool."""

    point: Index
    odds: Array
    even: Array


def mass_of(points: Points, cell: Index, messages: Array, scratch: Array) -> Array:
    """Mail near each point by its address, for one unit's rows. `scratch` comes back as zeros."""
    np.add.at(scratch, cell, messages)
    found = (scratch[points.cell] * points.near).sum(axis=1)
    scratch[cell] = 0.0
    return np.asarray(found, dtype=np.float64)


def fit(
    mass: Array, at_risk: Array, background: float, factor: Array, hours: float, ranges: Ranges
) -> Fit:
    """`mass[e, j]` is unit j's mail near point e, `at_risk[j]` its mail in all; `background` is the
    rate of points per address and hour before the fit, `factor` what errors multiply it with,
    `hours` the address-hours looked at."""
    points, units = mass.shape
    shape = np.full(units, _SHAPE + 1.0)
    rate_of = _SHAPE / _RATE_REF + at_risk
    base = background
    part, ranged = np.zeros((points, units)), np.zeros(points)
    range_part = ranged
    for _ in range(_ROUNDS):
        rate = np.exp(_digamma(shape)) / rate_of
        pull = mass * rate
        ranged[ranges.point] = ranges.odds * (base + ranges.even @ rate)
        whole = pull.sum(axis=1) + base * factor + ranged
        part, range_part = pull / whole[:, None], ranged / whole
        before, shape = shape, _SHAPE + part.sum(axis=0)
        # What rivals take is not the background's own.
        base = (0.5 + (base / whole).sum()) / (0.5 / background + hours)
        if np.all(np.abs(shape - before) < _CLOSE):
            break
    return Fit(shape / rate_of, part, range_part)


def _digamma(x: Array) -> Array:
    """Abramowitz and Stegun 6.3.18, after four steps of 6.3.5."""
    shift = np.zeros_like(x)
    for _ in range(4):
        shift -= 1.0 / x
        x = x + 1.0
    inverse = 1.0 / (x * x)
    return np.asarray(
        shift + np.log(x) - 0.5 / x - inverse * (1 / 12 - inverse * (1 / 120 - inverse / 252)),
        dtype=np.float64,
    )
