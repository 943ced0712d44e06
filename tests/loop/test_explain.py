"""Explain: four weeks of draws weighed live; one verdict per sender and episode."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import ADDRESSES, DAY, HOUR, ZONE, Playbook, configured, named
from scenes import A, B, C, culprit, delisting, episode, hijack, listing

from unlisted.facts import (
    CausesRanked,
    EpisodeClosed,
    EpisodeOpened,
    HoldReleased,
    Policy,
    Pool,
    Refusal,
    SenderHeld,
)
from unlisted.routing.draw import draw, epoch_of

Make = Callable[..., Playbook]
WIDE = tuple(f"127.0.2.{i}" for i in range(1, 17))
PEOPLE = [f"person{i}" for i in range(12)]


def wide(play: Make) -> Playbook:
    """A platform with a pool of sixteen addresses, whose people all know whom they write to."""
    pool = Pool(name="shared", addresses=WIDE, helo="out.platform.test")
    pb = play(configured(pools=(pool,)))
    for sender in [*PEOPLE, "thief"]:
        pb.history(sender, correspondents=("friend@home.test", "ann@big.test"))
    return pb


def drawn(pb: Playbook, sender: str) -> str:
    """The address by which a sender's mail leaves now."""
    return draw(pb.states.key, sender, epoch_of(pb.now), WIDE).address


def morning(pb: Playbook, hours: int = 6, thief: int = 4) -> None:
    """Some hours of mail to friends, nobody's out of the ordinary; the thief's among it."""
    for _ in range(hours):
        for sender in PEOPLE:
            pb.send(sender, "friend@home.test")
        for _ in range(thief):
            pb.send("thief", "friend@home.test")
        pb.wait(HOUR)


def listed(pb: Playbook, address: str) -> str:
    """The list lists the address now, a probe by mail meets it, and lets go a day later."""
    listing(pb, address)
    sender = next(f"tell{i}" for i in range(999) if drawn(pb, f"tell{i}") == address)
    pb.send(sender, "ann@big.test")
    found = pb.states.sense.open[address, ZONE]
    pb.wait(DAY - 6 * HOUR)
    delisting(pb, address)
    for _ in range(12):
        pb.wait(HOUR)
        if pb.states.sense.episodes[found].closed_at is not None:
            return found
    raise AssertionError("the episode does not end")


def verdicts(pb: Playbook, episode_id: str) -> list[CausesRanked]:
    return [one for one in pb.found(CausesRanked) if one.episode == episode_id]


def test_whom_only_the_draws_speak_against_is_named_after_some_listings(play: Make) -> None:
    pb = wide(play)
    episodes = []
    for _ in range(7):
        morning(pb, hours=3, thief=0)
        for _ in range(25):
            pb.send("thief", "friend@home.test")
        pb.wait(600)
        episodes.append(listed(pb, drawn(pb, "thief")))
        if pb.found(SenderHeld):
            break
    (held,) = pb.found(SenderHeld)
    assert held.sender == "thief" and len(episodes) >= 3
    said = [one for one in pb.found(CausesRanked) if one.named]
    assert all(one.named == ("thief",) for one in said)
    first = verdicts(pb, episodes[0])[0]
    assert not first.named and first.episodes_needed and first.weighed == 1
    share = said[0].shares[0]
    assert share.by == "draws" and share.guilty and share.log_e is not None and share.log_e > 3
    assert len(share.episodes_for) >= 2 and set(share.episodes_for) <= set(episodes)
    assert 0 <= share.low < share.share <= share.high <= 1


def test_listings_that_follow_nobodys_draw_name_nobody(play: Make) -> None:
    pb = wide(play)
    for number in range(5):
        morning(pb, hours=4)
        listed(pb, WIDE[3 * number])
    assert not pb.found(SenderHeld)
    assert {one.verdict for one in pb.found(CausesRanked)} <= {"not enough evidence", "nobody here"}


def test_a_list_that_lists_one_address_again_and_again_is_a_rival_and_is_told(play: Make) -> None:
    pb = wide(play)
    for _ in range(8):
        morning(pb, hours=2, thief=1)
        last = listed(pb, WIDE[5])
    said = verdicts(pb, last)[0]
    assert said.rival == "list error" and said.error_probability is not None
    assert said.error_probability > 0.5 and not said.named and said.verdict == "nobody here"
    assert said.weighed == 8 and not pb.found(SenderHeld)


def test_a_neighbours_range_is_a_rival_and_is_told(play: Make) -> None:
    pb = wide(play)
    morning(pb)
    for address in WIDE[:8]:
        listing(pb, address)
        sender = next(f"tell{i}" for i in range(999) if drawn(pb, f"tell{i}") == address)
        pb.send(sender, "ann@big.test")
        pb.wait(30)
    said = pb.found(CausesRanked)[-1]
    assert said.rival == "range" and said.verdict == "nobody here"
    assert said.range_probability is not None and said.range_probability > 0.8


def test_a_range_is_dated_at_once_by_asking_the_list_about_the_whole_pool(play: Make) -> None:
    pb = wide(play)
    morning(pb)
    for address in WIDE:
        listing(pb, address)
    pb.send("person1", "ann@big.test")
    pb.wait(120)
    opened = pb.found(EpisodeOpened)
    assert {one.address for one in opened} == set(WIDE)
    # The letter that met it was tried by one other address; none was spent on the rest.
    assert len(pb.found(Refusal)) == 2
    assert sorted(one.basis for one in opened) == [*["dns"] * 14, *["reply+dns"] * 2]
    last = {one.episode: one for one in pb.found(CausesRanked)}
    assert {one.verdict for one in last.values()} == {"nobody here"}
    assert not pb.found(SenderHeld)


def test_where_one_address_is_listed_its_pool_is_asked_about_once_within_a_minute(
    pb: Playbook,
) -> None:
    episode(pb)
    asked_at = len(pb.probes)
    pb.wait(60)
    asked = [(one.zone, one.address) for one in pb.probes[asked_at:]]
    assert sorted(asked) == [(ZONE, one) for one in ADDRESSES if one != A]
    assert [one.address for one in pb.found(EpisodeOpened)] == [A]


def test_a_lists_error_is_nobodys_though_a_culprit_of_another_listing_mailed_there_before(
    play: Make,
) -> None:
    pb = wide(play)
    (thief,) = [next(f"t{i}" for i in range(999) if drawn(pb, f"t{i}") == WIDE[3])]
    hijack(pb, WIDE[3], sender=thief)
    listing(pb, WIDE[3])
    pb.send(
        next(f"tell{i}" for i in range(999) if drawn(pb, f"tell{i}") == WIDE[3]), "ann@big.test"
    )
    (held,) = pb.found(SenderHeld)
    assert held.sender == thief
    morning(pb, hours=30, thief=1)
    wrong = [one for one in WIDE if one != WIDE[3]][2:5]
    for address in wrong:
        listing(pb, address)
    pb.send(next(f"u{i}" for i in range(999) if drawn(pb, f"u{i}") == wrong[0]), "ann@big.test")
    morning(pb, hours=3, thief=1)
    said = {one.episode: one for one in pb.found(CausesRanked)}
    answers = {pb.states.sense.episodes[name].address: one for name, one in said.items()}
    assert {(answers[one].verdict, answers[one].named) for one in wrong} == {("nobody here", ())}
    assert answers[WIDE[3]].named == (thief,)


def test_a_mistaken_address_that_is_written_to_again_counts_once(pb: Playbook) -> None:
    pb.history("ann", correspondents=("friend@home.test",))
    pb.world.unknown.add("typo@other.test")
    for _ in range(3):
        pb.send("ann", "typo@other.test")
        pb.wait(1800)
    ann = pb.states.explain.senders["ann"]
    sums = ann.all.total(pb.now)
    assert (sums[2], sums[4]) == (1, 1)  # one stranger, one unknown user
    assert [day.unknown for day in ann.days.values()] == [1]


def test_after_its_hold_a_sender_is_judged_by_what_it_did_since(play: Make) -> None:
    pb = play(configured(policy=Policy(hold_s=DAY)))
    sender = culprit(pb)
    first = pb.states.sense.open[A, ZONE]
    pb.wait(DAY + HOUR)
    assert pb.last(HoldReleased).sender == sender
    for _ in range(3):
        pb.send(sender, f"aunt-{sender}@home.test")
    before = len(pb.found(SenderHeld))
    for address in (B, C):
        episode(pb, address)
        pb.wait(HOUR)
    late = [one for one in pb.found(CausesRanked) if one.episode != first]
    assert late and not any(sender in one.named for one in late)
    assert len(pb.found(SenderHeld)) == before
    assert [one for one in pb.found(CausesRanked) if one.episode == first][-1].named == (sender,)


def test_a_hijack_that_returns_after_its_hold_is_named_again(play: Make) -> None:
    pb = play(configured(policy=Policy(hold_s=DAY)))
    sender = culprit(pb)
    delisting(pb, A)
    pb.wait(DAY + 14 * HOUR)
    assert pb.found(EpisodeClosed) and pb.found(HoldReleased)
    address = draw(pb.states.key, sender, epoch_of(pb.now), ADDRESSES).address
    hijack(pb, address, sender=sender, text="Cheap watches from the maker, parcel {n}, order now")
    episode(pb, address)
    assert [one.sender for one in pb.found(SenderHeld)] == [sender, sender]


def test_a_conviction_stands_until_a_person_ends_it(pb: Playbook) -> None:
    sender = culprit(pb)
    (held,) = pb.found(SenderHeld)
    first = pb.found(CausesRanked)[-1]
    pb.wait(5 * DAY)
    after = [one for one in pb.found(CausesRanked)[1:] if one.episode == first.episode]
    assert all(sender in one.named for one in after)
    assert pb.states.explain.convicted
    pb.act("release_hold", held.hold)
    assert pb.last(HoldReleased).actor == "pat"
    episode(pb, B)
    assert sender not in pb.last(CausesRanked).named


def test_who_was_silent_before_a_listing_is_not_blamed_for_it(pb: Playbook) -> None:
    sender = culprit(pb, A)
    pb.wait(10 * HOUR)
    before = len(pb.found(CausesRanked))
    episode(pb, B)
    late = pb.found(CausesRanked)[before:]
    other = [one for one in late if pb.states.sense.episodes[one.episode].address == B]
    assert other and not any(sender in one.named for one in other)


def test_one_address_has_nothing_to_draw_from_and_the_verdict_says_so(play: Make) -> None:
    alone = Pool(name="shared", addresses=(A,), helo="out.platform.test")
    pb = play(configured(pools=(alone,)))
    pb.world.listed.add((ZONE, A))
    pb.world.refuses[A, "big.test"] = named(A)
    for i in range(30):
        pb.send(f"s{i % 5}", "friend@home.test")
    pb.send("ann", "bob@big.test")
    said = pb.last(CausesRanked)
    assert not said.drawn and not said.named and said.verdict == "not enough evidence"
    assert "reports or contents" in said.need and said.episodes_needed is None


@pytest.mark.parametrize("waits", [False, True])
def test_only_mail_that_leaves_in_the_epoch_of_its_draw_is_part_of_the_experiment(
    pb: Playbook, waits: bool
) -> None:
    pb.hands_off = waits
    pb.send("ann", "bob@big.test")
    if waits:
        pb.now += 2 * HOUR
        pb.hands_off = False
        pb.carry_out()
    book = pb.states.explain.book.weighable({"shared": (A, B)}, HOUR, rests_listed=True)
    assert (book.exposures.probability < 1).tolist() == [not waits]
