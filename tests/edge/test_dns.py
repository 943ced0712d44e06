"""Questions to the one resolver: answers, failures, routes by MX, and what a list says."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from unlisted.edge import dns_client
from unlisted.edge.clock import Clock, VirtualClock, WallClock
from unlisted.edge.dns_client import Answer, DnsClient, DnsError
from unlisted.edge.dns_prober import DnsProber
from unlisted.edge.routes import Hop, NoRoute, Route, Routes, organisation, receivers

Records = dict[tuple[str, str], list[str]]


class Resolver(asyncio.DatagramProtocol):
    """Answers from a table; names outside it do not exist. `spoil` changes a reply."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.asked: list[tuple[str, str]] = []
        self.rcode = dns.rcode.NOERROR
        self.spoil: Callable[[bytes], list[bytes]] = lambda wire: [wire]
        self.truncate = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        for wire in self.spoil(self.answer(data, cut=self.truncate)):
            self.transport.sendto(wire, address)

    def answer(self, data: bytes, *, cut: bool = False) -> bytes:
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        found = self.records.get((name, kind))
        if self.rcode != dns.rcode.NOERROR:
            reply.set_rcode(self.rcode)
        elif found is not None and not cut:
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *found))
        elif cut:
            reply.flags |= dns.flags.TC
        elif not any(other == name for other, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    async def by_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        wire = self.answer(await reader.readexactly(size))
        writer.write(struct.pack("!H", len(wire)) + wire)
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def resolving(records: Records) -> AsyncIterator[tuple[Resolver, int]]:
    loop = asyncio.get_running_loop()
    resolver = Resolver(records)
    server = await asyncio.start_server(resolver.by_tcp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(
        lambda: resolver, local_addr=("127.0.0.1", port)
    )
    try:
        yield resolver, port
    finally:
        transport.close()
        server.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def ask(port: int, name: str, kind: str) -> Answer:
    with WallClock().hold("test") as hold:
        return await DnsClient("127.0.0.1", port).ask(name, kind, hold)


RECORDS: Records = {
    ("there.example", "MX"): ["20 b.mx.example.", "10 a.mx.example."],
    ("a.mx.example", "A"): ["127.0.4.1"],
    ("b.mx.example", "A"): ["127.0.4.2"],
    ("none.example", "MX"): ["0 ."],
    ("bare.example", "A"): ["127.0.4.9"],
    ("empty.example", "TXT"): ['"x"'],
    ("2.0.0.127.list.example", "A"): ["127.0.0.2"],
    ("1.3.0.127.list.example", "A"): ["127.0.0.2"],
    ("1.3.0.127.list.example", "TXT"): ['"listed, see " "https://list.example"'],
}


def test_answers_come_by_udp_and_long_ones_by_tcp() -> None:
    async def run() -> None:
        async with resolving(RECORDS) as (resolver, port):
            answer = await ask(port, "a.mx.example", "A")
            assert answer == Answer("NOERROR", ("127.0.4.1",), 300.0)
            resolver.truncate = True
            answer = await ask(port, "1.3.0.127.list.example", "TXT")
            assert answer.records == ("listed, see https://list.example",)
            resolver.truncate = False
            assert (await ask(port, "nowhere.example", "A")).missing
            assert await ask(port, "a.mx.example", "AAAA") == Answer("NOERROR", (), 0.0)

    asyncio.run(run())


def test_replies_to_another_question_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "TIMEOUT_S", 0.2)

    async def run() -> None:
        async with resolving(RECORDS) as (resolver, port):
            resolver.spoil = lambda wire: [b"", b"\xff" * 40, bytes([wire[0] ^ 1]) + wire[1:], wire]
            assert (await ask(port, "a.mx.example", "A")).records == ("127.0.4.1",)
            resolver.spoil = lambda wire: [wire[:5]]
            with pytest.raises(DnsError, match="no answer within"):
                await ask(port, "a.mx.example", "A")

    asyncio.run(run())


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_failure_is_an_error_and_never_an_empty_answer(rcode: dns.rcode.Rcode) -> None:
    async def run() -> None:
        async with resolving(RECORDS) as (resolver, port):
            resolver.rcode = rcode
            with pytest.raises(DnsError):
                await ask(port, "a.mx.example", "A")
        with pytest.raises(DnsError):
            await ask(port, "a.mx.example", "A")  # nobody there any more
        with pytest.raises(DnsError):
            await ask(port, "x" * 80 + ".example", "A")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (
            "there.example",
            Route("mx.example", (Hop("127.0.4.1", 25), Hop("127.0.4.2", 25))),
        ),
        ("bare.example", Route("bare.example", (Hop("127.0.4.9", 25),))),
        ("none.example", (556, "5.1.10")),
        ("nowhere.example", (550, "5.1.2")),
        ("empty.example", (550, "5.1.2")),
        ("fixed.example", Route("fixed.example", (Hop("127.0.0.5", 2500),))),
        ("also.example", Route("also.example", (Hop("127.0.0.6", 25),))),
        ("same.example", Route("also.example", (Hop("127.0.0.6", 25),))),
        ("[127.0.4.4]", Route("[127.0.4.4]", (Hop("127.0.4.4", 25),))),
        ("[x]", (553, "5.1.2")),
    ],
)
def test_routes_are_static_first_then_by_mx(domain: str, expected: Any) -> None:
    static = {
        "fixed.example": ("127.0.0.5", 2500),
        "same.example": ("127.0.0.6", 25),
        "Also.example": ("127.0.0.6", 25),
    }

    async def run() -> None:
        async with resolving(RECORDS) as (resolver, port):
            clock = WallClock()
            routes = Routes(static, clock, DnsClient("127.0.0.1", port))
            with clock.hold("test") as hold:
                try:
                    found: Any = await routes.find(domain, hold)
                except NoRoute as exc:
                    found = (exc.code, exc.enhanced)
                assert found == expected
                asked = len(resolver.asked)
                if isinstance(found, Route):
                    assert await routes.find(domain, hold) == found
                    assert (await routes.find_receiver(found.receiver, hold))[1] == found
                    assert len(resolver.asked) == asked, "it is kept for its time to live"
                resolver.rcode = dns.rcode.SERVFAIL
                with pytest.raises(NoRoute) as caught:
                    await routes.find("new.example", hold)
                assert caught.value.code == 0, "a failed look-up is temporary"

    asyncio.run(run())


def test_without_mx_nothing_is_asked_and_nobody_else_has_a_route() -> None:
    async def run() -> None:
        clock = WallClock()
        routes = Routes({"a.example": ("127.0.0.5", 25)}, clock)
        assert routes.routable("a.example") and not routes.routable("b.example")
        for domain in ("b.example", "[127.0.0.1]"):
            with clock.hold("test") as hold, pytest.raises(NoRoute) as caught:
                await routes.find(domain, hold)
            assert caught.value.code == 550
        every = Routes({"*": ("127.0.0.5", 25)}, clock)
        assert every.static("b.example") == Route("b.example", (Hop("127.0.0.5", 25),))

    asyncio.run(run())


def test_domains_with_one_target_are_one_receiver() -> None:
    static = {"b.example": ("h", 1), "A.example": ("h", 1), "c.example": ("h", 2), "*": ("h", 1)}
    assert receivers(static) == (
        ("a.example", "a.example"),
        ("b.example", "a.example"),
        ("c.example", "c.example"),
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mx1.mail.there.example.", "there.example"),
        ("mx.there.co.uk", "there.co.uk"),
        ("there.example", "there.example"),
        ("localhost", "localhost"),
    ],
)
def test_a_mail_host_belongs_to_an_organisation(host: str, expected: str) -> None:
    assert organisation(host) == expected


# ---------------------------------------------------------------- blocklists


async def probe(clock: Clock, prober: DnsProber, address: str) -> Any:
    with clock.hold("test") as hold:
        return await prober.probe("list.example", address, hold)


def test_a_list_is_asked_its_test_points_first_and_again_after_an_hour() -> None:
    clock = VirtualClock(0.0)

    async def run() -> None:
        async with resolving(RECORDS) as (resolver, port):
            prober = DnsProber(clock, DnsClient("127.0.0.1", port))
            answer = await probe(clock, prober, "127.0.3.1")
            assert (answer.state, answer.codes) == ("listed", ("127.0.0.2",))
            assert answer.texts == ("listed, see https://list.example",)
            assert [name for name, _ in resolver.asked] == [
                "2.0.0.127.list.example",
                "1.0.0.127.list.example",
                "1.3.0.127.list.example",
                "1.3.0.127.list.example",
            ]
            assert (await probe(clock, prober, "127.0.3.2")).state == "clean"
            assert len(resolver.asked) == 5
            clock._now = 3600.0
            await probe(clock, prober, "127.0.3.2")
            assert len(resolver.asked) == 8

    asyncio.run(run())


@pytest.mark.parametrize("listed", [[], ["1", "2", "9"]])
def test_a_list_that_fails_its_test_points_is_unknown(listed: list[str]) -> None:
    async def run() -> None:
        records: Records = {(f"{n}.0.0.127.list.example", "A"): ["127.0.0.2"] for n in listed}
        async with resolving({**records, ("list.example", "NS"): ["ns."]}) as (_, port):
            clock = WallClock()
            prober = DnsProber(clock, DnsClient("127.0.0.1", port))
            for address in ("127.0.0.9", "127.0.0.8"):
                assert (await probe(clock, prober, address)).state == "unknown"

    asyncio.run(run())


def test_a_silent_resolver_and_no_resolver_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_client, "TIMEOUT_S", 0.05)

    async def run() -> None:
        clock = WallClock()
        async with resolving(RECORDS) as (resolver, port):
            resolver.spoil = lambda wire: []
            prober = DnsProber(clock, DnsClient("127.0.0.1", port))
            assert (await probe(clock, prober, "127.0.3.1")).state == "unknown"
        off = await probe(clock, DnsProber(clock, None), "127.0.3.1")
        assert (off.state, off.why) == ("unknown", "look-ups are off")
        assert (await probe(clock, DnsProber(clock, None), "no address")).state == "unknown"

    asyncio.run(run())


def test_a_chain_of_names_that_goes_round_is_no_answer() -> None:
    def round_and_round(wire: bytes) -> list[bytes]:
        reply = dns.message.from_wire(wire)
        name = reply.question[0].name
        reply.set_rcode(dns.rcode.NOERROR)
        reply.answer = [
            dns.rrset.from_text(name, 60, "IN", "CNAME", "other.example."),
            dns.rrset.from_text("other.example.", 60, "IN", "CNAME", name.to_text()),
        ]
        return [reply.to_wire()]

    async def run() -> None:
        async with resolving({}) as (resolver, port):
            resolver.spoil = round_and_round
            with pytest.raises(DnsError, match="goes round"):
                await DnsClient("127.0.0.1", port).ask("a.example", "A", WallClock().hold("x"))

    asyncio.run(run())
