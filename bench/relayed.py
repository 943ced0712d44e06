"""A relay under load for the benches: a process of `unlisted serve`, clients, and a receiver.

Both ends keep their own record with one clock: which token was acknowledged when, which copy
arrived when, and when its final reply was written. The relay is met by SMTP and its files only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 60.0
DOMAIN = "there.example"
TOKEN = re.compile(rb"X-Token: ([0-9a-z-]+)")
ACCEPTED = re.compile(r"Accepted as (m\d+)")

CONFIG = """\
hostname = "relay.example"
secret = "{secret}"
state = "{state}"
[smtp]
listen = ["127.0.0.1:{port}"]
[[smtp.relay_hosts]]
address = "127.0.0.1"
name = "load"
tenant = "bench"
[[pools]]
name = "main"
addresses = ["127.0.3.1", "127.0.3.2"]
helo = "relay.example"
[routes]
"{domain}" = "127.0.0.1:{receiver}"
[http]
public = "127.0.0.1:0"
operator = "127.0.0.1:0"
"""


@dataclass
class Copy:
    """One copy of a message at the receiver. `replied_at` None: the 250 was never written.
    `opened_at`: when its session was first seen, which lies in one life of the relay."""

    token: str
    opened_at: float
    dot_at: float
    replied_at: float | None = None


@dataclass
class Acknowledged:
    """One message the relay took: its token, its id there, when the 250 was read."""

    token: str
    message: str
    at: float


class Receiver:
    """Takes everything, answers the final dot after a little while, keeps a record of each copy."""

    def __init__(
        self,
        delay_s: Callable[[int], float] = lambda n: 0.0,
        refuses: Callable[[bytes], bytes | None] = lambda line: None,
    ) -> None:
        """`refuses`: its reply to a command line instead of 250."""
        self.copies: list[Copy] = []
        self._refuses = refuses
        self.port = 0
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._session, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._sessions):
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def tokens(self) -> set[str]:
        return {copy.token for copy in self.copies}

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            opened_at = time.monotonic()
            writer.write(b"220 there.example ESMTP\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                refused = self._refuses(line)
                if refused is not None:
                    writer.write(refused + b"\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go\r\n")
                    await self._message(reader, writer, opened_at)
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
                await writer.drain()
        writer.transport.abort()
        self._sessions.discard(task)

    async def _message(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened_at: float
    ) -> None:
        content = await reader.readuntil(b"\r\n.\r\n")
        found = TOKEN.search(content)
        assert found is not None, "a message of nobody's load"
        copy = Copy(found[1].decode(), opened_at, time.monotonic())
        self.copies.append(copy)
        await asyncio.sleep(self._delay_s(len(self.copies)))
        writer.write(b"250 2.0.0 ok\r\n")
        await writer.drain()
        if not writer.is_closing():
            copy.replied_at = time.monotonic()


@dataclass
class Relay:
    """`unlisted serve` in a process of its own. `wrapper`: a command to run it under.
    `module`: what is run as `python -m`; `config`: its settings, else those of one receiver."""

    folder: Path
    port: int
    receiver: int
    wrapper: list[str] = field(default_factory=list)
    module: str = "unlisted"
    process: subprocess.Popen[bytes] | None = None
    config: str = ""
    patience_s: float = PATIENCE_S

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    def start(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "ready.json").unlink(missing_ok=True)
        config = self.folder / "unlisted.toml"
        config.write_text(
            self.config
            or CONFIG.format(
                secret="5e" * 32,
                state=self.state,
                port=self.port,
                receiver=self.receiver,
                domain=DOMAIN,
            ),
            "utf-8",
        )
        command = [sys.executable, "-m", self.module, "serve", "--config", str(config)]
        with (self.folder / "relay.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self) -> int:
        """Wait until every listener answers; the pid of the relay itself."""
        assert self.process is not None
        began = time.monotonic()
        file = self.state / "ready.json"
        while not file.exists():
            if self.process.poll() is not None:
                log = (self.folder / "relay.log").read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"unlisted serve ended with {self.process.returncode}: {log}")
            if time.monotonic() - began > self.patience_s:
                raise RuntimeError(f"unlisted serve was not ready within {self.patience_s:g} s")
            await asyncio.sleep(0.005)
        return int(json.loads(file.read_text("utf-8"))["pid"])

    def kill(self) -> float:
        """kill -9 of the process and, under a wrapper, of what it runs. When it was sent."""
        assert self.process is not None
        at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return at

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Load:
    """Clients that hand in messages, each with a token of its own, and never one twice."""

    def __init__(self, port: int, clients: int, pause_s: float) -> None:
        self.acknowledged: list[Acknowledged] = []
        self.unanswered: list[str] = []
        self.refused: list[str] = []
        self._port = port
        self._clients = clients
        self._pause_s = pause_s
        self._stopped = False

    async def run(self, limit: int | None = None) -> None:
        """Until `stop`, or until each client has handed in `limit` messages."""
        await asyncio.gather(*(self._client(number, limit) for number in range(self._clients)))

    def stop(self) -> None:
        self._stopped = True

    def _tokens(self, client: int, limit: int | None) -> Iterator[str]:
        number = 0
        while not self._stopped and (limit is None or number < limit):
            number += 1
            yield f"t{client}-{number}"

    async def _client(self, client: int, limit: int | None) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        for token in self._tokens(client, limit):
            try:
                while writer is None and not self._stopped:
                    try:
                        reader, writer = await self._connect()
                    except (OSError, EOFError):
                        await asyncio.sleep(0.02)
                if reader is None or writer is None:
                    break
                await self._send(token, reader, writer)
            except (OSError, EOFError):
                self.unanswered.append(token)
                if writer is not None:
                    writer.transport.abort()
                reader = writer = None
            await asyncio.sleep(self._pause_s)
        if writer is not None:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        await _reply(reader)
        writer.write(b"EHLO load.example\r\n")
        await _reply(reader)
        return reader, writer

    async def _send(
        self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for line in ("MAIL FROM:<load@relay.example>", f"RCPT TO:<{token}@{DOMAIN}>", "DATA"):
            writer.write(line.encode() + b"\r\n")
            said = await _reply(reader)
            if said[:1] not in "23":
                self.refused.append(f"{token}: {said}")
                return
        writer.write(f"X-Token: {token}\r\nSubject: load\r\n\r\n{BODY}\r\n.\r\n".encode())
        said = await _reply(reader)
        found = ACCEPTED.search(said)
        if found:
            self.acknowledged.append(Acknowledged(token, found[1], time.monotonic()))
        else:
            self.refused.append(f"{token}: {said}")


BODY = "\r\n".join(["The quick brown fox jumps over the lazy dog, again and again."] * 8)


async def _reply(reader: asyncio.StreamReader) -> str:
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        if line[3:4] != b"-":
            return line.decode("utf-8", "replace").rstrip()


def free_port() -> int:
    """A port that is free now, below the kernel's own range for outgoing connections."""
    start = os.getpid() * 89
    for i in range(20_000):
        port = 11_000 + (start + i) % 20_000
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")
