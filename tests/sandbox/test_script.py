"""The script of the two worlds: its sizes, its shares, and that nothing but behaviour tells."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from unlisted_sandbox import content, tokens
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.people import population
from unlisted_sandbox.script import Submission, by_hand, hijack, main, script
from unlisted_sandbox.world import World
from unlisted_sandbox.worldfile import WORLDS, read

DEMO = WORLDS / "demo.toml"
MIRROR = Path(__file__).parents[1] / "worlds" / "mirror.toml"


class Played:
    """A world with everything it would submit if nobody was ever refused."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people = population(world)
        self.directory = Directory(world)
        self.honest = list(script(world))
        self.hijacks = [list(hijack(world, n)) for n in range(len(world.hijacks))]
        self.spam = [s for h in self.hijacks for s in h]
        self.all = self.honest + self.spam

    def of(self, stream: str) -> dict[int, list[Submission]]:
        found: dict[int, list[Submission]] = {}
        for s in self.honest:
            origin = tokens.read(self.world.seed, s.token)
            assert origin is not None
            if origin.stream == stream:
                found.setdefault(origin.number, []).append(s)
        return found


@cache
def play(file: Path, seed: int) -> Played:
    return Played(read(file, seed))


CASES = [(DEMO, 1), (DEMO, 2), (DEMO, 3), (MIRROR, 1), (MIRROR, 2)]


@pytest.fixture(params=CASES, ids=lambda c: f"{c[0].stem}-{c[1]}", scope="module")
def played(request: pytest.FixtureRequest) -> Played:
    return play(*request.param)


def pairs(submissions: Sequence[Submission]) -> int:
    return sum(len(s.recipients) for s in submissions)


def share(played: Played, submissions: Sequence[Submission], kind: str) -> float:
    found = sum(played.directory.kind(r) == kind for s in submissions for r in s.recipients)
    return found / pairs(submissions)


def test_it_has_the_stated_number_of_submissions_within_the_scripted_days(played: Played) -> None:
    world = played.world
    assert abs(len(played.all) / world.world.submissions - 1) < 0.05
    assert all(world.start <= s.at < world.end for s in played.all)
    for stream in (played.honest, *played.hijacks):
        assert all(a.at <= b.at for a, b in pairwise(stream))
    ids = {s.id for s in played.all} | {s.token for s in played.all}
    assert len(ids) == 2 * len(played.all)


def test_a_newsletter_and_a_letter_are_larger_than_any_hijack(played: Played) -> None:
    most = max(pairs(h) for h in played.hijacks)
    assert pairs(played.of("newsletter")[0]) > most
    assert pairs(played.of("letter")[0]) > most
    assert min(len(played.of("newsletter")[0]), len(played.of("letter")[0])) > max(
        len(h) for h in played.hijacks
    )


def test_hijacks_start_at_different_times_and_one_stays_under_thirty_a_day(played: Played) -> None:
    starts = [h[0].at for h in played.hijacks]
    assert min(abs(a - b) for a in starts for b in starts if a != b) > 3 * 3600
    assert max(starts) < played.world.start + 60 * 3600
    days = Counter(int(s.at // 86400) for s in played.hijacks[2])
    assert max(days.values()) < 30


def test_in_one_hijacked_account_the_owner_goes_on_writing(played: Played) -> None:
    for n, row in enumerate(played.world.hijacks):
        login = played.people.of(n).login
        assert {s.login for s in played.hijacks[n]} == {login}
        since = played.hijacks[n][0].at
        after = [s for s in played.honest if s.login == login and s.at > since]
        assert row.owner_writes or not after
        if row.habit == "high":
            assert len(after) >= 3
            assert played.hijacks[n][-1].at > after[0].at


def test_unknown_users_and_traps_are_as_stated(played: Played) -> None:
    assert 0.002 <= share(played, played.honest, "unknown") <= 0.02
    assert share(played, played.honest, "trap") == 0
    for row, sent in zip(played.world.hijacks, played.hijacks, strict=True):
        for kind, stated in (("unknown", row.unknown_rate), ("trap", row.trap_share)):
            # Three standard errors: a quiet hijack has only some sixty recipients.
            spread = 3 * (stated / pairs(sent)) ** 0.5 + 0.01
            assert abs(share(played, sent, kind) - stated) < spread


def test_people_write_mostly_to_those_their_history_names(played: Played) -> None:
    known = {s.id: frozenset(s.contacts) for s in played.people.senders}
    people = [s for n in played.of("person").values() for s in n]
    new = sum(r not in known[s.sender] for s in people for r in s.recipients) / pairs(people)
    assert 0.08 < new < 0.2
    for n in range(len(played.world.hijacks)):
        strangers = [r not in known[s.sender] for s in played.hijacks[n] for r in s.recipients]
        assert sum(strangers) / len(strangers) > 0.95
    for sent in played.of("newsletter").values():
        assert sum(r not in known[s.sender] for s in sent for r in s.recipients) < 0.06 * len(sent)
    for sent in played.of("letter").values():
        assert sum(r not in known[s.sender] for s in sent for r in s.recipients) > 0.8 * len(sent)
    forms = [s for n in played.of("webform").values() for s in n]
    assert forms and all(s.login is None and s.password is None for s in forms)
    assert len({s.client for s in forms}) == len(played.world.webforms)


def test_honest_mail_follows_the_day_and_every_receiver_gets_its_share(played: Played) -> None:
    hours = Counter(int(s.at // 3600) % 24 for s in played.honest)
    assert sum(hours[h] for h in range(8, 18)) > 4 * sum(hours[h] for h in range(0, 6))
    to = Counter(r.partition("@")[2] for s in played.honest for r in s.recipients)
    total = sum(r.share for r in played.world.receivers)
    for receiver in played.world.receivers:
        got = sum(to[d] for d in receiver.domains) / sum(to.values())
        assert abs(got - receiver.share / total) < 0.04


# -- no tell


def header_names(s: Submission) -> tuple[str, ...]:
    head = s.data.partition(b"\r\n\r\n")[0].decode()
    return tuple(re.findall(r"^([\w-]+):", head, re.M))


def test_messages_are_well_formed_and_name_their_token_once_per_part(played: Played) -> None:
    for s in played.all[:: len(played.all) // 300]:
        assert b"\n" not in s.data.replace(b"\r\n", b"") and s.data.endswith(b"\r\n")
        assert max(map(len, s.data.split(b"\r\n"))) < 990
        message = email.message_from_bytes(s.data, policy=email.policy.default)
        assert not message.defects
        assert message["from"].addresses[0].addr_spec == s.reverse_path
        assert tuple(a.addr_spec for a in message["to"].addresses) == s.recipients
        assert abs(message["date"].datetime.timestamp() - s.at) < 1
        assert tokens.find(played.world.seed, s.data) == s.token
        parts = [p for p in message.walk() if not p.is_multipart()]
        assert all(p.get_content().count(f"[{s.token}]") == 1 for p in parts)
        assert "{" not in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_headers_and_mail_program_belong_to_the_login_whoever_uses_it(played: Played) -> None:
    def shape(s: Submission) -> tuple[object, ...]:
        message = email.message_from_bytes(s.data)
        refs = ("In-Reply-To", "References")
        return (
            tuple(h for h in header_names(s) if h not in refs),
            message["user-agent"],
            message.get_content_type(),
            re.sub(r"[0-9a-f]", "x", re.sub(r"[0-9A-F]", "X", message["message-id"].split("@")[0])),
        )

    def blurred(found: tuple[object, ...]) -> tuple[object, ...]:
        return (*found[:3], str(found[3]).lower())

    for n in range(len(played.hijacks)):
        login = played.people.of(n)
        program = content.AGENTS[login.agent % len(content.AGENTS)]
        seen = {blurred(shape(s)) for s in played.hijacks[n]}
        assert len(seen) == 1
        assert {blurred(shape(s)) for s in played.honest if s.login == login.login} <= seen
        assert program.name in next(iter(seen))
    anyone = {header_names(s) for s in played.honest}
    assert {header_names(s) for s in played.spam} <= anyone


def rate(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits)


def test_no_size_count_answer_or_client_address_tells_spam(played: Played) -> None:
    sizes = sorted(len(s.data) for s in played.honest)
    low, high = sizes[len(sizes) // 200], sizes[-len(sizes) // 200]
    assert rate([low <= len(s.data) <= high for s in played.spam]) > 0.97
    people = [s for n in played.of("person").values() for s in n]
    for n in (1, 2):
        counted = [rate([len(s.recipients) == n for s in part]) for part in (people, played.spam)]
        assert abs(counted[0] - counted[1]) < 0.06
    answers = [rate([b"In-Reply-To" in s.data for s in p]) for p in (people, played.spam)]
    assert abs(answers[0] - answers[1]) < 0.1
    usual = {s.login: s.clients for s in played.people.senders}
    roams = [rate([s.client not in usual[s.login] for s in p]) for p in (people, played.spam)]
    assert abs(roams[0] - roams[1]) < 0.05
    for part in (people, played.spam):
        assert all(s.client.startswith(("127.9", "127.10", "127.11")) for s in part)
    shape = re.compile(r"[0-9a-f]{16} [a-z2-7]{16}")
    assert all(shape.fullmatch(f"{s.id} {s.token}") for s in played.all)


def test_no_order_tells_spam(played: Played) -> None:
    hijacked = {played.people.of(n).login for n in range(len(played.hijacks))}
    for stream in played.hijacks:
        first, last = stream[0].at, stream[-1].at
        beside = [s for s in played.honest if first < s.at < last and s.login not in hijacked]
        assert len(beside) > 2 * len(stream)


def shingles(s: Submission) -> set[tuple[str, ...]]:
    text = email.message_from_bytes(s.data, policy=email.policy.default)
    body = text.get_body(("plain",)).get_content().lower()  # type: ignore[union-attr]
    words = re.findall(r"[a-z0-9]+", body)
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def alike(part: Sequence[Submission]) -> float:
    """Median likeness (Jaccard of word triples) of pairs from a part."""
    some = [shingles(s) for s in part[:: max(1, len(part) // 20)]]
    found = sorted(len(a & b) / len(a | b) for a, b in pairwise(some))
    return found[len(found) // 2]


def test_bulk_mail_is_near_duplicate_on_both_sides_and_letters_are_not(played: Played) -> None:
    assert alike(played.of("person")[0]) < 0.1
    for stream in played.hijacks:
        assert alike(stream) > 0.45
    for name in ("newsletter", "letter", "ticket", "webform"):
        for sent in played.of(name).values():
            assert alike(sent) > 0.45, name


def test_the_mirror_writes_honest_mail_with_the_other_worlds_spam_phrases() -> None:
    demo, mirror = play(DEMO, 1), play(MIRROR, 1)
    assert demo.world.content.honest == mirror.world.content.spam
    assert demo.world.content.spam == mirror.world.content.honest

    def vocabulary(part: Sequence[Submission]) -> set[tuple[str, ...]]:
        return set().union(*(shingles(s) for s in part[::25]))

    spam = vocabulary(demo.spam)
    swapped = len(spam & vocabulary(mirror.honest)) / len(spam)
    own = len(spam & vocabulary(demo.honest)) / len(spam)
    assert swapped > 3 * own


# -- by hand


def test_a_fifth_of_the_people_send_bounced_mail_again_once(played: Played) -> None:
    people = [s for n in played.of("person").values() for s in n]
    first = {s.sender: s for s in people}
    copies = {k: c for k, s in first.items() if (c := by_hand(played.world, s, s.at + 60))}
    assert 0.1 < len(copies) / len(first) < 0.32
    lags = sorted(c.at - first[k].at - 60 for k, c in copies.items())
    assert 0.5 < lags[len(lags) // 2] / played.world.by_hand.delay_s < 2
    for k, c in copies.items():
        s = first[k]
        assert c.token == s.token and c.id != s.id and c.copy_of == s.id and c.kind == "honest"
        assert c.data.partition(b"\r\n\r\n")[2] == s.data.partition(b"\r\n\r\n")[2]
        assert header_names(c) == header_names(s)
        old, new = email.message_from_bytes(s.data), email.message_from_bytes(c.data)
        assert old["message-id"] != new["message-id"] and old["subject"] == new["subject"]
        assert by_hand(played.world, c, c.at) is None
        # The same bounce always meets the same answer.
        assert by_hand(played.world, s, s.at + 60) == c
    many = next(s for s in people if len(s.recipients) > 1 and s.sender in copies)
    part = by_hand(played.world, many, many.at, many.recipients[1:])
    assert part is not None and part.recipients == many.recipients[1:]
    assert many.recipients[0].encode() not in part.data.partition(b"\r\n\r\n")[0]
    for s in (*played.spam[:50], *played.of("newsletter")[0][:50]):
        assert by_hand(played.world, s, s.at) is None


# -- the same every time

DIGEST = """
import hashlib, json, sys
from pathlib import Path
from unlisted_sandbox.habits import history
from unlisted_sandbox.script import hijack, script
from unlisted_sandbox.worldfile import read
w = read(Path(sys.argv[1]), 5)
h = hashlib.sha256()
for s in [*script(w), *hijack(w, 0), *hijack(w, 2)]:
    h.update(repr(s).encode())
for row in history(w):
    h.update(json.dumps(row).encode())
print(h.hexdigest())
"""


def test_the_script_is_the_same_under_any_hash_seed_and_on_a_second_call() -> None:
    found = set()
    for seed in ("0", "12345"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(MIRROR)],
            env=env, check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        found.add(done.stdout)
    world = read(MIRROR, 5)
    h = hashlib.sha256()
    from unlisted_sandbox.habits import history

    for s in [*script(world), *hijack(world, 0), *hijack(world, 2)]:
        h.update(repr(s).encode())
    for row in history(world):
        h.update(json.dumps(row).encode())
    assert found == {h.hexdigest() + "\n"}


def test_one_newsletter_more_changes_no_other_bulk_mail() -> None:
    world = read(MIRROR, 1)
    text = MIRROR.read_text() + '\n[[tickets]]\nname = "extra"\nper_day = 30\n'
    from unlisted_sandbox.worldfile import parse

    other = Played(parse(text.encode()))
    mine = play(MIRROR, 1)
    assert world == mine.world
    assert other.of("newsletter") == mine.of("newsletter")
    assert other.of("letter") == mine.of("letter")


def test_the_shipped_world_is_written_in_ten_seconds_of_cpu() -> None:
    population.cache_clear()
    begun = time.process_time()
    Played(read(DEMO, 9))
    assert time.process_time() - begun < 10


def test_the_summary_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(MIRROR), "--seed", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("submissions (target 6000)" in line for line in lines)


def test_a_bad_world_ends_the_summary_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.toml").write_text("[wrld]\n")
    assert main([str(tmp_path / "w.toml")]) == 2
    assert "did you mean world?" in capsys.readouterr().err
