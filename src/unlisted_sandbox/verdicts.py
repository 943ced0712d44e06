"""What a platform said of the causes, held against what only the world knows.

From its API: every change of a verdict (`/api/causes`), and of each episode the receivers that it
says dropped the list (`/api/episodes`, `dropped_by`). From the world: whose account was used by whom
and when, which listings no mail caused, which receiver stopped asking. A verdict counts from the
moment it was told; what was never told is not guessed. Refuses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from unlisted_sandbox.blocklist import Listing, Why
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.people import population
from unlisted_sandbox.script import Submission
from unlisted_sandbox.tokens import read
from unlisted_sandbox.viewer import Viewer, moment
from unlisted_sandbox.world import World

GUILTY, NOBODY = "guilty", "nobody here"
ROUNDING_S = 0.0015
Row = dict[str, Any]


class Answers(Struct, frozen=True, kw_only=True):
    """One platform's answers; each field's meaning is one row of docs/scoreboard.md."""

    hijacks: int
    hijacks_named: int
    honest_named: int
    mistakes: int
    mistakes_answered: int
    range_listings: int
    range_listings_answered: int
    list_drops: int
    list_drops_named: int


def answers(
    lane: Lane, world: World, spam: Sequence[Submission], viewer: Viewer, end: float
) -> Answers:
    """Everything at once; `end` is the last instant of the run."""
    named = accusations(viewer.causes)
    used = uses(world, spam)
    mistakes = answered(lane, viewer, "mistake", end)
    ranges = answered(lane, viewer, "range", end)
    drops = dropped(lane, world, viewer, end)
    return Answers(
        hijacks=len(used),
        hijacks_named=sum(was_named(named, *use) for use in used),
        honest_named=len(accused_innocents(named, used)),
        mistakes=len(mistakes),
        mistakes_answered=sum(verdict == NOBODY for verdict in mistakes),
        range_listings=len(ranges),
        range_listings_answered=sum(verdict == NOBODY for verdict in ranges),
        list_drops=len(drops),
        list_drops_named=sum(drops.values()),
    )


def accusations(causes: Sequence[Row]) -> list[tuple[float, str]]:
    """(since when, sender) of each verdict that names somebody."""
    found = []
    for row in causes:
        at = moment(row.get("at"))
        if at is not None and row.get("verdict") == GUILTY:
            found += [(at, str(sender)) for sender in row.get("named") or ()]
    return sorted(found)


def uses(world: World, spam: Sequence[Submission]) -> list[tuple[str, float, float]]:
    """(account, first mail, the account's next hijack) of each hijack that handed in mail."""
    everybody = population(world)
    first: dict[int, float] = {}
    for one in spam:
        origin = read(world.seed, one.token)
        if origin is not None and origin.stream == "hijack":
            first[origin.number] = min(one.at, first.get(origin.number, math.inf))
    found = []
    for n, at in sorted(first.items()):
        account = everybody.hijacked[n]
        later = [t for m, t in first.items() if everybody.hijacked[m] == account and t > at]
        found.append((everybody.senders[account].id, at, min(later, default=math.inf)))
    return found


def was_named(named: Sequence[tuple[float, str]], sender: str, start: float, over: float) -> bool:
    """Whether a verdict told between the two called the account guilty."""
    return any(who == sender and start - ROUNDING_S <= at < over for at, who in named)


def accused_innocents(
    named: Sequence[tuple[float, str]], used: Sequence[tuple[str, float, float]]
) -> list[str]:
    """Senders called guilty who were nobody's but their own, or not yet another's."""
    since: dict[str, float] = {}
    for sender, start, _ in used:
        since[sender] = min(start, since.get(sender, math.inf))
    return sorted({who for at, who in named if at < since.get(who, math.inf) - ROUNDING_S})


def answered(lane: Lane, viewer: Viewer, why: Why, end: float) -> list[str]:
    """The last verdict on each listing of this kind that the platform took notice of; not on one
    that the platform's own mail prolonged or followed within it."""
    found = []
    for zone, state in sorted(lane.lists.items()):
        every = [x for x in state.listings() if x.start <= end]
        for listing in every:
            mixed = any(
                x.why == "evidence"
                and x.address == listing.address
                and x.start < listing.end
                and listing.start < x.end
                for x in every
            )
            episode = None if mixed or listing.why != why else _episode(viewer, zone, listing)
            if episode is not None:
                found.append(_last_verdict(viewer.causes, episode))
    return found


def _episode(viewer: Viewer, zone: str, listing: Listing) -> str | None:
    for name, seen in sorted(viewer.episodes.items()):
        row = seen.row
        mine = row.get("address") == listing.address and row.get("list") == zone
        if mine and listing.start <= seen.at < listing.end:
            return name
    return None


def _last_verdict(causes: Sequence[Row], episode: str) -> str:
    told = [
        (moment(row.get("at")) or 0.0, str(row.get("verdict")))
        for row in causes
        if row.get("episode") == episode
    ]
    return max(told, default=(0.0, ""))[1]


def dropped(lane: Lane, world: World, viewer: Viewer, end: float) -> dict[str, bool]:
    """Receivers that stopped using a list that then held an address of ours: named as such?"""
    found: dict[str, bool] = {}
    for receiver in world.receivers:
        at = world.start + receiver.drops_list_h * 3600
        state = lane.lists.get(receiver.list)
        if receiver.drops_list_h < 0 or at > end or state is None:
            continue
        if not any(x.start <= at < x.end for x in state.listings()):
            continue
        names = {receiver.name, *receiver.domains}
        found[receiver.name] = any(
            one.get("receiver") in names and (moment(one.get("at")) or 0.0) >= at
            for seen in viewer.episodes.values()
            for one in seen.row.get("dropped_by") or ()
            if seen.row.get("list") == receiver.list
        )
    return found
