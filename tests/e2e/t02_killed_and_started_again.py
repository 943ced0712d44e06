"""A platform that dies by kill -9 in the middle of a run: time stands until it is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlisted_sandbox.result import Options

from .runs import Run, made

pytestmark = pytest.mark.timeout(300)  # whole runs; another worker may make one first

KILLS = 6


def test_killed_while_nothing_is_in_hand_it_says_the_same_to_everybody(
    quiet: Run, tmp_path: Path
) -> None:
    run = made(tmp_path / "run", Options(platforms=("unlisted",), kill_at=5.5 * 3600))
    assert run.said.faults == () and run.said.late == 0
    assert run.score().honest_delivered == quiet.score().honest_delivered
    assert run.score().duplicates == 0
    sound(run)


def test_killed_in_the_middle_of_anything_it_ends_and_loses_nothing(
    quiet: Run, tmp_path: Path
) -> None:
    run = made(tmp_path / "run", Options(platforms=("unlisted",), kills=KILLS))
    assert run.said.faults == () and run.said.late == 0
    assert run.score().honest_delivered == quiet.score().honest_delivered
    # A copy more only where the final reply was in flight or not yet durable.
    assert run.score().duplicates <= KILLS
    sound(run)


def sound(run: Run) -> None:
    """The queue is what the journal says, and the facts lead to what was derived."""
    for command in (("queue", "check"), ("journal", "replay")):
        done = run.unlisted(*command)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
