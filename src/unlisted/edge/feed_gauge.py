"""The rhythm of an input: how long it usually says nothing, and when its silence is news.

The usual gap is the longest of late; an old one counts for half after a day. Silence of three such
gaps, five minutes at least, is reported once (`FeedSilent`), and so is the next word (`FeedHeard`).
It asks no clock.
"""

from __future__ import annotations

import math

import msgspec

HALF_LIFE_S = 86400.0
TIMES = 3.0
LEAST_S = 300.0
MOST_S = 6 * 3600.0


class Gauge(msgspec.Struct):
    """Encodable as it is. `heard_at` below 0: never yet."""

    heard_at: float = -1.0
    silent_s: float = 0.0  # how long it had been silent before it spoke last
    gap_s: float = 0.0
    gap_at: float = 0.0

    def heard(self, at: float) -> float:
        """It spoke; how long it had been silent."""
        if self.heard_at < 0:
            self.heard_at = at
            return 0.0
        gap = at - self.heard_at
        if gap <= 0:  # lines of one look, or stamps out of order by seconds
            return 0.0
        if gap >= self._faded(at):
            self.gap_s, self.gap_at = gap, at
        self.heard_at, self.silent_s = at, gap
        return gap

    def limit_s(self, at: float) -> float:
        """The silence that is news at that time."""
        return min(MOST_S, max(LEAST_S, TIMES * self._faded(at)))

    def silent(self, now: float) -> bool:
        """Whether it has been silent for longer than it ever is."""
        return self.heard_at >= 0 and now - self.heard_at > self.limit_s(self.heard_at)

    def _faded(self, at: float) -> float:
        return self.gap_s * math.exp2(-max(0.0, at - self.gap_at) / HALF_LIFE_S)
