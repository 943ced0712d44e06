"""What a verdict names as its grounds, and how long causes are looked for."""

from __future__ import annotations

from playbook import DAY, HOUR, ZONE, Playbook, Says, configured
from scenes import A, culprit, delisting, episode, hijack, listing
from test_explain import Make

from unlisted.facts import (
    CausesRanked,
    EpisodeClosed,
    EpisodeOpened,
    Failed,
    FeedbackReceived,
    PathTried,
    Policy,
    Pool,
    TimerFired,
)

LATE = Says(554, "5.7.1", f"Client host [{A}] blocked using {ZONE}", "eod")


def looks(pb: Playbook, since: float) -> list[float]:
    return [one.at for one in pb.found(TimerFired) if one.key == "explain" and one.at > since]


def test_a_verdict_rests_on_the_listing_and_on_what_spoke_against_the_named(pb: Playbook) -> None:
    sender = culprit(pb)
    kinds = {n: fact for n, fact, _ in pb.journal}
    said = next(one for one in pb.found(CausesRanked) if sender in one.named)
    grounds = [kinds[n] for n in said.because]
    assert {type(one) for one in grounds} <= {EpisodeOpened, Failed, FeedbackReceived}
    assert any(isinstance(one, EpisodeOpened) for one in grounds)
    assert any(isinstance(one, Failed | FeedbackReceived) for one in grounds)
    assert len(said.because) <= 24 and list(said.because) == sorted(set(said.because))


def test_that_it_was_time_to_look_is_no_ground(pb: Playbook) -> None:
    episode(pb)
    hijack(pb)
    pb.wait(2 * DAY)
    kinds = {n: type(fact) for n, fact, _ in pb.journal}
    for said in pb.found(CausesRanked):
        assert said.because and TimerFired not in {kinds[n] for n in said.because}


def test_once_it_is_over_and_the_culprit_is_named_nobody_looks_any_more(pb: Playbook) -> None:
    culprit(pb)
    pb.wait(DAY)
    delisting(pb)
    pb.wait(3 * DAY)
    assert pb.found(EpisodeClosed)
    assert not looks(pb, pb.last(EpisodeClosed).at) and "explain" not in pb.timers


def test_over_and_undecided_it_is_looked_at_by_the_hour_for_a_day(play: Make) -> None:
    alone = Pool(name="shared", addresses=(A,), helo="out.platform.test")
    pb = play(configured(pools=(alone,)))
    listing(pb)
    pb.send("ann", "bob@big.test")
    pb.wait(DAY)
    delisting(pb)
    pb.wait(3 * DAY)
    ended = pb.last(EpisodeClosed).at
    assert pb.last(CausesRanked).verdict == "not enough evidence"
    late = looks(pb, ended)
    assert 20 <= len(late) <= 26 and max(late) <= ended + DAY + HOUR
    assert "explain" not in pb.timers


def test_a_site_that_refuses_late_is_asked_for_a_letter_once_until_there_is_one(play: Make) -> None:
    pb = play(configured(policy=Policy(trial_letters=2, drop_after_s=7200)))
    listing(pb, receivers=("big.test", "mid.test"))
    pb.world.refuses[A, "mid.test"] = LATE
    for number, one in enumerate(pb.drawn_to(A, 6)):
        pb.send(one, f"p{number}@{('big.test', 'mid.test')[number % 2]}")
    del pb.world.refuses[A, "big.test"]
    pb.wait(DAY)
    asked = [one for one in pb.found(PathTried) if one.receiver == "mid.test"]
    assert len(asked) == 1
    pb.send(pb.drawn_to(A, prefix="late")[0], "q@mid.test")
    pb.wait(DAY / 4)
    again = [one for one in pb.found(PathTried) if one.receiver == "mid.test"]
    assert len(again) <= 2
