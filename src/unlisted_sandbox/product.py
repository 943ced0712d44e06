"""`unlisted serve` as a user would run it: a process of its own, met by SMTP, DNS, HTTP and a file.

Writes its configuration, its users and the history of its senders into a folder, starts it, waits
until it says it is ready, and starts it again when it dies: time stands meanwhile. The only thing
shared besides is the clock's socket.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from unlisted_sandbox import chance
from unlisted_sandbox.habits import history
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.people import Sender
from unlisted_sandbox.world import World

READY_REAL_S = 60.0
RESTARTS_MAX = 50


class ProductError(Exception):
    """The product does not start."""


class Setup:
    """The files a user would write: configuration, users, history."""

    def __init__(
        self,
        lane: Lane,
        world: World,
        senders: Iterable[Sender],
        folder: Path,
        clock_path: str,
        routes: dict[str, tuple[str, int]],
        resolver: tuple[str, int],
        ports: Sequence[int],
        state: Path | None = None,
    ) -> None:
        """`ports`: of submission, the public page and the operator's page."""
        self.lane = lane
        self.world = world
        self.folder = folder
        self.state = state or folder / "state"
        self.config = folder / "unlisted.toml"
        self._senders = list(senders)
        self._clock_path = clock_path
        self._routes = routes
        self._resolver = resolver
        host = lane.smtp[0]
        lane.smtp = (host, ports[0])
        self.public = (host, ports[1])
        self.operator = (host, ports[2])

    def write(self) -> None:
        """Configuration, users, history."""
        self.state.mkdir(parents=True, exist_ok=True)
        seed = self.world.seed
        users = [
            f"{s.login}:{hashed(s.password or '', chance.digest(seed, 'salt', s.login, size=8))}"
            f":{s.tenant}"
            for s in self._senders
            if s.login is not None
        ]
        (self.folder / "users.txt").write_text("\n".join(users) + "\n")
        with (self.folder / "history.jsonl").open("wb") as file:
            for row in history(self.world):
                file.write(msgspec.json.encode(row) + b"\n")
        self.config.write_text(self.toml())

    def toml(self) -> str:
        """As `unlisted.toml` is documented."""
        lane = self.lane
        secret = chance.digest(self.world.seed, "secret of", lane.name, size=32).hex()
        lines = [
            f"state = {_q(str(self.state))}",
            f"hostname = {_q('mail.' + lane.domain)}",
            f"clock = {_q('unix:' + self._clock_path)}",
            f"secret = {_q(secret)}",
            "",
            "[smtp]",
            f"listen = [{_q(_at(lane.smtp))}]",
            f"users = {_q(str(self.folder / 'users.txt'))}",
            f"abuse = [{_q(lane.abuse)}]",
        ]
        for s in self._senders:
            if s.login is None:
                for client in s.clients:
                    lines += ["", "[[smtp.relay_hosts]]", f"address = {_q(client)}"]
                    lines += [f"name = {_q(s.host or '')}", f"tenant = {_q(s.tenant)}"]
        lines += [
            "",
            "[[pools]]",
            'name = "main"',
            f"addresses = [{', '.join(_q(a) for a in lane.pool)}]",
            f"helo = {_q('out.' + lane.domain)}",
            "epoch_s = 3600",
            "",
            "[routes]",
        ]
        lines += [f"{_q(domain)} = {_q(_at(route))}" for domain, route in self._routes.items()]
        lines += [
            "",
            "[dns]",
            f"resolver = {_q(_at(self._resolver))}",
            "lists = true",
            "mx = false",
        ]
        requests = {"no requests": "never", "by form": "owner", "by mail": "owner"}
        for entry in self.world.lists:
            lines += ["", "[[lists]]", f"zone = {_q(entry.zone)}"]
            if entry.told:
                lines += [f"term_s = {round(entry.term_h * 3600)}"]
                lines += [f"requests = {_q(requests[entry.etiquette])}"]
        lines += ["", "[history]", f"import = {_q(str(self.folder / 'history.jsonl'))}", ""]
        lines += ["[http]", f"public = {_q(_at(self.public))}"]
        lines += [f"operator = {_q(_at(self.operator))}", ""]
        return "\n".join(lines)


class Product(Setup):
    """One supervised process."""

    def __init__(
        self,
        lane: Lane,
        world: World,
        senders: Iterable[Sender],
        folder: Path,
        clock_path: str,
        routes: dict[str, tuple[str, int]],
        resolver: tuple[str, int],
        serve: tuple[str, ...] = (),
    ) -> None:
        ports = free_ports(lane.smtp[0], 3)
        super().__init__(lane, world, senders, folder, clock_path, routes, resolver, ports)
        self.restarts = -1
        self.kills = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._command = serve or (sys.executable, "-m", "unlisted")
        self._stopping = False
        self._killed = False
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, wait until it is ready, and watch it from then on."""
        self.write()
        ready = self.state / "ready.json"
        ready.unlink(missing_ok=True)
        self._spawn()
        deadline = time.monotonic() + READY_REAL_S
        while not ready.exists():
            if self.process is None or self.process.poll() is not None:
                raise ProductError(f"unlisted serve ended at once:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProductError(f"unlisted serve is not ready:\n{self.tail()}")
            await asyncio.sleep(0.02)
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def _spawn(self) -> None:
        self.restarts += 1
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHASHSEED",)}
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "serve", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=self.folder,
            )

    async def _watch(self) -> None:
        while not self._stopping:
            await asyncio.sleep(0.1)
            process = self.process
            if process is None or process.poll() is None or self._stopping:
                continue
            if self._killed:
                self._killed = False
            else:
                self.lane.faults.append(f"unlisted serve ended with {process.returncode}")
            if self.restarts >= RESTARTS_MAX:
                return
            self._spawn()

    def kill(self) -> None:
        """kill -9, as a test of its restart."""
        process = self.process
        if process is not None and process.poll() is None:
            self._killed = True
            self.kills += 1
            process.kill()
            # Until it is gone the clock takes it for idle and would let others speak to it.
            process.wait()

    def token(self) -> str:
        return (self.state / "operator.token").read_text().strip()

    def tail(self) -> str:
        try:
            lines = (self.folder / "serve.log").read_text(errors="replace").splitlines()
        except OSError:
            return "(no output)"
        return "\n".join(lines[-25:])

    async def stall(self, seed: int, stop: asyncio.Event) -> None:
        """Stop it for 0.3 real seconds at random moments; figures must not care."""
        n = 0
        while not stop.is_set():
            n += 1
            await asyncio.sleep(0.4 + 1.2 * chance.uniform(seed, "stall", n))
            process = self.process
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.3)
                process.send_signal(signal.SIGCONT)

    async def kill_often(self, seed: int, times: int, stop: asyncio.Event) -> None:
        """kill -9 at random real moments, whatever it is in the middle of."""
        for n in range(times):
            await asyncio.sleep(0.3 + 0.9 * chance.uniform(seed, "kill", n))
            if stop.is_set():
                return
            self.kill()

    async def stop(self) -> None:
        """SIGTERM, and if that is not enough SIGKILL."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        deadline = time.monotonic() + 10
        while process.poll() is None:
            if time.monotonic() > deadline:
                self.lane.faults.append("unlisted serve did not stop on SIGTERM within 10 s")
                process.kill()
                process.wait()
                return
            await asyncio.sleep(0.02)
        if process.returncode not in (0, -signal.SIGTERM):
            self.lane.faults.append(f"unlisted serve stopped with {process.returncode}")


def hashed(password: str, salt: bytes) -> str:
    """{SSHA256}, as directories keep it."""
    digest = sha256(password.encode() + salt).digest()
    return "{SSHA256}" + base64.b64encode(digest + salt).decode()


def free_ports(host: str, n: int) -> list[int]:
    """Ports free now; kept open together so that they differ."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for sock in sockets:
            sock.bind((host, 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def _q(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _at(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
