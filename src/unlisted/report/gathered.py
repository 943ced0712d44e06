"""What one reading of the logs leaves behind, ready for the report: counts, names, refused rows.

`Kept` are the rows that a re-send has to be decided from, one per attempt that was refused, in
doubt, or lost at the end of DATA. Their texts stay with whoever read them; `strings(i)` fetches.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from unlisted.report.cells import Floats, Ints, Longs, Names, Tallies

STATUSES = ("sent", "deferred", "bounced", "expired")
SENT_ROW, DEFERRED, BOUNCED, EXPIRED = range(4)


class Strings(msgspec.Struct, frozen=True):
    """The texts of one kept row. text: how the reply to it began, as logged."""

    message_id: str
    queue_id: str
    instance: str
    mail_from: str
    recipient: str
    text: str = ""


@dataclass(frozen=True)
class Kept:
    """Columns of equal length, in the order of reading.

    letter: one number per message and recipient. sent_at: when that letter was delivered (in the
    log, after the refusal or by the same queue id), NaN if not seen. wrote_at: when another message
    of about the same size, with the same reverse-path, reached the same recipient later, else NaN.
    """

    letter: NDArray[np.uint64]
    at: Floats
    status: Ints
    answer: Ints
    route: Ints
    receiver: Ints
    sender: Ints
    file: Ints
    line: Longs
    sent_at: Floats
    wrote_at: Floats
    strings: Callable[[int], Strings]

    def __len__(self) -> int:
        return len(self.at)


class FileRead(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it was read: what of it is in the figures and what is not."""

    name: str
    format: str = ""
    lines: int = 0
    attempts: int = 0
    unread: int = 0
    # A few of the lines not read: (line number, why or how it begins).
    samples: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What bounded memory let go; the counts of attempts are never among it."""

    refused_rows: int = 0
    deferred_rows: int = 0
    earlier_deliveries: int = 0
    names: int = 0
    pairs: int = 0


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. since, until: the first and last attempt."""

    names: Names
    tallies: Tallies
    kept: Kept
    attempts: int
    statuses: dict[str, int]
    since: float | None
    until: float | None
    ours: tuple[str, ...]
    dropped: Dropped
    # Whether recipients new to their sender could be told for all rows.
    pairs_complete: bool = True
