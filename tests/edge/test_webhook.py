"""Webhooks over real sockets: the call, every kind of answer, TLS, and addresses that are refused."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.edge.hook_receiver import HANG, SECRET, HookReceiver, genuine, receiving

from unlisted.commands import CallWebhook
from unlisted.config_telling import secrets_of, target
from unlisted.edge import webhook
from unlisted.edge.clock import Hold, WallClock
from unlisted.edge.dns_client import Answer, DnsClient, DnsError
from unlisted.edge.webhook import Answered, Hook, Webhooks

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
COMMAND = CallWebhook(
    key="tell/msg_1/h1/1", hook="h1", delivery="msg_1", event="incident.opened",
    occurred_at=1_795_392_000.0, data='{"incident":{"id":"UL000001"}}',
    path="/incidents/UL000001",
)  # fmt: skip


class Names(DnsClient):
    """A resolver that gives these addresses, whatever is asked, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__("127.0.0.1")
        self.answers = list(answers)
        self.asked: list[str] = []

    async def ask(self, name: str, kind: str, hold: Hold) -> Answer:
        self.asked.append(f"{name} {kind}")
        if not self.answers:
            raise DnsError("no answer within 5 s")
        records = self.answers[0] if kind == "A" else []
        if kind == "AAAA" and len(self.answers) > 1:
            self.answers.pop(0)
        return Answer("NOERROR", tuple(records), 1.0)


async def called(url: str, *, client: DnsClient | None = None, **more: Any) -> Answered:
    found = target(url)
    assert found is not None
    wanted: dict[str, Any] = {"allow": LOOPBACK, **more}
    hook = Hook("h1", found, secrets_of(SECRET), **wanted)
    clock = WallClock()
    caller = Webhooks([hook], clock, client, link="https://status.example/")
    with clock.hold("test") as hold:
        return await caller.call(COMMAND, hold)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_a_call_is_one_signed_post_that_an_independent_check_takes() -> None:
    async def work() -> None:
        async with receiving(204) as there:
            url = f"http://127.0.0.1:{there.port}/hook?key=1"
            assert await called(url) == Answered(204)
            (request,) = there.requests
            assert request.line == "POST /hook?key=1 HTTP/1.1"
            assert request.fields["host"] == f"127.0.0.1:{there.port}"
            assert request.fields["content-type"] == "application/json"
            assert request.fields["webhook-id"] == "msg_1"
            assert genuine(SECRET, request, time.time())
            assert not genuine(SECRET, request, time.time() + 3600)  # played again later
            request.body = request.body.replace(b"UL000001", b"UL000002")  # altered
            assert not genuine(SECRET, request, time.time())
            told = json.loads(request.body)
            assert told["type"] == "incident.opened" and told["link"].endswith(
                "status.example/incidents/UL000002"
            )
            assert told["timestamp"] == "2026-11-23T00:00:00Z"

    run(work())


HEAD = b"HTTP/1.1 200 OK\r\n"
ANSWERS: list[tuple[str, int | bytes, int, str]] = [
    ("ok", 200, 200, ""),
    ("accepted", 202, 202, ""),
    ("gone", 410, 410, ""),
    ("fault", 500, 500, ""),
    ("too many", 429, 429, ""),
    ("continue first", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, ""),
    ("no end of its body", HEAD + b"Content-Length: 999999999\r\n\r\n" + b"x" * 70000, 200, ""),
    ("no HTTP", b"220 mail.example ESMTP\r\n\r\n", 0, "no HTTP answer"),
    ("nothing", b"", 0, "no answer"),
    ("a head without end", HEAD + b"X: " + b"y" * 200_000, 0, "no HTTP answer"),
    ("interim for ever", b"HTTP/1.1 102 Wait\r\n\r\n" * 50, 0, "no answer"),
    ("binary", bytes(range(256)) * 3, 0, "no HTTP answer"),
]


@pytest.mark.parametrize(
    ("answer", "code", "why"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS]
)
def test_every_answer_has_an_outcome(
    answer: int | bytes, code: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CALL_S", 3.0 if answer else 0.3)

    async def work() -> None:
        async with receiving(answer) as there:
            found = await called(f"http://127.0.0.1:{there.port}/")
            assert found.code == code and why in found.why

    run(work())


def test_a_redirect_is_not_followed() -> None:
    async def work() -> None:
        async with receiving(204) as other:
            where = f"http://127.0.0.1:{other.port}/"
            moved = f"HTTP/1.1 307 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n"
            async with receiving(moved.encode()) as there:
                found = await called(f"http://127.0.0.1:{there.port}/")
            assert found == Answered(307, "redirects are not followed")
            assert not other.requests

    run(work())


def test_a_receiver_that_hangs_or_is_not_there_costs_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "CALL_S", 0.3)

    async def work() -> None:
        async with receiving(HANG) as there:
            found = await called(f"http://127.0.0.1:{there.port}/")
            assert found.code == 0 and "no answer within" in found.why
            port = there.port
        assert (await called(f"http://127.0.0.1:{port}/")).why == "Connection refused"

    run(work())


@pytest.mark.parametrize("how", ["literal", "name", "one of several", "mapped"])
def test_private_addresses_are_refused_also_behind_a_name(how: str) -> None:
    async def work() -> None:
        async with receiving(204) as there:
            host = {"literal": "127.0.0.1", "mapped": "[::ffff:127.0.0.1]"}.get(how, "hook.example")
            names = Names(["127.0.0.1"] if how == "name" else ["8.8.8.8", "127.0.0.1"])
            found = await called(f"https://{host}:{there.port}/", client=names, allow=())
            assert found.code == 0 and "loopback" in found.why
            assert not there.requests
            assert host not in found.why

    run(work())


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    async def work() -> None:
        async with receiving(204) as there:
            names = Names(["127.0.0.1"], ["127.0.0.99"])
            url = f"http://hook.example:{there.port}/"
            assert (await called(url, client=names)).code == 204
            assert names.asked == ["hook.example A", "hook.example AAAA"]
            assert there.requests[0].fields["host"] == f"hook.example:{there.port}"

    run(work())


@pytest.mark.parametrize(
    ("client", "word"),
    [(None, "no resolver"), (Names(), "look-up failed"), (Names([]), "no address"),
     (Names(["nonsense"]), "look-up failed")],
)  # fmt: skip
def test_a_name_that_cannot_be_looked_up_is_no_call(client: Names | None, word: str) -> None:
    async def work() -> None:
        found = await called("https://hook.example/", client=client)
        assert found.code == 0 and word in found.why

    run(work())


def test_plain_http_goes_into_allowed_networks_only() -> None:
    async def work() -> None:
        found = await called("http://hook.example/", client=Names(["8.8.8.8"]))
        assert "plain http" in found.why

    run(work())


def certificates(folder: Path, name: str) -> ssl.SSLContext:
    """A certificate for `name`, signed by itself, in ca.pem."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day).not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(made.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


def test_tls_holds_only_with_a_certificate_that_is_trusted_and_of_that_name(tmp_path: Path) -> None:
    context = certificates(tmp_path, "hook.example")
    trusted = tmp_path / "ca.pem"

    async def one(there: HookReceiver, host: str, **more: Any) -> Answered:
        return await called(f"https://{host}:{there.port}/", client=Names(["127.0.0.1"]), **more)

    async def work() -> None:
        async with receiving(204, tls=context) as there:
            assert await one(there, "hook.example", ca_file=trusted) == Answered(204)
            assert genuine(SECRET, there.requests[0], time.time())
            for host, more in (("hook.example", {}), ("other.example", {"ca_file": trusted})):
                found = await one(there, host, **more)
                assert found.code == 0 and "TLS" in found.why
            assert len(there.requests) == 1

    run(work())
