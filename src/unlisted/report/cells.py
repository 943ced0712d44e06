"""Counts of attempts in cells, the form in which a log of any length fits in memory.

A cell is (route, receiver, sender, answer, bucket of time) with the number of attempts in it, when
the first and the last were, and the file and line of the first: so that each sum leads back to the
log. Cells are columns (numpy); names are numbers into the tables of `Names`. Three tallies of the
same attempts leave out what they are not asked for (`Tallies`). Refuses to grow: a tally widens its
buckets, from a minute up to a day, when there are too many cells, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

# Answers that need no words; the others are rows of Names.answers.
SENT, OTHER, UNKNOWN_USER, NO_ANSWER, UNSURE = 0, 1, 2, 3, 4
WORDLESS = 5
NOBODY = 0  # the sender where the log cannot tell
ROUTES, RECEIVERS, SENDERS, ANSWERS = 1 << 12, 1 << 20, 1 << 20, 1 << 16
DAY_S = 86400


class Route(msgspec.Struct, frozen=True):
    """How mail left, as far as the log tells: our own address, else the instance's transport or
    pool and the version of the protocol (two versions are two addresses)."""

    egress: str | None
    instance: str = ""
    transport: str = ""
    pool: str = ""
    version: str = ""

    @property
    def label(self) -> str:
        name = self.pool or self.transport or self.instance
        kind = "pool" if self.pool else "transport" if self.transport else "instance"
        extra = " (IPv6)" if self.version == "6" else ""
        return self.egress or (f"the address behind {kind} {name}{extra}" if name else "")


class Answer(msgspec.Struct, frozen=True):
    """What a receiver's refusal or doubtful reply means; `text` is the first that meant it."""

    refusal: str  # yes, suspicion; "unmatched": no rule knows the words
    reason: str | None
    subject: str
    subject_value: str | None
    ours: str
    blames: str | None
    family: str | None
    said_by: str | None
    retry: str
    rule: str | None
    temporary: bool
    text: str = msgspec.field(default="")

    @property
    def blames_us(self) -> bool:
        return self.refusal == "yes" and self.ours != "no"

    @property
    def doubtful(self) -> bool:
        return self.refusal != "yes" and self.ours != "no"


class Names(msgspec.Struct, frozen=True):
    """The tables that the numbers in cells point into. senders[0] is nobody known; the first
    `WORDLESS` answers are None."""

    routes: Sequence[Route]
    receivers: Sequence[str]
    senders: Sequence[str]
    answers: Sequence[Answer | None]


@dataclass(frozen=True)
class Cells:
    """Columns of equal length. `finals`: how many were the last word on a message (sent, bounced,
    expired); `new`: how many went to a recipient the sender had not written to before."""

    route: Ints
    receiver: Ints
    sender: Ints
    answer: Ints
    bucket: Ints
    count: Ints
    finals: Ints
    new: Ints
    first_at: Floats
    last_at: Floats
    file: Ints
    line: Longs

    def __len__(self) -> int:
        return len(self.count)

    def where(self, mask: NDArray[Any]) -> "Cells":
        """The cells of a mask or of indices."""
        return Cells(*(getattr(self, field.name)[mask] for field in fields(self)))

    def during(self, first: float, last: float) -> "Cells":
        """Those whose middle lies in that time: of a wide bucket all of it counts, or nothing."""
        middle = (self.first_at + self.last_at) / 2
        return self.where((middle >= first) & (middle <= last))

    def total(self) -> int:
        return int(self.count.sum())


DTYPES: dict[str, Any] = {"first_at": np.float64, "last_at": np.float64, "line": np.int64}


class Tallies(msgspec.Struct, frozen=True):
    """paths: by route, receiver, answer and minute; senders only of refusals and doubts.
    people: by sender, route, answer and quarter of an hour, receivers left out.
    mixed: by route, receiver and sender, and hour."""

    paths: Cells
    people: Cells
    mixed: Cells
    # The bucket of each in seconds, where refusals were; it is wider than at first in large logs.
    paths_bucket_s: int = 60
    people_bucket_s: int = 900
    mixed_bucket_s: int = 3600


class Groups:
    """Rows by a key, found without a look at all rows for each key."""

    def __init__(self, keys: NDArray[Any]) -> None:
        self._order = np.argsort(keys, kind="stable")
        self.keys, starts = np.unique(keys[self._order], return_index=True)
        self._edges = np.append(starts, len(keys))

    def rows(self, *keys: int) -> NDArray[np.intp]:
        """The rows of these keys, in their order."""
        found = []
        for key in keys:
            place = int(np.searchsorted(self.keys, key))
            if place < len(self.keys) and self.keys[place] == key:
                found.append(self._order[self._edges[place] : self._edges[place + 1]])
        if len(found) == 1:
            return found[0]
        return np.sort(np.concatenate(found)) if found else self._order[:0]


def path_of(place: Any, receiver: Any) -> Any:
    """One number of both: of an address at a receiver."""
    return np.int64(place) * RECEIVERS + receiver


def empty() -> Cells:
    names = [field.name for field in fields(Cells)]
    return Cells(**{name: np.zeros(0, DTYPES.get(name, np.int32)) for name in names})


def joined(parts: Sequence[Cells]) -> Cells:
    """All cells of all parts, not merged yet."""
    if not parts:
        return empty()
    names = [field.name for field in fields(Cells)]
    return Cells(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def merged(cells: Cells, bucket_s: int | Longs) -> Cells:
    """Cells with one key made one, in buckets of `bucket_s`, one for all or one for each cell."""
    if not len(cells):
        return cells
    # Numbers of buckets of different widths do not meet: a minute's are 60 times an hour's.
    bucket = np.clip(cells.first_at, 0, 8e9).astype(np.int64) // bucket_s
    where = (bucket << 32) | (cells.route.astype(np.int64) << 20) | cells.receiver
    who = (cells.sender.astype(np.int64) << 16) | cells.answer
    order = np.lexsort((cells.line, cells.first_at, who, where))
    where, who = where[order], who[order]
    starts = np.flatnonzero(
        np.concatenate(([True], (where[1:] != where[:-1]) | (who[1:] != who[:-1])))
    )
    first = order[starts]

    def summed(column: Ints) -> Ints:
        return np.add.reduceat(column[order], starts)

    return Cells(
        route=cells.route[first],
        receiver=cells.receiver[first],
        sender=cells.sender[first],
        answer=cells.answer[first],
        bucket=bucket[first].astype(np.int32),
        count=summed(cells.count),
        finals=summed(cells.finals),
        new=summed(cells.new),
        first_at=cells.first_at[first],
        last_at=np.maximum.reduceat(cells.last_at[order], starts),
        file=cells.file[first],
        line=cells.line[first],
    )


def by_time(cells: Cells) -> Cells:
    """In the order of their first attempts."""
    return cells.where(np.lexsort((cells.line, cells.file, cells.first_at)))
