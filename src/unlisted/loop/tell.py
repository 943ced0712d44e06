"""10. Incidents and posts with measured figures and kept deadlines.

An incident opens by itself with the first episode, posts at once, again before each deadline and
when something changed, and closes with its last post after every episode is closed and nothing was
refused for a stated time. No post without figures. Where a person is to post, the policy opens and
closes, drafts and calls; what a person hands in is published only if every figure in it is measured.
Where posts are approved, all of them wait as drafts for somebody who did not write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.commands import CancelTimer, SetTimer
from unlisted.facts import (
    CausesRanked,
    DeadlineMoved,
    Delisted,
    DutyCalled,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    IncidentClosed,
    IncidentOpened,
    IncidentRevised,
    MergeSubmitted,
    PostDrafted,
    Posted,
    PostRefused,
    PostReviewed,
    PostSubmitted,
    Queued,
    ReceiverDropped,
    RecoveryWatched,
    Recurred,
    Relisted,
    RevisionSubmitted,
    SenderHeld,
    Settled,
    SourceStopped,
    SplitSubmitted,
    TimerFired,
)
from unlisted.health import posts
from unlisted.health.incident import Extent, derived, moved, widened
from unlisted.health.record import iso
from unlisted.loop import _approval, _band, _rejoin, _revise, _telling
from unlisted.loop._incident import (
    Incident,
    approved,
    by_person,
    measured,
    next_update,
    published,
    story,
    timers,
)
from unlisted.loop._written import answer

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

QUIET_S = 600.0  # changes within this time go into one post
MOST_CALM = 12  # calms in a row that refusals of no known block may put off the last post


class State:
    """The open incident, those before it, how many there were, which rows wait,
    and who is told."""

    def __init__(self) -> None:
        self.incident: Incident | None = None
        self.past: dict[str, Incident] = {}
        self.count = 0
        self.waiting: set[str] = set()
        self.telling = _telling.Telling()

    def keep(self, incident: Incident) -> None:
        """A closed incident, for revisions; the oldest are let go."""
        self.past[incident.id] = incident
        while len(self.past) > _revise.KEPT:
            del self.past[next(iter(self.past))]


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Follow the facts that people should hear of."""
    state = states.tell
    if type(fact) in _telling.HEARD:
        yield from _telling.step(states, fact, n)
    if isinstance(fact, Queued):
        if fact.row.state == "wait" and not fact.row.waits_for.startswith("suspicion:"):
            state.waiting.add(fact.row.key)
        else:
            state.waiting.discard(fact.row.key)
    elif isinstance(fact, Settled):
        state.waiting.discard(fact.key)
    elif isinstance(fact, EpisodeOpened):
        yield from _opened(states, fact, n)
    elif isinstance(fact, TimerFired) and fact.key in ("post", "news", "draft", "duty"):
        yield from _due(states, fact, n)
    elif isinstance(fact, PostSubmitted):
        yield from _submitted(states, fact, n)
    elif isinstance(fact, RevisionSubmitted):
        yield from _revised(states, fact, n)
    elif isinstance(fact, MergeSubmitted):
        yield from _rejoin.merged(states, fact, n)
    elif isinstance(fact, SplitSubmitted):
        yield from _rejoin.split(states, fact, n)
    elif isinstance(fact, PostReviewed):
        yield from _reviewed(states, fact, n)
    elif isinstance(fact, TimerFired) and fact.key == "calm":
        yield from _calm(states, fact.at, n)
    elif state.incident is not None:
        yield from _changed(states, state.incident, fact, n)


def _opened(states: States, fact: EpisodeOpened, n: int) -> Iterator[Out]:
    state = states.tell
    incident = state.incident
    if incident is not None:
        incident.episodes.append(fact.episode)
        incident.status = moved(incident.status, "serviceDegradation")
        yield CancelTimer(key="calm")
        for draft in [one for one in incident.drafts.values() if one.post == "final"]:
            reason = "out of date: one more of our sending addresses is refused"
            yield _approval.returned(incident, draft, fact.at, n, "policy", reason)
        yield from _revise.rederived(states, fact.at, n)
        yield from _news(incident, "One more of our sending addresses is refused.", fact.at)
        return
    state.count += 1
    extent = widened(
        Extent(addresses=len(states.deliver.pool_of)), 1, measured(states, fact.at),
        listed=fact.zone is not None,
    )  # fmt: skip
    told = derived(extent, states.accept.policy)
    opened = IncidentOpened(
        at=fact.at,
        incident=f"UL{state.count:06d}",
        title=told["title"],
        classification=told["classification"],
        severity=told["severity"],
        since=fact.since,
        episodes=(fact.episode,),
        scope=told["scope"],
        info=told["info"],
        origin=told["origin"],
        because=(n,),
    )
    incident = state.incident = Incident(opened, states.resend.count, extent)
    incident.changed.append("Other providers began to refuse one of our sending addresses.")
    yield opened
    if approved(states):
        # Nothing is promised in public yet; whoever is on duty is called all the same.
        incident.deadline = fact.at + states.accept.policy.update_first_s
        yield from _approval.drafted(states, fact.at, n, final=False)
        yield from timers(states, incident.deadline, fact.at)
        return
    yield from _posted(states, fact.at, n, final=False)


def _changed(states: States, incident: Incident, fact: Fact, n: int) -> Iterator[Out]:
    """News for the next post; it goes out soon."""
    news = ""
    if isinstance(fact, SenderHeld) and not incident.named:
        incident.named = True
        news = "We found who caused it and hold their mail."
    elif isinstance(fact, SourceStopped) and not incident.stopped:
        incident.stopped = True
        incident.status = moved(incident.status, "restoringService")
        news = "The source is stopped."
    elif isinstance(fact, CausesRanked):
        yield from _ranked(states, incident, fact, n)
    elif isinstance(fact, ReceiverDropped):
        news = (
            "One receiver takes our mail again by its own choice: the list still holds the address, "
            "and others that use it still refuse."
        )
    elif isinstance(fact, RecoveryWatched):
        news = (
            "One more of our addresses is accepted everywhere again; we watch whether refusals are as "
            "rare as they were before."
        )
    elif isinstance(fact, Recurred) and fact.episode is not None:
        news = "A list holds an address again that it had let go: the source has returned or is another."
    elif isinstance(fact, Delisted):
        news = "A list let go of one of our addresses."
    elif isinstance(fact, Relisted):
        news = "A list holds one of our addresses again."
    elif isinstance(fact, EpisodeClosed):
        news = "For one more of our addresses refusals are as rare as before."
        if not states.sense.open_episodes():
            incident.status = moved(incident.status, "extendedRecovery")
            yield SetTimer(key="calm", due=fact.at + states.accept.policy.calm_s)
    if news:
        yield from _revise.rederived(states, fact.at, n)
        yield from _news(incident, news, fact.at)


def _ranked(states: States, incident: Incident, fact: CausesRanked, n: int) -> Iterator[Out]:
    """Whose it is: a third party's only where the evidence of every episode says nobody here."""
    if fact.episode not in incident.episodes:
        return
    incident.verdicts[fact.episode] = fact.verdict
    ranked = [incident.verdicts.get(one) for one in incident.episodes]
    elsewhere = not incident.named and all(one == "nobody here" for one in ranked)
    if elsewhere != incident.extent.elsewhere:
        incident.extent = msgspec.structs.replace(incident.extent, elsewhere=elsewhere)
        yield from _revise.rederived(states, fact.at, n)


def _news(incident: Incident, news: str, at: float) -> Iterator[Out]:
    """To be told within `QUIET_S`; what comes meanwhile does not put it off."""
    if len(incident.changed) == incident.told:
        yield SetTimer(key="news", due=at + QUIET_S)
    if news not in incident.changed:
        incident.changed.append(news)


def _calm(states: States, at: float, n: int) -> Iterator[Out]:
    """Close if every episode is closed and refusals were what is usual for the stated time."""
    incident = states.tell.incident
    if incident is None or states.sense.open_episodes():
        return
    later = _unquiet(states, incident, at)
    if later is not None:
        yield SetTimer(key="calm", due=later)
        return
    if approved(states):
        if not any(one.post == "final" for one in incident.drafts.values()):
            yield from _approval.drafted(states, at, n, final=True)
        yield SetTimer(key="calm", due=at + states.accept.policy.calm_s)
        return
    yield from _posted(states, at, n, final=True)
    yield from _closed(states, incident, at, n)


def _unquiet(states: States, incident: Incident, at: float) -> float | None:
    """When to look again; None: refusals were what is usual for the stated time, and nothing is
    unknown."""
    calm = states.accept.policy.calm_s
    usual = _band.quiet(states, at, calm)
    late = at - _ended(states, incident, at) >= MOST_CALM * calm
    if states.deliver.rests or states.verify.silent or not (usual or late):
        return at + calm / 4
    return None


def _ended(states: States, incident: Incident, at: float) -> float:
    return max(states.sense.episodes[one].closed_at or at for one in incident.episodes)


def _closed(states: States, incident: Incident, at: float, n: int) -> Iterator[Out]:
    ended = _ended(states, incident, at)
    for draft in list(incident.drafts.values()):
        yield _approval.returned(incident, draft, at, n, "policy", "the incident is closed")
    closed = IncidentClosed(
        at=at, incident=incident.id, since=incident.since, until=ended, because=(n,)
    )
    yield closed
    incident.closed, incident.values["end"] = closed, iso(ended) or ""
    states.tell.keep(incident)
    waits = by_person(states) or approved(states)
    states.tell.incident = None
    for key in ("post", "news", *(("draft", "duty") if waits else ())):
        yield CancelTimer(key=key)
    if approved(states):
        yield CancelTimer(key="calm")


def _due(states: States, fact: TimerFired, n: int) -> Iterator[Out]:
    """A time of the open incident came: post, or let a person post."""
    incident = states.tell.incident
    if incident is None or (fact.key == "news" and not incident.changed):
        return
    if not by_person(states) and not approved(states):
        yield from _posted(states, fact.at, n, final=False)
        return
    deadline = incident.deadline
    assert deadline is not None  # its first post is the policy's, or waits with a time to call
    if fact.key != "duty" and not by_person(states):
        if not any(one.post == "final" for one in incident.drafts.values()):
            yield from _approval.drafted(states, fact.at, n, final=False)
    elif fact.key != "duty":
        told = story(states, fact.at, None, final=False)
        yield PostDrafted(
            at=fact.at, incident=incident.id, deadline=deadline, sections=posts.draft(told),
            because=(n,),
        )  # fmt: skip
    if fact.key in ("duty", "post"):
        yield DutyCalled(at=fact.at, incident=incident.id, deadline=deadline, because=(n,))


def _posted(states: States, at: float, n: int, *, final: bool) -> Iterator[Out]:
    incident = states.tell.incident
    assert incident is not None
    if final:
        incident.status = moved(incident.status, "serviceRestored")
    next_by = None if final else next_update(states, incident, at)
    yield from _revise.rederived(states, at, n)
    told = story(states, at, next_by, final=final)
    deadline = incident.judged
    post = Posted(
        at=at,
        incident=incident.id,
        number=incident.number + 1,
        post="final" if final else "current",
        title=incident.title,
        status=incident.status,
        sections=posts.sections(told),
        figures=told.figures,
        next_update_by=next_by,
        deadline=deadline,
        deadline_met=None if deadline is None else at <= deadline,
        because=(n,),
    )
    yield post
    yield from published(states, incident, post)


def _submitted(states: States, fact: PostSubmitted, n: int) -> Iterator[Out]:
    """A person's post: published as it is, kept for an approver, or refused with every reason."""
    found = answer(states, fact, n)
    if isinstance(found, Posted) and approved(states):
        yield _approval.kept(states, fact, n)
        return
    yield found
    if isinstance(found, Posted):
        yield from _made_public(states, found, n)


def _revised(states: States, fact: RevisionSubmitted, n: int) -> Iterator[Out]:
    """What a person says of the incident: told as it is, kept for an approver, or refused."""
    found = _revise.answer(states, fact, n)
    if isinstance(found, PostRefused):
        yield found
    elif approved(states):
        yield _approval.revision(states, fact, n)
    else:
        yield from _taken(states, found)


def _taken(states: States, found: tuple[IncidentRevised, ...]) -> Iterator[Out]:
    incident = _revise.found(states, found[0].incident)
    assert incident is not None
    for one in found:
        yield _revise.applied(incident, one)


def _reviewed(states: States, fact: PostReviewed, n: int) -> Iterator[Out]:
    """An approver's word: the draft is published as measured now, or goes back with the reasons."""
    objections = _approval.objections(states, fact)
    if objections:
        yield PostRefused(
            at=fact.at, incident=fact.incident[:40], author=fact.approver,
            reasons=tuple(objections), because=(n,),
        )  # fmt: skip
        return
    incident = _revise.found(states, fact.incident)
    assert incident is not None
    draft = incident.drafts[fact.draft]
    final = draft.post == "final"
    if not fact.approve:
        yield _approval.returned(incident, draft, fact.at, n, fact.approver, fact.reason.strip())
        return
    if draft.post == "revision":
        revised = _approval.revised(states, draft, fact.at, fact.approver, n)
        if isinstance(revised, PostRefused):
            yield _approval.returned(incident, draft, fact.at, n, "policy", *revised.reasons)
            return
        del incident.drafts[draft.draft]
        yield from _taken(states, revised)
        return
    found = _approval.published(states, draft, fact.at, fact.approver, n)
    reasons = found.reasons if isinstance(found, PostRefused) else ()
    if final and (states.sense.open_episodes() or _unquiet(states, incident, fact.at) is not None):
        reasons = ("out of date: mail was refused again since this was written",)
    if reasons or isinstance(found, PostRefused):
        yield _approval.returned(incident, draft, fact.at, n, "policy", *reasons)
        if draft.author == "policy":
            yield from _approval.drafted(states, fact.at, n, final=False)
        return
    del incident.drafts[draft.draft]
    yield found
    if final:
        incident.status = found.status
    yield from _made_public(states, found, n)
    if final:
        yield from _closed(states, incident, fact.at, n)


def _made_public(states: States, found: Posted, n: int) -> Iterator[Out]:
    """What follows from a post that a person wrote or approved."""
    incident = states.tell.incident
    assert incident is not None
    if found.author != "policy":
        yield from _revise.of_post(incident, found, n)
    if found.corrects is not None and found.next_update_by != incident.deadline:
        old, new = incident.deadline, found.next_update_by
        assert old is not None and new is not None
        yield DeadlineMoved(
            at=found.at, incident=incident.id, number=found.number, old=old, new=new,
            author=found.author, because=(n,),
        )  # fmt: skip
    yield from published(states, incident, found)
