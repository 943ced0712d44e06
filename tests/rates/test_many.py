import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.rates.edetector import EDetector
from unlisted.rates.many import ManyDetectors

STEPS = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=12)


@given(STEPS, st.floats(0, 1))
def test_many_detectors_say_what_single_ones_say(steps, p0):
    single, many = EDetector(p0=p0), ManyDetectors([p0, p0])
    for passed, refused in steps:
        for _ in range(passed):
            single.update(False)
        if refused:
            single.update(True)
        found = many.advance([passed, passed], [refused, refused])
        assert found[0] == found[1] == pytest.approx(single.log_e(), rel=1e-6, abs=1e-6)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="below zero"):
        ManyDetectors([0.01]).advance([-1], [True])


def test_nothing_overflows():
    many = ManyDetectors(np.zeros(3))
    for _ in range(500):
        found = many.advance([0, 10**9, 3], [True, True, False])
    assert np.all(np.isfinite(found[:2]))
