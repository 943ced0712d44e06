"""Posts that wait for an approver: nothing is public before, nothing out of date after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playbook import DAY, HOUR, Playbook, configured
from scenes import A, B, culprit, delisting, episode

from unlisted.facts import (
    DutyCalled,
    Fact,
    IncidentClosed,
    IncidentOpened,
    Policy,
    Posted,
    PostPending,
    PostRefused,
    PostReturned,
    PostReviewed,
    PostSubmitted,
)
from unlisted.health import written

Play = Callable[..., Playbook]
KINDS = (Posted, PostPending, PostReturned, PostRefused)


def start(play: Play, **more: Any) -> Playbook:
    return play(configured(policy=Policy(approve_posts=True, **more)))


def fed(pb: Playbook, fact: Any) -> list[Fact]:
    """The posts, drafts and refusals that followed."""
    before = {kind: len(pb.found(kind)) for kind in KINDS}
    pb.feed(fact)
    return [one for kind in KINDS for one in pb.found(kind)[before[kind] :]]


def submit(pb: Playbook, text: str, author: str = "ada", **more: Any) -> Any:
    sections = written.read(text)
    fact = PostSubmitted(at=pb.now, incident="UL000001", author=author, sections=sections, **more)
    return fed(pb, fact)[0]


def review(pb: Playbook, draft: int, by: str = "bob", reason: str = "", ok: bool = True) -> Any:
    fact = PostReviewed(
        at=pb.now, incident="UL000001", draft=draft, approver=by, approve=ok, reason=reason
    )
    return fed(pb, fact)[0]


def test_nothing_is_public_before_somebody_approved_it(play: Play) -> None:
    pb = start(play)
    episode(pb)
    (first,) = pb.found(PostPending)
    assert (first.author, first.draft, first.post) == ("policy", 1, "current")
    assert pb.found(IncidentOpened) and not pb.found(Posted)
    found = submit(pb, "We look at it. Waiting: {{ waiting }}.")
    assert isinstance(found, PostPending) and found.draft == 2 and not pb.found(Posted)
    posted = review(pb, 2)
    assert isinstance(posted, Posted)
    assert (posted.author, posted.approver, posted.draft, posted.number) == ("ada", "bob", 2, 1)
    assert "Waiting: 1 message." in dict(posted.sections)["Current status"]
    assert posted.deadline is None  # nothing was promised in public


def test_figures_are_those_of_the_moment_of_approval(play: Play) -> None:
    pb = start(play)
    episode(pb)
    submit(pb, "{{ refused_share }} were refused. {{ waiting }} wait.")
    before = pb.now
    pb.wait(20 * 60)
    posted = review(pb, 2)
    assert isinstance(posted, Posted) and posted.at == before + 20 * 60
    assert all(one.end == posted.at for one in posted.figures)


def test_nobody_approves_what_they_wrote_unless_the_policy_lets_them(play: Play) -> None:
    pb = start(play)
    episode(pb)
    submit(pb, "We look at it.")
    refused = review(pb, 2, by="ada")
    assert isinstance(refused, PostRefused) and "another person" in refused.reasons[0]
    assert isinstance(review(pb, 2, by="bob"), Posted)
    pb.feed(configured(pb.now, policy=Policy(approve_posts=True, approve_own_posts=True)))
    pb.wait(60)
    own = submit(pb, "We found something else.")
    assert isinstance(review(pb, own.draft, by="ada"), Posted)


def test_a_rejection_carries_its_reason_back_to_the_author(play: Play) -> None:
    pb = start(play)
    episode(pb)
    submit(pb, "We look at it.")
    for reason in ("", "   ", "x" * 501, "a\u202eb"):
        assert isinstance(review(pb, 2, reason=reason, ok=False), PostRefused)
    back = review(pb, 2, reason="say who is affected", ok=False)
    assert isinstance(back, PostReturned)
    assert (back.author, back.by, back.reasons) == ("ada", "bob", ("say who is affected",))
    again = review(pb, 2)
    assert isinstance(again, PostRefused) and "no draft 2 waits" in again.reasons


def test_what_is_out_of_date_goes_back_with_the_reason(play: Play) -> None:
    pb = start(play)
    episode(pb)
    submit(pb, "We look at it.")
    late = submit(pb, "We look at it again.", next_update_by=pb.now + 600)
    other = submit(pb, "Nothing else.")
    assert isinstance(review(pb, 2), Posted)
    back = review(pb, other.draft)
    assert isinstance(back, PostReturned) and "post 1 was published since" in back.reasons[0]
    late = submit(pb, "Still looking.", next_update_by=pb.now + 600)
    pb.wait(601)
    back = review(pb, late.draft)
    assert isinstance(back, PostReturned) and "within 24 hours" in " ".join(back.reasons)


def test_an_incident_that_moved_on_makes_a_draft_out_of_date(play: Play) -> None:
    pb = start(play)
    culprit(pb)
    before = submit(pb, "We look for the source.")
    pb.wait(2 * HOUR)
    assert pb.states.tell.incident is not None
    assert pb.states.tell.incident.status != before.status
    back = review(pb, before.draft)
    assert isinstance(back, PostReturned) and "moved from serviceDegradation" in back.reasons[-1]


def test_the_clock_of_the_deadline_goes_on_while_drafts_wait(play: Play) -> None:
    pb = start(play)
    episode(pb)
    due = pb.now + Policy().update_first_s
    pb.until(due - 600)
    assert pb.last(DutyCalled).deadline == due
    drafts = pb.found(PostPending)
    assert isinstance(review(pb, drafts[-1].draft), Posted)
    promised = pb.last(Posted).next_update_by
    assert promised is not None
    pb.until(promised - 1700)
    fresh = pb.last(PostPending)
    assert fresh.author == "policy" and fresh.draft > drafts[-1].draft
    pb.until(promised + 60)
    posted = review(pb, pb.last(PostPending).draft)
    assert isinstance(posted, Posted) and posted.deadline == promised
    assert posted.deadline_met is False


def test_the_policy_s_draft_follows_the_news_and_only_one_waits(play: Play) -> None:
    pb = start(play)
    culprit(pb)
    pb.wait(3 * HOUR)
    incident = pb.states.tell.incident
    assert incident is not None
    assert len(pb.found(PostPending)) > 2
    assert [one.author for one in incident.drafts.values()] == ["policy"]
    assert "stopped" in str(pb.last(PostPending).sections)
    assert not pb.found(Posted)


def test_the_end_waits_for_approval_too_and_is_asked_for_again(play: Play) -> None:
    pb = start(play)
    episode(pb)
    submit(pb, "We look at it.")
    review(pb, 2)
    delisting(pb)
    pb.wait(DAY)
    final = pb.last(PostPending)
    assert final.post == "final" and not pb.found(IncidentClosed)
    assert isinstance(review(pb, final.draft, reason="not yet", ok=False), PostReturned)
    pb.wait(DAY)
    again = pb.last(PostPending)
    assert again.post == "final" and again.draft > final.draft
    left = submit(pb, "We watch.")
    posted = review(pb, again.draft)
    assert isinstance(posted, Posted)
    assert (posted.post, posted.status, posted.next_update_by) == ("final", "serviceRestored", None)
    assert {"End time", "Root cause", "Final status"} <= set(dict(posted.sections))
    assert pb.found(IncidentClosed) and not _own_timers(pb)
    assert pb.last(PostReturned).draft == left.draft


def test_an_end_that_is_none_any_more_is_not_published(play: Play) -> None:
    pb = start(play)
    episode(pb)
    delisting(pb)
    pb.wait(DAY)
    final = pb.last(PostPending)
    assert final.post == "final"
    episode(pb, B)
    assert pb.last(PostReturned).draft == final.draft or final.draft not in _waiting(pb)
    refused = review(pb, final.draft)
    assert isinstance(refused, PostRefused) and not pb.found(IncidentClosed)


def _own_timers(pb: Playbook) -> set[str]:
    return {"post", "news", "draft", "duty", "calm"} & set(pb.timers)


def _waiting(pb: Playbook) -> set[int]:
    incident = pb.states.tell.incident
    return set(incident.drafts) if incident else set()


def test_drafts_are_bounded(play: Play) -> None:
    pb = start(play)
    episode(pb)
    made = [submit(pb, f"We look at it, {'again ' * i}now.") for i in range(25)]
    assert len(_waiting(pb)) == 20
    assert isinstance(made[-1], PostRefused) and "drafts wait already" in made[-1].reasons[0]


@pytest.mark.parametrize("text", ["41 messages wait.", "{{ gone }} wait.", f"We rest {A}."])
def test_what_could_not_be_published_does_not_wait_either(play: Play, text: str) -> None:
    pb = start(play)
    episode(pb)
    assert isinstance(submit(pb, text), PostRefused)
    assert _waiting(pb) == {1}


def test_a_person_posts_and_another_approves(play: Play) -> None:
    pb = start(play, posts_by="person")
    episode(pb)
    own = submit(pb, "We look at it.")
    assert isinstance(review(pb, own.draft), Posted)
    pb.wait(DAY)
    assert len(pb.found(Posted)) == 1 and pb.found(DutyCalled)


def test_approval_may_be_turned_off_while_drafts_wait(play: Play) -> None:
    pb = start(play)
    episode(pb)
    delisting(pb)
    pb.wait(DAY)
    assert not pb.found(Posted)
    pb.feed(configured(pb.now, policy=Policy()))
    pb.wait(DAY)
    assert pb.last(Posted).post == "final" and pb.found(IncidentClosed) and not _own_timers(pb)
