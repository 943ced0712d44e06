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

from unlisted.edge import journal
from unlisted.facts import (
    Carried,
    CausesRanked,
    Configured,
    DeadlineMissed,
    DeadlineMoved,
    Delisted,
    DelistingAdvised,
    Delivery,
    DutyCalled,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    FactError,
    FeedHeard,
    FeedSilent,
    HoldReleased,
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    ListingDated,
    NoticeLost,
    PathReopened,
    PathRested,
    Pool,
    PostDrafted,
    Posted,
    PostPending,
    PostReturned,
    ReceiverDropped,
    RecordImported,
    RecoveryWatched,
    Recurred,
    Refusal,
    ReleasePredicted,
    Relisted,
    RelistingWatched,
    ReviewWritten,
    Row,
    RuleStepped,
    SenderHeld,
    SourceStopped,
    StationFault,
    Suspicion,
    WebhookEnded,
    WebhookLost,
    decode,
)
from unlisted.health import own
from unlisted.health.record import Record

log = logging.getLogger("unlisted.readmodel")

HOUR_S = 3600.0
KEPT_HOURS = 14 * 24  # of the charts
KEPT_FAULTS = 50
KEPT_UNTOLD = 200
KEPT_RETURNED = 20  # drafts of an incident
SLICE = 2000
_TRAFFIC = frozenset(
    {"Refusal", "Suspicion", "Delivery", "Carried"}
)  # by the thousand, on no public page
# Facts about one sender's mail in a window, by what they say of it.
_COUNTED = """
select what, count(*), min(n), max(n) from (
  select n, case kind
    when 'Failed' then 'failed ' || json_extract(body, '$.reason')
    when 'Routed' then 'left ' || json_extract(body, '$.address')
    else kind end as what
  from fact
  where n >= ?1 and at <= ?2 and {theirs})
group by what order by what"""
_THEIRS = """
  kind in ('Reception', 'Routed', 'Delivery', 'Refusal', 'Suspicion', 'Failed', 'Rejection',
           'FeedbackReceived')
  and coalesce(json_extract(body, '$.sender'), json_extract(body, '$.row.sender')) = ?3"""
_COUNTED = _COUNTED.format(theirs=_THEIRS)
_KNOWN = f"select 1 from fact where n >= ?1 and at <= ?2 and {_THEIRS} order by n desc limit 1"
Untold = DeadlineMissed | NoticeLost | WebhookEnded | WebhookLost
_RECORD = msgspec.json.Decoder(Record)
_ROW = msgspec.json.Decoder(Row)


@dataclass
class Episode:
    """One listing, or one block at one receiver, with all that became of it."""

    opened: EpisodeOpened
    refusals: int
    opened_by: int = 0  # number of the input
    predicted: ReleasePredicted | None = None
    stopped: SourceStopped | None = None
    advised: DelistingAdvised | None = None
    delisted: Delisted | None = None
    relisted_at: list[float] = field(default_factory=list)
    closed: EpisodeClosed | None = None
    causes: CausesRanked | None = None
    dated: ListingDated | None = None
    recovery: RecoveryWatched | None = None
    watched: RelistingWatched | None = None
    recurred: Recurred | None = None  # an earlier listing of it came back as this
    dropped: list[ReceiverDropped] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)  # kind → number of the newest


@dataclass
class Hold:
    """A hold and its end."""

    held: SenderHeld
    released: HoldReleased | None = None
    n: int = 0  # the fact's number


@dataclass
class Incident:
    """An incident, its posts oldest first. `draft`, `called`: since the last update, for a person.
    `missed`: the promise that passed without an update, until one comes.
    `drafts`: what waits for an approver; `returned`: what went back to its author, with the draft.
    `merged`: where it went; `absorbed`: what was merged into it; `parts`, `part_of`: splits.
    """

    opened: IncidentOpened
    posts: list[Posted] = field(default_factory=list)
    moves: list[DeadlineMoved] = field(default_factory=list)
    draft: PostDrafted | None = None
    called: DutyCalled | None = None
    missed: DeadlineMissed | None = None
    closed: IncidentClosed | None = None
    drafts: dict[int, PostPending] = field(default_factory=dict)
    returned: list[tuple[PostPending, PostReturned]] = field(default_factory=list)
    revisions: list[IncidentRevised] = field(default_factory=list)
    merged: IncidentMerged | None = None
    absorbed: list[IncidentMerged] = field(default_factory=list)
    parts: list[IncidentSplit] = field(default_factory=list)
    part_of: IncidentSplit | None = None
    review: ReviewWritten | None = None
    review_fact: int = 0  # its number: the review is of the facts before

    @property
    def reviewed(self) -> bool:
        """Whether its post-incident review is published."""
        return self.review is not None and self.review.publish

    @property
    def updated_at(self) -> float:
        return max([self.opened.at, *(one.at for one in (*self.posts[-1:], *self.revisions[-1:]))])

    @property
    def values(self) -> dict[str, str]:
        """What it tells now, by field."""
        return own.values(self.opened, self.posts, self.closed, self.revisions)

    @property
    def record(self) -> Record:
        """The same as a record, for everything that reads records."""
        links = {}
        if self.merged is not None:
            links["Merged Into"] = self.merged.into
        if self.part_of is not None:
            links["Split From"] = self.part_of.incident
        return own.record_of(self.opened, self.posts, self.closed, self.revisions, links)


@dataclass
class Address:
    """One egress address: what it carried, where it rests, since when."""

    pool: str
    helo: str
    resting: dict[str, tuple[float, str]] = field(default_factory=dict)
    day: int = -1
    today: int = 0


class ReadModel:
    """Reads the journal at `path`; the writer may go on beside it. `live`: there is one."""

    def __init__(self, path: Path, *, live: bool = False) -> None:
        self.db: sqlite3.Connection = journal.reader(path) if live else reading(path)
        if live:
            # Nobody's lock may hold up the event loop: what was read last is shown meanwhile.
            self.db.execute("pragma busy_timeout=50")
        # The newest durable fact, where the writer is in this process: then most requests ask no file.
        self.newest: Callable[[], float] = lambda: float("inf")
        self.n = 0
        self.at = 0.0
        self.revision = 0  # counts facts that a public page could show
        self.episodes: dict[str, Episode] = {}
        self.causes: list[CausesRanked] = []
        self.holds: dict[str, Hold] = {}
        self.incidents: dict[str, Incident] = {}
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

    def _ended(self, fact: Any) -> None:
        episode = self.episodes.get(fact.episode)
        if episode is not None:
            episode.closed = fact
            episode.facts["EpisodeClosed"] = self.n
            episode.refusals = fact.refused or episode.refusals  # 0: of an earlier version

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

    def _stopped(self, fact: Any) -> None:
        for name in fact.episodes:
            if name in self.episodes:
                self.episodes[name].stopped = fact
                self.episodes[name].facts["SourceStopped"] = self.n

    def _relisted(self, fact: Any) -> None:
        if fact.episode in self.episodes:
            self.episodes[fact.episode].relisted_at.append(fact.at)
            self.episodes[fact.episode].delisted = None

    def _dropped(self, fact: Any) -> None:
        if fact.episode in self.episodes:
            self.episodes[fact.episode].dropped.append(fact)
            self.episodes[fact.episode].facts["ReceiverDropped"] = self.n

    def _fault(self, fact: Any) -> None:
        self.faults = [*self.faults[-(KEPT_FAULTS - 1) :], fact]

    def _untold(self, fact: Any) -> None:
        self.untold = [*self.untold[1 - KEPT_UNTOLD :], fact]
        if isinstance(fact, DeadlineMissed) and fact.incident in self.incidents:
            self.incidents[fact.incident].missed = fact

    def _rule(self, fact: Any) -> None:
        self.rules[fact.rule] = fact

    def _incident(self, fact: Any) -> None:
        self.incidents[fact.incident] = Incident(fact)

    def _imported(self, fact: Any) -> None:
        with contextlib.suppress(msgspec.ValidationError):  # of a later version
            self.records[fact.id] = _RECORD.decode(fact.record)

    def _posted(self, fact: Any) -> None:
        if fact.incident in self.incidents:
            incident = self.incidents[fact.incident]
            incident.posts.append(fact)
            incident.drafts.pop(fact.draft, None)
            if fact.corrects is None:
                incident.draft = incident.called = incident.missed = None

    def _pending(self, fact: Any) -> None:
        if fact.incident in self.incidents:
            self.incidents[fact.incident].drafts[fact.draft] = fact

    def _returned(self, fact: Any) -> None:
        incident = self.incidents.get(fact.incident)
        draft = incident.drafts.pop(fact.draft, None) if incident else None
        if incident is not None and draft is not None:
            incident.returned = [*incident.returned[1 - KEPT_RETURNED :], (draft, fact)]

    def _revised(self, fact: Any) -> None:
        incident = self.incidents.get(fact.incident)
        if incident is not None:
            incident.revisions.append(fact)
            incident.drafts.pop(fact.draft, None)

    def _merged(self, fact: Any) -> None:
        if fact.incident in self.incidents and fact.into in self.incidents:
            self.incidents[fact.incident].merged = fact
            self.incidents[fact.into].absorbed.append(fact)

    def _split(self, fact: Any) -> None:
        if fact.incident in self.incidents and fact.part in self.incidents:
            self.incidents[fact.incident].parts.append(fact)
            self.incidents[fact.part].part_of = fact

    def _review(self, fact: Any) -> None:
        if fact.incident in self.incidents:
            self.incidents[fact.incident].review = fact
            self.incidents[fact.incident].review_fact = self.n

    def _moved(self, fact: Any) -> None:
        if fact.incident in self.incidents:
            self.incidents[fact.incident].moves.append(fact)

    # ------------------------------------------------------------ asking

    def honest_delivered(self) -> dict[int, int]:
        """Deliveries per hour (of the epoch), senders named guilty left out."""
        return {
            hour: sum(count for sender, count in senders.items() if sender not in self._named)
            for hour, senders in sorted(self._delivered.items())
        }

    def person(self, person: str) -> str:
        """The readable name behind a keyed hash, else the hash."""
        row = self.db.execute("select value from personal where person=?", (person,)).fetchone()
        return str(row[0]) if row else person

    def hash_of(self, name: str) -> str:
        """The keyed hash of a readable name ("login:anna", or "anna"); else the text itself."""
        name = name.encode("utf-8", "replace").decode()  # an argument may be no text at all
        row = self.db.execute(
            "select person from personal where value in (?, ?, ?) limit 1",
            (name, f"login:{name}", f"host:{name}"),
        ).fetchone()
        return str(row[0]) if row else name

    def queue(self, sender: str = "", state: str = "", limit: int = 200) -> list[Row]:
        """Queue rows, oldest first."""
        rows = self.db.execute(
            "select row from queue where (?='' or sender=?) and (?='' or state=?) "
            "order by message, idx limit ?",
            (sender, sender, state, state, limit),
        )
        return [_ROW.decode(row) for (row,) in rows]

    def queue_counts(self) -> list[tuple[str, str, int]]:
        """(state, what it waits for, rows), most first."""
        return self.db.execute(
            "select state, waits_for, count(*) as c from queue "
            "group by state, waits_for order by c desc, state, waits_for limit 50"
        ).fetchall()

    def line(self, n: int) -> journal.Line | None:
        """One row of the journal."""
        row = self.db.execute(
            "select n,at,kind,cause,logic,body from fact where n=?", (n,)
        ).fetchone()
        return journal.Line(*row) if row else None

    def counted(self, sender: str, since: float, until: float) -> dict[str, tuple[int, int, int]]:
        """What a sender's mail met in a window: what → (how many, first fact, last fact). `left` and
        an address: recipients that left by it."""
        first = self.db.execute(
            "select min(n) from (select n from fact where at>=? order by n limit 1)", (since,)
        ).fetchone()[0]
        if first is None:
            return {}
        rows = self.db.execute(_COUNTED, (first, until, sender)).fetchall()
        return {what: (count, low, high) for what, count, low, high in rows}

    def knows(self, sender: str) -> bool:
        """Whether any fact is about this sender's mail; the newest are looked at first."""
        return self.db.execute(_KNOWN, (0, float("inf"), sender)).fetchone() is not None

    def lines_of(self, message: str) -> list[journal.Line]:
        """The journal's rows about one message."""
        rows = self.db.execute(
            "select n,at,kind,cause,logic,body from fact where message=? order by n limit 5000",
            (message,),
        )
        return [journal.Line(*row) for row in rows]

    def close(self) -> None:
        self.db.close()


def reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Raises JournalError.

    A journal without a write-ahead log has no writer: it is opened as immutable, so that nothing
    is created beside a kept file or in a folder that cannot be written.
    """
    return journal.reader(path, immutable=not path.with_name(path.name + "-wal").exists())


def _takes() -> dict[str, Callable[[ReadModel, Fact], None]]:
    def of_incident(name: str) -> Callable[[ReadModel, Any], None]:
        def put(model: ReadModel, fact: Any) -> None:
            if fact.incident in model.incidents:
                setattr(model.incidents[fact.incident], name, fact)

        return put

    def attribute(name: str) -> Callable[[ReadModel, Any], None]:
        def put(model: ReadModel, fact: Any) -> None:
            if fact.episode in model.episodes:
                setattr(model.episodes[fact.episode], name, fact)
                model.episodes[fact.episode].facts[type(fact).__name__] = model.n

        return put

    table: dict[type[Fact], Callable[[ReadModel, Any], None]] = {
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
        SourceStopped: ReadModel._stopped,
        Relisted: ReadModel._relisted,
        ReceiverDropped: ReadModel._dropped,
        StationFault: ReadModel._fault,
        **dict.fromkeys((DeadlineMissed, NoticeLost, WebhookEnded, WebhookLost), ReadModel._untold),
        RuleStepped: ReadModel._rule,
        RecordImported: ReadModel._imported,
        IncidentOpened: ReadModel._incident,
        Posted: ReadModel._posted,
        IncidentClosed: of_incident("closed"),
        PostDrafted: of_incident("draft"),
        DutyCalled: of_incident("called"),
        DeadlineMoved: ReadModel._moved,
        IncidentRevised: ReadModel._revised,
        IncidentMerged: ReadModel._merged,
        IncidentSplit: ReadModel._split,
        PostPending: ReadModel._pending,
        PostReturned: ReadModel._returned,
        ReviewWritten: ReadModel._review,
        ReleasePredicted: attribute("predicted"),
        DelistingAdvised: attribute("advised"),
        Delisted: attribute("delisted"),
        EpisodeClosed: ReadModel._ended,
        ListingDated: attribute("dated"),
        RecoveryWatched: attribute("recovery"),
        RelistingWatched: attribute("watched"),
        Recurred: attribute("recurred"),
    }
    return {kind.__name__: take for kind, take in table.items()}


_TAKES = _takes()
