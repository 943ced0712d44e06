"""The watch's wiring: feeds of the configured logs, and the station that hears them.

`Station` steps the stations at the log's own pace: timers come due in the order of the facts,
wherever the clock on the wall stands, so that a day's backlog gives what living through it would
have given. `follow` is the same inside `unlisted serve`, on the service's runner.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network
from pathlib import Path

import msgspec

from unlisted.commands import CancelTimer, Command, SetTimer
from unlisted.config import Config
from unlisted.config_rules import is_ip
from unlisted.edge.clock import Clock, SimSeconds
from unlisted.edge.journal import JournalError
from unlisted.edge.log_addresses import Addresses
from unlisted.edge.log_facts import Told
from unlisted.edge.log_feed import Feed
from unlisted.edge.log_history import LogHistory
from unlisted.edge.log_plain import LineParser
from unlisted.edge.log_reader import LogError, zone_of
from unlisted.edge.people import People
from unlisted.edge.runner import Quarantined, Runner
from unlisted.facts import Configured, Fact, FeedHeard, FeedSilent, Pool, TimerFired
from unlisted.logs.exim import EximParser
from unlisted.logs.kumomta import KumoParser
from unlisted.logs.postfix import OPEN_LIMIT, PostfixParser
from unlisted.logs.stamp import Calendar
from unlisted.logs.tally import Tally
from unlisted.loop._fixpoint import Followed
from unlisted.mail.attempt import Format
from unlisted.replies.addresses import Network

log = logging.getLogger("unlisted.watch")

POLL_S = SimSeconds(1.0)
DISCOVERED = 256  # addresses or transports learned from the log, beside the configured ones


class WatchError(Exception):
    """Why a log cannot be watched, in a sentence."""


def feeds_of(
    logs: Sequence[Path],
    config: Config,
    people: People,
    clock_now: Callable[[], float],
    more: Sequence[Network] = (),
    history: tuple[Path, bytes] | None = None,
) -> list[Feed]:
    """A feed for each log; `more`: networks of ours beside the pools'; `history`: folder and key
    of the history that they feed. Raises WatchError."""
    try:
        zone = zone_of(config.watch.zone or None)
    except LogError as exc:
        raise WatchError(f"watch.zone: {exc}") from None
    watched = [pool for pool in config.pools if pool.watched] or config.pools
    said = [one for pool in watched for one in pool.addresses if is_ip(one)]
    ours = tuple(dict.fromkeys([*map(ip_network, said), *more]))

    def make(format: Format) -> tuple[LineParser, Calendar]:
        now = clock_now()
        calendar = Calendar(zone, now, now=now)
        return _parser(format, calendar), calendar

    told, loopback = config.watch.addresses, config.watch.loopback
    return [
        Feed(
            path,
            people,
            Addresses(told, ours),
            make,
            loopback=loopback,
            history=LogHistory(*history, ours) if history else None,
        )
        for path in logs
    ]


def _parser(format: Format, calendar: Calendar) -> LineParser:
    if format == "exim":
        return EximParser([calendar], [Tally()], open_limit=OPEN_LIMIT)
    if format == "kumomta":
        return KumoParser([Tally()], open_limit=OPEN_LIMIT, calendars=[calendar])
    if format == "m365":
        raise WatchError("an export of a message trace is no log that grows: use report")
    return PostfixParser([calendar], [Tally()])


def silence(feed: Feed, silent: bool, now: float) -> list[Told]:
    """Whether the feed's silence began or ended, as a fact."""
    gauge = feed.gauge
    if gauge.silent(now) and not silent:
        limit = gauge.limit_s(gauge.heard_at)
        fact = FeedSilent(at=now, feed=feed.name, last_at=gauge.heard_at, usual_s=limit)
        return [Told(fact, {})]
    if silent and not gauge.silent(now):
        return [Told(FeedHeard(at=now, feed=feed.name, silent_s=gauge.silent_s), {})]
    return []


class Station:
    """The stations alone, without a relay: facts in, and what followed to `said`."""

    def __init__(self, runner: Runner, said: Callable[[int, Fact, Followed], None]) -> None:
        self.runner = runner
        self.commands: list[Command] = []
        self._said = said
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._fresh: list[tuple[int, Fact, Followed]] = []
        for key, due in runner.journal.timers():
            self._set(key, due)

    def configure(self, made: Configured) -> None:
        """Record the configuration unless it is the one in force."""
        config = self.runner.states.accept.config
        if config is None or msgspec.structs.replace(made, at=config.at) != config:
            self._append(Told(made, {}))

    def tell(self, told: Iterable[Told]) -> None:
        """Append facts, timers that come due before each one first."""
        for one in told:
            self.advance(one.fact.at)
            self._discovered(one)
            self._append(one)

    def advance(self, now: float) -> None:
        """Fire what is due by then."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self._append(Told(TimerFired(at=due, key=key), {}))

    def commit(self) -> None:
        """Make it durable, then say what followed. Raises JournalError."""
        self.runner.commit()
        fresh, self._fresh = self._fresh, []
        for n, fact, followed in fresh:
            self._said(n, fact, followed)

    def _append(self, told: Told) -> None:
        n = self.runner.upcoming
        followed = self.runner.append(told.fact, personal=told.personal)
        for timer in followed.timers:
            if isinstance(timer, SetTimer):
                self._set(timer.key, timer.due)
            elif isinstance(timer, CancelTimer):
                self._due.pop(timer.key, None)
        self.commands += followed.commands
        self._fresh.append((n, told.fact, followed))

    def _set(self, key: str, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))

    def _discovered(self, told: Told) -> None:
        """An address that no pool has joins one: its neighbours are what it is compared with."""
        address = getattr(told.fact, "address", "")
        config = self.runner.states.accept.config
        if not address or config is None or address in self.runner.states.deliver.pool_of:
            return
        *others, last = config.pools or (Pool(name="watched", addresses=(), helo="", watched=True),)
        if last.name != "watched":
            others.append(last)
            last = Pool(name="watched", addresses=(), helo=config.hostname, watched=True)
        if len(last.addresses) < DISCOVERED:
            grown = msgspec.structs.replace(last, addresses=(*last.addresses, address))
            pools = (*others, grown)
            self._append(Told(msgspec.structs.replace(config, at=told.fact.at, pools=pools), {}))


async def follow(
    make: Callable[[], list[Feed]], runner: Runner, clock: Clock, stopping: asyncio.Event
) -> None:
    """Follow logs on a service's runner until told to stop. Never raises."""
    feeds: list[Feed] = []
    while not stopping.is_set():
        try:
            if not feeds:
                feeds = make()
                for feed in feeds:
                    feed.restore(runner.journal.kept, clock.now())
            busy = False
            for feed in feeds:
                busy |= await _turn(feed, runner, clock)
        except WatchError as exc:
            log.error("watch: %s", exc)
            return
        except JournalError as exc:
            log.error("watch: %s; read again from the last checkpoint", exc)
            feeds, busy = _closed(feeds), False
        if not busy:
            await clock.sleep(POLL_S)
    _closed(feeds)


def _closed(feeds: list[Feed]) -> list[Feed]:
    for feed in feeds:
        feed.close()
    return []


async def _turn(feed: Feed, runner: Runner, clock: Clock) -> bool:
    """One look at one log; whether there may be more at once."""
    with clock.hold("watch"):
        now = clock.now()
        told = feed.poll(now)
        busy, whole = bool(told) or not feed.tail.at_end(), False
        if not busy:
            told, whole = feed.idle(now), True
            told += silence(feed, feed.name in runner.states.verify.silent, now)
        futures = [runner.record(one.fact, personal=one.personal) for one in told]
        if futures:
            feed.keep(runner.keep, now, whole=whole)
        for future in futures:
            try:
                await future
            except Quarantined as exc:
                log.error("watch: %s", exc)
    return busy
