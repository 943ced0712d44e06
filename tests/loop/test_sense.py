"""When refusals become an episode, and when they do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import (
    ADDRESSES,
    CONTENT,
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
from scenes import A, B, delisting, episode, listing, nameless_block

from unlisted.facts import (
    Contrasted,
    EpisodeOpened,
    Failed,
    PathRested,
    Refusal,
    Suspicion,
)

Make = Callable[..., Playbook]


def test_a_named_refusal_asks_the_list_and_its_answer_opens_an_episode(pb: Playbook) -> None:
    episode(pb)
    assert [(one.zone, one.address) for one in pb.probes] == [(ZONE, A)]
    (opened,) = pb.found(EpisodeOpened)
    assert (opened.address, opened.zone, opened.receiver) == (A, ZONE, None)
    assert opened.basis == "reply+dns"
    assert (opened.refusals, opened.attempts) == (1, 1)
    assert pb.found(Refusal)[0].zone == ZONE


def test_a_list_nobody_configured_is_asked_when_a_receiver_names_it(pb: Playbook) -> None:
    pb.world.refuses[A, "big.test"] = named(A, "rare.list.test")
    pb.world.listed.add(("rare.list.test", A))
    pb.send(pb.drawn_to(A)[0], "ann@big.test")
    assert pb.last(EpisodeOpened).zone == "rare.list.test"


def test_one_listing_is_one_episode_however_many_receivers_refuse(pb: Playbook) -> None:
    receivers = tuple(f"r{i}.test" for i in range(5))
    listing(pb, receivers=receivers)
    for sender, receiver in zip(pb.drawn_to(A, 5), receivers, strict=True):
        pb.send(sender, f"ann@{receiver}")
    pb.wait(HOUR)
    assert len(pb.found(EpisodeOpened)) == 1
    assert {one.receiver for one in pb.found(PathRested)} == set(receivers)


def test_two_addresses_listed_are_two_episodes(pb: Playbook) -> None:
    episode(pb, A)
    episode(pb, B)
    assert [one.address for one in pb.found(EpisodeOpened)] == [A, B]


def test_a_suspicion_confirmed_by_dns_opens_an_episode_and_wakes_what_waited(pb: Playbook) -> None:
    (sender,) = pb.drawn_to(A)
    pb.world.refuses[A, "odd.test"] = DOUBTFUL
    pb.world.listed.add((ZONE, A))
    message = pb.send(sender, "ann@odd.test")
    assert pb.found(Suspicion)
    (opened,) = pb.found(EpisodeOpened)
    assert opened.zone == ZONE
    assert pb.row(message).waits_for == f"path:{A}|odd.test"
    pb.wait(3 * HOUR)
    assert pb.how(message) == "wait" and not pb.ndrs


def test_doubtful_words_are_a_refusal_once_the_paths_block_is_known(pb: Playbook) -> None:
    episode(pb)
    pb.world.refuses[A, "big.test"] = DOUBTFUL
    pb.hands_off = True
    pb.wait(HOUR)
    delisting(pb)
    pb.hands_off = False
    assert not pb.found(Suspicion)


def test_the_list_is_asked_again_when_it_did_not_confirm_yet(pb: Playbook) -> None:
    listing(pb)
    pb.world.listed.clear()
    pb.send(pb.drawn_to(A)[0], "ann@big.test")
    assert not pb.found(EpisodeOpened)
    pb.world.listed.add((ZONE, A))
    pb.wait(120)
    assert pb.found(EpisodeOpened)


def test_a_failed_look_up_opens_nothing_and_is_asked_again(pb: Playbook) -> None:
    pb.world.dns_broken = True
    episode(pb)
    pb.wait(600)
    assert not pb.found(EpisodeOpened)
    assert len(pb.probes) >= 3
    pb.world.dns_broken = False
    pb.wait(600)
    assert pb.found(EpisodeOpened)


def test_a_list_is_not_asked_twice_a_minute_about_one_address(pb: Playbook) -> None:
    pb.world.dns_broken = True
    listing(pb, receivers=tuple(f"r{i}.test" for i in range(30)))
    for i, sender in enumerate(pb.drawn_to(A, 30)):
        pb.send(sender, f"ann@r{i}.test")
    assert len(pb.probes) == 1


def test_no_list_is_asked_unless_the_configuration_allows_it(play: Make) -> None:
    pb = play(configured(lookups=False))
    episode(pb)
    pb.wait(HOUR)
    assert not pb.probes


@pytest.mark.parametrize("says", [UNKNOWN_USER, GREYLISTED, CONTENT])
def test_replies_that_blame_something_else_are_failures(pb: Playbook, says: Says) -> None:
    for address in ADDRESSES:
        pb.world.refuses[address, "big.test"] = says
    for i in range(20):
        pb.send(f"sender{i}", "ann@big.test")
    assert pb.found(Failed)
    assert not pb.found(Refusal) and not pb.found(EpisodeOpened) and not pb.probes


# ------------------------------------------------------------ shifts


def ordinary(pb: Playbook, receiver: str, rounds: int = 6) -> None:
    """An hour or two of mail that the receiver takes, by all addresses."""
    for _ in range(rounds):
        for address in ADDRESSES:
            for sender in pb.drawn_to(address, 3, prefix="usual"):
                pb.send(sender, f"ann@{receiver}")
        pb.wait(600)


def test_refusals_of_one_address_and_not_its_neighbours_open_an_episode(pb: Playbook) -> None:
    ordinary(pb, "quiet.test")
    pb.world.refuses[A, "quiet.test"] = DOUBTFUL
    for i, sender in enumerate(pb.drawn_to(A, 8, prefix="later")):
        pb.send(sender, f"ann{i}@quiet.test")
        pb.wait(30)
    (opened,) = pb.found(EpisodeOpened)
    assert (opened.address, opened.zone, opened.receiver) == (A, None, "quiet.test")
    assert opened.basis == "shift"
    assert opened.refusals <= 8


def test_a_spammers_content_refused_by_one_address_opens_nothing(pb: Playbook) -> None:
    ordinary(pb, "quiet.test")
    (spammer,) = pb.drawn_to(A, prefix="spammer")
    pb.world.content[spammer, "quiet.test"] = DOUBTFUL
    for i in range(25):
        pb.send(spammer, f"ann{i}@quiet.test")
        pb.wait(30)
    assert not pb.found(EpisodeOpened)


def test_refusals_by_every_address_alike_open_nothing(pb: Playbook) -> None:
    ordinary(pb, "quiet.test")
    for address in ADDRESSES:
        pb.world.refuses[address, "quiet.test"] = DOUBTFUL
    for i in range(6):
        for address in ADDRESSES:
            for sender in pb.drawn_to(address, 2, prefix="later"):
                pb.send(sender, f"ann{i}@quiet.test")
        pb.wait(30)
    assert not pb.found(EpisodeOpened)


def test_an_ordinary_share_of_doubtful_replies_opens_nothing(pb: Playbook) -> None:
    for i in range(300):
        sender = f"sender{i % 40}"
        if i % 60 == 17:
            pb.world.content[sender, "quiet.test"] = DOUBTFUL
        pb.send(sender, f"ann{i}@quiet.test")
        pb.world.content.clear()
        pb.wait(60)
    assert not pb.found(EpisodeOpened)


def test_a_nameless_refusal_of_the_address_rests_the_path_before_any_episode(
    pb: Playbook,
) -> None:
    nameless_block(pb)
    message = pb.send(pb.drawn_to(A)[0], "ann@quiet.test")
    (rested,) = pb.found(PathRested)
    assert rested.episode is None
    assert pb.how(message) == "wait"
    assert not pb.found(EpisodeOpened)


# ------------------------------------------------------------ where it lies


def test_a_block_without_a_name_says_how_likely_the_address_is_and_what_would_settle_it(
    pb: Playbook,
) -> None:
    ordinary(pb, "quiet.test")
    ordinary(pb, "other.test", rounds=2)
    pb.world.refuses[A, "quiet.test"] = DOUBTFUL
    for i, sender in enumerate(pb.drawn_to(A, 8, prefix="later")):
        pb.send(sender, f"ann{i}@quiet.test")
        pb.wait(30)
    (opened,) = pb.found(EpisodeOpened)
    chances = dict(opened.chances)
    assert set(chances) == {"address", "receiver", "all", "one_sender", "usual"}
    assert abs(sum(chances.values()) - 1) < 0.01
    assert opened.chances[0][0] == "receiver" and chances["receiver"] > 0.5
    assert opened.settles and "quiet.test" in opened.contrast


@pytest.mark.parametrize("everybody", [False, True])
def test_a_rise_that_is_not_the_addresss_is_told_with_its_likelier_causes(
    pb: Playbook, everybody: bool
) -> None:
    ordinary(pb, "quiet.test")
    if everybody:
        for address in ADDRESSES:
            pb.world.refuses[address, "quiet.test"] = DOUBTFUL
        for i in range(6):
            for address in ADDRESSES:
                for sender in pb.drawn_to(address, 2, prefix="later"):
                    pb.send(sender, f"ann{i}@quiet.test")
            pb.wait(30)
    else:
        (spammer,) = pb.drawn_to(A, prefix="spammer")
        pb.world.content[spammer, "quiet.test"] = DOUBTFUL
        for i in range(25):
            pb.send(spammer, f"ann{i}@quiet.test")
            pb.wait(30)
    told = pb.found(Contrasted)
    assert told and not pb.found(EpisodeOpened)
    assert told[-1].chances[0][0] == ("all" if everybody else "one_sender")
    assert told[-1].settles
    paths = [(one.address, one.receiver) for one in told]
    assert len(set(paths)) == len(paths), "more than once an hour"


def test_what_a_receiver_always_refuses_at_this_hour_is_no_alarm(pb: Playbook) -> None:
    """One letter in eight is refused in doubt, by every address alike, for five days."""
    for hour in range(120):
        for i, address in enumerate(ADDRESSES * 4):
            (sender,) = pb.drawn_to(address, prefix=f"u{hour % 9}-{i}-")
            if (hour + i) % 8 == 0:
                pb.world.content[sender, "stern.test"] = DOUBTFUL
            pb.send(sender, f"ann{hour}-{i}@stern.test")
        pb.world.content.clear()
        pb.wait(HOUR)
    assert not pb.found(EpisodeOpened)
    first = pb.states.sense.baseline.upper(f"{B}|never.test", "shared", pb.now)
    stern = pb.states.sense.baseline.upper(f"{B}|stern.test", "shared", pb.now)
    assert first > 0.05 and stern > 0.1


def test_hours_of_a_block_teach_nothing(pb: Playbook) -> None:
    ordinary(pb, "big.test")
    episode(pb)
    pb.wait(2 * HOUR)
    ordinary(pb, "small.test", rounds=1)
    learned = pb.states.sense.baseline.streams
    assert learned[f"{A}|big.test"].all_refused == 0
