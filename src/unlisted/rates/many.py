"""The e-detector of `edetector.py` for many streams at once, in columns.

Runs of passed messages are taken in one step: k passes turn a sum v into v r^k + r (1 - r^k)/(1 - r),
r being the likelihood ratio of a pass. So a day of a million streams costs what its refusals cost.
It gives what the single detector gives, and refuses what that refuses.
"""

import numpy as np
import numpy.typing as npt

from unlisted.rates.edetector import BETS, CAP, GRID, LEAST_P0, MOST_P0

Array = npt.NDArray[np.float64]


class ManyDetectors:
    """One detector a stream; p0 an upper bound of each stream's baseline."""

    def __init__(self, p0: npt.ArrayLike) -> None:
        base = np.clip(np.asarray(p0, dtype=np.float64), LEAST_P0, MOST_P0)
        changed = base + (1.0 - base) * np.array(GRID)[:, None]
        self._refusal = changed / base
        self._log_pass = np.log1p(-changed) - np.log1p(-base)
        self.sums = np.zeros_like(changed)

    def advance(self, passed: npt.ArrayLike, refused: npt.ArrayLike) -> Array:
        """`passed` messages of each stream, then a refusal where `refused`; ln of the values."""
        count = np.asarray(passed, dtype=np.float64)
        if np.any(count < 0):
            raise ValueError("a count of passed messages is below zero")
        ratio = np.exp(self._log_pass)
        left = np.exp(self._log_pass * count)
        self.sums = self.sums * left + ratio * (1.0 - left) / (1.0 - ratio)
        again = np.minimum((1.0 + self.sums) * self._refusal, CAP)
        self.sums = np.where(np.asarray(refused, dtype=bool), again, self.sums)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.array(BETS) @ self.sums), dtype=np.float64)
