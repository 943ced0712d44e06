"""What the two MTAs of the sandbox have in common: submission, a queue, delivery, notices.

A queue entry is one message for one site (or for the tenants' own mailboxes). Deliveries reuse a
connection for 60 simulated seconds, one act at a time in the lane (docs/clock.md). Deferred mail is
tried again by the schedule of the world file (RFC 5321 section 4.5.4.1) and bounces at its end;
a notice goes to the reverse-path, never about mail without one (section 6.1). Memory only: these
platforms live and die with the world. Nothing here knows what is spam.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from msgspec import Struct

from unlisted_sandbox import chance
from unlisted_sandbox.clock_lanes import LaneClock
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.notice import notice
from unlisted_sandbox.people import Sender
from unlisted_sandbox.replies import Reply, Said, say
from unlisted_sandbox.smtp_client import Lost, Outcome, SmtpClient, bound_socket
from unlisted_sandbox.smtp_server import Visit
from unlisted_sandbox.world import World

Route = tuple[str, int]

REUSE_S = 60.0
PATIENCE_S = 300.0  # RFC 5321 section 4.5.3.2
NULL = ""


class Message(Struct, frozen=True):
    """An accepted message."""

    number: int
    at: float
    sender: str  # "login:…", "host:…", or empty for what the platform itself sends
    reverse_path: str
    content: bytes


class Entry(Struct):
    """A message's recipients at one route, waiting or under way."""

    message: Message
    route: Route
    recipients: tuple[str, ...]
    attempts: int = 0
    tried: tuple[str, ...] = ()  # addresses that were refused


class Accounts:
    """Who may submit."""

    def __init__(self, senders: Iterable[Sender]) -> None:
        self.passwords = {s.login: (s.password, s.id) for s in senders if s.login is not None}
        self.hosts = {c: s.id for s in senders if s.login is None for c in s.clients}


class Mta:
    """A mail platform. Subclasses say how an address is chosen and what a failure means."""

    def __init__(
        self,
        lane: Lane,
        world: World,
        clock: LaneClock,
        accounts: Accounts,
        routes: dict[str, Route],
    ) -> None:
        self.name = lane.name
        self.lane = lane
        self.world = world
        self.clock = clock
        self.accounts = accounts
        self.routes = routes
        self.host = f"mail.{lane.domain}"
        self.helo = f"out.{lane.domain}"
        self.numbers = 0
        self.waiting = 0  # entries not done with
        self._turn_of_pool = 0
        self._idle: dict[tuple[str, Route], SmtpClient] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """The end of the world."""
        for client in self._idle.values():
            client.abort()
        for task in list(self._tasks):
            task.cancel()

    # As a house of the SMTP server

    def lane_of(self, address: str) -> Lane | None:
        return self.lane

    def visit(self, lane: Lane, address: str) -> Visit:
        return Submitting(self, address)

    async def ask(self, lane: Lane, address: str, name: str) -> None:
        await asyncio.sleep(0)

    def keep(self, lane: Lane, visit: Visit) -> None:
        assert isinstance(visit, Submitting)
        self.accept(visit.sender, visit.reverse_path, tuple(visit.recipients), visit.content)

    # The queue

    def accept(
        self, sender: str, reverse_path: str, recipients: tuple[str, ...], content: bytes
    ) -> None:
        self.numbers += 1
        message = Message(self.numbers, self.clock.now(), sender, reverse_path, content)
        by_route: dict[Route, list[str]] = {}
        for recipient in dict.fromkeys(recipients):
            route = self.routes.get(recipient.rpartition("@")[2].lower())
            if route is not None:
                by_route.setdefault(route, []).append(recipient)
            elif recipient.lower() != self.lane.abuse:
                self.bounce(message, ((recipient, Reply(550, ("5.1.2 no such domain",))),))
        for route, names in by_route.items():
            self.waiting += 1
            self.take(Entry(message, route, tuple(names)))

    def refuses(self, sender: str, content: bytes) -> Reply | None:
        """Whether a submission of this sender is refused at its final dot."""
        return None

    def take(self, entry: Entry) -> None:
        """A new entry; by default it is under way at once."""
        self.start(entry)

    def start(self, entry: Entry) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(entry))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.lane.faults.append(f"{self.name}: {error!r}")

    def choose(self, entry: Entry) -> str:
        """The egress address of the next attempt: the pool in turn."""
        self._turn_of_pool += 1
        return self.lane.pool[self._turn_of_pool % len(self.lane.pool)]

    async def _deliver(self, entry: Entry) -> None:
        async with self.clock.turn():
            address = self.choose(entry)
            outcome = await self._attempt(entry, address)
            self._settle(entry, address, outcome)

    async def _attempt(self, entry: Entry, address: str) -> Outcome | None:
        """None: the connection failed or fell silent."""
        message, key = entry.message, (address, entry.route)
        client = self._idle.pop(key, None)
        if client is not None and client.open:
            with self.clock.hold(client.label):
                return await self._transact(client, key, message, entry.recipients)
        try:
            sock, label = bound_socket(address)
        except OSError as error:
            self.lane.faults.append(f"{self.name}: cannot bind {address}: {error.strerror}")
            return None
        with self.clock.hold(label):
            try:
                async with self.clock.patience(PATIENCE_S):
                    client = await SmtpClient.connect(sock, label, *entry.route)
                    hello = await client.hello(self.helo)
            except (Lost, TimeoutError):
                if client is not None:
                    client.abort()
                return None
            if hello.code >= 400:
                await client.quit()
                return Outcome(hello, None, (), None)
            return await self._transact(client, key, message, entry.recipients)

    async def _transact(
        self,
        client: SmtpClient,
        key: tuple[str, Route],
        message: Message,
        recipients: tuple[str, ...],
    ) -> Outcome | None:
        try:
            async with self.clock.patience(PATIENCE_S):
                outcome = await client.transaction(
                    message.reverse_path, recipients, message.content
                )
        except (Lost, TimeoutError):
            client.abort()
            return None
        before = self._idle.get(key)
        if before is not None and before.open:  # another act opened one while this was parked
            await client.quit()
            return outcome
        self._idle[key] = client
        used = client.used
        self.clock.call_at(self.clock.now() + REUSE_S, lambda: self._reap(key, client, used))
        return outcome

    def _reap(self, key: tuple[str, Route], client: SmtpClient, used: int) -> None:
        """Close what nobody has used since."""
        if self._idle.get(key) is client and client.used == used:
            del self._idle[key]
            task = asyncio.get_running_loop().create_task(self._quit(client))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def _quit(self, client: SmtpClient) -> None:
        with self.clock.hold(client.label):
            await client.quit()

    def _settle(self, entry: Entry, address: str, outcome: Outcome | None) -> None:
        entry.attempts += 1
        permanent: list[tuple[str, Reply]] = []
        again: list[str] = []
        for recipient in entry.recipients:
            reply = Reply(421, ("4.4.2 lost",)) if outcome is None else outcome.of(recipient)
            if 500 <= reply.code < 600:
                permanent.append((recipient, reply))
            elif reply.code >= 400:
                again.append(recipient)
        failed = self.failed(entry, address, tuple(permanent))
        if failed:
            self.bounce(entry.message, failed)
        if again:
            self.later(entry, tuple(again))
        else:
            self.waiting -= 1

    def failed(
        self, entry: Entry, address: str, permanent: tuple[tuple[str, Reply], ...]
    ) -> tuple[tuple[str, Reply], ...]:
        """Those of the permanent failures that bounce now."""
        return permanent

    def later(self, entry: Entry, recipients: tuple[str, ...]) -> None:
        schedule = self.world.retry
        now = self.clock.now()
        if now - entry.message.at >= schedule.give_up_h * 3600:
            expired = Reply(551, ("4.4.7 delivery time expired",))
            self.bounce(entry.message, tuple((r, expired) for r in recipients))
            self.waiting -= 1
            return
        delay_s = schedule.after_s[min(entry.attempts, len(schedule.after_s)) - 1]
        following = Entry(entry.message, entry.route, recipients, entry.attempts, entry.tried)
        self.clock.call_at(now + delay_s, lambda: self.take(following))

    def bounce(self, message: Message, failed: tuple[tuple[str, Reply], ...]) -> None:
        if message.reverse_path == NULL:
            return
        number = chance.digest(
            self.world.seed, "dsn", message.number, *(name for name, _ in failed), size=8
        ).hex()
        content = notice(
            host=self.host,
            domain=self.lane.domain,
            to=message.reverse_path,
            failed=failed,
            original=message.content,
            at=self.clock.now(),
            number=number,
        )
        self.accept("", NULL, (message.reverse_path,), content)


class Submitting:
    """One submission session."""

    logins = True

    def __init__(self, mta: Mta, address: str) -> None:
        self._mta = mta
        self.sender = mta.accounts.hosts.get(address, "")
        self.reverse_path = ""
        self.recipients: list[str] = []
        self.content = b""

    def greeting(self, now: float) -> Said:
        return say(220, f"{self._mta.host} ESMTP")

    def ehlo(self, helo: str, now: float) -> Said:
        return say(250, self._mta.host, "PIPELINING", "8BITMIME", "SIZE 52428800", "AUTH PLAIN")

    def auth(self, login: str, password: str, now: float) -> Said:
        known = self._mta.accounts.passwords.get(login)
        if known is None or known[0] != password:
            return say(535, "5.7.8 Authentication credentials invalid")
        self.sender = known[1]
        return say(235, "2.7.0 Authentication successful")

    def mail(self, reverse_path: str, now: float) -> Said:
        self.reverse_path, self.recipients = reverse_path, []
        return say(250, "2.1.0 Ok")

    def rcpt(self, recipient: str, now: float) -> Said:
        recipient = recipient.strip()
        if not self.sender and recipient.lower() != self._mta.lane.abuse:
            return say(554, f"5.7.1 <{recipient}>: Relay access denied")
        self.recipients.append(recipient)
        return say(250, "2.1.5 Ok")

    def data(self, content: bytes, now: float) -> Said:
        refusal = self._mta.refuses(self.sender, content)
        if refusal is not None:
            return Said(refusal)
        self.content = content
        return Said(Reply(250, ("2.0.0 Ok: queued",)), keep=True)
