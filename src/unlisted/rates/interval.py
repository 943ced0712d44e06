"""Intervals for a proportion: Clopper-Pearson, by an own regularised incomplete beta function.

Clopper-Pearson and not Wilson: it never covers less than it says, and the figures shown to people
are claims. Zero in n is bounded by 1 - (1 - confidence)^(1/n), which is 3/n at 95 % (the rule of
three). Refuses counts that are no counts (k < 0, n < k).
"""

import math

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A proportion with its n: `low` and `high` at `confidence`, two-sided."""

    successes: int
    trials: int
    low: float
    high: float
    confidence: float = 0.95

    @property
    def rate(self) -> float | None:
        """The observed share, None without a trial."""
        return self.successes / self.trials if self.trials else None


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Lentz's method for the incomplete beta function (NIST DLMF 8.17.22)."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    total = d
    for m in range(1, 1000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + numerator / c
            c = c if abs(c) > tiny else tiny
            total *= d * c
        if abs(d * c - 1.0) < 1e-12:
            break
    return total


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), the distribution function of Beta(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _continued_fraction(a, b, x) / a
    return 1.0 - front * _continued_fraction(b, a, 1.0 - x) / b


def beta_quantile(a: float, b: float, p: float) -> float:
    """The x with I_x(a, b) = p, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if incomplete_beta(a, b, middle) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson; without a trial the interval is everything."""
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no count")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    tail = (1.0 - confidence) / 2
    low = beta_quantile(successes, trials - successes + 1, tail) if successes else 0.0
    high = beta_quantile(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return Interval(successes, trials, low, high, confidence)


def rule_of_three(trials: int) -> float:
    """The bound of a rate of which nothing was seen in n trials, at 95 %."""
    return min(1.0, 3.0 / trials) if trials > 0 else 1.0
