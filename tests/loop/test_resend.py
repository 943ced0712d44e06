"""What bounced for a block goes out again, once, and never beside the sender's own copy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playbook import (
    ADDRESSES,
    DAY,
    DOUBTFUL,
    GREYLISTED,
    HOUR,
    UNKNOWN_USER,
    ZONE,
    Playbook,
    Says,
    configured,
    named,
)
from scenes import NEWS, A, delisting, episode, hijack

from unlisted.facts import (
    Acted,
    Booked,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    HandSent,
    NotResent,
    PathReopened,
    Policy,
    ResendOrdered,
    Resent,
    SenderHeld,
)
from unlisted.loop import _plan

LETTER = "Dear Ann, here are the minutes of the meeting we had on tuesday, yours Bob"


@pytest.fixture
def booked(pb: Playbook) -> tuple[Playbook, str, str]:
    """A letter that waited two hours under suspicion, bounced, and stands in the books."""
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    message = pb.send(sender, "ann@odd.test", body=LETTER)
    pb.wait(2 * HOUR + 1)
    assert pb.how(message) == "booked" and len(pb.ndrs) == 1
    return pb, sender, message


def block(pb: Playbook) -> None:
    """The suspicion proves a block: another receiver names the list."""
    pb.world.listed.add((ZONE, A))
    pb.world.refuses[A, "odd.test"] = named(A)
    pb.send(pb.drawn_to(A, prefix="witness")[0], "zoe@odd.test")
    assert pb.found(EpisodeOpened)


def order(pb: Playbook, message: str, **more: Any) -> None:
    """The sender's click, or with `episode` the operator's switch."""
    if "episode" not in more:
        more["key"] = f"{message}.0"
    pb.feed(ResendOrdered(at=pb.now, actor="anna", reason="asked for", **more))


def copies_delivered(pb: Playbook) -> int:
    return sum(1 for one in pb.found(Delivery) if one.row.recipient == "ann@odd.test")


def test_what_outlasts_its_suspicion_bounces_and_stands_in_the_books(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, _, message = booked
    (fact,) = pb.found(Booked)
    assert fact.row.message == message
    assert fact.until == pb.last(Booked).at + 72 * HOUR
    assert pb.ndrs[0].block


def test_the_books_are_closed_after_72_hours(booked: tuple[Playbook, str, str]) -> None:
    pb, _, message = booked
    pb.wait(73 * HOUR)
    assert pb.how(message) == "bounced"
    assert len(pb.ndrs) == 1, "it was told of when it was booked"


def test_a_booked_letter_goes_out_once_after_the_path_reopens(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, _, message = booked
    block(pb)
    pb.wait(HOUR)
    delisting(pb)
    pb.wait(18 * HOUR)
    assert pb.found(PathReopened) and pb.found(EpisodeClosed)
    assert len(pb.found(Resent)) == 1
    assert pb.how(message) == "delivered" and copies_delivered(pb) == 1
    pb.wait(4 * DAY)
    assert len(pb.found(Resent)) == 1 and len(pb.ndrs) == 1


def test_without_a_block_nothing_is_sent_again(booked: tuple[Playbook, str, str]) -> None:
    pb, _, _ = booked
    pb.world.refuses.clear()
    pb.wait(2 * DAY)
    assert not pb.found(Resent)


def test_a_copy_sent_while_the_letter_waits_for_its_path_takes_its_place(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, message = booked
    block(pb)
    assert pb.how(message) == "booked", "it stays in the books while its path rests"
    copy = pb.send(sender, "ann@odd.test", body=LETTER)
    assert pb.how(message) == "superseded"
    assert pb.last(HandSent).which == "copy"
    delisting(pb)
    pb.wait(DAY)
    assert copies_delivered(pb) == 1 and pb.how(copy) == "delivered"


def test_a_copy_sent_while_the_re_send_is_under_way_is_not_sent_beside_it(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, message = booked
    order(pb, message)
    pb.hands_off = True
    pb.carry_out()
    assert pb.how(message) == "out"
    copy = pb.send(sender, "ann@odd.test", body=LETTER)
    assert pb.how(copy) == "superseded"
    assert pb.last(HandSent).which == "original is on its way"


def test_a_copy_sent_by_hand_before_the_block_is_known_takes_its_place(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, message = booked
    pb.wait(HOUR)
    copy = pb.send(sender, "ann@odd.test", body=LETTER)
    assert pb.how(message) == "superseded"
    block(pb)
    delisting(pb)
    pb.wait(DAY)
    assert copies_delivered(pb) == 1
    assert pb.how(copy) == "delivered"
    assert not pb.found(Resent)


def test_a_copy_that_comes_after_the_re_send_is_not_sent_again(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, _ = booked
    block(pb)
    delisting(pb)
    pb.wait(3 * HOUR)
    assert copies_delivered(pb) == 1
    copy = pb.send(sender, "ann@odd.test", body=LETTER)
    assert pb.how(copy) == "superseded" and copies_delivered(pb) == 1
    assert pb.last(HandSent).which == "original was delivered"
    assert not [one for one in pb.tried if one[1].message == copy]


def test_the_same_body_to_somebody_else_or_from_somebody_else_is_no_copy(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, _ = booked
    block(pb)
    delisting(pb)
    pb.wait(3 * HOUR)
    assert pb.how(pb.send(sender, "zoe@odd.test", body=LETTER)) == "delivered"
    assert pb.how(pb.send("another", "ann@odd.test", body=LETTER)) == "delivered"
    assert pb.how(pb.send(sender, "ann@odd.test", body=LETTER + "!")) == "delivered"


def test_a_copy_is_not_swallowed_when_the_re_send_bounced(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, message = booked
    block(pb)
    delisting(pb)
    pb.world.unknown.add("ann@odd.test")
    pb.wait(3 * HOUR)
    assert pb.how(message) == "bounced"
    pb.world.unknown.clear()
    copy = pb.send(sender, "ann@odd.test", body=LETTER)
    assert pb.how(copy) == "delivered"


def test_of_two_booked_copies_only_one_is_sent_again(pb: Playbook) -> None:
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    pb.send(sender, "ann@odd.test", body=LETTER)
    pb.wait(600)
    pb.send(sender, "ann@odd.test", body=LETTER)
    pb.wait(3 * HOUR)
    assert len(pb.found(Booked)) == 2
    block(pb)
    delisting(pb)
    pb.wait(DAY)
    assert copies_delivered(pb) == 1


def test_a_re_sent_letter_refused_by_name_waits_and_is_not_bounced_twice(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, _, message = booked
    pb.world.refuses[A, "odd.test"] = named(A)
    order(pb, message)
    pb.carry_out()
    assert pb.how(message) == "wait" and len(pb.found(Resent)) == 1
    pb.wait(12 * HOUR)
    assert pb.how(message) == "wait" and len(pb.ndrs) == 1
    assert not [one for one in pb.tries(message) if one[1] not in ADDRESSES[:1]]
    assert pb.row(message).until == pb.found(Booked)[0].until, "its body is kept no longer for it"


def test_a_re_sent_letter_to_a_user_that_is_gone_bounces_for_good(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, _, message = booked
    block(pb)
    delisting(pb)
    pb.world.unknown.add("ann@odd.test")
    pb.wait(6 * HOUR)
    assert pb.how(message) == "bounced"
    assert pb.ndrs[-1].text == UNKNOWN_USER.text


# ---------------------------------------------------------------- the switch


LOST = Says(0, None, "connection closed", "eod")


def bounced(pb: Playbook, count: int) -> list[str]:
    """Letters of different senders drawn to A that stand in the books."""
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    senders = pb.drawn_to(A, count, prefix="many")
    words = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)]
    sent = [
        pb.send(one, f"p{i}@odd.test", body=f"{words[i][:20]} {words[i][20:40]} {words[i][40:]}")
        for i, one in enumerate(senders)
    ]
    pb.wait(2 * HOUR + 1)
    assert {pb.how(one) for one in sent} == {"booked"}
    return sent


def by_person(play: Callable[..., Playbook]) -> Playbook:
    return play(configured(policy=Policy(resend_by="person")))


def test_where_a_person_starts_it_nothing_goes_before_and_the_order_is_in_the_fact(
    play: Callable[..., Playbook],
) -> None:
    pb = by_person(play)
    (message,) = bounced(pb, 1)
    block(pb)
    delisting(pb)
    pb.wait(6 * HOUR)
    assert pb.found(PathReopened) and not pb.found(Resent)
    episode = pb.last(EpisodeOpened).episode
    order(pb, message, episode=episode)
    pb.wait(60)
    (resent,) = pb.found(Resent)
    assert (resent.by, resent.episode) == ("anna", episode)
    ordered = next(n for n, one, _ in pb.journal if isinstance(one, ResendOrdered))
    assert ordered in resent.because and pb.how(message) == "delivered"


def test_an_order_while_the_path_rests_holds_until_it_opens(play: Callable[..., Playbook]) -> None:
    pb = by_person(play)
    (message,) = bounced(pb, 1)
    block(pb)
    order(pb, message, episode=pb.last(EpisodeOpened).episode)
    assert not pb.found(Resent)
    delisting(pb)
    pb.wait(6 * HOUR)
    assert pb.how(message) == "delivered"


def test_a_second_order_sends_nothing_twice(booked: tuple[Playbook, str, str]) -> None:
    pb, _, message = booked
    block(pb)
    delisting(pb)
    pb.wait(3 * HOUR)
    episode = pb.found(EpisodeOpened)[0].episode
    for _ in range(3):
        order(pb, message)
        order(pb, message, episode=episode, unknown_outcome=True)
        pb.wait(HOUR)
    assert copies_delivered(pb) == 1 and len(pb.found(Resent)) == 1


# ---------------------------------------------------------------- who is left out


def test_a_culprits_letter_never_goes_again_though_it_be_ordered(pb: Playbook) -> None:
    thief = pb.drawn_to(A, prefix="thief")[0]
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    message = pb.send(thief, "friend@odd.test", body="a private letter to a friend of old")
    pb.wait(2 * HOUR + 1)
    assert pb.how(message) == "booked"
    del pb.world.refuses[A, "odd.test"]
    hijack(pb, sender=thief)
    episode(pb)
    assert pb.found(SenderHeld)
    name = pb.last(EpisodeOpened).episode
    delisting(pb)
    pb.wait(6 * HOUR)
    order(pb, message)
    order(pb, message, episode=name, unknown_outcome=True)
    pb.wait(6 * HOUR)
    assert not [one for one in pb.found(Resent) if one.row.message == message]
    assert "culprit" in {one.why for one in pb.found(NotResent) if one.message == message}
    hold = pb.last(SenderHeld).hold
    pb.feed(Acted(at=pb.now, actor="op", act="release_hold", target=hold, reason="it was her"))
    order(pb, message)
    pb.wait(HOUR)
    assert pb.how(message) == "delivered", "a person said that it is none"


def test_a_re_send_without_an_answer_waits_for_a_person(booked: tuple[Playbook, str, str]) -> None:
    pb, _, message = booked
    pb.world.refuses[A, "odd.test"] = LOST
    order(pb, message)
    pb.wait(HOUR)
    assert pb.how(message) == "booked" and pb.row(message).unknown
    assert pb.last(NotResent).why == "unknown outcome" and len(pb.ndrs) == 1
    tries = len(pb.tries(message))
    block(pb)
    delisting(pb)
    pb.wait(6 * HOUR)
    name = pb.last(EpisodeOpened).episode
    order(pb, message)
    order(pb, message, episode=name)
    pb.wait(HOUR)
    assert len(pb.tries(message)) == tries, "neither by itself nor by an ordinary order"
    order(pb, message, episode=name, unknown_outcome=True)
    pb.wait(HOUR)
    assert pb.how(message) == "delivered" and len(pb.tries(message)) == tries + 1


def test_a_first_attempt_without_an_answer_makes_the_letter_unsafe_to_send_again(
    pb: Playbook,
) -> None:
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = LOST
    message = pb.send(sender, "ann@odd.test", body=LETTER)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    pb.wait(4 * HOUR)
    assert pb.how(message) == "booked" and pb.row(message).unknown
    block(pb)
    delisting(pb)
    pb.wait(DAY)
    assert not pb.found(Resent) and pb.last(NotResent).why == "unknown outcome"


# ---------------------------------------------------------------- copies


@pytest.mark.parametrize(
    ("body", "subject"),
    [(NEWS.format(n=2), ""), ("other words", "c0ffee")],
    ids=["near-duplicate", "same subject"],
)
def test_a_likely_copy_counts_once_it_is_delivered(pb: Playbook, body: str, subject: str) -> None:
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    message = pb.send(sender, "ann@odd.test", body=NEWS.format(n=1), subject=subject)
    pb.wait(2 * HOUR + 1)
    del pb.world.refuses[A, "odd.test"]
    copy = pb.send(sender, "ann@odd.test", body=body, subject=subject)
    assert pb.how(copy) == "delivered" and pb.how(message) == "superseded"
    order(pb, message)
    pb.wait(DAY)
    assert copies_delivered(pb) == 1


def test_a_likely_copy_that_fails_lets_the_letter_go(pb: Playbook) -> None:
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    message = pb.send(sender, "ann@odd.test", body=LETTER, subject="c0ffee")
    pb.wait(2 * HOUR + 1)
    pb.world.refuses[A, "odd.test"] = GREYLISTED
    copy = pb.send(sender, "ann@odd.test", body="quite other words", subject="c0ffee")
    assert pb.how(copy) == "due"
    order(pb, message)
    assert pb.last(NotResent).why == "copy" and pb.how(message) == "booked"
    pb.world.refuses[A, "odd.test"] = UNKNOWN_USER
    pb.wait(HOUR)
    assert pb.how(copy) == "bounced"
    del pb.world.refuses[A, "odd.test"]
    pb.wait(HOUR)
    assert [one.row.message for one in pb.found(Resent)] == [message]


# ---------------------------------------------------------------- pace


def test_a_path_gets_its_re_sends_a_batch_at_a_time_and_a_refusal_ends_that(pb: Playbook) -> None:
    sent = bounced(pb, 60)
    block(pb)
    delisting(pb)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(Resent)))
    batch = pb.states.accept.policy.resend_batch
    assert len(pb.found(Resent)) == batch
    pb.wait(59)
    assert len(pb.found(Resent)) == batch
    pb.wait(1)
    assert len(pb.found(Resent)) == 2 * batch
    pb.world.refuses[A, "odd.test"] = named(A)
    pb.send(pb.drawn_to(A, prefix="late")[0], "zoe@odd.test")
    pb.wait(2 * HOUR)
    assert len(pb.found(Resent)) == 2 * batch, "a new refusal ends the pace"
    delisting(pb)
    pb.wait(DAY)
    assert {pb.how(one) for one in sent} == {"delivered"}
    assert len(pb.found(Resent)) == len(sent)


def test_doubtful_answers_to_re_sends_slow_the_pace_down(play: Callable[..., Playbook]) -> None:
    pb = play(configured(policy=Policy(resend_batch=4)))
    bounced(pb, 24)
    block(pb)
    delisting(pb)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(PathReopened)))
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    pb.wait(6 * HOUR)
    times = sorted({one.at for one in pb.found(Resent)})
    pauses = [round(after - before) for before, after in pairwise(times)]
    assert pauses[:4] == [60, 120, 240, 480], pauses


# ---------------------------------------------------------------- the plan


def test_the_plan_says_how_many_where_and_what_is_left_out(play: Callable[..., Playbook]) -> None:
    pb = by_person(play)
    sent = bounced(pb, 30)
    block(pb)
    name = pb.last(EpisodeOpened).episode
    before = _plan.plan(pb.states, name, pb.now)
    assert (before.messages, before.recipients, before.left_out) == (30, 30, ())
    (site,) = before.sites
    assert (site.address, site.receiver, site.recipients, site.rests) == (A, "odd.test", 30, True)
    assert site.takes_s == pb.states.accept.policy.resend_every_s
    delisting(pb)
    pb.wait(6 * HOUR)
    pb.world.refuses[A, "odd.test"] = LOST
    order(pb, sent[0])
    pb.carry_out()
    pb.world.refuses.clear()
    order(pb, sent[1])
    pb.wait(60)
    (plan,) = _plan.plans(pb.states, pb.now)
    assert plan.episode == name and plan.recipients == 28
    assert plan.left_out == (("unknown outcome", 1),) and plan.gone == (("sent again", 1),)
    assert {one.state for one in plan.items} == {"unknown outcome", "nobody switched it on"}
    late = _plan.plan(pb.states, name, pb.now + 4 * DAY)
    assert late.recipients == 0 and late.left_out == (("too old", 29),)
    pb.wait(4 * DAY)
    (plan,) = _plan.plans(pb.states, pb.now)
    assert plan.items == () and dict(plan.gone) == {"sent again": 1, "too old": 29}
