"""What time brings: old configurations, slow edges, many rows, and who is cleared when."""

from __future__ import annotations

from playbook import ADDRESSES, DAY, HOUR, Playbook
from scenes import NEWS, SPAM, A, B, C, culprit, delisting, episode, hijack, listing

from unlisted.facts import (
    EpisodeClosed,
    EpisodeOpened,
    IncidentClosed,
    PathReopened,
    Refusal,
    Routed,
    SenderHeld,
)


def test_mail_that_waited_for_its_sender_to_be_cleared_leaves_when_the_culprit_is_held(
    pb: Playbook,
) -> None:
    """Known correspondents of senders without 30 clean days, by paths already in use."""
    hijack(pb)
    (sender,) = pb.drawn_to(A, prefix="young")
    pb.history(sender, days=10, correspondents=("ann@big.test",))
    listing(pb)
    pb.world.dns_broken = True  # so that nobody is named yet
    pb.send(pb.drawn_to(A, prefix="first")[0], "zoe@big.test")
    message = pb.send(sender, "ann@big.test")
    assert pb.how(message) == "wait"
    pb.world.dns_broken = False
    pb.wait(HOUR)
    assert pb.found(SenderHeld)
    assert pb.how(message) == "delivered"
    assert {address for _, address in pb.tries(message)} <= set(ADDRESSES) - {A}


def test_nothing_of_a_held_culprit_is_ever_sent_by_another_address(pb: Playbook) -> None:
    thief = culprit(pb)
    for i in range(20):
        pb.send(thief, f"more{i}@big.test")
    pb.wait(2 * DAY)
    delisting(pb)
    pb.wait(DAY)
    moved = [one for one in pb.found(Routed) if one.sender == thief and one.why != "draw"]
    assert not moved
    refused = {one.row.key for one in pb.found(Refusal) if one.row.sender == thief}
    assert not {one.key for one in pb.found(Routed) if one.why == "moved"} & refused


def test_three_listings_one_after_another_are_all_over_in_the_end(pb: Playbook) -> None:
    for address in (A, B, C):
        episode(pb, address)
        pb.wait(3 * HOUR)
    for address in (C, A, B):
        delisting(pb, address)
        pb.wait(3 * HOUR)
    pb.wait(DAY)
    assert len(pb.found(EpisodeOpened)) == len(pb.found(EpisodeClosed)) == 3
    assert len(pb.found(IncidentClosed)) == 1
    assert not pb.rows and not pb.states.deliver.rests


def test_honest_mail_waiting_for_a_path_goes_out_once_each_and_in_its_order(pb: Playbook) -> None:
    listing(pb)
    sent = [
        pb.send(sender, f"p{i}@big.test", body=NEWS.format(n=i) if i % 3 else "")
        for i, sender in enumerate(pb.drawn_to(A, 80))
    ]
    pb.wait(DAY)
    delisting(pb)
    pb.wait(6 * HOUR)
    assert all(pb.how(one) == "delivered" for one in sent)
    for one in sent:
        delivered = [says for _, row, _, says in pb.tried if row.message == one and says.code < 300]
        assert len(delivered) == 1


def test_all_addresses_listed_at_once_keep_their_mail_until_one_is_free(pb: Playbook) -> None:
    for address in ADDRESSES:
        listing(pb, address)
    sent = [pb.send(f"sender{i}", "ann@big.test") for i in range(40)]
    pb.wait(20 * HOUR)
    assert not pb.ndrs
    for address in ADDRESSES:
        delisting(pb, address)
    pb.wait(12 * HOUR)
    assert all(pb.how(one) == "delivered" for one in sent)
    assert len(pb.found(PathReopened)) == 4


def test_a_slow_edge_changes_nothing_but_the_time(pb: Playbook) -> None:
    """Outcomes that come minutes after their command: paths closed meanwhile stay closed."""
    listing(pb)
    pb.hands_off = True
    sent = [pb.send(s, f"p{i}@big.test") for i, s in enumerate(pb.drawn_to(A, 10))]
    pb.wait(600)
    pb.hands_off = False
    pb.carry_out()
    assert sum(len(pb.tries(one)) for one in sent) == 1
    delisting(pb)
    pb.wait(12 * HOUR)
    assert all(pb.how(one) == "delivered" for one in sent)


def test_a_path_for_which_only_a_doubted_senders_mail_waits_is_tried_all_the_same(
    pb: Playbook,
) -> None:
    """Else the path waits for the sender's answers and the sender for the path."""
    (sender,) = pb.drawn_to(A, prefix="doubted")
    pb.history(sender, correspondents=("ann@big.test",))
    listing(pb)
    sent = [pb.send(sender, f"stranger{i}@big.test", body=SPAM.format(n=i)) for i in range(12)]
    pb.complain(sent[2])
    pb.complain(sent[3])
    pb.wait(DAY)
    delisting(pb)
    pb.wait(2 * DAY)
    assert pb.found(PathReopened) and pb.found(EpisodeClosed)
    assert not [row for row in pb.rows.values() if row.state == "wait"]
