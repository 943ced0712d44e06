"""Delist, verify: the list's clock, canaries, when an episode is over."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from playbook import DAY, HOUR, START, ZONE, Playbook, configured, named
from scenes import A, B, culprit, delisting, episode, listing, nameless_block

from unlisted.facts import (
    Delisted,
    DelistingAdvised,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    ListTerm,
    PathReopened,
    PathRested,
    PathTested,
    Policy,
    ReleasePredicted,
    Relisted,
    SourceStopped,
)

Make = Callable[..., Playbook]


def test_the_release_is_predicted_from_the_lists_term(pb: Playbook) -> None:
    episode(pb)
    predicted = pb.last(ReleasePredicted)
    assert predicted.release_at is not None and predicted.low and predicted.high
    assert predicted.low <= predicted.release_at <= predicted.high
    assert abs(predicted.release_at - (pb.now + DAY)) <= HOUR


def test_an_unknown_term_predicts_nothing(play: Make) -> None:
    pb = play(configured(lists=(ListTerm(zone=ZONE),)))
    episode(pb)
    assert pb.last(ReleasePredicted).release_at is None


def test_advice_comes_only_after_the_source_stopped(pb: Playbook) -> None:
    episode(pb)
    pb.wait(6 * HOUR)
    assert not pb.found(SourceStopped) and not pb.found(DelistingAdvised)


def test_advice_follows_the_lists_etiquette(play: Make) -> None:
    pb = play(configured(lists=(ListTerm(zone=ZONE, term_s=DAY, requests="owner"),)))
    culprit(pb)
    pb.wait(HOUR)
    (advised,) = pb.found(DelistingAdvised)
    assert advised.requests == "owner" and "named person" in advised.advice


def test_the_list_is_asked_at_the_policys_interval_until_it_answers_clean(pb: Playbook) -> None:
    episode(pb)
    pb.wait(HOUR)
    asked = sum(one.address == A for one in pb.probes)
    assert 4 <= asked <= 7
    pb.world.listed.clear()
    pb.wait(Policy().probe_every_s)
    (delisted,) = pb.found(Delisted)
    assert delisted.high - delisted.low <= Policy().probe_every_s


def test_a_failed_look_up_is_never_a_delisting(pb: Playbook) -> None:
    episode(pb)
    pb.world.dns_broken = True
    pb.world.refuses.clear()
    pb.wait(DAY)
    assert not pb.found(Delisted) and not pb.found(EpisodeClosed)
    pb.world.dns_broken = False
    pb.world.listed.clear()
    pb.wait(HOUR)
    assert pb.found(Delisted)


def test_while_the_list_holds_the_address_no_canary_is_spent_on_its_followers(
    pb: Playbook,
) -> None:
    message = episode(pb)
    pb.wait(3 * DAY)
    assert len(pb.tries(message)) == 1
    # Whether it still follows the list is asked without mail, about once a day.
    times = [one.at - START for one in pb.found(PathTested)]
    assert 1 <= len(times) <= 3 and times[0] >= Policy().drop_after_s


def test_delisted_then_canary_then_reopened_then_waiting_mail_then_closed(pb: Playbook) -> None:
    listing(pb)
    messages = [pb.send(s, f"p{i}@big.test") for i, s in enumerate(pb.drawn_to(A, 60))]
    pb.wait(HOUR)
    delisting(pb)
    pb.until(pb.now + HOUR, stop=lambda: bool(pb.found(PathReopened)))
    assert len(pb.found(Delivery)) <= 1 + Policy().wake_batch, "paced"
    pb.wait(10 * 60)
    assert all(pb.how(one) == "delivered" for one in messages)
    pb.wait(Policy().band_s)
    (closed,) = pb.found(EpisodeClosed)
    kinds = [type(one).__name__ for _, one, _ in pb.journal]
    order = ["Delisted", "PathReopened", "RecoveryWatched", "EpisodeClosed"]
    assert [kinds.index(one) for one in order] == sorted(kinds.index(one) for one in order)
    assert "delisted" in closed.how and closed.evidence


def test_mail_is_woken_in_batches_oldest_first(pb: Playbook) -> None:
    listing(pb)
    messages = [pb.send(s, f"p{i}@big.test") for i, s in enumerate(pb.drawn_to(A, 60))]
    delisting(pb)
    pb.wait(2 * HOUR)
    times = [pb.tries(one)[-1][0] for one in messages]
    assert times == sorted(times)
    assert len(set(times)) == 3  # the canary and 25 at once, then 25 a minute


def test_waking_stops_when_the_path_closes_again(pb: Playbook) -> None:
    listing(pb)
    messages = [pb.send(s, f"p{i}@big.test") for i, s in enumerate(pb.drawn_to(A, 60))]
    delisting(pb)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(PathReopened)))
    listing(pb)
    before = len(pb.journal)
    pb.wait(3 * HOUR)
    attempts = sum(len(pb.tries(one)) for one in messages)
    assert attempts <= 1 + 1 + 25 + 2
    assert len(pb.journal) - before < 400, "waiting costs facts"


def test_delisted_and_still_refused_is_not_over(pb: Playbook) -> None:
    message = episode(pb)
    pb.world.listed.clear()  # the receiver goes on by its cache
    pb.wait(2 * HOUR)
    assert pb.found(Delisted) and not pb.found(EpisodeClosed)
    assert len(pb.tries(message)) >= 2
    pb.world.refuses.clear()
    pb.wait(18 * HOUR)
    assert pb.found(EpisodeClosed) and pb.how(message) == "delivered"


def test_a_canary_refused_again_waits_longer_each_time(pb: Playbook) -> None:
    nameless_block(pb)
    (sender,) = pb.drawn_to(A)
    message = pb.send(sender, "ann@quiet.test")
    pb.wait(DAY)
    times = [at for at, _ in pb.tries(message)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0]
    assert gaps[-1] <= 16 * Policy().reopen_every_s
    assert len(times) < 20


def test_with_nothing_waiting_a_transaction_without_mail_asks(pb: Playbook) -> None:
    message = episode(pb)
    pb.wait(6 * DAY)  # given up meanwhile
    assert pb.how(message) == "expired"
    delisting(pb)
    pb.wait(DAY)
    assert pb.tests
    assert pb.last(PathReopened).why == "a transaction without mail was accepted"
    assert pb.found(EpisodeClosed)


def test_every_path_must_accept_again_before_the_episode_closes(pb: Playbook) -> None:
    listing(pb, receivers=("big.test", "other.test"))
    one, two = pb.drawn_to(A, 2)
    pb.send(one, "ann@big.test")
    pb.send(two, "ann@other.test")
    pb.world.listed.clear()
    del pb.world.refuses[A, "big.test"]
    pb.wait(6 * HOUR)
    assert [one.receiver for one in pb.found(PathReopened)] == ["big.test"]
    assert not pb.found(EpisodeClosed)
    delisting(pb)
    pb.wait(DAY)
    assert pb.found(EpisodeClosed)


def test_accepted_again_while_still_listed_does_not_close(pb: Playbook) -> None:
    """The receiver dropped the list; the list did not drop us."""
    episode(pb)
    pb.world.refuses.clear()
    pb.wait(DAY)
    assert not pb.found(EpisodeClosed)


def test_a_path_that_reopened_and_is_refused_again_keeps_the_episode_open(pb: Playbook) -> None:
    listing(pb, receivers=("big.test", "other.test"))
    one, two = pb.drawn_to(A, 2)
    pb.send(one, "ann@big.test")
    pb.send(two, "ann@other.test")
    pb.world.listed.clear()
    del pb.world.refuses[A, "big.test"]
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(PathReopened)))
    pb.world.refuses[A, "big.test"] = named(A)  # again, before it was over
    (sender,) = pb.drawn_to(A, prefix="again")
    pb.send(sender, "ann@big.test")
    assert [r.receiver for r in pb.found(PathRested)].count("big.test") == 2
    del pb.world.refuses[A, "other.test"]
    pb.until(pb.now + 12 * HOUR, stop=lambda: len(pb.found(PathReopened)) > 1)
    assert not pb.found(EpisodeClosed)
    delisting(pb)
    pb.wait(DAY)
    assert len(pb.found(EpisodeClosed)) == 1


def test_a_relisting_before_the_close_is_the_same_episode(pb: Playbook) -> None:
    episode(pb)
    pb.world.listed.clear()
    pb.wait(HOUR)
    assert pb.found(Delisted)
    pb.world.listed.add((ZONE, A))
    pb.wait(HOUR)
    assert pb.found(Relisted) and len(pb.found(EpisodeOpened)) == 1
    pb.world.refuses.clear()
    pb.wait(HOUR)
    assert not pb.found(EpisodeClosed)
    delisting(pb)
    pb.wait(DAY)
    assert pb.found(EpisodeClosed)


def test_a_listing_after_the_close_is_a_new_episode(pb: Playbook) -> None:
    episode(pb)
    delisting(pb)
    pb.wait(DAY)
    assert pb.found(EpisodeClosed)
    pb.wait(DAY)
    episode(pb)
    assert len(pb.found(EpisodeOpened)) == 2
    delisting(pb)
    pb.wait(DAY)
    assert len(pb.found(EpisodeClosed)) == 2


def test_two_episodes_close_each_by_its_own_list_and_paths(pb: Playbook) -> None:
    episode(pb, A)
    episode(pb, B)
    delisting(pb, B)
    pb.wait(14 * HOUR)
    closed = pb.found(EpisodeClosed)
    opened = {one.episode: one.address for one in pb.found(EpisodeOpened)}
    assert [opened[one.episode] for one in closed] == [B]
    delisting(pb, A)
    pb.wait(14 * HOUR)
    assert len(pb.found(EpisodeClosed)) == 2


def test_an_episode_whose_source_stopped_says_so_when_it_closes(pb: Playbook) -> None:
    culprit(pb)
    pb.wait(HOUR)
    delisting(pb)
    pb.wait(DAY)
    assert pb.last(EpisodeClosed).how == "source stopped, delisted"


def test_mail_of_one_campaign_on_two_paths_follows_each_path_as_it_opens(pb: Playbook) -> None:
    from scenes import NEWS

    listing(pb, A)
    listing(pb, B)
    on_b = [
        pb.send(s, f"b{i}@big.test", body=NEWS.format(n=i))
        for i, s in enumerate(pb.drawn_to(B, 40, prefix="choir"))
    ]
    on_a = pb.send(pb.drawn_to(A, prefix="choir")[0], "a@big.test", body=NEWS.format(n=99))
    # the first of each path is refused and waits for the path; the others wait as a campaign
    last = pb.send(pb.drawn_to(A, 2, prefix="choir")[1], "a2@big.test", body=NEWS.format(n=98))
    delisting(pb, A)
    before = len(pb.journal)
    pb.wait(3 * HOUR)
    assert pb.how(on_a) == "delivered" and pb.how(last) == "delivered"
    assert len(pb.journal) - before < 300, "what waits for B is not looked at every minute"
    assert all(pb.how(one) == "wait" for one in on_b)
    delisting(pb, B)
    pb.wait(3 * HOUR)
    assert all(pb.how(one) == "delivered" for one in on_b)


def test_without_a_path_to_a_control_receiver_one_is_asked_before_the_episode_closes(
    pb: Playbook,
) -> None:
    nameless_block(pb, A)
    pb.world.listed.add((ZONE, A))
    pb.send(pb.drawn_to(A)[0], "ann@quiet.test")
    episode(pb, B)  # teaches that big.test asks the list
    assert [one.address for one in pb.found(EpisodeOpened)] == [A, B]
    pb.world.refuses[A, "big.test"] = named(A)  # its caches are old
    pb.wait(HOUR)
    delisting(pb, B)
    pb.world.listed.clear()
    del pb.world.refuses[A, "quiet.test"]
    pb.wait(16 * HOUR)
    closed = {one.episode for one in pb.found(EpisodeClosed)}
    assert len(closed) == 1
    del pb.world.refuses[A, "big.test"]
    pb.wait(DAY)
    assert len(pb.found(EpisodeClosed)) == 2
    assert [one.receiver for one in pb.tests][-1] == "big.test"
