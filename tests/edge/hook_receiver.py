"""A webhook receiver on loopback, written from the Standard Webhooks text and nothing of ours.

`answers` is used up in order, the last one stays: a status, or bytes as they go over the wire, or HANG.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

HANG = "hang"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class Request:
    line: str
    fields: dict[str, str]
    body: bytes


def genuine(secret: str, request: Request, now: float) -> bool:
    """The receiver's own check, by the specification's words."""
    key = base64.b64decode(secret.split("_", 1)[1])
    name, stamp = request.fields["webhook-id"], request.fields["webhook-timestamp"]
    if abs(now - int(stamp)) > 5 * 60:
        return False
    signed = name.encode() + b"." + stamp.encode() + b"." + request.body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in request.fields["webhook-signature"].split(" ")


@dataclass
class HookReceiver:
    answers: list[int | bytes | str] = field(default_factory=lambda: [204])
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.arrived = asyncio.Condition()

    async def count(self, wanted: int) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= wanted)

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(_pair(one) for one in rest if one)
        body = await reader.readexactly(int(fields["content-length"]))
        async with self.arrived:
            self.requests.append(Request(line, fields, body))
            self.arrived.notify_all()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if answer == HANG:
            await reader.read()
            return
        if isinstance(answer, int):
            answer = f"HTTP/1.1 {answer} Said\r\nContent-Length: 0\r\n\r\n".encode()
        assert isinstance(answer, bytes)
        writer.write(answer)
        await writer.drain()
        await reader.read()  # until the caller goes


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


@contextlib.asynccontextmanager
async def receiving(
    *answers: int | bytes | str, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[HookReceiver]:
    """A receiver that is there."""
    made = HookReceiver(list(answers) or [204])
    server = await asyncio.start_server(made.client, "127.0.0.1", port, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        # What hangs ends with its peer; on 3.12 and later this waits for it.
        await asyncio.wait_for(server.wait_closed(), 10)
