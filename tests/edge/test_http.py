"""The HTTP listener against clients that mean harm, over raw sockets."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from unlisted.edge import http
from unlisted.edge.http import HttpServer


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, answers with its size; /fault raises, /half raises after its head."""
    size = 0
    while True:
        event = await receive()
        size += len(event.get("body", b""))
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            break
    if scope["path"] == "/fault":
        raise RuntimeError("secret words")
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/half":
        raise RuntimeError("secret words")
    await send({"type": "http.response.body", "body": str(size).encode()})


class Running:
    """A listener in a thread of its own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.server = HttpServer(app, "127.0.0.1", 0)
        self.at = await self.server.start()
        self._ready.set()
        await self._stop.wait()
        await self.server.stop(1.0)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def talk(self, data: bytes) -> bytes:
        """Everything that comes back until the other side closes, or 10 s."""
        with socket.create_connection(self.at, timeout=10) as sock:
            got = b""
            with contextlib.suppress(OSError):  # it may close before all is sent
                sock.sendall(data)
            with contextlib.suppress(OSError):
                while chunk := sock.recv(65536):
                    got += chunk
            return got


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.close()


END = b"Host: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + END, 200),
        (b"HEAD / HTTP/1.1\r\n" + END, 200),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n" + END + b"abc", 200),
        (b"GET /fault HTTP/1.1\r\n" + END, 500),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"EHLO x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n" + END, 431),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + END, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + END, 431),
        (b"GET / HTTP/1.1\r\nbad header\r\n" + END, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n" + END, 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n" + END, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" + END + b"abcd", 400),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
            + END
            + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 5
            + b"0\r\n\r\n",
            413,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + END + b"zz\r\n", None),
    ],
)
def test_a_request_gets_a_clean_answer_whatever_it_is(
    running: Running, data: bytes, status: int | None
) -> None:
    got = running.talk(data)
    if status is not None:
        assert got.split(b"\r\n", 1)[0].startswith(b"HTTP/1.1 %d " % status)
    assert b"Traceback" not in got and b"secret words" not in got
    assert b"uvicorn" not in got and b"h11" not in got


def test_a_fault_after_the_head_closes_the_connection(running: Running) -> None:
    got = running.talk(b"GET /half HTTP/1.1\r\n" + END)
    assert b"secret words" not in got


def test_a_client_that_does_not_finish_its_request_is_let_go(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "REQUEST_S", 0.3)
    assert running.talk(b"GET / HTTP/1.1\r\nX: ") == b""
    assert running.talk(b"") == b""


def test_more_connections_than_allowed_are_closed_and_the_others_served(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_CONNECTIONS", 3)
    kept = [socket.create_connection(running.at, timeout=10) for _ in range(3)]
    try:
        assert running.talk(b"GET / HTTP/1.1\r\n" + END) == b""
        kept[0].sendall(b"GET / HTTP/1.1\r\n" + END)
        assert kept[0].recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for one in kept:
            one.close()


def test_a_stop_ends_although_a_client_keeps_its_connection_open() -> None:
    made = Running()
    with socket.create_connection(made.at, timeout=10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        made.close()
