"""What bounced for a block goes out again, once, and never beside the sender's own copy."""

from __future__ import annotations

import pytest
from playbook import ADDRESSES, DAY, DOUBTFUL, HOUR, UNKNOWN_USER, ZONE, Playbook, named
from scenes import A, delisting

from unlisted.facts import (
    Booked,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    HandSent,
    PathReopened,
    Resent,
)

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


def test_a_copy_sent_while_the_re_send_waits_for_its_path_is_not_sent_beside_it(
    booked: tuple[Playbook, str, str],
) -> None:
    pb, sender, message = booked
    block(pb)
    assert pb.how(message) == "wait"
    copy = pb.send(sender, "ann@odd.test", body=LETTER)
    assert pb.how(copy) == "superseded"
    assert pb.last(HandSent).which == "original is on its way"
    delisting(pb)
    pb.wait(DAY)
    assert copies_delivered(pb) == 1 and pb.how(message) == "delivered"


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
    block(pb)
    pb.wait(12 * HOUR)
    assert pb.how(message) == "wait" and len(pb.ndrs) == 1
    assert not [one for one in pb.tries(message) if one[1] not in ADDRESSES[:1]]


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
