"""Listing policy and RFC 5782 names, as tables."""

from __future__ import annotations

import pytest

from unlisted_sandbox.blocklist import ListState, address_of, reversed_name
from unlisted_sandbox.world_sites import BlockList

H = 3600.0
IP = "127.21.0.3"
POLICY = BlockList(zone="bl.example", term_h=24, evidence_needed=2, listing_lag_s=60)


@pytest.mark.parametrize(
    ("changes", "evidence_h", "expected_h"),
    [
        pytest.param({}, [], [], id="no evidence, no listing"),
        pytest.param({}, [1], [], id="one piece never lists"),
        pytest.param({}, [1, 2], [(2, 26)], id="the second lists, for a term from it"),
        pytest.param({}, [1, 2, 20], [(2, 44)], id="new evidence prolongs from itself"),
        pytest.param({}, [1, 26], [], id="pieces further apart than the window"),
        pytest.param({}, [1, 2, 30, 31], [(2, 26), (31, 55)], id="lists again on new evidence"),
        pytest.param({"relists": False}, [1, 2, 3, 30, 31], [(2, 26)], id="a list that does not"),
        pytest.param({"evidence_needed": 3}, [1, 2, 3], [(3, 27)], id="another threshold"),
        pytest.param({"term_h": 2}, [1, 2, 5], [(2, 4), (5, 7)], id="window longer than term"),
        pytest.param({"trap_weight": 2}, [1], [], id="weights are the caller's"),
    ],
)
def test_evidence_makes_these_listings(
    changes: dict[str, float], evidence_h: list[float], expected_h: list[tuple[float, float]]
) -> None:
    import msgspec

    state = ListState(msgspec.structs.replace(POLICY, **changes))
    for at in evidence_h:
        state.learn(IP, "trap", 1.0, at * H)
    found = [((x.start - 60) / H, x.end / H) for x in state.listings()]
    assert found == expected_h


def test_a_heavy_piece_lists_alone_and_the_zone_has_it_after_the_lag() -> None:
    state = ListState(POLICY)
    state.learn(IP, "trap", 2.0, 1000.0)
    asked = [(1000.0, False), (1059.9, False), (1060.0, True), (1000 + 24 * H, False)]
    assert [(at, state.listed(IP, at)) for at, _ in asked] == asked
    assert not state.listed("127.21.0.4", 2000.0)


def test_two_lanes_share_nothing() -> None:
    one, other = ListState(POLICY), ListState(POLICY)
    one.learn(IP, "report", 2.0, 0.0)
    assert one.listed(IP, 100.0) and not other.listed(IP, 100.0)


def test_test_points_and_answers() -> None:
    state = ListState(POLICY)
    assert state.answer("127.0.0.2", 0.0).code == "127.0.0.2"
    assert state.answer("127.0.0.1", 0.0).code is None
    assert state.answer("127.0.0.1", 0.0).ttl_s == POLICY.negative_ttl_s
    assert state.answer("127.0.0.2", 0.0).txt == "Listed, see https://bl.example/?ip=127.0.0.2"


def test_evidence_does_not_go_back_in_time() -> None:
    state = ListState(POLICY)
    state.learn(IP, "trap", 1.0, 10.0)
    with pytest.raises(ValueError, match="back in time"):
        state.learn(IP, "trap", 1.0, 9.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3.0.21.127.bl.example", ("127.21.0.3", "bl.example")),
        ("3.0.21.127.BL.example.", ("127.21.0.3", "bl.example")),
        ("0.21.127.bl.example", None),
        ("3.0.21.256.bl.example", None),
        ("x.0.21.127.bl.example", None),
        ("bl.example", None),
        ("3.0.21.127.other.example", None),
    ],
)
def test_names_of_addresses(name: str, expected: tuple[str, str] | None) -> None:
    assert address_of(name, ("bl.example",)) == expected


def test_a_name_reads_back_as_its_address() -> None:
    assert reversed_name(IP, "bl.example") == "3.0.21.127.bl.example"
    assert address_of(reversed_name(IP, "bl.example"), ("bl.example",)) == (IP, "bl.example")
