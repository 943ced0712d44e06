"""Webhooks and notices as stations order them: once, again after a failure, never too many."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playbook import ADDRESSES, DAY, HOUR, START, Playbook, configured
from scenes import culprit, delisting, episode

from unlisted.facts import (
    EVENTS,
    NOTICES,
    DeadlineMissed,
    DutyCalled,
    FeedSilent,
    IncidentClosed,
    IncidentOpened,
    NoticeLost,
    Policy,
    PostDrafted,
    Posted,
    PostSubmitted,
    ReviewWritten,
    RevisionSubmitted,
    Subscription,
    WebhookEnded,
    WebhookLost,
)
from unlisted.loop._telling import HOOK_DELAYS_S, MOST, NOTICE_DELAYS_S

HOOK = Subscription(hook="h1", events=EVENTS)
Play = Callable[..., Playbook]
SECTIONS = (("Current status", "We work on it: {{ waiting }} wait."),)


def told(play: Play, *, start: float = START, **changes: Any) -> Playbook:
    wanted: dict[str, Any] = {"webhooks": (HOOK,), "notices": NOTICES}
    return play(configured(start, **{**wanted, **changes}))


def events(pb: Playbook) -> list[str]:
    return [command.event for _, command in pb.calls]


def whats(pb: Playbook) -> list[str]:
    return [command.what for _, command in pb.notices]


def data(pb: Playbook, event: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        [command.data for _, command in pb.calls if command.event == event][-1]
    )
    return found


def submit(pb: Playbook, **more: Any) -> None:
    pb.feed(PostSubmitted(at=pb.now, incident="UL000001", author="ada", sections=SECTIONS, **more))
    pb.carry_out()


def test_a_webhook_is_told_of_every_public_step_of_an_incident(play: Play) -> None:
    pb = told(play)
    episode(pb)
    assert events(pb) == ["incident.opened", "post.published"]
    pb.wait(60)
    submit(pb)
    submit(pb, corrects=2, next_update_by=pb.now + 2 * HOUR)
    assert events(pb)[2:] == ["post.published", "post.corrected", "deadline.moved"]
    delisting(pb)
    pb.wait(DAY)
    assert events(pb)[-2:] == ["post.published", "incident.closed"]
    pb.feed(ReviewWritten(at=pb.now, incident="UL000001", author="ada"))
    pb.feed(ReviewWritten(at=pb.now, incident="UL000001", author="ada", publish=True))
    pb.carry_out()
    assert events(pb)[-1] == "review.published" and events(pb).count("review.published") == 1
    incident = data(pb, "review.published")["incident"]
    assert incident["id"] == "UL000001" and incident["end"] is not None
    assert incident["status"] == pb.last(Posted).status
    assert len({command.delivery for _, command in pb.calls}) == len(pb.calls)
    paths = {command.event: command.path for _, command in pb.calls}
    assert paths["review.published"] == "/incidents/UL000001/review"
    assert paths["post.corrected"] == "/incidents/UL000001/posts/3"


def test_it_gets_the_posts_own_words_and_figures(play: Play) -> None:
    pb = told(play)
    episode(pb)
    post = data(pb, "post.published")["post"]
    posted = pb.found(Posted)[0]
    assert [(one["label"], one["text"]) for one in post["sections"]] == list(posted.sections)
    assert {one["name"] for one in post["figures"]} == {one.name for one in posted.figures}
    assert datetime.fromisoformat(post["next_update_by"]).timestamp() == posted.next_update_by


def test_what_it_gets_names_no_sender_tenant_author_or_address_of_ours(play: Play) -> None:
    pb = told(play)
    thief = culprit(pb)
    submit(pb)
    pb.wait(DAY)
    everything = "".join(command.data for _, command in pb.calls)
    for word in (thief, "tenant", "ada", *ADDRESSES):
        assert f'"{word}"' not in everything and f" {word}" not in everything
    notices = "".join(command.title + command.text for _, command in pb.notices)
    assert thief not in notices and "tenant" not in notices


def test_only_the_events_it_asked_for(play: Play) -> None:
    pb = told(play, webhooks=(Subscription(hook="h1", events=("incident.closed",)),))
    episode(pb)
    delisting(pb)
    pb.wait(DAY)
    assert events(pb) == ["incident.closed"]


def test_a_failed_call_is_tried_again_under_its_id_for_about_a_day_then_lost(play: Play) -> None:
    only = Subscription(hook="h1", events=("incident.opened",))
    pb = told(play, webhooks=(only,), notices=("webhook",))
    pb.world.hooks["h1"] = 503
    episode(pb)
    began = pb.now
    pb.wait(2 * DAY)
    assert len(pb.calls) == len(HOOK_DELAYS_S) + 1
    assert {command.delivery for _, command in pb.calls} == {pb.calls[0][1].delivery}
    gaps = [b - a for (a, _), (b, _) in zip(pb.calls, pb.calls[1:], strict=False)]
    assert gaps == list(HOOK_DELAYS_S) and gaps == sorted(gaps)
    assert 0.8 * DAY < pb.calls[-1][0] - began < 1.2 * DAY
    (lost,) = pb.found(WebhookLost)
    assert lost.attempts == len(pb.calls) and "503" in lost.why
    assert whats(pb) == ["webhook"]


def test_a_receiver_that_comes_back_gets_what_it_missed(play: Play) -> None:
    pb = told(play)
    pb.world.hooks["h1"] = 500
    episode(pb)
    pb.wait(600)
    pb.world.hooks["h1"] = 200
    pb.wait(3 * HOUR)
    got = {command.delivery for at, command in pb.calls if at > START + 600}
    assert {command.delivery for _, command in pb.calls} == got
    assert not pb.found(WebhookLost) and not pb.states.tell.telling.pending


def test_gone_ends_a_subscription_until_it_is_configured_anew(play: Play) -> None:
    other = Subscription(hook="h2", events=EVENTS)
    pb = told(play, webhooks=(HOOK, other))
    pb.world.hooks["h1"] = 410
    culprit(pb)
    pb.wait(HOUR)
    (ended,) = pb.found(WebhookEnded)
    assert ended.hook == "h1"
    assert "webhook" in whats(pb)
    # What happened in that same moment was on its way; nothing after that.
    assert {at for at, command in pb.calls if command.hook == "h1"} == {ended.at}
    assert sum(command.hook == "h2" for _, command in pb.calls) > 3
    pb.world.hooks.clear()
    pb.feed(configured(pb.now, webhooks=(other,)))
    pb.feed(configured(pb.now, webhooks=(HOOK, other)))
    before = len(pb.calls)
    pb.wait(5 * HOUR)
    assert any(command.hook == "h1" for _, command in pb.calls[before:])


def test_a_webhook_that_is_no_longer_configured_is_not_tried_again(play: Play) -> None:
    pb = told(play)
    pb.world.hooks["h1"] = 500
    episode(pb)
    pb.feed(configured(pb.now))
    before = len(pb.calls)
    pb.wait(DAY)
    assert len(pb.calls) == before and not [key for key in pb.timers if key.startswith("tell/")]


def test_who_asked_for_nothing_is_told_nothing(pb: Playbook) -> None:
    culprit(pb)
    pb.wait(DAY)
    assert not pb.calls and not pb.notices


# ---------------------------------------------------------------- deadlines

SATURDAY = 1_790_380_800.0  # 2026-09-26 00:00 UTC


@pytest.mark.parametrize("start", [START, SATURDAY], ids=["a weekday", "the weekend"])
def test_where_a_person_posts_the_draft_comes_at_30_the_call_at_10_and_the_miss_at_once(
    play: Play, start: float
) -> None:
    assert datetime.fromtimestamp(SATURDAY, UTC).weekday() == 5
    policy = Policy(posts_by="person", update_first_s=7200.0)
    pb = told(play, start=start, policy=policy)
    pb.now = start
    episode(pb)
    deadline = pb.found(Posted)[0].next_update_by
    assert deadline == pb.now + 7200
    pb.until(deadline + 60)
    at = {what: [when for when, one in pb.notices if one.what == what] for what in NOTICES}
    assert at["draft"][-1] == deadline - 1800 == pb.found(PostDrafted)[-1].at
    assert at["duty"] == [deadline - 600] == [one.at for one in pb.found(DutyCalled)]
    (missed,) = pb.found(DeadlineMissed)
    assert missed.deadline == deadline and at["deadline"] == [missed.at]
    assert deadline < missed.at <= deadline + 1
    assert events(pb)[-1] == "deadline.missed"
    submit(pb)
    assert pb.last(Posted).deadline_met is False
    assert len(pb.found(DeadlineMissed)) == 1


def test_an_update_in_time_is_no_miss_and_calls_nobody(play: Play) -> None:
    pb = told(play, policy=Policy(posts_by="person", update_first_s=7200.0))
    episode(pb)
    deadline = pb.found(Posted)[0].next_update_by
    assert deadline is not None
    pb.until(deadline - 1000)
    submit(pb, next_update_by=deadline + 7200)
    pb.until(deadline + 7200 - 601)
    assert not pb.found(DeadlineMissed) and "duty" not in whats(pb)
    assert pb.last(Posted).deadline_met is True


def test_moving_a_promise_hides_no_miss(play: Play) -> None:
    pb = told(play, policy=Policy(posts_by="person"))
    episode(pb)
    promised = pb.found(Posted)[0].next_update_by
    assert promised is not None
    pb.until(promised - 100)
    submit(pb, corrects=1, next_update_by=promised + 4 * HOUR)
    pb.until(promised + 10)
    assert [one.deadline for one in pb.found(DeadlineMissed)] == [promised]
    pb.until(promised + HOUR)
    assert len(pb.found(DeadlineMissed)) == 1


def test_the_policys_own_posts_miss_nothing(play: Play) -> None:
    pb = told(play)
    culprit(pb)
    pb.wait(2 * DAY)
    assert not pb.found(DeadlineMissed) and "deadline" not in whats(pb)


# ---------------------------------------------------------------- notices


def test_a_notice_that_reaches_nobody_is_tried_again_then_lost(play: Play) -> None:
    pb = told(play, notices=("episode",), webhooks=())
    pb.world.people_reached = False
    episode(pb)
    pb.wait(HOUR)
    assert len(pb.notices) == len(NOTICE_DELAYS_S) + 1
    assert len({command.notice for _, command in pb.notices}) == 1
    (lost,) = pb.found(NoticeLost)
    assert lost.what == "episode" and lost.attempts == len(pb.notices)


def test_notices_are_bounded_by_the_hour_and_what_is_more_is_told_as_one(play: Play) -> None:
    pb = told(play, notices=("feed", "duty"), webhooks=())
    for i in range(40):
        pb.feed(FeedSilent(at=pb.now, feed=f"log{i}", last_at=pb.now - 900, usual_s=60))
        pb.carry_out()
    assert len(pb.notices) == MOST[False]
    pb.wait(HOUR)
    assert len(pb.notices) == MOST[False] + 1
    assert "30 of feed" in pb.notices[-1][1].text
    pb.wait(HOUR)
    pb.feed(FeedSilent(at=pb.now, feed="log", last_at=pb.now - 900, usual_s=60))
    pb.carry_out()
    assert len(pb.notices) == MOST[False] + 2


def test_nothing_is_ordered_again_after_the_incident(play: Play) -> None:
    pb = told(play)
    episode(pb)
    delisting(pb)
    pb.wait(60 * DAY)
    assert pb.found(IncidentOpened) and pb.found(IncidentClosed)
    assert not pb.timers and not pb.states.tell.telling.pending


def test_where_posts_are_approved_the_draft_that_waits_is_a_notice(play: Play) -> None:
    pb = told(play, policy=Policy(approve_posts=True))
    episode(pb)
    assert "draft" in whats(pb) and "post.published" not in events(pb)
    assert "approve UL000001 1" in "".join(command.text for _, command in pb.notices)


def test_a_revision_is_told_with_what_was_and_what_is(play: Play) -> None:
    pb = told(play)
    episode(pb)
    revision = RevisionSubmitted(
        at=pb.now, incident="UL000001", author="ada", changes=(("title", "Mail is refused"),),
        why="said plainly",
    )  # fmt: skip
    pb.feed(revision)
    pb.carry_out()
    told_ = data(pb, "incident.revised")
    assert told_["revision"]["new"] == told_["incident"]["title"] == "Mail is refused"
    assert told_["revision"]["why"] == "said plainly" and '"ada"' not in json.dumps(told_)
