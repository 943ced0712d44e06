"""One SMTP connection to a receiver (RFC 5321), bound to an egress address before it connects.

Our own client over asyncio streams (docs/decisions/0006-own-smtp-client.md): every refusal comes
back as an `Answer` with its stage and full text, a refused greeting included, and the patience for each
reply is simulated time (section 4.5.3.2). Bounded in line, reply and replies. What is no reply is
the end of the connection: code 0, never an exception of the library's.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import msgspec

from unlisted.edge.clock import Clock, Hold, SimSeconds
from unlisted.edge.failure_words import failure_words
from unlisted.edge.routes import Hop
from unlisted.mail.reply import MAX_REPLY, parse_reply

MAX_LINE = 4096
MAX_LINES = 256
MAX_TEXT = 4096
CONNECT_S = SimSeconds(60.0)
# RFC 5321 section 4.5.3.2.
PATIENCE_S = {
    "greeting": SimSeconds(300.0),
    "ehlo": SimSeconds(300.0),
    "mail": SimSeconds(300.0),
    "rcpt": SimSeconds(300.0),
    "data": SimSeconds(120.0),
    "eod": SimSeconds(600.0),
    "rset": SimSeconds(300.0),
    "quit": SimSeconds(60.0),
}
STAGES = ("connect", "greeting", "ehlo", "mail", "rcpt", "data", "eod")
BLOCK_PATIENCE_S = SimSeconds(180.0)
BLOCK_BYTES = 64 * 1024


class Answer(msgspec.Struct, frozen=True):
    """What a receiver said, and at which stage. `code` 0: it said nothing that is a reply."""

    stage: str
    code: int
    enhanced: str | None
    text: str

    @property
    def positive(self) -> bool:
        """2yz."""
        return 200 <= self.code < 300


class Refused(Exception):
    """The connection cannot be used: what was said, or that nothing was."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


class Connection:
    """One connection from one egress address. Made by `open_connection`."""

    def __init__(
        self,
        clock: Clock,
        label: str,
        helo: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.label = label
        self.helo = helo
        self.extensions: frozenset[str] = frozenset()
        self._clock = clock
        self._reader = reader
        self._writer = writer
        self._dirty = False
        self._over = False

    @property
    def usable(self) -> bool:
        """Whether another transaction may be tried on it."""
        return not (self._over or self._reader.at_eof() or self._writer.is_closing())

    async def deliver(
        self, reverse_path: str, recipient: str, content: bytes, departs: Departs | None = None
    ) -> Answer:
        """One transaction with one recipient; the last answer, positive only at stage eod.

        `departs` is awaited before the first byte of the content. Code 0 at stage eod: all of it
        may have arrived, and nobody said so.
        """
        options = ""
        if "SIZE" in self.extensions:
            options += f" SIZE={len(content)}"
        if "8BITMIME" in self.extensions and not content.isascii():
            options += " BODY=8BITMIME"
        if not (reverse_path.isascii() and recipient.isascii()):
            if "SMTPUTF8" not in self.extensions:
                # RFC 6531 section 3.5: it can never be delivered there.
                return Answer("mail", 550, "5.6.7", "this receiver takes no SMTPUTF8 addresses")
            options += " SMTPUTF8"
        answer = await self._envelope(reverse_path, recipient, options)
        if not answer.positive:
            return answer
        answer = await self._said("data", b"DATA\r\n")
        if answer.code != 354:
            return answer if answer.code >= 400 or not answer.code else _odd(answer)
        if departs is not None:
            await departs()
        answer = await self._content(content)
        if answer.positive:
            self._dirty = False
        return answer

    async def test(self, recipient: str) -> Answer:
        """MAIL, RCPT, RSET: what a receiver says without any mail."""
        answer = await self._envelope("", recipient, "")
        await self._reset()
        return answer

    async def quit(self) -> None:
        """Say goodbye and wait for the answer; harmless on a connection that is gone."""
        if self.usable:
            await self._said("quit", b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        """Drop the connection without a word."""
        self._over = True
        self._writer.transport.abort()

    async def hello(self) -> None:
        """Greeting and EHLO, or HELO for a receiver of old. Raises Refused."""
        answer = await self._said("greeting", b"")
        if answer.code != 220:
            raise Refused(answer if answer.code >= 400 or not answer.code else _odd(answer))
        answer = await self._said("ehlo", b"EHLO %s\r\n" % self.helo.encode())
        if answer.code in (500, 502):  # RFC 5321 section 3.2
            answer = await self._said("ehlo", b"HELO %s\r\n" % self.helo.encode())
        elif answer.positive:
            lines = answer.text.upper().split("\n")[1:]
            self.extensions = frozenset(line.split()[0] for line in lines if line.split())
        if not answer.positive:
            raise Refused(answer if answer.code >= 400 or not answer.code else _odd(answer))

    async def _envelope(self, reverse_path: str, recipient: str, options: str) -> Answer:
        if self._dirty:
            answer = await self._reset()
            if not answer.positive:
                return answer
        self._dirty = True
        mail = f"MAIL FROM:<{reverse_path}>{options}\r\n".encode()
        rcpt = f"RCPT TO:<{recipient}>\r\n".encode()
        if "PIPELINING" in self.extensions:
            # DATA is left out: a refused recipient must not leave a half-open message behind.
            first = await self._said("mail", mail + rcpt)
            second = await self._said("rcpt", b"") if first.code else first
            return second if first.positive else _final(first)
        answer = await self._said("mail", mail)
        if answer.positive:
            answer = await self._said("rcpt", rcpt)
        return _final(answer)

    async def _reset(self) -> Answer:
        if not self.usable:
            return _nothing("mail", "connection closed")
        answer = await self._said("rset", b"RSET\r\n")
        self._dirty = not answer.positive
        return msgspec.structs.replace(answer, stage="mail")

    async def _content(self, content: bytes) -> Answer:
        data = stuffed(content)
        stage = "data"
        try:
            for start in range(0, len(data), BLOCK_BYTES):
                if start + BLOCK_BYTES >= len(data):
                    stage = "eod"  # the final dot is in it: from here on nobody knows
                async with self._clock.patience(BLOCK_PATIENCE_S):
                    self._writer.write(data[start : start + BLOCK_BYTES])
                    await self._writer.drain()
        except TimeoutError:
            self.close()
            return _nothing(stage, f"no progress within {BLOCK_PATIENCE_S:g} s")
        except OSError as exc:
            # It may have said why before it closed.
            answer = await self._said("eod", b"")
            return answer if answer.code >= 400 else _nothing(stage, failure_words(exc))
        return _final(await self._said("eod", b""))

    async def _said(self, stage: str, command: bytes) -> Answer:
        """Write, then read one reply. The end of the connection is code 0."""
        limit_s = PATIENCE_S[stage]
        try:
            async with self._clock.patience(limit_s):
                if command:
                    self._writer.write(command)
                    await self._writer.drain()
                raw = await self._reply()
        except TimeoutError:
            self.close()
            return _nothing(stage, f"no reply within {limit_s:g} s")
        except (OSError, EOFError, ValueError) as exc:
            self.close()
            return _nothing(stage, failure_words(exc))
        reply = parse_reply(raw)
        if reply.code == 421:
            self._over = True  # RFC 5321 section 3.8: it closes the channel
        elif not reply.code:
            self.close()
            return _nothing(stage, "what came is no SMTP reply")
        return Answer(stage, reply.code, reply.enhanced, reply.text[:MAX_TEXT])

    async def _reply(self) -> bytes:
        kept = bytearray()
        for _ in range(MAX_LINES):
            line = await self._reader.readline()  # ValueError: longer than MAX_LINE
            if not line.endswith(b"\n"):
                raise EOFError("connection closed")
            if len(kept) + len(line) <= MAX_REPLY:
                kept += line
            if line[3:4] != b"-":
                return bytes(kept) or line[:MAX_REPLY]
        raise ValueError(f"reply of more than {MAX_LINES} lines")


Departs = Callable[[], Awaitable[None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Connects from an address to a hop, and says which `ip:port` it has before the first byte.
Dial = Callable[[str, Hop, Callable[[str], None]], Awaitable[Streams]]


async def dial_tcp(source: str, hop: Hop, bound: Callable[[str], None]) -> Streams:
    """A TCP connection bound to `source`. Raises OSError."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in hop.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((source, 0))
        host, port = sock.getsockname()[:2]
        bound(f"{host}:{port}")
        await loop.sock_connect(sock, (hop.host, hop.port))
        return await asyncio.open_connection(sock=sock, limit=MAX_LINE)
    except BaseException:
        sock.close()
        raise


async def open_connection(
    clock: Clock, hold: Hold, source: str, helo: str, hop: Hop, dial: Dial = dial_tcp
) -> Connection:
    """Connect from `source` and say hello. Raises Refused.

    The hold gets the socket's `ip:port` before the first byte, so that a receiver on the same
    stepping clock can park exactly this transaction.
    """
    try:
        async with clock.patience(CONNECT_S):
            reader, writer = await dial(source, hop, hold.relabel)
    except TimeoutError:
        raise Refused(_nothing("connect", f"no connection within {CONNECT_S:g} s")) from None
    except OSError as exc:
        raise Refused(_nothing("connect", failure_words(exc))) from None
    connection = Connection(clock, hold.label, helo, reader, writer)
    try:
        await connection.hello()
    except Refused:
        await connection.quit()
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def stuffed(content: bytes) -> bytes:
    """The message as it goes over the wire: line ends CRLF, dots doubled, the final dot.

    A bare CR or LF becomes CRLF: sent as they came they would let a receiver of the other kind see
    another end of the message than we do (SMTP smuggling; RFC 5321 section 2.3.8).
    """
    if b"\r" in content or b"\n" in content:
        bare = content.count(b"\n") != content.count(b"\r\n") or content.count(
            b"\r"
        ) != content.count(b"\r\n")
        if bare:
            # Not by a regular expression: 25 MB of bare CR would stop the event loop for 4 s.
            content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            content = content.replace(b"\n", b"\r\n")
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\n.", b"\n..") + b".\r\n"


def _final(answer: Answer) -> Answer:
    """3yz where 2yz, 4yz or 5yz must stand is a receiver we do not understand."""
    if answer.code and answer.code < 400 and not answer.positive:
        return _odd(answer)
    return answer


def _odd(answer: Answer) -> Answer:
    return Answer(answer.stage, 0, None, f"unexpected reply {answer.code} {answer.text}"[:MAX_TEXT])


def _nothing(stage: str, text: str) -> Answer:
    return Answer(stage, 0, None, text)
