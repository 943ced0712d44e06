"""The bench's worlds: made anew the same, honest about the truth, and small ones answered right."""

import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bench import explain, explain_world
from bench.harness import Options

QUICK = Path(explain.__file__).with_name("explain_quick.toml")
PARAMS = explain.parameters(tomllib.loads(QUICK.read_text("utf-8")))


@pytest.fixture(scope="module")
def honest() -> explain_world.Base:
    return explain_world.base(PARAMS)


def test_the_small_run_names_nobody_wrongly_and_answers_innocent_worlds_right() -> None:
    found = {figure.name: figure for figure in explain.run(Options(params=QUICK))}
    assert found["wrong_among_named"].value == 0 and found["wrong_among_named"].n >= 3
    assert found["honest_named_per_10k"].value == 0
    assert found["innocent_worlds_right"].value == 1
    assert "enrichment" in found["wrong_among_named"].peer


def test_the_same_seed_makes_the_same_world_and_another_one_another(
    honest: explain_world.Base,
) -> None:
    one, same, other = (explain_world.make(PARAMS, honest, "guilty", seed) for seed in (3, 3, 4))
    assert one.listings == same.listings != other.listings
    assert np.array_equal(one.exposures.address, same.exposures.address)
    assert one.share == same.share


def test_the_truth_fits_what_was_sent(honest: explain_world.Base) -> None:
    world = explain_world.make(PARAMS, honest, "guilty", 0)
    x = world.exposures
    assert set(world.cause) == {one.episode_id for one in world.listings}
    assert x.messages.sum() > honest.messages.sum()
    caused = Counter(world.cause.values())
    assert all(unit in world.guilty_units for unit in caused if unit[0] == "sender")
    # An address is on a list once at a time, and drawn evenly.
    spans: dict[int, float] = {}
    for one in sorted(world.listings, key=lambda y: y.opened):
        assert one.opened[0] >= spans.get(one.address, 0.0)
        spans[one.address] = one.released[0] if one.released else float("inf")
    share = np.bincount(x.address, minlength=x.addresses) / len(x.address)
    assert share.max() < 2.5 / x.addresses


def test_parameters_given_are_laid_over_the_shipped_ones() -> None:
    found = explain.parameters({"list": {"term_h": 12}, "days": 3})
    assert (found["list"]["term_h"], found["list"]["pieces"], found["days"]) == (12, 2, 3)
    assert len(found["kinds"]) > 10
