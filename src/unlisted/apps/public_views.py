"""What the public pages say of an incident, ours or an imported record's, in one shape.

Times are seconds UTC, None where a record does not tell. Nothing of the journal but what was
published goes in: incidents, posts, moved deadlines, imported records.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec

from unlisted.edge.readmodel_incidents import Incident
from unlisted.facts import Figure, IncidentRevised, Posted
from unlisted.health import own
from unlisted.health.figures import counted
from unlisted.health.graph import RESOLVED
from unlisted.health.record import Entry, Record

FEATURE = "Outgoing mail, delivery to other providers"
Object = dict[str, Any]
CUT = "\u2026 (cut here; whole in Graph, Statuspage and the feed)"
REVIEWED = "postIncidentReviewPublished"
TEXTS = {"impact": "User impact", "scope": "Scope", "info": "Details"}
ORIGIN = {"ours": "With us", "third party": "With a third party", "not known": "Not known yet"}
SHOWN_REVISIONS = 20
SHOWN_LINKS = 20
STATUS = {
    "serviceOperational": "Service operational",
    "investigating": "Investigating",
    "serviceDegradation": "Service degradation",
    "restoringService": "Restoring service",
    "extendedRecovery": "Extended recovery",
    "serviceRestored": "Service restored",
    REVIEWED: "Post-incident report published",
    "falsePositive": "False positive",
}


def record_of(one: Incident) -> Record:
    """An incident of ours in the shape of a record."""
    found = one.record
    return msgspec.structs.replace(found, status=REVIEWED) if one.reviewed else found


def view(one: Incident, now: float) -> Object:
    """An incident of ours."""
    last = one.posts[-1] if one.posts else None
    told = one.values
    promised = last.next_update_by if last and one.closed is None else None
    return {
        "id": one.opened.incident,
        "feature": FEATURE,
        "title": told["title"],
        "classification": told["classification"],
        "severity": told["severity"],
        "origin": ORIGIN.get(told["origin"], ""),
        "texts": [(label, told[field]) for field, label in TEXTS.items() if told[field]],
        "since": own.start_of(one.opened, told),
        "until": own.end_of(one.closed, told),
        "opened_at": one.opened.at,
        "updated_at": one.updated_at,
        "open": one.closed is None,
        "status": STATUS.get(last.status, last.status)
        if last
        else "Investigating"
        if one.closed is None
        else STATUS["serviceRestored"],
        "next_update_by": promised,
        "overdue": promised is not None and promised < now,
        "met": sum(1 for post in one.posts if post.deadline_met),
        "promised": sum(1 for post in one.posts if post.deadline_met is not None),
        "posts": len(one.posts),
        "moves": [
            {"at": move.at, "number": move.number, "old": move.old, "new": move.new}
            for move in one.moves
        ],
        "revisions": [revision(each) for each in one.revisions[: -SHOWN_REVISIONS - 1 : -1]],
        "merged": one.merged,
        "absorbed": one.absorbed[-SHOWN_LINKS:],
        "parts": one.parts[-SHOWN_LINKS:],
        "part_of": one.part_of,
        "imported": False,
        "zone": "",
        "review": one.reviewed,
    }


def revision(one: IncidentRevised) -> Object:
    """A revision as anybody may read it: what was, what is, when, why; by the service or a person,
    whose name is on the operator's page alone."""
    times = one.field in ("start", "end")
    return {
        "field": {"info": "Details", "impact": "User impact"}.get(
            one.field, one.field.capitalize()
        ),
        "old": one.old,
        "new": one.new,
        "old_at": own.seconds(one.old) if times and one.old else None,
        "new_at": own.seconds(one.new) if times and one.new else None,
        "at": one.at,
        "measured": one.author == "policy",
        "why": one.why,
    }


def view_of(record: Record) -> Object:
    """An imported record."""
    judged = [post for post in record.posts if post.deadline_met is not None]
    parts = (record.service, record.feature_group, record.feature)
    return {
        "id": record.id,
        "feature": ", ".join(dict.fromkeys(part for part in parts if part)) or "not told",
        "title": record.title or record.id,
        "classification": record.classification or "not told",
        "severity": record.severity or "not told",
        "since": record.start,
        "until": record.end,
        "updated_at": record.last_updated,
        "open": record.status not in RESOLVED,
        "status": STATUS.get(record.status, record.status),
        "next_update_by": None,
        "overdue": False,
        "met": sum(post.deadline_met is True for post in judged),
        "promised": len(judged),
        "posts": len(record.posts),
        "moves": [],
        "origin": "",
        "texts": [],
        "revisions": [],
        "merged": None,
        "absorbed": [],
        "parts": [],
        "part_of": None,
        "imported": True,
        "zone": record.time_zone or "unknown",
        "review": record.status == REVIEWED,
    }


def deadlines(record: Record) -> list[Object]:
    """Each promise that came due, newest first: when the next update came, kept or missed."""
    updates = [(n, post) for n, post in record.told if post.corrects is None]
    found = []
    for (number, post), (_, after) in pairwise(updates):
        if post.next_update_by is not None and post.deadline_met is not None:
            late = post.margin_min is not None and post.margin_min < 0
            found.append(
                {
                    "number": number,
                    "by": post.next_update_by,
                    "came": after.at,
                    "margin_s": None if post.margin_min is None else abs(post.margin_min) * 60,
                    "late": late,
                    "met": post.deadline_met,
                }
            )
    return found[::-1]


def posts_of(one: Incident) -> list[Object]:
    """Our posts, newest first."""
    corrected = record_of(one).corrected
    return [_post(post, one, corrected) for post in reversed(one.posts)]


def _post(post: Posted, incident: Incident, corrected: dict[int, int]) -> Object:
    labels = {label for label, _ in post.sections}
    before = [one for one in incident.revisions if one.at <= post.at]
    told = own.values(incident.opened, (), None, before)
    start = own.start_of(incident.opened, told)
    times = {"Next update by": post.next_update_by, "Start time": start}
    return {
        # Sections that are a time: their words get the machine's form around them.
        "times": {label: at for label, at in times.items() if label in labels and at is not None},
        "number": post.number,
        "at": post.at,
        "printed": "",
        "name": "Final update"
        if post.post == "final"
        else "Correction"
        if post.corrects
        else "Update",
        "status": STATUS.get(post.status, post.status),
        "sections": [(label, text) for label, text in post.sections if label != "Title"],
        "figures": [figure(one) for one in post.figures],
        "next_update_by": post.next_update_by,
        "deadline": post.deadline,
        "deadline_met": post.deadline_met,
        "corrects": post.corrects,
        "corrected_by": corrected.get(post.number),
    }


def entries_of(record: Record) -> list[Object]:
    """The posts of a record, newest first."""
    promised: tuple[float | None, bool | None] = (None, None)
    found, corrected = [], record.corrected
    for number, post in enumerate(record.posts, 1):
        due, met = promised if post.kind != "report" and post.corrects is None else (None, None)
        if post.kind != "report" and post.corrects is None:
            promised = (post.next_update_by, post.deadline_met)
        found.append(_entry(post, number, corrected, due, met))
    return found[::-1]


_NAMES = {"current": "Update", "final": "Final update", "report": "Report notice"}


def _entry(
    post: Entry, number: int, corrected: dict[int, int], due: float | None, met: bool | None
) -> Object:
    return {
        "times": {},
        "number": number,
        "at": post.at,
        "printed": post.printed_at,
        "name": _NAMES[post.kind],
        "status": "",
        "sections": [one for one in post.sections.items() if one[0] != "Title"]
        or [("Text", post.text)],
        "figures": [],
        "next_update_by": post.next_update_by,
        "deadline": due,
        "deadline_met": met if due is not None else None,
        "corrects": post.corrects,
        "corrected_by": corrected.get(number),
    }


def fitted(post: Object, room: int) -> Object:
    """The post with at most so many characters in its sections, and a word where it was cut."""
    sections = []
    for label, text in post["sections"]:
        if room <= 0:
            break
        sections.append((label[:200], text if len(text) <= room else text[:room] + CUT))
        room -= len(text) + len(label)
    return {**post, "sections": sections}


def figure(one: Figure) -> dict[str, Any]:
    """A figure with its query, window, n and interval, as a row of a table."""
    return {
        "name": one.name.replace("_", " ").capitalize(),
        "value": shown(one.value, one.unit),
        "interval": _interval(one),
        "n": one.n,
        "query": one.query,
        "start": one.start,
        "end": one.end,
    }


def _interval(one: Figure) -> str:
    if one.value is None:
        return "unknown"
    if one.low is None or one.high is None:
        return "exact"
    return f"{shown(one.low, one.unit)} to {shown(one.high, one.unit)}"


def shown(value: float | None, unit: str) -> str:
    """A number with its unit; unknown is said, not shown as 0."""
    if value is None:
        return "unknown"
    if unit == "share":
        return f"{value:.1%}"
    return counted(value, unit)
