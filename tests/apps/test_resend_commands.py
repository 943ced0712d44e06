"""`unlisted resend plan|run`: what it says, where it changes nothing, and whom it writes to."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from tests.edge.watched_log import Traffic

from unlisted.apps.cli import main
from unlisted.edge import journal


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
