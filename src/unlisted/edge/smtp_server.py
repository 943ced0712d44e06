"""Where mail comes in: SMTP submission and relay (RFC 5321, 6409, 4954) by aiosmtpd.

aiosmtpd speaks the protocol, this module decides who may say what: logins, hosts known by their
address, and for abuse and local mailboxes anybody (local ones: on loopback only). Bounded in line,
message, recipients, sessions and bogus commands. A password is asked for without TLS on loopback
only. Refuses everything else with a reply, never with a traceback; an interrupted DATA leaves
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re
import ssl
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from unlisted.edge.clock import RealSeconds
from unlisted.edge.intake import Intake, Submitter
from unlisted.edge.people import People
from unlisted.edge.users import RelayHost, User, Users
from unlisted.mail.envelope import AddressError, parse_address, parse_reverse_path

log = logging.getLogger("unlisted.smtp")
# It logs every line it reads, addresses included, and warns of its own deprecations.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

MAX_RECIPIENTS = 100
MAX_SESSIONS = 1000
MAX_LOGIN_TRIES = 5
IDLE_S = RealSeconds(300.0)  # RFC 5321 section 4.5.3.2.7
SLACK_BYTES = 1 << 20
CLOSING_TURNS = 100  # of the event loop, for aborted sessions to be gone
LOCAL_ERROR = "451 4.3.0 Local error, try again later"

# An ordinary path and its parameters: what aiosmtpd's address parser, made for headers, says too.
_WORD = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_PLAIN_PATH = re.compile(rf"<({_WORD}(?:\.{_WORD})*@{_WORD}(?:\.{_WORD})*)>[ \t]*([A-Za-z0-9= ]*)")
_PRINTABLE = bytes(ord("?") if c < 32 or c == 127 else c for c in range(256))

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Listener(msgspec.Struct, frozen=True):
    """One address to listen at. With a certificate STARTTLS is offered. `reports`: LMTP (RFC 2033)
    for what a mail system hands over of its abuse, feedback and bounce mailboxes."""

    host: str
    port: int
    certificate: Path | None = None
    private_key: Path | None = None
    reports: bool = False


class SmtpServer:
    """All listeners of one service."""

    def __init__(
        self,
        intake: Intake,
        people: People,
        *,
        hostname: str,
        users: Users,
        relay_hosts: Mapping[str, RelayHost],
        local_domains: Sequence[str] = (),
        size_limit: int = 25 << 20,
        routable: Callable[[str], bool] = lambda _: True,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.intake = intake
        self.people = people
        self.hostname = hostname
        self.users = users
        self.size_limit = size_limit
        self.routable = routable
        self.busy = busy
        self.local_domains = frozenset(domain.lower() for domain in local_domains)
        self.sessions: set[_Protocol] = set()
        self._relays: list[tuple[Network, RelayHost]] = [
            (ipaddress.ip_network(address, strict=False), host)
            for address, host in relay_hosts.items()
        ]
        # The narrowest network that holds a peer names it.
        self._relays.sort(key=lambda entry: -entry[0].prefixlen)
        self._servers: list[asyncio.Server] = []

    def session(
        self, context: ssl.SSLContext | None = None, *, loopback: bool = True
    ) -> asyncio.Protocol:
        """One session, for whoever brings its transport."""
        return _Protocol(self, context, loopback)

    async def listen(self, listener: Listener) -> tuple[str, int]:
        """Take connections; the address and port in use (port 0: any free one)."""
        context = None
        if listener.certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(listener.certificate, listener.private_key)
        loopback = ipaddress.ip_address(listener.host).is_loopback

        def session() -> asyncio.Protocol:
            if listener.reports:
                return _Reports(self, context, loopback)
            return self.session(context, loopback=loopback)

        server = await asyncio.get_running_loop().create_server(
            session,
            listener.host,
            listener.port,
            backlog=512,
        )
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """No new sessions; open ones end. What is being recorded is recorded."""
        for server in self._servers:
            server.close()
        for session in list(self.sessions):
            session.end()
        for _ in range(CLOSING_TURNS):
            if not self.sessions:
                break
            await asyncio.sleep(0)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def relay_host(self, peer: str) -> RelayHost | None:
        """The host that may submit from this address."""
        address = ipaddress.ip_address(peer.partition("%")[0])
        for network, host in self._relays:
            if address in network:
                return host
        return None


class _Protocol(SMTP):
    """One session: aiosmtpd's, with bounds that it lacks."""

    def __init__(self, house: SmtpServer, context: ssl.SSLContext | None, loopback: bool) -> None:
        self._house = house
        self._left: int | None = None
        super().__init__(
            self.handler_of(house),
            data_size_limit=house.size_limit,
            enable_SMTPUTF8=True,
            hostname=house.hostname,
            ident="ESMTP",
            tls_context=context,
            timeout=IDLE_S,
            # Without users there is nothing to log in to: then no AUTH is offered at all.
            auth_require_tls=not (loopback and len(house.users)),
            authenticator=_authenticate,
            command_call_limit={"AUTH": MAX_LOGIN_TRIES, "*": 1 << 30},
            loop=asyncio.get_running_loop(),
        )

    @staticmethod
    def handler_of(house: SmtpServer) -> _Handler:
        """Who answers in this session."""
        return _Handler(house)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._house.sessions) >= MAX_SESSIONS:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"421 4.3.2 Too many sessions, try again later\r\n")
            transport.close()
            # aiosmtpd's connection_lost expects a session and its handler.
            self.connection_lost = lambda error: None  # type: ignore[method-assign]
            self.eof_received = lambda: False  # type: ignore[method-assign]
            self.data_received = lambda data: None  # type: ignore[method-assign]
            return
        self._house.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._house.sessions.discard(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        # aiosmtpd keeps the pieces of a line without end although it will refuse the message.
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                self.end()
                return
        super().data_received(data)

    def __dir__(self) -> Iterable[str]:
        return _found_by_name(cast(Hashable, type(self)))

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        plain = _PLAIN_PATH.fullmatch(arg) if arg else None
        return super()._getaddr(arg) if plain is None else (plain[1], plain[2])

    async def push(self, status: str | bytes) -> None:
        # It quotes unknown commands as they came: a bare CR in them would be a line of its own to
        # some client.
        text = status if isinstance(status, bytes) else status.encode("utf-8", "replace")
        await super().push(text.translate(_PRINTABLE))

    async def smtp_DATA(self, arg: str) -> None:
        self._left = self._house.size_limit + SLACK_BYTES
        try:
            await super().smtp_DATA(arg)
        finally:
            self._left = None

    async def _handle_client(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client went away: nobody to tell
            await super()._handle_client()

    def _timeout_cb(self) -> None:
        # aiosmtpd would close and so wait, for ever, for a client that does not read.
        if isinstance(self.transport, asyncio.Transport):
            self.transport.write(b"421 4.4.2 Idle too long\r\n")
        self.end()

    def end(self) -> None:
        """Close now. The handler's own clean-up follows in connection_lost."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class _Reports(_Protocol):
    """LMTP: LHLO for EHLO (RFC 2033 section 4.1), one recipient a transaction, so that the one
    reply to the dot is the one reply per recipient of section 4.2. No login, no relaying."""

    @staticmethod
    def handler_of(house: SmtpServer) -> _Handler:
        return _ReportHandler(house)

    async def smtp_LHLO(self, arg: str) -> None:
        await super().smtp_EHLO(arg)

    async def smtp_EHLO(self, arg: str) -> None:
        await self.push("500 5.5.1 LMTP is spoken here, say LHLO")

    async def smtp_HELO(self, arg: str) -> None:
        await self.smtp_EHLO(arg)


class _Handler:
    """aiosmtpd's hooks: each gives the reply. `Session.auth_data` is our Submitter."""

    def __init__(self, house: SmtpServer) -> None:
        self.house = house

    def __dir__(self) -> Iterable[str]:
        return _found_by_name(cast(Hashable, type(self)))

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, name: str, replies: list[str]
    ) -> list[str]:
        session.host_name = name
        return [*replies[:-1], "250-PIPELINING", replies[-1]]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.house.busy():
            return "451 4.3.1 Too much mail in hand, try again later"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 A non-ASCII address needs SMTPUTF8"
        try:
            parse_reverse_path(address)
        except AddressError:
            return "553 5.1.7 Malformed reverse-path"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        house = self.house
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 A non-ASCII address needs SMTPUTF8"
        try:
            recipient = parse_address(address)
        except AddressError:
            return "553 5.1.3 Malformed address"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        if not house.intake.is_abuse(str(recipient)):
            ours = recipient.domain in house.local_domains and _is_loopback(session)
            if not ours and self._submitter(session) is None:
                return "550 5.7.1 Relaying denied, log in first"
            if not house.routable(recipient.domain):
                return "550 5.4.4 No route to that domain"
        envelope.rcpt_tos.append(str(recipient))
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content
        reverse_path = parse_reverse_path(envelope.mail_from or "")
        submitter = self._submitter(session)
        if submitter is None:
            peer = _peer(session)
            submitter = Submitter(self.house.people.host(f"unknown {peer}"), "", "unknown", peer)
        return await self.house.intake.take(
            submitter,
            "" if reverse_path is None else str(reverse_path),
            envelope.rcpt_tos,
            content or b"",
        )

    async def handle_exception(self, error: Exception) -> str:
        log.error("session: %s", type(error).__name__, exc_info=error)
        return LOCAL_ERROR

    def _submitter(self, session: Session) -> Submitter | None:
        if session.authenticated:
            user = session.auth_data
            assert isinstance(user, User)
            sender = self.house.people.login(user.login)
            return Submitter(sender, user.tenant, "login", user.login)
        host = self.house.relay_host(_peer(session))
        if host is None:
            return None
        return Submitter(self.house.people.host(host.name), host.tenant, "host", host.name)


class _ReportHandler(_Handler):
    """Whatever the mailbox: the mail is a report, or it is refused."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient a transaction"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reverse_path = parse_reverse_path(envelope.mail_from or "")
        sender = "" if reverse_path is None else str(reverse_path)
        return await self.house.intake.report(sender, envelope.original_content or b"")


@lru_cache(maxsize=16)
def _found_by_name(kind: Hashable) -> tuple[str, ...]:
    """What aiosmtpd looks for by its name. It looks through `dir` of session and handler four
    times a session, which took longer than all their commands."""
    kinds = ("auth_", "handle_", "smtp_")
    return tuple(n for n in dir(kind) if n.startswith(kinds) and callable(getattr(kind, n)))


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    user = None
    assert isinstance(server, _Protocol)
    with contextlib.suppress(UnicodeDecodeError):
        user = server._house.users.verify(data.login.decode("utf-8"), data.password)
    if user is None:
        return AuthResult(success=False, handled=False)
    return AuthResult(success=True, auth_data=user)


def _peer(session: Session) -> str:
    return str(session.peer[0]) if session.peer else "0.0.0.0"


def _is_loopback(session: Session) -> bool:
    return ipaddress.ip_address(_peer(session).partition("%")[0]).is_loopback
