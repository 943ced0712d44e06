"""The detector of nameless refusals: an e-detector (Shin, Ramdas, Rinaldo 2023).

A Shiryaev-Roberts sum of likelihood ratios over a small grid of block rates. As long as the chance
of a refusal, given the past, is at most p0, the mean number of events to a false alarm at level
alpha is at least 1/alpha, whatever the dependence and whenever one looks. So p0 must be an UPPER
bound of the baseline, or the guarantee is void; and with many streams alpha
is split among them: compare with `threshold(alpha, streams)`.

Refuses a p0 of 0 or above one half: it is clipped to 1e-4 and 0.5. Below, a single stray refusal
would be news; above, nearly all is refused already and a contrast says more than a change.
"""

import math

import msgspec

# How far between p0 and certainty the changed rate lies. Six, because the cost is per event and the
# loss between two neighbours is under one refusal at the rates that matter.
GRID = (0.02, 0.05, 0.12, 0.3, 0.6, 0.94)
# How much is bet on each: most on the full block, which is what a listing looks like and where a
# single refusal is a message lost.
BETS = (0.1, 0.1, 0.12, 0.16, 0.2, 0.32)
LEAST_P0, MOST_P0 = 1e-4, 0.5
CAP = 1e280


class EDetector(msgspec.Struct):
    """One stream's detector; encodable as it is. Make a new one after an alarm."""

    p0: float = 0.01
    sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(GRID))
    events: int = 0
    refused: int = 0

    def update(self, refused: bool, p0: float | None = None) -> float:
        """Take one reply in; the natural log of the e-detector's value after it."""
        if p0 is not None:
            self.p0 = p0
        base = min(max(self.p0, LEAST_P0), MOST_P0)
        total = 0.0
        sums = self.sums
        for place, part in enumerate(GRID):
            changed = base + (1.0 - base) * part
            ratio = changed / base if refused else (1.0 - changed) / (1.0 - base)
            value = min((1.0 + sums[place]) * ratio, CAP)
            sums[place] = value
            total += BETS[place] * value
        self.events += 1
        self.refused += refused
        return math.log(total)

    def log_e(self) -> float:
        """The value now, without an event; minus infinity before the first."""
        total = 0.0
        for bet, value in zip(BETS, self.sums, strict=True):
            total += bet * value
        return math.log(total) if total > 0 else -math.inf


def threshold(alpha: float, streams: int = 1) -> float:
    """The log e at which one of `streams` streams raises the alarm, alpha for all of them."""
    if not 0.0 < alpha < 1.0 or streams < 1:
        raise ValueError(f"alpha {alpha} over {streams} streams")
    return math.log(streams / alpha)
