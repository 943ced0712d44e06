"""Explain, contain, prevent: who is named, what is held, how it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import DAY, HOUR, START, Playbook, configured
from scenes import NEWS, SPAM, A, B, culprit, delisting, episode, hijack

from unlisted.facts import (
    CausesRanked,
    DelistingAdvised,
    Due,
    HoldReleased,
    Policy,
    Queued,
    Rejection,
    RuleStepped,
    SenderHeld,
    SourceStopped,
)
from unlisted.loop import accept

Make = Callable[..., Playbook]


@pytest.fixture
def caught(pb: Playbook) -> tuple[Playbook, str]:
    """A platform whose thief is named and held."""
    sender = culprit(pb)
    assert pb.found(SenderHeld), "the scene did not name its thief"
    return pb, sender


def rejected(pb: Playbook, sender: str, recipient: str, body: str) -> bool:
    """Whether the intake would refuse this submission now."""
    from unlisted.campaigns.fingerprint import fingerprint

    found = accept.refuses(pb.states, sender, (recipient,), fingerprint(body), pb.now)
    if found is not None:
        pb.feed(Rejection(at=pb.now, sender=sender, tenant="tenant", hold=found[0]))
    return found is not None


def test_a_hijacked_sender_is_named_and_held_with_reason_scope_and_expiry(
    caught: tuple[Playbook, str],
) -> None:
    pb, sender = caught
    ranked = pb.last(CausesRanked)
    assert ranked.verdict == "guilty" and ranked.named == (sender,)
    (held,) = pb.found(SenderHeld)
    assert held.sender == sender
    assert held.reason and held.scope
    assert held.expires_at == held.at + Policy().hold_s


def test_nobody_else_is_touched(caught: tuple[Playbook, str]) -> None:
    pb, sender = caught
    for other in pb.drawn_to(B, 5, prefix="other"):
        message = pb.send(other, "ann@small.test")
        assert pb.how(message) == "delivered"
    assert {one.sender for one in pb.found(SenderHeld)} == {sender}


def test_a_listing_without_evidence_against_anyone_names_nobody(pb: Playbook) -> None:
    for i in range(30):
        pb.send(f"sender{i}", "ann@small.test")
    episode(pb)
    pb.wait(2 * HOUR)
    assert pb.found(CausesRanked)
    assert all(not one.named for one in pb.found(CausesRanked))
    assert pb.last(CausesRanked).verdict in ("not enough evidence", "nobody here")
    assert not pb.found(SenderHeld) and not pb.found(SourceStopped)


def test_volume_alone_names_nobody(pb: Playbook) -> None:
    (editor,) = pb.drawn_to(A, prefix="editor")
    pb.history(editor, correspondents=[f"reader{i}@other.test" for i in range(300)])
    for i in range(300):
        pb.send(editor, f"reader{i}@other.test", body=NEWS.format(n=1))
    episode(pb)
    pb.wait(2 * HOUR)
    assert not pb.found(SenderHeld)


def test_what_the_held_sender_writes_to_strangers_is_held(caught: tuple[Playbook, str]) -> None:
    pb, sender = caught
    message = pb.send(sender, "victim@other.test", body=SPAM.format(n=1000))
    assert pb.how(message) == "held"
    assert pb.tries(message) == []


def test_what_it_writes_to_those_it_knows_goes_out(caught: tuple[Playbook, str]) -> None:
    pb, sender = caught
    message = pb.send(sender, f"aunt-{sender}@home.test", body="Dear aunt, thank you for the cake")
    assert pb.how(message) == "delivered"


def test_later_submissions_of_its_scope_are_refused_and_others_not(
    caught: tuple[Playbook, str],
) -> None:
    pb, sender = caught
    assert rejected(pb, sender, "victim@other.test", "something new")
    assert rejected(pb, sender, f"aunt-{sender}@home.test", SPAM.format(n=7))
    assert not rejected(pb, sender, f"aunt-{sender}@home.test", "Dear aunt, thank you")
    assert not rejected(pb, "somebody", "victim@other.test", SPAM.format(n=7))


def test_a_hold_sweeps_what_was_accepted_before(pb: Playbook) -> None:
    sender = hijack(pb)
    pb.world.refuses.update({(a, "slow.test"): pb_grey() for a in ("127.0.1.1",)})
    waiting = pb.send(sender, "victim@slow.test", body=SPAM.format(n=900))
    assert pb.how(waiting) == "due"
    episode(pb)
    assert pb.how(waiting) == "held"


def test_a_sweep_leaves_alone_what_the_hold_does_not_cover(pb: Playbook) -> None:
    sender = hijack(pb)
    pb.world.refuses["127.0.1.1", "home.test"] = pb_grey()
    letter = pb.send(sender, f"aunt-{sender}@home.test", body="Dear aunt, thank you for the cake")
    due = pb.row(letter).due
    episode(pb)
    assert pb.found(SenderHeld)
    assert pb.row(letter).due == due, "a sweep is no reason to try earlier"
    assert len(pb.tries(letter)) == 1


def pb_grey():  # type: ignore[no-untyped-def]
    from playbook import GREYLISTED

    return GREYLISTED


def test_a_person_releases_a_hold_and_its_mail_goes_out(caught: tuple[Playbook, str]) -> None:
    pb, sender = caught
    message = pb.send(sender, "victim@other.test", body=SPAM.format(n=1000))
    pb.act("release_hold", pb.last(SenderHeld).hold)
    (released,) = pb.found(HoldReleased)
    assert (released.actor, released.why) == ("pat", "looked at it")
    assert pb.how(message) == "delivered"


def test_a_person_releases_a_hold_after_the_rule_stands(caught: tuple[Playbook, str]) -> None:
    pb, sender = caught
    pb.wait(HOUR)
    assert pb.last(RuleStepped).new == "enforced"
    message = pb.send(sender, "victim@other.test", body=SPAM.format(n=1000))
    pb.act("release_hold", pb.last(SenderHeld).hold)
    assert pb.how(message) == "delivered"


def test_who_a_person_released_is_not_held_again_for_the_same_evidence(
    caught: tuple[Playbook, str],
) -> None:
    pb, _ = caught
    pb.act("release_hold", pb.last(SenderHeld).hold)
    pb.wait(6 * HOUR)
    assert len(pb.found(SenderHeld)) == 1


def test_an_act_on_a_hold_that_is_not_there_changes_nothing(pb: Playbook) -> None:
    pb.act("release_hold", "h1-nobody")
    pb.act("retire_rule", "r-nothing")
    assert not pb.found(HoldReleased) and not pb.found(RuleStepped)


def test_a_hold_ends_with_its_term_and_what_it_held_is_discarded_with_a_report(
    play: Make,
) -> None:
    pb = play(configured(policy=Policy(hold_s=DAY)))
    sender = culprit(pb)
    message = pb.send(sender, "victim@other.test", body="a letter to a stranger, unlike the others")
    assert pb.how(message) == "held"
    pb.wait(DAY + HOUR)
    assert pb.last(HoldReleased).actor == "policy"
    assert pb.how(message) == "discarded" and pb.ndrs[-1].row.message == message
    assert pb.tries(message) == []


def test_a_released_hold_of_more_than_a_thousand_rows_lets_all_of_them_go(
    caught: tuple[Playbook, str],
) -> None:
    pb, sender = caught
    people = [f"victim{i}@other.test" for i in range(1200)]
    messages = [pb.mail(sender, *people[i : i + 300]) for i in range(0, 1200, 300)]
    pb.carry_out()
    assert pb.how(messages[-1]) == "held"
    pb.act("release_hold", pb.last(SenderHeld).hold)
    pb.wait(HOUR)
    assert {pb.how(m, i) for m in messages for i in range(300)} == {"delivered"}


# ------------------------------------------------------------ the source


def test_the_source_has_stopped_when_nothing_of_the_scope_left_for_the_watch(
    caught: tuple[Playbook, str],
) -> None:
    pb, sender = caught
    assert not pb.found(SourceStopped)
    rejected(pb, sender, "victim@other.test", SPAM.format(n=1))
    pb.wait(Policy().stop_watch_s + 1)
    (stopped,) = pb.found(SourceStopped)
    assert stopped.senders == (sender,)
    assert stopped.evidence and "1 submission of theirs refused" in stopped.evidence
    assert stopped.at - stopped.since >= Policy().stop_watch_s
    assert pb.found(DelistingAdvised)


def test_mail_of_the_scope_that_left_after_the_hold_postpones_the_stop(pb: Playbook) -> None:
    sender = hijack(pb)
    pb.hands_off = True
    late = pb.send(sender, "victim@other.test", body=SPAM.format(n=500))
    (command,) = pb.outbox.values()
    pb.hands_off = False
    del pb.outbox[command.key]
    pb.rows[late + ".0"]  # in the edge's hands: the receiver thinks about it
    pb.outbox[command.key] = command
    pb.hands_off = True
    episode_by_hand(pb)
    held_at = pb.last(SenderHeld).at
    pb.wait(300)
    from playbook import OK

    from unlisted.facts import Delivery

    row = pb.row(late)
    pb.feed(
        Delivery(
            at=pb.now,
            done=command.key,
            row=row,
            address=row.address,
            receiver="other.test",
            code=OK.code,
        )
    )
    pb.hands_off = False
    pb.until(held_at + 899)
    assert not pb.found(SourceStopped)
    pb.until(held_at + 3 * Policy().stop_watch_s)
    assert pb.found(SourceStopped)
    assert pb.last(SourceStopped).since == held_at + 300


def episode_by_hand(pb: Playbook) -> None:
    """An episode while the edge is slow: only the new message is carried out."""
    from unlisted import commands as c

    slow = set(pb.outbox)
    from playbook import ZONE, named

    pb.world.listed.add((ZONE, A))
    pb.world.refuses[A, "big.test"] = named(A)
    pb.mail(pb.drawn_to(A, prefix="first")[0], "ann@big.test")
    for _ in range(100):
        todo = [one for key, one in pb.outbox.items() if key not in slow]
        if not todo:
            return
        assert not isinstance(todo[0], c.Sweep) or pb.found(SenderHeld)
        pb.perform(todo[0])


# ------------------------------------------------------------ rules


def test_a_rule_goes_from_draft_to_shadow_to_enforced_with_its_counts(
    caught: tuple[Playbook, str],
) -> None:
    pb, sender = caught
    assert [(one.old, one.new) for one in pb.found(RuleStepped)] == [("draft", "shadow")]
    for i in range(4):
        pb.send(sender, f"victim{i}@other.test", body=SPAM.format(n=2000 + i))
    pb.wait(Policy().shadow_s + 1)
    last = pb.last(RuleStepped)
    assert (last.old, last.new) == ("shadow", "enforced")
    assert (last.matched, last.other_senders) == (4, 0)


def test_an_enforced_rule_holds_the_campaign_from_any_sender_but_not_to_friends(
    caught: tuple[Playbook, str],
) -> None:
    pb, _ = caught
    pb.wait(HOUR)
    pb.history("copycat", correspondents=("friend@home.test",))
    spam = pb.send("copycat", "victim@other.test", body=SPAM.format(n=3000))
    fine = pb.send("copycat", "friend@home.test", body=SPAM.format(n=3001))
    assert pb.how(spam) == "held" and pb.row(spam).waits_for.startswith("rule:")
    assert pb.how(fine) == "delivered"


def test_a_shadow_that_touches_senders_nobody_named_is_retired_and_held_nothing(
    caught: tuple[Playbook, str],
) -> None:
    pb, _ = caught
    message = pb.send("innocent", "victim@other.test", body=SPAM.format(n=4000))
    assert pb.how(message) == "delivered"
    pb.wait(HOUR)
    assert pb.last(RuleStepped).new == "retired"
    assert pb.last(RuleStepped).other_senders == 1


def test_an_enforced_rule_steps_back_when_it_would_touch_several_others(
    caught: tuple[Playbook, str],
) -> None:
    pb, _ = caught
    pb.wait(HOUR)
    messages = [
        pb.send(f"other{i}", "victim@other.test", body=SPAM.format(n=5000 + i)) for i in range(3)
    ]
    assert (pb.last(RuleStepped).old, pb.last(RuleStepped).new) == ("enforced", "shadow")
    assert [pb.how(one) for one in messages] == ["delivered"] * 3


def test_a_person_retires_a_rule_and_what_it_held_goes_out(caught: tuple[Playbook, str]) -> None:
    pb, _ = caught
    pb.wait(HOUR)
    message = pb.send("copycat", "victim@other.test", body=SPAM.format(n=3000))
    pb.act("retire_rule", pb.last(RuleStepped).rule)
    assert pb.last(RuleStepped).new == "retired"
    assert pb.how(message) == "delivered"


def test_no_message_is_moved_twice_by_one_hold(caught: tuple[Playbook, str]) -> None:
    pb, sender = caught
    message = pb.send(sender, "victim@other.test", body=SPAM.format(n=1000))
    pb.wait(2 * DAY)
    delisting(pb)
    queued = [one for one in pb.found(Queued) if one.row.message == message]
    assert len(queued) == 1
    assert not [one for one in pb.found(Due) if one.row.message == message]
    assert pb.now >= START
