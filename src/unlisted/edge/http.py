"""An HTTP/1.1 listener (RFC 9112) for a small ASGI application, on the event loop that is there.

uvicorn's h11 protocol without uvicorn's server: that one ticks ten times a second and wants the
signals, and a loop under the stepping clock should wake for work only. Every time-out here is
real, it guards a socket. Refuses bodies over 64 KiB
(413; a face that takes files says more), heads over 16 KiB (431, or 400 while
incomplete), a connection
that takes longer than 30 s over one request, and more than 256 connections at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

log = logging.getLogger("unlisted.http")

MAX_BODY = 64 << 10
MAX_HEAD = 16 << 10
MAX_CONNECTIONS = 256
REQUEST_S = 30.0
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
)


class Guarded:
    """Around an application: bounds on the body, headers of safety, no traceback to the client."""

    def __init__(self, app: Any, max_body: int = MAX_BODY) -> None:
        self.app = app
        self._max_body = max_body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        taken = 0
        more = any(name in _BODY_HEADERS for name, _ in scope["headers"])
        started = False

        async def bounded_receive() -> Any:
            nonlocal taken, more
            event = await receive()
            taken += len(event.get("body", b""))
            more = event.get("more_body", False)
            if taken > self._max_body:
                words = f"a request body is {self._max_body} bytes at most"
                raise _TooLarge(413, words, {"connection": "close"})
            return event

        async def safe_send(event: Any) -> None:
            nonlocal started
            if event["type"] == "http.response.start":
                started = True
                event = dict(event)
                given = list(event.get("headers", ()))
                present = {name.lower() for name, _ in given}
                if more and b"connection" not in present:
                    # Answered before the body was here: the rest of it is not waited for.
                    given.append((b"connection", b"close"))
                event["headers"] = [
                    *given,
                    *(pair for pair in SECURITY_HEADERS if pair[0] not in present),
                    (b"date", formatdate(time.time(), usegmt=True).encode()),
                ]
            await send(event)

        try:
            if _head_size(scope) > MAX_HEAD:
                await _refuse(safe_send, 431, f"a request head is {MAX_HEAD} bytes at most")
                return
            length = _content_length(scope)
            if length is None or length > self._max_body:
                raise _TooLarge(413)
            await self.app(scope, bounded_receive, safe_send)
        except _TooLarge:
            if not started:
                await _refuse(safe_send, 413, f"a request body is {self._max_body} bytes at most")
        except Exception:
            log.exception("%s %s failed", scope.get("method"), scope.get("path"))
            if not started:
                await _refuse(safe_send, 500, "the page failed; the log says why")


class _TooLarge(HTTPException):
    """Of Starlette's kind: an application answers it as it answers its own refusals."""


def _head_size(scope: Any) -> int:
    # h11 bounds only a head that is not complete yet; one that comes whole it takes at any size.
    fields = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return fields + len(scope["raw_path"]) + len(scope["query_string"])


def _content_length(scope: Any) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 12 else None
    return 0


async def _refuse(send: Any, status: int, words: str) -> None:
    body = f'{{"error":{{"code":{status},"message":"{words}"}}}}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class HttpServer:
    """One listener. `start` gives the address it answers on; `stop` finishes what is in hand."""

    def __init__(self, app: Any, host: str, port: int, max_body: int = MAX_BODY) -> None:
        self._host = host
        self._port = port
        self._state = ServerState()
        self._config = uvicorn.Config(
            Guarded(app, max_body),
            lifespan="off",
            interface="asgi3",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_keep_alive=5,
        )
        self._config.load()
        self._server: asyncio.Server | None = None

    async def start(self) -> tuple[str, int]:
        """Listen. Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._server = await loop.create_server(
            self._connection, self._host, self._port, family=family, backlog=64
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    def _connection(self) -> asyncio.Protocol:
        return _Connection(self._config, self._state)

    async def stop(self, patience_s: float = 5.0) -> None:
        """Take no new connections, let answers in hand end, close the rest."""
        if self._server is None:
            return
        # First no more accepting, then a few turns, then the close: a connection that asyncio
        # accepted but has not handed over yet would otherwise be lost with its socket open.
        for sock in self._server.sockets:
            asyncio.get_running_loop().remove_reader(sock.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        tasks = list(self._state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=patience_s)
        await self._server.wait_closed()
        # In turns: one just accepted appears only now, and an aborted one closes in its next turn.
        for _ in range(10):
            for connection in list(self._state.connections):
                transport = getattr(connection, "transport", None)
                if transport is not None:
                    transport.abort()
            await asyncio.sleep(0)


class _Connection(H11Protocol):
    """uvicorn's protocol with a limit on connections and on the time one request may take."""

    _overdue: asyncio.TimerHandle | None = None

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        # Not re-armed by mere bytes: a head sent one byte at a time is over after 30 s as well.
        self._rearm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._rearm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        # The words are ours: the library's would tell which one it is.
        body = b'{"error":{"code":400,"message":"that is not HTTP/1.1"}}'
        phrase = HTTPStatus.BAD_REQUEST.phrase.encode()
        self.transport.write(
            b"HTTP/1.1 400 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (phrase, len(body), body)
        )
        self.transport.close()

    def _rearm(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._overdue = self.loop.call_later(REQUEST_S, self.transport.abort)
