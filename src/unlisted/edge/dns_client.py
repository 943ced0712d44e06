"""One question to the one configured resolver (RFC 1035): UDP, then TCP when cut short.

dnspython reads and writes the packets; the socket is ours, so that it is bound before the first
byte and the transaction's hold can carry its `ip:port`. Refuses packets from anybody else, with
another id or another question. The time-out is real and short; a failure is an error, never an
empty answer.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec

from unlisted.edge.clock import Hold, RealSeconds
from unlisted.edge.failure_words import failure_words

TIMEOUT_S = RealSeconds(5.0)
MAX_TTL_S = 86400.0
MAX_RECORDS = 64


class DnsError(Exception):
    """No answer that could be used: time-out, SERVFAIL, refusal, nonsense."""


class Answer(msgspec.Struct, frozen=True):
    """`rcode`: NOERROR or NXDOMAIN. `records`: data of the asked type as text, in the answer's
    order; MX as "10 host". `ttl_s`: of the answer, or of its absence (RFC 2308)."""

    rcode: str
    records: tuple[str, ...]
    ttl_s: float

    @property
    def missing(self) -> bool:
        """The name does not exist (RFC 8020)."""
        return self.rcode == "NXDOMAIN"


class DnsClient:
    """Asks one resolver."""

    def __init__(self, host: str, port: int = 53) -> None:
        self._server = (host, port)

    async def ask(self, name: str, kind: str, hold: Hold) -> Answer:
        """The answer to one question, within a transaction's hold. Raises DnsError."""
        try:
            query = dns.message.make_query(name, kind, id=secrets.randbelow(1 << 16))
            wire = query.to_wire()
        except (dns.exception.DNSException, ValueError, UnicodeError) as exc:
            raise DnsError(f"cannot ask for {name!r}: {exc}") from None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reply = await self.exchange(query, wire, hold)
        except TimeoutError:
            raise DnsError(f"no answer within {TIMEOUT_S:g} s") from None
        except (OSError, EOFError) as exc:
            raise DnsError(f"the resolver cannot be asked: {failure_words(exc)}") from None
        return _answer(reply, name, kind)

    async def exchange(
        self, query: dns.message.Message, wire: bytes, hold: Hold
    ) -> dns.message.Message:
        """The reply to this query. Raises DnsError, OSError, EOFError."""
        sock = self._socket(socket.SOCK_DGRAM)
        hold.relabel(_label(sock))
        reply = await self._by_udp(sock, query, wire)
        if reply.flags & dns.flags.TC:
            sock = self._socket(socket.SOCK_STREAM)
            hold.relabel(_label(sock))
            reply = await self._by_tcp(sock, query, wire)
        return reply

    def _socket(self, kind: socket.SocketKind) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._server[0] else socket.AF_INET
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        try:
            if kind is socket.SOCK_DGRAM:
                sock.connect(self._server)
            else:
                sock.bind(("::" if family is socket.AF_INET6 else "0.0.0.0", 0))
        except OSError:
            sock.close()
            raise
        return sock

    async def _by_udp(
        self, sock: socket.socket, query: dns.message.Message, wire: bytes
    ) -> dns.message.Message:
        loop = asyncio.get_running_loop()
        with sock:
            await loop.sock_sendall(sock, wire)
            while True:
                reply = _parsed(await loop.sock_recv(sock, 65535))
                if reply is not None and query.is_response(reply):
                    return reply

    async def _by_tcp(
        self, sock: socket.socket, query: dns.message.Message, wire: bytes
    ) -> dns.message.Message:
        loop = asyncio.get_running_loop()
        with sock:
            await loop.sock_connect(sock, self._server)
            await loop.sock_sendall(sock, struct.pack("!H", len(wire)) + wire)
            (size,) = struct.unpack("!H", await _exactly(sock, 2))
            reply = _parsed(await _exactly(sock, size))
        if reply is None or not query.is_response(reply):
            raise DnsError("the resolver's answer is to another question")
        return reply


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(sock, size - len(data))
        if not more:
            raise EOFError("connection closed")
        data += more
    return data


def _parsed(wire: bytes) -> dns.message.Message | None:
    try:
        return dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return None


def _answer(reply: dns.message.Message, name: str, kind: str) -> Answer:
    code = dns.rcode.to_text(reply.rcode())
    if code not in ("NOERROR", "NXDOMAIN"):
        raise DnsError(f"the resolver answers {code}")
    wanted = dns.rdatatype.from_text(kind)
    records: list[str] = []
    ttls: list[float] = []
    # All records of the asked type, whatever name a CNAME led to: the resolver followed it.
    for rrset in reply.answer:
        ttls.append(rrset.ttl)
        if rrset.rdtype == wanted:
            for record in list(rrset)[: MAX_RECORDS - len(records)]:
                records.append(_text(record, kind))
    if not records and _goes_round(reply):
        raise DnsError("a CNAME chain that goes round")
    for rrset in reply.authority:
        if not records and rrset.rdtype == dns.rdatatype.SOA:
            ttls.append(min(rrset.ttl, rrset[0].minimum))
    ttl_s = min([*ttls, MAX_TTL_S]) if ttls else 0.0
    return Answer(rcode=code, records=tuple(records), ttl_s=float(ttl_s))


def _goes_round(reply: dns.message.Message) -> bool:
    # "Does not exist" would be clean to a list's prober; this is a broken zone: unknown.
    links = {s.name: s[0].target for s in reply.answer if s.rdtype == dns.rdatatype.CNAME}
    name = reply.question[0].name
    for _ in range(len(links) + 1):
        if name not in links:
            return False
        name = links[name]
    return True


def _text(record: object, kind: str) -> str:
    if kind == "TXT":
        strings = getattr(record, "strings", ())
        return b"".join(strings).decode("utf-8", "replace")
    return str(record)


def _label(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"{host}:{port}"
