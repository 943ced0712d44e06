"""Posts and revisions that wait for an approver: people's, and by the same rule the policy's own.

A draft is kept as written; what is published is measured when it is approved. It goes back to its
author when what it was written for is no longer so: another update came, the incident moved on, a
figure is gone, a promise has passed. The clock of the deadline goes on meanwhile. Refused: a draft
that is not there, an approver who is the author (unless the policy lets them), a rejection without
a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from unlisted.facts import (
    IncidentRevised,
    Posted,
    PostPending,
    PostRefused,
    PostReturned,
    PostReviewed,
    PostSubmitted,
    RevisionSubmitted,
)
from unlisted.health import posts, written
from unlisted.loop import _revise
from unlisted.loop._incident import Incident, story
from unlisted.loop._written import answer

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

MOST_DRAFTS = 20  # of one incident that wait
MAX_REASON = 500
POLICY = "policy"


def kept(states: States, fact: PostSubmitted, n: int) -> PostPending | PostRefused:
    """A person's post, which would be published, as a draft that waits."""
    incident = states.tell.incident
    assert incident is not None
    return _kept(
        incident,
        fact,
        n,
        post="current",
        sections=fact.sections,
        after=updates(incident),
        next_update_by=fact.next_update_by,
        corrects=fact.corrects,
    )


def revision(states: States, fact: RevisionSubmitted, n: int) -> PostPending | PostRefused:
    """A revision that would be told, as a draft that waits. Raises nothing: it was answered."""
    incident = _revise.found(states, fact.incident)
    assert incident is not None
    return _kept(
        incident,
        fact,
        n,
        post="revision",
        sections=(),
        after=_revisions(incident, fact.changes),
        changes=fact.changes,
        why=fact.why,
    )


def _kept(
    incident: Incident, fact: PostSubmitted | RevisionSubmitted, n: int, **content: Any
) -> PostPending | PostRefused:
    """`content`: the fields of the draft that are not the same of every one."""
    if len(incident.drafts) >= MOST_DRAFTS:
        return _too_many(incident, fact.at, fact.author, n)
    draft = PostPending(
        at=fact.at,
        incident=incident.id,
        draft=incident.drafted + 1,
        author=fact.author,
        status=incident.status,
        because=(n,),
        **content,
    )
    _keep(incident, draft)
    return draft


def revised(
    states: States, draft: PostPending, at: float, approver: str, n: int
) -> tuple[IncidentRevised, ...] | PostRefused:
    """The revision as it would stand now, or why it cannot."""
    incident = _revise.found(states, draft.incident)
    assert incident is not None
    if _revisions(incident, draft.changes) != draft.after:
        reasons = ("out of date: one of these was revised since",)
        return PostRefused(
            at=at, incident=incident.id, author=draft.author, reasons=reasons, because=(n,)
        )
    fact = RevisionSubmitted(
        at=at, incident=incident.id, author=draft.author, changes=draft.changes, why=draft.why
    )
    return _revise.answer(states, fact, n, approver=approver, draft=draft.draft)


def _revisions(incident: Incident, changes: tuple[tuple[str, str], ...]) -> int:
    return sum(incident.revised.get(field, 0) for field, _ in changes)


def _too_many(incident: Incident, at: float, author: str, n: int) -> PostRefused:
    reason = f"{MOST_DRAFTS} drafts wait already: approve or reject them first"
    return PostRefused(at=at, incident=incident.id, author=author, reasons=(reason,), because=(n,))


def drafted(
    states: States, at: float, n: int, *, final: bool
) -> Iterator[PostPending | PostReturned]:
    """What the policy would post now, as a draft; it takes the place of the policy's last."""
    incident = states.tell.incident
    assert incident is not None
    name = incident.drafted + 1
    for old in list(incident.drafts.values()):
        if old.author == POLICY:
            yield returned(incident, old, at, n, POLICY, f"draft {name} takes its place")
    found = PostPending(
        at=at,
        incident=incident.id,
        draft=name,
        author=POLICY,
        post="final" if final else "current",
        sections=posts.draft(story(states, at, None, final=final)),
        status=incident.status,
        after=updates(incident),
        because=(n,),
    )
    incident.told = len(incident.changed)
    _keep(incident, found)
    yield found


def _keep(incident: Incident, found: PostPending) -> None:
    incident.drafted = found.draft
    incident.drafts[found.draft] = found


def updates(incident: Incident) -> int:
    """Number of the last post that is an update: a correction makes no draft out of date."""
    return max((one.number for one in incident.posts if one.corrects is None), default=0)


def returned(
    incident: Incident, draft: PostPending, at: float, n: int, by: str, *reasons: str
) -> PostReturned:
    """The draft goes back; it waits no longer."""
    del incident.drafts[draft.draft]
    return PostReturned(
        at=at, incident=incident.id, draft=draft.draft, author=draft.author, by=by,
        reasons=reasons, because=(n,),
    )  # fmt: skip


def objections(states: States, fact: PostReviewed) -> list[str]:
    """Why this review is none."""
    incident = _revise.found(states, fact.incident)
    draft = incident.drafts.get(fact.draft) if incident is not None else None
    if draft is None:
        return [f"no draft {fact.draft} waits"]
    reasons = []
    own = draft.author == fact.approver and not states.accept.policy.approve_own_posts
    if fact.approve and own:
        reasons.append("a post is approved by another person than its author")
    if not fact.approve and not fact.reason.strip():
        reasons.append("a rejection needs a reason for the author")
    if len(fact.reason) > MAX_REASON or written.unsound(fact.reason):
        reasons.append(f"a reason is up to {MAX_REASON} characters without control characters")
    return reasons


def published(
    states: States, draft: PostPending, at: float, approver: str, n: int
) -> Posted | PostRefused:
    """The draft as it would stand now, its figures measured now; or why it cannot."""
    incident = states.tell.incident
    assert incident is not None
    stale = _stale(incident, draft)
    if stale:
        return PostRefused(
            at=at, incident=incident.id, author=draft.author, reasons=tuple(stale), because=(n,)
        )
    fact = PostSubmitted(
        at=at, incident=incident.id, author=draft.author, sections=draft.sections,
        next_update_by=draft.next_update_by, corrects=draft.corrects,
    )  # fmt: skip
    found = answer(states, fact, n, final=draft.post == "final")
    if isinstance(found, PostRefused):
        return found
    return msgspec.structs.replace(found, approver=approver, draft=draft.draft)


def _stale(incident: Incident, draft: PostPending) -> list[str]:
    if draft.corrects is not None:
        return []  # of its own post alone; whether that still stands is asked anew
    found = []
    last = updates(incident)
    if last != draft.after:
        found.append(f"out of date: post {last} was published since this was written")
    if incident.status != draft.status:
        found.append(
            f"out of date: the incident moved from {draft.status} to {incident.status} since"
        )
    return found
