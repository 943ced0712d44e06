"""A run under way: one world, its platforms, their lanes, and the clock that steps.

The order: sockets of the world, then the platforms, then the script; time stands until all of it is
there. After the scripted days the world runs on until no lane has a listing, mail due or an open
incident, `tail_h` at most.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from unlisted_sandbox import tokens
from unlisted_sandbox.bare import Bare
from unlisted_sandbox.blocklist import ListAnswer
from unlisted_sandbox.clock import Coordinator
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.dns_shell import Asker, NameServer, open_asker, serve_dns
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.mta import Accounts, Mta
from unlisted_sandbox.people import Sender, population
from unlisted_sandbox.product import Product
from unlisted_sandbox.product_files import Setup, free_ports
from unlisted_sandbox.progress import SETTLE_S, progress
from unlisted_sandbox.receiver import Complaint, LaneState, Site
from unlisted_sandbox.result import PLATFORMS, Options, Result
from unlisted_sandbox.score import score
from unlisted_sandbox.script import Submission, script
from unlisted_sandbox.smtp_server import House, Listener
from unlisted_sandbox.smtp_shell import HomeHouse, Pools, SiteHouse
from unlisted_sandbox.stage_ask import Faces
from unlisted_sandbox.stage_view import Watcher
from unlisted_sandbox.submitter import Submitter
from unlisted_sandbox.usual import Usual
from unlisted_sandbox.viewer import Viewer
from unlisted_sandbox.world import World

NETS = {"unlisted": "127.20", "bare": "127.21", "usual": "127.22"}
HOME, NAMES = "127.50.8.1", "127.50.9.1"
TICK_S = 600.0
PROGRESS_REAL_S = 5.0


class Closable(Protocol):
    def close(self) -> None: ...


class Running:
    """One run under way. What stands between world and platforms (`_serve_names` and the four
    after it) is real sockets here, and something else on virtual time."""

    apart: tuple[str, ...] = ("unlisted",)  # platforms with a process of their own

    def __init__(self, world: World, options: Options) -> None:
        unknown = sorted(set(options.platforms) - set(PLATFORMS))
        if unknown or not options.platforms:
            raise ValueError(f"no platform {', '.join(unknown)}; known: {', '.join(PLATFORMS)}")
        self.world = world
        self.options = options
        honest = list(script(world))  # seconds of work: before there is a clock to wait
        self.folder = Path(tempfile.mkdtemp(prefix="unlisted-world-", dir=_quick_folder()))
        self.names = tuple(p for p in PLATFORMS if p in options.platforms)
        remote = tuple(n for n in self.names if n in self.apart)
        self.coordinator = Coordinator(
            self.folder / "clock",
            world.start,
            self.names,
            options.speed,
            remote=remote,
            stall_limit_s=options.stall_limit_s,
        )
        size = world.world.pool_size
        self.lanes = {
            name: Lane(
                name,
                world,
                self.coordinator,
                tuple(f"{NETS[name]}.0.{n + 1}" for n in range(size)),
                f"{NETS[name]}.1.1",
            )
            for name in self.names
        }
        self.submitters: dict[str, Submitter] = {}
        self.mtas: dict[str, Mta] = {}
        self.product: Product | None = None
        self.viewer: Viewer | None = None
        self.finished: dict[str, bool] = dict.fromkeys(self.names, False)
        self.started = time.monotonic()
        self.over = False
        self._pools = Pools(list(self.lanes.values()))
        self._open: list[Closable] = []
        self._hosts: dict[str, str] = {}
        self.honest: list[Submission] = honest
        self._told_real = 0.0
        self._watcher = None if options.stage is None else Watcher(self)

    async def run(self) -> Result:
        try:
            with self.coordinator.hold("the world begins"):
                await self._begin()
            stop = asyncio.Event()
            troubles = self._troubles(stop)
            await self.coordinator.until(self._done)
            with self.coordinator.hold("the world ends"):  # from the very step that ended it
                stop.set()
                for trouble in troubles:
                    await trouble
                result = await self._end()
                self._show(result)
                if self.options.ended is not None:
                    self.options.ended(result)
                if self.options.stay:
                    await self._stay()
                await self._stop_product()
                if self.options.export is not None:
                    self._export(self.options.export, result)
                return result
        finally:
            self.over = True
            await self._close()

    def _troubles(self, stop: asyncio.Event) -> list[asyncio.Task[None]]:
        """What a test does to the product's process meanwhile."""
        found: list[asyncio.Task[None]] = []
        product, seed = self.product, self.world.seed
        if product is not None and self.options.stall:
            found.append(asyncio.create_task(product.stall(seed, stop)))
        if product is not None and self.options.kills:
            found.append(asyncio.create_task(product.kill_often(seed, self.options.kills, stop)))
        return found

    # Begin

    async def _begin(self) -> None:
        world, lanes = self.world, self.lanes
        directory = Directory(world)
        everybody = population(world)
        hosts = {r.name: f"127.50.{n // 250}.{n % 250 + 1}" for n, r in enumerate(world.receivers)}
        self._hosts = hosts
        names = NameServer(world, self._list_answer, hosts)
        resolver = await self._serve_names(names)
        routes: dict[str, tuple[str, int]] = {}
        for receiver in world.receivers:
            states = {
                name: LaneState(lane.log, lane.lists.get(receiver.list), lane.abuse)
                for name, lane in lanes.items()
            }
            site = Site(world, receiver, directory, states)
            asker = None
            if receiver.access == "dns":
                asker = await self._open_asker(hosts[receiver.name], resolver)
            house = SiteHouse(site, self._pools, asker, self._complain)
            port = await self._listen(house, hosts[receiver.name])
            for domain in receiver.domains:
                routes[domain] = (hosts[receiver.name], port)
        port = await self._listen(HomeHouse(self._pools, self._received), HOME)
        for tenant in everybody.tenants:
            routes[tenant] = (HOME, port)
        for s in everybody.senders:  # a script's host may be the domain of its reverse-path
            if s.host is not None:
                routes[s.host] = (HOME, port)
        accounts = Accounts(everybody.senders)
        for name, lane in lanes.items():
            self.submitters[name] = Submitter(lane, world, self.honest)
            if name == "unlisted":
                continue
            clock = self.coordinator.lane_clock(name)
            mta: Mta
            if name == "bare":
                mta = Bare(lane, world, clock, accounts, routes)
            else:
                mta = Usual(lane, world, clock, accounts, routes, self._looks_like_spam)
            self.mtas[name] = mta
            self._open.append(mta)
            lane.smtp = (lane.smtp[0], await self._listen(mta, lane.smtp[0]))
        if "unlisted" in lanes:
            self.viewer = await self._start_product(everybody.senders, routes, resolver)
            lanes["unlisted"].log.watch["refused"] = self.viewer.refused
        for name, lane in lanes.items():
            self.submitters[name].begin()
            lane.clock.call_at(world.end, lambda lane=lane: self._tick(lane))  # type: ignore[misc]
        self.started = time.monotonic()
        self._show()

    async def _serve_names(self, names: NameServer) -> tuple[str, int]:
        transport, port = await serve_dns(names, NAMES)
        self._open.append(transport)
        return NAMES, port

    async def _open_asker(self, host: str, resolver: tuple[str, int]) -> Asker:
        asker = await open_asker(host, resolver)
        self._open.append(asker)
        return asker

    async def _listen(self, house: House, host: str) -> int:
        listener = Listener(house)
        self._open.append(listener)
        return await listener.open(host)

    async def _start_product(
        self,
        senders: Sequence[Sender],
        routes: dict[str, tuple[str, int]],
        resolver: tuple[str, int],
    ) -> Viewer:
        """Start it; somebody who can look at it."""
        lane = self.lanes["unlisted"]
        setup = Setup(
            lane,
            self.world,
            senders,
            self.folder / "unlisted",
            self.coordinator.path,
            routes,
            resolver,
            free_ports(lane.smtp[0], 3),
        )
        product = self.product = Product(setup, self.options.serve)
        await product.start()
        if self.options.kill_at is not None:
            lane.clock.call_at(self.world.start + self.options.kill_at, product.kill)
        if self.options.stage is not None:
            self.options.stage.meet(Faces(setup.public, setup.operator, product.token()))
        viewer = Viewer(lane, setup.public, setup.operator, product.token())
        viewer.deaths = lambda: product.kills
        return viewer

    async def _stop_product(self) -> None:
        if self.product is not None:
            await self.product.stop()
            self.coordinator.platforms.dismiss("unlisted")

    def _list_answer(self, zone: str, address: str) -> ListAnswer:
        lane = self._pools.owner(address) or next(iter(self.lanes.values()))
        return lane.lists[zone].answer(address, self.coordinator.now())

    def _complain(self, lane: Lane, complaint: Complaint) -> None:
        self.submitters[lane.name].complain(complaint, self._hosts[complaint.site])

    def _received(self, lane: Lane, content: bytes, recipients: tuple[str, ...]) -> None:
        self.submitters[lane.name].received(content, recipients)

    def _looks_like_spam(self, content: bytes) -> bool:
        token = tokens.find(self.world.seed, content)
        origin = None if token is None else tokens.read(self.world.seed, token)
        return origin is not None and origin.kind == "spam"

    # End

    def _tick(self, lane: Lane) -> None:
        now = lane.clock.now()
        self.finished[lane.name] = self._lane_finished(lane, now)
        if now < self.world.until:
            at = min(now + TICK_S, self.world.until)
            lane.clock.call_at(at, lambda: self._tick(lane))

    def _lane_finished(self, lane: Lane, now: float) -> bool:
        if now >= self.world.until:
            return True
        if now < self.world.end + SETTLE_S or lane.pending or lane.listed_now():
            return False
        mta = self.mtas.get(lane.name)
        if mta is not None:
            return mta.waiting == 0
        if self.viewer is not None and self.viewer.open_incident:
            self.viewer.plan(1.0)
            return False
        return True

    def _done(self) -> bool:
        now = self.coordinator.now()
        if self.options.rush_end and now >= self.world.end:
            self.coordinator.speed = None  # nobody wants to wait for a list's term
        if self.options.stage is not None and self.options.stage.is_due():
            self._show()
        if self.options.progress and time.monotonic() - self._told_real > PROGRESS_REAL_S:
            self._told_real = time.monotonic()
            real_s = time.monotonic() - self.started
            print(progress(self.world, self.lanes, now, real_s), file=sys.stderr, flush=True)
        if self.options.stop_at is not None and now >= self.world.start + self.options.stop_at:
            return True
        return all(self.finished.values())

    async def _end(self) -> Result:
        end = self.coordinator.now()
        faults = [f for lane in self.lanes.values() for f in lane.faults]
        if self.viewer is not None:
            await self.viewer.look()
            await self.viewer.look_back()
            await self.viewer.check_page()
            faults += self.viewer.problems
        if not self.options.stay:
            await self._stop_product()
        strangers = sorted(set(self._pools.strangers))
        faults += [f"a connection from {a}, which is nobody's address" for a in strangers]
        faults += [f"late: {x}" for x in self.coordinator.late_examples]
        scores = {
            name: score(
                lane,
                self.world,
                self.honest,
                self.submitters[name].spam,
                self.viewer if name == "unlisted" else None,
                end,
            )
            for name, lane in self.lanes.items()
        }
        statistics = self.coordinator.statistics
        result = Result(
            world=self.world.world.name,
            seed=self.world.seed,
            platforms=scores,
            faults=tuple(dict.fromkeys(faults)),
            late=self.coordinator.late,
            logs={name: b"".join(lane.log.export()) for name, lane in self.lanes.items()},
            real_s=time.monotonic() - self.started,
            simulated_s=end - self.world.start,
            clock={"steps": statistics.steps, "releases": statistics.releases},
        )
        return result

    def _show(self, result: Result | None = None) -> None:
        """A picture for whoever looks; it changes nothing."""
        if self.options.stage is None or self._watcher is None:
            return
        if result is None:
            self.options.stage.publish(self._watcher.look())
        else:
            wrong = [*result.faults, *(f"false all-clear: {x}" for x in result.false_all_clear())]
            self.options.stage.publish(self._watcher.look(result.platforms, wrong))

    async def _stay(self) -> None:
        """Time stands, the pages answer, until somebody ends it."""
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError, RuntimeError):  # not in the main thread: cancel it instead
                loop.add_signal_handler(name, over.set)
        self.coordinator.watchdog.resting = True
        await over.wait()

    def _export(self, folder: Path, result: Result) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, log in result.logs.items():
            (folder / f"{name}.log.jsonl").write_bytes(log)
        (folder / "result.json").write_bytes(result.json())
        if self.product is not None:
            shutil.copytree(self.product.setup.folder, folder / "unlisted", dirs_exist_ok=True)

    async def _close(self) -> None:
        if self.product is not None:
            await self.product.stop()
        for thing in reversed(self._open):
            thing.close()
        for _ in range(3):  # the loop closes what was aborted
            await asyncio.sleep(0)
        self.coordinator.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _quick_folder() -> str | None:
    """Memory, where there is plenty: a run lives minutes, and no figure of it depends on a disk."""
    try:
        free = os.statvfs("/dev/shm")
    except OSError:
        return None
    roomy = free.f_bavail * free.f_frsize > 1 << 30 and os.access("/dev/shm", os.W_OK)
    return "/dev/shm" if roomy else None
