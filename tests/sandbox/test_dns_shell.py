"""The world's name server, packet by packet, and the questions of its sites."""

from __future__ import annotations

import contextlib
import struct

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted_sandbox.blocklist import ListState
from unlisted_sandbox.dns_shell import NameServer, question_packet, read_answer
from unlisted_sandbox.worldfile import shipped

WORLD = shipped("demo", 1)
ZONE = WORLD.lists[0].zone
STATE = ListState(WORLD.lists[0])
STATE.learn("127.21.0.3", "trap", 9.0, 0.0)
SERVER = NameServer(
    WORLD,
    lambda zone, address: STATE.answer(address, 1000.0),
    {r.name: f"127.50.0.{n}" for n, r in enumerate(WORLD.receivers)},
)
SITE = WORLD.receivers[0]


def ask(name: str, kind: str) -> tuple[str, list[str]]:
    reply = SERVER.respond(dns.message.make_query(name, kind).to_wire())
    assert reply is not None
    message = dns.message.from_wire(reply)
    texts = [item.to_text() for rrset in message.answer for item in rrset]
    return dns.rcode.to_text(message.rcode()), texts


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        (f"2.0.0.127.{ZONE}", "A", ("NOERROR", ["127.0.0.2"])),
        (f"1.0.0.127.{ZONE}", "A", ("NXDOMAIN", [])),
        (f"3.0.21.127.{ZONE}", "A", ("NOERROR", ["127.0.0.2"])),
        (f"3.0.21.127.{ZONE}", "MX", ("NOERROR", [])),
        (f"4.0.21.127.{ZONE}", "A", ("NXDOMAIN", [])),
        (f"127.{ZONE}", "A", ("NOERROR", [])),
        (f"not.an.address.{ZONE}", "A", ("NXDOMAIN", [])),
        (SITE.domains[0], "MX", ("NOERROR", [f"10 {SITE.name}."])),
        (SITE.name, "A", ("NOERROR", ["127.50.0.0"])),
        ("elsewhere.example", "A", ("NXDOMAIN", [])),
    ],
)
def test_questions_and_answers(name: str, kind: str, expected: tuple[str, list[str]]) -> None:
    assert ask(name, kind) == expected


def test_the_text_says_why() -> None:
    code, texts = ask(f"3.0.21.127.{ZONE}", "TXT")
    assert code == "NOERROR" and "127.21.0.3" in texts[0]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("3.0.21.127", (True, float(WORLD.lists[0].ttl_s))),
        ("4.0.21.127", (False, float(WORLD.lists[0].negative_ttl_s))),
    ],
)
def test_a_site_reads_what_the_server_says(address: str, expected: tuple[bool, float]) -> None:
    reply = SERVER.respond(question_packet(7, f"{address}.{ZONE}"))
    assert reply is not None and struct.unpack_from("!H", reply)[0] == 7
    assert read_answer(reply) == expected


@given(st.binary(max_size=200))
def test_no_packet_breaks_the_server_or_a_site(packet: bytes) -> None:
    SERVER.respond(packet)
    with contextlib.suppress(IndexError, struct.error):
        read_answer(packet)
