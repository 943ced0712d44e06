"""A journal that is only read, and what is asked of it: names, queue rows, lines, counts.

Nothing of it is kept: whatever is shown of many facts together is in `readmodel`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from unlisted.edge import journal
from unlisted.facts import Row

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
_ROW = msgspec.json.Decoder(Row)


class JournalReader:
    """The journal at `path`, by a connection of its own. `live`: its writer goes on beside it."""

    def __init__(self, path: Path, *, live: bool = False) -> None:
        self.db: sqlite3.Connection = journal.reader(path) if live else reading(path)
        if live:
            # Nobody's lock may hold up the event loop: what was read last is shown meanwhile.
            self.db.execute("pragma busy_timeout=50")

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
