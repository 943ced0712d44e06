"""A small SMTP client on a real socket: one connection, bound to an address before it connects.

Knows no time: whoever uses it holds the clock from before the first byte until the last reply is
read. Uses PIPELINING where the server offers it (RFC 2920). Refuses replies that are none.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections import deque
from typing import Protocol, cast

from msgspec import Struct

from unlisted_sandbox.replies import Reply

MAX_REPLY = 65536


class Lost(Exception):
    """The connection ended, or never was, while a reply was awaited."""


class Outcome(Struct, frozen=True):
    """What became of one transaction."""

    greeting: Reply | None  # when it, or EHLO or AUTH, was refused
    mail: Reply | None
    recipients: tuple[tuple[str, Reply], ...]
    data: Reply | None

    def of(self, recipient: str) -> Reply:
        """The reply that decides for a recipient."""
        for early in (self.greeting, self.mail):
            if early is not None and early.code >= 400:
                return early
        for name, reply in self.recipients:
            if name == recipient:
                if reply.code >= 400 or self.data is None:
                    return reply
                return self.data
        return Reply(451, ("4.4.2 no reply for this recipient",))


def bound_socket(source: str) -> tuple[socket.socket, str]:
    """A socket with its address, and its `ip:port` by which a server may park it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((source, 0))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    host, port = sock.getsockname()
    return sock, f"{host}:{port}"


class SmtpClient(asyncio.Protocol):
    """One connection."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.pipelining = False
        self.used = 0
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._over = False

    @classmethod
    async def connect(cls, sock: socket.socket, label: str, host: str, port: int) -> SmtpClient:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (host, port))
            _transport, client = await loop.create_connection(lambda: cls(label), sock=sock)
        except OSError as error:
            sock.close()
            raise Lost(f"no connection to {host}:{port}: {error.strerror}") from None
        except BaseException:
            sock.close()
            raise
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r").decode("utf-8", "replace")
            del self._buffer[: end + 1]
            if len(line) < 3 or not line[:3].isdigit():
                self.abort()
                return
            self._lines.append(line[4:])
            if line[3:4] != "-":
                self._replies.append(Reply(int(line[:3]), tuple(self._lines)))
                self._lines = []
        if len(self._buffer) > MAX_REPLY or len(self._lines) > 1000:
            self.abort()
            return
        if self._replies and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def open(self) -> bool:
        return not self._over and self._transport is not None and not self._transport.is_closing()

    async def reply(self) -> Reply:
        while not self._replies:
            if self._over:
                raise Lost("connection closed")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._replies.popleft()

    def write(self, data: bytes) -> None:
        if self._transport is None:
            raise Lost("connection closed")
        self._transport.write(data)

    async def command(self, line: str) -> Reply:
        self.write(line.encode("utf-8", "replace") + b"\r\n")
        return await self.reply()

    async def hello(
        self, helo: str, login: str | None = None, password: str | None = None
    ) -> Reply:
        """Greeting, EHLO and, with a login, AUTH PLAIN; the first that is refused, or the last."""
        reply = await self.reply()
        if reply.code != 220:
            return reply
        reply = await self.command(f"EHLO {helo}")
        if reply.code != 250:
            return reply
        self.pipelining = any(line.strip().upper() == "PIPELINING" for line in reply.lines)
        if login is not None:
            plain = base64.b64encode(f"\0{login}\0{password or ''}".encode()).decode()
            reply = await self.command(f"AUTH PLAIN {plain}")
        return reply

    async def transaction(
        self, reverse_path: str, recipients: tuple[str, ...], content: bytes
    ) -> Outcome:
        """MAIL to the final reply; without an accepted recipient the transaction is reset."""
        self.used += 1
        lines = [f"MAIL FROM:<{reverse_path}>"] + [f"RCPT TO:<{r}>" for r in recipients]
        said: list[Reply] = []
        if self.pipelining:
            self.write("".join(f"{line}\r\n" for line in [*lines, "DATA"]).encode())
            for _ in lines:
                said.append(await self.reply())
            go = await self.reply()
        else:
            for line in lines:
                said.append(await self.command(line))
                if said[0].code != 250:
                    return Outcome(None, said[0], (), None)
        answers = tuple(zip(recipients, said[1:], strict=False))
        accepted = said[0].code == 250 and any(reply.code < 300 for _, reply in answers)
        if not self.pipelining:
            go = await self.command("DATA" if accepted else "RSET")
        if go.code != 354:
            if self.pipelining:
                await self.command("RSET")
            return Outcome(None, said[0], answers, go if accepted else None)
        if not accepted:
            # RFC 2920 section 3.1: 354 although nobody is there to have it; send nothing.
            self.write(b".\r\n")
            await self.reply()
            return Outcome(None, said[0], answers, None)
        self.write(stuffed(content) + b".\r\n")
        return Outcome(None, said[0], answers, await self.reply())

    async def quit(self) -> None:
        try:
            if self.open:
                await self.command("QUIT")
        except Lost:
            pass
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Line(Protocol):
    """A way to the platform from one address: its `ip:port` is known before it is connected."""

    label: str

    async def connect(self) -> SmtpClient: ...


class TcpLine:
    """By a real socket."""

    def __init__(self, source: str, to: tuple[str, int]) -> None:
        self._sock, self.label = bound_socket(source)
        self._to = to

    async def connect(self) -> SmtpClient:
        return await SmtpClient.connect(self._sock, self.label, *self._to)


def stuffed(content: bytes) -> bytes:
    """RFC 5321 section 4.5.2."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") if b"\r\n." in content else content
