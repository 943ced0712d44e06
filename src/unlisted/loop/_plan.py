"""What a re-send would do, before anybody switches it on: the plan of one episode.

Reads the states and changes nothing. Counts of what is in the books no more come from the tally.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from unlisted.facts import Row
from unlisted.loop._books import bounced_at, episode_of, left_out
from unlisted.loop._resting import path_of

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

NOW, PATH, SWITCH = "now", "its path rests", "nobody switched it on"
TOO_OLD = "too old"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One booked letter. `state`: now, its path rests, nobody switched it on, or why it is left out
    (`left_out` True)."""

    key: str
    message: str
    sender: str
    tenant: str
    recipient: str
    domain: str
    address: str
    receiver: str
    first_at: float
    bounced_at: float
    until: float
    state: str
    left_out: bool = False


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to one receiver from one address, and how long that takes in the pace."""

    address: str
    receiver: str
    recipients: int
    messages: int
    left_out: int
    rests: bool
    takes_s: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`episode` None: letters whose bounce nothing explains. `gone`: (how, recipients) that are in
    the books no more: sent again, sent by hand, too old, bounced again, not kept."""

    episode: str | None
    at: float
    messages: int
    recipients: int
    left_out: tuple[tuple[str, int], ...]
    gone: tuple[tuple[str, int], ...]
    sites: tuple[Site, ...]
    items: tuple[Item, ...]


def plan(states: States, episode: str | None, at: float) -> Plan:
    """The plan of one episode."""
    return _made(states, episode, _items(states, at).get(episode, []), at)


def plans(states: States, at: float) -> list[Plan]:
    """Of every episode that something was bounced for, newest first, unexplained ones last."""
    items = _items(states, at)
    tally = states.resend.tally
    names = [name for name in states.sense.episodes if name in items or name in tally]
    found: list[str | None] = [*reversed(names)]
    if None in items:
        found.append(None)
    return [_made(states, name, items.get(name, []), at) for name in found]


def state_of(states: States, row: Row, at: float) -> tuple[str, bool]:
    """What holds of one booked letter now, and whether that leaves it out."""
    if at > (row.until or at):
        return TOO_OLD, True
    why = left_out(states, row, at)
    if why:
        return why, True
    path = path_of(row.waits_for)
    if states.accept.policy.resend_by != "policy" and row.key not in states.resend.ordered:
        return SWITCH, False
    if path in states.deliver.rests:
        return PATH, False
    return (NOW if path in states.resend.pacing else SWITCH), False


def _items(states: States, at: float) -> dict[str | None, list[Item]]:
    found: dict[str | None, list[Item]] = {}
    for row in states.resend.books.values():
        address, receiver = path_of(row.waits_for)
        state, out = state_of(states, row, at)
        item = Item(
            key=row.key,
            message=row.message,
            sender=row.sender,
            tenant=row.tenant,
            recipient=row.recipient,
            domain=row.domain,
            address=address,
            receiver=receiver,
            first_at=row.first_at,
            bounced_at=bounced_at(states, row),
            until=row.until or at,
            state=state,
            left_out=out,
        )
        found.setdefault(episode_of(states, row), []).append(item)
    return found


def _made(states: States, episode: str | None, items: list[Item], at: float) -> Plan:
    going = [one for one in items if not one.left_out]
    reasons = sorted({one.state for one in items if one.left_out})
    tally = states.resend.tally.get(episode or "") or Counter[tuple[str, str]]()
    hows = sorted({how for _, how in tally})
    return Plan(
        episode=episode,
        at=at,
        messages=len({one.message for one in going}),
        recipients=len(going),
        left_out=tuple(
            (why, sum(1 for one in items if one.left_out and one.state == why)) for why in reasons
        ),
        gone=tuple((how, sum(k for (_, h), k in tally.items() if h == how)) for how in hows),
        sites=_sites(states, items),
        items=tuple(items),
    )


def _sites(states: States, items: list[Item]) -> tuple[Site, ...]:
    policy = states.accept.policy
    by_path: dict[tuple[str, str], list[Item]] = {}
    for one in items:
        by_path.setdefault((one.address, one.receiver), []).append(one)
    found = []
    for path in sorted(by_path):
        going = [one for one in by_path[path] if not one.left_out]
        batches = math.ceil(len(going) / policy.resend_batch)
        site = Site(
            address=path[0],
            receiver=path[1],
            recipients=len(going),
            messages=len({one.message for one in going}),
            left_out=len(by_path[path]) - len(going),
            rests=path in states.deliver.rests,
            takes_s=max(0, batches - 1) * policy.resend_every_s,
        )
        found.append(site)
    return tuple(found)
