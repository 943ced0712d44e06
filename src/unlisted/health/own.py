"""Our own incidents as records: the same shape that the importer makes of other people's.

One shape for Graph, Statuspage, feed and lint. Labels become the canonical ones; figures stay in
the post's words, where the journal put them. A correction is a post of its own beside the one it
revises; only updates keep or miss a promise.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from unlisted.facts import IncidentClosed, IncidentOpened, IncidentRevised, Posted
from unlisted.health.figures import clock
from unlisted.health.incident import FIELDS, ORIGINS
from unlisted.health.labels import known
from unlisted.health.record import Entry, Kind, Record, iso
from unlisted.health.stamps import long_form

SERVICE = "Outgoing mail"
GROUP = "Delivery to other providers"
FEATURE = "All receivers"


def values(
    opened: IncidentOpened,
    posts: Sequence[Posted],
    closed: IncidentClosed | None,
    revisions: Sequence[IncidentRevised],
) -> dict[str, str]:
    """What the incident tells now, by field; times in ISO 8601. Revisions in their order win; a
    title also changes with a post (before there were revisions, only so)."""
    found = {
        **dict.fromkeys(FIELDS, ""),
        "title": opened.title,
        "info": opened.info,
        "scope": opened.scope,
        "start": iso(opened.since) or "",
        "end": (iso(closed.until) or "") if closed else "",
        "classification": opened.classification,
        "severity": opened.severity,
        "origin": opened.origin,
    }
    titles = [(post.at, 0, "title", post.title) for post in posts]
    changes = [(one.at, 1, one.field, one.new) for one in revisions]
    # By time alone, in their own order where it is the same: both are as the journal has them.
    for _, _, field, new in sorted([*titles, *changes], key=lambda one: one[:2]):
        found[field] = new
    return found


def start_of(opened: IncidentOpened, told: dict[str, str]) -> float:
    """The start as told, exact where it is the measured one."""
    measured = told["start"] == iso(opened.since)
    return opened.since if measured else seconds(told["start"])


def end_of(closed: IncidentClosed | None, told: dict[str, str]) -> float | None:
    """The end as told; None: not over."""
    if closed is None or told["end"] == iso(closed.until):
        return closed.until if closed else None
    return seconds(told["end"])


def seconds(text: str) -> float:
    """A time of a revision, which is whole seconds UTC."""
    return datetime.fromisoformat(text).timestamp()


def record_of(
    opened: IncidentOpened,
    posts: Sequence[Posted],
    closed: IncidentClosed | None,
    revisions: Sequence[IncidentRevised] = (),
    links: Mapping[str, str] | None = None,
) -> Record:
    """posts: oldest first, as they were published. `links`: label → name of another incident."""
    last = posts[-1] if posts else None
    told = values(opened, posts, closed, revisions)
    labels = {"impact": "User Impact", "info": "More Info", "scope": "Scope of Impact"}
    standing = {label: told[field] for field, label in labels.items() if told[field]}
    stamps = [opened.at, *(p.at for p in posts), *(r.at for r in revisions)]
    return Record(
        id=opened.incident,
        service=SERVICE,
        feature_group=GROUP,
        feature=FEATURE,
        title=told["title"],
        classification=told["classification"],
        severity=told["severity"],
        start=start_of(opened, told),
        end=end_of(closed, told),
        last_updated=max(stamps),
        time_zone="+00:00",
        time_zone_evidence=("our own posts are in UTC",),
        status=last.status if last else "serviceRestored" if closed else "investigating",
        origin=ORIGINS.get(told["origin"], "microsoft"),
        posts=_entries(posts),
        standing={**standing, **(links or {})},
        revisions=tuple((one.at, revised(one)) for one in revisions),
    )


def revised(fact: IncidentRevised) -> str:
    """A revision in words; who made it is not said, for everybody reads it."""
    label = FIELDS.get(fact.field) or fact.field.capitalize()
    before = f" from {_told(fact.field, fact.old)}" if fact.old else ""
    who = "the service" if fact.author == "policy" else "a communicator"
    return f"{label} revised{before} to {_told(fact.field, fact.new)} by {who}: {fact.why}"


def _told(field: str, text: str) -> str:
    if not text:
        return "nothing"
    return clock(seconds(text)) if field in ("start", "end") else f"“{text}”"


def _entries(posts: Sequence[Posted]) -> tuple[Entry, ...]:
    found = []
    updates = [post for post in posts if post.corrects is None]
    following = {post.number: after for post, after in pairwise(updates)}
    for post in posts:
        after = following.get(post.number)
        margin = None
        if after is not None and after.deadline is not None:
            margin = round((after.deadline - after.at) / 60, 1)
        kind: Kind = "final" if post.post == "final" else "current"
        found.append(
            Entry(
                at=post.at,
                kind=kind,
                sections={known(label, "sections", slips=False) or label: text
                          for label, text in post.sections},
                printed_at=long_form(post.at),
                text="\n".join(f"{label}: {text}" for label, text in post.sections),
                next_update_by=post.next_update_by,
                deadline_met=None if after is None else after.deadline_met,
                margin_min=margin,
                corrects=post.corrects,
            )
        )  # fmt: skip
    return tuple(found)


def standing(record: Record) -> Record:
    """The record with each corrected post replaced by its last correction, in its place."""
    place: dict[int, int] = {}  # number of a post -> index of the update it is about
    kept: list[Entry] = []
    for number, post in enumerate(record.posts, 1):
        if post.corrects in place:
            place[number] = place[post.corrects]
            stood = kept[place[number]]
            kept[place[number]] = msgspec.structs.replace(
                post, deadline_met=stood.deadline_met, margin_min=stood.margin_min
            )
        else:
            place[number] = len(kept)
            kept.append(post)
    return msgspec.structs.replace(record, posts=tuple(kept))
