"""Incidents and posts: they open by themselves, keep their deadlines, close only when it is over."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
from playbook import DAY, HOUR, Playbook
from scenes import A, B, culprit, delisting, episode, nameless_block

from unlisted.facts import (
    EpisodeClosed,
    EpisodeOpened,
    IncidentClosed,
    IncidentOpened,
    Policy,
    Posted,
)
from unlisted.health import lint, own

POLICY = Policy()


def deadlines_kept(pb: Playbook) -> bool:
    posts = pb.found(Posted)
    kept = all(b.at <= (a.next_update_by or 0) for a, b in itertools.pairwise(posts))
    return kept and all(one.deadline_met is not False for one in posts)


def test_an_incident_opens_with_the_first_episode_and_posts_at_once(pb: Playbook) -> None:
    episode(pb)
    (opened,) = pb.found(IncidentOpened)
    (posted,) = pb.found(Posted)
    assert opened.at == posted.at == pb.found(EpisodeOpened)[0].at
    assert posted.post == "current" and posted.number == 1
    assert posted.next_update_by == posted.at + POLICY.update_first_s
    by_name = {one.name: one for one in posted.figures}
    assert set(by_name) == {"refused_share", "waiting", "blocked_addresses", "resent"}
    resent = by_name["resent"]
    assert (resent.value, resent.n, resent.unit) == (0.0, 0, "messages")
    assert resent.query and (resent.start, resent.end) == (opened.at, posted.at)


def test_no_incident_without_an_episode(pb: Playbook) -> None:
    nameless_block(pb)
    pb.send(pb.drawn_to(A)[0], "ann@quiet.test")
    pb.wait(DAY)
    assert not pb.found(IncidentOpened) and not pb.found(Posted)


def test_every_post_names_its_next_and_keeps_the_last_ones_promise(pb: Playbook) -> None:
    culprit(pb)
    pb.wait(2 * DAY)
    delisting(pb)
    pb.wait(DAY)
    assert len(pb.found(Posted)) > 10
    assert deadlines_kept(pb)
    assert all(one.next_update_by for one in pb.found(Posted)[:-1])


def test_changes_are_told_soon_and_together(pb: Playbook) -> None:
    culprit(pb)
    opened = pb.found(IncidentOpened)[0].at
    pb.wait(1000)
    second = pb.found(Posted)[1]
    assert second.at - opened <= 600
    assert "found who caused it" in dict(second.sections)["Current status"]


def test_a_second_episode_belongs_to_the_open_incident(pb: Playbook) -> None:
    episode(pb, A)
    pb.wait(HOUR)
    episode(pb, B)
    pb.wait(HOUR)
    assert len(pb.found(IncidentOpened)) == 1
    blocked = [one for one in pb.last(Posted).figures if one.name == "blocked_addresses"]
    assert blocked[0].value == 2


def test_the_last_post_comes_only_after_every_episode_closed_and_the_calm(pb: Playbook) -> None:
    episode(pb)
    pb.wait(HOUR)
    delisting(pb)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(EpisodeClosed)))
    closed = pb.now
    pb.until(closed + POLICY.calm_s - 1)
    assert not pb.found(IncidentClosed)
    assert pb.last(Posted).post == "current"
    pb.until(closed + POLICY.calm_s + 1)
    assert pb.found(IncidentClosed)
    assert pb.last(Posted).post == "final" and pb.last(Posted).next_update_by is None
    assert pb.last(IncidentClosed).until == closed


def test_after_the_last_post_there_is_silence(pb: Playbook) -> None:
    episode(pb)
    delisting(pb)
    pb.wait(DAY)
    assert pb.last(Posted).post == "final"
    posts = len(pb.found(Posted))
    pb.wait(50 * DAY)  # the relisting watch has ended too
    assert len(pb.found(Posted)) == posts
    assert not pb.timers, f"timers without a cause: {sorted(pb.timers)}"


def test_a_new_episode_during_the_calm_keeps_the_incident_open(pb: Playbook) -> None:
    episode(pb, A)
    delisting(pb, A)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(EpisodeClosed)))
    pb.wait(POLICY.calm_s / 2)
    episode(pb, B)
    pb.wait(POLICY.calm_s * 2)
    assert not pb.found(IncidentClosed) and len(pb.found(IncidentOpened)) == 1
    delisting(pb, B)
    pb.wait(DAY)
    assert len(pb.found(IncidentClosed)) == 1
    assert [one.post for one in pb.found(Posted)].count("final") == 1
    assert deadlines_kept(pb)


def test_a_refusal_during_the_calm_begins_it_anew(pb: Playbook) -> None:
    episode(pb, A)
    delisting(pb, A)
    pb.until(pb.now + DAY, stop=lambda: bool(pb.found(EpisodeClosed)))
    pb.wait(POLICY.calm_s / 2)
    nameless_block(pb, B)
    pb.send(pb.drawn_to(B)[0], "ann@quiet.test")
    refused = pb.now
    pb.world.refuses.clear()
    pb.until(refused + POLICY.calm_s - 1)
    assert not pb.found(IncidentClosed)
    pb.wait(DAY)
    assert pb.last(IncidentClosed).at >= refused + POLICY.calm_s


def test_the_next_incident_has_a_number_and_a_promise_of_its_own(pb: Playbook) -> None:
    for _ in range(2):
        episode(pb)
        delisting(pb)
        pb.wait(2 * DAY)
    first, second = pb.found(IncidentOpened)
    assert first.incident != second.incident
    finals = [one for one in pb.found(Posted) if one.post == "final"]
    assert [one.incident for one in finals] == [first.incident, second.incident]
    assert deadlines_of_each(pb)


def deadlines_of_each(pb: Playbook) -> bool:
    return all(one.deadline_met is not False for one in pb.found(Posted))


@pytest.mark.parametrize("what", ["sender", "tenant", "address", "receiver"])
def test_no_post_names_a_sender_a_tenant_an_address_or_a_receiver(pb: Playbook, what: str) -> None:
    thief = culprit(pb)
    pb.wait(2 * HOUR)
    delisting(pb)
    pb.wait(DAY)
    secret = {"sender": thief, "tenant": "tenant", "address": "127.0.1.", "receiver": "big.test"}
    for one in pb.found(Posted):
        told = " ".join(text for _, text in one.sections)
        assert secret[what] not in told


def statuses(pb: Playbook) -> list[str]:
    return [dict(one.sections).get("Current status", "") for one in pb.found(Posted)]


def strict(pb: Playbook) -> list[str]:
    """What the service's own lint holds against its posts, post by post as they came."""
    (opened,) = pb.found(IncidentOpened)
    posts = pb.found(Posted)
    return [
        f"{found.code} {found.where}: {found.printed}"
        for number in range(1, len(posts) + 1)
        for found in lint.findings(own.record_of(opened, posts[:number], None), lint.OURS)
        if found.strict
    ]


@pytest.mark.parametrize("scene", [culprit, episode], ids=["named", "nobody named"])
def test_every_post_of_the_policy_passes_the_strict_lint_through_quiet_hours(
    pb: Playbook, scene: Callable[[Playbook], str]
) -> None:
    scene(pb)
    pb.wait(2 * DAY)
    delisting(pb)
    pb.wait(2 * DAY)
    assert pb.last(Posted).post == "final" and len(pb.found(Posted)) > 10
    assert strict(pb) == []


def test_a_post_says_what_changed_in_figures_or_that_they_stand_and_what_is_awaited(
    pb: Playbook,
) -> None:
    culprit(pb)
    pb.wait(DAY)
    first, *later = statuses(pb)
    assert "last post" not in first
    assert all(
        "Nothing new" not in told and "since the last post" in told.lower() for told in later
    )
    moved = [told for told in later if "before," in told]
    same = [told for told in later if "The figures are unchanged since the last post" in told]
    assert moved and same
    for told in same:
        assert re.search(r"waiting \d[\d,]* messages?, refused .*, sent again \d", told)
        assert re.search(
            r"should let go on .* \(between .* and .*\)|\bwe (?:wait|check|are)\b", told, re.I
        )
    assert any("should let go on" in told for told in same)


def test_what_a_post_compares_with_is_what_the_last_one_told(pb: Playbook) -> None:
    culprit(pb)
    pb.wait(DAY)
    for last, post in itertools.pairwise(pb.found(Posted)):
        told = {one.name: one for one in last.figures}
        now = {one.name: one for one in post.figures}
        for name in ("waiting", "refused_share", "resent"):
            assert now[f"{name}_before"].value == told[name].value
