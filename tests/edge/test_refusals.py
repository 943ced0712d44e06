"""Every refusal keeps its stage, code, enhanced code and whole text."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from tests.edge.scripted import DROP, HANG, client, journaled, letter, receiving, relay, until

from unlisted.edge import smtp_client
from unlisted.edge.clock import VirtualClock, WallClock
from unlisted.edge.routes import Hop
from unlisted.edge.smtp_client import Answer, Connection, Refused, open_connection
from unlisted.facts import Bounce, Delivery, TransientFailure

BLOCKED = "554 5.7.1 Service unavailable; Client host [127.0.3.1] blocked using list.example"
REFUSALS = [
    ("greeting", "554 blocked by list.example", ("greeting", 554, None, "blocked by list.example")),
    ("greeting", "421 4.7.0 try later", ("greeting", 421, "4.7.0", "try later")),
    ("greeting", DROP, ("greeting", 0, None, "connection closed")),
    ("greeting", "250 I am no greeting", ("greeting", 0, None, "unexpected reply 250 I am no greeting")),
    ("ehlo", "550 5.7.1 I do not like your name", ("ehlo", 550, "5.7.1", "I do not like your name")),
    ("ehlo", DROP, ("ehlo", 0, None, "connection closed")),
    ("mail", "451 4.7.1 wait", ("mail", 451, "4.7.1", "wait")),
    ("mail", DROP, ("mail", 0, None, "connection closed")),
    ("rcpt", "550-5.7.1 first line\n550 5.7.1 second line", ("rcpt", 550, "5.7.1", "first line\nsecond line")),
    ("rcpt", "421 4.3.2 going down", ("rcpt", 421, "4.3.2", "going down")),
    ("rcpt", DROP, ("rcpt", 0, None, "connection closed")),
    ("data", BLOCKED, ("data", 554, "5.7.1", BLOCKED[10:])),
    ("data", "250 what?", ("data", 0, None, "unexpected reply 250 what?")),
    ("data", DROP, ("data", 0, None, "connection closed")),
    ("eod", "550 5.7.350 Remote server returned 554 5.7.1 blocked", ("eod", 550, "5.7.350", "Remote server returned 554 5.7.1 blocked")),
    ("eod", "452 4.3.1 full", ("eod", 452, "4.3.1", "full")),
    ("eod", "hello?", ("eod", 0, None, "what came is no SMTP reply")),
    ("eod", DROP, ("eod", 0, None, "connection closed")),
]  # fmt: skip


async def attempt(port: int, content: bytes = b"a\r\n") -> Answer:
    clock = WallClock()
    with clock.hold("test") as hold:
        try:
            connection = await open_connection(
                clock, hold, "127.0.3.1", "out.ours.example", Hop("127.0.0.1", port)
            )
        except Refused as exc:
            return exc.answer
        try:
            return await connection.deliver("ann@ours.example", "bob@there.example", content)
        finally:
            connection.close()


@pytest.mark.parametrize(("stage", "said", "expected"), REFUSALS)
@pytest.mark.parametrize("extensions", ["250 there", "250-there\n250 PIPELINING"])
def test_a_refusal_is_kept_whole_with_its_stage(
    stage: str, said: str, expected: tuple[Any, ...], extensions: str
) -> None:
    async def run() -> None:
        async with receiving(**{"ehlo": extensions, stage: said}) as there:
            assert await attempt(there.port) == Answer(*expected)

    asyncio.run(run())


def test_nobody_listening_is_a_refusal_at_connect() -> None:
    async def run() -> None:
        async with receiving() as there:
            port = there.port
        assert await attempt(port) == Answer("connect", 0, None, "Connection refused")

    asyncio.run(run())


def test_a_receiver_of_old_gets_helo() -> None:
    async def run() -> None:
        async with receiving(ehlo=["502 what?", "250 hello"]) as there:
            assert (await attempt(there.port)).positive
            assert [line.split()[0] for line in there.sessions[0].lines[:2]] == ["EHLO", "HELO"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "flood", [b"220-" + b"x" * 100_000 + b"\r\n", b"220-x\r\n" * 100_000, b"\xff\x00\r\n" * 3]
)
def test_a_greeting_without_end_or_sense_ends_in_bounded_memory(flood: bytes) -> None:
    async def run() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(flood)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.transport.abort()
            over.set()

        over = asyncio.Event()
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        answer = await attempt(server.sockets[0].getsockname()[1])
        assert (answer.stage, answer.code) == ("greeting", 0)
        server.close()
        await over.wait()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"", b".\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),  # no smuggling by a bare line feed
        (b"a\r.\rb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
    ],
)
def test_dots_are_doubled_and_line_ends_are_of_one_kind(content: bytes, wire: bytes) -> None:
    assert smtp_client.stuffed(content) == wire


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "eod"])
def test_patience_ends_at_its_simulated_second(stage: str) -> None:
    clock = VirtualClock(1000.0)
    started: list[float] = []

    async def run() -> Answer:
        async with receiving(**{stage: HANG}) as there:
            with clock.hold("test") as hold:
                try:
                    connection = await open_connection(
                        clock, hold, "127.0.3.1", "out", Hop("127.0.0.1", there.port)
                    )
                except Refused as exc:
                    return exc.answer
                return await connection.deliver("a@b.example", "c@d.example", b"x\r\n")

    async def patient(self: Connection, name: str, command: bytes) -> Answer:
        # The scripted receiver stands outside the clock: park our own hold as it would.
        if name == stage:
            clock._holds.park(self.label)
            started.append(clock.now())
        return await real(self, name, command)

    real = Connection._said
    loop = clock.new_event_loop()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "_said", patient)
            answer = loop.run_until_complete(run())
    finally:
        loop.close()
    limit = smtp_client.PATIENCE_S[stage]
    assert answer == Answer(stage, 0, None, f"no reply within {limit:g} s")
    assert clock.now() == started[0] + limit


def test_a_kept_connection_is_used_again_and_reset_after_a_refusal(tmp_path: Path) -> None:
    async def run() -> None:
        rcpt = ["250 ok", "451 4.2.0 no", "250 ok"]
        async with (
            receiving(rcpt=rcpt) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
            client(port) as us,
        ):
            kinds = (Delivery, TransientFailure, Bounce)
            for count, name in enumerate(("bob", "carol", "dave"), 1):
                await us.send(letter(), [f"{name}@there.example"])
                await until(lambda n=count: len(journaled(service.runner, *kinds)) == n)
            (session,) = there.sessions
            verbs = [line.split()[0] for line in session.lines]
            assert " ".join(verbs) == "EHLO MAIL RCPT DATA MAIL RCPT RSET MAIL RCPT DATA"
        assert there.sessions[0].lines[-1] == "QUIT", "a stop says goodbye"

    asyncio.run(run())


def test_a_kept_connection_that_died_meanwhile_is_no_refusal(tmp_path: Path) -> None:
    async def run() -> None:
        mail = ["250 ok", DROP, "250 ok"]
        async with (
            receiving(mail=mail) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
            client(port) as us,
        ):
            for count in (1, 2):
                await us.send(letter(), ["bob@there.example"])
                await until(lambda n=count: len(journaled(service.runner, Delivery)) == n)
            assert len(there.sessions) == 2
            assert not journaled(service.runner, TransientFailure)

    asyncio.run(run())
