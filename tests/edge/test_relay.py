"""Mail goes in by SMTP, stands in the journal, and goes out by SMTP."""

import asyncio
from pathlib import Path

from tests.edge.scripted import client, journaled, letter, receiving, relay, until

from unlisted.facts import Bounce, Delivery, Reception, Routed


def test_a_message_goes_in_is_journaled_and_is_delivered(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            receiving() as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
            client(port) as us,
        ):
            said = await us.send(letter("..dots\r\n.and more"), ["bob@there.example"])
            assert said.startswith("250 2.0.0 Accepted as m")
            runner = service.runner
            (reception,) = journaled(runner, Reception)
            assert said.endswith(reception.id)
            await until(lambda: journaled(runner, Delivery))
            await until(lambda: there.messages)
            (delivery,) = journaled(runner, Delivery)
            assert delivery.address == "127.0.3.1" == there.sessions[0].peer
            assert (delivery.code, delivery.enhanced, delivery.stage) == (250, "2.0.0", "eod")
            (message,) = there.messages
            assert message.endswith(b"\r\n\r\n..dots\r\n.and more\r\n")
            assert message.startswith(b"X-Trace: ") and b"\r\nReceived: by ours.example" in message
            assert runner.journal.body(reception.id) is None, "a settled message keeps no body"
            assert not runner.journal.outbox()

    asyncio.run(run())


def test_a_failure_tells_the_sender(tmp_path: Path) -> None:
    async def run() -> None:
        unknown = "550 5.1.1 <Bob@there.example>: no such user here"
        async with (
            receiving(rcpt=unknown) as there,
            receiving() as home,
            relay(tmp_path, {"there.example": there.port, "ours.example": home.port}) as (
                service,
                port,
            ),
            client(port) as us,
        ):
            await us.send(letter("secret words", Subject="lunch"), ["bob@there.example"])
            await until(lambda: home.messages)
            (bounce,) = journaled(service.runner, Bounce)
            assert "bob@there.example" not in bounce.text.lower()
            assert bounce.row.recipient in bounce.text
            (report,) = home.messages
            assert b"Final-Recipient: rfc822; bob@there.example" in report
            assert b"Subject: lunch" in report and b"secret words" not in report
            assert any("MAIL FROM:<>" in line for line in home.sessions[0].lines)
            assert len(journaled(service.runner, Routed)) == 2
            await until(lambda: not service.runner.journal.outbox())

    asyncio.run(run())
