"""The append-only journal and its projections in one SQLite file (DESIGN sections 2 and 5).

WAL, synchronous=FULL, one writer, one transaction at a time: an observed fact, what was derived
from it, its queue rows, timers, outbox rows, personal values and body commit together or not at
all. Refuses a second writer (lock file) and a journal of a newer layout.
Bodies are sealed (AES-GCM, key derived from the site's secret), so a copied file shows no mail.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from unlisted import commands, facts
from unlisted.commands import CancelTimer, Command, SetTimer
from unlisted.edge import queue
from unlisted.edge.journal_room import PATIENCE_MS, Room
from unlisted.edge.only_writer import NotHeld, only_writer
from unlisted.facts import Fact, Observed

FILE = "journal.db"  # its name in a state folder
LAYOUT = 1
SCHEMA = """
create table if not exists fact(
  n integer primary key, at real not null, kind text not null, cause integer,
  logic integer not null, message text, body text not null);
create index if not exists fact_message on fact(message) where message is not null;
create table if not exists outbox(key text primary key, n integer not null, body text not null);
create table if not exists timer(key text primary key, due real not null);
create table if not exists body(message integer primary key, raw blob not null);
create table if not exists personal(person text primary key, value text not null);
create table if not exists meta(name text primary key, value text not null);
"""


class JournalError(Exception):
    """The journal cannot be opened or written; the text says what was expected."""


class NoJournal(JournalError):
    """There is none where one was to be read."""


class NotBegun(JournalError):
    """No transaction could begin: nothing was changed, on the disk or in memory."""


class Line(NamedTuple):
    """One journal row. `cause` None: an observed fact."""

    n: int
    at: float
    kind: str
    cause: int | None
    logic: int
    body: str

    def fact(self) -> Fact:
        """The decoded fact. Raises facts.FactError."""
        return facts.decode(self.kind, self.body)


class Journal:
    """The only writer. Nothing may leave the process before `commit` returned."""

    def __init__(self, path: Path, secret: bytes, *, durable: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            self._lock = only_writer(path.with_suffix(".lock"), "journal")
        except NotHeld as exc:
            raise JournalError(str(exc)) from exc
        self._seal = AESGCM(hmac.new(secret, b"bodies", hashlib.sha256).digest())
        try:
            self._db = _connected(path, durable)
        except JournalError:
            self._lock.close()
            raise
        self._open = False
        self._room = Room(path)
        (last,) = self._db.execute("select coalesce(max(n), 0) from fact").fetchone()
        self.last: int = last
        self.committed: int = last  # the newest fact that is durable

    # ------------------------------------------------------------ writing

    def append(
        self,
        n: int,
        fact: Fact,
        derived: Sequence[tuple[int, Fact, int]],
        commands_: Iterable[Command] = (),
        timers: Iterable[SetTimer | CancelTimer] = (),
        *,
        body: bytes | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> None:
        """Add one input and all that follows from it to the open transaction."""
        db = self._db
        self.begin()
        self._insert(n, fact, None)
        for person, value in (personal or {}).items():
            db.execute("insert or ignore into personal values(?,?)", (person, value))
        if body is not None:
            db.execute("insert or replace into body values(?,?)", (n, self._sealed(n, body)))
        if isinstance(fact, facts.TimerFired):
            db.execute("delete from timer where key=?", (fact.key,))
        if isinstance(fact, Observed) and fact.done is not None:
            db.execute("delete from outbox where key=?", (fact.done,))
        for number, one, cause in derived:
            self._insert(number, one, cause)
            queue.project(db, one)
        for command in commands_:
            db.execute(
                "insert or ignore into outbox values(?,?,?)",
                (command.key, n, commands.encode(command).decode()),
            )
        for timer in timers:
            if isinstance(timer, SetTimer):
                db.execute("insert or replace into timer values(?,?)", (timer.key, timer.due))
            else:
                db.execute("delete from timer where key=?", (timer.key,))
        # Last: a report asked for in this very transaction still needs the header block.
        settled = {queue.place(f.key)[0] for _, f, _ in derived if isinstance(f, facts.Settled)}
        if isinstance(fact, Observed) and (fact.done or "").startswith("ndr/"):
            settled.add(queue.place(str(fact.done).split("/")[1])[0])
        for message in sorted(settled):
            queue.drop_body(db, message)

    def keep(self, name: str, value: str) -> None:
        """Keep a value in the open transaction, as how far an input was read. Raises
        JournalError."""
        self.begin()
        try:
            self._db.execute("insert or replace into meta values(?,?)", (name, value))
        except sqlite3.Error as exc:
            raise JournalError(f"{self.path}: cannot be written: {exc}") from exc

    def kept(self, name: str) -> str | None:
        """The value kept under a name."""
        row = self._db.execute("select value from meta where name=?", (name,)).fetchone()
        return str(row[0]) if row else None

    def begin(self) -> None:
        """Open a transaction unless one is open. Raises NotBegun."""
        if self._open:
            return
        try:
            if self._room.failing:
                self._room.tried(self._db)
            self._db.execute("begin immediate")
        except sqlite3.Error as exc:
            self._room.failed(self._db)
            raise NotBegun(f"{self.path}: cannot be written: {exc}") from exc
        self._open = True

    def writable(self) -> bool:
        """Whether a transaction could begin and end now, as far as can be told without one."""
        return not self._room.failing if self._open else self._room.look(self._db)

    def commit(self) -> None:
        """Make the open transaction durable. Raises JournalError; then nothing of it stands."""
        if not self._open:
            return
        self._open = False
        try:
            self._db.execute("commit")
        except sqlite3.Error as exc:
            self.rollback()
            raise JournalError(f"{self.path}: cannot commit: {exc}") from exc
        self._room.worked(self._db)
        self.committed = self.last

    def rollback(self) -> None:
        """Forget the open transaction: it could not be made durable."""
        self._open = False
        self._room.failed(self._db)
        if self._db.in_transaction:
            self._db.execute("rollback")
        (self.last,) = self._db.execute("select coalesce(max(n), 0) from fact").fetchone()

    def _insert(self, n: int, fact: Fact, cause: int | None) -> None:
        self._db.execute(
            "insert into fact values(?,?,?,?,?,?,?)",
            (
                n,
                fact.at,
                facts.kind_of(fact),
                cause,
                facts.LOGIC,
                facts.message_of(fact),
                facts.encode(fact).decode(),
            ),
        )
        self.last = n

    def _sealed(self, n: int, body: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._seal.encrypt(nonce, body, str(n).encode())

    # ------------------------------------------------------------ reading

    def lines(self, after: int = 0) -> Iterator[Line]:
        """Every row with n > after, in order."""
        return lines(self._db, after)

    def line(self, n: int) -> Line | None:
        """One row, or None."""
        row = self._db.execute(
            "select n,at,kind,cause,logic,body from fact where n=?", (n,)
        ).fetchone()
        return Line(*row) if row else None

    def about(self, message: str) -> Iterator[Line]:
        """The rows that speak of one message ("m17"), in order, 5,000 at most."""
        rows = self._db.execute(
            "select n,at,kind,cause,logic,body from fact where message=? order by n limit 5000",
            (message,),
        )
        for row in rows:
            yield Line(*row)

    def outbox(self) -> list[Command]:
        """Commands without an outcome, in the order they were given."""
        try:
            rows = self._db.execute("select body from outbox order by n, rowid").fetchall()
            return [commands.decode(body) for (body,) in rows]
        except (sqlite3.Error, ValueError) as exc:
            raise JournalError(f"{self.path}: the outbox is damaged: {exc}") from exc

    def timers(self) -> list[tuple[str, float]]:
        """Timers that stand, earliest first."""
        try:
            rows = self._db.execute("select key,due from timer order by due,rowid").fetchall()
            return [(str(key), float(due)) for key, due in rows]
        except (sqlite3.Error, ValueError) as exc:
            raise JournalError(f"{self.path}: the timers are damaged: {exc}") from exc

    def body(self, message: str) -> bytes | None:
        """The message as accepted; None: settled long ago, or erased."""
        n = int(message[1:])
        row = self._db.execute("select raw from body where message=?", (n,)).fetchone()
        if row is None:
            return None
        return self._seal.decrypt(row[0][:12], row[0][12:], str(n).encode())

    def person(self, person: str) -> str | None:
        """The address or sender behind a keyed hash; None: unknown or erased."""
        row = self._db.execute("select value from personal where person=?", (person,)).fetchone()
        return row[0] if row else None

    @property
    def database(self) -> sqlite3.Connection:
        """For the queue's loader and the pages' read-only queries."""
        return self._db

    def close(self) -> None:
        """Commit what is open and let the next writer in."""
        self.commit()
        self._db.close()
        self._lock.close()


def reader(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A read-only connection. `immutable`: nobody writes, and nothing may be made beside it.

    Raises JournalError.
    """
    if not path.exists():
        raise NoJournal(
            f"{path}: no journal there; name the state folder of a service or watch: --state DIR"
        )
    how = "&immutable=1" if immutable else ""
    try:
        # As a URI with its special characters quoted: a folder may be called "a?b" or "50%".
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{how}", uri=True)
    except sqlite3.Error as exc:
        raise JournalError(f"{path}: cannot be opened: {exc}") from exc
    try:
        _check_layout(db, path)
    except JournalError:
        db.close()
        raise
    return db


def lines(db: sqlite3.Connection, after: int = 0) -> Iterator[Line]:
    """Every row with n > after, in order. Raises JournalError where the file is damaged."""
    last = after
    try:
        for row in db.execute(
            "select n,at,kind,cause,logic,body from fact where n>? order by n", (after,)
        ):
            if not isinstance(row[5], str):
                raise JournalError(f"fact {row[0]} is no text: the journal is damaged")
            last = row[0]
            yield Line(*row)
    except sqlite3.Error as exc:
        # SQLite quotes the row it stumbled over, people's names included: not repeated here.
        words = str(exc).partition(" with text ")[0]
        raise JournalError(f"the journal is damaged after fact {last}: {words}") from exc


def _connected(path: Path, durable: bool) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise JournalError(f"{path}: cannot be opened: {exc}") from exc
    try:
        _prepare(db, path, durable)
    except JournalError:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, durable: bool) -> None:
    try:
        db.execute("pragma journal_mode=wal")
        db.execute(f"pragma synchronous={'full' if durable else 'off'}")
        db.execute("pragma secure_delete=on")
        db.executescript(SCHEMA + queue.SCHEMA)
        db.execute(f"pragma busy_timeout={PATIENCE_MS}")
    except sqlite3.Error as exc:
        raise JournalError(f"{path}: not a journal: {exc}") from exc
    _check_layout(db, path)


def _check_layout(db: sqlite3.Connection, path: Path) -> None:
    try:
        row = db.execute("select value from meta where name='layout'").fetchone()
        if row is None:
            db.execute("insert into meta values('layout', ?)", (str(LAYOUT),))
            return
    except sqlite3.Error as exc:
        raise JournalError(f"{path}: not a journal: {exc}") from exc
    check_version(str(row[0]), path)


def check_version(layout: str, path: Path) -> None:
    """Raises JournalError when this version cannot read such a layout."""
    if not re.fullmatch(r"\d{1,9}", layout):
        raise JournalError(f"{path}: not a journal: its layout is {layout[:20]!r}")
    if int(layout) > LAYOUT:
        raise JournalError(f"{path}: layout {layout}; this version reads up to {LAYOUT}")
