"""Our own incidents as records: the same shape that the importer makes of other people's.

One shape for Graph, Statuspage, feed and lint. Labels become the canonical ones; figures stay in
the post's words, where the journal put them. A correction is a post of its own beside the one it
revises; only updates keep or miss a promise.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from unlisted.facts import IncidentClosed, IncidentOpened, Posted
from unlisted.health.labels import known
from unlisted.health.record import Entry, Kind, Record
from unlisted.health.stamps import long_form

SERVICE = "Outgoing mail"
GROUP = "Delivery to other providers"
FEATURE = "All receivers"


def record_of(
    opened: IncidentOpened, posts: Sequence[Posted], closed: IncidentClosed | None
) -> Record:
    """posts: oldest first, as they were published."""
    last = posts[-1] if posts else None
    return Record(
        id=opened.incident,
        service=SERVICE,
        feature_group=GROUP,
        feature=FEATURE,
        title=last.title if last else opened.title,
        classification=opened.classification,
        severity=opened.severity,
        start=opened.since,
        end=closed.until if closed else None,
        last_updated=last.at if last else opened.at,
        time_zone="+00:00",
        time_zone_evidence=("our own posts are in UTC",),
        status=last.status if last else "investigating",
        posts=_entries(posts),
    )


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
