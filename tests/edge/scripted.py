"""A receiver whose every reply is scripted, a client that speaks raw lines, and a whole relay.

`Receiver` counts what the tests ask about: sessions open at once per address, messages taken, the
transcript of each session. A stage's script is a reply, a list of replies used up in order (the last
one stays), or one of DROP (close at once), HANG (say nothing).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unlisted.edge.clock import Clock, WallClock
from unlisted.edge.runner import Runner
from unlisted.edge.service import Service, Settings, open_runner
from unlisted.edge.smtp_server import Listener
from unlisted.edge.users import RelayHost, Users, parse_user, ssha256
from unlisted.facts import Configured, Fact, Pool

DROP = "drop"
HANG = "hang"
SECRET = bytes(range(32))
STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "eod")
USUAL = {
    "greeting": "220 receiver.example ESMTP",
    "ehlo": "250-receiver.example\n250-SIZE 1000000\n250 8BITMIME",
    "mail": "250 2.1.0 Ok",
    "rcpt": "250 2.1.5 Ok",
    "data": "354 Go on",
    "eod": "250 2.0.0 Ok: queued",
    "rset": "250 2.0.0 Ok",
    "quit": "221 2.0.0 Bye",
}
Script = str | Sequence[str] | Callable[[str], str]


@dataclass
class Session:
    peer: str
    lines: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


class Receiver:
    """One scripted site on one port."""

    def __init__(self, delay_s: float = 0.0, **scripts: Script) -> None:
        self.scripts: dict[str, Script] = {**USUAL, **scripts}
        self.used: Counter[str] = Counter()
        self.sessions: list[Session] = []
        self.open_now: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.transactions_now: Counter[str] = Counter()
        self.most_transactions: Counter[str] = Counter()
        self.delay_s = delay_s
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def messages(self) -> list[bytes]:
        return [message for session in self.sessions for message in session.messages]

    def commands(self, verb: str) -> int:
        return sum(line.startswith(verb) for one in self.sessions for line in one.lines)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(3):  # aborted transports close in the loop's next turns
            await asyncio.sleep(0)

    def say(self, stage: str, peer: str) -> str:
        script = self.scripts[stage]
        if callable(script):
            return script(peer)
        if isinstance(script, str):
            return script
        number = self.used[stage]
        self.used[stage] += 1
        return script[min(number, len(script) - 1)]

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = writer.get_extra_info("peername")[0]
        session = Session(peer)
        self.sessions.append(session)
        self.open_now[peer] += 1
        self.most_open[peer] = max(self.most_open[peer], self.open_now[peer])
        try:
            await self._converse(session, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now[peer] -= 1
            writer.transport.abort()
            self._tasks.discard(task)

    async def _converse(
        self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not await self._answer("greeting", session, writer):
            return
        while line := await reader.readline():
            text = line.decode().rstrip("\r\n")
            session.lines.append(text)
            verb = text.split(" ")[0].upper()
            stage = {"EHLO": "ehlo", "HELO": "ehlo"}.get(verb, verb.lower())
            if verb == "MAIL":
                self.transactions_now[session.peer] += 1
                now = self.transactions_now[session.peer]
                self.most_transactions[session.peer] = max(
                    self.most_transactions[session.peer], now
                )
            if not await self._answer(stage, session, writer):
                return
            if verb == "QUIT":
                return
            if verb == "DATA" and self.scripts["data"] == USUAL["data"]:
                content = b""
                while (part := await reader.readuntil(b"\r\n")) != b".\r\n":
                    content += part[1:] if part.startswith(b".") else part
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                self.transactions_now[session.peer] -= 1
                said = self.say("eod", session.peer)
                if said.startswith("2"):
                    session.messages.append(content)
                if not await self._written(said, writer):
                    return

    async def _answer(self, stage: str, session: Session, writer: asyncio.StreamWriter) -> bool:
        return await self._written(self.say(stage, session.peer), writer)

    async def _written(self, said: str, writer: asyncio.StreamWriter) -> bool:
        if said == DROP:
            return False
        if said == HANG:
            await asyncio.sleep(3600)
        writer.write("".join(f"{line}\r\n" for line in said.split("\n")).encode())
        await writer.drain()
        return not said.startswith("421")


@contextlib.asynccontextmanager
async def receiving(**scripts: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**scripts)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


class Client:
    """Raw lines to the relay."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        lines = []
        while True:
            line = (await self.reader.readuntil(b"\r\n")).decode().rstrip()
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        self.writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.reply()

    async def send(
        self, content: bytes, to: Sequence[str], sender: str = "ann@ours.example"
    ) -> str:
        """One message after EHLO; the last reply, or the first that refuses."""
        said = await self.say(f"MAIL FROM:<{sender}>")
        for address in to:
            if said.startswith("2"):
                said = await self.say(f"RCPT TO:<{address}>")
        if said.startswith("2"):
            said = await self.say("DATA")
        if said.startswith("354"):
            body = content.replace(b"\r\n.", b"\r\n..")
            said = await self.say(body + b"\r\n.")
        return said

    def close(self) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def client(port: int, source: str = "127.0.0.1", ehlo: bool = True) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    one = Client(reader, writer)
    try:
        assert (await one.reply()).startswith("220")
        if ehlo:
            assert (await one.say("EHLO client.example")).startswith("250")
        yield one
    finally:
        one.close()


def letter(text: str = "Hello there", **fields: str) -> bytes:
    """A small message with CRLF line ends."""
    head = {"From": "ann@ours.example", "Subject": "a letter", **fields}
    lines = [f"{name}: {value}" for name, value in head.items()]
    return "\r\n".join([*lines, "", text]).encode()


HOST = "127.0.0.1"  # a relay host: the tests' client may submit without a login
USERS = Users({"ann": parse_user(f"ann:{ssha256('secret', b'salt')}:books")})


@contextlib.asynccontextmanager
async def relay(
    state: Path,
    routes: Mapping[str, int],
    *,
    addresses: tuple[str, ...] = ("127.0.3.1",),
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Service, int]]:
    """A relay on loopback with its journal in `state`, and its port."""
    runner = open_runner(state, SECRET)
    clock = clock or WallClock()
    if runner.journal.last == 0:
        pool = Pool(name="main", addresses=addresses, helo="out.ours.example")
        runner.record_now(Configured(at=clock.now(), hostname="ours.example", pools=(pool,)))
    defaults: dict[str, Any] = {
        "hostname": "ours.example",
        "listeners": (Listener("127.0.0.1", 0),),
        "users": USERS,
        "relay_hosts": {HOST: RelayHost("client", "books")},
        "abuse": ("abuse@ours.example",),
        "routes": {domain: ("127.0.0.1", port) for domain, port in routes.items()},
    }
    service = Service(Settings(**{**defaults, **settings}), clock, runner, SECRET)
    _, port = (await service.start())[0]
    try:
        yield service, port
    finally:
        await service.stop()
        runner.journal.close()


def journaled(runner: Runner, *kinds: type[Fact]) -> list[Any]:
    """The journal's facts of these kinds, in order."""
    names = {kind.__name__ for kind in kinds}
    return [line.fact() for line in runner.journal.lines() if line.kind in names]


async def until(condition: Callable[[], Any], limit_s: float = 10.0) -> Any:
    """What the condition gives once it is true; fails after a while."""
    async with asyncio.timeout(limit_s):
        while not (found := condition()):  # noqa: ASYNC110 — it watches state of many kinds
            await asyncio.sleep(0.005)
    return found


def token() -> str:
    return secrets.token_hex(8)
