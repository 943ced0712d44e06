"""The world file: what is read, and how everything wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted_sandbox import worldfile
from unlisted_sandbox.world import TABLES, World
from unlisted_sandbox.world_keys import keys
from unlisted_sandbox.world_rules import broken
from unlisted_sandbox.worldfile import WORLDS, WorldError, parse, read

ROOT = Path(__file__).parents[2]
MIRROR = ROOT / "tests" / "worlds" / "mirror.toml"

SMALL = """
[world]
name = "small"
start = 2026-03-02T00:00:00Z
days = 1
submissions = 300

[[lists]]
zone = "bl.one.example"

[[receivers]]
name = "mx.one.example"
domains = ["one.example"]
share = 1
list = "bl.one.example"
access = "dns"
wording = "554 5.7.1 [{ip}] blocked using {zone}"

[tenants]
count = 6
senders_median = 3
"""


ONE = "bl.one.example"
HIJACK = "[[hijacks]]\nname='a'\nstart_h=1\nper_hour=9\n"


def problems(text: str) -> list[str]:
    with pytest.raises(WorldError) as error:
        parse(text.encode(), "w.toml")
    return str(error.value).splitlines()


def test_the_shipped_worlds_and_the_mirror_are_read() -> None:
    for path, hijacks in ((WORLDS / "demo.toml", 3), (MIRROR, 3), (WORLDS / "month.toml", 18)):
        world = read(path, seed=7)
        assert world.seed == 7
        assert len(world.hijacks) == hijacks
        assert hash(world) == hash(read(path, seed=7))


def test_all_problems_are_told_at_once_each_with_its_line_and_what_would_be_right() -> None:
    text = SMALL.replace('name = "small"', "nmae = 3").replace("count = 6", "count = 0")
    text = text.replace("share = 1", "share = -1").replace("[tenants]", "[tenant]\n[tenants]")
    assert problems(text) == [
        "w.toml:2: world.name: missing; give name on the stage page and in the result",
        "w.toml:3: world.nmae: no such key; did you mean name?",
        "w.toml:14: receivers.0.share: Expected float >= 0.0"
        " (weight in the choice of a recipient's site)",
        "w.toml:19: tenant: no such table; did you mean tenants?",
        "w.toml:21: tenants.count: Expected int >= 1 (tenants)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('list = "bl.one.example"', 'list = "bl.on.example"', "15: receivers.0.list: no list"),
        ("00Z", "00", "4: world.start: has no zone"),
        ("00Z", "00+02:00", "4: world.start: not in UTC"),
        ("days = 1", "days = 0.0", "5: world.days: Expected float > 0.0"),
        ("days = 1", "days = nan", "5: world.days: Expected float > 0.0"),
        ("[tenants]", "term_h = inf\n[tenants]", "no such key"),
        ('.example"\n\n', '.example"\nterm_h = inf\n', "term_h: Expected a finite number"),
        ("days = 1", "days = 1\ntail_h = 73", "6: world.tail_h: Expected float <= 72"),
        ("554 5.7.1 [", "5.7.1 [", "wording: line 1 must begin with the reply's one 4yz or 5yz"),
        ("{zone}", "{zome}", "wording: {zome} is not filled in"),
        ('"554 5', '"554-a\\n554-5', "wording: line 2: a hyphen follows"),
        ('access = "dns"', "", "receivers.0.access: a list goes with access dns or feed"),
        ('access = "dns"', 'access = "ldap"', 'or uses none: "dns", "feed", "none")'),
        ('["one.example"]', "[]", "13: receivers.0.domains: Expected array of length >= 1"),
        ('["one.example"]', '["One.example"]', "13: receivers.0.domains: One.example is not"),
        ("[tenants]", "[[tenants]]", "tenants: write it as [tenants]"),
        ("[world]", "[world]\n[world]", "not TOML"),
        ("[tenants]", "[content]\nspam = 'x'\n[tenants]", "content.spam: no phrase bank x; known"),
        ("[tenants]", '[[hijacks]]\nname="a"\nstart_h=1\n[tenants]', "give either per_hour or"),
        ("[tenants]", '[[letters]]\nname="a"\nat_h=25\nsize=1\n[tenants]', "after the scripted"),
        (
            "[tenants]",
            "[[list_errors]]\nlist='x'\nat_h=1\n[tenants]",
            "list_errors.0.list: no list x",
        ),
        ("[tenants]", f"[[ranges]]\nlist='{ONE}'\nat_h=24\n[tenants]", "at_h: after the scripted"),
        (
            "[tenants]",
            f"[[ranges]]\nlist='{ONE}'\nat_h=1\nfor_h=96\n[tenants]",
            "ends after the world",
        ),
        (
            "[tenants]",
            f"[[list_errors]]\nlist='{ONE}'\nat_h=1\naddresses=9\n[tenants]",
            "addresses: a pool has 8",
        ),
        ("[tenants]", HIJACK + "again='b'\n[tenants]", "hijacks.0.again: no hijack b above"),
        (
            "[tenants]",
            HIJACK + HIJACK.replace("'a'", "'b'") + "again='a'\n[tenants]",
            "hijacks.1.again: begins before a does",
        ),
        ("[tenants]", "[honest]\nweekdays=[1, 1]\n[tenants]", "write 7 volumes, Monday first"),
        ("[tenants]", "[honest]\nweekend_hours=[1]\n[tenants]", "write 24 weights, or none"),
        ("days = 1", 'days = 1\ntime = "slow"', "world.time: Invalid enum value"),
    ],
)
def test_a_mistake_is_named_where_it_is(old: str, new: str, said: str) -> None:
    assert old in SMALL
    assert any(said in line for line in problems(SMALL.replace(old, new)))


def test_a_missing_file_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="cannot be read"):
        read(tmp_path / "none.toml")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_world_or_a_world_error(data: bytes) -> None:
    try:
        assert isinstance(parse(data), World)
    except WorldError as error:
        assert error.problems


VALUES = st.one_of(
    st.integers(), st.floats(), st.text(max_size=20), st.booleans(), st.none(),
    st.lists(st.text(max_size=5), max_size=3),
)  # fmt: skip


@given(st.sampled_from(TABLES), st.data())
def test_any_value_of_any_key_gives_a_world_or_a_world_error(
    table: type[msgspec.Struct], data: st.DataObject
) -> None:
    raw = msgspec.toml.decode(SMALL.encode())
    name = next(
        f.name
        for f in msgspec.structs.fields(World)
        if table in (f.type, *getattr(f.type, "__args__", ()))
    )
    key = data.draw(st.sampled_from([k for k, _, _ in keys(table)]))
    row = raw.setdefault(name, [{}] if "tuple" in str(World.__annotations__[name]) else {})
    (row[0] if isinstance(row, list) else row)[key] = data.draw(VALUES)
    problems_found: list[worldfile.Problem] = []
    world = worldfile._read_tables(raw, {}, problems_found)
    if world is None:
        assert problems_found
    else:
        assert list(broken(world, [])) is not None


def test_every_key_is_documented_with_its_default_and_meaning() -> None:
    text = (ROOT / "docs" / "world.md").read_text()
    for table in TABLES:
        for key, default, meaning in keys(table):
            assert meaning, (table, key)
            shown = default if default == "required" else f"`{default}`"
            assert f"| `{key}` | {shown} | {meaning} |\n" in text, (table.__name__, key)
    for field in msgspec.structs.fields(World):
        assert f"## `[{field.name}]`" in text or f"## `[[{field.name}]]`" in text
