"""Whom to name: weighted e-BH (Wang, Ramdas 2022), and what is said when nobody is.

A unit's odds are its prior weight times its e-value. With k units named, each has odds of at least
1/(alpha k): then at most the share alpha of the named is wrong on average, whatever depends on
whatever. "Probable" asks odds of ten to one, one culprit being expected among all.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Standing = Literal["guilty", "probable", "open"]
Verdict = Literal["guilty", "probable", "nobody here", "not enough evidence"]

ALPHA = 0.05
PROBABLE_ODDS = 10.0
# Odds at which "nobody here" is said.
NOBODY_ODDS = 4.0


def named(log_odds: Array, alpha: float = ALPHA) -> tuple[npt.NDArray[np.bool_], float]:
    """Who is guilty, and the log odds that one more would need."""
    order = np.sort(log_odds)[::-1]
    wanted = -np.log(alpha * np.arange(1, len(order) + 1))
    fits = np.flatnonzero(order >= wanted)
    count = int(fits[-1]) + 1 if len(fits) else 0
    bound = -math.log(alpha * max(1, count))
    guilty = log_odds >= bound if count else np.zeros(len(log_odds), dtype=bool)
    return np.asarray(guilty, dtype=bool), -math.log(alpha * (count + 1))


def probability(log_odds: float) -> float:
    """The posterior, one culprit being expected among all units."""
    return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, log_odds))))


def episodes_needed(log_odds: float, bound: float, pool: int) -> int | None:
    """How many more listings it takes, each multiplying the odds by half a pool; None: no draw."""
    if pool < 3 or not math.isfinite(log_odds):
        return None
    return max(1, math.ceil((bound - log_odds) / math.log(pool / 2)))
