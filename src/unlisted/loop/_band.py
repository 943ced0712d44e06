"""The pre-incident band: what share of refusals was usual on a path, and whether it is so again.

A path is address x receiver. What is usual is learned from quiet hours alone (`rates/baseline`): counts
wait for two hours, and an episode that opens in that time takes its address's with it. A path is back
in its band when, since it opened again and for the stated time, its share of refusals is at most the
upper bound of what was usual, over enough attempts that a receiver which still refuses every fourth
would have shown itself. Too little mail: what is missing is a number, and the patience has an end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unlisted.facts import Band
from unlisted.loop._resting import Path
from unlisted.rates.baseline import SeasonalBaseline
from unlisted.rates.interval import binomial_interval
from unlisted.rates.windows import SlidingCounts

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

HOUR_S = 3600.0
QUIET_S = 2 * HOUR_S  # as long as counts wait before they are usual
BUCKET_S = 600.0
ALL = "all"
STREAMS = 5_000  # paths with a week of their own; beyond, the pool's week stands for them


class Bands:
    """What was usual, what is not yet known to have been, and what came since."""

    def __init__(self) -> None:
        self.usual = SeasonalBaseline(limit=STREAMS)
        self.young: dict[str, dict[tuple[int, str], list[int]]] = {}  # address -> (hour, receiver)
        self.hour: dict[str, int] = {}  # address -> hour last looked at
        self.now = SlidingCounts(window_s=48 * HOUR_S, bucket_s=BUCKET_S, limit=20_000)

    def add(self, path: Path, pool: str, at: float, refused: int, attempts: int) -> None:
        """Count the replies of a path whose address has no open episode."""
        address, receiver = path
        hour = int(at // HOUR_S)
        young = self.young.setdefault(address, {})
        counts = young.setdefault((hour, receiver), [0, 0])
        counts[0] += refused
        counts[1] += attempts
        if self.hour.get(address, hour) != hour:
            for then, site in [key for key in young if (key[0] + 1) * HOUR_S <= at - QUIET_S]:
                known = young.pop((then, site))
                stream = stream_of((address, site))
                self.usual.learn(stream, pool, then * HOUR_S, known[0], known[1])
        self.hour[address] = hour

    def trouble(self, address: str, since: float) -> None:
        """An episode opened: what came since its first refusal was not usual."""
        young = self.young.get(address, {})
        for key in [key for key in young if (key[0] + 1) * HOUR_S > since]:
            del young[key]

    def again(self, name: str, at: float, refused: int, attempts: int) -> None:
        """Count the replies of a path whose address has an open episode, or of all (`ALL`)."""
        self.now.add(name, at, part=refused, whole=attempts)

    def refused(self, path: Path) -> None:
        """The path is closed by a refusal: only what comes after it tells."""
        self.now.rows.pop(stream_of(path), None)


def stream_of(path: Path) -> str:
    """A path's name in the counts."""
    return f"{path[0]}|{path[1]}"


def look(states: States, path: Path, reopened_at: float, at: float) -> Band:
    """How a path stands: its figures since it opened again, beside what was usual."""
    bands, policy = states.verify.bands, states.accept.policy
    pool = states.deliver.pool_of.get(path[0])
    stream, name = stream_of(path), pool.name if pool else ""
    upper = bands.usual.upper(stream, name, at)
    week = bands.usual.streams.get(stream)
    since, refused, attempts = _window(states, stream, reopened_at, at)
    missing = max(0, policy.band_attempts - attempts)
    if not missing and refused > upper * attempts:
        missing = max(1, math.ceil(refused / upper) - attempts)
    return Band(
        address=path[0],
        receiver=path[1],
        refused=refused,
        attempts=attempts,
        since=since,
        until=at,
        upper=round(upper, 6),
        usual_refused=week.all_refused if week else 0,
        usual_attempts=week.all_attempts if week else 0,
        missing=missing,
    )


def _window(states: States, stream: str, reopened_at: float, at: float) -> tuple[float, int, int]:
    """The stated time if enough came in it, else all since the path opened again."""
    policy = states.accept.policy
    rows = states.verify.bands.now.series(stream, at)
    start = at - policy.band_s
    recent = [row for row in rows if row[0] >= start]
    if sum(row[2] for row in recent) >= policy.band_attempts and start > reopened_at:
        return start, sum(row[1] for row in recent), sum(row[2] for row in recent)
    return reopened_at, sum(row[1] for row in rows), sum(row[2] for row in rows)


def held(states: States, band: Band) -> bool:
    """Whether the path is back in its band."""
    return not band.missing and band.until - band.since >= states.accept.policy.band_s - 1.0


def compatible(band: Band) -> bool:
    """Whether too little mail came to tell, and what came does not speak against it."""
    return binomial_interval(band.refused, band.attempts).low <= band.upper


def quiet(states: States, at: float, window_s: float) -> bool:
    """Whether refusals over all paths of the platform were what is usual, in this time."""
    bands = states.verify.bands
    rows = [row for row in bands.now.series(ALL, at) if row[0] > at - window_s - BUCKET_S]
    refused, attempts = sum(row[1] for row in rows), sum(row[2] for row in rows)
    whole = [bands.usual.pools[one] for one in sorted(bands.usual.pools)]
    before = sum(week.all_refused for week in whole), sum(week.all_attempts for week in whole)
    # As the baseline's own prior: one in a hundred, until more is known.
    return refused <= binomial_interval(before[0] + 1, before[1] + 100).high * attempts
