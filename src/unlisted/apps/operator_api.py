"""What the operator's API gives: lists of plain objects, each with its time (ISO 8601, UTC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unlisted.apps import chain_words, untold, words
from unlisted.edge.readmodel import Hold, ReadModel
from unlisted.edge.readmodel_episodes import Episode
from unlisted.edge.readmodel_incidents import Incident
from unlisted.facts import CausesRanked, Figure, IncidentRevised, Posted, PostPending, Row
from unlisted.health import own

iso = words.iso
Object = dict[str, Any]
MAX_ROWS = 1000


def episodes(model: ReadModel) -> list[Object]:
    """Newest first."""
    return [_episode(model, one) for one in reversed(model.episodes.values())]


def _episode(model: ReadModel, one: Episode) -> Object:
    opened = one.opened
    return {
        "id": opened.episode,
        "address": opened.address,
        "list": opened.zone,
        "receiver": opened.receiver,
        "basis": opened.basis,
        "parent": opened.parent,
        "since": iso(opened.since),
        "opened_at": iso(opened.at),
        "closed_at": iso(one.closed.at if one.closed else None),
        "refusals": one.refusals,
        "attempts": opened.attempts,
        "release_predicted_at": iso(one.predicted.release_at if one.predicted else None),
        "source_stopped_at": iso(one.stopped.at if one.stopped else None),
        "delisted_at": iso(one.delisted.high if one.delisted else None),
        "relisted_at": [iso(at) for at in one.relisted_at],
        "dropped_by": [{"receiver": fact.receiver, "at": iso(fact.at)} for fact in one.dropped],
        "advice": one.advised.advice if one.advised else None,
        "how": one.closed.how if one.closed else None,
        "relisting_of": one.recurred.before if one.recurred else None,
    }


def causes(model: ReadModel) -> list[Object]:
    """Newest first: each change of a verdict, with its latest shares."""
    return [cause(model, one) for one in reversed(model.causes)]


def cause(model: ReadModel, one: CausesRanked) -> Object:
    return {
        "episode": one.episode,
        "at": iso(one.at),
        "verdict": one.verdict,
        "named": [model.person(sender) for sender in one.named],
        "shares": [
            {
                "sender": model.person(share.sender),
                "tenant": share.tenant,
                "share": share.share,
                "low": share.low,
                "high": share.high,
                "reasons": list(share.reasons),
                "messages": share.messages,
                "guilty": share.guilty,
            }
            for share in one.shares
        ],
        "window_s": one.window_s,
        "need": one.need,
        "more": chain_words.ranked_extras(model, one),
    }


def holds(model: ReadModel) -> list[Object]:
    """Newest first."""
    return [hold(model, one) for one in reversed(model.holds.values())]


def hold(model: ReadModel, one: Hold) -> Object:
    held, released = one.held, one.released
    return {
        "id": held.hold,
        "sender": model.person(held.sender),
        "tenant": held.tenant,
        "scope": held.scope,
        "campaigns": list(held.campaigns),
        "reason": held.reason,
        "at": iso(held.at),
        "expires_at": iso(held.expires_at),
        "released_at": iso(released.at if released else None),
        "released_by": released.actor if released else None,
        "episode": held.episode,
    }


def rules(model: ReadModel) -> list[Object]:
    """Newest step first: each rule as it stands, with the counts it was stepped on."""
    found = sorted(model.rules.values(), key=lambda one: (-one.at, one.rule))
    return [
        {
            "id": one.rule,
            "at": iso(one.at),
            "campaign": one.campaign,
            "state": one.new,
            "before": one.old,
            "matched": one.matched,
            "other_senders": one.other_senders,
            "why": one.why,
        }
        for one in found
    ]


def messages(model: ReadModel, sender: str, state: str, limit: int) -> list[Object]:
    """Queue rows, oldest first."""
    wanted = model.hash_of(sender) if sender else ""
    return [_row(model, row) for row in model.queue(wanted, state, min(limit, MAX_ROWS))]


def _row(model: ReadModel, row: Row) -> Object:
    return {
        "id": row.key,
        "at": iso(row.first_at),
        "sender": model.person(row.sender),
        "tenant": row.tenant,
        "domain": row.domain,
        "state": row.state,
        "address": row.address or None,
        "attempts": row.attempts,
        "next_try_at": iso(row.due),
        "waiting_for": words.condition(row.waits_for) or None,
        "until": iso(row.until),
    }


def pools(model: ReadModel) -> list[Object]:
    """Pools with their addresses; `at`: of the newest fact this rests on."""
    listed: dict[str, list[str]] = {}
    for episode in model.episodes.values():
        if episode.closed is None and episode.opened.zone and episode.delisted is None:
            listed.setdefault(episode.opened.address, []).append(episode.opened.zone)
    day = int(model.at // 86400)
    out = []
    for pool in model.pools:
        rows = []
        for address in pool.addresses:
            one = model.addresses[address]
            rows.append(
                {
                    "address": address,
                    "listed": sorted(set(listed.get(address, ()))),
                    "mail_today": one.today if one.day == day else 0,
                    "receivers": [
                        {"receiver": receiver, "state": "rests", "since": iso(at), "why": why}
                        for receiver, (at, why) in sorted(one.resting.items())
                    ],
                }
            )
        out.append({"name": pool.name, "at": iso(model.at), "helo": pool.helo, "addresses": rows})
    return out


def incidents(model: ReadModel) -> list[Object]:
    """Newest first; nothing in it names a sender, tenant, pool or address of ours."""
    return [incident(one) for one in reversed(model.incidents.values())]


def incident(one: Incident) -> Object:
    told = one.values
    return {
        "id": one.opened.incident,
        **{
            field: told[field] or None
            for field in (
                "title",
                "classification",
                "severity",
                "origin",
                "impact",
                "scope",
                "info",
            )
        },
        "since": iso(own.start_of(one.opened, told)),
        "until": iso(own.end_of(one.closed, told)),
        "opened_at": iso(one.opened.at),
        "closed_at": iso(one.closed.at if one.closed else None),
        "updated_at": iso(one.updated_at),
        "posts": [post(found) for found in one.posts],
        "revisions": [revision(found) for found in one.revisions],
        "merged_into": one.merged.into if one.merged else None,
        "merged": [found.incident for found in one.absorbed],
        "split_from": one.part_of.incident if one.part_of else None,
        "parts": [found.part for found in one.parts],
        "deadlines_moved": [
            {
                "at": iso(found.at),
                "post": found.number,
                "old": iso(found.old),
                "new": iso(found.new),
            }
            for found in one.moves
        ],
    }


def revision(found: IncidentRevised) -> Object:
    """A revision; who made it is not said: the page is public."""
    return {
        "at": iso(found.at),
        "field": found.field,
        "old": found.old,
        "new": found.new,
        "by": "policy" if found.author == "policy" else "communicator",
        "why": found.why,
    }


def post(made: Posted) -> Object:
    """A post; who wrote it is not said: the page is public."""
    return {
        "number": made.number,
        "at": iso(made.at),
        "kind": made.post,
        "corrects": made.corrects,
        "status": made.status,
        "next_update_by": iso(made.next_update_by),
        "deadline": iso(made.deadline),
        "deadline_met": made.deadline_met,
        "sections": [{"label": label, "text": text} for label, text in made.sections],
        "figures": [_figure(figure) for figure in made.figures],
    }


def draft(found: PostPending) -> Object:
    """A post that waits for an approver, as written."""
    return {
        "draft": found.draft,
        "at": iso(found.at),
        "author": found.author,
        "kind": found.post,
        "changes": dict(found.changes),
        "why": found.why,
        "corrects": found.corrects,
        "next_update_by": iso(found.next_update_by),
        "sections": [{"label": label, "text": text} for label, text in found.sections],
    }


def drafts(one: Incident) -> Object:
    """What waits, and what went back and why."""
    return {
        "waiting": [draft(found) for _, found in sorted(one.drafts.items())],
        "returned": [
            {**draft(found), "returned_at": iso(back.at), "by": back.by,
             "reasons": list(back.reasons)}
            for found, back in reversed(one.returned)
        ],
    }  # fmt: skip


def _figure(figure: Figure) -> Object:
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "query": figure.query,
        "start": iso(figure.start),
        "end": iso(figure.end),
        "n": figure.n,
        "low": figure.low,
        "high": figure.high,
    }


LISTS: dict[str, Callable[[ReadModel], list[Object]]] = {
    "episodes": episodes,
    "causes": causes,
    "holds": holds,
    "rules": rules,
    "pools": pools,
    "incidents": incidents,
    "untold": untold.listed,
}
