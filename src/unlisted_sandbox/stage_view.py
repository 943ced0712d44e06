"""A read-only picture of a run for a page: clock, lists, counters, last refusals, captions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from unlisted_sandbox.eventlog import Event

if TYPE_CHECKING:
    from unlisted_sandbox.run import Running

LAST_REFUSALS = 8
COUNTED = (
    "submitted",
    "delivered",
    "refused",
    "bounced",
    "unknown",
    "deferred",
    "complaint",
    "held",
)


class Picture(Struct, frozen=True):
    """One platform at one instant."""

    counts: dict[str, int]
    listed: tuple[tuple[str, str, float], ...]  # zone, address, until
    pool: tuple[str, ...]
    refusals: tuple[Event, ...]  # newest first
    caption: str


class Stage(Struct, frozen=True):
    """The whole run at one instant."""

    world: str
    seed: int
    start: float
    now: float
    end: float
    over: bool
    platforms: dict[str, Picture]
    public_url: str = ""
    operator_url: str = ""


def stage_of(running: Running) -> Stage:
    now = running.coordinator.now()
    pictures: dict[str, Picture] = {}
    for name, lane in running.lanes.items():
        listed = tuple(
            (zone, x.address, x.end)
            for zone, state in lane.lists.items()
            for x in state.open_at(now)
            if x.start <= now
        )
        pictures[name] = Picture(
            {kind: lane.log.counts.get(kind, 0) for kind in COUNTED},
            listed,
            lane.pool,
            tuple(lane.log.last("refused", LAST_REFUSALS)),
            _caption(running, name, bool(listed)),
        )
    product = running.product
    return Stage(
        running.world.world.name,
        running.world.seed,
        running.world.start,
        now,
        running.world.end,
        running.over,
        pictures,
        "" if product is None else f"http://{product.public[0]}:{product.public[1]}/",
        "" if product is None else f"http://{product.operator[0]}:{product.operator[1]}/",
    )


def _caption(running: Running, name: str, listed: bool) -> str:
    """The step of the loop this platform is at, in words."""
    viewer = running.viewer if name == "unlisted" else None
    refused = running.lanes[name].log.counts.get("refused", 0)
    if not refused:
        return "mail flows"
    if viewer is None:
        if listed:
            return "listed; mail is refused"
        return "the list has let go"
    if not viewer.episodes:
        return "the first refusals"
    if not viewer.holds:
        return f"noticed: {len(viewer.episodes)} episodes; who caused it?"
    if listed:
        return "contained; innocent mail waits for the list's term"
    if viewer.open_incident:
        return "off the list; verifying and sending what waited"
    return "recovered, incident closed"
