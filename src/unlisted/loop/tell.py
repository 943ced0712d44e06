"""10. Incidents and posts with measured figures and kept deadlines.

An incident opens by itself with the first episode, posts at once, again before each deadline and
when something changed, and closes with its last post after every episode is closed and nothing was
refused for a stated time. No post without figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, SetTimer
from unlisted.facts import (
    Delisted,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    Figure,
    IncidentClosed,
    IncidentOpened,
    Posted,
    Queued,
    Relisted,
    SenderHeld,
    Settled,
    SourceStopped,
    TimerFired,
)
from unlisted.health import figures, posts
from unlisted.health.incident import TITLE, classified, moved

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

HOUR_S = 3600.0
QUIET_S = 600.0  # changes within this time go into one post


class Incident:
    """The open incident."""

    __slots__ = (
        "changed",
        "deadline",
        "episodes",
        "id",
        "named",
        "number",
        "opened_at",
        "resent",
        "since",
        "status",
        "stopped",
    )

    def __init__(self, name: str, at: float, since: float, resent: int) -> None:
        self.id = name
        self.opened_at = at
        self.since = since
        self.episodes: list[str] = []
        self.number = 0
        self.status = moved("", "serviceDegradation")
        self.deadline: float | None = None
        self.changed: list[str] = []
        self.named = False
        self.stopped = False
        self.resent = resent


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
    elif isinstance(fact, TimerFired) and fact.key in ("post", "news"):
        if state.incident is not None and (fact.key == "post" or state.incident.changed):
            yield from _posted(states, fact.at, n, final=False)
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
    incident = state.incident = Incident(
        f"UL{state.count:06d}", fact.at, fact.since, states.resend.count
    )
    incident.episodes.append(fact.episode)
    incident.changed.append("Other providers began to refuse one of our sending addresses.")
    classification, severity = classified(1, len(states.deliver.pool_of))
    yield IncidentOpened(
        at=fact.at,
        incident=incident.id,
        title=TITLE,
        classification=classification,
        severity=severity,
        since=fact.since,
        episodes=(fact.episode,),
        because=(n,),
    )
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
    elif isinstance(fact, Delisted):
        news = "A list let go of one of our addresses."
    elif isinstance(fact, Relisted):
        news = "A list holds one of our addresses again."
    elif isinstance(fact, EpisodeClosed):
        news = "One more of our addresses is accepted everywhere again."
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
    """Close if every episode is closed and nothing was refused for the stated time."""
    incident = states.tell.incident
    if incident is None or states.sense.open_episodes():
        return
    last = _last_refusal(states)
    calm = states.accept.policy.calm_s
    if last is not None and at - last < calm:
        yield SetTimer(key="calm", due=last + calm)
        return
    if states.deliver.rests or states.verify.silent:
        yield SetTimer(key="calm", due=at + calm / 4)
        return
    yield from _posted(states, at, n, final=True)
    ended = max(states.sense.episodes[one].closed_at or at for one in incident.episodes)
    yield IncidentClosed(
        at=at, incident=incident.id, since=incident.since, until=ended, because=(n,)
    )
    states.tell.incident = None
    yield CancelTimer(key="post")
    yield CancelTimer(key="news")


def _last_refusal(states: States) -> float | None:
    return max(states.sense.blamed_at.values(), default=None)


def _posted(states: States, at: float, n: int, *, final: bool) -> Iterator[Out]:
    incident = states.tell.incident
    assert incident is not None
    policy = states.accept.policy
    incident.number += 1
    early = at - incident.opened_at < policy.update_first_span_s
    step_s = policy.update_first_s if early else policy.update_then_s
    next_by = None if final else at + step_s
    if final:
        incident.status = moved(incident.status, "serviceRestored")
    episodes = states.sense.open_episodes()
    found = _figures(states, at)
    closed = [states.sense.episodes[one].closed_at for one in incident.episodes]
    releases = [
        clock.release
        for clock in states.delist.clocks.values()
        if clock.release is not None and clock.release.release_at is not None
    ]
    release = max(releases, key=lambda one: one.release_at or 0.0, default=None)
    story = posts.Story(
        final=final,
        since=incident.since,
        figures=found,
        named=incident.named,
        stopped=incident.stopped,
        open_episodes=len(episodes),
        delisted=sum(
            1
            for one in episodes
            if one.id in states.delist.clocks and states.delist.clocks[one.id].delisted
        ),
        release_at=release.release_at if release else None,
        release_basis=release.basis if release else "",
        changed=tuple(incident.changed),
        resent=states.resend.count - incident.resent,
        ended=max((one for one in closed if one is not None), default=None),
        next_update_by=next_by,
    )
    deadline = incident.deadline
    yield Posted(
        at=at,
        incident=incident.id,
        number=incident.number,
        post="final" if final else "current",
        title=TITLE,
        status=incident.status,
        sections=posts.sections(story),
        figures=found,
        next_update_by=next_by,
        deadline=deadline,
        deadline_met=None if deadline is None else at <= deadline,
        because=(n,),
    )
    incident.changed = []
    incident.deadline = next_by
    if next_by is not None:
        yield SetTimer(key="post", due=next_by - policy.update_margin_s)


def _figures(states: States, at: float) -> tuple[Figure, ...]:
    part, whole = states.sense.hour.total("all", at)
    blocked = {one.address for one in states.sense.open_episodes()}
    return (
        figures.share(
            "refused_share",
            "refusals and suspicions / delivery attempts, all receivers",
            part,
            whole,
            at - HOUR_S,
            at,
        ),
        figures.count(
            "blocked_addresses",
            "egress addresses with an open episode",
            len(blocked),
            f"of {len(states.deliver.pool_of)}",
            at,
            at,
        ),
        figures.count(
            "waiting", "queue rows waiting for a path", len(states.tell.waiting), "messages", at, at
        ),
    )
