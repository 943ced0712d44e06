"""No list is asked (`[dns] lists = false`, as it ships): what receivers answer about our own mail is
all there is, and the whole loop runs on it."""

from __future__ import annotations

from collections.abc import Callable

from playbook import HOUR, ZONE, Playbook, configured
from scenes import A, delisting, hijack, listing

from unlisted.facts import (
    Delisted,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    IncidentOpened,
    PathReopened,
    ReleasePredicted,
    Row,
    SenderHeld,
)

Make = Callable[..., Playbook]
SITES = ("big.test", "large.test", "wide.test")


def blocked(pb: Playbook) -> list[str]:
    """Ordinary senders' mail meets a listing at three receivers; the waiting messages."""
    listing(pb, A, receivers=SITES)
    senders = pb.drawn_to(A, 3, prefix="usual-")
    return [pb.send(sender, f"ann@{site}") for sender, site in zip(senders, SITES, strict=True)]


def test_several_replies_that_name_a_list_are_an_episode_and_an_incident(play: Make) -> None:
    pb = play(configured(lookups=False))
    blocked(pb)
    (opened,) = pb.found(EpisodeOpened)
    assert (opened.basis, opened.zone, opened.address, opened.refusals) == ("replies", ZONE, A, 3)
    assert pb.last(ReleasePredicted).episode == opened.episode
    pb.wait(HOUR)
    assert pb.found(IncidentOpened) and not pb.probes


def test_one_reply_that_names_a_list_is_none(play: Make) -> None:
    pb = play(configured(lookups=False))
    listing(pb, A)
    (sender,) = pb.drawn_to(A, prefix="usual-")
    pb.send(sender, "ann@big.test")
    pb.wait(HOUR)
    assert not pb.found(EpisodeOpened)


def test_it_is_over_when_the_receivers_take_mail_again(play: Make) -> None:
    pb = play(configured(lookups=False))
    waiting = blocked(pb)
    pb.wait(20 * HOUR)
    assert not pb.found(PathReopened) and not pb.found(EpisodeClosed)
    delisting(pb)
    pb.wait(24 * HOUR)
    assert {one.receiver for one in pb.found(PathReopened)} == set(SITES)
    (over,) = pb.found(EpisodeClosed)
    assert over.how == "the receivers accept again, the list was not asked"
    assert not pb.found(Delisted)
    assert {f"{one}.0" for one in waiting} <= {one.row.key for one in pb.found(Delivery)}


def test_while_it_lasts_a_path_costs_a_letter_now_and_then_and_nobody_is_told_of_a_bounce(
    play: Make,
) -> None:
    pb = play(configured(lookups=False))
    waiting = blocked(pb)
    pb.wait(24 * HOUR)
    tried: list[Row] = [row for _, row, address, _ in pb.tried if address == A]
    assert len(tried) + len([one for one in pb.tests if one.address == A]) < 3 * 40
    assert not pb.ndrs and all(f"{one}.0" in pb.rows for one in waiting)


def test_a_culprit_is_named_and_held_on_the_receivers_words_alone(play: Make) -> None:
    pb = play(configured(lookups=False))
    thief = hijack(pb)
    blocked(pb)
    pb.wait(HOUR)
    assert [one.sender for one in pb.found(SenderHeld)] == [thief]
