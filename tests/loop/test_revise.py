"""What an incident tells: derived from measures, revised by people, each revision kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playbook import DAY, HOUR, Playbook, configured
from scenes import A, B, culprit, delisting, episode

from unlisted.facts import (
    EpisodeOpened,
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    MergeSubmitted,
    Policy,
    Posted,
    PostPending,
    PostRefused,
    PostReturned,
    PostReviewed,
    PostSubmitted,
    RevisionSubmitted,
    SplitSubmitted,
)
from unlisted.health import own, written
from unlisted.health.incident import Extent, classified
from unlisted.health.record import iso

KINDS = (IncidentRevised, IncidentMerged, IncidentSplit, PostRefused, PostPending, PostReturned)


def fed(pb: Playbook, fact: Any) -> list[Any]:
    before = {kind: len(pb.found(kind)) for kind in KINDS}
    pb.feed(fact)
    return [one for kind in KINDS for one in pb.found(kind)[before[kind] :]]


def revise(pb: Playbook, why: str = "a user told us", name: str = "UL000001", **values: str) -> Any:
    return fed(
        pb,
        RevisionSubmitted(
            at=pb.now, incident=name, author="ada", changes=tuple(values.items()), why=why
        ),
    )


def told(pb: Playbook, name: str = "UL000001") -> dict[str, str]:
    """As the pages derive it from the facts."""
    closed = [one for one in pb.found(IncidentClosed) if one.incident == name]
    return own.values(
        next(one for one in pb.found(IncidentOpened) if one.incident == name),
        [one for one in pb.found(Posted) if one.incident == name],
        closed[0] if closed else None,
        [one for one in pb.found(IncidentRevised) if one.incident == name],
    )


@pytest.mark.parametrize(
    ("extent", "found"),
    [
        ({}, ("advisory", "low")),
        ({"blocked": 3}, ("advisory", "low")),
        ({"blocked": 4}, ("advisory", "medium")),
        ({"blocked": 8}, ("incident", "high")),
        ({"refused": 0.13}, ("advisory", "medium")),
        ({"refused": 0.25}, ("incident", "high")),
        ({"waiting": 499}, ("advisory", "low")),
        ({"waiting": 1000}, ("incident", "high")),
    ],
)
def test_classification_follows_stated_thresholds(
    extent: dict[str, Any], found: tuple[str, str]
) -> None:
    assert classified(Extent(addresses=16, **extent), Policy()) == found
    assert classified(Extent(addresses=0), Policy()) == ("advisory", "low")


def test_more_blocked_addresses_revise_title_scope_and_classification_as_measured(
    pb: Playbook,
) -> None:
    episode(pb)
    opened = pb.last(IncidentOpened)
    assert "one of our sending addresses" in opened.title and "one of ours" not in opened.scope
    episode(pb, B)
    found = {one.field: one for one in pb.found(IncidentRevised)}
    assert "several of our sending addresses" in found["title"].new
    assert found["title"].old == opened.title and found["title"].author == "policy"
    assert "several" in found["scope"].new
    assert "2 of 4 sending addresses blocked" in found["title"].why
    assert told(pb)["classification"] == "incident" and told(pb)["severity"] == "high"
    pb.wait(HOUR)
    assert pb.last(Posted).title == told(pb)["title"]
    before = told(pb)
    delisting(pb)
    delisting(pb, B)
    pb.wait(DAY)
    after = told(pb)
    assert pb.found(IncidentClosed)
    for field in ("title", "scope", "classification", "severity"):  # not taken back
        assert after[field] == before[field]


def test_a_person_s_word_stands_and_the_posts_tell_it(pb: Playbook) -> None:
    episode(pb)
    (title, scope) = revise(pb, title="Mail to some schools is late", scope="Mail that we send.")
    assert (title.old, title.new) == (pb.last(IncidentOpened).title, "Mail to some schools is late")
    assert (scope.author, scope.why) == ("ada", "a user told us")
    episode(pb, B)
    fields = [one.field for one in pb.found(IncidentRevised) if one.author == "policy"]
    assert "title" not in fields and "classification" in fields
    revise(pb, impact="Letters to schools come late.")
    pb.wait(HOUR)
    post = pb.last(Posted)
    assert post.author == "policy" and post.title == "Mail to some schools is late"
    assert dict(post.sections)["User impact"] == "Letters to schools come late."
    assert dict(post.sections)["Scope of impact"] == "Mail that we send."
    assert told(pb)["impact"] == "Letters to schools come late."


def test_a_start_that_is_revised_is_told_and_closes_the_incident_so(pb: Playbook) -> None:
    episode(pb)
    first = pb.last(IncidentOpened).since
    (start,) = revise(pb, start=iso(first - HOUR) or "")
    assert (start.field, start.old, start.new) == ("start", iso(first), iso(first - HOUR))
    pb.wait(HOUR)
    assert own.seconds(told(pb)["start"]) == int(first - HOUR)
    delisting(pb)
    pb.wait(DAY)
    closed = pb.last(IncidentClosed)
    assert closed.since == int(first - HOUR)
    (end,) = revise(pb, end=iso(closed.until - 60) or "")
    assert end.old == iso(closed.until) and told(pb)["end"] == iso(closed.until - 60)


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"start": "+60"}, "start_in_future"),
    ({"start": "-1"}, "start: the first refusal that was measured"),
    ({"start": "soon"}, "expected a time with its zone"),
    ({"start": "2026-09-21 08:00"}, "expected a time with its zone"),
    ({"start": "Tuesday, 21 September 2026, 08:00 UTC"}, "weekday_wrong"),
    ({"start": "2020-01-01T00:00Z"}, "more than a year before"),
    ({"end": "-1"}, "the incident is not over"),
    ({"title": "41 messages are late"}, "'41 messages' is typed"),
    ({"title": "It began on Tuesday, 21 September 2026, 08:00 UTC"}, "weekday_wrong"),
    ({"title": "x" * 201}, "a title is one line"),
    ({"title": "a\nb"}, "a title is one line"),
    ({"title": ""}, "has no text"),
    ({"impact": f"Mail by {A} is late."}, "is an address of ours"),
    ({"impact": "a\u202eb"}, "control or direction"),
    ({"info": "{{ gone }} wait"}, "no figure gone"),
    ({"scope": "Only users who send mail.",
      "title": "Users cannot send or receive mail"}, "scope_contradicts"),
    ({"classification": "disaster"}, "advisory or incident"),
    ({"origin": "theirs"}, "not known or ours or third party"),
    ({"episodes": "e1"}, "expected each of"),
    ({"severity": "low"}, "nothing changes"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_a_revision_that_is_wrong_changes_nothing_and_says_why(
    pb: Playbook, values: dict[str, str], why: str
) -> None:
    episode(pb)
    pb.wait(60)
    revise(pb, severity="low")
    before = told(pb)
    if values.get("start") in ("+60", "-1") or values.get("end") == "-1":
        moved = {k: iso(pb.now + float(v)) or "" for k, v in values.items()}
    else:
        moved = values
    (refused,) = revise(pb, **moved)
    assert isinstance(refused, PostRefused) and why in " ".join(refused.reasons), refused
    assert told(pb) == before


@pytest.mark.parametrize("why", ["", "  ", "x" * 501, f"because of {A}", "41 messages", "a\u202eb"])
def test_a_revision_has_a_reason_that_everybody_may_read(pb: Playbook, why: str) -> None:
    episode(pb)
    (refused,) = revise(pb, why, title="Mail is late")
    assert isinstance(refused, PostRefused)


def test_a_title_in_a_person_s_post_is_a_revision_too(pb: Playbook) -> None:
    episode(pb)
    sections = written.read("Title: Letters are late\nCurrent status: We look at it.")
    pb.feed(PostSubmitted(at=pb.now, incident="UL000001", author="ada", sections=sections))
    (revision,) = pb.found(IncidentRevised)
    assert (revision.new, revision.author, revision.post) == ("Letters are late", "ada", 2)
    episode(pb, B)
    assert told(pb)["title"] == "Letters are late"


def test_revisions_wait_for_approval_where_posts_do(play: Callable[..., Playbook]) -> None:
    pb = play(configured(policy=Policy(approve_posts=True)))
    episode(pb)
    (draft,) = revise(pb, title="Mail is late")
    (other,) = revise(pb, title="Mail is slow")
    assert isinstance(draft, PostPending) and draft.post == "revision"
    assert not pb.found(IncidentRevised)

    def review(number: int, by: str = "bob") -> Any:
        return fed(
            pb,
            PostReviewed(at=pb.now, incident="UL000001", draft=number, approver=by, approve=True),
        )[0]

    assert isinstance(review(draft.draft, "ada"), PostRefused)
    done = review(draft.draft)
    assert (done.new, done.author, done.approver) == ("Mail is late", "ada", "bob")
    stale = review(other.draft)
    assert isinstance(stale, PostReturned) and "revised since" in stale.reasons[0]
    delisting(pb)
    pb.wait(DAY)
    pb.feed(
        PostReviewed(
            at=pb.now, incident="UL000001", draft=pb.last(PostPending).draft, approver="bob",
            approve=True,
        )
    )  # fmt: skip
    assert pb.found(IncidentClosed)
    (late,) = revise(pb, title="Mail was late")
    assert isinstance(late, PostPending)
    assert review(late.draft).new == "Mail was late"  # of a closed incident as well


def two(pb: Playbook) -> None:
    """Two incidents, one after the other, both over."""
    for address in (A, B):
        episode(pb, address)
        delisting(pb, address)
        pb.wait(2 * DAY)
    assert len(pb.found(IncidentClosed)) == 2


def merge(pb: Playbook, name: str, into: str) -> Any:
    return fed(
        pb, MergeSubmitted(at=pb.now, incident=name, into=into, author="bob", why="the same cause")
    )


def test_a_merged_incident_says_where_it_went_and_the_other_spans_both(pb: Playbook) -> None:
    two(pb)
    first, second = pb.found(IncidentClosed)
    found = merge(pb, "UL000001", "UL000002")
    assert [type(one) for one in found] == [IncidentRevised, IncidentMerged]
    assert (found[0].incident, found[0].field) == ("UL000002", "start")
    assert told(pb, "UL000002")["start"] == iso(first.since)
    assert told(pb, "UL000002")["end"] == iso(second.until)
    assert told(pb, "UL000001")["start"] == iso(first.since)  # its own stays
    (refused,) = revise(pb, title="Mail was late")
    assert "was merged into UL000002" in " ".join(refused.reasons)
    for name, into in (("UL000001", "UL000002"), ("UL000002", "UL000002"), ("UL9", "UL000002"),
                       ("UL000002", "UL000001")):  # fmt: skip
        (refused,) = merge(pb, name, into)
        assert isinstance(refused, PostRefused)


def test_the_open_incident_is_not_merged_away(pb: Playbook) -> None:
    two(pb)
    episode(pb)
    (refused,) = merge(pb, "UL000003", "UL000001")
    assert "is open" in " ".join(refused.reasons)
    assert isinstance(merge(pb, "UL000002", "UL000003")[-1], IncidentMerged)


def split(pb: Playbook, *names: str, of: str = "UL000001") -> Any:
    return fed(
        pb,
        SplitSubmitted(at=pb.now, incident=of, episodes=names, author="bob", why="another cause"),
    )


def test_ended_episodes_can_be_split_off_as_an_incident_of_their_own(pb: Playbook) -> None:
    episode(pb, A)
    pb.wait(HOUR)
    episode(pb, B)
    one, other = (found.episode for found in pb.found(EpisodeOpened)[:2])
    (refused,) = split(pb, one)
    assert "is open" in " ".join(refused.reasons)
    delisting(pb)
    delisting(pb, B)
    pb.wait(2 * DAY)
    for names in ((), ("nothing",), (one, other)):
        assert isinstance(split(pb, *names)[0], PostRefused)
    found = split(pb, one)
    part = found[-1]
    assert isinstance(part, IncidentSplit) and part.part == "UL000002"
    opened, closed = pb.last(IncidentOpened), pb.last(IncidentClosed)
    assert opened.incident == closed.incident == "UL000002" and opened.episodes == (one,)
    assert told(pb)["start"] == iso(pb.found(EpisodeOpened)[1].since)
    assert isinstance(split(pb, one)[0], PostRefused)
    (revision,) = revise(pb, name="UL000002", title="Mail of one school was late")
    assert revision.incident == "UL000002"
    episode(pb)
    assert pb.last(IncidentOpened).incident == "UL000003"


def test_whose_it_is_follows_the_evidence(pb: Playbook) -> None:
    culprit(pb)
    assert pb.last(IncidentOpened).origin == "not known"
    pb.wait(2 * HOUR)
    assert told(pb)["origin"] == "ours"
    (revision,) = revise(pb, origin="third party")
    assert (revision.old, revision.new) == ("ours", "third party")
