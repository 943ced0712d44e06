"""The sandbox's SMTP server and client, in dialogs over a real socket on the stepping clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unlisted_sandbox.clock import Coordinator
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.replies import Reply, Said, say
from unlisted_sandbox.smtp_client import Lost, Outcome, SmtpClient, bound_socket, stuffed
from unlisted_sandbox.smtp_server import Listener, Visit

from .small_world import small

HERE = "127.21.0.1"


class TestVisit:
    """Takes everything, as its house says."""

    __test__ = False
    logins = True

    def __init__(self, house: TestHouse) -> None:
        self._house = house
        self._recipients: list[str] = []

    def greeting(self, now: float) -> Said:
        return say(220, "test")

    def ehlo(self, helo: str, now: float) -> Said:
        return say(250, "test", "PIPELINING")

    def auth(self, login: str, password: str, now: float) -> Said:
        return say(235, "ok") if (login, password) == ("a", "b") else say(535, "no")

    def mail(self, reverse_path: str, now: float) -> Said:
        return say(250, "ok")

    def rcpt(self, recipient: str, now: float) -> Said:
        if recipient.startswith("nobody"):
            return say(550, "5.1.1 nobody")
        return say(250, "ok", wait_s=self._house.tarpit_s)

    def data(self, content: bytes, now: float) -> Said:
        self._house.content.append(content)
        return Said(Reply(250, ("taken",)), hang_s=self._house.hang_s, keep=True)


class TestHouse:
    __test__ = False
    name = "test"

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.content: list[bytes] = []
        self.kept = 0
        self.tarpit_s = 0.0
        self.hang_s = 0.0

    def lane_of(self, address: str) -> Lane | None:
        return self.lane if address.startswith("127.21.") else None

    def visit(self, lane: Lane, address: str) -> Visit:
        return TestVisit(self)

    async def ask(self, lane: Lane, address: str, name: str) -> None:
        raise AssertionError

    def keep(self, lane: Lane, visit: Visit) -> None:
        self.kept += 1


@contextmanager
def world_of_one(tmp_path: Path) -> Iterator[tuple[Coordinator, asyncio.AbstractEventLoop, Lane]]:
    world = small()
    coordinator = Coordinator(tmp_path / "clock", world.start, ["bare"], stall_limit_s=20.0)
    loop = coordinator.new_event_loop()
    try:
        yield coordinator, loop, Lane("bare", world, coordinator, (HERE,), "127.21.1.1")
    finally:
        loop.close()
        coordinator.close()


Act = Callable[[TestHouse, tuple[str, int]], Awaitable[None]]


def on_a_server(tmp_path: Path, act: Act) -> tuple[Coordinator, TestHouse]:
    """Run `act` against a server; time stands or moves as its holds say."""
    with world_of_one(tmp_path) as (coordinator, loop, lane):
        house = TestHouse(lane)

        async def main() -> None:
            listener = Listener(house)
            port = await listener.open("127.21.1.1")
            try:
                await act(house, ("127.21.1.1", port))
            finally:
                listener.close()
                for _ in range(3):
                    await asyncio.sleep(0)

        loop.run_until_complete(main())
        return coordinator, house


async def read_replies(reader: asyncio.StreamReader, n: int) -> list[str]:
    lines: list[str] = []
    while n:
        line = (await reader.readline()).decode().rstrip("\r\n")
        lines.append(line)
        n -= line[3:4] != "-"
    return lines


DIALOGS = {
    "a plain session": [
        ("", ["220 test"]),
        ("EHLO x", ["250-test", "250 PIPELINING"]),
        ("MAIL FROM:<a@b.example>", ["250 ok"]),
        ("RCPT TO:<c@d.example>", ["250 ok"]),
        ("DATA", ["354 End data with <CR><LF>.<CR><LF>"]),
        ("Subject: x\r\n\r\n..dot\r\n.", ["250 taken"]),
        ("QUIT", ["221 2.0.0 Bye"]),
    ],
    "commands out of order": [
        ("", ["220 test"]),
        ("RCPT TO:<c@d.example>", ["503 5.5.1 Need MAIL command"]),
        ("DATA", ["503 5.5.1 Need MAIL command"]),
        ("MAIL FROM:<>", ["250 ok"]),
        ("MAIL FROM:<>", ["503 5.5.1 Nested MAIL command"]),
        ("DATA", ["554 5.5.1 No valid recipients"]),
        ("RSET", ["250 2.0.0 Ok"]),
        ("NOOP", ["250 2.0.0 Ok"]),
        ("MAIL FROM:a@b", ["501 5.5.4 Syntax: MAIL FROM:<address>"]),
        ("VRFY a", ["252 2.0.0 Cannot verify"]),
        ("WHAT", ["502 5.5.2 Command not recognized"]),
    ],
    "logins": [
        ("", ["220 test"]),
        ("AUTH PLAIN AGEAYg==", ["235 ok"]),
        ("AUTH PLAIN", ["334 "]),
        ("AGEAYw==", ["535 no"]),
        ("AUTH PLAIN !", ["501 5.5.2 Cannot decode"]),
        ("AUTH LOGIN", ["504 5.5.4 Unrecognized authentication type"]),
    ],
    "pipelining": [
        ("", ["220 test"]),
        (
            "MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA",
            ["250 ok", "550 5.1.1 nobody", "250 ok", "354 End data with <CR><LF>.<CR><LF>"],
        ),
        (".", ["250 taken"]),
    ],
}


@pytest.mark.parametrize("dialog", DIALOGS.values(), ids=DIALOGS.keys())
def test_a_dialog(tmp_path: Path, dialog: list[tuple[str, list[str]]]) -> None:
    async def act(house: TestHouse, at: tuple[str, int]) -> None:
        with house.lane.clock.hold("dialog"):
            reader, writer = await asyncio.open_connection(*at, local_addr=(HERE, 0))
            for said, expected in dialog:
                if said:
                    writer.write(said.encode() + b"\r\n")
                finals = sum(line[3:4] != "-" for line in expected)
                assert await read_replies(reader, finals) == expected
            writer.close()

    coordinator, _house = on_a_server(tmp_path, act)
    assert coordinator.late == 0


def test_a_stranger_is_turned_away(tmp_path: Path) -> None:
    async def act(house: TestHouse, at: tuple[str, int]) -> None:
        with house.lane.clock.hold("dialog"):
            reader, writer = await asyncio.open_connection(*at, local_addr=("127.1.2.3", 0))
            assert (await reader.read()).startswith(b"554 ")
            writer.close()

    on_a_server(tmp_path, act)


CONTENT = b"Subject: dots\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"


def test_a_message_arrives_as_it_was_sent_and_a_tarpit_costs_simulated_time_only(
    tmp_path: Path,
) -> None:
    async def act(house: TestHouse, at: tuple[str, int]) -> None:
        house.tarpit_s = 4.0
        clock, before = house.lane.clock, house.lane.clock.now()
        sock, label = bound_socket(HERE)
        with clock.hold(label):
            client = await SmtpClient.connect(sock, label, *at)
            assert (await client.hello("x")).code == 250
            outcome = await client.transaction(
                "a@b.example", ("nobody@d.example", "c@d.example", "e@d.example"), CONTENT
            )
            await client.quit()
        assert outcome.of("nobody@d.example").code == 550
        assert outcome.of("c@d.example") == Reply(250, ("taken",))
        assert clock.now() == before + 8.0

    coordinator, house = on_a_server(tmp_path, act)
    assert house.content == [CONTENT] and house.kept == 1 and coordinator.late == 0


def test_silence_ends_by_the_patience_of_the_client_and_the_message_is_not_kept(
    tmp_path: Path,
) -> None:
    async def act(house: TestHouse, at: tuple[str, int]) -> None:
        house.hang_s = 400.0
        clock, before = house.lane.clock, house.lane.clock.now()
        sock, label = bound_socket(HERE)
        with clock.hold(label), pytest.raises(TimeoutError):
            async with clock.patience(300.0):
                client = await SmtpClient.connect(sock, label, *at)
                await client.hello("x")
                await client.transaction("a@b.example", ("c@d.example",), CONTENT)
        client.abort()
        assert clock.now() == before + 300.0

    _coordinator, house = on_a_server(tmp_path, act)
    assert house.kept == 0


def test_silence_of_a_server_ends_the_connection(tmp_path: Path) -> None:
    async def act(house: TestHouse, at: tuple[str, int]) -> None:
        house.hang_s = 200.0
        clock, before = house.lane.clock, house.lane.clock.now()
        sock, label = bound_socket(HERE)
        with clock.hold(label):
            client = await SmtpClient.connect(sock, label, *at)
            await client.hello("x")
            with pytest.raises(Lost):
                await client.transaction("a@b.example", ("c@d.example",), CONTENT)
        assert clock.now() == before + 200.0

    on_a_server(tmp_path, act)


def test_an_initiator_that_lets_time_go_within_a_transaction_is_counted_late(
    tmp_path: Path,
) -> None:
    async def act(house: TestHouse, at: tuple[str, int]) -> None:
        clock = house.lane.clock
        sock, label = bound_socket(HERE)
        with clock.hold(label):
            client = await SmtpClient.connect(sock, label, *at)
            await client.hello("x")
            await client.command("MAIL FROM:<a@b.example>")
        await clock.coordinator.sleep("bare", 10.0)  # nobody holds time: it moves
        with clock.hold(label):
            await client.command("RCPT TO:<c@d.example>")
            await client.quit()

    coordinator, _house = on_a_server(tmp_path, act)
    assert coordinator.late > 0


@pytest.mark.parametrize(
    ("plain", "sent"),
    [
        (b"a\r\n", b"a\r\n"),
        (b"a", b"a\r\n"),
        (b".a\r\n.\r\n", b"..a\r\n..\r\n"),
        (b"a\r\n.b.\r\n", b"a\r\n..b.\r\n"),
    ],
)
def test_dots_are_stuffed(plain: bytes, sent: bytes) -> None:
    assert stuffed(plain) == sent


def test_an_outcome_decides_for_each_recipient() -> None:
    ok, no, later = Reply(250, ("ok",)), Reply(550, ("no",)), Reply(451, ("later",))
    both = (("a", ok), ("b", no))
    assert Outcome(None, ok, both, later).of("a") == later
    assert Outcome(None, ok, both, ok).of("b") == no
    assert Outcome(no, None, (), None).of("a") == no
    assert Outcome(None, later, (), None).of("a") == later
    assert Outcome(None, ok, (), None).of("c").code == 451
