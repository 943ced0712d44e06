"""`unlisted serve`: the whole service in one process and one event loop.

Builds clock, journal, runner, relay and the two faces; says it is ready in STATE/ready.json when
every listener answers; ends on SIGTERM or SIGINT after what is in hand, within 5 seconds.
Exit codes: 0 stopped as asked, 1 it could not start or go on (one sentence says why), 2 the
configuration is wrong (every problem is named).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
import secrets
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from unlisted import config
from unlisted.apps.settings import Settings, read_history
from unlisted.apps.telling import NOBODY, Telling, read_telling
from unlisted.apps.terminal import complain
from unlisted.config_file import ConfigError, Problem
from unlisted.config_rules import endpoint, route_target
from unlisted.edge import pattern_cache
from unlisted.edge.clock import Clock, ClockError, WallClock, new_event_loop, open_clock
from unlisted.edge.files import write_whole
from unlisted.edge.http import MAX_BODY, HttpServer
from unlisted.edge.journal import Journal, JournalError
from unlisted.edge.people import People, SecretError, derived, load_secret, parse_secret
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.routes import receivers
from unlisted.edge.runner import Runner
from unlisted.edge.service import Service, open_runner
from unlisted.edge.service import Settings as RelaySettings
from unlisted.edge.smtp_server import Listener
from unlisted.edge.snapshot import EVERY
from unlisted.edge.staff import Staff
from unlisted.edge.users import RelayHost, Users, UsersError, read_users
from unlisted.facts import (
    Configured,
    Fact,
    FactError,
    Observed,
    RecordImported,
    SenderHistory,
    decode,
)
from unlisted.health.record import Record

log = logging.getLogger("unlisted.serve")

CLOCK_NAME = "unlisted"
STOP_S = 5.0
MAX_UPLOAD = 6 << 20  # a published page of 4 MB in base64
_RECORD_ID = re.compile(r"[A-Za-z0-9-]{1,40}")


class StartError(Exception):
    """Why the service cannot start, in a sentence."""


def serve(settings: Settings, *, snapshots: bool = True) -> int:
    """Run until told to stop; the exit code. Not `snapshots`: the whole journal is followed, and
    no snapshot of the states is made."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    log.setLevel(logging.INFO)
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = site_secret(settings)
        clock = open_clock(settings.config.clock, CLOCK_NAME)
    except (ClockError, SecretError, OSError) as exc:
        return _failed(exc)
    pattern_cache.ready()
    loop = new_event_loop(clock)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_Platform(settings, clock, secret).run(snapshots))
    except ConfigError as exc:
        complain(str(exc))
        return 2
    except (StartError, JournalError, FactError, ClockError, OSError) as exc:
        return _failed(exc)
    finally:
        loop.close()


def site_secret(settings: Settings) -> bytes:
    """The configured secret, else the one in the state folder, made on the first start."""
    if settings.config.secret:
        return parse_secret(settings.config.secret)
    return load_secret(settings.secret)


def _failed(exc: Exception) -> int:
    complain(f"unlisted serve: {exc}")
    return 1


class _Platform:
    """Everything of one service, wired."""

    def __init__(self, settings: Settings, clock: Clock, secret: bytes) -> None:
        self.settings = settings
        self.config = settings.config
        self.clock = clock
        self.secret = secret
        self.stopping = asyncio.Event()

    async def run(self, snapshots: bool) -> int:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self.stopping.set)
        told = read_telling(self.settings, self.secret)
        relay = replace(relay_settings(self.settings), hooks=told.hooks, board=told.board)
        # Under another process's clock none while running: the time it takes is nobody's there.
        every = EVERY if isinstance(self.clock, WallClock) else None
        runner = open_runner(self.settings.state, self.secret, snapshots=snapshots, every=every)
        try:
            # Only now: with the journal's lock a file of this name can be nobody else's.
            self.settings.ready.unlink(missing_ok=True)
            code = await self._run(runner, relay, told)
            runner.snapshot()
            return code
        finally:
            self.settings.ready.unlink(missing_ok=True)
            runner.journal.close()

    async def _run(self, runner: Runner, relay: RelaySettings, told: Telling) -> int:
        from unlisted.apps.letters import Letters
        from unlisted.apps.operator import Operator, acted
        from unlisted.apps.posting import Posting
        from unlisted.apps.public import Public
        from unlisted.apps.resending import Resending

        clock = self.clock
        service = Service(relay, clock, runner, self.secret)
        with clock.hold("start"):
            await record_configured(runner, self.config, clock.now(), told)
            await self._import_history(runner)

        async def audit(fact: Observed) -> None:
            with clock.hold("act"):
                await runner.record(fact)

        async def act(actor: str, what: str, target: str, reason: str, role: str) -> None:
            await audit(acted(clock.now(), actor, what, target, reason, role))

        model = ReadModel(self.settings.journal, live=True)
        model.newest = lambda: runner.journal.committed
        token = make_token(self.settings.token)
        name = self.config.hostname
        public_url = self.config.http.public_url

        async def report(content: bytes) -> str:
            with clock.hold("act"):
                return await service.intake.report("", content)

        async def publish(page: bytes, actor: str, zone: int | None) -> Record:
            with clock.hold("act"):
                fact, record = imported(page, actor, zone, clock.now())
                await runner.record(fact)
            return record

        resends = Resending(runner, clock)
        letters = Letters(runner, clock, derived(self.secret, "link"))
        operator = Operator(
            model,
            token,
            act,
            clock.now,
            name=name,
            public_url=public_url,
            publish=publish,
            report=report,
            poster=Posting(runner, clock),
            staff=Staff(self.settings.people),
            audit=audit,
            resends=resends,
        )
        faces = [
            _server(
                Public(
                    model,
                    name,
                    clock.now,
                    url=public_url,
                    tokens=self._graph_tokens(),
                    writable=runner.journal.writable,
                    letters=letters,
                ).app,
                self.config.http.public,
            ),
            _server(operator.app, self.config.http.operator, MAX_UPLOAD),
        ]
        started = False
        try:
            public, private = [_url(await face.start()) for face in faces]
            operator.base = private
            operator.public_url = public_url or public
            smtp = await service.start()
            started = True
            self._say(smtp, public, private)
            watching = self._watching(runner)
            await self.stopping.wait()
            await watching
        finally:
            self.settings.ready.unlink(missing_ok=True)
            if started:
                await _bounded(service.stop(), "connections")
            for face in faces:
                await face.stop(STOP_S)
            await operator.signing.close()
            model.close()
        log.info("stopped")
        return 0

    def _graph_tokens(self) -> tuple[str, ...]:
        name = self.config.http.graph_tokens
        if not name:
            return ()
        lines = self.settings.beside(name).read_text("ascii", errors="replace").split()
        tokens = tuple(line.lower() for line in lines if re.fullmatch(r"[0-9A-Fa-f]{64}", line))
        if not tokens:
            raise StartError(f"{name}: expected the SHA-256 of a token in hex on each line")
        return tokens

    def _watching(self, runner: Runner) -> asyncio.Task[None]:
        """Follow the logs of another MTA, if some are named, until told to stop."""
        logs = [self.settings.beside(name) for name in self.config.watch.logs]
        if not logs:
            return asyncio.ensure_future(_nothing())
        # Only here: the readers of logs cost more than the rest of the start.
        from unlisted.apps.watching import feeds_of, follow

        people = People(self.secret)
        folder = self.settings.state / "history"
        history = (folder, self.secret) if self.config.watch.history else None
        make = partial(feeds_of, logs, self.config, people, self.clock.now, (), history)
        return asyncio.ensure_future(follow(make, runner, self.clock, self.stopping))

    async def _import_history(self, runner: Runner) -> None:
        name = self.config.history.import_
        if not name or has_kind(runner.journal, "SenderHistory"):
            return
        people = People(self.secret)
        count = await record_histories(
            runner, people, read_history(self.settings.beside(name)), self.clock.now()
        )
        log.info("history of %d senders imported from %s", count, name)

    def _say(self, smtp: list[tuple[str, int]], public: str, operator: str) -> None:
        """To people on standard error, to programs in ready.json, both at once."""
        for remark in config.remarks(self.config):
            log.warning("%s", remark)
        shown = [_at(one) for one in smtp]
        count = len(self.config.smtp.listen)
        shown, reports = shown[:count], shown[count:]
        log.info(
            "mail on %s; public page %s; operator's page %s", ", ".join(shown), public, operator
        )
        log.info(
            "state in %s; to sign in on the operator's page: unlisted operator link",
            self.settings.state,
        )
        ready: dict[str, object] = {"reports": reports} if reports else {}
        ready |= {"smtp": shown, "public": public, "operator": operator, "pid": os.getpid()}
        write_whole(self.settings.ready, json.dumps(ready) + "\n", 0o644)


async def _nothing() -> None:
    return None


def _server(app: object, where: str, max_body: int = MAX_BODY) -> HttpServer:
    found = endpoint(where)
    assert found is not None  # config_rules refused everything else
    return HttpServer(app, *found, max_body)


def imported(page: bytes, actor: str, zone: int | None, at: float) -> tuple[RecordImported, Record]:
    """The fact of a published page, and its record. Raises ValueError with what was expected."""
    from unlisted.health.importer import read_record

    record = read_record(page, offset_min=zone)
    if record.id is None or not _RECORD_ID.fullmatch(record.id):
        raise ValueError("expected an incident ID of letters, digits and dashes")
    text = msgspec.json.encode(record).decode()
    digest = hashlib.sha256(page).hexdigest()
    return RecordImported(at=at, id=record.id, record=text, digest=digest, actor=actor), record


async def _bounded(stopping: object, what: str) -> None:
    # Real seconds: under another process's clock simulated time may stand for good by now.
    task = asyncio.ensure_future(stopping)  # type: ignore[call-overload]
    done, _ = await asyncio.wait([task], timeout=STOP_S)
    if not done:
        log.warning("%s still open after %g s; left to the next start", what, STOP_S)
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


def _at(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(address: tuple[str, int]) -> str:
    return f"http://{_at(address)}"


def relay_settings(settings: Settings) -> RelaySettings:
    """What the relay is told. Raises ConfigError when the users file has bad lines."""
    made = settings.config
    users = Users()
    if made.smtp.users:
        try:
            users = read_users(settings.beside(made.smtp.users))
        except UsersError as exc:
            raise ConfigError(
                str(settings.file), [Problem(0, "smtp.users", text) for text in exc.problems]
            ) from None
    return RelaySettings(
        hostname=made.hostname,
        listeners=tuple(
            Listener(*found, reports=one in made.smtp.reports)
            for one in (*made.smtp.listen, *made.smtp.reports)
            if (found := endpoint(one)) is not None
        ),
        users=users,
        relay_hosts={
            one.address: RelayHost(name=one.name, tenant=one.tenant)
            for one in made.smtp.relay_hosts
        },
        abuse=made.smtp.abuse,
        local_domains=made.smtp.local_domains,
        size_limit=made.smtp.size_limit,
        routes=static_routes(made),
        resolver=endpoint(made.dns.resolver) if made.dns.resolver else None,
        mx=made.dns.mx,
        lookups=made.dns.lists,
        link=made.http.public_url,
    )


def static_routes(made: config.Config) -> dict[str, tuple[str, int]]:
    """The routes of the file, parsed."""
    return {
        domain: found
        for domain, target in made.routes.items()
        if (found := route_target(target)) is not None
    }


def configured(made: config.Config, at: float, told: Telling = NOBODY) -> Configured:
    """The fact that the stations know this configuration by."""
    return Configured(
        at=at,
        hostname=made.hostname,
        pools=config.pools(made),
        lists=made.lists,
        lookups=made.dns.lists,
        local_domains=made.smtp.local_domains,
        receivers=receivers(static_routes(made)),
        policy=made.policy,
        webhooks=told.subscriptions,
        notices=told.notices,
    )


async def record_configured(
    runner: Runner, made: config.Config, at: float, told: Telling = NOBODY
) -> bool:
    """Record Configured unless the last one says the same; whether it was recorded."""
    fact = configured(made, at, told)
    last = last_of_kind(runner.journal, "Configured")
    if last is not None and msgspec.structs.replace(fact, at=last.at) == last:
        return False
    await runner.record(fact)
    return True


async def record_histories(
    runner: Runner, people: People, histories: list[SenderHistory], at: float
) -> int:
    """Record them in one transaction, names replaced by keyed hashes; how many."""
    future = None
    for one in histories:
        kind, _, name = one.sender.partition(":")
        sender = people.login(name) if kind == "login" else people.host(name)
        fact = msgspec.structs.replace(
            one,
            at=at,
            sender=sender,
            correspondents=tuple(sorted(people.person(address) for address in one.correspondents)),
        )
        future = runner.record(fact, personal={sender: one.sender})
    if future is not None:
        await future
    return len(histories)


def has_kind(journal: Journal, kind: str) -> bool:
    """Whether the journal holds a fact of this kind."""
    return (
        journal.database.execute("select 1 from fact where kind=? limit 1", (kind,)).fetchone()
        is not None
    )


def last_of_kind(journal: Journal, kind: str) -> Fact | None:
    """The newest fact of a kind."""
    row = journal.database.execute(
        "select body from fact where kind=? order by n desc limit 1", (kind,)
    ).fetchone()
    return decode(kind, row[0]) if row else None


def make_token(path: Path) -> str:
    """The operator's token: made anew when there is none; only its owner may read it."""
    if path.exists():
        if path.stat().st_mode & 0o077:
            raise StartError(f"{path}: others may read it; expected mode 0600")
        token = path.read_text("ascii", errors="replace").strip()
        if len(token) >= 32:
            return token
    token = secrets.token_urlsafe(32)
    write_whole(path, token + "\n", 0o600)
    return token
