"""One verdict of two answers: of which listing the guilty are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from unlisted.causes.nobody import Single
from unlisted.loop._verdict import Answer, _best, _named


def states(*held: str) -> Any:
    return SimpleNamespace(
        explain=SimpleNamespace(submits=lambda name: name != "watched", caused={}),
        contain=SimpleNamespace(hold_of=lambda name: name if name in held else None),
    )


def answered(ranged: float = 0.0) -> Answer:
    """Two listings: the loud one brought both, nearly; the quiet one had more mail at the second."""
    out = Answer({}, {}, {}, None, None, {}, {}, {}, {})
    out.singles = {
        "e1": Single("e1", 0.05, 0.9, (("loud", 0.97), ("quiet", 0.02), ("watched", 0.01))),
        "e2": Single("e2", 0.05, 0.9, (("loud", 0.95), ("quiet", 0.05))),
    }
    cause: Any = SimpleNamespace(range_probability=ranged, culprits=0.0)
    out.of_episode = {"e1": cause, "e2": cause}
    return out


EPISODES: list[Any] = [SimpleNamespace(id="e1"), SimpleNamespace(id="e2")]
GUILTY = ["loud", "quiet", "watched"]


@pytest.mark.parametrize(
    "held, ranged, first, second",
    [
        ((), 0.0, ("loud",), ("loud", "quiet")),
        (("quiet",), 0.0, ("loud",), ("loud",)),  # held: it is named for what it brought
        ((), 0.9, (), ()),  # a range brought them
    ],
)
def test_who_is_guilty_is_named_for_the_listing_it_had_the_largest_part_in_until_it_is_held(
    held: tuple[str, ...], ranged: float, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    known, out = states(*held), answered(ranged)
    best = _best(known, out, GUILTY, EPISODES)
    named = [_named(known, out, GUILTY, one, best) for one in EPISODES]
    assert named == [first, second]
