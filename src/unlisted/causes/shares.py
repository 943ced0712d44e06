"""A unit's expected share of the listings: what it would be on average, were the lists' luck redrawn.

What was counted is one draw of that luck. Counts of listings have at most the spread of a Poisson
count (less under rotation, where one address is listed once at a time), so the share lies within the
quantiles of a Beta around the counts, widened by the doubt about which listings were whose. It
covers at least what it says and is wide for few listings; its width is told, never hidden.
"""

import math

import numpy as np
import numpy.typing as npt

from unlisted.rates.interval import beta_quantile

CONFIDENCE = 0.95


def interval(
    part: npt.NDArray[np.float64], listings: int, probability: float, ranged: float = 0.0
) -> tuple[float, float, float]:
    """Share, low and high, from the chance that each listing was the unit's. `ranged` are listings
    that would be its, were they not a range's: a doubt that all of a block have in common."""
    if not len(part):
        return 0.0, 0.0, 1.0 if not listings else beta_quantile(1.0, max(1, listings), CONFIDENCE)
    mine = float(part.sum())
    doubt = 1.645 * math.sqrt(float((part * (1.0 - part)).sum()))
    tail = (1.0 - CONFIDENCE) / 2
    least, most = max(0.0, mine - doubt), min(float(listings), mine + doubt + ranged)
    # Whoever may be innocent may have no share at all.
    if probability < 1.0 - tail:
        least = 0.0
    low = beta_quantile(least, listings - least + 1.0, tail) if least > 1e-9 else 0.0
    high = beta_quantile(most + 1.0, max(listings - most, 1e-9), 1.0 - tail)
    return mine / listings, low, high
