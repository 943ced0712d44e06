"""The observed facts of a whole run, followed again, lead to every derived one."""

from __future__ import annotations

import json

import pytest

from .runs import Run

pytestmark = pytest.mark.timeout(300)  # whole runs; another worker may make one first


def test_replay_reproduces_every_derived_fact(stalled: Run) -> None:
    done = stalled.unlisted("journal", "replay", "--json")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    said = json.loads(done.stdout)
    lines = [json.loads(line) for line in stalled.facts().splitlines()]
    derived = [one for one in lines if one["cause"] is not None]
    assert said["compared"] == len(derived) > 0
    assert said["observed"] == len(lines) - len(derived)
    assert said["differences"] == [] and said["quarantined"] == said["other_logic"] == 0


def test_the_queue_is_what_the_journal_says(stalled: Run) -> None:
    done = stalled.unlisted("queue", "check", "--json")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert json.loads(done.stdout)["different"] == []
