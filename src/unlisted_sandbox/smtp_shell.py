"""Receivers and the tenants' mailboxes on real sockets, one loopback address each.

A connection belongs to the lane in whose pool its source address lies; anybody else is refused and
noted as a fault. What follows from an accepted mail (evidence, reports) becomes timers of the lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from unlisted_sandbox.dns_shell import Asker
from unlisted_sandbox.home import HomeVisit
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.receiver import Complaint, Evidence, Site, Visit
from unlisted_sandbox.smtp_server import Visit as AnyVisit


class Pools:
    """Whose address is it."""

    def __init__(self, lanes: list[Lane]) -> None:
        self._owner = {address: lane for lane in lanes for address in lane.pool}
        self.strangers: list[str] = []

    def lane_of(self, address: str) -> Lane | None:
        lane = self._owner.get(address)
        if lane is None:
            self.strangers.append(address)
        return lane

    def owner(self, address: str) -> Lane | None:
        return self._owner.get(address)


class SiteHouse:
    """One receiver at its socket."""

    def __init__(
        self,
        site: Site,
        pools: Pools,
        asker: Asker | None,
        complain: Callable[[Lane, Complaint], None],
    ) -> None:
        self.name = site.receiver.name
        self._site = site
        self._pools = pools
        self._asker = asker
        self._complain = complain

    def lane_of(self, address: str) -> Lane | None:
        return self._pools.lane_of(address)

    def visit(self, lane: Lane, address: str) -> AnyVisit:
        return self._site.connect(lane.name, address, lane.clock.now())

    async def ask(self, lane: Lane, address: str, name: str) -> None:
        assert self._asker is not None
        with lane.clock.hold(f"{self.name} asks {name}"):
            listed, ttl_s = await self._asker.ask(name)
            self._site.told(lane.name, address, listed, ttl_s, lane.clock.now())

    def keep(self, lane: Lane, visit: AnyVisit) -> None:
        assert isinstance(visit, Visit)
        for follows in visit.keep(lane.clock.now()):
            if isinstance(follows, Complaint):
                self._complain(lane, follows)
            else:
                learn_later(lane, follows)


def learn_later(lane: Lane, piece: Evidence) -> None:
    lane.pending += 1
    lane.clock.call_at(piece.at, lambda: learn(lane, piece))


def learn(lane: Lane, piece: Evidence) -> None:
    lane.pending -= 1
    now = lane.clock.now()
    lane.log.add(now, "evidence", address=piece.address, stage=piece.kind, text=piece.zone)
    lane.lists[piece.zone].learn(piece.address, piece.kind, piece.weight, now)


class HomeHouse:
    """The tenants' own mail server."""

    name = "home"

    def __init__(self, pools: Pools, received: Callable[[Lane, bytes, tuple[str, ...]], None]):
        self._pools = pools
        self._received = received

    def lane_of(self, address: str) -> Lane | None:
        return self._pools.lane_of(address)

    def visit(self, lane: Lane, address: str) -> AnyVisit:
        return HomeVisit()

    async def ask(self, lane: Lane, address: str, name: str) -> None:
        await asyncio.sleep(0)

    def keep(self, lane: Lane, visit: AnyVisit) -> None:
        assert isinstance(visit, HomeVisit)
        content, recipients = visit.taken()
        self._received(lane, content, recipients)
