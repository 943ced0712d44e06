"""The arithmetic of what was said of the causes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.sandbox.small_world import small

from unlisted_sandbox.blocklist import Listing, ListState
from unlisted_sandbox.script import hijack
from unlisted_sandbox.verdicts import (
    accusations,
    accused_innocents,
    answered,
    dropped,
    uses,
    was_named,
)
from unlisted_sandbox.viewer import Seen
from unlisted_sandbox.world_senders import Hijack

H = 3600.0
ZONE = "bl.watchpost.example"
A, B = "127.20.0.1", "127.20.0.2"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def told(at: float, verdict: str, *named: str, episode: str = "e1") -> dict[str, Any]:
    return {"episode": episode, "at": iso(at), "verdict": verdict, "named": list(named)}


def test_only_guilty_verdicts_accuse() -> None:
    causes = [told(9, "guilty", "x", "y"), told(5, "probable", "x"), told(7, "nobody here")]
    assert accusations(causes) == [(9.0, "x"), (9.0, "y")]


@pytest.mark.parametrize(
    ("at", "first_use", "second_use"),
    [(5, False, False), (10, True, False), (50, True, False), (100, False, True)],
)
def test_an_account_taken_twice_must_be_named_twice(
    at: float, first_use: bool, second_use: bool
) -> None:
    named = [(at, "x")]
    assert was_named(named, "x", 10.0, 100.0) is first_use
    assert was_named(named, "x", 100.0, math.inf) is second_use


def test_an_account_is_innocent_until_its_first_mail() -> None:
    used = [("x", 10.0, 100.0), ("x", 100.0, math.inf)]
    named = [(5.0, "x"), (50.0, "x")]
    assert accused_innocents(named, used) == ["x"]
    assert accused_innocents(named[1:], used) == []
    assert accused_innocents([(50.0, "honest")], used) == ["honest"]


def test_a_hijack_is_used_from_its_first_mail_until_the_account_is_taken_again() -> None:
    first = Hijack(name="one", start_h=1, per_hour=30, total_max=3)
    again = Hijack(name="two", start_h=8, per_hour=30, total_max=3, again="one")
    unused = Hijack(name="three", start_h=3, per_hour=30, total_max=3)
    world = small(hijacks=(first, again, unused))
    spam = [*hijack(world, 0), *hijack(world, 1)]
    (one, start, until), (other, then, over) = uses(world, spam)
    assert one == other and start == world.start + H and until == then == world.start + 8 * H
    assert over == math.inf


def seen(name: str, address: str, at: float, **more: object) -> Seen:
    return Seen(name, at, {"address": address, "list": ZONE, **more})


def looked(episodes: list[Seen], causes: list[dict[str, Any]]) -> Any:
    return SimpleNamespace(episodes={one.id: one for one in episodes}, causes=causes)


def lane(state: ListState) -> Any:
    return SimpleNamespace(lists={ZONE: state})


def test_the_last_verdict_on_a_mistake_counts() -> None:
    mistakes = [Listing(A, 100, 200, "mistake"), Listing(B, 100, 200, "mistake")]
    state = ListState(small().lists[0], mistakes)
    causes = [
        told(110, "not enough evidence"),
        told(150, "nobody here"),
        told(120, "guilty", "x", episode="e2"),
    ]
    viewer = looked([seen("e1", A, 105), seen("e2", B, 101)], causes)
    assert answered(lane(state), viewer, "mistake", 300) == ["nobody here", "guilty"]
    assert answered(lane(state), viewer, "range", 300) == []
    unseen = looked([seen("e1", A, 250)], causes)
    assert answered(lane(state), unseen, "mistake", 300) == []


def test_a_mistake_that_our_own_mail_would_have_made_true_is_left_out() -> None:
    state = ListState(small().lists[0], [Listing(A, 100, 200, "mistake")])
    state.learn(A, "trap", 9.0, 120.0)
    assert answered(lane(state), looked([seen("e1", A, 105)], []), "mistake", 300) == []


@pytest.mark.parametrize(
    ("listed_h", "said_h", "expected"),
    [(5.5, 7, {"r": True}), (5.5, 5.9, {"r": False}), (9, 7, {}), (5.5, None, {"r": False})],
)
def test_a_drop_counts_when_something_was_listed_and_is_named_after_it(
    listed_h: float, said_h: float | None, expected: dict[str, bool]
) -> None:
    import msgspec

    world = small()
    receiver = msgspec.structs.replace(world.receivers[0], name="r", drops_list_h=6)
    world = msgspec.structs.replace(world, receivers=(receiver, *world.receivers[1:]))
    start = world.start
    state = ListState(world.lists[0], [Listing(A, start + listed_h * H, start + 30 * H, "mistake")])
    said = [] if said_h is None else [{"receiver": "r", "at": iso(start + said_h * H)}]
    viewer = looked([seen("e1", A, start + listed_h * H, dropped_by=said)], [])
    assert dropped(lane(state), world, viewer, start + 48 * H) == expected
