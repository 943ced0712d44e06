"""How soon a block is news, and how often nothing is called news.

A stream is the replies of one receiver to one egress address. Its usual share of refusals is drawn
between 0.1 % and 2 % (log-uniform) with a season; the detector is given only the upper bound that
`SeasonalBaseline` learnt from four weeks of quiet replies. Then the block begins. What is counted
is refusals after that (replies, the accepted ones included, go to stderr as well). Peers on the same streams: a CUSUM
tuned for a rise to 30 %, told the true baseline, and river's detectors where that is installed.

Parameters (--params FILE): streams, quiet_streams, quiet_events, base, season, alpha, split.
"""

import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.harness import Figure, Options
from unlisted.rates.baseline import HOURS, SeasonalBaseline
from unlisted.rates.edetector import EDetector, threshold
from unlisted.rates.many import ManyDetectors

DEFAULTS: dict[str, Any] = {
    "streams": 400,
    "quiet_streams": 1_000_000,
    "quiet_events": 1000,
    "base": [0.001, 0.02],
    "season": 0.5,  # of the logarithm, up and down over the day
    "alpha": 1e-6,
    "split": 1_000_000,
    "history_per_hour": 20,
}
BLOCKS = (0.05, 0.30, 0.95)
PATIENCE = 20_000


def run(options: Options) -> list[Figure]:
    p = DEFAULTS | options.parameters()
    alone, split = threshold(p["alpha"]), threshold(p["alpha"], p["split"])
    streams = Streams(p)
    found: dict[tuple[float, float], np.ndarray] = {}
    for block in BLOCKS:
        for level in (alone, split):
            found[block, level] = streams.needed(block, lambda i, q=level: ours(streams, i, q))
        peers = {"CUSUM": streams.needed(block, lambda i: cusum(streams.rate[i], alone))}
        for name, make in river_detectors():
            peers[name] = streams.needed(block, lambda i, m=make: m())
        words = [f"e-detector {spread(found[block, alone])}"]
        words += [f"split {spread(found[block, split])}"]
        words += [f"{name} {spread(x)}" for name, x in peers.items()]
        print(f"{block:.0%} block, median (p95): " + ", ".join(words), file=sys.stderr, flush=True)
    note = ", ".join(f"{name} {spread(x)}" for name, x in peers.items())
    cost = event_us()
    alarms, quiet, false_cusum = false_alarms(p, split)
    full, full_split = found[0.95, alone][0], found[0.95, split][0]
    n = len(full)
    return [
        Figure("full_block_median", quantile(full, 0.5), n, f"{note}; {cost}"),
        Figure("full_block_p95", quantile(full, 0.95), n),
        Figure("full_block_median_split", quantile(full_split, 0.5), n),
        Figure("full_block_p95_split", quantile(full_split, 0.95), n),
        Figure("false_alarms", alarms, quiet, f"CUSUM with the same bound: {false_cusum}"),
    ]


class Streams:
    """Streams with their true rates, what the baseline learnt of them, and their replies."""

    def __init__(self, p: dict[str, Any]) -> None:
        self.count = int(p["streams"])
        self.upper = np.empty(self.count)
        self.rate = rates(p, self.count, 1)
        for i in range(self.count):
            self.upper[i] = learnt(p, float(self.rate[i]), i)

    def needed(self, block: float, make: Callable[[int], Callable[[bool], bool]]) -> np.ndarray:
        """Refusals after the change until each stream's alarm, and replies."""
        out = np.empty((2, self.count))
        for i in range(self.count):
            chance = np.random.Generator(np.random.PCG64([7, i]))
            update = make(i)
            for refused in chance.random(200) < self.rate[i]:
                if update(bool(refused)):
                    update = make(i)
            replies = chance.random(PATIENCE) < block
            number = next((n for n, x in enumerate(replies) if update(bool(x))), PATIENCE - 1)
            out[:, i] = replies[: number + 1].sum(), number + 1
        return out


def rates(p: dict[str, Any], count: int, key: int) -> np.ndarray:
    low, high = np.log(p["base"])
    return np.exp(np.random.Generator(np.random.PCG64(key)).uniform(low, high, count))


def learnt(p: dict[str, Any], rate: float, i: int) -> float:
    """The upper bound for some hour after four quiet weeks; `rate` is that hour's, true."""
    chance = np.random.Generator(np.random.PCG64([3, i]))
    swing = np.exp(p["season"] * np.sin(np.arange(HOURS) / 24 * 2 * np.pi))
    hour = int(chance.integers(HOURS))
    swing /= swing[hour]
    baseline = SeasonalBaseline()
    for week in range(4):
        tried = chance.poisson(p["history_per_hour"], HOURS)
        refused = chance.binomial(tried, np.minimum(rate * swing, 0.5))
        for place in range(HOURS):
            at = (week * HOURS + place) * 3600.0
            baseline.learn(f"stream{i}", "pool", at, int(refused[place]), int(tried[place]))
    return baseline.upper(f"stream{i}", "pool", (4 * HOURS + hour) * 3600.0)


def ours(streams: Streams, i: int, level: float) -> Callable[[bool], bool]:
    detector = EDetector(p0=float(streams.upper[i]))
    return lambda refused: detector.update(refused) >= level


def cusum(rate: float, level: float) -> Callable[[bool], bool]:
    """Page's CUSUM between the true baseline and 30 %."""
    up, down = math.log(0.3 / rate), math.log(0.7 / (1 - rate))
    state = [0.0]

    def update(refused: bool) -> bool:
        state[0] = max(0.0, state[0] + (up if refused else down))
        return state[0] >= level

    return update


def river_detectors() -> list[tuple[str, Callable[[], Callable[[bool], bool]]]]:
    try:
        drift = importlib.import_module("river.drift")
    except ImportError:
        return []

    def wrap(make: Callable[[], Any]) -> Callable[[], Callable[[bool], bool]]:
        def begin() -> Callable[[bool], bool]:
            detector = make()

            def update(refused: bool) -> bool:
                detector.update(float(refused))
                return bool(detector.drift_detected)

            return update

        return begin

    return [
        ("river Page-Hinkley", wrap(drift.PageHinkley)),
        ("river ADWIN", wrap(lambda: drift.ADWIN(delta=1e-4))),
    ]


def versions() -> dict[str, str]:
    try:
        return {"river": importlib.import_module("river").__version__}
    except ImportError:
        return {"river": "not installed"}


def event_us() -> str:
    detector, peer = EDetector(p0=0.01), cusum(0.01, 99.0)
    events = [i % 97 == 0 for i in range(100_000)]
    began = time.process_time()
    for refused in events:
        detector.update(refused)
    middle = time.process_time()
    for refused in events:
        peer(refused)
    end = time.process_time()
    per = 1e6 / len(events)
    return f"{(middle - began) * per:.2f} us an event, CUSUM {(end - middle) * per:.2f}"


def false_alarms(p: dict[str, Any], level: float) -> tuple[int, int, int]:
    """Quiet streams, by refusals only: what passes in between is taken in one step."""
    alarms = cusum_alarms = 0
    total, events, block = int(p["quiet_streams"]), int(p["quiet_events"]), 100_000
    uppers = Streams(p | {"streams": max(10, min(2000, total // 100))})
    for begin in range(0, total, block):
        count = min(block, total - begin)
        chance = np.random.Generator(np.random.PCG64([11, begin]))
        which = chance.integers(0, uppers.count, count)
        rate, many = uppers.rate[which], ManyDetectors(uppers.upper[which])
        at = np.zeros(count, dtype=np.int64)
        quiet = np.ones(count, dtype=bool)
        walk, called = np.zeros(count), np.zeros(count, dtype=bool)
        up, down = np.log(0.3 / rate), np.log(0.7 / (1 - rate))
        while np.any(at < events):
            gap = chance.geometric(rate)
            refused = at + gap <= events
            passed = np.where(refused, gap - 1, np.maximum(events - at, 0))
            quiet &= many.advance(passed, refused) < level
            walk = np.where(refused, np.maximum(0.0, walk + down * passed) + up, walk)
            called |= walk >= level
            at += gap
        alarms += int((~quiet).sum())
        cusum_alarms += int(called.sum())
    return alarms, total, cusum_alarms


def quantile(values: np.ndarray, part: float) -> float:
    return float(np.sort(values)[min(len(values) - 1, int(part * len(values)))])


def spread(found: np.ndarray) -> str:
    """Median and 95th percentile of refusals, and of replies."""
    return ", replies ".join(f"{quantile(x, 0.5):g} ({quantile(x, 0.95):g})" for x in found)
