"""Same world, same seed: the same facts to the byte, whatever the machine does meanwhile."""

from __future__ import annotations

import pytest

from unlisted_sandbox.result import PLATFORMS

from .runs import Run

pytestmark = pytest.mark.timeout(300)  # whole runs; another worker may make one first


def test_the_small_world_has_everything_that_happens_to_a_platform(quiet: Run) -> None:
    assert quiet.said.faults == () and quiet.said.late == 0
    ours = quiet.score()
    assert ours.honest_submitted > 200 and ours.spam_submitted > 20
    assert ours.refusals > 0 and ours.episodes > 0 and ours.resent > 0
    assert ours.duplicates == 0 and ours.spam_moved == 0
    assert ours.detect_s is not None and ours.contain_s is not None
    assert ours.first_post_s is not None
    assert ours.recovered_s is not None and ours.resolved_s is not None
    for kind in (b'"hung"', b'"deferred"', b'"unknown"', b'"complaint"', b'"evidence"'):
        assert kind in quiet.log("unlisted"), kind


def test_a_process_stopped_at_random_moments_says_the_same_facts(quiet: Run, stalled: Run) -> None:
    assert stalled.facts() == quiet.facts()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_world_sees_the_same_within_each_instant(
    quiet: Run, stalled: Run, platform: str
) -> None:
    assert stalled.log(platform) == quiet.log(platform)


def test_the_scoreboard_is_the_same_to_the_byte(quiet: Run, stalled: Run) -> None:
    assert stalled.json() == quiet.json()


def test_no_message_is_seen_at_another_instant_than_it_was_sent(quiet: Run, stalled: Run) -> None:
    assert (quiet.said.late, stalled.said.late) == (0, 0)
    assert (quiet.said.faults, stalled.said.faults) == ((), ())
