"""What an incident tells of itself: derived from what is measured, revised by people, every one kept.

A person's value stands: the policy no longer changes that field. Refused with every reason: a number
that was typed, an address of ours, a start after now, after the end or after the first refusal that
was measured, an end of what is not over, a weekday that is not the date's, a scope against its
title (the strict lint), and a revision without a reason. The reason is public as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.facts import IncidentRevised, Posted, PostRefused, RevisionSubmitted
from unlisted.health import stamps, written
from unlisted.health.figures import clock
from unlisted.health.incident import CHOICES, FIELDS, derived, measured, widened
from unlisted.health.own import seconds
from unlisted.health.record import iso
from unlisted.loop._incident import Incident, available
from unlisted.loop._incident import measured as figures_now
from unlisted.loop._written import findings_of

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

MAX_TITLE = 200
MAX_WHY = 500
KEPT = 100  # closed incidents that can still be revised, merged and split
# Of the strict lint: what a revision can be to blame for. The rest is about the text of posts.
_BLAMED = ("weekday_wrong", "start_in_future", "end_in_future", "scope_contradicts",
           "recovery_contradicted")  # fmt: skip


def found(states: States, name: str) -> Incident | None:
    """The incident of this name, open or closed."""
    now = states.tell.incident
    return now if now is not None and now.id == name else states.tell.past.get(name)


def applied(incident: Incident, revision: IncidentRevised) -> IncidentRevised:
    """Take it in."""
    incident.values[revision.field] = revision.new
    if revision.author != "policy":
        incident.revised[revision.field] = incident.revised.get(revision.field, 0) + 1
    return revision


def rederived(states: States, at: float, n: int) -> Iterator[IncidentRevised]:
    """What follows from the measures of now, where no person revised it."""
    incident = states.tell.incident
    assert incident is not None
    mine = [one for one in states.sense.open_episodes() if one.id in incident.episodes]
    incident.extent = widened(
        incident.extent,
        len({one.address for one in mine}),
        figures_now(states, at),
        listed=any(one.zone for one in mine),
    )
    incident.extent = msgspec.structs.replace(incident.extent, named=incident.named)
    for field, new in derived(incident.extent, states.accept.policy).items():
        old = incident.values[field]
        if new != old and field not in incident.revised:
            yield applied(
                incident,
                IncidentRevised(
                    at=at, incident=incident.id, field=field, old=old, new=new, author="policy",
                    why=measured(incident.extent), because=(n,),
                ),
            )  # fmt: skip


def of_post(incident: Incident, post: Posted, n: int) -> Iterator[IncidentRevised]:
    """What a person told in a post of the fields that an incident has: its last word on them."""
    told = {label.strip().lower(): text for label, text in post.sections}
    for field, label in FIELDS.items():
        new = told.get((label or "").lower(), "")
        old = incident.values[field]
        # A post prefilled with the policy's words revises nothing.
        if new and new != old and (field == "title" or old):
            yield applied(
                incident,
                IncidentRevised(
                    at=post.at, incident=incident.id, field=field, old=old, new=new,
                    author=post.author, approver=post.approver, post=post.number,
                    why=f"told in post {post.number}", because=(n,),
                ),
            )  # fmt: skip


def answer(
    states: States, fact: RevisionSubmitted, n: int, *, approver: str = "", draft: int | None = None
) -> tuple[IncidentRevised, ...] | PostRefused:
    """The revisions as they will stand, or every reason why not. Changes nothing."""
    incident = found(states, fact.incident)
    if incident is None:
        reasons = [f"there is no incident {fact.incident[:40]} that can be revised"]
    elif incident.merged_into:
        reasons = [f"{incident.id} was merged into {incident.merged_into}: revise that one"]
    else:
        values, reasons = _values(states, incident, fact)
        changed = {field: new for field, new in values.items() if new != incident.values[field]}
        if not reasons and not changed:
            reasons = ["nothing changes"]
        if not reasons:
            return tuple(
                IncidentRevised(
                    at=fact.at, incident=incident.id, field=field, old=incident.values[field],
                    new=new, author=fact.author, approver=approver, draft=draft, why=fact.why.strip(),
                    because=(n,),
                )
                for field, new in changed.items()
            )  # fmt: skip
    return PostRefused(
        at=fact.at, incident=fact.incident[:40], author=fact.author, reasons=tuple(reasons),
        because=(n,),
    )  # fmt: skip


def _values(
    states: States, incident: Incident, fact: RevisionSubmitted
) -> tuple[dict[str, str], list[str]]:
    """The new values as they will stand, and what is wrong with them."""
    reasons = reason_faults(states, fact.why)
    values: dict[str, str] = {}
    for field, text in fact.changes[: len(FIELDS) + 1]:
        if field not in FIELDS or field in values:
            reasons.append(f"{field[:40]}: expected each of {', '.join(FIELDS)} at most once")
            continue
        values[field] = text.strip()
        if field in CHOICES and text.strip() not in CHOICES[field]:
            reasons.append(f"{field}: expected {' or '.join(CHOICES[field])}")
        elif field in ("start", "end"):
            told, wrong = _time(incident, field, text, fact.at)
            reasons += wrong
            values[field] = told or incident.values[field]
    reasons += _order({**incident.values, **values})
    texts = tuple((label, values[f]) for f, label in FIELDS.items() if label and f in values)
    if texts:
        figures = available(states, fact.at) if incident is states.tell.incident else ()
        wrong = written.refused(texts, figures, states.deliver.pool_of)
        if len(values.get("title", "")) > MAX_TITLE or "\n" in values.get("title", ""):
            wrong.append(f"a title is one line of up to {MAX_TITLE} characters")
        if not wrong:
            made, _ = written.rendered(texts, figures)
            by_label = dict(made)
            values |= {f: by_label[label] for f, label in FIELDS.items() if label in by_label}
        reasons += wrong
    if not reasons:
        reasons = _linted(incident, {**incident.values, **values}, fact)
    return values, reasons


def reason_faults(states: States, why: str) -> list[str]:
    """What is wrong with a reason, which everybody reads."""
    if not why.strip() or len(why) > MAX_WHY:
        return [f"a reason is needed, of up to {MAX_WHY} characters; it is public"]
    return written.refused((("Reason", why),), (), states.deliver.pool_of)


def _time(incident: Incident, field: str, text: str, at: float) -> tuple[str, list[str]]:
    """A time as ISO 8601 in UTC, and what is wrong with it."""
    stamp = stamps.whole(text)
    told = stamp.at(None) if stamp is not None else None
    if stamp is None or told is None:
        return "", [f"{field}: expected a time with its zone, as 2026-11-23T14:00Z"]
    if stamp.weekday_wrong:
        said = f"that date is a {stamp.right_weekday}, not a {stamp.weekday}"
        return "", [f"weekday_wrong: {said}"]
    if told > at:
        return "", [f"{field}_in_future: {field} is after now"]
    if field == "end" and incident.closed is None:
        return "", ["end: the incident is not over"]
    if field == "start" and told > incident.opened.since:
        first = clock(incident.opened.since)
        return "", [f"start: the first refusal that was measured is of {first}"]
    if told < incident.opened.since - 366 * 86_400.0:
        return "", [f"{field}: more than a year before the first refusal that was measured"]
    return iso(told) or "", []


def _order(values: dict[str, str]) -> list[str]:
    start, end = values["start"], values["end"]
    return ["end: before the start"] if start and end and end < start else []


def _linted(incident: Incident, values: dict[str, str], fact: RevisionSubmitted) -> list[str]:
    """What the strict lint would say of a post that told these values."""
    sections = [(label, values[f]) for f, label in FIELDS.items() if label and values[f]]
    sections.append(("Start time", clock(seconds(values["start"]))))
    post = Posted(
        at=fact.at, incident=incident.id, number=incident.number + 1, post="current",
        title=values["title"], status=incident.status, sections=tuple(sections), figures=(),
        next_update_by=None, deadline=None, deadline_met=None, author=fact.author,
    )  # fmt: skip
    return [one for one in findings_of(incident, post) if one.partition(":")[0] in _BLAMED]
