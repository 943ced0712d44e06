"""10. Incidents and posts with measured figures and kept deadlines.

An incident opens by itself with the first episode, posts at once, again before each deadline and
when something changed, and closes with its last post after every episode is closed and nothing was
refused for a stated time. No post without figures. Where a person is to post, the policy opens and
closes, drafts and calls; what a person hands in is published only if every figure in it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, SetTimer
from unlisted.facts import (
    DeadlineMoved,
    Delisted,
    DutyCalled,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    IncidentClosed,
    IncidentOpened,
    PostDrafted,
    Posted,
    PostRefused,
    PostSubmitted,
    Queued,
    ReceiverDropped,
    RecoveryWatched,
    Recurred,
    Relisted,
    SenderHeld,
    Settled,
    SourceStopped,
    TimerFired,
)
from unlisted.health import posts
from unlisted.health.incident import TITLE, classified, moved
from unlisted.loop import _band
from unlisted.loop._incident import Incident, by_person, next_update, published, story
from unlisted.loop._written import answer

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

QUIET_S = 600.0  # changes within this time go into one post
MOST_CALM = 12  # calms in a row that refusals of no known block may put off the last post


class State:
    """The open incident, how many there were, and which rows wait."""

    def __init__(self) -> None:
        self.incident: Incident | None = None
        self.count = 0
        self.waiting: set[str] = set()


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Follow the facts that people should hear of."""
    state = states.tell
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
    elif isinstance(fact, TimerFired) and fact.key == "calm":
        yield from _calm(states, fact.at, n)
    elif state.incident is not None:
        yield from _changed(states, state.incident, fact)


def _opened(states: States, fact: EpisodeOpened, n: int) -> Iterator[Out]:
    state = states.tell
    incident = state.incident
    if incident is not None:
        incident.episodes.append(fact.episode)
        incident.status = moved(incident.status, "serviceDegradation")
        yield CancelTimer(key="calm")
        yield from _news(incident, "One more of our sending addresses is refused.", fact.at)
        return
    state.count += 1
    classification, severity = classified(1, len(states.deliver.pool_of))
    opened = IncidentOpened(
        at=fact.at,
        incident=f"UL{state.count:06d}",
        title=TITLE,
        classification=classification,
        severity=severity,
        since=fact.since,
        episodes=(fact.episode,),
        because=(n,),
    )
    incident = state.incident = Incident(opened, states.resend.count)
    incident.changed.append("Other providers began to refuse one of our sending addresses.")
    yield opened
    yield from _posted(states, fact.at, n, final=False)


def _changed(states: States, incident: Incident, fact: Fact) -> Iterator[Out]:
    """News for the next post; it goes out soon."""
    news = ""
    if isinstance(fact, SenderHeld) and not incident.named:
        incident.named = True
        news = "We found who caused it and hold their mail."
    elif isinstance(fact, SourceStopped) and not incident.stopped:
        incident.stopped = True
        incident.status = moved(incident.status, "restoringService")
        news = "The source is stopped."
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
        yield from _news(incident, news, fact.at)


def _news(incident: Incident, news: str, at: float) -> Iterator[Out]:
    """To be told within `QUIET_S`; what comes meanwhile does not put it off."""
    if not incident.changed:
        yield SetTimer(key="news", due=at + QUIET_S)
    if news not in incident.changed:
        incident.changed.append(news)


def _calm(states: States, at: float, n: int) -> Iterator[Out]:
    """Close if every episode is closed and refusals were what is usual for the stated time."""
    state, calm = states.tell, states.accept.policy.calm_s
    incident = state.incident
    if incident is None or states.sense.open_episodes():
        return
    since = max(states.sense.episodes[one].closed_at or at for one in incident.episodes)
    usual = _band.quiet(states, at, calm)
    if (
        states.deliver.rests
        or states.verify.silent
        or (not usual and at - since < MOST_CALM * calm)
    ):
        yield SetTimer(key="calm", due=at + calm / 4)
        return
    yield from _posted(states, at, n, final=True)
    yield IncidentClosed(
        at=at, incident=incident.id, since=incident.since, until=since, because=(n,)
    )
    state.incident = None
    for key in ("post", "news", *(("draft", "duty") if by_person(states) else ())):
        yield CancelTimer(key=key)


def _due(states: States, fact: TimerFired, n: int) -> Iterator[Out]:
    """A time of the open incident came: post, or let a person post."""
    incident = states.tell.incident
    if incident is None or (fact.key == "news" and not incident.changed):
        return
    if not by_person(states):
        yield from _posted(states, fact.at, n, final=False)
        return
    deadline = incident.deadline
    assert deadline is not None  # its first post is the policy's
    if fact.key != "duty":
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
    """A person's post: published as it is, or refused with every reason."""
    found = answer(states, fact, n)
    yield found
    incident = states.tell.incident
    if incident is None or isinstance(found, PostRefused):
        return
    if found.corrects is not None and found.next_update_by != incident.deadline:
        old, new = incident.deadline, found.next_update_by
        assert old is not None and new is not None
        yield DeadlineMoved(
            at=fact.at, incident=incident.id, number=found.number, old=old, new=new,
            author=fact.author, because=(n,),
        )  # fmt: skip
    yield from published(states, incident, found)
