"""A receiver that no longer follows a list: told from a delisting and from a list that errs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import DAY, HOUR, OK, ZONE, Playbook, Says, configured, named
from scenes import A, B, delisting, episode, listing
from test_watched import ZONE as WATCHED_ZONE
from test_watched import A as WATCHED
from test_watched import Log, found

from unlisted.facts import (
    EpisodeClosed,
    EpisodeOpened,
    FeedSilent,
    PathReopened,
    PathRested,
    PathTried,
    Policy,
    ProbeAnswered,
    ReceiverDropped,
    Refusal,
)

Make = Callable[..., Playbook]
POLICY = Policy(drop_after_s=7200)


@pytest.fixture
def pb(play: Make) -> Playbook:
    """Receivers are asked after two hours, so that a test need not last for days."""
    return play(configured(policy=POLICY))


SITES = ("big.test", "mid.test", "small.test")


def listed(pb: Playbook, sites: tuple[str, ...] = SITES, letters: int = 8) -> list[str]:
    """The list has A, these sites refuse by it, and letters for each of them wait."""
    listing(pb, receivers=sites)
    senders = pb.drawn_to(A, letters * len(sites))
    return [pb.send(one, f"p{i}@{sites[i % len(sites)]}") for i, one in enumerate(senders)]


def test_a_receiver_that_dropped_the_list_is_named_with_list_and_controls(pb: Playbook) -> None:
    messages = listed(pb)
    pb.wait(HOUR)
    del pb.world.refuses[A, "big.test"]
    pb.wait(12 * HOUR)
    (dropped,) = pb.found(ReceiverDropped)
    assert (dropped.receiver, dropped.zone, dropped.address) == ("big.test", ZONE, A)
    assert dropped.taken >= Policy().trial_letters and dropped.refused_at is not None
    assert dropped.listed_at >= dropped.since
    assert dropped.controls
    for control, refused_at in dropped.controls:
        assert control in ("mid.test", "small.test") and refused_at > dropped.since
    facts = {n: fact for n, fact, _ in pb.journal}
    kinds = {type(facts[n]).__name__ for n in dropped.because}
    assert "ProbeAnswered" in kinds and kinds & {"Delivery", "PathTested"}
    assert not pb.found(EpisodeClosed), "the listing goes on"
    assert all(pb.how(one) == "delivered" for one in messages[::3])
    assert all(pb.how(one) == "wait" for one in messages[1::3])


def test_the_path_opens_by_single_letters_first(pb: Playbook) -> None:
    messages = listed(pb, letters=40)
    del pb.world.refuses[A, "big.test"]
    pb.hands_off = True
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(PathTried)))
    for letter in range(Policy().trial_letters):
        out = [one for one in pb.outbox.values() if type(one).__name__ == "Deliver"]
        assert len(out) == 1, f"letter {letter} is out alone"
        assert not pb.found(PathReopened)
        pb.perform(out[0])
        pb.carry_out()
    assert pb.found(PathReopened)
    pb.hands_off = False
    pb.wait(HOUR)
    assert all(pb.how(one) == "delivered" for one in messages[::3])


def test_a_refused_trial_letter_keeps_the_path_closed(pb: Playbook) -> None:
    listed(pb)
    del pb.world.refuses[A, "big.test"]
    pb.hands_off = True
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(PathTried)))
    pb.world.refuses[A, "big.test"] = named(A)  # its look-ups had failed for a moment
    pb.hands_off = False
    pb.wait(DAY / 2)
    assert not pb.found(PathReopened) and not pb.found(ReceiverDropped)
    assert pb.row("m2").state == "wait"


def test_a_list_that_lets_go_is_no_dropped_list(pb: Playbook) -> None:
    listed(pb)
    pb.wait(3 * HOUR)
    delisting(pb)
    pb.wait(DAY)
    assert not pb.found(ReceiverDropped) and pb.found(PathReopened)


def test_without_a_control_that_refuses_nothing_is_concluded(pb: Playbook) -> None:
    """All followers take mail again although the list says listed: its word to us may be old."""
    listed(pb)
    pb.world.refuses.clear()
    pb.wait(DAY)
    assert not pb.found(ReceiverDropped)
    assert pb.found(PathReopened) and not pb.found(EpisodeClosed)


def test_with_no_other_follower_known_the_path_opens_and_says_so(pb: Playbook) -> None:
    listed(pb, ("big.test",))
    pb.world.refuses.clear()
    pb.wait(DAY)
    assert not pb.found(ReceiverDropped)
    assert "no other receiver is known" in pb.last(PathReopened).why


def test_an_unknown_answer_of_the_list_concludes_nothing(pb: Playbook) -> None:
    listed(pb)
    pb.world.dns_broken = True
    del pb.world.refuses[A, "big.test"]
    pb.wait(DAY / 2)
    assert not pb.found(ReceiverDropped)
    pb.world.dns_broken = False
    pb.wait(HOUR)
    assert [one.receiver for one in pb.found(ReceiverDropped)] == ["big.test"]


def test_who_dropped_the_list_rests_at_no_later_listing_of_it(pb: Playbook) -> None:
    listed(pb)
    del pb.world.refuses[A, "big.test"]
    pb.wait(DAY)
    delisting(pb)
    pb.wait(DAY)
    before = len(pb.found(PathRested))
    episode(pb, B, "mid.test")
    rested = {one.receiver for one in pb.found(PathRested)[before:]}
    assert "big.test" not in rested and "small.test" in rested


def test_who_refuses_by_the_list_again_follows_it_again(pb: Playbook) -> None:
    listed(pb)
    del pb.world.refuses[A, "big.test"]
    pb.wait(DAY / 2)
    assert pb.found(ReceiverDropped)
    pb.world.refuses[A, "big.test"] = named(A)
    pb.send(pb.drawn_to(A, prefix="later")[0], "x@big.test")
    assert pb.found(Refusal)[-1].receiver == "big.test"
    pb.wait(DAY / 2)
    assert len(pb.found(ReceiverDropped)) == 1
    assert pb.states.sense.asks("big.test", ZONE)


@pytest.mark.parametrize("stage", ["data", "eod"])
def test_a_receiver_that_refuses_late_is_asked_by_new_letters(pb: Playbook, stage: str) -> None:
    late = Says(554, "5.7.1", f"Client host [{A}] blocked using {ZONE}", stage)
    listing(pb, receivers=SITES)
    pb.world.refuses[A, "big.test"] = late
    for i, one in enumerate(pb.drawn_to(A, 9)):
        pb.send(one, f"p{i}@{SITES[i % 3]}")
    pb.wait(HOUR)
    pb.world.refuses[A, "big.test"] = OK
    for hour in range(40):
        sender = pb.drawn_to(A, prefix=f"h{hour}-")[0]
        pb.send(sender, f"q{hour}@big.test")
        pb.wait(HOUR)
    assert [one.receiver for one in pb.found(ReceiverDropped)] == ["big.test"]


def test_a_late_control_is_asked_by_a_letter_too(play: Make) -> None:
    pb = play(configured(policy=Policy(trial_letters=2, drop_after_s=7200)))
    late = Says(554, "5.7.1", f"Client host [{A}] blocked using {ZONE}", "eod")
    listing(pb, receivers=("big.test", "mid.test"))
    pb.world.refuses[A, "mid.test"] = late
    for i, one in enumerate(pb.drawn_to(A, 6)):
        pb.send(one, f"p{i}@{('big.test', 'mid.test')[i % 2]}")
    del pb.world.refuses[A, "big.test"]
    for hour in range(12):
        pb.send(pb.drawn_to(A, prefix=f"h{hour}-")[0], f"q{hour}@mid.test")
        pb.wait(HOUR)
    (dropped,) = pb.found(ReceiverDropped)
    assert dropped.controls[0][0] == "mid.test"


def test_a_site_is_asked_by_one_address_a_day_however_many_are_listed(play: Make) -> None:
    pb = play()
    for address in (A, B):
        listing(pb, address, receivers=SITES)
        for i, one in enumerate(pb.drawn_to(address, 3)):
            pb.send(one, f"p{i}@{SITES[i]}")
    pb.wait(5 * DAY)
    for site in SITES:
        assert len([one for one in pb.tests if one.receiver == site]) <= 5


def watched_listing(log: Log) -> None:
    log.take(50)
    for receiver in ("far.example", "other.example"):
        log.refuse(5, receiver)
    probe(log, "listed")
    assert found(log, EpisodeOpened)


def probe(log: Log, state: str) -> None:
    log.put(ProbeAnswered(at=log.at, zone=WATCHED_ZONE, address=WATCHED, state=state))


def test_watched_mail_shows_it_too_once_a_control_refused() -> None:
    log = Log(lookups=True)
    watched_listing(log)
    log.take(20)
    probe(log, "listed")
    assert not found(log, ReceiverDropped)
    log.refuse(1, "other.example")
    (dropped,) = found(log, ReceiverDropped)
    assert isinstance(dropped, ReceiverDropped)
    assert (dropped.receiver, dropped.taken) == ("far.example", 20)
    assert not found(log, EpisodeClosed)


def test_watched_mail_concludes_nothing_without_the_lists_answer() -> None:
    log = Log(lookups=True)
    watched_listing(log)
    log.put(FeedSilent(at=log.at, feed="x", last_at=log.at - 900, usual_s=300))
    log.take(20)
    log.refuse(1, "other.example")
    assert not found(log, ReceiverDropped)
