"""The two platforms of the sandbox through a small world, on real sockets and the stepping clock."""

from __future__ import annotations

import functools

import msgspec
import pytest

from unlisted_sandbox.eventlog import Event
from unlisted_sandbox.result import Options, Result
from unlisted_sandbox.run import run
from unlisted_sandbox.score import table
from unlisted_sandbox.world_senders import ByHand

from .small_world import small

BOTH = Options(platforms=("bare", "usual"), stall_limit_s=60.0)


@functools.cache
def first() -> Result:
    return run(small(), BOTH)


def events(result: Result, lane: str) -> list[Event]:
    lines = result.logs[lane].splitlines()
    return [msgspec.json.decode(line, type=Event) for line in lines]


def test_a_world_runs_to_its_end_without_a_fault_or_a_late_message() -> None:
    result = first()
    assert result.faults == () and result.late == 0
    bare, usual = result.platforms["bare"], result.platforms["usual"]
    for score in (bare, usual):
        assert score.honest_submitted > 200
        assert score.refusals > 0 and score.episodes > 0 and score.listed_hours > 0
        assert score.duplicates == 0 and score.recovered_s is not None
        assert score.detect_s is None and score.culprits_missed is None
    assert bare.honest_submitted == usual.honest_submitted
    assert bare.resent == 0 and bare.spam_moved == 0
    assert usual.honest_delivered >= bare.honest_delivered


def test_the_same_seed_gives_the_same_log_and_the_same_scores() -> None:
    again = run(small(), BOTH)
    assert again.logs == first().logs
    assert again.json() == first().json()


def test_a_platform_alone_sees_the_same_world_as_beside_another() -> None:
    alone = run(small(), msgspec.structs.replace(BOTH, platforms=("bare",)))
    assert alone.logs["bare"] == first().logs["bare"]


def test_what_bounced_is_told_to_its_sender_and_some_send_it_again_by_hand() -> None:
    world = small(by_hand=ByHand(share=1.0, delay_s=600))
    result = run(world, msgspec.structs.replace(BOTH, platforms=("bare",)))
    assert result.faults == ()
    seen = events(result, "bare")
    bounced = {(e.token, e.mailbox) for e in seen if e.kind == "bounced"}
    refused = [e for e in seen if e.kind == "refused" and e.token]
    assert refused
    for e in refused:
        assert all((e.token, mailbox) in bounced for mailbox in e.mailbox.split())
    tokens = [e.token for e in seen if e.kind == "submitted"]
    assert len(tokens) > len(set(tokens)), "nobody sent anything again"
    assert result.platforms["bare"].duplicates == 0


def test_a_hijacker_goes_on_until_submissions_are_refused_or_the_days_end() -> None:
    seen = events(first(), "bare")
    world = small()
    spam = [e for e in seen if e.kind == "submitted" and e.id.startswith("hijack")]
    assert all(e.at < world.end for e in spam)


def test_complaints_reach_the_platform() -> None:
    for lane in ("bare", "usual"):
        sent = [e for e in events(first(), lane) if e.kind == "complaint"]
        assert sent and {e.text for e in sent} == {"250"}


def test_the_table_fits_a_terminal() -> None:
    lines = table({**first().platforms, "unlisted": first().platforms["bare"]}).splitlines()
    assert len(lines) == 24 and max(map(len, lines)) <= 80


def test_a_platform_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no platform other"):
        run(small(), Options(platforms=("other",)))
