"""The files a user of the product would write for a world: configuration, users, history."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from unlisted_sandbox import chance
from unlisted_sandbox.habits import history
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.people import Sender
from unlisted_sandbox.world import World


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
