"""What station tell answers to a person's post: the post as it will stand, or every reason why not.

It changes nothing, so that a post can be tried before it is handed in. A correction revises one post
and makes no update of it: it meets no promise, and a promise it moves is judged by the earlier time.
The lint of health records speaks only of the new post: what was published is not its author's.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from unlisted.facts import Posted, PostRefused, PostSubmitted
from unlisted.health import lint, own, posts, written
from unlisted.health.incident import moved
from unlisted.loop._incident import Incident, available, next_update, story

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

MOST_S = 86_400.0  # a promise is for a day at most, weekends included
LINTED = 20  # posts before the new one that the lint compares it with


def answer(
    states: States, fact: PostSubmitted, n: int, *, final: bool = False
) -> Posted | PostRefused:
    """What becomes of the post. `final`: the policy's last one, which closes the incident."""
    incident = states.tell.incident
    if incident is None or incident.id != fact.incident:
        reasons = [f"incident {fact.incident[:40]} is not open"]
    else:
        reasons = _reasons(states, incident, fact)
        if not reasons:
            post = _post(states, incident, fact, n, final=final)
            # The lint is for what people write; the policy's own words were chosen once.
            reasons = findings_of(incident, post) if fact.author != "policy" else []
            if not reasons:
                return post
    return PostRefused(
        at=fact.at, incident=fact.incident[:40], author=fact.author, reasons=tuple(reasons),
        because=(n,),
    )  # fmt: skip


def _reasons(states: States, incident: Incident, fact: PostSubmitted) -> list[str]:
    return [
        *_time(fact),
        *_correction(incident, fact),
        *written.refused(fact.sections, available(states, fact.at), states.deliver.pool_of),
    ]


def _time(fact: PostSubmitted) -> list[str]:
    by = fact.next_update_by
    if by is None or (math.isfinite(by) and fact.at < by <= fact.at + MOST_S):
        return []
    return ["the next update must be promised for a time after now, within 24 hours"]


def _correction(incident: Incident, fact: PostSubmitted) -> list[str]:
    number = fact.corrects
    if number is None:
        return []
    if not 1 <= number <= incident.number:
        return [f"there is no post {number} to correct"]
    later = [post.number for post in incident.posts if post.corrects == number]
    return [f"post {number} was corrected by post {later[-1]}: correct that one"] if later else []


def _post(
    states: States, incident: Incident, fact: PostSubmitted, n: int, *, final: bool
) -> Posted:
    by = fact.next_update_by
    if by is None and not final:
        kept = fact.corrects is not None and incident.deadline is not None
        by = incident.deadline if kept else next_update(states, incident, fact.at)
    figures = available(states, fact.at)
    sections, _ = written.rendered(fact.sections, figures)
    sections = posts.framed(sections, story(states, fact.at, by, final=final))
    judged = incident.judged if fact.corrects is None else None
    return Posted(
        at=fact.at,
        incident=incident.id,
        number=incident.number + 1,
        post="final" if final else "current",
        title=dict(sections)["Title"],
        status=moved(incident.status, "serviceRestored") if final else incident.status,
        sections=sections,
        figures=figures,
        next_update_by=by,
        deadline=judged,
        deadline_met=None if judged is None else fact.at <= judged,
        author=fact.author,
        corrects=fact.corrects,
        because=(n,),
    )


def findings_of(incident: Incident, post: Posted) -> list[str]:
    """Strict findings of the lint that the new post is to blame for."""
    record = own.standing(own.record_of(incident.opened, [*incident.posts, post], None))
    # A correction stands in the place of what it corrects; an update is the last.
    at = next(
        (i for i, one in enumerate(record.posts) if one.corrects and one.corrects == post.corrects),
        len(record.posts) - 1,
    )
    first = max(0, at - LINTED)
    near = record.posts[first : at + 2]
    place = at - first + 1
    return [
        f"{found.code}: {found.text}" + (f" ({found.printed[:100]})" if found.printed else "")
        for found in lint.findings(msgspec.structs.replace(record, posts=near))
        if found.strict and _blames(found.where, place)
    ]


def _blames(where: str, number: int) -> bool:
    """Whether "post 1-3, 7, Current Status" speaks of this post; "posts" speaks of all."""
    if where == "posts":
        return True
    found = re.match(r"post ((?:\d+(?:-\d+)?(?:, )?)+)", where)
    for part in found[1].split(", ") if found else ():
        first, _, last = part.partition("-")
        if first and int(first) <= number <= int(last or first):
            return True
    return False
