"""A re-send that is killed with SIGKILL and goes on: nobody gets two, nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from bench.resend_crash import measured

pytestmark = pytest.mark.timeout(300)

LETTERS, KILLS = 500, 5


def test_a_killed_re_send_gives_nobody_two(tmp_path: Path) -> None:
    verdict = asyncio.run(measured(tmp_path, LETTERS, KILLS, "e2e", seeded=True))
    assert verdict.twice == [] and verdict.lost == []
    # What was in the edge's hands at a kill: two connections for each of four sites.
    assert verdict.unknown <= KILLS * 8
    assert verdict.arrived >= LETTERS - verdict.unknown
