"""Placing and sending: draws, retries, NDRs, waits, moves (RFC 5321 section 4.5.4, RFC 3464)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import (
    ADDRESSES,
    CONTENT,
    DAY,
    DOUBTFUL,
    GREYLISTED,
    HOUR,
    OK,
    START,
    UNKNOWN_USER,
    Playbook,
    Says,
    configured,
    named,
    nameless,
)
from scenes import A, B, culprit, delisting, episode, listing

from unlisted import commands
from unlisted.facts import (
    Configured,
    EpisodeOpened,
    PathReopened,
    PathRested,
    Policy,
    Pool,
    Queued,
    Refusal,
    Routed,
    SenderHeld,
    Settled,
)

Make = Callable[..., Playbook]


def test_mail_leaves_by_the_address_drawn_for_its_sender_and_is_settled(pb: Playbook) -> None:
    message = pb.send("ann", "bob@big.test")
    (routed,) = pb.found(Routed)
    assert (routed.why, routed.probability, routed.among) == ("draw", 0.25, 4)
    assert pb.tries(message) == [(0.0, routed.address)]
    assert pb.last(Settled).how == "delivered"
    assert not pb.rows and not pb.ndrs


def test_a_sender_keeps_its_address_within_an_epoch_and_draws_anew_in_the_next(
    pb: Playbook,
) -> None:
    for _ in range(5):
        pb.send("ann", "bob@big.test")
    assert len({one.address for one in pb.found(Routed)}) == 1
    seen = set()
    for _ in range(40):
        pb.wait(HOUR)
        pb.send("ann", "bob@big.test")
        seen.add(pb.last(Routed).address)
    assert seen == set(ADDRESSES)


def test_each_recipient_has_a_row_of_its_own(pb: Playbook) -> None:
    pb.world.unknown.add("nobody@big.test")
    message = pb.send("ann", "bob@big.test", "nobody@big.test", "eve@small.test")
    assert [pb.how(message, i) for i in range(3)] == ["delivered", "bounced", "delivered"]


def test_five_hundred_recipients_are_within_the_bound_of_one_input(pb: Playbook) -> None:
    message = pb.send("ann", *(f"reader{i}@big.test" for i in range(500)))
    assert {pb.how(message, i) for i in range(500)} == {"delivered"}


def test_a_deferred_message_is_tried_again_by_the_same_address_at_growing_intervals(
    pb: Playbook,
) -> None:
    for address in ADDRESSES:
        pb.world.refuses[address, "grey.test"] = GREYLISTED
    message = pb.send("ann", "bob@grey.test")
    pb.wait(4 * HOUR)
    pb.world.refuses.clear()
    pb.wait(4 * HOUR)
    assert [at for at, _ in pb.tries(message)] == [0, 300, 1200, 3000, 6600, 13800, 28200]
    assert len({address for _, address in pb.tries(message)}) == 1
    assert [one.why for one in pb.found(Routed)][1:] == ["kept"] * 6
    assert pb.how(message) == "delivered" and not pb.ndrs


def test_a_message_deferred_for_five_days_expires_with_an_ndr(pb: Playbook) -> None:
    for address in ADDRESSES:
        pb.world.refuses[address, "grey.test"] = GREYLISTED
    message = pb.send("ann", "bob@grey.test")
    pb.wait(5 * DAY + HOUR)
    assert pb.how(message) == "expired"
    (ndr,) = pb.ndrs
    assert (ndr.action, ndr.code, ndr.block) == ("failed", 451, False)
    assert pb.tries(message)[-1][0] == 5 * DAY


def test_no_conversation_at_all_is_a_deferral(pb: Playbook) -> None:
    for address in ADDRESSES:
        pb.world.refuses[address, "down.test"] = Says(0, None, "connection refused", "connect")
    message = pb.send("ann", "bob@down.test")
    assert pb.how(message) == "due"
    pb.world.refuses.clear()
    pb.wait(300)
    assert pb.how(message) == "delivered"


def test_an_unknown_user_bounces_at_once_with_the_receivers_words(pb: Playbook) -> None:
    pb.world.unknown.add("nobody@big.test")
    message = pb.send("ann", "nobody@big.test")
    assert pb.how(message) == "bounced"
    (ndr,) = pb.ndrs
    assert (ndr.code, ndr.enhanced, ndr.text, ndr.block) == (550, "5.1.1", UNKNOWN_USER.text, False)
    assert ndr.row.sender == "ann"


def test_deferred_mail_is_given_up_at_the_age_that_is_configured(play: Make) -> None:
    pb = play(configured(policy=Policy(give_up_s=2 * DAY)))
    for address in ADDRESSES:
        pb.world.refuses[address, "grey.test"] = GREYLISTED
    message = pb.send("ann", "bob@grey.test")
    pb.wait(2 * DAY + HOUR)
    assert pb.how(message) == "expired"


@pytest.mark.parametrize("says", [UNKNOWN_USER, DOUBTFUL, GREYLISTED, CONTENT])
def test_nobody_is_told_of_the_failure_of_a_null_sender(pb: Playbook, says: Says) -> None:
    for address in ADDRESSES:
        pb.world.refuses[address, "big.test"] = says
    message = pb.send("", "ann@big.test", null_sender=True)
    pb.wait(2 * DAY)
    assert pb.how(message) in ("bounced", "expired")
    assert not pb.ndrs and not pb.rows


def test_the_report_of_a_report_is_never_sent(pb: Playbook) -> None:
    pb.world.unknown.update({"nobody@big.test", "ann@platform.test"})
    pb.send("ann", "nobody@big.test")
    assert len(pb.ndrs) == 1
    assert not pb.rows


def test_null_senders_leave_by_a_pool_of_their_own_where_there_is_one(play: Make) -> None:
    pools = (
        Pool(name="shared", addresses=ADDRESSES, helo="out.platform.test"),
        Pool(name="null", addresses=("127.0.2.1",), helo="null.platform.test"),
    )
    pb = play(configured(pools=pools))
    pb.send("", "ann@big.test", null_sender=True)
    assert pb.last(Routed).address == "127.0.2.1"


def test_without_a_pool_mail_waits_until_one_is_configured(play: Make) -> None:
    pb = play(configured(pools=()))
    message = pb.send("ann", "bob@big.test")
    assert pb.row(message).waits_for == "pool"
    pb.feed(configured(at=pb.now))
    pb.carry_out()
    assert pb.how(message) == "delivered"


# ------------------------------------------------------------ resting paths


def test_a_named_refusal_rests_the_path_and_nothing_follows_by_it(pb: Playbook) -> None:
    listing(pb)
    one, two = pb.drawn_to(A, 2)
    first = pb.send(one, "ann@big.test")
    second = pb.send(two, "ann@big.test")
    (rested,) = pb.found(PathRested)
    assert (rested.address, rested.receiver) == (A, "big.test")
    assert len(pb.tries(first)) == 1 and pb.tries(second) == []
    assert pb.row(first).waits_for == f"path:{A}|big.test"
    assert not pb.ndrs


def test_a_resting_path_does_not_keep_mail_from_other_receivers_or_addresses(pb: Playbook) -> None:
    episode(pb)
    (here,) = pb.drawn_to(A)
    (there,) = pb.drawn_to(B)
    assert pb.how(pb.send(here, "ann@small.test")) == "delivered"
    assert pb.how(pb.send(there, "ann@big.test")) == "delivered"


def test_a_receiver_first_heard_of_by_its_refusal_is_not_tried_again_at_once(pb: Playbook) -> None:
    pb.world.sites["customer.test"] = "mx.site.test"
    listing(pb, receivers=("mx.site.test",))
    (sender,) = pb.drawn_to(A)
    message = pb.send(sender, "ann@customer.test")
    assert len(pb.tries(message)) == 1
    assert pb.row(message).waits_for == f"path:{A}|mx.site.test"


def test_domains_of_one_site_rest_together(play: Make) -> None:
    pb = play(configured(receivers=(("one.test", "mx.site.test"), ("two.test", "mx.site.test"))))
    pb.world.sites.update({"one.test": "mx.site.test", "two.test": "mx.site.test"})
    listing(pb, receivers=("mx.site.test",))
    one, two = pb.drawn_to(A, 2)
    pb.send(one, "ann@one.test")
    second = pb.send(two, "bob@two.test")
    assert pb.tries(second) == []


def test_mail_in_the_edges_hands_when_the_path_closes_is_not_attempted(pb: Playbook) -> None:
    listing(pb)
    one, two = pb.drawn_to(A, 2)
    pb.hands_off = True
    pb.send(one, "ann@big.test")
    late = pb.send(two, "bob@big.test")
    pb.hands_off = False
    pb.carry_out()
    assert pb.tries(late) == []
    assert pb.row(late).state == "wait"


def test_a_cleared_sender_draws_again_among_open_paths_when_its_own_rests(pb: Playbook) -> None:
    episode(pb)
    (sender,) = pb.drawn_to(A, prefix="clean")
    pb.history(sender, correspondents=("ann@big.test",))
    message = pb.send(sender, "ann@big.test")
    routed = pb.last(Routed)
    assert (routed.why, routed.among) == ("redraw", 3)
    assert routed.address != A and pb.how(message) == "delivered"


def test_a_newcomers_mail_waits_for_its_own_path(pb: Playbook) -> None:
    episode(pb)
    (sender,) = pb.drawn_to(A, prefix="new")
    message = pb.send(sender, "ann@big.test")
    assert pb.how(message) == "wait" and pb.tries(message) == []


def test_thirty_clean_days_do_not_take_a_first_letter_to_a_stranger_elsewhere(
    pb: Playbook,
) -> None:
    episode(pb)
    (sender,) = pb.drawn_to(A, prefix="clean")
    pb.history(sender, correspondents=("friend@big.test",))
    message = pb.send(sender, "stranger@big.test")
    assert pb.how(message) == "wait"


def test_twenty_nine_clean_days_are_not_enough(pb: Playbook) -> None:
    episode(pb)
    (sender,) = pb.drawn_to(A, prefix="young")
    pb.history(sender, days=29, correspondents=("ann@big.test",))
    assert pb.how(pb.send(sender, "ann@big.test")) == "wait"


def test_refused_mail_moves_once_if_judged_clean_and_then_waits(pb: Playbook) -> None:
    (sender,) = pb.drawn_to(A, prefix="clean")
    pb.history(sender, correspondents=("ann@big.test",))
    for address in ADDRESSES:
        listing(pb, address)
    message = pb.send(sender, "ann@big.test")
    assert [one.why for one in pb.found(Routed)] == ["draw", "moved"]
    assert len(pb.tries(message)) == 2
    assert pb.row(message).state == "wait" and pb.row(message).moved
    pb.wait(DAY)
    assert len({address for _, address in pb.tries(message)}) == 2


def test_refused_mail_of_a_newcomer_never_leaves_by_another_address(pb: Playbook) -> None:
    message = episode(pb)
    pb.wait(DAY)
    assert {address for _, address in pb.tries(message)} == {A}


def test_an_address_takes_over_no_more_refused_mail_than_its_allowance(pb: Playbook) -> None:
    senders = pb.drawn_to(A, 50, prefix="clean")
    for sender in senders:
        pb.history(sender, correspondents=("ann@big.test",))
    listing(pb)
    pb.hands_off = True
    messages = [pb.send(sender, "ann@big.test") for sender in senders]
    pb.hands_off = False
    # all are in the edge's hands; the path rests at the first refusal, so only that one is refused
    pb.carry_out()
    assert [one.why for one in pb.found(Routed)].count("moved") <= 3 * 10
    assert all(pb.how(one) in ("delivered", "wait") for one in messages)


def test_a_refusal_for_ever_is_never_taken_elsewhere_and_bounces(pb: Playbook) -> None:
    (sender,) = pb.drawn_to(A, prefix="clean")
    pb.history(sender, correspondents=("ann@big.test",))
    never = f"[TSS09] All messages from {A} will be permanently deferred"
    pb.world.refuses[A, "big.test"] = Says(553, "5.7.2", never, "mail")
    message = pb.send(sender, "ann@big.test")
    assert pb.last(Refusal).retry == "never"
    pb.wait(DAY)
    assert {address for _, address in pb.tries(message)} == {A}
    assert pb.how(message) == "booked" and pb.ndrs[-1].block


# ------------------------------------------------------------ suspicion


def test_a_suspicion_waits_two_hours_and_no_longer(pb: Playbook) -> None:
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    message = pb.send(sender, "ann@odd.test")
    assert pb.row(message).waits_for == f"suspicion:{A}|odd.test"
    pb.wait(2 * HOUR - 1)
    assert pb.how(message) == "wait" and not pb.ndrs
    pb.wait(2)
    assert pb.how(message) == "booked"
    (ndr,) = pb.ndrs
    assert ndr.block


def test_a_suspicion_does_not_close_the_path_for_others(pb: Playbook) -> None:
    one, two = pb.drawn_to(A, 2)
    pb.world.content[one, "odd.test"] = DOUBTFUL
    pb.send(one, "ann@odd.test")
    assert pb.how(pb.send(two, "ann@odd.test")) == "delivered"
    assert not pb.found(PathRested)


# ------------------------------------------------------------ changes of configuration


def test_an_address_taken_out_of_its_pool_is_not_used_again(pb: Playbook) -> None:
    for address in ADDRESSES:
        pb.world.refuses[address, "grey.test"] = GREYLISTED
    (sender,) = pb.drawn_to(A)
    message = pb.send(sender, "ann@grey.test")
    pool = Pool(name="shared", addresses=ADDRESSES[1:], helo="out.platform.test")
    pb.feed(configured(at=pb.now, pools=(pool,)))
    pb.world.refuses.clear()
    pb.wait(HOUR)
    assert pb.how(message) == "delivered"
    assert pb.tries(message)[-1][1] != A


def test_mail_that_waits_for_an_address_taken_out_of_its_pool_does_not_wait_for_ever(
    pb: Playbook,
) -> None:
    message = episode(pb)
    pool = Pool(name="shared", addresses=ADDRESSES[1:], helo="out.platform.test")
    pb.feed(configured(at=pb.now, pools=(pool,)))
    pb.until(START + 2 * DAY, stop=lambda: message + ".0" not in pb.rows)
    delisting(pb)
    pb.wait(DAY)
    assert pb.how(message) == "delivered"


# ------------------------------------------------------------ the canary


def test_a_canary_that_fails_for_another_reason_gives_its_turn_to_the_next(pb: Playbook) -> None:
    one, two = pb.drawn_to(A, 2)
    pb.world.refuses[A, "quiet.test"] = nameless(A)
    first = pb.send(one, "gone@quiet.test")
    second = pb.send(two, "ann@quiet.test")
    pb.world.refuses.clear()
    pb.world.unknown.add("gone@quiet.test")
    pb.wait(6 * HOUR)
    assert pb.how(first) == "bounced"
    assert pb.how(second) == "delivered"
    assert pb.found(PathReopened)


def test_a_canary_whose_sender_is_held_meanwhile_gives_its_turn_to_the_next(pb: Playbook) -> None:
    sender = culprit(pb)
    assert pb.found(SenderHeld)
    message = pb.send(pb.drawn_to(A, prefix="later")[0], "zoe@big.test")
    delisting(pb)
    pb.wait(6 * HOUR)
    assert pb.how(message) == "delivered"
    assert sender in {one.sender for one in pb.found(SenderHeld)}


def test_a_canary_that_meets_a_doubtful_reply_does_not_block_the_path(pb: Playbook) -> None:
    one, two = pb.drawn_to(A, 2)
    pb.world.refuses[A, "quiet.test"] = nameless(A)
    pb.send(one, "ann@quiet.test")
    second = pb.send(two, "bob@quiet.test")
    pb.world.refuses.clear()
    pb.world.content[one, "quiet.test"] = DOUBTFUL
    pb.wait(8 * HOUR)
    assert pb.how(second) == "delivered"


def test_a_deferred_canary_is_no_answer(pb: Playbook) -> None:
    (one,) = pb.drawn_to(A)
    pb.world.refuses[A, "quiet.test"] = nameless(A)
    message = pb.send(one, "ann@quiet.test")
    pb.world.refuses[A, "quiet.test"] = GREYLISTED
    pb.wait(HOUR)
    assert not pb.found(PathReopened)
    pb.world.refuses.clear()
    pb.wait(6 * HOUR)
    assert pb.how(message) == "delivered" and pb.found(PathReopened)


# ------------------------------------------------------------ bounds


def test_waiting_mail_costs_no_facts_while_nothing_happens(pb: Playbook) -> None:
    listing(pb)
    senders = pb.drawn_to(A, 30)
    for sender in senders:
        pb.send(sender, "ann@big.test")
    before = len(pb.found(Queued))
    pb.wait(12 * HOUR)
    assert len(pb.found(Queued)) - before <= 4  # no message is looked at for its own sake


def test_a_patience_of_the_policy_is_obeyed(play: Make) -> None:
    pb = play(configured(policy=Policy(give_up_s=HOUR)))
    message = episode(pb)
    pb.wait(2 * HOUR)
    assert pb.how(message) == "expired"
    assert pb.ndrs


def test_an_episode_is_not_needed_for_a_path_to_rest(play: Make) -> None:
    pb = play(configured(lookups=False))
    message = episode(pb)
    assert not pb.found(EpisodeOpened) and not pb.probes
    assert pb.how(message) == "wait"
    delisting(pb)
    pb.wait(HOUR)
    assert pb.how(message) == "delivered"


def test_a_command_names_the_pools_helo(pb: Playbook) -> None:
    pb.hands_off = True
    pb.send("ann", "bob@big.test")
    (command,) = pb.outbox.values()
    assert isinstance(command, commands.Deliver)
    assert command.helo == "out.platform.test"
    assert isinstance(pb.journal[0][1], Configured)
    assert pb.answer(command, OK).facts


def test_a_wrapped_or_nameless_refusal_still_rests_the_path(pb: Playbook) -> None:
    for receiver, says in [("one.test", nameless(A)), ("two.test", named(A))]:
        pb.world.refuses[A, receiver] = says
        (sender,) = pb.drawn_to(A)
        pb.send(sender, f"ann@{receiver}")
    assert [one.receiver for one in pb.found(PathRested)] == ["one.test", "two.test"]
