"""Mail that comes back after delivery: over SMTP to the abuse mailbox, over LMTP, as maildir."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

from tests.edge.scripted import Receiver, journaled, letter, relay, until

from unlisted.edge.smtp_server import Listener
from unlisted.facts import Bounce, Delivery, FeedbackReceived, Queued, Refusal, Settled

BLOCKED = "554 5.7.1 Service unavailable; Client host [127.0.3.1] blocked using bl.example.net"


def bounce(original: bytes, diagnostic: str = BLOCKED, status: str = "5.7.1") -> bytes:
    """The receiver's report on a message it had taken."""
    head = original.split(b"\r\n\r\n", 1)[0].decode()
    return (
        "From: MAILER-DAEMON@there.example\r\nTo: bounces@ours.example\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt came back.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.there.example\r\n\r\n"
        "Final-Recipient: rfc822; bob@there.example\r\nAction: failed\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--b--\r\n"
    ).encode()


def lmtp(port: int, *mails: bytes) -> list[str]:
    """What the listener says to each mail's dot."""
    said = []
    with smtplib.LMTP("127.0.0.1", port, timeout=10) as client:
        client.ehlo("mailer.example")
        for mail in mails:
            client.mail("")
            client.rcpt("bounces@ours.example")
            code, text = client.data(mail)
            said.append(f"{code} {text.decode()}")
    return said


def test_a_bounce_mail_leads_by_our_trace_to_the_row_and_its_reply_is_read(tmp_path: Path) -> None:
    async def run() -> None:
        receiver = Receiver()
        await receiver.start()
        listeners = (Listener("127.0.0.1", 0), Listener("127.0.0.1", 0, reports=True))
        async with relay(tmp_path / "a", {"there.example": receiver.port}, listeners=listeners) as (
            service,
            port,
        ):
            reports = service.server._servers[1].sockets[0].getsockname()[1]
            await asyncio.to_thread(_submit, port)
            await until(lambda: receiver.messages)
            (left,) = await until(lambda: journaled(service.runner, Delivery))
            original = receiver.messages[0]
            rows = len(journaled(service.runner, Queued))
            said = await asyncio.to_thread(
                lmtp, reports, bounce(original), bounce(b"X-Trace: forged"), letter("lunch?")
            )
            assert [one[:3] for one in said] == ["250", "250", "554"]
            (back,) = journaled(service.runner, Bounce)
            assert back.row.watched
            assert (back.row.key, back.address) == (left.row.key, "127.0.3.1")
            assert "bob@" not in back.text
            (refusal,) = journaled(service.runner, Refusal)
            assert refusal.zone == "bl.example.net"
            # The message was delivered and stays so: nothing is queued or settled again.
            assert len(journaled(service.runner, Queued)) == rows
            assert [one.how for one in journaled(service.runner, Settled)] == ["delivered"]
        await receiver.stop()

    asyncio.run(run())


def test_over_lmtp_one_recipient_is_taken_at_a_time_and_ehlo_is_refused(tmp_path: Path) -> None:
    def talk(port: int) -> list[int]:
        with smtplib.LMTP("127.0.0.1", port, timeout=10) as client:
            codes = [client.docmd("EHLO", "x")[0], client.docmd("LHLO", "x")[0]]
            codes += [client.mail("")[0], client.rcpt("a@ours.example")[0]]
            codes.append(client.rcpt("b@ours.example")[0])
            return codes

    async def run() -> None:
        only = (Listener("127.0.0.1", 0, reports=True),)
        async with relay(tmp_path / "a", {}, listeners=only) as (_, port):
            assert await asyncio.to_thread(talk, port) == [500, 250, 250, 250, 452]

    asyncio.run(run())


def test_a_complaint_mail_of_spamcop_and_an_automatic_answer_are_taken(tmp_path: Path) -> None:
    vacation = letter("I am away").replace(
        b"Subject:", b"Auto-Submitted: auto-replied\r\nSubject:", 1
    )

    async def run() -> None:
        only = (Listener("127.0.0.1", 0, reports=True),)
        async with relay(tmp_path / "a", {}, listeners=only) as (service, port):
            (said,) = await asyncio.to_thread(lmtp, port, vacation)
            assert said.startswith("250")
            assert journaled(service.runner, FeedbackReceived, Bounce) == []

    asyncio.run(run())


def _submit(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail("ann@ours.example", ["bob@there.example"], letter("hello"))
