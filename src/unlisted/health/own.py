"""Our own incidents as records: the same shape that the importer makes of other people's.

One shape for Graph, Statuspage, feed and lint. Labels become the canonical ones; figures stay in
the post's words, where the journal put them.
"""

from collections.abc import Sequence

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
    for post, after in zip(posts, [*posts[1:], None], strict=False):
        kind: Kind = "final" if post.post == "final" else "current"
        margin = None
        if after is not None and post.next_update_by is not None:
            margin = round((post.next_update_by - after.at) / 60, 1)
        found.append(
            Entry(
                at=post.at,
                kind=kind,
                sections={known(label, "sections", slips=False) or label: text
                          for label, text in post.sections},
                printed_at=long_form(post.at),
                text="\n".join(f"{label}: {text}" for label, text in post.sections),
                next_update_by=post.next_update_by,
                deadline_met=None if margin is None else margin >= 0,
                margin_min=margin,
            )
        )  # fmt: skip
    return tuple(found)
