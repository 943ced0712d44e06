import math
from hashlib import blake2b

import msgspec
import pytest

from unlisted.rates.edetector import EDetector, threshold


def chance(*key: object) -> float:
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "big") / 2**64


def refusals_until_alarm(block: float, level: float, stream: int, quiet: int = 30) -> int:
    detector = EDetector(p0=0.01)
    for i in range(quiet):
        if detector.update(chance("before", stream, i) < 0.01) >= level:
            detector = EDetector(p0=0.01)
    for i in range(5000):
        if detector.update(chance("after", stream, i) < block) >= level:
            return i + 1
    raise AssertionError("never")


@pytest.mark.parametrize(
    "block, streams, median, p95",
    [(0.95, 1, 4, 5), (0.95, 10**6, 7, 10), (0.30, 1, 20, 45), (0.05, 1, 320, 700)],
)
def test_a_block_is_news_within_few_events(block, streams, median, p95):
    many = 600 if block > 0.9 else 60
    needed = sorted(
        refusals_until_alarm(block, threshold(1e-6, streams), stream) for stream in range(many)
    )
    assert needed[many // 2] <= median
    assert needed[many * 95 // 100] <= p95


def test_at_the_baseline_there_is_no_alarm():
    level, worst = threshold(1e-6, 1), -math.inf
    for stream in range(60):
        detector = EDetector(p0=0.02)
        for i in range(1000):
            worst = max(worst, detector.update(chance(stream, i) < 0.02))
    assert worst < level


def test_it_goes_on_after_encoding_as_if_nothing_had_been():
    detector = EDetector(p0=0.01)
    for refused in (True, False, True):
        detector.update(refused)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(detector), type=EDetector)
    assert again.update(True) == detector.update(True)
    assert (again.events, again.refused) == (4, 3)


def test_a_hundred_thousand_refusals_do_not_overflow():
    detector = EDetector(p0=0.0)
    for _ in range(100_000):
        value = detector.update(True)
    assert math.isfinite(value) and value == detector.log_e()


@pytest.mark.parametrize("alpha, streams", [(0, 1), (1, 1), (0.1, 0)])
def test_a_level_that_is_none_is_refused(alpha, streams):
    with pytest.raises(ValueError, match="alpha"):
        threshold(alpha, streams)
