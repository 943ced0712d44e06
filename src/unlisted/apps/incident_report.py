"""The post-incident report of a record, as one self-contained page: what Graph calls incidentReport.

Made of the record alone: its posts as a timeline, its promises kept and missed, and what the import
found in it. Only for records whose status says that a review is published; it claims no more than
the record tells. No script, nothing fetched.
"""

from __future__ import annotations

from unlisted.apps import web
from unlisted.apps.public_views import REVIEWED, deadlines, entries_of, fitted, view_of
from unlisted.health.record import Record, summary

POSTS = 300
ROOM = 20_000  # characters of one post


def report(record: Record, *, served: bool = False) -> tuple[bytes, str] | None:
    """The page and its type; None: no review of this record is published. `served`: by a face of
    ours, which gives the stylesheet."""
    if record.status != REVIEWED:
        return None
    posts = entries_of(record)[::-1]
    text = web.rendered(
        "incident_report.html",
        incident=view_of(record),
        told=summary(record),
        evidence=record.time_zone_evidence,
        posts=[fitted(post, ROOM) for post in posts[:POSTS]],
        more=max(0, len(posts) - POSTS),
        deadlines=deadlines(record)[::-1][:POSTS],
        findings=record.findings[:POSTS],
        style="" if served else (web.PAGES / "style.css").read_text("utf-8"),
    )
    return text.encode("utf-8", "replace"), "text/html; charset=utf-8"
