"""What the pages and the API show: episodes, causes, holds, paths, incidents, counts per hour.

A projection of committed facts alone, read through a connection of its own, so that a page never
shows what a failed commit took back. `catch_up` reads what is new; a restart reads everything
once, in slices, so that mail goes on meanwhile. It decides nothing and keeps no mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from unlisted.edge import readmodel_episodes, readmodel_incidents
from unlisted.edge.journal_reader import JournalReader
from unlisted.edge.readmodel_episodes import Episode, Episodes
from unlisted.edge.readmodel_incidents import Incidents
from unlisted.facts import (
    Carried,
    CausesRanked,
    Configured,
    DeadlineMissed,
    Delivery,
    EpisodeOpened,
    Fact,
    FactError,
    FeedHeard,
    FeedSilent,
    HoldReleased,
    NoticeLost,
    PathReopened,
    PathRested,
    Pool,
    RecordImported,
    Refusal,
    RuleStepped,
    SenderHeld,
    StationFault,
    Suspicion,
    WebhookEnded,
    WebhookLost,
    decode,
)
from unlisted.health.record import Record

log = logging.getLogger("unlisted.readmodel")

HOUR_S = 3600.0
KEPT_HOURS = 14 * 24  # of the charts
KEPT_FAULTS = 50
KEPT_UNTOLD = 200
SLICE = 2000
_TRAFFIC = frozenset(
    {"Refusal", "Suspicion", "Delivery", "Carried"}
)  # by the thousand, on no public page
Untold = DeadlineMissed | NoticeLost | WebhookEnded | WebhookLost
_RECORD = msgspec.json.Decoder(Record)


@dataclass
class Hold:
    """A hold and its end."""

    held: SenderHeld
    released: HoldReleased | None = None
    n: int = 0  # the fact's number


@dataclass
class Address:
    """One egress address: what it carried, where it rests, since when."""

    pool: str
    helo: str
    resting: dict[str, tuple[float, str]] = field(default_factory=dict)
    day: int = -1
    today: int = 0


class ReadModel(JournalReader):
    """What the facts read so far come to."""

    def __init__(self, path: Path, *, live: bool = False) -> None:
        super().__init__(path, live=live)
        # The newest durable fact, where the writer is in this process: then most requests ask no file.
        self.newest: Callable[[], float] = lambda: float("inf")
        self.n = 0
        self.at = 0.0
        self.revision = 0  # counts facts that a public page could show
        self.episodes: Episodes = {}
        self.causes: list[CausesRanked] = []
        self.holds: dict[str, Hold] = {}
        self.incidents: Incidents = {}
        self.addresses: dict[str, Address] = {}
        self.pools: tuple[Pool, ...] = ()
        self.asks = False  # whether the lists are asked about our addresses
        self.faults: list[StationFault] = []
        self.untold: list[Untold] = []  # what should have been told and was not, oldest first
        self.silent: dict[str, FeedSilent] = {}  # inputs that say nothing, by name
        self.records: dict[str, Record] = {}
        self.rules: dict[str, RuleStepped] = {}
        self.input = 0  # the newest observed fact
        self.refusals: Counter[int] = Counter()
        self._delivered: dict[int, Counter[str]] = {}
        self._named: set[str] = set()
        self._busy = asyncio.Lock()

    # ------------------------------------------------------------ following

    async def catch_up(self) -> bool:
        """Take in all facts committed by now, a slice at a time; whether they could be read."""
        if self.n >= self.newest() > 0:
            return True
        async with self._busy:
            try:
                while self._slice():  # noqa: ASYNC110 — nothing is waited for
                    await asyncio.sleep(0)
            except sqlite3.Error as exc:
                log.warning("the journal cannot be read: %s", exc)
                return False
        return True

    def catch_up_now(self) -> None:
        """The same at once, for programs without an event loop."""
        while self._slice():
            pass

    def _slice(self) -> bool:
        rows = self.db.execute(
            "select n, at, kind, cause, body from fact where n>? order by n limit ?",
            (self.n, SLICE),
        ).fetchall()
        for n, at, kind, cause, body in rows:
            self.n = n
            if cause is None:
                self.input = n
            self.at = max(self.at, at)
            take = _TAKES.get(kind)
            if take is not None:
                self.revision += kind not in _TRAFFIC
                try:
                    take(self, decode(kind, body))
                except FactError:
                    continue  # of a later version; a page without it is better than no page
        return len(rows) == SLICE

    def _opened(self, fact: Any) -> None:
        self.episodes[fact.episode] = Episode(fact, fact.refusals, opened_by=self.input)
        self.episodes[fact.episode].facts["EpisodeOpened"] = self.n

    def _refusal(self, fact: Any) -> None:
        self.refusals[int(fact.at // HOUR_S)] += 1
        if len(self.refusals) > KEPT_HOURS:
            del self.refusals[min(self.refusals)]
        self._refused(fact, fact.zone)

    def _suspicion(self, fact: Any) -> None:
        self._refused(fact, None)

    def _refused(self, fact: Any, zone: str | None) -> None:
        """Count for one open episode of the address: the receiver's own, else the list's, and a reply
        that names no list for a listing. What it opened on is in the count that it opened with."""
        its = None
        for episode in self.episodes.values():
            opened = episode.opened
            if episode.closed or opened.address != fact.address or episode.opened_by == self.input:
                continue
            if opened.receiver is not None and fact.receiver == opened.receiver:
                its = episode
                break
            if opened.zone is not None and zone in (None, opened.zone):
                its = its or episode
        if its is not None:
            its.refusals += 1

    def _delivery(self, fact: Any) -> None:
        self._left(fact, fact.row.sender, 1)

    def _carried(self, fact: Any) -> None:
        for sender, count in fact.senders:
            self._left(fact, sender, count)

    def _silent(self, fact: Any) -> None:
        self.silent[fact.feed] = fact

    def _heard(self, fact: Any) -> None:
        self.silent.pop(fact.feed, None)

    def _left(self, fact: Any, sender: str, count: int) -> None:
        hour = int(fact.at // HOUR_S)
        self._delivered.setdefault(hour, Counter())[sender] += count
        if len(self._delivered) > KEPT_HOURS:
            del self._delivered[min(self._delivered)]
        address = self.addresses.get(fact.address)
        if address is not None:
            day = int(fact.at // 86400)
            if address.day != day:
                address.day, address.today = day, 0
            address.today += count

    def _causes(self, fact: Any) -> None:
        episode = self.episodes.get(fact.episode)
        if episode is not None:
            episode.causes = fact
            episode.facts["CausesRanked"] = self.n
        # Ranked every few minutes: only a changed verdict is a new line, else it replaces the last.
        for i in range(len(self.causes) - 1, -1, -1):
            if self.causes[i].episode == fact.episode:
                last = self.causes[i]
                if (last.verdict, last.named) == (fact.verdict, fact.named):
                    self.causes[i] = msgspec.structs.replace(fact, at=last.at)
                    self._named.update(fact.named)
                    return
                break
        self.causes.append(fact)
        self._named.update(fact.named)

    def _held(self, fact: Any) -> None:
        self.holds[fact.hold] = Hold(fact, n=self.n)
        self._named.add(fact.sender)

    def _released(self, fact: Any) -> None:
        if fact.hold in self.holds:
            self.holds[fact.hold].released = fact
            if fact.actor != "policy":
                self._named.discard(fact.sender)

    def _configured(self, fact: Any) -> None:
        self.pools = fact.pools
        self.asks = fact.lookups
        for pool in fact.pools:
            for address in pool.addresses:
                known = self.addresses.setdefault(address, Address(pool.name, pool.helo))
                known.pool, known.helo = pool.name, pool.helo

    def _rested(self, fact: Any) -> None:
        if fact.address in self.addresses:
            self.addresses[fact.address].resting[fact.receiver] = (fact.at, fact.why)

    def _reopened(self, fact: Any) -> None:
        if fact.address in self.addresses:
            self.addresses[fact.address].resting.pop(fact.receiver, None)

    def _fault(self, fact: Any) -> None:
        self.faults = [*self.faults[-(KEPT_FAULTS - 1) :], fact]

    def _untold(self, fact: Any) -> None:
        self.untold = [*self.untold[1 - KEPT_UNTOLD :], fact]
        if isinstance(fact, DeadlineMissed) and fact.incident in self.incidents:
            self.incidents[fact.incident].missed = fact

    def _rule(self, fact: Any) -> None:
        self.rules[fact.rule] = fact

    def _imported(self, fact: Any) -> None:
        with contextlib.suppress(msgspec.ValidationError):  # of a later version
            self.records[fact.id] = _RECORD.decode(fact.record)

    # ------------------------------------------------------------ asking

    def honest_delivered(self) -> dict[int, int]:
        """Deliveries per hour (of the epoch), senders named guilty left out."""
        return {
            hour: sum(count for sender, count in senders.items() if sender not in self._named)
            for hour, senders in sorted(self._delivered.items())
        }


def _takes() -> dict[str, Callable[[ReadModel, Fact], None]]:
    def of_episode(change: readmodel_episodes.Take) -> Callable[[ReadModel, Any], None]:
        return lambda model, fact: change(model.episodes, fact, model.n)

    def of_incident(change: readmodel_incidents.Take) -> Callable[[ReadModel, Any], None]:
        return lambda model, fact: change(model.incidents, fact, model.n)

    table: dict[type[Fact], Callable[[ReadModel, Any], None]] = {
        **{kind: of_episode(change) for kind, change in readmodel_episodes.TAKES.items()},
        **{kind: of_incident(change) for kind, change in readmodel_incidents.TAKES.items()},
        EpisodeOpened: ReadModel._opened,
        Refusal: ReadModel._refusal,
        Suspicion: ReadModel._suspicion,
        Delivery: ReadModel._delivery,
        Carried: ReadModel._carried,
        FeedSilent: ReadModel._silent,
        FeedHeard: ReadModel._heard,
        CausesRanked: ReadModel._causes,
        SenderHeld: ReadModel._held,
        HoldReleased: ReadModel._released,
        Configured: ReadModel._configured,
        PathRested: ReadModel._rested,
        PathReopened: ReadModel._reopened,
        StationFault: ReadModel._fault,
        **dict.fromkeys((DeadlineMissed, NoticeLost, WebhookEnded, WebhookLost), ReadModel._untold),
        RuleStepped: ReadModel._rule,
        RecordImported: ReadModel._imported,
    }
    return {kind.__name__: take for kind, take in table.items()}


_TAKES = _takes()
