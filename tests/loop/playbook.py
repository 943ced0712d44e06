"""A driver around the fixpoint: observed facts in at simulated times, what follows checked.

Keeps what the edge keeps (timers, outbox, the queue in SQLite) and answers commands as the edge
would: Wake and Sweep by Due and Woken, Deliver, TestPath and Probe by a scripted world. Knows no
station's innards but those an invariant speaks of. After every step the invariants of `_check`
hold; `close` replays the encoded facts and compares every derived fact and command byte for byte.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from unlisted import commands, facts
from unlisted.campaigns.fingerprint import fingerprint
from unlisted.commands import (
    CallWebhook,
    CancelTimer,
    Command,
    Deliver,
    Notify,
    Probe,
    SendNdr,
    SetTimer,
    Sweep,
    TestPath,
    Wake,
)
from unlisted.edge import queue
from unlisted.facts import (
    Acted,
    Bounce,
    Configured,
    Delivery,
    Due,
    EpisodeOpened,
    Fact,
    FeedbackReceived,
    ListTerm,
    NotAttempted,
    NoticeSent,
    Observed,
    PathTested,
    Policy,
    Pool,
    ProbeAnswered,
    Queued,
    Reception,
    Recipient,
    Routed,
    Row,
    SenderHeld,
    SenderHistory,
    Settled,
    TimerFired,
    TransientFailure,
    WebhookAnswered,
    Woken,
)
from unlisted.loop import deliver
from unlisted.loop._fixpoint import Followed, States, follow
from unlisted.routing.draw import draw, epoch_of

KEY = b"the key of the draws"
START = 1_790_000_400.0  # a full hour
HOUR, DAY = 3600.0, 86400.0
ADDRESSES = ("127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4")
ZONE = "bl.list.test"
STATE_NAMES = {"due", "wait", "held", "out", "booked"}
F = TypeVar("F", bound=Fact)


@dataclass(frozen=True)
class Says:
    """What a receiver answers: code, enhanced code, text, stage."""

    code: int
    enhanced: str | None = None
    text: str = ""
    stage: str = "rcpt"


OK = Says(250, "2.0.0", "Ok: queued", "eod")
GREYLISTED = Says(451, "4.7.1", "Greylisted, please try again in 5 minutes")
UNKNOWN_USER = Says(550, "5.1.1", "User unknown")
DOUBTFUL = Says(550, "5.7.1", "Message rejected due to policy restrictions", "eod")
CONTENT = Says(554, "5.7.1", "This message was classified as spam by its content", "eod")


def named(address: str, zone: str = ZONE) -> Says:
    """A refusal that names the address and the list."""
    text = f"Service unavailable; Client host [{address}] blocked using {zone}"
    return Says(554, "5.7.1", text)


def nameless(address: str) -> Says:
    """A refusal that names the address only."""
    return Says(554, "5.7.1", f"Service unavailable; Client host [{address}] blocked")


@dataclass
class World:
    """The script: what receivers, lists and people answer. Keys: (address, receiver)."""

    refuses: dict[tuple[str, str], Says] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    content: dict[tuple[str, str], Says] = field(default_factory=dict)  # (sender, receiver)
    listed: set[tuple[str, str]] = field(default_factory=set)  # (zone, address)
    dns_broken: bool = False
    sites: dict[str, str] = field(default_factory=dict)  # domain -> receiver
    hooks: dict[str, int] = field(default_factory=dict)  # webhook -> the status it answers
    people_reached: bool = True

    def reply(self, row: Row, address: str) -> Says:
        site = self.site(row.domain)
        if (address, site) in self.refuses:
            return self.refuses[address, site]
        if row.recipient in self.unknown:
            return UNKNOWN_USER
        return self.content.get((row.sender, site), OK)

    def test(self, address: str, receiver: str) -> Says:
        return self.refuses.get((address, receiver), OK)

    def probe(self, zone: str, address: str) -> str:
        if self.dns_broken:
            return "unknown"
        return "listed" if (zone, address) in self.listed else "clean"

    def site(self, domain: str) -> str:
        return self.sites.get(domain, domain)


def configured(at: float = START, **changes: Any) -> Configured:
    """One pool of four addresses, one list with a day's term, look-ups on."""
    pool = Pool(name="shared", addresses=ADDRESSES, helo="out.platform.test")
    wanted: dict[str, Any] = {
        "at": at,
        "hostname": "mx.platform.test",
        "pools": (pool,),
        "lists": (ListTerm(zone=ZONE, term_s=DAY, requests="never"),),
        "lookups": True,
        "policy": Policy(),
    }
    return Configured(**{**wanted, **changes})


class Playbook:
    """See the module. `world` may be changed between steps; `hands_off` leaves Deliver undone."""

    def __init__(self, config: Configured | None = None, *, key: bytes = KEY) -> None:
        self.key = key
        self.states = States(key)
        self.world = World()
        self.now = START
        self.n = 0
        self.journal: list[tuple[int, Fact, int | None]] = []
        self.trace: list[tuple[int, Fact, bytes]] = []  # observed, and all that followed, encoded
        self.outbox: dict[str, Command] = {}
        self.timers: dict[str, float] = {}
        self.hands_off = False
        self.tried: list[tuple[float, Row, str, Says]] = []
        self.ndrs: list[SendNdr] = []
        self.probes: list[Probe] = []
        self.tests: list[TestPath] = []
        self.calls: list[tuple[float, CallWebhook]] = []
        self.notices: list[tuple[float, Notify]] = []
        self.rows: dict[str, Row] = {}
        self.settled: dict[str, str] = {}
        self.accepted: set[str] = set()
        self._keys: set[str] = set()
        self._moves: dict[str, int] = {}
        self._refused_at: dict[str, set[str]] = {}
        self._never: set[str] = set()
        self._db = sqlite3.connect(":memory:")
        self._db.executescript(
            queue.SCHEMA + "create table body(message integer primary key, raw blob);"
        )
        self.feed(config or configured())

    # ------------------------------------------------------------ facts in

    def feed(self, fact: Observed) -> Followed:
        """Record one observed fact now, as the runner does; the commands wait in the outbox."""
        self.n += 1
        number = self.n
        self.now = max(self.now, fact.at)
        followed = follow(self.states, fact, number)
        self.n += len(followed.facts)
        self.journal.append((number, fact, None))
        self.trace.append((number, fact, printed(followed)))
        if isinstance(fact, Reception):
            self.accepted.update(f"{fact.id}.{i}" for i in range(len(fact.recipients)))
        if isinstance(fact, TimerFired):
            self.timers.pop(fact.key, None)
        if fact.done is not None:
            self.outbox.pop(fact.done, None)
        for derived, one, cause in followed.facts:
            self.journal.append((derived, one, cause))
            queue.project(self._db, one)
            self._project(one)
        for command in followed.commands:
            assert command.key not in self._keys, f"two commands with one key: {command.key}"
            self._keys.add(command.key)
            self.outbox[command.key] = command
        for timer in followed.timers:
            self.timers.pop(timer.key, None)
            if isinstance(timer, SetTimer):
                self.timers[timer.key] = timer.due
        self._check(followed)
        return followed

    def mail(
        self,
        sender: str,
        *recipients: str,
        body: str = "",
        tenant: str = "tenant",
        null_sender: bool = False,
        origin: str = "login",
        done: str | None = None,
        subject: str = "",
    ) -> str:
        """A reception; recipients as `name@domain`. Gives the message's id; nothing carried out."""
        message = f"m{self.n + 1}"
        body = body or f"letter of {sender} number {self.n}"
        self.feed(
            Reception(
                at=self.now,
                id=message,
                sender=sender,
                tenant=tenant,
                origin=origin,
                reverse_path="" if null_sender else f"{sender}@platform.test",
                recipients=tuple(
                    Recipient(person=one, domain=one.rpartition("@")[2]) for one in recipients
                ),
                size=len(body),
                digest=hashlib.sha256(body.encode()).hexdigest()[:32],
                fingerprint=fingerprint(body),
                null_sender=null_sender,
                done=done,
                subject=subject,
            )
        )
        return message

    def send(self, sender: str, *recipients: str, **more: Any) -> str:
        """`mail`, then everything that can be done now."""
        message = self.mail(sender, *recipients, **more)
        self.carry_out()
        return message

    def history(self, sender: str, *, days: int = 60, correspondents: Iterable[str] = ()) -> None:
        """Clean days of ordinary mail before the journal began."""
        self.feed(
            SenderHistory(
                at=self.now,
                sender=sender,
                tenant="tenant",
                until=self.now,
                days=((5, 6, 1, 0, 0),) * days,
                correspondents=tuple(correspondents),
            )
        )

    def act(self, act: str, target: str, actor: str = "pat", reason: str = "looked at it") -> None:
        """A person's act, carried out."""
        self.feed(Acted(at=self.now, actor=actor, act=act, target=target, reason=reason))
        self.carry_out()

    def complain(self, message: str) -> None:
        self.feed(FeedbackReceived(at=self.now, feedback_type="abuse", message=message))
        self.carry_out()

    # ------------------------------------------------------------ the edge

    def carry_out(self) -> None:
        """Do what stands in the outbox, in order, until nothing is left that can be done now."""
        for _ in range(20_000):
            command = next(
                (c for c in self.outbox.values() if not (self.hands_off and type(c) is Deliver)),
                None,
            )
            if command is None:
                return
            self.perform(command)
        raise AssertionError("commands beget commands without end")

    def perform(self, command: Command) -> None:
        """Carry out one command and record its outcome."""
        if isinstance(command, Deliver):
            self._deliver(command)
        elif isinstance(command, TestPath):
            self.tests.append(command)
            says = self.world.test(command.address, command.receiver)
            self.feed(
                PathTested(
                    at=self.now,
                    done=command.key,
                    address=command.address,
                    receiver=command.receiver,
                    code=says.code,
                    enhanced=says.enhanced,
                    text=says.text,
                )
            )
        elif isinstance(command, Probe):
            self.probes.append(command)
            state = self.world.probe(command.zone, command.address)
            self.feed(
                ProbeAnswered(
                    at=self.now,
                    done=command.key,
                    zone=command.zone,
                    address=command.address,
                    state=state,
                    codes=("127.0.0.2",) if state == "listed" else (),
                    why="SERVFAIL" if state == "unknown" else "",
                )
            )
        elif isinstance(command, Wake):
            rows, left = queue.waiting(self._db, command.waits_for, command.limit)
            self._due(rows, command.why)
            self.feed(
                Woken(
                    at=self.now,
                    done=command.key,
                    waits_for=command.waits_for,
                    taken=len(rows),
                    left=left,
                )
            )
        elif isinstance(command, Sweep):
            rows = queue.of_sender(self._db, command.sender, 1000)
            self._due(rows, command.why)
            where = f"sender:{command.sender}"
            self.feed(
                Woken(at=self.now, done=command.key, waits_for=where, taken=len(rows), left=0)
            )
        elif isinstance(command, SendNdr):
            self.ndrs.append(command)
            self.mail(
                "",
                f"{command.row.sender}@platform.test",
                body=f"report {command.key}",
                null_sender=True,
                origin="ndr",
                done=command.key,
            )
        elif isinstance(command, CallWebhook):
            self.calls.append((self.now, command))
            self.feed(
                WebhookAnswered(
                    at=self.now, done=command.key, hook=command.hook, delivery=command.delivery,
                    event=command.event, code=self.world.hooks.get(command.hook, 204),
                )
            )  # fmt: skip
        elif isinstance(command, Notify):
            self.notices.append((self.now, command))
            reached = int(self.world.people_reached)
            self.feed(
                NoticeSent(
                    at=self.now, done=command.key, notice=command.notice, what=command.what,
                    reached=reached, failed=1 - reached,
                )
            )  # fmt: skip
        else:
            raise AssertionError(f"no such command: {command}")

    def _due(self, rows: list[Row], why: str) -> None:
        for row in rows:
            if self.rows.get(row.key) == row:  # as loaded; an earlier Due may have moved it
                self.feed(Due(at=self.now, row=row, why=why))

    def _deliver(self, command: Deliver) -> None:
        row, address = command.row, command.address
        shut = deliver.closed(self.states, row, address)
        if shut is not None:
            site = self.world.site(row.domain)
            self.feed(
                NotAttempted(
                    at=self.now,
                    done=command.key,
                    row=row,
                    address=address,
                    receiver=site,
                    text=shut,
                )
            )
        else:
            self.answer(command, self.world.reply(row, address))

    def answer(self, command: Deliver, says: Says) -> Followed:
        """Record what came of one attempt."""
        row, address = command.row, command.address
        hold = self.states.contain.covers(row)
        assert hold is None, f"attempted although held: {row.key} {hold}"
        self.tried.append((self.now, row, address, says))
        kind: type[Delivery | TransientFailure | Bounce] = (
            Delivery if 200 <= says.code < 300 else TransientFailure if says.code < 500 else Bounce
        )
        return self.feed(
            kind(
                at=self.now,
                done=command.key,
                row=row,
                address=address,
                receiver=self.world.site(row.domain),
                code=says.code,
                enhanced=says.enhanced,
                text=says.text,
                stage=says.stage,
            )
        )

    # ------------------------------------------------------------ time

    def next_at(self) -> float | None:
        """When something happens by itself: a timer or a row's time."""
        times = [*self.timers.values()]
        row = queue.next_due(self._db)
        if row is not None:
            times.append(row)
        return max(self.now, min(times)) if times else None

    def until(self, when: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Let time pass: timers fire, rows come due, commands are carried out."""
        self.carry_out()
        fired, since = 0, self.now
        while not stop():
            at = self.next_at()
            if at is None or at > when:
                self.now = when
                return
            fired = fired + 1 if at == since else 0
            assert fired < 5000, "time stands still: something polls"
            self.now = since = at
            self.fire()
            self.carry_out()

    def wait(self, seconds: float) -> None:
        """Let this much time pass."""
        self.until(self.now + seconds)

    def fire(self) -> None:
        """One timer, or the rows that came due, whichever is first."""
        at = queue.next_due(self._db)
        key = min(self.timers, key=lambda k: self.timers[k], default=None)
        if key is not None and (at is None or self.timers[key] <= at):
            self.feed(TimerFired(at=self.now, key=key))
            return
        for row, why in queue.due(self._db, self.now, 100):
            if self.rows.get(row.key) == row:
                self.feed(Due(at=self.now, row=row, why=why))

    # ------------------------------------------------------------ reading

    def found(self, kind: type[F]) -> list[F]:
        """All facts of a kind, in order."""
        return [one for _, one, _ in self.journal if isinstance(one, kind)]

    def last(self, kind: type[F]) -> F:
        """The newest fact of a kind."""
        return self.found(kind)[-1]

    def row(self, message: str, index: int = 0) -> Row:
        """A queue row."""
        return self.rows[f"{message}.{index}"]

    def how(self, message: str, index: int = 0) -> str:
        """How a recipient's mail ended, or the state it is in."""
        key = f"{message}.{index}"
        return self.settled.get(key) or self.rows[key].state

    def tries(self, message: str) -> list[tuple[float, str]]:
        """(seconds since the start, address) of each attempt for a message."""
        return [(at - START, a) for at, row, a, _ in self.tried if row.message == message]

    def drawn_to(self, address: str, count: int = 1, *, prefix: str = "s") -> list[str]:
        """Senders whose mail leaves by this address now."""
        epoch = epoch_of(self.now)
        names = (f"{prefix}{i}" for i in range(10_000))
        mine = (s for s in names if draw(self.key, s, epoch, ADDRESSES).address == address)
        return [next(mine) for _ in range(count)]

    # ------------------------------------------------------------ invariants

    def _project(self, fact: Fact) -> None:
        """The queue once more, as a plain dictionary, and what the invariants count."""
        if isinstance(fact, Queued):
            key = fact.row.key
            assert key in self.accepted, f"{key} was never accepted"
            assert key not in self.settled, f"{key} is back after it was {self.settled[key]}"
            self.rows[key] = fact.row
        elif isinstance(fact, Settled):
            assert fact.key not in self.settled, f"{fact.key} settled twice"
            self.settled[fact.key] = fact.how
            self.rows.pop(fact.key, None)
        elif isinstance(fact, Routed) and fact.why == "moved":
            self._moves[fact.key] = self._moves.get(fact.key, 0) + 1
            assert self._moves[fact.key] == 1, f"{fact.key} moved twice"
        elif isinstance(fact, facts.Refusal):
            self._refused_at.setdefault(fact.row.key, set()).add(fact.address)
            if fact.retry == "never":
                self._never.add(fact.row.key)

    def _check(self, followed: Followed) -> None:
        """What must hold after every step."""
        touched = {f.row.key for _, f, _ in followed.facts if isinstance(f, Queued)}
        touched |= {f.key for _, f, _ in followed.facts if isinstance(f, Settled)}
        for key in sorted(touched):
            stored = self._db.execute("select row from queue where key=?", (key,)).fetchone()
            mine = self.rows.get(key)
            assert (stored is None) == (mine is None)
            if mine is not None:
                assert msgspec.json.decode(stored[0], type=Row) == mine
        every = len(self.rows) < 50 or len(self.trace) % 100 == 0  # a full check, or what changed
        if every:
            missing = self.accepted - self.rows.keys() - self.settled.keys()
            assert not missing, f"accepted, but nowhere: {sorted(missing)}"
        handed: dict[str, Deliver] = {}
        for command in self.outbox.values():
            if isinstance(command, Deliver):
                assert command.row.key not in handed, f"{command.row.key} is handed over twice"
                handed[command.row.key] = command
        wakes = {c.waits_for for c in self.outbox.values() if isinstance(c, Wake)}
        for row in [self.rows[key] for key in (self.rows if every else touched & self.rows.keys())]:
            self._check_row(row, handed, wakes)
        for key in handed:
            assert self.rows[key].state == "out", f"{key} is handed over but {self.rows[key].state}"
        # What this very input taught after the row was placed is asked again at the act's turn.
        taught = any(isinstance(f, SenderHeld | EpisodeOpened) for _, f, _ in followed.facts)
        moved = {f.key for _, f, _ in followed.facts if isinstance(f, Routed) and f.why == "moved"}
        for command in followed.commands:
            if isinstance(command, Deliver):
                self._check_departure(command, taught)
                if command.row.key in moved and not taught:
                    verdict, why = self.states.explain.judged(self.states, command.row, self.now)
                    assert verdict == "clean", f"{command.row.key} moves although {verdict}: {why}"
        if len(self.trace) % 200 == 0:
            self._check_rebuilt()

    def _check_row(self, row: Row, handed: dict[str, Deliver], wakes: set[str]) -> None:
        states, end = self.states, f"{row.key} {row.state} {row.waits_for!r}"
        assert row.state in STATE_NAMES, end
        if row.state == "out":
            assert row.key in handed, f"out, but nobody has it: {end}"
            return
        if row.state == "due":
            assert row.due is not None, f"due, but never: {end}"
            return
        assert row.waits_for and row.until is not None, f"waits for nothing: {end}"
        kind, _, what = row.waits_for.partition(":")
        if row.waits_for in wakes:
            return
        if kind in ("path", "campaign"):
            path = deliver.path_of(row.waits_for)
            chain = states.deliver.waking.get(path, [])
            timer = f"wake|{path[0]}|{path[1]}"
            moving = timer in self.timers or not wakes.isdisjoint(chain)
            if row.waits_for in chain and moving:
                return
        if kind == "path":
            address, _, receiver = what.partition("|")
            rest = states.deliver.rests.get((address, receiver))
            assert rest is not None, f"the path is open: {end}"
            assert f"canary|{what}" in self.timers, f"nobody will try the path: {end}"
            if rest.canary:
                canary = self.rows.get(rest.canary)
                assert canary is not None and canary.state == "out", f"lost canary: {end}"
        elif kind == "campaign":
            path = deliver.path_of(row.waits_for)
            paths = states.deliver.campaign_waits.get(what.partition("|")[0], set())
            assert path in paths, f"nothing ends this wait: {end}"
            assert path in states.deliver.rests, f"the path is open: {end}"
        elif kind == "hold":
            if row.until > self.now:
                assert what in states.contain.holds, f"the hold is over: {end}"
                assert f"hold|{what}" in self.timers, f"the hold has no end: {end}"
        elif kind == "rule":
            rules = {r.id: r for r in states.prevent.rules.values()}
            assert rules[what].state == "enforced", f"the rule is {rules[what].state}: {end}"
        elif kind == "sender":
            assert what in states.explain.doubted, f"the sender is not doubted: {end}"
            assert "sample" in self.timers, f"no sample will be taken: {end}"
        elif kind == "pool":
            assert not states.deliver.pools, f"there is a pool: {end}"
        else:
            assert kind in ("suspicion", "book"), f"an unknown condition: {end}"

    def _check_departure(self, command: Deliver, taught: bool) -> None:
        row, address = command.row, command.address
        if not taught:
            assert self.states.contain.covers(row) is None, f"{row.key} leaves although held"
        rest = self.states.deliver.rests.get((address, self.states.deliver.receiver_of(row.domain)))
        if rest is not None and not taught:
            assert rest.canary == row.key, f"{row.key} leaves by {address}, which rests"
        refused_at = self._refused_at.get(row.key, set())
        if refused_at and address not in refused_at:
            assert row.moved, f"{row.key} was refused and moves unmarked"
            assert row.key not in self._never, f"{row.key} was refused for ever and moves"

    def _check_rebuilt(self) -> None:
        table = dict(self._db.execute("select key, row from queue").fetchall())
        assert table == queue.rebuilt(one for _, one, cause in self.journal if cause is not None)

    def close(self) -> None:
        """At the end: the projection, and the replay of the facts as they stand on disk."""
        self._check_rebuilt()
        states = States(self.key)
        for number, fact, expected in self.trace:
            again = facts.decode(facts.kind_of(fact), facts.encode(fact))
            assert again == fact
            assert printed(follow(states, again, number)) == expected, f"fact {number} replays not"
        for _, fact, _ in self.journal:
            assert facts.decode(facts.kind_of(fact), facts.encode(fact)) == fact


def printed(followed: Followed) -> bytes:
    """All that followed, as bytes."""
    parts = [b"%d<%d %s" % (n, cause, facts.encode(one)) for n, one, cause in followed.facts]
    parts += [commands.encode(one) for one in followed.commands]
    parts += [
        f"{type(t).__name__} {t.key} {t.due if isinstance(t, SetTimer) else ''}".encode()
        for t in followed.timers
    ]
    assert all(isinstance(t, SetTimer | CancelTimer) for t in followed.timers)
    return b"\n".join(parts)
