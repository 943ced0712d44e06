"""The product in a small world, as a process of its own: stopped at random moments, and killed."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from unlisted_sandbox.run import Options, Result, run

from .small_world import small


@functools.cache
def undisturbed(folder: Path) -> Result:
    return run(small(), Options(platforms=("unlisted",), export=folder, stall_limit_s=60.0))


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, bytes]:
    folder = tmp_path_factory.mktemp("quiet")
    return undisturbed(folder), journal(folder)


def journal(folder: Path) -> bytes:
    """All facts in order, as `unlisted journal export` prints them."""
    place = folder / "unlisted"
    command = [sys.executable, "-m", "unlisted", "journal", "export"]
    arguments = ["--config", str(place / "unlisted.toml"), "--state", str(place / "state")]
    done = subprocess.run([*command, *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_the_product_recovers_and_nothing_it_says_is_ahead_of_the_world(
    quiet: tuple[Result, bytes],
) -> None:
    result, facts = quiet
    score = result.platforms["unlisted"]
    assert result.faults == () and result.late == 0 and result.false_all_clear() == []
    assert facts and score.refusals > 0 and score.episodes > 0
    assert score.duplicates == 0 and score.spam_moved == 0
    assert score.recovered_s is not None and score.resolved_s is not None
    assert score.detect_s is not None and score.first_post_s is not None


def test_stopping_the_process_at_random_moments_changes_no_fact_and_no_figure(
    quiet: tuple[Result, bytes], tmp_path: Path
) -> None:
    options = Options(platforms=("unlisted",), export=tmp_path, stall=True, stall_limit_s=60.0)
    again = run(small(), options)
    assert again.late == 0 and again.faults == ()
    assert again.logs == quiet[0].logs
    assert again.json() == quiet[0].json()
    assert journal(tmp_path) == quiet[1]


def test_a_platform_killed_in_the_middle_is_started_again_and_loses_nothing(
    quiet: tuple[Result, bytes], tmp_path: Path
) -> None:
    world = small()
    options = Options(
        platforms=("unlisted",), export=tmp_path, kill_at=6.5 * 3600, stall_limit_s=60.0
    )
    result = run(world, options)
    assert result.late == 0 and result.faults == ()
    score, before = result.platforms["unlisted"], quiet[0].platforms["unlisted"]
    assert score.honest_delivered == before.honest_delivered
