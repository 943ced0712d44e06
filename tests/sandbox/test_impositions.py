"""Listings that no mail of the platform caused, and receivers that stop asking."""

from __future__ import annotations

import msgspec
from tests.sandbox.small_world import small

from unlisted_sandbox.blocklist import ListState, imposed
from unlisted_sandbox.world import World
from unlisted_sandbox.world_sites import ListError, RangeListing

H = 3600.0
POOL = tuple(f"127.20.0.{n}" for n in range(1, 17))
OTHER_POOL = tuple(f"127.21.0.{n}" for n in range(1, 17))
ZONE = "bl.watchpost.example"


def world() -> World:
    return small(
        list_errors=(ListError(list=ZONE, at_h=2, for_h=3, addresses=2),),
        ranges=(RangeListing(list=ZONE, at_h=6, for_h=1, txt="{ip}: its whole network"),),
    )


def state(pool: tuple[str, ...] = POOL) -> ListState:
    one = world()
    return ListState(one.lists[0], imposed(one, ZONE, pool))


def test_a_mistake_lists_some_addresses_for_its_hours() -> None:
    start, found = world().start, state()
    counts = [
        sum(found.listed(a, start + h * H) for a in POOL) for h in (1.99, 2, 4.99, 5, 6, 6.99, 7)
    ]
    assert counts == [0, 2, 2, 0, 16, 16, 0]
    assert [x.why for x in found.listings()] == ["mistake"] * 2 + ["range"] * 16


def test_the_same_places_of_every_pool_are_hit() -> None:
    one, other = (
        [x.address.rpartition(".")[2] for x in state(pool).listings() if x.why == "mistake"]
        for pool in (POOL, OTHER_POOL)
    )
    assert one == other


def test_a_network_is_listed_in_the_lists_words_for_it_and_a_mistake_in_its_usual_ones() -> None:
    start, found = world().start, state()
    assert found.answer(POOL[3], start + 6 * H).txt == f"{POOL[3]}: its whole network"
    wrong = next(x.address for x in found.listings() if x.why == "mistake")
    assert found.answer(wrong, start + 3 * H).txt.startswith(f"Mail from {wrong} reached our traps")


def test_what_is_still_to_be_imposed_is_not_open() -> None:
    start, found = world().start, state()
    assert [len(found.open_at(start + h * H)) for h in (1, 3, 5.5, 6.5, 8)] == [0, 2, 0, 16, 0]


def test_evidence_lists_an_address_beside_what_is_imposed() -> None:
    one = world()
    found = ListState(one.lists[0], imposed(one, ZONE, POOL))
    for minute in (0, 1):
        found.learn(POOL[0], "trap", 1.0, one.start + 6 * H + 60 * minute)
    mine = [x for x in found.listings() if x.address == POOL[0]]
    assert sorted(x.why for x in mine)[0] == "evidence"
    assert found.listed(POOL[0], one.start + 7.5 * H)


def test_another_list_lists_nothing() -> None:
    assert not list(imposed(world(), "bl.other.example", POOL))
    assert not list(imposed(small(), ZONE, POOL))
    assert msgspec.structs.replace(world(), list_errors=(), ranges=()) == small()
