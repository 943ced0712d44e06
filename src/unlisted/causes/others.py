"""What the draws say and what else is known of a sender, made one.

Other evidence multiplies the odds; one kind alone by ten at most. Where whoever weighs it gives
weights of its own, the odds are the mean of two: the draws at the draws' weights, and both together
at the other evidence's. So no weight rests on what the evidence beside it rests on (the draws'
weights look for a change of volume, and so does a sender's habit), and the weights sum to one.
"""

import math

import numpy as np
import numpy.typing as npt

from unlisted.causes import naming
from unlisted.causes.case import Unit
from unlisted.causes.exposure import OtherEvidence
from unlisted.causes.trial import Odds

Array = npt.NDArray[np.float64]

ONE_KIND = math.log(10.0)  # most that one kind of other evidence carries
_PART = 0.6  # of the weight, that other evidence is judged by
_LEAST = -math.log(10.0)  # most that it speaks for a sender whom the draws are against


def ratio_of(unit: int, other: OtherEvidence) -> float:
    """The log ratio of a sender, bounded where it is of one kind."""
    ratio = other.log_ratio[unit]
    return ratio if other.kinds.get(unit, 1) >= 2 else min(ratio, ONE_KIND)


def with_other(tried: Odds, other: OtherEvidence) -> tuple[Array, Array]:
    """ln of the weights, and ln of the odds, with other evidence in them."""
    log_prior, log_odds = tried.log_prior.copy(), tried.log_prior + tried.log_e
    draws = math.log(1.0 - _PART) if other.log_prior else 0.0
    log_prior += draws
    log_odds += draws
    for place, (kind, unit) in enumerate(tried.units):
        if kind != "sender" or unit not in other.log_ratio:
            continue
        ratio = ratio_of(unit, other)
        if other.log_prior:
            own = other.log_prior.get(unit, -math.inf) + math.log(_PART)
            alone = log_odds[place] + max(_LEAST, min(ratio, 0.0))
            log_odds[place] = np.logaddexp(alone, own + tried.log_e[place] + ratio)
            log_prior[place] = np.logaddexp(log_prior[place], own)
        elif math.isfinite(log_odds[place]):
            log_odds[place] += ratio
    return log_prior, log_odds


def convicts(unit: Unit, other: OtherEvidence | None) -> bool:
    """Whether what is known beside the draws would convict who was suspected beforehand: then it
    does not take several episodes to tell an accident from a cause."""
    if other is None or unit[0] != "sender" or unit[1] not in other.log_ratio:
        return False
    return other.kinds.get(unit[1], 1) >= 2 and other.log_ratio[unit[1]] >= naming.LEAST_LOG_E
