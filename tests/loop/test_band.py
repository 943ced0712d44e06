"""Over only when each path refuses as rarely as before: bands, patience, relistings, the account."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import DAY, DOUBTFUL, HOUR, ZONE, Playbook, configured
from scenes import A, culprit, delisting, episode, listing

from unlisted.facts import (
    EpisodeClosed,
    EpisodeOpened,
    FeedHeard,
    FeedSilent,
    IncidentClosed,
    ListingDated,
    PathReopened,
    Policy,
    RecoveryWatched,
    Recurred,
    RelistingWatched,
)

Make = Callable[..., Playbook]
POLICY = Policy()


def letters(pb: Playbook, count: int, hours: float, *, site: str = "big.test") -> None:
    """So many letters by A to this site, evenly over the time, each of another sender."""
    for i in range(count):
        pb.send(pb.drawn_to(A, prefix=f"w{int(pb.now)}-")[0], f"w{i}@{site}")
        pb.wait(hours * HOUR / count)


def over(pb: Playbook, site: str = "big.test") -> None:
    """Listed and let go: the path is open again."""
    episode(pb, A, site)
    delisting(pb)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(PathReopened)))


def test_calm_hours_with_too_little_mail_are_not_enough_until_the_patience_ends(
    pb: Playbook,
) -> None:
    over(pb)
    opened = pb.now
    pb.wait(POLICY.band_s + HOUR)
    assert not pb.found(EpisodeClosed)
    (path,) = pb.last(RecoveryWatched).paths
    assert path.receiver == "big.test" and path.missing == POLICY.band_attempts - path.attempts
    pb.wait(DAY)
    (closed,) = pb.found(EpisodeClosed)
    assert closed.at - opened == pytest.approx(POLICY.band_max_s, abs=1)
    assert "too little mail to tell at big.test" in closed.evidence
    assert closed.bands[0].missing > 0


def test_with_enough_mail_the_episode_closes_when_the_stated_time_is_over(pb: Playbook) -> None:
    over(pb)
    opened = pb.now
    letters(pb, 20, 3)
    (closed,) = pb.found(EpisodeClosed)
    assert POLICY.band_s <= closed.at - opened <= POLICY.band_s + POLICY.band_s / 4
    (band,) = closed.bands
    assert (band.refused, band.missing) == (0, 0) and band.attempts >= POLICY.band_attempts
    assert "within its usual share" in closed.evidence


def test_doubtful_replies_above_the_usual_share_keep_it_open(pb: Playbook) -> None:
    over(pb)
    for hour in range(12):
        for i in range(4):
            sender = pb.drawn_to(A, prefix=f"y{hour}-{i}-")[0]
            if not i:
                pb.world.content[sender, "big.test"] = DOUBTFUL
            pb.send(sender, f"y{i}@big.test")
        pb.wait(HOUR)
    assert not pb.found(EpisodeClosed)
    assert pb.last(RecoveryWatched).paths[0].missing
    pb.world.content.clear()
    letters(pb, 100, 12)
    assert pb.found(EpisodeClosed)


def test_what_was_usual_before_is_usual_after(play: Make) -> None:
    """A receiver whose words always are doubtful for one letter in ten is back in its band so."""
    pb = play(configured(policy=Policy(suspicion_wait_s=600)))

    def days(count: int) -> None:
        for hour in range(count * 24):
            for i in range(10):
                sender = pb.drawn_to(A, prefix=f"d{int(pb.now)}-{i}-")[0]
                if i == hour % 10:
                    pb.world.content[sender, "big.test"] = DOUBTFUL
                pb.send(sender, f"d{i}@big.test")
            pb.wait(HOUR)

    days(6)
    usual = pb.states.verify.bands.usual.upper(f"{A}|big.test", "shared", pb.now)
    assert usual > 0.08, "learned from quiet hours"
    pb.world.content.clear()  # else what was booked would be doubtful for ever
    over(pb)
    days(1)
    assert pb.found(EpisodeClosed)
    assert any(one.refused for one in pb.last(EpisodeClosed).bands)


def test_refusals_of_an_incident_are_never_learned_as_usual(pb: Playbook) -> None:
    letters(pb, 40, 20)
    listing(pb)
    letters(pb, 10, 1)
    pb.wait(DAY)
    week = pb.states.verify.bands.usual.streams[f"{A}|big.test"]
    assert week.all_refused == 0 and week.all_attempts > 20


def test_a_list_that_gives_no_answer_any_more_is_no_clean_list(pb: Playbook) -> None:
    over(pb)
    pb.world.dns_broken = True
    letters(pb, 40, 10)
    assert not pb.found(EpisodeClosed)
    pb.world.dns_broken = False
    letters(pb, 20, 3)
    assert pb.found(EpisodeClosed)


def test_a_silent_feed_lets_no_incident_be_closed(pb: Playbook) -> None:
    over(pb)
    pb.feed(FeedSilent(at=pb.now, feed="abuse mailbox", last_at=pb.now - 900, usual_s=300))
    pb.wait(3 * DAY)
    assert not pb.found(IncidentClosed)
    pb.feed(FeedHeard(at=pb.now, feed="abuse mailbox", silent_s=3e5))
    pb.wait(DAY)
    assert pb.found(IncidentClosed)


def test_a_relisting_while_its_band_is_watched_is_a_listing_of_its_own(pb: Playbook) -> None:
    over(pb)
    pb.wait(HOUR)
    assert not pb.found(EpisodeClosed)
    listing(pb)
    pb.wait(HOUR)
    assert "listed again" in pb.last(EpisodeClosed).how
    pb.send(pb.drawn_to(A, prefix="next")[0], "x@big.test")
    second = pb.found(EpisodeOpened)[-1]
    recurred = pb.last(Recurred)
    assert (recurred.episode, recurred.count) == (second.episode, 1)


def test_a_relisting_within_the_watch_is_counted_and_dated(pb: Playbook) -> None:
    for count in range(3):
        episode(pb)
        pb.wait(2 * HOUR)
        delisting(pb)
        pb.wait(20 * DAY)
        assert pb.last(EpisodeClosed).recurrence == count
        assert pb.last(ListingDated).recurrence == count
    assert [one.count for one in pb.found(Recurred) if one.episode] == [1, 2]
    pb.wait(50 * DAY)
    episode(pb)
    delisting(pb)
    pb.wait(2 * DAY)
    assert pb.last(EpisodeClosed).recurrence == 0, "after the watch it is a new trouble"


def test_the_watch_sees_a_relisting_that_nobody_refused_for_yet(pb: Playbook) -> None:
    episode(pb)
    delisting(pb)
    pb.wait(3 * DAY)
    watched = pb.last(RelistingWatched)
    assert watched.until - watched.at == POLICY.relisting_watch_s
    pb.world.listed.add((ZONE, A))
    pb.wait(4 * DAY)
    (seen,) = pb.found(Recurred)
    assert seen.episode is None and seen.before == watched.episode
    asked = len(pb.probes)
    pb.wait(60 * DAY)
    assert len(pb.probes) - asked <= 45
    assert not [key for key in pb.timers if key.startswith("relisting|")]


def test_a_listing_is_dated_by_the_lists_answers_and_so_is_its_last_evidence(pb: Playbook) -> None:
    episode(pb)
    pb.wait(5 * HOUR)
    delisting(pb)
    pb.wait(HOUR)
    dated = pb.last(ListingDated)
    assert dated.ended == "known" and dated.ended_low and dated.ended_high
    assert dated.ended_high - dated.ended_low <= POLICY.probe_every_s
    assert dated.evidence_low == dated.ended_low - DAY
    assert dated.evidence_high == dated.ended_high - DAY
    assert dated.began == "unknown" and dated.began_high is not None


def test_a_begin_is_known_where_the_list_was_seen_clean_before(pb: Playbook) -> None:
    episode(pb)
    delisting(pb)
    pb.wait(5 * DAY)
    episode(pb)
    pb.wait(HOUR)
    delisting(pb)
    pb.wait(HOUR)
    dated = pb.last(ListingDated)
    assert dated.began == "known" and dated.began_low and dated.began_high
    assert dated.began_high - dated.began_low <= 2 * DAY


def test_the_account_counts_each_letter_once(pb: Playbook) -> None:
    listing(pb)
    for i, sender in enumerate(pb.drawn_to(A, 6)):
        pb.send(sender, f"p{i}@big.test")
    pb.wait(HOUR)
    delisting(pb)
    pb.wait(2 * DAY)
    closed = pb.last(EpisodeClosed)
    assert closed.deferred == 6 and closed.bounced == 0 and closed.resent == 0
    assert 1 <= closed.refused <= 6


@pytest.mark.parametrize("named", [True, False])
def test_the_close_says_what_is_known_of_the_source(pb: Playbook, named: bool) -> None:
    if named:
        culprit(pb)
    else:
        episode(pb)
    pb.wait(HOUR)
    delisting(pb)
    pb.wait(2 * DAY)
    assert pb.last(EpisodeClosed).source == ("stopped" if named else "unknown")
