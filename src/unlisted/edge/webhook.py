"""Calls webhooks as Standard Webhooks says: one signed POST (HTTP/1.1, RFC 9112), answered within 15 s.

A name is looked up at each call, and the connection goes to the address that was looked up and
judged (`outward`), so a name cannot mean one address when it is judged and another when it is
called. Redirects are not followed, nothing but the head of the answer is read, TLS certificates are
verified. h11 reads and writes the messages; the socket is ours, so that the transaction's hold can
carry its `ip:port`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import h11
import msgspec

from unlisted import __version__
from unlisted.commands import CallWebhook
from unlisted.config_telling import Target
from unlisted.edge import outward, webhook_signature
from unlisted.edge.clock import Clock, Hold, SimSeconds
from unlisted.edge.dns_client import DnsClient, DnsError
from unlisted.edge.failure_words import failure_words
from unlisted.edge.routes import Hop
from unlisted.edge.smtp_client import Dial, dial_tcp

log = logging.getLogger("unlisted.webhook")

CALL_S = SimSeconds(15.0)  # look-up, connection, TLS and answer
MAX_HEAD = 16 << 10  # of an answer
MAX_ANSWERS = 8  # 1xx before the final one
CHUNK = 4096


class Hook(msgspec.Struct, frozen=True):
    """One webhook. `name`: its keyed hash, the only word of it in facts and logs."""

    name: str
    target: Target
    keys: tuple[bytes, ...]
    allow: tuple[outward.Network, ...] = ()
    ca_file: Path | None = None


class Answered(msgspec.Struct, frozen=True):
    """`code` 0: there was no answer, and `why`."""

    code: int
    why: str = ""


class NotCalled(Exception):
    """Why no call was made, or no answer came. Never names the address or the path."""


class Webhooks:
    """Calls them. `link`: the public page's address, put beside the event; empty: none."""

    def __init__(
        self,
        hooks: Sequence[Hook],
        clock: Clock,
        client: DnsClient | None,
        *,
        link: str = "",
        dial: Dial = dial_tcp,
    ) -> None:
        self._hooks: Mapping[str, Hook] = {one.name: one for one in hooks}
        self._clock = clock
        self._client = client
        self._link = link.rstrip("/")
        self._dial = dial
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def call(self, command: CallWebhook, hold: Hold) -> Answered:
        """One try; never raises but for its own cancellation."""
        hook = self._hooks.get(command.hook)
        if hook is None:
            return Answered(0, "not configured")
        try:
            async with self._clock.patience(CALL_S):
                return await self._called(hook, command, hold)
        except TimeoutError:
            return Answered(0, f"no answer within {CALL_S:g} s")
        except NotCalled as exc:
            return Answered(0, str(exc))
        except ssl.SSLError as exc:
            return Answered(0, f"TLS: {exc.reason or type(exc).__name__}"[:100])
        except h11.ProtocolError:
            return Answered(0, "what came is no HTTP answer")
        except (OSError, EOFError) as exc:
            return Answered(0, failure_words(exc))
        except Exception as exc:  # our own fault must not leave the command without an outcome
            log.error("webhook %s: %s", hook.name, type(exc).__name__)
            return Answered(0, "local error")

    async def _called(self, hook: Hook, command: CallWebhook, hold: Hold) -> Answered:
        address = await self._judged(hook, hold)
        body = content(command, self._link)
        stamped = webhook_signature.headers(hook.keys, command.delivery, self._clock.now(), body)
        source = "::" if address.version == 6 else "0.0.0.0"
        hop = Hop(str(address), hook.target.port)
        reader, writer = await self._dial(source, hop, hold.relabel)
        try:
            if hook.target.secure:
                name = hook.target.host
                await writer.start_tls(self._context(hook), server_hostname=name)
            return await _exchanged(reader, writer, hook.target, stamped, body)
        finally:
            # Not waited for: a peer that never closes would hold the turn.
            writer.transport.abort()

    async def _judged(self, hook: Hook, hold: Hold) -> outward.Address:
        """The address to call. One of several that may not be called refuses them all."""
        found = await self._addresses(hook.target.host, hold)
        for one in found:
            why = outward.refusal(one, hook.allow)
            if why:
                raise NotCalled(f"refused: it is at {why}")
            if not hook.target.secure and not outward.permits(one, hook.allow):
                raise NotCalled("refused: plain http outside the networks it is allowed in")
        return found[0]

    async def _addresses(self, host: str, hold: Hold) -> list[outward.Address]:
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        if self._client is None:
            raise NotCalled("no resolver to ask for its name")
        found: list[outward.Address] = []
        try:
            for kind in ("A", "AAAA"):
                answer = await self._client.ask(host, kind, hold)
                found += [ipaddress.ip_address(one) for one in answer.records]
        except DnsError as exc:
            raise NotCalled(f"look-up failed: {exc}".replace(host, "its name")[:200]) from None
        except ValueError:
            raise NotCalled("look-up failed: no address in the answer") from None
        if not found:
            raise NotCalled("its name has no address")
        return sorted(found, key=lambda one: (one.version, one.packed))

    def _context(self, hook: Hook) -> ssl.SSLContext:
        if hook.name not in self._contexts:
            made = ssl.create_default_context()
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if hook.ca_file is not None:
                made.load_verify_locations(cafile=hook.ca_file)
            self._contexts[hook.name] = made
        return self._contexts[hook.name]


def content(command: CallWebhook, link: str) -> bytes:
    """The body: `type`, `timestamp` of the event, `data`; the same at each try."""
    stamp = datetime.fromtimestamp(command.occurred_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"type": command.event, "timestamp": stamp, "data": msgspec.Raw(command.data.encode())}
    if link:
        told["link"] = link + command.path
    return msgspec.json.encode(told)


async def _exchanged(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: Target,
    stamped: Mapping[str, str],
    body: bytes,
) -> Answered:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    fields = [
        ("Host", target.authority),
        ("User-Agent", f"unlisted/{__version__}"),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *stamped.items(),
    ]
    request = h11.Request(method="POST", target=target.path, headers=fields)
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    # A peer may answer before it has read all: what it says counts, its reset does not.
    sent = asyncio.ensure_future(writer.drain())
    try:
        return await _answer(reader, connection)
    finally:
        sent.cancel()
        await asyncio.gather(sent, return_exceptions=True)


async def _answer(reader: asyncio.StreamReader, connection: h11.Connection) -> Answered:
    interim = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.InformationalResponse) and interim < MAX_ANSWERS:
            interim += 1
        elif isinstance(event, h11.Response):
            code = event.status_code
            return Answered(code, "redirects are not followed" if 300 <= code < 400 else "")
        else:
            return Answered(0, "what came is no answer")
