"""`unlisted watch`: real files, a real process; nothing twice, nothing lost, silence said aloud."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.edge.watched_log import START, Traffic

from unlisted.apps.cli import main
from unlisted.edge import journal
from unlisted.edge.journal import JournalError
from unlisted.edge.people import People, load_secret


def run(*args: str) -> int:
    return main(["watch", "--ours", "192.0.2.1", *args])


def facts_of(state: Path) -> list[tuple[str, object]]:
    """What was seen and what followed, without numbers."""
    db = journal.reader(state / journal.FILE)
    rows = db.execute("select kind, body from fact order by n").fetchall()
    db.close()
    found: list[tuple[str, object]] = []
    for kind, body in rows:
        data = json.loads(body)
        for name in ("because", "episode", "parent", "episodes"):
            data.pop(name, None)
        found.append((kind, data))
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "mail.log"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """With the same secret for all states of a test."""
    return tmp_path / "state"


def beside(state: Path, name: str) -> Path:
    other = state.with_name(name)
    other.mkdir()
    shutil.copy(state / "secret", other / "secret")
    return other


def evening() -> bytes:
    """The day, and some hours in which refusals are as rare as before it."""
    traffic = Traffic()
    day = traffic.day()
    last = START + 2 * traffic.number
    return day + b"".join(traffic.message(at=last + 59 * i) for i in range(1, 201))


def test_a_block_becomes_an_episode_and_an_incident_and_ends(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(evening())
    assert run("--once", "--state", str(state), str(log)) == 0
    said = capsys.readouterr().out
    flat = " ".join(said.split())  # where a line breaks hangs on the length of the path
    assert "192.0.2.1 is blocked on l.example since" in flat
    assert "all accept again; it is over when refusals are as rare as before, from " in flat
    assert "incident UL000001" in flat and "is over: the receivers accept again" in flat
    assert "although" not in flat  # no list was asked: none is known to list it still
    assert "1,400 attempts; last 2026-11-22 13:56:40 UTC" in flat and "no episode is open" in flat
    assert all(len(line) <= 80 for line in said.splitlines())


def test_the_journal_replays_and_shows_nobody(log: Path, state: Path) -> None:
    log.write_bytes(Traffic().day())
    run("--once", "--state", str(state), str(log))
    assert main(["journal", "replay", "--state", str(state)]) == 0
    text = str(facts_of(state))
    assert "our.example" not in text and "p1@" not in text
    people = People(load_secret(state / "secret"))
    assert people.login("u1") in text


def test_json_is_one_fact_a_line(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(evening())
    assert run("--once", "--json", "--state", str(state), str(log)) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert {"EpisodeOpened", "IncidentOpened", "EpisodeClosed"} <= set(kinds)


def test_a_second_look_finds_only_what_is_new(log: Path, state: Path) -> None:
    traffic = Traffic()
    log.write_bytes(traffic.day())
    run("--once", "--state", str(state), str(log))
    before = facts_of(state)
    run("--once", "--state", str(state), str(log))
    assert facts_of(state) == before
    with log.open("ab") as file:
        file.write(traffic.message(text="550 5.1.1 no such user"))
    run("--once", "--state", str(state), str(log))
    new = facts_of(state)[len(before) :]
    assert [kind for kind, _ in new].count("Bounce") == 1


def test_a_log_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--once", "--state", str(tmp_path / "s"), str(tmp_path / "none.log")) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert run("--state", str(tmp_path / "s")) == 2


KILLED = (
    "import os, sys\n"
    "from unlisted.edge import runner\n"
    "from unlisted.edge import log_feed, log_tail\n"
    "from unlisted.apps import watch, cli\n"
    "left = int(sys.argv[1])\n"
    "commit = runner.Runner.commit\n"
    "def counted(self):\n"
    "    global left\n"
    "    left -= 1\n"
    "    if left < 0: os.kill(os.getpid(), 9)\n"
    "    commit(self)\n"
    "    if left == 0: os.kill(os.getpid(), 9)\n"
    "runner.Runner.commit = counted\n"
    "poll = log_feed.Feed.poll\n"
    "log_feed.Feed.poll = lambda self, now, limit=30000: poll(self, now, limit)\n"
    "log_feed.MEMORY_EVERY_BYTES = 70000\n"
    "log_feed.MEMORY_EVERY_S = 1e9\n"
    "sys.exit(cli.main(sys.argv[2:]))\n"
)


def test_killed_again_and_again_it_ends_with_the_facts_of_one_run(log: Path, state: Path) -> None:
    text = Traffic().day()
    log.write_bytes(text)
    whole = state
    run("--once", "--state", str(whole), str(log))
    parts = beside(whole, "parts")
    command = ["watch", "--once", "--ours", "192.0.2.1", "--state", str(parts), str(log)]
    log.write_bytes(b"")
    grown = 0
    for turn in range(60):
        if grown < len(text):
            with log.open("ab") as file:
                file.write(text[grown : grown + 130_000])
            grown += 130_000
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(turn % 7), *command], timeout=60, check=False
        )
        if turn in (2, 6):
            log.rename(log.with_name(f"mail.log-{turn:03d}"))
            log.touch()
        if done.returncode == 0 and grown >= len(text):
            break
        assert done.returncode in (0, -9)
    else:
        raise AssertionError("it never came to the end")
    # `--once` ends each look by telling what it counted: minutes may be told in two parts.
    assert summed(facts_of(parts)) == summed(facts_of(whole))


def summed(found: list[tuple[str, object]]) -> dict[object, int]:
    """Bounces as they are; what was taken, by path, sender and minute; each kind's number."""
    sums: dict[object, int] = {}
    for kind, data in found:
        assert isinstance(data, dict)
        if kind == "Carried":
            for sender, count in data["senders"]:
                key = (data["address"], data["receiver"], sender, int(data["at"] // 60))
                sums[key] = sums.get(key, 0) + count
        elif kind in ("Bounce", "TransientFailure"):
            sums[json.dumps(data, sort_keys=True)] = (
                sums.get(json.dumps(data, sort_keys=True), 0) + 1
            )
        elif kind in ("EpisodeOpened", "EpisodeClosed", "Refusal", "IncidentOpened"):
            sums[kind] = sums.get(kind, 0) + 1
    return sums


@pytest.fixture
def live(log: Path, state: Path) -> Iterator[subprocess.Popen[str]]:
    log.touch()
    command = ["watch", "--json", "--ours", "192.0.2.1", "--state", str(state), str(log)]
    process = subprocess.Popen(
        [sys.executable, "-m", "unlisted", *command], stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_live_across_rotation_and_truncation_every_refusal_is_told_once(
    log: Path, state: Path, live: subprocess.Popen[str]
) -> None:
    traffic = Traffic()
    refused = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"
    now = time.time()
    for part in range(6):
        with log.open("ab") as file:
            for i in range(10):
                file.write(traffic.message(text=refused if i % 2 else "", at=now))
        waited(state, 5 * (part + 1))
        if part == 1:
            log.rename(log.with_name("mail.log.1"))
            log.touch()
        elif part == 3:
            shutil.copy(log, log.with_name("mail.log.0"))
            os.truncate(log, 0)
    live.send_signal(signal.SIGTERM)
    assert live.wait(20) == 0
    found = facts_of(state)
    keys = [data["row"]["key"] for kind, data in found if kind == "Bounce"]  # type: ignore[index]
    assert len(keys) == len(set(keys)) == 30
    assert live.stdout is not None
    kinds = [json.loads(line)["kind"] for line in live.stdout.read().splitlines()]
    assert kinds.count("EpisodeOpened") == 1 and kinds.count("Refusal") == 30


def waited(state: Path, bounces: int) -> None:
    """Until so many bounces stand in the journal."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            db = journal.reader(state / journal.FILE)
            (count,) = db.execute("select count(*) from fact where kind='Bounce'").fetchone()
            db.close()
        except (JournalError, sqlite3.Error):
            count = -1  # not made yet, or just being made
        if count >= bounces:
            return
        time.sleep(0.05)
    raise AssertionError(f"{count} of {bounces} bounces after 30 s")


def test_the_service_follows_the_log_and_its_page_shows_the_episode(
    tmp_path: Path, log: Path, state: Path
) -> None:
    traffic = Traffic()
    log.write_bytes(b"".join(traffic.message(at=time.time()) for _ in range(20)))
    config = tmp_path / "unlisted.toml"
    config.write_text(
        'state = "state"\n[smtp]\nlisten = ["127.0.0.1:0"]\n'
        '[http]\npublic = "127.0.0.1:0"\noperator = "127.0.0.1:0"\n'
        '[watch]\nlogs = ["mail.log"]\n'
        '[[pools]]\nname = "mta"\naddresses = ["192.0.2.1"]\nhelo = "out.example"\nwatched = true\n'
    )
    refused = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"
    for turn in range(2):  # the second time it goes on where the first stopped
        process = subprocess.Popen(
            [sys.executable, "-m", "unlisted", "serve", "--config", str(config)],
            stderr=subprocess.DEVNULL,
        )
        try:
            with log.open("ab") as file:
                for _ in range(6):
                    file.write(traffic.message(text=refused, at=time.time()))
            waited(state, 6 * (turn + 1))
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    found = facts_of(state)
    kinds = [kind for kind, _ in found]
    assert kinds.count("Bounce") == 12 and kinds.count("EpisodeOpened") == 1
    assert not {"Queued", "Settled", "StationFault", "SenderHeld"} & set(kinds)
    keys = [data["row"]["key"] for kind, data in found if kind == "Bounce"]  # type: ignore[index]
    assert len(set(keys)) == 12


def test_the_page_knows_silent_feeds_and_what_was_taken(log: Path, state: Path) -> None:
    from unlisted.edge.readmodel import ReadModel
    from unlisted.edge.service import open_runner
    from unlisted.facts import FeedHeard, FeedSilent

    log.write_bytes(Traffic().day())
    run("--once", "--state", str(state), str(log))
    runner = open_runner(state, load_secret(state / "secret"))
    runner.record_now(FeedSilent(at=START, feed="a.log", last_at=START - 900, usual_s=300))
    runner.record_now(FeedSilent(at=START, feed="b.log", last_at=START - 900, usual_s=300))
    runner.record_now(FeedHeard(at=START, feed="b.log", silent_s=900))
    model = ReadModel(state / journal.FILE, live=True)
    try:
        model.catch_up_now()
        assert list(model.silent) == ["a.log"]
        assert model.addresses["192.0.2.1"].today == 1125
    finally:
        model.close()
        runner.journal.close()


@pytest.mark.parametrize("ours", [(), ("--ours", "192.0.2.0/24"), ("--ours", "192.0.2.1")])
def test_the_blocked_address_is_the_one_the_replies_name(
    ours: tuple[str, ...], log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(Traffic().day())
    assert main(["watch", *ours, "--once", "--state", str(state), str(log)]) == 0
    assert "192.0.2.1 is blocked on l.example since" in capsys.readouterr().out
    used = {data["address"] for kind, data in facts_of(state) if kind == "Carried"}  # type: ignore[index]
    assert used == {"192.0.2.1"}, "mail before the first refusal left by the same address"


def test_an_address_that_is_not_ours_blames_nobody_and_is_told_in_the_sum(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(Traffic().day().replace(b"[192.0.2.1]", b"[203.0.113.77]"))
    assert run("--once", "--state", str(state), str(log)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "is blocked" not in said and "no episode is open" in said
    assert "refusals named addresses that are none of ours: 203.0.113.77 (75)" in said


def test_ours_that_is_no_network_is_refused_in_a_sentence(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(b"")
    for junk in ("300.1", "x", "192.0.2.0/33", ""):
        assert main(["watch", "--ours", junk, "--once", "--state", str(state), str(log)]) == 2
        assert "expected an address or network" in capsys.readouterr().err


def test_a_file_that_is_no_log_is_said_each_time_and_is_an_error(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk = log.with_name("junk")
    junk.write_bytes(bytes(range(256)) * 400)
    for _ in range(2):
        assert run("--once", "--state", str(state), str(junk)) == 2
        said = capsys.readouterr()
        assert "no log could be read" in said.err and "attempts" not in said.out
    log.write_bytes(Traffic().day())
    assert run("--once", "--state", str(state), str(junk), str(log)) == 0
    assert "junk: not read" in capsys.readouterr().err


def test_a_second_look_at_what_has_not_grown_says_nothing_new(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic = Traffic()
    log.write_bytes(traffic.day())
    said = []
    for _ in range(3):
        assert run("--once", "--state", str(state), str(log)) == 0
        said.append(" ".join(capsys.readouterr().out.split()))
        if len(said) == 2:
            with log.open("ab") as file:
                file.write(traffic.message())
    assert ["nothing new" in one for one in said] == [False, True, False]
    assert "1,200 attempts" in said[1] and "1,201 attempts" in said[2]


def test_without_a_draw_traffic_alone_makes_nobody_probable(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All mail of one sender goes by the blocked address; only unknown users speak against it."""
    texts = {False: Traffic().day()}
    unknown = Traffic()
    unknown_user = "550 5.1.1 <x@r.example>: user unknown"
    quiet = [unknown.message(text=unknown_user if i % 18 == 3 else "") for i in range(900)]
    refused = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"
    texts[True] = b"".join(quiet + [unknown.message(text=refused) for _ in range(20)])
    for probable, text in texts.items():
        log.write_bytes(text)
        assert run("--once", "--state", str(state / str(probable)), str(log)) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert ("who caused it: probable" in said) is probable
        assert ("do not exist" in said) is probable
        assert "who caused it: guilty" not in said


def test_a_world_of_logs_only_has_no_draw_says_so_and_names_nobody(
    log: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two days of a Postfix whose address is listed four times, each after hours of u3's mail."""
    traffic, lines = Traffic(), []
    refused = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"
    for listing in range(4):
        begin = START + listing * 12 * 3600
        for i in range(1000):
            text = refused if 800 <= i < 850 else ""
            one = traffic.message(text=text, at=begin + 12 * i)
            if 300 <= i < 800:
                one = re.sub(rb"(sasl_username=|from=<)u\d", rb"\1u3", one)
            lines.append(one)
    log.write_bytes(b"".join(lines))
    assert run("--once", "--state", str(state), str(log)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "there was no draw" in said and "who caused it: not enough evidence" in said
    ranked = [body for kind, body in facts_of(state) if kind == "CausesRanked"]
    assert len([kind for kind, _ in facts_of(state) if kind == "EpisodeOpened"]) >= 2
    for one in ranked:
        assert isinstance(one, dict)
        assert one["drawn"] is False and one["named"] == [] and not one.get("episodes_needed")
        assert one["verdict"] in ("not enough evidence", "probable")
    assert not [kind for kind, _ in facts_of(state) if kind == "SenderHeld"]


def test_a_stamp_of_a_year_that_cannot_be_stops_nothing(log: Path, state: Path) -> None:
    forged = b"9999-12-31T23:59:59+00:00 mx1 postfix/smtp[1]: 4Xk2Yz000009: to=<b@example.net>, relay=mx.example.net[198.51.100.1]:25, delay=1, delays=0/0/0/1, dsn=5.7.1, status=bounced (host mx.example.net[198.51.100.1] said: 554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org (in reply to RCPT TO command))\n"
    log.write_bytes(forged + Traffic().message(at=START))
    assert main(["watch", "--once", "--state", str(state), str(log)]) == 0
    journal = sqlite3.connect(state / "journal.db")
    assert journal.execute("select max(at) < 4102444800 from fact").fetchone() == (1,)
    journal.close()
