"""Posts by people: published with measured figures alone, deadlines judged by what was promised."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playbook import DAY, HOUR, Playbook, configured
from scenes import A, B, culprit, delisting, episode

from unlisted.facts import (
    Configured,
    DeadlineMoved,
    DutyCalled,
    IncidentClosed,
    Policy,
    PostDrafted,
    Posted,
    PostRefused,
    PostSubmitted,
)
from unlisted.health import written

POLICY = Policy()
STATUS = "We hold the cause. Waiting: {{ waiting }}. Refused: {{ refused_share }}."


def submit(pb: Playbook, text: str = STATUS, **more: Any) -> Posted | PostRefused:
    before = (len(pb.found(Posted)), len(pb.found(PostRefused)))
    values: dict[str, Any] = {"incident": "UL000001", "author": "ada", **more}
    pb.feed(PostSubmitted(at=pb.now, sections=written.read(text), **values))
    published, refused = pb.found(Posted)[before[0] :], pb.found(PostRefused)[before[1] :]
    assert len(published) + len(refused) == 1
    return [*published, *refused][0]


def reasons(pb: Playbook, text: str, **more: Any) -> str:
    found = submit(pb, text, **more)
    assert isinstance(found, PostRefused), found
    return "\n".join(found.reasons)


def test_a_post_is_published_with_its_figures_author_and_promise(pb: Playbook) -> None:
    episode(pb)
    pb.wait(60)
    found = submit(pb, next_update_by=pb.now + HOUR)
    assert isinstance(found, Posted)
    assert (found.number, found.author, found.corrects) == (2, "ada", None)
    assert found.deadline == pb.found(Posted)[0].next_update_by and found.deadline_met
    told = dict(found.sections)
    assert re.search(
        r"Waiting: \d+ messages?\. Refused: \d+ of \d+ attempts? in the last",
        told["Current status"],
    )
    assert list(told) == ["Title", "Current status", "Measured", "Start time", "Next update by"]
    assert pb.timers["post"] == found.next_update_by - POLICY.update_margin_s
    pb.until(pb.now + HOUR)
    third = pb.found(Posted)[2]
    assert third.author == "policy" and third.deadline_met and third.at <= found.next_update_by


REFUSED = [
    ("41 messages wait.", "'41 messages' is typed"),
    ("About 12% were refused.", "'12%' is typed"),
    ("Twelve percent were refused.", "is typed"),
    ("{{ lost_mail }} are lost.", "no figure lost_mail is measured"),
    ("{{ waiting }} and {{ waiting.value }}", "is no figure"),
    ("{{ 7*7 }}", "is no figure"),
    ("{% for x in y %}", "is no figure"),
    ("{{ waiting", "is no figure"),
    (f"We rest {A}.", "is an address of ours"),
    ("Fine.\nMeasured: nothing", "written by the service"),
    ("Fine.\nUser impact:", "has no text"),
    ("a\u202eb", "control or direction characters"),
    ("x\nNote: y\nNote: z", "is there twice"),
    ("x\nStatus update: z", "is there twice, as Current status"),
    ("x\nImpact start time: Monday", "written by the service"),
    ("It began on Tuesday, 25 November 2026, 08:00 UTC.", "weekday_wrong"),
    ("", "has no text"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_is_not_measured_or_wrong_is_refused_with_its_reason(
    pb: Playbook, text: str, why: str
) -> None:
    episode(pb)
    timers = dict(pb.timers)
    assert why in reasons(pb, text)
    assert len(pb.found(Posted)) == 1 and pb.timers == timers


@pytest.mark.parametrize(
    "word", ["a ", "a-", "most ", "two ", "1 of ", "all of the ", "see ", "(", "Mon "]
)
def test_hostile_text_is_answered_in_bounded_time(pb: Playbook, word: str) -> None:
    episode(pb)
    labels = ("Current status", "User impact", "More info", "Scope of impact")
    text = (word * 4000)[:3990]
    began = time.process_time()
    submit(pb, written.shown(tuple((label, text) for label in labels)))
    assert time.process_time() - began < 1.0


def test_all_reasons_come_at_once(pb: Playbook) -> None:
    episode(pb)
    found = submit(pb, "{{ gone }} of 99 messages, 3 % more", next_update_by=pb.now - 1, corrects=9)
    assert isinstance(found, PostRefused) and len(found.reasons) >= 5


@pytest.mark.parametrize("late", [0.0, -HOUR, DAY + 1])
def test_a_promise_is_for_a_time_within_a_day(pb: Playbook, late: float) -> None:
    episode(pb)
    assert "within 24 hours" in reasons(pb, STATUS, next_update_by=pb.now + late)


def test_only_an_open_incident_takes_posts(pb: Playbook) -> None:
    assert "is not open" in reasons(pb, STATUS)
    episode(pb)
    assert "is not open" in reasons(pb, STATUS, incident="UL000002")
    delisting(pb)
    pb.wait(DAY)
    assert pb.found(IncidentClosed)
    assert "is not open" in reasons(pb, STATUS)


def test_the_same_status_again_is_nothing_new(pb: Playbook) -> None:
    episode(pb)
    assert isinstance(submit(pb, "We asked all receivers to look."), Posted)
    pb.wait(60)
    assert "nothing_new" in reasons(pb, "We asked all receivers to look.")
    # A correction may repeat what it corrects, and what is wrong in another post is not its fault.
    assert isinstance(submit(pb, "We asked the receivers to look.", corrects=2), Posted)


def test_a_correction_stands_beside_what_it_corrects_and_keeps_no_promise(pb: Playbook) -> None:
    episode(pb)
    promised = pb.found(Posted)[0].next_update_by
    found = submit(pb, corrects=1)
    assert isinstance(found, Posted)
    assert (found.number, found.corrects, found.deadline_met) == (2, 1, None)
    assert found.next_update_by == promised
    assert not pb.found(DeadlineMoved)
    assert "was corrected by post 2" in reasons(pb, STATUS, corrects=1)
    assert isinstance(submit(pb, "Another wording.", corrects=2), Posted)
    pb.until(promised)
    update = pb.last(Posted)
    assert update.number == 4 and update.deadline == promised and update.deadline_met


@pytest.mark.parametrize(("by", "met"), [(2 * HOUR, False), (600.0, True)])
def test_moving_a_promise_shows_and_hides_no_miss(pb: Playbook, by: float, met: bool) -> None:
    episode(pb)
    promised, start = pb.found(Posted)[0].next_update_by, pb.now
    submit(pb, corrects=1, next_update_by=start + by)
    (moved,) = pb.found(DeadlineMoved)
    assert (moved.old, moved.new, moved.author) == (promised, start + by, "ada")
    pb.until(start + by)
    update = pb.found(Posted)[2]
    assert update.deadline == min(promised, start + by) and update.deadline_met is met


def by_person(play: Callable[..., Playbook]) -> Playbook:
    return play(configured(policy=Policy(posts_by="person")))


def test_where_a_person_posts_drafts_and_calls_come_and_the_miss_is_told(
    play: Callable[..., Playbook],
) -> None:
    pb = by_person(play)
    episode(pb)
    first = pb.found(Posted)[0]
    submit(pb, next_update_by=pb.now + 4 * HOUR)
    due = pb.last(Posted).next_update_by
    pb.until(due - 1800)
    assert pb.last(PostDrafted).deadline == due and pb.last(PostDrafted).at == due - 1800
    assert not [one for one in pb.found(DutyCalled) if one.deadline == due]
    pb.until(due - 600)
    assert pb.last(DutyCalled).deadline == due
    pb.until(due + HOUR)
    assert len(pb.found(Posted)) == 2 and first.author == "policy"
    late = submit(pb, "We were late; {{ waiting }} wait.")
    assert isinstance(late, Posted) and late.deadline == due and late.deadline_met is False
    delisting(pb)
    pb.wait(2 * DAY)
    assert pb.last(Posted).post == "final"
    assert all(key.startswith("relisting|") for key in pb.timers)


def test_a_draft_can_be_published_as_it_is(play: Callable[..., Playbook]) -> None:
    pb = by_person(play)
    culprit(pb)
    pb.wait(HOUR)
    drafted = pb.last(PostDrafted)
    found = submit(pb, written.shown(drafted.sections))
    assert isinstance(found, Posted), found
    assert re.search(r"by itself \(\d+ messages?\)", dict(found.sections)["What you should do"])


def test_who_posts_may_change_while_an_incident_is_open(play: Callable[..., Playbook]) -> None:
    pb = by_person(play)
    episode(pb)
    pb.feed(configured(pb.now, policy=Policy()))
    episode(pb, B)
    pb.wait(DAY)
    assert len(pb.found(Posted)) > 4 and all(one.author == "policy" for one in pb.found(Posted))
    pb.feed(configured(pb.now, policy=Policy(posts_by="person")))
    posts = len(pb.found(Posted))
    pb.wait(DAY)
    assert len(pb.found(Posted)) == posts and pb.found(DutyCalled)
    assert pb.found(Configured)
