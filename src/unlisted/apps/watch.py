"""`unlisted watch LOG…`: episodes and incidents of a site whose mail another MTA sends.

Reads the logs as they are written, across rotation and restarts, and says what follows, a fact a
paragraph; with `--json` a line of JSON each. `--once`: to the end of the files, then the sum.
Nothing is sent, held or changed; lists are asked only when the configuration says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Iterable

import msgspec

from unlisted.apps import settings
from unlisted.apps.classify import networks
from unlisted.apps.terminal import complain, escaped
from unlisted.apps.watch_words import Words
from unlisted.apps.watching import Station, WatchError, feeds_of, silence
from unlisted.commands import Probe
from unlisted.config import Config, pools
from unlisted.edge.clock import Clock, SimSeconds, WallClock
from unlisted.edge.dns_client import DnsClient
from unlisted.edge.dns_prober import DnsProber
from unlisted.edge.log_facts import Told
from unlisted.edge.log_feed import Feed
from unlisted.edge.people import People
from unlisted.edge.service import open_runner
from unlisted.edge.snapshot import EVERY
from unlisted.facts import Configured, Fact, FeedHeard, FeedSilent, Pool, encode
from unlisted.loop._fixpoint import Followed

POLL_S = SimSeconds(1.0)
OK, USAGE = 0, 2


def watch(args: argparse.Namespace) -> int:
    """The verb."""
    from unlisted.apps.serve import site_secret

    ours = networks(args.ours)
    found = settings.load(args.config, args.state)
    logs = [*args.log, *(found.beside(name) for name in found.config.watch.logs if not args.log)]
    if not logs:
        complain("unlisted watch: no log given, and none in [watch] logs")
        return USAGE
    missing = [str(path) for path in logs if not path.is_file()]
    if missing and (args.once or not any(path.parent.is_dir() for path in logs)):
        complain(f"unlisted watch: {missing[0]}: there is no such file")
        return USAGE
    found.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = site_secret(found)
    runner = open_runner(found.state, secret, every=EVERY)
    words = Words(runner)
    feeds: list[Feed] = []
    say = _json if args.json else words.say
    try:
        station = Station(runner, say)
        single = [str(one.network_address) for one in ours if one.num_addresses == 1]
        config = watched(found.config, single, station)
        kept = args.history or found.config.watch.history
        history = (found.state / "history", secret) if kept else None
        feeds = feeds_of(logs, found.config, People(secret), time.time, ours, history)
        for feed in feeds:
            feed.restore(runner.journal.kept, time.time())
            feed.survey(time.time())
        if args.once:
            once(station, feeds, config)
            runner.snapshot()
            if not args.json:
                words.sum(feeds)
            return unread(feeds)
        names = ", ".join(feed.name for feed in feeds)
        complain(f"watching {names}; state in {found.state}; Ctrl-C ends it, nothing is lost")
        asyncio.run(_Live(station, feeds, config, WallClock()).run())
        runner.snapshot()
        return OK
    except WatchError as exc:
        complain(f"unlisted watch: {exc}")
        return USAGE
    finally:
        for feed in feeds:
            feed.close()
        runner.journal.close()


def unread(feeds: list[Feed]) -> int:
    """The exit code of one look: whether anything could be read."""
    bad = [feed for feed in feeds if feed.unreadable]
    for feed in bad:
        complain(f"unlisted watch: {feed.name}: not read: it is no mail log of a known format")
    if len(bad) < len(feeds):
        return OK
    complain("unlisted watch: no log could be read")
    return USAGE


def watched(made: Config, ours: Iterable[str], station: Station) -> Config:
    """The configuration with all its pools watched: this process sends nothing. What an earlier
    run learned of addresses stays."""
    rows = [msgspec.structs.replace(pool, watched=True) for pool in made.pools]
    known = {address for pool in rows for address in pool.addresses}
    earlier = station.runner.states.accept.config
    learned = [
        address
        for pool in (earlier.pools if earlier else ())
        if pool.name == "watched"
        for address in pool.addresses
    ]
    more = [one for one in (*learned, *made.watch.addresses.values(), *ours) if one not in known]
    if more:
        name = made.hostname
        addresses = tuple(dict.fromkeys(more))
        rows.append(Pool(name="watched", addresses=addresses, helo=name, watched=True))
    return msgspec.structs.replace(made, pools=tuple(rows))


def configured(made: Config, at: float, *, lookups: bool) -> Configured:
    """What the stations are told."""
    rows = pools(made) if made.pools else ()
    return Configured(
        at=at,
        hostname=made.hostname,
        pools=rows,
        lists=made.lists,
        lookups=lookups and made.dns.lists,
        policy=made.policy,
    )


def once(station: Station, feeds: list[Feed], made: Config) -> None:
    """Read everything there is; lists are not asked: their word of today is none about then."""
    begun = False
    waiting = list(feeds)
    while waiting:
        # The log that is furthest behind comes next, so that their facts keep their order.
        feed = min(waiting, key=lambda one: one.last_at or 0.0)
        told = feed.poll(time.time())
        ended = not told and feed.tail.at_end()
        if ended:
            waiting.remove(feed)
            told = feed.finish()
        if told and not begun:
            begun = True
            station.configure(configured(made, told[0].fact.at, lookups=False))
        if told or ended:
            _kept(station, feed, told, time.time(), whole=ended)


def _kept(station: Station, feed: Feed, told: list[Told], now: float, *, whole: bool) -> None:
    station.tell(told)
    feed.keep(station.runner.keep, now, whole=whole)
    station.commit()


class _Live:
    """Following, until a signal."""

    def __init__(self, station: Station, feeds: list[Feed], made: Config, clock: Clock) -> None:
        self.station = station
        self.feeds = feeds
        self.made = made
        self.clock = clock
        resolver = made.dns.resolver
        client = None
        if resolver is not None and made.dns.lists:
            host, _, port = resolver.rpartition(":")
            client = DnsClient(host.strip("[]"), int(port))
        self.prober = DnsProber(clock, client)
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, stopping.set)
        begun = False
        while not stopping.is_set():
            busy = False
            for feed in sorted(self.feeds, key=lambda one: one.last_at or 0.0):
                told = feed.poll(self.clock.now())
                if told and not begun:
                    begun = True
                    at = told[0].fact.at
                    self.station.configure(configured(self.made, at, lookups=True))
                more = bool(told) or not feed.tail.at_end()
                busy |= more
                if told:
                    _kept(self.station, feed, told, self.clock.now(), whole=False)
                elif not more and begun:
                    self._quiet(feed)
            if not busy:
                if begun:
                    self.station.advance(self.clock.now())
                    self.station.commit()
                    self._ask()
                await self.clock.sleep(POLL_S)
            else:
                await asyncio.sleep(0)
        for task in self.tasks:
            task.cancel()

    def _quiet(self, feed: Feed) -> None:
        now = self.clock.now()
        silent = feed.name in self.station.runner.states.verify.silent
        told = [*feed.idle(now), *silence(feed, silent, now)]
        if told:
            _kept(self.station, feed, told, now, whole=True)

    def _ask(self) -> None:
        commands, self.station.commands = self.station.commands, []
        for command in commands:
            if isinstance(command, Probe):
                task = asyncio.ensure_future(self._probe(command))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def _probe(self, command: Probe) -> None:
        with self.clock.hold("probe") as hold:
            fact = await self.prober.answered(command, hold)
            self.station.tell([Told(fact, {})])
            self.station.commit()


def _json(n: int, cause: Fact, followed: Followed) -> None:
    """Derived facts, and what was seen of the feeds themselves."""
    facts = [(number, fact) for number, fact, _ in followed.facts]
    if isinstance(cause, FeedSilent | FeedHeard):
        facts.insert(0, (n, cause))
    for number, fact in facts:
        body = json.loads(encode(fact))
        print(escaped(json.dumps({"n": number, **body}, ensure_ascii=False)), flush=True)
