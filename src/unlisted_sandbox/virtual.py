"""A world on virtual time: one process, no sockets, one platform wired to it by its own wiring.

The same script, sites, lists, protocols and clock as over sockets (docs/clock.md), the same order
of releases; only what carries the bytes differs. SMTP goes through `memory_wire`, a DNS question
is a packet answered at once, a page is asked for by a call. So a run says the same facts as over
sockets and is over sooner. The platform is whatever `Platform` its caller brings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from unlisted_sandbox.clock_lanes import LaneClock
from unlisted_sandbox.dns_shell import NameServer
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.memory_wire import Address, joined
from unlisted_sandbox.people import Sender
from unlisted_sandbox.product_files import Setup
from unlisted_sandbox.result import Options, Result
from unlisted_sandbox.run import finished
from unlisted_sandbox.running import NAMES, Running
from unlisted_sandbox.score import table
from unlisted_sandbox.smtp_client import Line, SmtpClient
from unlisted_sandbox.smtp_server import House, SmtpServer
from unlisted_sandbox.viewer import HttpError, Viewer
from unlisted_sandbox.world import World
from unlisted_sandbox.worldfile import WorldError, named, read, shipped

__all__ = [
    "LaneClock",
    "Net",
    "Platform",
    "Result",
    "World",
    "WorldError",
    "named",
    "read",
    "run",
    "shipped",
    "table",
]

SMTP, DNS, PUBLIC, OPERATOR = 25, 53, 80, 81  # ports of a network that has no sockets
FIRST_PORT = 1024


class Net(Protocol):
    """What the platform has instead of a network."""

    def connect(
        self, source: str, to: Address, initiator: asyncio.Protocol, bound: Callable[[str], None]
    ) -> asyncio.Transport:
        """An SMTP connection; `bound` is told its `ip:port` first. Raises OSError."""
        ...

    def ask(self, packet: bytes) -> bytes | None:
        """The answer to a DNS question."""
        ...


class Platform(Protocol):
    """A mail platform in this process."""

    async def start(self, clock: LaneClock, config: Path, net: Net) -> None: ...

    def session(self) -> asyncio.Protocol:
        """A session at its submission port, for a transport that follows."""
        ...

    async def get(self, public: bool, path: str) -> tuple[int, bytes]:
        """Status and body of one of its pages; of the operator's as the operator."""
        ...

    async def stop(self) -> None: ...


class _Line:
    """A mail program's way to the platform."""

    def __init__(self, platform: Platform, source: Address, to: Address) -> None:
        self.label = f"{source[0]}:{source[1]}"
        self._platform = platform
        self._source = source
        self._to = to

    async def connect(self) -> SmtpClient:
        client = SmtpClient(self.label)
        joined(client, self._platform.session(), self._source, self._to)
        return client


class _Asker:
    """A site's way to ask a list."""

    def __init__(self, names: NameServer) -> None:
        self._names = names

    async def ask(self, name: str) -> tuple[bool, float]:
        return self._names.listed(name)


class Virtual(Running):
    """One run without sockets."""

    apart = ()

    def __init__(
        self,
        world: World,
        platform: Platform,
        folder: Path | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(world, Options(platforms=("unlisted",), progress=progress))
        self._platform = platform
        self._kept = folder
        self._houses: dict[Address, House] = {}
        self._sessions: set[SmtpServer] = set()
        self._names: NameServer | None = None
        self._port = FIRST_PORT
        self._started = False

    # As a network

    def connect(
        self, source: str, to: Address, initiator: asyncio.Protocol, bound: Callable[[str], None]
    ) -> asyncio.Transport:
        house = self._houses.get(to)
        if house is None:
            raise ConnectionRefusedError(f"nobody at {to[0]}:{to[1]}")
        mine = (source, self._free_port())
        bound(f"{mine[0]}:{mine[1]}")
        return joined(initiator, SmtpServer(house, self._sessions), mine, to)

    def ask(self, packet: bytes) -> bytes | None:
        return None if self._names is None else self._names.respond(packet)

    def _free_port(self) -> int:
        # Never used twice: it is the name of a transaction, and no kernel's table has to hold it.
        self._port += 1
        return self._port

    # As a run

    async def _serve_names(self, names: NameServer) -> Address:
        self._names = names
        return NAMES, DNS

    async def _open_asker(self, host: str, resolver: Address) -> _Asker:
        assert self._names is not None
        return _Asker(self._names)

    async def _listen(self, house: House, host: str) -> int:
        self._houses[host, SMTP] = house
        return SMTP

    async def _start_product(
        self, senders: Sequence[Sender], routes: dict[str, Address], resolver: Address
    ) -> Viewer:
        lane = self.lanes["unlisted"]
        setup = Setup(
            lane,
            self.world,
            senders,
            self._kept or self.folder,
            self.coordinator.path,
            routes,
            resolver,
            (SMTP, PUBLIC, OPERATOR),
            self._kept,
        )
        setup.write()
        lane.line = self._line
        self._started = True
        await self._platform.start(self.coordinator.lane_clock(lane.name), setup.config, self)
        return Viewer(lane, setup.public, setup.operator, "", self._get)

    def _line(self, source: str) -> Line:
        lane = self.lanes["unlisted"]
        return _Line(self._platform, (source, self._free_port()), lane.smtp)

    async def _get(self, lane: Lane, at: Address, path: str, token: str) -> bytes:
        with lane.clock.hold(f"GET {path}"):
            status, body = await self._platform.get(at[1] == PUBLIC, path)
        if status != 200:
            raise HttpError(f"{path}: {status}")
        return body

    async def _stop_product(self) -> None:
        if self._started:
            self._started = False
            await self._platform.stop()

    async def _close(self) -> None:
        await self._stop_product()
        for session in list(self._sessions):
            session.abort()
        await super()._close()


def run(
    world: World, platform: Platform, folder: Path | None = None, progress: bool = False
) -> Result:
    """A world to its end. `folder` keeps what a user would write and the state; None: nothing.
    `progress`: a line on stderr every few seconds."""
    return finished(Virtual(world, platform, folder, progress))
