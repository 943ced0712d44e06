"""Worlds in which something befalls a platform that it did not cause, played on virtual time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.sandbox.small_world import small

from unlisted.apps import virtual
from unlisted_sandbox.world import World
from unlisted_sandbox.world_sites import ListError, RangeListing

SMALL = Path(__file__).parents[1] / "worlds" / "small.toml"
H = 3600.0
ZONE = "bl.watchpost.example"


def quiet(**changes: object) -> World:
    """Half a working day without a hijack; whoever uses the list asks it each time."""
    world = small(hijacks=(), **changes)
    frame = msgspec.structs.replace(world.world, days=0.4, tail_h=6, submissions=360)
    frame = msgspec.structs.replace(frame, start=world.world.start.replace(hour=8))
    entry = msgspec.structs.replace(world.lists[0], ttl_s=60, negative_ttl_s=60)
    return msgspec.structs.replace(world, world=frame, lists=(entry,))


def refusals(world: World) -> tuple[dict[str, list[float]], virtual.virtual.Result]:
    """Hours of the refusals at each site, and the result."""
    result = virtual.run(world)
    found: dict[str, list[float]] = {}
    for line in result.logs["unlisted"].splitlines():
        event = msgspec.json.decode(line)
        if event["kind"] == "refused":
            found.setdefault(event["site"], []).append((event["at"] - world.start) / H)
    return found, result


@pytest.mark.parametrize(
    "events",
    [
        {"list_errors": (ListError(list=ZONE, at_h=2, for_h=4, addresses=3),)},
        {"ranges": (RangeListing(list=ZONE, at_h=2, for_h=4, txt="{ip}: a neighbour"),)},
    ],
    ids=["a list's error", "a neighbour's range"],
)
def test_who_uses_the_list_refuses_while_it_lists_and_nobody_is_held(
    events: dict[str, tuple[object, ...]],
) -> None:
    world = quiet(**events)
    found, result = refusals(world)
    score = result.platforms["unlisted"]
    users = {r.name for r in world.receivers if r.list}
    assert found and set(found) <= users
    assert all(2 <= h < 6.3 for hours in found.values() for h in hours)
    assert score.episodes == (3 if world.list_errors else 4)
    assert (score.hijacks, score.hijacks_named, score.honest_named) == (0, 0, 0)
    assert score.honest_senders_held == 0 and score.duplicates == 0
    assert score.mistakes == (3 if world.list_errors else 0) or score.range_listings
    assert not result.faults


def test_a_receiver_that_drops_the_list_refuses_no_more_others_still_do() -> None:
    world = quiet(ranges=(RangeListing(list=ZONE, at_h=1, for_h=9),))
    dropping = msgspec.structs.replace(world.receivers[0], drops_list_h=3.0)
    world = msgspec.structs.replace(world, receivers=(dropping, *world.receivers[1:]))
    found, result = refusals(world)
    late = {site for site, hours in found.items() if max(hours) > 3.05}
    assert min(found[dropping.name]) < 3 and dropping.name not in late and late
    assert result.platforms["unlisted"].list_drops == 1


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`./dev demo`, as that verb starts it."""
    command = [sys.executable, "-P", "-m", "unlisted_sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def made_for_virtual_time(tmp_path: Path) -> str:
    world = SMALL.read_text().replace('name = "small"', 'name = "small"\ntime = "virtual"')
    file = tmp_path / "small.toml"
    file.write_text(world.replace("submissions = 420", "submissions = 120"))
    return str(file)


def test_the_demo_plays_a_world_made_for_virtual_time_on_it(
    made_for_virtual_time: str, tmp_path: Path
) -> None:
    found = demo(
        "--world", made_for_virtual_time, "--seed", "3", "--json", str(tmp_path / "out.json")
    )
    assert found.returncode == 0, found.stderr
    assert "on virtual time" in found.stderr and "culprits_missed" in found.stdout
    result = json.loads((tmp_path / "out.json").read_bytes())
    assert result["seed"] == 3 and list(result["platforms"]) == ["unlisted"]
    assert result["platforms"]["unlisted"]["duplicates"] == 0
    assert result["platforms"]["unlisted"]["honest_named"] == 0


def test_what_virtual_time_lacks_is_refused(made_for_virtual_time: str) -> None:
    found = demo("--world", made_for_virtual_time, "--speed", "9", "--only", "bare")
    assert found.returncode == 2
    assert "--speed, --only: not on virtual time" in found.stderr
