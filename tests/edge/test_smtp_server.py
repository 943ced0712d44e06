"""Who may say what to the relay, as transcripts over real sockets."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.edge.scripted import Client, client, journaled, letter, relay, until

from unlisted.edge.journal import JournalError
from unlisted.edge.service import Service
from unlisted.edge.smtp_server import MAX_RECIPIENTS, Listener
from unlisted.edge.users import UsersError, parse_user, read_users, scrypt, ssha256
from unlisted.facts import FeedbackReceived, Observed, Reception, Rejection
from unlisted.loop import accept

STRANGER = "127.0.9.9"  # neither a relay host nor logged in
NOBODY = 9  # a port where nobody listens: mail waits in the queue


@contextlib.asynccontextmanager
async def talking(
    state: Path, source: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[tuple[Service, Client]]:
    async with (
        relay(state, {"there.example": NOBODY}, **settings) as (service, port),
        client(port, source, ehlo=False) as us,
    ):
        yield service, us


def plain(login: str, password: str) -> str:
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


LOGIN = plain("ann", "secret")
TRANSCRIPTS: list[tuple[str, str, list[tuple[str, str]]]] = [
    (
        "a stranger may not relay",
        STRANGER,
        [
            ("EHLO x", "250"),
            ("MAIL FROM:<a@b.example>", "250 2.1.0 Ok"),
            ("RCPT TO:<bob@there.example>", "550 5.7.1 Relaying denied, log in first"),
            ("DATA", "503"),
        ],
    ),
    (
        "a login may",
        STRANGER,
        [
            ("EHLO x", "250"),
            (f"AUTH PLAIN {LOGIN}", "235 2.7.0"),
            ("MAIL FROM:<a@b.example>", "250 2.1.0 Ok"),
            ("RCPT TO:<bob@there.example>", "250 2.1.5 Ok"),
            ("DATA", "354"),
            ("Subject: x\r\n\r\nhello\r\n.", "250 2.0.0 Accepted as m"),
            ("QUIT", "221"),
        ],
    ),
    (
        "AUTH LOGIN works too",
        STRANGER,
        [
            ("EHLO x", "250"),
            ("AUTH LOGIN", "334"),
            (b64("ann"), "334"),
            (b64("secret"), "235"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<bob@there.example>", "250"),
        ],
    ),
    (
        "a wrong password, an unknown login and nonsense are refused alike, and not for ever",
        STRANGER,
        [
            ("EHLO x", "250"),
            (f"AUTH PLAIN {plain('ann', 'wrong')}", "535 5.7.8"),
            (f"AUTH PLAIN {plain('eve', 'secret')}", "535 5.7.8"),
            ("AUTH PLAIN !!!", "501"),
            (f"AUTH PLAIN {base64.b64encode(b'x').decode()}", "501"),
            ("AUTH PLAIN /////w==", "501"),
            (f"AUTH PLAIN {LOGIN}", "421"),
        ],
    ),
    (
        "a host that relays needs no login",
        "127.0.0.1",
        [
            ("HELO x", "250"),
            ("MAIL FROM:<a@b.example>", "250"),
            ("RCPT TO:<bob@there.example>", "250"),
        ],
    ),
    (
        "addresses that could not be written back are refused",
        "127.0.0.1",
        [
            ("EHLO x", "250"),
            ("MAIL FROM:<no-domain>", "553 5.1.7"),
            ("MAIL FROM:<a@b.example> SIZE=99999999999", "552"),
            ("MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME", "250"),
            ("RCPT TO:<bob>", "553 5.1.3"),
            ("RCPT TO:<\"x y\"@there.example>", "250"),
            (f"RCPT TO:<{'x' * 65}@there.example>", "553"),
            ("RCPT TO:<bob@elsewhere.example>", "550 5.4.4 No route to that domain"),
            ("RCPT TO:<\u00e9ve@there.example>", "553 5.6.7"),
        ],
    ),
    (
        "SMTPUTF8 is for who asks for it",
        "127.0.0.1",
        [
            ("EHLO x", "250"),
            ("MAIL FROM:<\u00e9ve@b.example> SMTPUTF8", "250"),
            ("RCPT TO:<\u00e9ve@there.example>", "250"),
        ],
    ),
    (
        "commands out of order and unknown ones get a reply each, then an end",
        "127.0.0.1",
        [
            ("MAIL FROM:<a@b.example>", "503"),
            ("EHLO x", "250"),
            ("RCPT TO:<bob@there.example>", "503"),
            ("DATA", "503"),
            ("MAIL FROM:", "501"),
            ("MAIL FROM:<", "451 4.3.0"),
            ("VRFY bob", "252"),
            ("", "500"),
            ("x" * 5000, "500"),
            *[("BOGUS", "500")] * 4,
            ("BOGUS", "502 5.5.1"),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "lines"), [entry[1:] for entry in TRANSCRIPTS], ids=[t[0] for t in TRANSCRIPTS]
)
def test_the_relay_answers_as_in_the_transcript(
    tmp_path: Path, source: str, lines: list[tuple[str, str]]
) -> None:
    async def run() -> None:
        async with talking(tmp_path, source) as (_, us):
            for line, expected in lines:
                said = await us.say(line)
                assert said.startswith(expected), (line, said)
                assert "Error: (" not in said and "Traceback" not in said

    asyncio.run(run())


def test_ehlo_offers_what_we_keep(tmp_path: Path) -> None:
    async def run() -> None:
        async with talking(tmp_path, size_limit=5000) as (_, us):
            offered = {line[4:] for line in (await us.say("EHLO x")).split("\n")}
            assert offered >= {
                "SIZE 5000",
                "8BITMIME",
                "SMTPUTF8",
                "PIPELINING",
                "AUTH LOGIN PLAIN",
            }

    asyncio.run(run())


def test_a_pipelined_session_is_answered_line_by_line(tmp_path: Path) -> None:
    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            us.writer.write(
                b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@there.example>\r\nDATA\r\n"
                b"Subject: one\r\n\r\n..\r\n.\r\nMAIL FROM:<a@b.example>\r\nNOISE\r\nRSET\r\nQUIT\r\n"
            )
            said = [(await us.reply())[:3] for _ in range(9)]
            assert said == ["250", "250", "250", "354", "250", "250", "500", "250", "221"]
            (reception,) = journaled(service.runner, Reception)
            assert service.runner.journal.body(reception.id) == b"Subject: one\r\n\r\n.\r\n"

    asyncio.run(run())


def test_a_message_has_at_most_a_hundred_recipients_each_of_them_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            await us.say("EHLO x")
            await us.say("MAIL FROM:<a@b.example>")
            said = [await us.say(f"RCPT TO:<u{i}@there.example>") for i in range(MAX_RECIPIENTS)]
            assert all(one.startswith("250") for one in said)
            assert (await us.say("RCPT TO:<late@there.example>")).startswith("452 4.5.3")
            await us.say("RSET")
            await us.send(b"x", ["bob@there.example", "BOB@There.example"])
            (reception,) = journaled(service.runner, Reception)
            assert len(reception.recipients) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x\r\n" * 4000, "552"),
        (b"x" * 3000, "500 Line too long"),
        (b"Received: x\r\n" * 101 + b"\r\nloop", "554 5.4.6"),
        (b"fine", "250 2.0.0"),
    ],
)
def test_what_is_too_much_is_refused_after_its_end(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    async def run() -> None:
        async with talking(tmp_path, size_limit=5000) as (service, us):
            await us.say("EHLO x")
            assert (await us.send(content, ["bob@there.example"])).startswith(expected)
            assert len(journaled(service.runner, Reception)) == expected.startswith("250")
            assert (await us.say("NOOP")).startswith("250")

    asyncio.run(run())


def test_a_line_without_end_ends_the_session_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlisted.edge.smtp_server.SLACK_BYTES", 10_000)

    async def run() -> None:
        async with talking(tmp_path, size_limit=5000) as (_, us):
            for line in ("EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<b@there.example>", "DATA"):
                await us.say(line)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                for _ in range(1000):
                    us.writer.write(b"x" * 1000)
                    await us.writer.drain()
                    await asyncio.sleep(0)
                await us.reply()

    asyncio.run(run())


def test_an_idle_session_is_told_and_ended_even_if_it_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlisted.edge.smtp_server.IDLE_S", 0.1)

    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            assert (await us.reply()).startswith("421 4.4.2")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await us.reply()
            async with client(service.server._servers[0].sockets[0].getsockname()[1]) as deaf:
                deaf.writer.write(b"HELP\r\n" * 200_000)
                await until(lambda: not service.server.sessions)

    asyncio.run(run())


@pytest.mark.parametrize("lines", range(1, 7))
def test_a_hang_up_at_any_line_leaves_nothing(tmp_path: Path, lines: int) -> None:
    script = [
        "EHLO x",
        "MAIL FROM:<a@b.example>",
        "RCPT TO:<bob@there.example>",
        "DATA",
        "Subject: x\r\n\r\nhalf",
        "a message\r\n.",
    ]

    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            us.writer.write("\r\n".join(script[:lines]).encode())
            await us.writer.drain()
            us.close()
            await until(lambda: not service.server.sessions)
            assert not journaled(service.runner, Reception)
            async with client(service.server._servers[0].sockets[0].getsockname()[1]) as again:
                assert (await again.send(b"x", ["bob@there.example"])).startswith("250")

    asyncio.run(run())


def test_250_is_said_only_after_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            await us.say("EHLO x")
            journal = service.runner.journal
            committed: list[int] = []
            commit = journal.commit

            def full() -> None:
                journal.rollback()
                raise JournalError("disk full")

            monkeypatch.setattr(journal, "commit", full)
            assert (await us.send(b"x", ["bob@there.example"])).startswith("451 4.3.0")
            assert not journaled(service.runner, Reception)
            monkeypatch.setattr(journal, "commit", lambda: (commit(), committed.append(1))[0])
            assert (await us.send(b"x", ["bob@there.example"])).startswith("250")
            assert committed and len(journaled(service.runner, Reception)) == 1

    asyncio.run(run())


def test_a_hold_refuses_with_its_public_text_and_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def refuses(states: Any, sender: str, recipients: Any, marks: str, at: float) -> Any:
        asked.append((sender, recipients))
        return ("h1", "Sending is paused, reference h1") if len(asked) == 1 else None

    monkeypatch.setattr(accept, "refuses", refuses)

    async def run() -> None:
        async with talking(tmp_path, STRANGER) as (service, us):
            await us.say("EHLO x")
            await us.say(f"AUTH PLAIN {LOGIN}")
            said = await us.send(letter(), ["bob@there.example", "eve@there.example"])
            assert said == "550 5.7.1 Sending is paused, reference h1"
            (rejection,) = journaled(service.runner, Rejection)
            assert (rejection.hold, rejection.recipients, rejection.tenant) == ("h1", 2, "books")
            assert rejection.sender == service.people.login("ann") == asked[0][0]
            assert service.runner.journal.person(rejection.sender) == "login:ann"
            assert not journaled(service.runner, Reception)
            assert (await us.send(letter(), ["bob@there.example"])).startswith("250")

    asyncio.run(run())


def test_no_address_stands_in_a_fact(tmp_path: Path) -> None:
    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            await us.say("EHLO x")
            await us.send(letter(), ["bob@there.example"], sender="ann@ours.example")
            for line in service.runner.journal.lines():
                assert "bob" not in line.body and "ann@" not in line.body
            (reception,) = journaled(service.runner, Reception)
            person = service.runner.journal.person
            assert person(reception.recipients[0].person) == "bob@there.example"
            assert person(reception.reverse_path) == "ann@ours.example"
            assert reception.recipients[0].domain == "there.example"

    asyncio.run(run())


def report(trace: str) -> bytes:
    return (
        "From: fbl@there.example\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nspam\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
        "Original-Rcpt-To: bob@there.example\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nX-Trace: {trace}\r\nSubject: hi\r\n\r\n"
        "--b--\r\n"
    ).encode()


def test_feedback_names_the_message_by_our_own_trace_and_is_not_queued(tmp_path: Path) -> None:
    from unlisted.edge.people import derived
    from unlisted.mail.trace import seal

    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            await us.say("EHLO x")
            await us.send(letter(), ["bob@there.example"])
            (reception,) = journaled(service.runner, Reception)
            trace = seal(derived(bytes(range(32)), "trace"), int(reception.id[1:]))
            forged = seal(b"x" * 32, int(reception.id[1:]))
            async with client(
                service.server._servers[0].sockets[0].getsockname()[1], STRANGER
            ) as them:
                for value in (trace, forged):
                    said = await them.send(report(value), ["Abuse@ours.example"], "")
                    assert said.startswith("250")
                said = await them.send(letter("not a report"), ["abuse@ours.example"])
                assert said.startswith("554 5.6.0")
            ours, unknown = journaled(service.runner, FeedbackReceived)
            assert (ours.message, ours.sender) == (reception.id, reception.sender)
            assert ours.feedback_type == "abuse"
            assert ours.recipient == reception.recipients[0].person
            assert (unknown.message, unknown.sender) == (None, None)
            assert len(journaled(service.runner, Reception)) == 1

    asyncio.run(run())


def test_mail_for_a_local_domain_needs_no_login_on_loopback(tmp_path: Path) -> None:
    async def run() -> None:
        local = {"local_domains": ("there.example",)}
        async with talking(tmp_path, STRANGER, **local) as (service, us):
            await us.say("EHLO x")
            assert (await us.send(letter(), ["bob@there.example"])).startswith("250")
            (reception,) = journaled(service.runner, Reception)
            assert reception.origin == "unknown"

    asyncio.run(run())


def test_too_much_in_hand_defers_new_mail(tmp_path: Path) -> None:
    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            await us.say("EHLO x")
            service.server.busy = lambda: True
            assert (await us.send(b"x", ["bob@there.example"])).startswith("451 4.3.1")

    asyncio.run(run())


def test_an_error_of_ours_is_a_local_error_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fact: Observed, **_: Any) -> Any:
        raise RuntimeError("secret detail")

    async def run() -> None:
        async with talking(tmp_path) as (service, us):
            await us.say("EHLO x")
            monkeypatch.setattr(service.runner, "record", broken)
            said = await us.send(b"x", ["bob@there.example"])
            assert said == "451 4.3.0 Local error, try again later"

    asyncio.run(run())


# ---------------------------------------------------------------- users


def test_a_users_file_is_read_or_all_its_problems_are_named(tmp_path: Path) -> None:
    file = tmp_path / "users"
    good = f"# people\n\nann:{ssha256('a', b'salt')}:books\nbob:{scrypt('b', b'salt')}:books\n"
    file.write_text(good)
    users = read_users(file)
    assert users.verify("ann", b"a") and users.verify("bob", b"b")
    assert users.verify("bob", b"b"), "the remembered password"
    assert not users.verify("ann", b"b") and not users.verify("bob", b"a")
    assert not users.verify("eve", b"") and not users.verify("ann", b"a" * 2000)
    file.write_text(good + "eve:{MD5}x:books\nann:{SSHA256}AAAA:books\n:x:\nann\n")
    with pytest.raises(UsersError) as caught:
        read_users(file)
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["5", "6", "7", "8"]


@pytest.mark.parametrize(
    "line",
    [
        "a:{SCRYPT}1048576$8$1$c2FsdA==$c2FsdHNhbHRzYWx0c2FsdA==:t",
        "a:{SCRYPT}3$8$1$c2FsdA==$c2FsdHNhbHRzYWx0c2FsdA==:t",
        "a:{SCRYPT}2$8$1$c2FsdA==$c2FsdA==:t",
        "a:{SSHA256}%%%:t",
        "a b:{SSHA256}x:t",
    ],
)
def test_a_hash_that_is_none_or_too_dear_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_user(line)


# ---------------------------------------------------------------- TLS


def certificate(folder: Path) -> tuple[Path, Path]:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ours.example")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * 50))
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def test_starttls_carries_a_login_and_a_message(tmp_path: Path) -> None:
    import ssl

    async def run() -> None:
        listeners = (Listener("127.0.0.1", 0, *certificate(tmp_path)),)
        async with talking(tmp_path, STRANGER, listeners=listeners) as (service, us):
            assert "STARTTLS" in await us.say("EHLO x")
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            assert (await us.say("STARTTLS")).startswith("220")
            await us.writer.start_tls(context)
            assert "STARTTLS" not in await us.say("EHLO x")
            assert (await us.say(f"AUTH PLAIN {LOGIN}")).startswith("235")
            assert (await us.send(letter(), ["bob@there.example"])).startswith("250")
            (reception,) = journaled(service.runner, Reception)
            assert reception.origin == "login"

    asyncio.run(run())
