"""The open incident as station tell keeps it: its figures, its story, what it promised.

Who posts (policy or a person) decides which timers a promise sets; the measuring is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.commands import CancelTimer, SetTimer
from unlisted.facts import Figure, IncidentClosed, IncidentOpened, Posted, PostPending
from unlisted.health import figures, own, posts
from unlisted.health.incident import FIELDS, Extent, moved
from unlisted.health.record import iso

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

HOUR_S = 3600.0


class Incident:
    """The open incident. `deadline`: what is promised now; `judged`: the earliest promise since the
    last update, by which the next one is met or missed: moving a promise hides no miss."""

    __slots__ = (
        "changed",
        "closed",
        "deadline",
        "drafted",
        "drafts",
        "episodes",
        "extent",
        "id",
        "judged",
        "merged_into",
        "named",
        "number",
        "opened",
        "opened_at",
        "posts",
        "resent",
        "revised",
        "status",
        "stopped",
        "told",
        "values",
        "verdicts",
    )

    def __init__(self, opened: IncidentOpened, resent: int, extent: Extent) -> None:
        self.opened = opened
        self.id = opened.incident
        self.opened_at = opened.at
        self.extent = extent
        self.values = {
            **dict.fromkeys(FIELDS, ""),
            "title": opened.title,
            "classification": opened.classification,
            "severity": opened.severity,
            "start": iso(opened.since) or "",
            "scope": opened.scope,
            "info": opened.info,
            "origin": opened.origin,
        }
        self.revised: dict[str, int] = {}  # field → how often a person revised it; then it stands
        self.verdicts: dict[str, str] = {}
        self.closed: IncidentClosed | None = None
        self.merged_into = ""
        self.episodes: list[str] = list(opened.episodes)
        self.number = 0
        self.posts: list[Posted] = []
        self.status = moved("", "serviceDegradation")
        self.deadline: float | None = None
        self.judged: float | None = None
        self.changed: list[str] = []
        self.told = 0  # of `changed`, in a draft that waits
        self.drafts: dict[int, PostPending] = {}
        self.drafted = 0
        self.named = False
        self.stopped = False
        self.resent = resent

    @property
    def title(self) -> str:
        return self.values["title"]

    @property
    def since(self) -> float:
        """The start as told: measured to the microsecond unless somebody revised it."""
        return own.start_of(self.opened, self.values)


def by_person(states: States) -> bool:
    """Whether a person writes the updates."""
    return states.accept.policy.posts_by == "person"


def approved(states: States) -> bool:
    """Whether posts wait for an approver."""
    return states.accept.policy.approve_posts


def next_update(states: States, incident: Incident, at: float) -> float:
    """When the next update is due by policy."""
    policy = states.accept.policy
    early = at - incident.opened_at < policy.update_first_span_s
    return at + (policy.update_first_s if early else policy.update_then_s)


def published(states: States, incident: Incident, post: Posted) -> Iterator[SetTimer | CancelTimer]:
    """What a post changes. An update keeps or misses a promise; a correction only moves one."""
    moved_to = post.next_update_by
    promise_stands = post.corrects is not None and moved_to == incident.deadline
    if post.corrects is None:
        incident.changed, incident.told = [], 0
        incident.judged = moved_to
    elif moved_to is not None and incident.judged is not None:
        incident.judged = min(incident.judged, moved_to)
    incident.number = post.number
    incident.deadline = moved_to
    incident.posts.append(post)
    if moved_to is not None and not promise_stands:
        yield from timers(states, moved_to, post.at)


def timers(states: States, due: float, at: float) -> Iterator[SetTimer | CancelTimer]:
    """What a new promise sets: the policy's post, or a draft and a call for a person."""
    policy = states.accept.policy
    if not by_person(states) and not approved(states):
        yield SetTimer(key="post", due=max(at, due - policy.update_margin_s))
        return
    yield CancelTimer(key="post")
    yield SetTimer(key="draft", due=max(at, due - policy.draft_margin_s))
    yield SetTimer(key="duty", due=max(at, due - policy.duty_margin_s))


def story(states: States, at: float, next_by: float | None, *, final: bool) -> posts.Story:
    """What a post of now would tell."""
    incident = states.tell.incident
    assert incident is not None
    episodes = states.sense.open_episodes()
    closed = [states.sense.episodes[one].closed_at for one in incident.episodes]
    releases = [
        clock.release
        for clock in states.delist.clocks.values()
        if clock.release is not None and clock.release.release_at is not None
    ]
    release = max(releases, key=lambda one: one.release_at or 0.0, default=None)
    return posts.Story(
        final=final,
        title=incident.title,
        impact=incident.values["impact"],
        more=tuple(
            (FIELDS[name] or name, incident.values[name])
            for name in ("info", "scope")
            if name in incident.revised
        ),
        since=incident.since,
        figures=(*measured(states, at), *before(incident)),
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
        release_band=(release.low, release.high)
        if release and release.low is not None and release.high is not None
        else None,
        changed=tuple(incident.changed),
        ended=max((one for one in closed if one is not None), default=None),
        next_update_by=next_by,
    )


def measured(states: States, at: float) -> tuple[Figure, ...]:
    """The figures of every post; before there is an incident, those that do not count from its start."""
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
        *_resent(states, at),
    )


def _resent(states: States, at: float) -> tuple[Figure, ...]:
    incident = states.tell.incident
    if incident is None:
        return ()
    return (
        figures.count(
            "resent", "messages sent again after their bounce",
            states.resend.count - incident.resent, "messages", incident.opened_at, at,
        ),
    )  # fmt: skip


def before(incident: Incident) -> tuple[Figure, ...]:
    """What the last update told of the figures that the next is compared by, under names of their own."""
    last = next((post for post in reversed(incident.posts) if post.corrects is None), None)
    told = {figure.name: figure for figure in last.figures} if last else {}
    return tuple(
        msgspec.structs.replace(told[name], name=name + posts.BEFORE)
        for name, _ in posts.COMPARED
        if name in told
    )


def available(states: States, at: float) -> tuple[Figure, ...]:
    """Every figure that a person's post may show."""
    incident = states.tell.incident
    assert incident is not None
    part, _ = states.sense.hour.total("all", at)
    return (
        *measured(states, at),
        *before(incident),
        figures.count(
            "refused", "refusals and suspicions, all receivers", part, "attempts", at - HOUR_S, at
        ),
        figures.count(
            "episodes", "blocks of our addresses in this incident", len(incident.episodes),
            "blocks", incident.opened_at, at,
        ),
    )  # fmt: skip
