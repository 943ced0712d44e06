"""Merging incidents and splitting them: which episodes are one incident is a person's judgement.

A closed incident can be merged into another; its page and posts stay, and say where it went. Ended
episodes can be split off as an incident of their own. Start and end of what remains follow, unless a
person revised them. Refused with the reason: to merge the open incident, or one into itself or into
what was merged already; to split off an episode that is open or elsewhere, or all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.facts import (
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    MergeSubmitted,
    PostRefused,
    SplitSubmitted,
)
from unlisted.health.incident import Extent, derived
from unlisted.health.record import iso
from unlisted.loop._incident import Incident
from unlisted.loop._revise import applied, found, reason_faults

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

Made = Iterator[
    IncidentMerged | IncidentSplit | IncidentOpened | IncidentClosed | IncidentRevised | PostRefused
]
MOST_EPISODES = 1000


def merged(states: States, fact: MergeSubmitted, n: int) -> Made:
    """One incident becomes a part of another, or every reason why not."""
    one, into = found(states, fact.incident), found(states, fact.into)
    reasons = reason_faults(states, fact.why)
    for name, incident in ((fact.incident, one), (fact.into, into)):
        if incident is None:
            reasons.append(f"there is no incident {name[:40]}")
        elif incident.merged_into:
            reasons.append(f"{incident.id} was merged into {incident.merged_into}")
    if one is not None and one is into:
        reasons.append("an incident is not merged into itself")
    elif one is not None and one.closed is None:
        reasons.append(f"{one.id} is open: merge the closed one into it")
    if reasons or one is None or into is None:
        yield _refused(fact, n, reasons)
        return
    one.merged_into = into.id
    yield IncidentMerged(
        at=fact.at, incident=one.id, into=into.id, author=fact.author, why=fact.why.strip(),
        because=(n,),
    )  # fmt: skip
    into.episodes += [each for each in one.episodes if each not in into.episodes]
    yield from _spanned(into, fact, n, f"{one.id} was merged into it",
                        min(one.values["start"], into.values["start"]),
                        max(one.values["end"], into.values["end"]))  # fmt: skip


def split(states: States, fact: SplitSubmitted, n: int) -> Made:
    """Ended episodes become an incident of their own, or every reason why not."""
    incident = found(states, fact.incident)
    reasons = reason_faults(states, fact.why)
    asked = list(dict.fromkeys(fact.episodes))[:MOST_EPISODES]
    if incident is None:
        reasons.append(f"there is no incident {fact.incident[:40]}")
    elif incident.merged_into:
        reasons.append(f"{incident.id} was merged into {incident.merged_into}")
    else:
        reasons += _unsplit(states, incident, asked)
    if reasons or incident is None:
        yield _refused(fact, n, reasons)
        return
    yield from _part(states, incident, asked, fact, n)
    incident.episodes = [one for one in incident.episodes if one not in asked]
    since, until = _span(states, incident.episodes)
    yield from _spanned(
        incident, fact, n, "a part was split off", iso(since) or "",
        (iso(until) or "") if incident.closed is not None else "",
    )  # fmt: skip


def _unsplit(states: States, incident: Incident, asked: list[str]) -> list[str]:
    reasons = [] if asked else ["expected the episodes to split off"]
    for name in asked:
        if name not in incident.episodes:
            reasons.append(f"{incident.id} has no episode {name[:40]}")
        elif states.sense.episodes[name].closed_at is None:
            reasons.append(f"episode {name} is open: it can be split off once it is over")
    if asked and set(incident.episodes) <= set(asked):
        reasons.append("one episode at least must stay")
    return reasons[:20]


def _part(
    states: States, incident: Incident, asked: list[str], fact: SplitSubmitted, n: int
) -> Made:
    since, until = _span(states, asked)
    episodes = [states.sense.episodes[one] for one in asked]
    extent = Extent(
        addresses=len(states.deliver.pool_of),
        blocked=len({one.address for one in episodes}),
        listed=any(one.zone for one in episodes),
    )
    told = derived(extent, states.accept.policy)
    states.tell.count += 1
    opened = IncidentOpened(
        at=fact.at, incident=f"UL{states.tell.count:06d}", title=told["title"],
        classification=told["classification"], severity=told["severity"], since=since,
        episodes=tuple(asked), scope=told["scope"], info=told["info"], because=(n,),
    )  # fmt: skip
    closed = IncidentClosed(
        at=fact.at, incident=opened.incident, since=since, until=until, because=(n,)
    )
    part = Incident(opened, states.resend.count, extent)
    part.closed, part.status = closed, "serviceRestored"
    part.values["end"] = iso(until) or ""
    states.tell.keep(part)
    yield opened
    yield IncidentSplit(
        at=fact.at, incident=incident.id, part=opened.incident, episodes=tuple(asked),
        author=fact.author, why=fact.why.strip(), because=(n,),
    )  # fmt: skip
    yield closed


def _span(states: States, names: list[str]) -> tuple[float, float]:
    episodes = [states.sense.episodes[one] for one in names]
    return (
        min(one.since for one in episodes),
        max(one.closed_at or one.opened_at for one in episodes),
    )


def _spanned(
    incident: Incident,
    fact: MergeSubmitted | SplitSubmitted,
    n: int,
    why: str,
    start: str,
    end: str,
) -> Iterator[IncidentRevised]:
    """Start and end as the episodes have them now, where no person revised them."""
    for field, new in (("start", start), ("end", end)):
        old = incident.values[field]
        if new != old and new and field not in incident.revised:
            if field == "end" and incident.closed is None:
                continue
            revision = IncidentRevised(
                at=fact.at, incident=incident.id, field=field, old=old, new=new, author="policy",
                why=why, because=(n,),
            )  # fmt: skip
            yield applied(incident, revision)


def _refused(fact: MergeSubmitted | SplitSubmitted, n: int, reasons: list[str]) -> PostRefused:
    return PostRefused(
        at=fact.at, incident=fact.incident[:40], author=fact.author, reasons=tuple(reasons),
        because=(n,),
    )  # fmt: skip
