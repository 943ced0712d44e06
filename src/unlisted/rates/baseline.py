"""What share of refusals is usual at this hour of the week, and at most: for the detector.

Counts per stream and per pool in the 168 hours of a week (UTC). A stream's hour is drawn towards the
stream, the stream towards its pool, the pool towards one refusal in a hundred: so a quiet stream's
night is not judged by three messages. The detector wants an UPPER bound of the chance of a refusal
(`edetector.py`): `upper` is the bound of the posterior, never under one in a thousand.

The caller learns from quiet hours only; what comes while an episode is open would make blocks usual.
Refuses counts that are none. Bounded: past `limit` streams the one touched longest ago goes.
"""

import math

import msgspec

HOURS = 168
CONFIDENCE = 0.99
_Z = 2.3263  # of CONFIDENCE, one-sided
_LEAST = 1e-3
# How many messages' worth the next level counts for.
_OF_LEVEL = 500.0
_OF_STREAM, _OF_POOL = 1000.0, 2000.0
_PRIOR = (1.0, 99.0)
_LEAST_KNOWN = 100.0


class Week(msgspec.Struct):
    """Refused and attempted, by hour of the week and in all. Encodable as it is."""

    refused: list[int] = msgspec.field(default_factory=lambda: [0] * HOURS)
    attempts: list[int] = msgspec.field(default_factory=lambda: [0] * HOURS)
    all_refused: int = 0
    all_attempts: int = 0

    def add(self, hour: int, refused: int, attempts: int) -> None:
        """Count at an hour of the week."""
        self.refused[hour] += refused
        self.attempts[hour] += attempts
        self.all_refused += refused
        self.all_attempts += attempts


class SeasonalBaseline(msgspec.Struct):
    """Weeks of streams and of pools."""

    limit: int = 100_000
    streams: dict[str, Week] = msgspec.field(default_factory=dict)
    pools: dict[str, Week] = msgspec.field(default_factory=dict)

    def learn(self, stream: str, pool: str, at: float, refused: int, attempts: int = 1) -> None:
        """Count what was quiet."""
        if not 0 <= refused <= attempts:
            raise ValueError(f"{refused} of {attempts} is no count")
        hour = hour_of_week(at)
        week = self.streams.pop(stream, None) or Week()
        self.streams[stream] = week
        if len(self.streams) > self.limit:
            del self.streams[next(iter(self.streams))]
        week.add(hour, refused, attempts)
        self.pools.setdefault(pool, Week()).add(hour, refused, attempts)

    def rate(self, stream: str, pool: str, at: float) -> tuple[float, float]:
        """The expected share of refusals, and how many messages' worth is known of it."""
        hour = hour_of_week(at)
        whole = self.pools.get(pool, _EMPTY)
        base = (whole.all_refused + _PRIOR[0]) / (whole.all_attempts + sum(_PRIOR))
        seasonal = (whole.refused[hour] + _OF_POOL * base) / (whole.attempts[hour] + _OF_POOL)
        week = self.streams.get(stream, _EMPTY)
        own = (week.all_refused + _OF_LEVEL * base) / (week.all_attempts + _OF_LEVEL)
        # The pool's season on the stream's own level.
        level = own * seasonal / base
        share = (week.refused[hour] + _OF_STREAM * level) / (week.attempts[hour] + _OF_STREAM)
        return share, week.attempts[hour] + min(week.all_attempts, 20_000) / 5.0 + _LEAST_KNOWN

    def upper(self, stream: str, pool: str, at: float) -> float:
        """The upper bound of the chance of a refusal, for the detector."""
        share, known = self.rate(stream, pool, at)
        return min(0.5, max(_LEAST, _wilson(share, known)))


def _wilson(share: float, known: float) -> float:
    """Wilson's upper bound, one-sided: within a tenth of the exact one here, in no time."""
    z2 = _Z * _Z / known
    return (share + z2 / 2 + math.sqrt(z2 * (share * (1 - share) + z2 / 4))) / (1 + z2)


def hour_of_week(at: float) -> int:
    """0 is Thursday 00:00 UTC, as the epoch was."""
    if not math.isfinite(at):
        raise ValueError(f"{at} is no time")
    return int(at // 3600.0) % HOURS


_EMPTY = Week()
