"""`unlisted resend plan|run`: what it says, where it changes nothing, and whom it writes to."""

from __future__ import annotations

import contextlib
import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from tests.apps.conftest import SECRET
from tests.edge.watched_log import START, Traffic

from unlisted.apps.cli import main
from unlisted.edge import journal
from unlisted.facts import CausesRanked, Share, TimerFired


def watched(tmp_path: Path) -> tuple[str, str]:
    """A state folder in which a log told of a block, and the episode's name."""
    log, state = tmp_path / "mail.log", tmp_path / "state"
    log.write_bytes(Traffic().day())
    assert main(["watch", "--ours", "192.0.2.1", "--once", "--state", str(state), str(log)]) == 0
    db = journal.reader(state / journal.FILE)
    row = db.execute("select body from fact where kind='EpisodeOpened'").fetchone()
    db.close()
    return str(state), json.loads(row[0])["episode"]


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_watched_site_is_told_which_letters_and_writes_one_notice_for_each_sender(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, episode = watched(tmp_path)
    capsys.readouterr()
    assert main(["resend", "plan", "--state", state, "--json"]) == 0
    (plan,) = shown(capsys)
    assert plan["episode"] == episode and plan["recipients"] == 0
    assert main(["resend", "plan", episode, "--state", state, "--json"]) == 0
    lost = shown(capsys)["not_kept"]
    assert lost and all("@" in one["recipient"] for one in lost)
    assert main(["resend", "plan", episode, "--state", state]) == 0
    said = capsys.readouterr().out
    assert "Not kept here" in said and all(len(line) <= 80 for line in said.splitlines())
    folder = tmp_path / "notices"
    assert main(["resend", "plan", episode, "--state", state, "--notice", str(folder)]) == 0
    mails = [
        message_from_bytes(f.read_bytes(), policy=policy.default) for f in sorted(folder.iterdir())
    ]
    wanted = {one["to"] for one in lost if one["to"] and not one["culprit"]}
    assert [mail["To"] for mail in mails] == sorted(wanted) and wanted
    for mail in mails:
        text = " ".join(mail.get_content().split())
        for one in lost:
            if one["to"] == mail["To"]:
                assert one["recipient"] in text and one["name"] in text
    assert main(["resend", "plan", episode, "--state", state, "--notice", str(folder)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_the_switch_needs_a_running_service_and_an_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, episode = watched(tmp_path)
    assert main(["resend", "run", episode, "--state", state]) == 1
    assert "no running service" in capsys.readouterr().err
    assert main(["resend", "plan", "e0", "--state", state]) == 3
    assert "no episode e0" in capsys.readouterr().err


def ranked(state: str, episode: str, standings: dict[str, str]) -> None:
    """A later ranking by which these logins stand so."""
    path = Path(state) / journal.FILE
    with contextlib.closing(journal.reader(path)) as db:
        people = dict(db.execute("select value, person from personal").fetchall())
    shares = tuple(
        Share(sender=people[name], tenant="", share=0.4, low=0.1, high=0.9, standing=standing,
              guilty=standing == "guilty")
        for name, standing in standings.items()
    )  # fmt: skip
    named = tuple(one.sender for one in shares if one.guilty)
    fact = CausesRanked(
        at=START + 4000, episode=episode, verdict="probable", shares=shares, named=named,
        window_s=3600.0,
    )  # fmt: skip
    with contextlib.closing(journal.Journal(path, SECRET, durable=False)) as kept:
        timer = TimerFired(at=START + 4000, key="rank")
        kept.append(kept.last + 1, timer, [(kept.last + 2, fact, kept.last + 1)])
        kept.commit()


def test_who_stands_guilty_or_probable_is_asked_to_send_nothing_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, episode = watched(tmp_path)
    ranked(state, episode, {"login:u1": "probable", "login:u2": "guilty", "login:u3": "cleared"})
    capsys.readouterr()
    assert main(["resend", "plan", episode, "--state", state, "--json"]) == 0
    lost = shown(capsys)["not_kept"]
    theirs = {
        sender: [one for one in lost if one["sender"] == sender]
        for sender in ("login:u1", "login:u2")
    }
    assert all(theirs.values())
    left = [one for one in lost if one["culprit"]]
    assert sorted(one["sender"] for one in left) == sorted(
        one["sender"] for found in theirs.values() for one in found
    )
    folder = tmp_path / "notices"
    assert main(["resend", "plan", episode, "--state", state, "--notice", str(folder)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for sender, why in (("login:u1", "is a probable cause"), ("login:u2", "is named as a cause")):
        assert f"{len(theirs[sender])} letters left out: their sender {why} of this block" in said
    written = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"u3@our.example" in written
    assert b"u1@our.example" not in written and b"u2@our.example" not in written
    assert f"{len(lost) - len(left)} letters named" in said
    assert main(["resend", "plan", episode, "--state", state]) == 0
    table = capsys.readouterr().out
    assert "login:u1" not in table and "left out" in table


def test_every_page_counts_the_refusals_of_a_watched_block_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, state = tmp_path / "mail.log", str(tmp_path / "state")
    traffic = Traffic()
    later = (traffic.message(at=START + 2400 + 30 * i) for i in range(1500))
    log.write_bytes(traffic.day() + b"".join(later))
    refused = log.read_bytes().count(b"status=bounced")
    assert main(["watch", "--ours", "192.0.2.1", "--once", "--state", state, str(log)]) == 0
    capsys.readouterr()
    assert main(["episode", "list", "--state", state, "--json"]) == 0
    (one,) = shown(capsys)
    assert one["closed_at"] and one["refusals"] == refused
    assert main(["episode", "explain", one["id"], "--state", state]) == 0
    assert f"{refused} replies refused" in " ".join(capsys.readouterr().out.split())
    assert main(["resend", "plan", one["id"], "--state", state]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{refused} we have no copy of it" in said
    assert f"refused for this block: {refused} letters" in said
    assert main(["health", "review", "UL000001", "--state", state]) == 0
    assert f"by the watched server: {refused} messages" in capsys.readouterr().out
    assert main(["report", str(log), "--ours", "192.0.2.1"]) == 1  # a listing was found
    assert f"{refused} letters were refused for a block" in capsys.readouterr().out


def test_a_ranking_says_what_each_of_its_columns_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "mail.log"
    log.write_bytes(Traffic().day())
    main(["report", str(log), "--ours", "192.0.2.1"])
    said = " ".join(capsys.readouterr().out.split())
    assert "mail: recipients by 192.0.2.1 in the window above; no such user: of all" in said
    assert "by any address, from 2026-11-22 10:00 UTC to a day after the last refusal" in said
