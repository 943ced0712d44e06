import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.rates.where import PRIOR, where

US, THEM = "127.0.0.1", "gmx"
CALM = {(f"127.0.0.{i}", r): (0, 20) for i in range(2, 9) for r in (THEM, "web", "post")}
CALM_HERE = {(US, r): (0, 20) for r in ("web", "post")}
LOUD = {(f"127.0.0.{i}", THEM): (14, 20) for i in range(2, 9)}


def each(refused: int, passed: int) -> dict[str, tuple[int, int]]:
    return {f"r{i}": (1, 1) for i in range(refused)} | {f"p{i}": (0, 1) for i in range(passed)}


@pytest.mark.parametrize(
    "cells, senders, kind",
    [
        (CALM | {(US, "web"): (15, 20), (US, "post"): (0, 20)}, each(6, 1), "address"),
        (CALM | CALM_HERE, each(6, 1), "receiver"),
        (CALM | CALM_HERE | LOUD, each(9, 4), "all"),
        (CALM | CALM_HERE, {"spammer": (30, 30)} | each(0, 12), "one_sender"),
        (CALM | CALM_HERE, each(0, 20), "usual"),
        ({}, {}, "usual"),
    ],
)
def test_the_likeliest_place_of_a_rise_is_told(cells, senders, kind):
    found = where(cells, US, THEM, senders)
    assert found.kind == kind, found
    assert found.settles


def test_what_is_not_yet_told_apart_is_shared_out():
    found = where(CALM, US, THEM, each(6, 0))
    assert found.probabilities["address"] > 0.2 and found.probabilities["receiver"] > 0.2
    assert "other receivers" in found.settles


COUNT = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda p: (p[0], p[0] + p[1]))
NAME = st.sampled_from([US, THEM, "a", "b"])


@given(
    st.dictionaries(st.tuples(NAME, NAME), COUNT, max_size=8),
    st.dictionaries(st.text(max_size=2), COUNT, max_size=8),
)
def test_any_counts_give_probabilities_that_add_up(cells, senders):
    found = where(cells, US, THEM, senders)
    assert sorted(found.probabilities) == sorted(PRIOR)
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert found.probability == max(found.probabilities.values())


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="no count"):
        where({(US, THEM): (2, 1)}, US, THEM, {})
