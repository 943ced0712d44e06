"""Who is in a world, and what was before it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from tests.sandbox.small_world import small

from unlisted_sandbox import names, tokens
from unlisted_sandbox.addresses import stranger
from unlisted_sandbox.chance import Draw, poisson, uniform
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.habits import history
from unlisted_sandbox.people import population
from unlisted_sandbox.script import hijack
from unlisted_sandbox.weekdays import hours_of, weekday_factor
from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Hijack
from unlisted_sandbox.worldfile import WORLDS, read

FILES = (WORLDS / "demo.toml", Path(__file__).parents[1] / "worlds" / "mirror.toml")


@pytest.fixture(params=FILES, ids=lambda f: f.stem, scope="module")
def world(request: pytest.FixtureRequest) -> World:
    return read(request.param, seed=3)


def test_chance_depends_on_every_id_and_on_nothing_else() -> None:
    assert uniform(1, "a", "bc") == uniform(1, "a", "bc")
    assert len({uniform(1, "a", "bc"), uniform(1, "ab", "c"), uniform(2, "a", "bc")}) == 3
    many = [uniform(1, n) for n in range(4000)]
    assert abs(sum(many) / 4000 - 0.5) < 0.02
    for mean in (0.3, 4.0, 200.0):
        assert abs(sum(poisson(mean, 1, n) for n in range(3000)) / 3000 / mean - 1) < 0.07
    beta = [Draw(1, n).beta(1.5, 10.5) for n in range(3000)]
    assert abs(sum(beta) / 3000 - 0.125) < 0.01
    assert sorted(Draw(1).sample(range(9), 20)) == list(range(9))


def test_names_and_logins_are_unique(world: World) -> None:
    people = population(world)
    assert len(people.tenants) == len(set(people.tenants)) == world.tenants.count
    assert len({s.id for s in people.senders}) == len(people.senders)
    logins = [s.login for s in people.senders if s.login]
    assert len(set(logins)) == len(logins)
    hosts = [s.clients for s in people.senders if s.host]
    assert len(set(hosts)) == len(world.webforms)


def test_hijacked_accounts_are_ordinary_people_of_different_tenants(world: World) -> None:
    people = population(world)
    accounts = [people.of(n) for n in range(len(world.hijacks))]
    assert len({a.tenant for a in accounts}) == len(accounts)
    volumes = sorted(s.per_day for s in people.senders if s.kind == "person")
    for row, account in zip(world.hijacks, accounts, strict=True):
        assert account.kind == "person" and account.letter < 0
        rank = volumes.index(account.per_day) / len(volumes)
        low, high = {"low": (0, 0.34), "middle": (0.33, 0.67), "high": (0.66, 1)}[row.habit]
        assert low <= rank <= high


def test_the_directory_knows_who_exists_and_spelling_does_not_tell(world: World) -> None:
    directory = Directory(world)
    draw = Draw(world.seed, "spelling")
    shapes: dict[str, Counter[str]] = {}
    for kind, n in (("mailbox", 1500), ("unknown", 1500), ("trap", 600)):
        found = [stranger(world, draw, kind) for _ in range(n)]  # type: ignore[arg-type]
        assert {directory.kind(a) for a in found} == {kind}
        assert {directory.kind(a.upper()) for a in found} == {kind}
        counts: Counter[str] = Counter()
        for address in found:
            local, _, domain = address.partition("@")
            counts[re.sub(r"[a-z]+", "a", re.sub(r"\d+", "0", local))] += 1
            counts[domain] += 1
        shapes[kind] = counts
        for shape, count in counts.items():
            shapes[kind][shape] = round(1000 * count / n)
    for kind in ("unknown", "trap"):
        for shape in shapes["mailbox"] | shapes[kind]:
            assert abs(shapes["mailbox"][shape] - shapes[kind][shape]) < 80, shape
    assert directory.kind("nobody@elsewhere.invalid") == "unknown"
    assert directory.kind("postmaster@" + world.receivers[0].domains[0]) == "mailbox"
    sender = population(world).senders[0]
    assert directory.kind(sender.address) == "mailbox"
    assert directory.kind("no-such@" + sender.tenant) == "unknown"


def test_recipients_answer_by_the_rates_of_what_they_got(world: World) -> None:
    directory = Directory(world)
    entry = world.lists[0]
    loud = world.hijacks[0]
    draw = Draw(world.seed, "answers")
    to = [stranger(world, draw) for _ in range(4000)]
    mine = [tokens.mint(world.seed, tokens.Origin("hijack", 0), str(n)) for n in range(4000)]
    fine = [tokens.mint(world.seed, tokens.Origin("person", 0), str(n)) for n in range(4000)]
    reported = [
        e for a, t in zip(to, mine, strict=True) if (e := directory.evidence(entry, a, t, 1000.0))
    ]
    assert {e.kind for e in reported} == {"report"}
    assert abs(len(reported) / 4000 - loud.report_share) < 0.015
    lags = sorted(e.at - 1000.0 for e in reported)
    assert 0.5 < lags[len(lags) // 2] / entry.report_lag_s < 2
    complained = sum(directory.complains(a, t) for a, t in zip(to, mine, strict=True))
    assert abs(complained / 4000 - loud.arf_share) < 0.012
    assert sum(directory.complains(a, t) for a, t in zip(to, fine, strict=True)) < 8
    assert not any(directory.evidence(entry, a, "a" * 16, 0.0) for a in to[:200])
    trap = stranger(world, draw, "trap")
    found = directory.evidence(entry, trap, fine[0], 5.0)
    assert found is not None and found.kind == "trap" and found.at > 5.0
    ghost = stranger(world, draw, "unknown")
    assert not any(directory.reports(ghost, t) or directory.complains(ghost, t) for t in mine)


def test_the_world_reads_its_own_tokens_and_no_others() -> None:
    for number, stream in enumerate(tokens.STREAMS):
        origin = tokens.Origin(stream, number)
        token = tokens.mint(1, origin, "m")
        assert tokens.read(1, token) == origin
        assert tokens.read(2, token) is None
        assert tokens.find(1, b"x\r\n[" + token.encode() + b"]\r\n") == token
    for junk in ("", "a" * 16, "A" * 16, "a" * 17, "é" * 16, "0" * 16):
        assert tokens.read(1, junk) is None


def test_history_is_that_of_the_same_habits(world: World) -> None:
    people = population(world)
    rows = {str(row["sender"]): row for row in history(world)}
    assert list(rows) == sorted(rows) == sorted(s.id for s in people.senders)
    kinds = Counter(len(row["days"]) for row in rows.values())
    assert kinds == {world.world.history_days: len(rows)}
    persons = [s for s in people.senders if s.kind == "person" and s.since_day <= -60]
    # Volume: as many a day as the script has, give or take the luck of 60 days.
    expected = sum(s.per_day for s in persons) * (5 + 2 * world.honest.weekend) / 7 * 60
    messages = sum(day[0] for s in persons for day in rows[s.id]["days"])
    assert 0.93 < messages / expected < 1.07
    total, new, unknown = (
        sum(day[i] for s in persons for day in rows[s.id]["days"]) for i in (1, 2, 3)
    )
    assert 0.002 <= unknown / total <= 0.02
    assert 0.08 < new / total < 0.18
    for s in people.senders:
        days = rows[s.id]["days"]
        assert set(rows[s.id]["correspondents"]) == set(s.contacts)
        if s.kind == "newsletter":
            row = world.newsletters[s.number]
            issues = [d for d in days if d[1]]
            assert len(issues) >= 60 // row.every_days - 1
            assert all(d[1] == row.size and d[2] < 0.1 * row.size for d in issues)
        if s.letter >= 0:
            assert max(d[1] for d in days) < 40  # never wrote to many before
        if s.kind == "ticket":
            assert sum(d[2] for d in days) > 0.3 * sum(d[1] for d in days)
    ordinary = max(d[0] for n in range(3) for d in rows[people.of(n).id]["days"])
    assert ordinary < 100


def test_letters_call_people_by_the_name_in_their_address() -> None:
    assert names.called("anna.berg@one.example") == "Anna"
    assert names.called("mila42@one.example") == "Mila"
    assert names.called("aberg@one.example") == ""


def test_a_week_has_its_days_a_holiday_is_a_sunday_and_a_weekend_has_its_own_hours() -> None:
    world = small()
    days = (1.0, 1.2, 1.0, 1.0, 0.8, 0.2, 0.1)
    late = tuple(float(hour == 23) for hour in range(24))
    honest = msgspec.structs.replace(world.honest, weekdays=days, weekend_hours=late, holidays=(1,))
    world = msgspec.structs.replace(world, honest=honest)
    assert [weekday_factor(world, d) for d in range(7)] == [1.0, 0.1, 1.0, 1.0, 0.8, 0.2, 0.1]
    assert weekday_factor(world, -1) == 0.1
    assert hours_of(world, 0) == honest.hours and hours_of(world, 1) == hours_of(world, 6) == late


def test_an_account_may_be_taken_again_and_a_letter_go_out_from_several() -> None:
    one, other, third = (
        Hijack(name=n, start_h=h, per_hour=60, total_max=20, campaign="c", again=again)
        for n, h, again in (("a", 1, ""), ("b", 2, ""), ("c", 9, "a"))
    )
    world = small(hijacks=(one, other, third))
    accounts = [population(world).of(n).id for n in range(3)]
    assert accounts[0] == accounts[2] != accounts[1]
    subjects = {
        re.search(rb"Subject: (.*?)\r", s.data)[1] for n in range(3) for s in hijack(world, n)
    }
    assert len(subjects) < 12  # sixty copies of one letter, each with some words of its own
