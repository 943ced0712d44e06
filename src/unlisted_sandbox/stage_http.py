"""A listener for people's GETs in real time (HTTP/1.1, RFC 9112), small and bounded.

One request per connection. Refuses other methods (405), heads over 8 KiB (431), a head that takes
longer than 5 s, more than 64 connections at once, and a Host that is not an address of loopback
(403: a page elsewhere must not read this one under a name of its own). Knows nothing of the
simulated clock; it lives on a loop and a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from msgspec import Struct

log = logging.getLogger("unlisted_sandbox.stage")

MAX_HEAD = 8 << 10
MAX_CONNECTIONS = 64
PATIENCE_REAL_S = 5.0
PHRASES = {
    200: "OK", 302: "Found", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    502: "Bad Gateway",
}  # fmt: skip
SAFETY = (
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "Referrer-Policy: no-referrer",
    "Cross-Origin-Resource-Policy: same-origin",
    "Cache-Control: no-store",
    "Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
)


class Answer(Struct, frozen=True):
    """What a page gives."""

    body: bytes = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    location: str = ""


Give = Callable[[str], Awaitable[Answer]]  # a path, decoded


def plain(status: int, words: str) -> Answer:
    return Answer(words.encode() + b"\n", "text/plain; charset=utf-8", status)


class PageServer:
    """One listener."""

    def __init__(self, give: Give) -> None:
        self._give = give
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int = 0) -> tuple[str, int]:
        """Listen; the address it answers on. Raises OSError when it cannot be had."""
        self._server = await asyncio.start_server(self._connection, host, port, limit=MAX_HEAD)
        found = self._server.sockets[0].getsockname()
        return found[0], found[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            answer, body = await self._answer(reader)
            writer.write(_head(answer) + (answer.body if body else b""))
            await asyncio.wait_for(writer.drain(), PATIENCE_REAL_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), PATIENCE_REAL_S)

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[Answer, bool]:
        """The answer, and whether its body is wanted."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_REAL_S)
        except asyncio.LimitOverrunError:
            return plain(431, f"a request head is {MAX_HEAD} bytes at most"), True
        request = parse(head)
        if isinstance(request, Answer):
            return request, True
        path, body = request
        try:
            return await self._give(path), body
        except Exception:
            # The page is a view: its fault ends one answer, never the run; no traceback leaves.
            log.exception("the stage page failed at %s", path)
            return plain(500, "the stage page failed"), True


def parse(head: bytes) -> tuple[str, bool] | Answer:
    """(path, body wanted), or the refusal."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        return plain(400, "that is not HTTP/1.1")
    if words[0] not in ("GET", "HEAD"):
        return plain(405, "this page is only read")
    hosts = [line[5:].strip() for line in lines[1:] if line[:5].lower() == "host:"]
    if len(hosts) != 1 or not _on_loopback(hosts[0]):
        return plain(403, "this page is for this machine")
    try:
        path = unquote(urlsplit(words[1]).path, errors="strict")
    except ValueError:
        return plain(400, "that is not a path")
    return path, words[0] == "GET"


def _on_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _head(answer: Answer) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {PHRASES[answer.status]}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        *SAFETY,
    ]
    if answer.location:
        lines.append(f"Location: {answer.location}")
    if answer.status == 405:
        lines.append("Allow: GET, HEAD")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
