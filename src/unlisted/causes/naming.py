"""Whom to name, and what is said when nobody is.

The rule is weighted e-BH (Wang, Ramdas 2022) in its closed form (Xu, Fischer, Ramdas 2025), which
names whomever e-BH names and a few more: at most the share alpha of the named is wrong on average,
whatever depends on whatever. A unit's odds are its prior weight times its e-value; e-BH wants odds
of 1/(alpha k) of each of k named. "Probable" asks odds of ten to one, one culprit being expected
among all.
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
# Below this the draws (or what else is known) would not convict even who was suspected beforehand;
# and one episode, however telling, may be one accident.
LEAST_LOG_E = math.log(1.0 / ALPHA)
LEAST_EPISODES = 2
# Below, no rule could name a unit, however many stand beside it.
_LEAST_ODDS = 0.5
_MOST_LOG_E = 60.0
# "Nobody here" is said of so many episodes, if the draws are so much likelier without a sender who
# caused a tenth of them.
NOBODY_EPISODES = 10
NOBODY_ODDS = 4.0
# Below, no rule could name a unit, however many stand beside it.
_LEAST_ODDS = 0.5
_MOST_LOG_E = 60.0


def named(
    log_prior: Array, log_e: Array, alpha: float = ALPHA
) -> tuple[npt.NDArray[np.bool_], float]:
    """Who is guilty, and the log odds that one more would need. The prior weights of all units sum
    to one at most; those not given here have e-values of zero."""
    weight = np.exp(log_prior)
    # An e-value may always be taken for less than it is.
    value = np.exp(np.minimum(log_e, _MOST_LOG_E))
    order = np.argsort(-weight * value, kind="stable")
    guilty = np.zeros(len(weight), dtype=bool)
    most = int(np.searchsorted(-(weight * value)[order], -_LEAST_ODDS, side="right"))
    for count in range(most, 0, -1):
        if _closed(weight, value, order[:count], alpha):
            guilty[order[:count]] = True
            break
    missing = float(weight[guilty].sum())
    bound = math.log(max(1.0 - missing, 1e-6) / (alpha * (int(guilty.sum()) + 1)))
    return guilty, bound


def _closed(weight: Array, value: Array, chosen: npt.NDArray[np.int64], alpha: float) -> bool:
    """Whether for every set of units its mean e-value is at least the share of the chosen in
    question that lies in it, over alpha. The worst set with m of the chosen has the m that speak
    least, and of the others all that lower the mean."""
    inside = np.zeros(len(weight), dtype=bool)
    inside[chosen] = True
    unseen = max(0.0, 1.0 - float(weight.sum()))
    for m in range(1, len(chosen) + 1):
        level = m / (alpha * len(chosen))
        excess = weight * (value - level)
        worst = np.sort(excess[inside])[:m].sum()
        if worst + np.minimum(excess[~inside], 0.0).sum() - level * unseen < 0:
            return False
    return True


def probability(log_odds: float) -> float:
    """The posterior, one culprit being expected among all units."""
    return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, log_odds))))


def episodes_needed(log_odds: float, bound: float, pool: int) -> int | None:
    """How many more listings it takes, each multiplying the odds by half a pool; None: no draw."""
    if pool < 3 or not math.isfinite(log_odds):
        return None
    return max(1, math.ceil((bound - log_odds) / math.log(pool / 2)))
