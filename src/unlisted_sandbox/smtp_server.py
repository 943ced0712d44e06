"""A small SMTP server on a real socket (RFC 5321, PIPELINING of RFC 2920, AUTH PLAIN of RFC 4954).

It reads lines and messages and asks a `Visit` for each reply; receivers, the tenants' mailboxes and
the two MTAs of the sandbox are visits. A reply that waits on simulated time parks the initiator, by
its `ip:port`. Within a transaction every byte must arrive at the instant of the reply before it: the
clock counts those that do not. Refuses long lines, long messages and what it does not know.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from unlisted_sandbox.clock_acts import Timer
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.replies import Ask, Reply, Said, say

MAX_LINE = 4096
MAX_MESSAGE = 50 << 20
_PATH = re.compile(r"\s*<([^>]*)>(?:\s|$)")


class Visit(Protocol):
    """One session, command by command."""

    logins: bool

    def greeting(self, now: float) -> Said | Ask: ...
    def ehlo(self, helo: str, now: float) -> Said: ...
    def auth(self, login: str, password: str, now: float) -> Said: ...
    def mail(self, reverse_path: str, now: float) -> Said | Ask: ...
    def rcpt(self, recipient: str, now: float) -> Said | Ask: ...
    def data(self, content: bytes, now: float) -> Said | Ask: ...


class House(Protocol):
    """Who lives at a socket."""

    name: str

    def lane_of(self, address: str) -> Lane | None: ...
    def visit(self, lane: Lane, address: str) -> Visit: ...
    def ask(self, lane: Lane, address: str, name: str) -> Awaitable[None]: ...
    def keep(self, lane: Lane, visit: Visit) -> None: ...


class SmtpServer(asyncio.Protocol):
    """One connection."""

    def __init__(self, house: House, connections: set[SmtpServer]) -> None:
        self._house = house
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._visit: Visit | None = None
        self._lane: Lane | None = None
        self._address = ""
        self._label = ""
        self._waiting = False  # for simulated time or a look-up: input stays in the buffer
        self._timer: Timer | None = None
        self._parked = False
        self._greeted = False
        self._mail = False
        self._recipients = 0
        self._in_data = False
        self._stamp: float | None = None
        self._auth_open = False
        self._task: asyncio.Task[None] | None = None

    # From the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        host, port = transport.get_extra_info("peername")[:2]
        self._address, self._label = host, f"{host}:{port}"
        self._lane = self._house.lane_of(host)
        if self._lane is None:
            self._transport.write(b"554 5.7.1 who are you\r\n")
            self._transport.close()
            return
        self._visit = self._house.visit(self._lane, host)
        self._answer(lambda: self._visit_greeting())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unpark()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._lane is not None and self._stamp is not None and not self._waiting:
            self._lane.clock.check(self._stamp, f"{self._house.name} from {self._address}")
        self._buffer += data
        if len(self._buffer) > MAX_MESSAGE + MAX_LINE:
            self._close()
            return
        self._work()

    # The conversation

    def _work(self) -> None:
        while self._greeted and not self._waiting and self._transport is not None:
            if self._in_data:
                if not self._take_message():
                    return
                continue
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > MAX_LINE:
                    self._write(Reply(500, ("5.5.2 Line too long",)))
                    self._close()
                return
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            self._command(line)

    def _take_message(self) -> bool:
        # RFC 5321 section 4.1.1.4: the first line may be the dot.
        if self._buffer.startswith(b".\r\n"):
            content, end = b"", 3
        else:
            at = self._buffer.find(b"\r\n.\r\n")
            if at < 0:
                return False
            content, end = bytes(self._buffer[: at + 2]), at + 5
        del self._buffer[:end]
        if content.startswith(b".") or b"\r\n." in content:
            content = re.sub(rb"(?m)^\.", b"", content)
        self._in_data = False
        visit = self._visit
        assert visit is not None
        self._answer(lambda: visit.data(content, self._now()), ends=True)
        return True

    def _command(self, line: bytes) -> None:
        visit, lane = self._visit, self._lane
        assert visit is not None and lane is not None
        text = line.decode("utf-8", "replace")
        if self._auth_open:
            self._auth_open = False
            self._auth(text)
            return
        verb, _, rest = text.partition(" ")
        match verb.upper():
            case "EHLO" | "HELO":
                self._mail = False
                said = visit.ehlo(rest.strip(), self._now())
                if verb.upper() == "HELO":
                    said = Said(Reply(said.reply.code, said.reply.lines[:1]))
                self._give(said)
            case "MAIL":
                path = _PATH.match(rest[5:]) if rest[:5].upper() == "FROM:" else None
                if path is None:
                    self._write(Reply(501, ("5.5.4 Syntax: MAIL FROM:<address>",)))
                elif self._mail:
                    self._write(Reply(503, ("5.5.1 Nested MAIL command",)))
                else:
                    where = path[1]
                    self._mail, self._recipients = True, 0
                    self._answer(lambda: visit.mail(where, self._now()), begins=True)
            case "RCPT":
                path = _PATH.match(rest[3:]) if rest[:3].upper() == "TO:" else None
                if not self._mail:
                    self._write(Reply(503, ("5.5.1 Need MAIL command",)))
                elif path is None:
                    self._write(Reply(501, ("5.5.4 Syntax: RCPT TO:<address>",)))
                else:
                    where = path[1]
                    self._answer(lambda: visit.rcpt(where, self._now()), counts=True)
            case "DATA":
                if not self._mail:
                    self._write(Reply(503, ("5.5.1 Need MAIL command",)))
                elif not self._recipients:
                    self._write(Reply(554, ("5.5.1 No valid recipients",)))
                else:
                    self._in_data = True
                    self._write(Reply(354, ("End data with <CR><LF>.<CR><LF>",)))
            case "RSET":
                self._mail = False
                self._write(Reply(250, ("2.0.0 Ok",)))
                self._stamp = None
            case "NOOP":
                self._write(Reply(250, ("2.0.0 Ok",)))
            case "QUIT":
                self._stamp = None
                self._write(Reply(221, ("2.0.0 Bye",)))
                self._close()
            case "AUTH" if visit.logins:
                kind, _, initial = rest.partition(" ")
                if kind.upper() != "PLAIN":
                    self._write(Reply(504, ("5.5.4 Unrecognized authentication type",)))
                elif initial:
                    self._auth(initial)
                else:
                    self._auth_open = True
                    self._write(Reply(334, ("",)))
            case "VRFY":
                self._write(Reply(252, ("2.0.0 Cannot verify",)))
            case _:
                self._write(Reply(502, ("5.5.2 Command not recognized",)))

    def _auth(self, text: str) -> None:
        visit = self._visit
        assert visit is not None
        try:
            _identity, login, password = base64.b64decode(text, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            self._write(Reply(501, ("5.5.2 Cannot decode",)))
            return
        self._give(visit.auth(login, password, self._now()))

    # Replies

    def _visit_greeting(self) -> Said | Ask:
        assert self._visit is not None
        return self._visit.greeting(self._now())

    def _answer(
        self,
        question: Callable[[], Said | Ask],
        *,
        begins: bool = False,
        counts: bool = False,
        ends: bool = False,
    ) -> None:
        said = question()
        if isinstance(said, Ask):
            self._waiting = True
            asked = said
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._look_up(asked, question, begins, counts, ends))
            return
        self._give(said, begins=begins, counts=counts, ends=ends)

    async def _look_up(
        self, asked: Ask, question: Callable[[], Said | Ask], begins: bool, counts: bool, ends: bool
    ) -> None:
        lane = self._lane
        assert lane is not None
        await self._house.ask(lane, self._address, asked.name)
        said = question()
        if isinstance(said, Ask):  # told, and asks again: a fault of ours, never of the other side
            lane.faults.append(f"{self._house.name} asks for {asked.name} twice")
            said = say(451, "4.3.0 Temporary lookup failure")
        self._waiting = False
        self._give(said, begins=begins, counts=counts, ends=ends)
        self._work()

    def _give(
        self, said: Said, *, begins: bool = False, counts: bool = False, ends: bool = False
    ) -> None:
        if self._transport is None or self._lane is None:
            return
        if said.hang_s > 0 or said.wait_s > 0:
            self._waiting = True
            self._parked = True
            clock = self._lane.clock
            clock.park(self._label)
            wait_s = said.hang_s or said.wait_s
            self._timer = clock.call_at(
                clock.now() + wait_s, lambda: self._waited(said, begins, counts, ends)
            )
            return
        self._finish(said, begins, counts, ends)

    def _waited(self, said: Said, begins: bool, counts: bool, ends: bool) -> None:
        self._timer = None
        self._unpark()
        self._waiting = False
        if self._transport is None:
            return
        if said.hang_s > 0:
            self._transport.abort()
            return
        self._finish(said, begins, counts, ends)
        self._work()

    def _finish(self, said: Said, begins: bool, counts: bool, ends: bool) -> None:
        lane, visit = self._lane, self._visit
        assert lane is not None and visit is not None
        good = 200 <= said.reply.code < 300
        if begins:
            self._mail = good
            self._stamp = self._now() if good else None
        if counts and good:
            self._recipients += 1
            self._stamp = self._now()
        elif counts and not self._recipients:
            self._stamp = None  # with nobody accepted the client may leave it at that
        if ends:
            self._mail, self._stamp = False, None
        if said.keep:
            self._house.keep(lane, visit)
        self._greeted = True
        self._write(said.reply)
        if said.close:
            self._close()

    def _write(self, reply: Reply) -> None:
        if self._transport is not None:
            if self._stamp is not None:
                self._stamp = self._now()
            self._transport.write(reply.wire())

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _unpark(self) -> None:
        if self._parked and self._lane is not None:
            self._parked = False
            self._lane.clock.unpark(self._label)

    def _now(self) -> float:
        assert self._lane is not None
        return self._lane.clock.now()


class Listener:
    """A listening socket and the connections it has taken."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._server: asyncio.Server | None = None
        self.connections: set[SmtpServer] = set()

    async def open(self, host: str) -> int:
        """Listen at a free port of `host`; the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, 0, backlog=256)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _connection(self) -> SmtpServer:
        return SmtpServer(self._house, self.connections)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()
