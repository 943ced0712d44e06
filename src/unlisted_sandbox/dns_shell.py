"""The world's DNS on one UDP socket: the zones of its lists, and MX and A of its sites.

An address asked of a list belongs to one platform's pool, so the answer comes from that lane's list
and nobody learns of another's. Answers are built by dnspython; the receivers' own questions are
written by hand, as there are thousands. Malformed packets get no answer, other names NXDOMAIN.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from unlisted_sandbox.blocklist import TEST_LISTED, ListAnswer, address_of
from unlisted_sandbox.world import World
from unlisted_sandbox.world_sites import BlockList

TTL_S = 3600


class NameServer(asyncio.DatagramProtocol):
    """Answers for one world."""

    def __init__(
        self,
        world: World,
        answer: Callable[[str, str], ListAnswer],
        hosts: dict[str, str],
    ) -> None:
        """`answer(zone, address)`; `hosts`: name of each site's host -> its address."""
        self._lists = {entry.zone: entry for entry in world.lists}
        self._answer = answer
        self._hosts = hosts
        self._mx = {d: r.name for r in world.receivers for d in r.domains}
        self._transport: asyncio.DatagramTransport | None = None
        self.questions = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self.respond(data)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def respond(self, packet: bytes) -> bytes | None:
        """The answer to one packet."""
        try:
            query = dns.message.from_wire(packet)
        except (dns.exception.DNSException, ValueError, struct.error):
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        self.questions += 1
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        zone = next((z for z in self._lists if name == z or name.endswith("." + z)), None)
        if zone is not None:
            self._ask_list(response, question, name, kind, self._lists[zone])
        elif name in self._mx:
            if kind == "MX":
                _add(response, question, TTL_S, f"10 {self._mx[name]}.")
        elif name in self._hosts:
            if kind == "A":
                _add(response, question, TTL_S, self._hosts[name])
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def listed(self, name: str) -> tuple[bool, float]:
        """What a site reads out of the answer for an A record of a list (`read_answer`), for
        sites that are spared the packet."""
        self.questions += 1
        found = address_of(name, self._lists)
        if found is None:
            return False, 0.0
        answer = self._answer(found[1], found[0])
        return answer.code is not None, float(answer.ttl_s)

    def _ask_list(
        self,
        response: dns.message.Message,
        question: dns.rrset.RRset,
        name: str,
        kind: str,
        entry: BlockList,
    ) -> None:
        soa = f"ns.{entry.zone}. hostmaster.{entry.zone}. 1 3600 600 86400 {entry.negative_ttl_s}"
        apex = dns.name.from_text(entry.zone)
        authority = dns.rrset.from_text(apex, entry.negative_ttl_s, "IN", "SOA", soa)
        if name == entry.zone:
            if kind == "SOA":
                _add(response, question, entry.negative_ttl_s, soa)
            elif kind == "NS":
                _add(response, question, TTL_S, f"ns.{entry.zone}.")
            else:
                response.authority.append(authority)
            return
        found = address_of(name, (entry.zone,))
        answer = None if found is None else self._answer(entry.zone, found[0])
        if answer is None or answer.code is None:
            # Part of an address is a name with others below it (RFC 8020).
            head = name.removesuffix("." + entry.zone).split(".")
            part = len(head) < 4 and TEST_LISTED.split(".")[: len(head)] == head[::-1]
            if not part:
                response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(authority)
        elif kind == "A":
            _add(response, question, answer.ttl_s, answer.code)
        elif kind == "TXT":
            quoted = answer.txt.replace("\\", "\\\\").replace('"', '\\"')
            parts = [quoted[i : i + 250] for i in range(0, len(quoted), 250)]
            _add(response, question, answer.ttl_s, " ".join(f'"{part}"' for part in parts))
        else:
            response.authority.append(authority)


def _add(response: dns.message.Message, question: dns.rrset.RRset, ttl_s: int, text: str) -> None:
    response.answer.append(
        dns.rrset.from_text(
            question.name, ttl_s, "IN", dns.rdatatype.to_text(question.rdtype), text
        )
    )


class Asker(Protocol):
    """One site's way to ask a list: (listed, TTL)."""

    async def ask(self, name: str) -> tuple[bool, float]: ...


class ListAsker(asyncio.DatagramProtocol):
    """One site's questions to lists: A records only."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[int, asyncio.Future[tuple[bool, float]]] = {}
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) >= 12:
            waiting = self._waiting.pop(struct.unpack_from("!H", data)[0], None)
            if waiting is not None and not waiting.done():
                try:
                    waiting.set_result(read_answer(data))
                except (IndexError, struct.error):
                    waiting.set_result((False, 0.0))  # no answer is "not listed" to these sites

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def ask(self, name: str) -> tuple[bool, float]:
        """(listed, TTL); the caller holds the clock meanwhile."""
        assert self._transport is not None
        self._number = (self._number + 1) & 0xFFFF
        waiting: asyncio.Future[tuple[bool, float]] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = waiting
        self._transport.sendto(question_packet(self._number, name))
        return await waiting


def question_packet(number: int, name: str) -> bytes:
    labels = b"".join(bytes((len(x),)) + x.encode("ascii") for x in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def read_answer(packet: bytes) -> tuple[bool, float]:
    """(an A record in 127/8 is there, TTL of the answer or of the SOA's negative answer);
    IndexError or struct.error on what is no message."""
    _id, _flags, questions, answers, authority, _more = struct.unpack_from("!6H", packet)
    at, listed, ttl_s = 12, False, 0.0
    for _ in range(questions):
        at = _skip_name(packet, at) + 4
    for n in range(answers + authority):
        at = _skip_name(packet, at)
        kind, _class, ttl, length = struct.unpack_from("!HHIH", packet, at)
        at += 10
        if kind == 1 and n < answers and length == 4 and packet[at] == 127:
            listed, ttl_s = True, float(ttl)
        elif kind == 6 and not listed:
            ttl_s = float(ttl)
        at += length
    return listed, ttl_s


def _skip_name(packet: bytes, at: int) -> int:
    while True:
        length = packet[at]
        if length >= 0xC0:
            return at + 2
        at += 1 + length
        if not length:
            return at


async def serve_dns(server: NameServer, host: str) -> tuple[asyncio.DatagramTransport, int]:
    """Bind to a free port of `host`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: server, local_addr=(host, 0), family=socket.AF_INET
    )
    return transport, transport.get_extra_info("sockname")[1]


async def open_asker(source: str, server: tuple[str, int]) -> ListAsker:
    loop = asyncio.get_running_loop()
    _transport, asker = await loop.create_datagram_endpoint(
        ListAsker, local_addr=(source, 0), remote_addr=server, family=socket.AF_INET
    )
    return asker
