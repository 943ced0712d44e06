"""The world's check for messages seen at another instant than they were sent: it must bite."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from unlisted_sandbox.result import Options
from unlisted_sandbox.run import run
from unlisted_sandbox.world import World

from .runs import STANDS_S, world

pytestmark = pytest.mark.timeout(300)
EARLY = (sys.executable, str(Path(__file__).with_name("early_unlisted.py")))
SHORT = Options(platforms=("unlisted",), stop_at=4.3 * 3600, stall=True, stall_limit_s=STANDS_S)


def prompt() -> World:
    """The small world with sites that answer at once: one that parks an act which has let go
    already makes time stand for good, and the run fails by that."""
    small = world()
    sites = tuple(
        msgspec.structs.replace(r, tarpit_s=0, answer_s=0, hang_share=0) for r in small.receivers
    )
    return msgspec.structs.replace(small, receivers=sites)


def test_a_product_that_lets_go_before_the_reply_is_caught() -> None:
    result = run(prompt(), msgspec.structs.replace(SHORT, serve=EARLY))
    assert result.late > 0
    assert any(fault.startswith("late: ") for fault in result.faults)


def test_the_same_stretch_without_the_mistake_is_not() -> None:
    result = run(prompt(), SHORT)
    assert result.late == 0 and result.faults == ()
