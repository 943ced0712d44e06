"""The relay put together: intake, performer, their sockets. Started and stopped by `apps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unlisted.edge import journal
from unlisted.edge.clock import Clock
from unlisted.edge.delivery import Courier
from unlisted.edge.dns_client import DnsClient
from unlisted.edge.dns_prober import DnsProber
from unlisted.edge.intake import Intake
from unlisted.edge.journal import Journal
from unlisted.edge.messengers import Messengers
from unlisted.edge.ndr import Notices
from unlisted.edge.notice_board import Board
from unlisted.edge.people import People, derived
from unlisted.edge.performer import Performer
from unlisted.edge.routes import Routes
from unlisted.edge.runner import Runner
from unlisted.edge.smtp_client import Dial, dial_tcp
from unlisted.edge.smtp_server import Listener, SmtpServer
from unlisted.edge.snapshot import Snapshots
from unlisted.edge.users import RelayHost, Users
from unlisted.edge.webhook import Hook, Webhooks


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that the relay is told. `relay_hosts`: by address or network. `routes`: by domain.

    `resolver` None: nothing is asked of the DNS; `mx` and `lookups` need it. `hooks`, `board`: who is
    told of what happens.
    """

    hostname: str = "localhost"
    listeners: tuple[Listener, ...] = (Listener("127.0.0.1", 2525),)
    users: Users = field(default_factory=Users)
    relay_hosts: Mapping[str, RelayHost] = field(default_factory=dict)
    abuse: tuple[str, ...] = ()
    local_domains: tuple[str, ...] = ()
    size_limit: int = 25 << 20
    routes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    resolver: tuple[str, int] | None = None
    mx: bool = False
    lookups: bool = False
    link: str = ""
    hooks: tuple[Hook, ...] = ()
    board: Board | None = None


def open_runner(
    state: Path, secret: bytes, *, snapshots: bool = True, every: int | None = None
) -> Runner:
    """The journal of a state folder, its states from the newest snapshot on. `every`: inputs after
    which a snapshot is made while running; None: at a stop only. Raises JournalError."""
    opened = Journal(state / journal.FILE, secret)
    key = derived(secret, "draw")
    return Runner(opened, key, Snapshots(opened, key, every) if snapshots else None)


class Service:
    """One relay on one journal."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        runner: Runner,
        secret: bytes,
        *,
        dial: Dial = dial_tcp,
        client: DnsClient | None = None,
    ) -> None:
        """`client`: another than the settings' resolver gives."""
        self.settings = settings
        self.runner = runner
        self.clock = clock
        self.people = People(secret)
        trace_key = derived(secret, "trace")
        if client is None and settings.resolver is not None:
            client = DnsClient(*settings.resolver)
        self.routes = Routes(settings.routes, clock, client if settings.mx else None)
        courier = Courier(
            clock,
            runner.journal,
            self.people,
            self.routes,
            hostname=settings.hostname,
            trace_key=trace_key,
            dial=dial,
        )
        notices = Notices(
            runner.journal,
            hostname=settings.hostname,
            postmaster=f"postmaster@{settings.hostname}",
            base=settings.link,
            key=derived(secret, "link"),
        )
        prober = DnsProber(clock, client if settings.lookups else None)
        webhooks = Webhooks(settings.hooks, clock, client, link=settings.link, dial=dial)
        messengers = Messengers(clock, webhooks, settings.board)
        self.performer = Performer(runner, clock, self.routes, courier, prober, notices, messengers)
        self.intake = Intake(runner, clock, self.people, trace_key=trace_key, abuse=settings.abuse)
        self.server = SmtpServer(
            self.intake,
            self.people,
            hostname=settings.hostname,
            users=settings.users,
            relay_hosts=settings.relay_hosts,
            local_domains=settings.local_domains,
            size_limit=settings.size_limit,
            routable=self.routes.routable,
            busy=self.performer.is_full,
        )

    async def start(self) -> list[tuple[str, int]]:
        """Listen, then take up what was left. The addresses in use. Raises OSError."""
        addresses = [await self.server.listen(one) for one in self.settings.listeners]
        self.performer.start()
        return addresses

    async def stop(self) -> None:
        """No new mail, acts under way ended, connections closed. The journal stays open."""
        # Time stands: a timer that fired now would be half followed, and differently each time.
        with self.clock.hold("stop"):
            await self.server.stop()
            await self.performer.stop()
