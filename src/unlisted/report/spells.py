"""Where one spell of refusals ends and the next begins.

Two refusals belong to different spells when more time than the list's term lies between them (no
listing lasts that long without new evidence, which makes it a new one), or when the receivers that
had refused took so much mail between them that chance does not explain it. How much that is goes by
how surely they had refused before: a receiver that asks the list for half of its users needs more
deliveries than one that refused everything. Refuses to see an end in deliveries elsewhere.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np

from unlisted.report.cells import SENT, Cells, Floats, Groups, by_time

CHANCE, WHOLE = math.log(1e-3), math.log(1e-2)
# Without a known term, the longest silence that may still be one listing.
MOMENT_S, PARTS = 60.0, 16
LONGEST_S = 7 * 86400.0


class Spell(msgspec.Struct, frozen=True):
    """Indices of the refusing cells [first, last], and why a new spell began."""

    first: int
    last: int
    why: str


class Deliveries:
    """What each receiver took, by time."""

    def __init__(self, cells: Cells) -> None:
        self._times: dict[int, Floats] = {}
        self._sums: dict[int, Floats] = {}
        self._all = sent = _spread(cells.where(cells.answer == SENT))
        groups = Groups(sent.receiver)
        for receiver in groups.keys:
            mine = groups.rows(int(receiver))
            self._times[int(receiver)] = sent.first_at[mine]
            self._sums[int(receiver)] = np.concatenate(([0.0], np.cumsum(sent.count[mine])))

    def between(self, receiver: int, low: float, high: float) -> int:
        """Taken after `low` and before `high`."""
        times = self._times.get(receiver)
        if times is None:
            return 0
        first, last = np.searchsorted(times, low, "right"), np.searchsorted(times, high, "left")
        return int(self._sums[receiver][last] - self._sums[receiver][min(first, last)])

    def first_after(self, receivers: set[int], at: float) -> float | None:
        found = [
            float(times[place])
            for receiver, times in self._times.items()
            if receiver in receivers and (place := np.searchsorted(times, at, "right")) < len(times)
        ]
        return min(found, default=None)

    def last_before(self, receivers: set[int], at: float) -> float | None:
        found = [
            float(times[place - 1])
            for receiver, times in self._times.items()
            if receiver in receivers and (place := np.searchsorted(times, at, "left")) > 0
        ]
        return max(found, default=None)

    def within(self, low: float, high: float) -> dict[int, int]:
        """What each receiver took after `low` and before `high`; only those that took any."""
        found: dict[int, int] = {}
        for _, receiver, count in self.rows(low, high):
            found[receiver] = found.get(receiver, 0) + count
        return found

    def rows(self, low: float, high: float) -> Iterator[tuple[float, int, int]]:
        """(when, receiver, how many), after `low` and before `high`."""
        first = np.searchsorted(self._all.first_at, low, "right")
        last = np.searchsorted(self._all.first_at, high, "left")
        if first >= last:
            return iter(())
        columns = (self._all.first_at, self._all.receiver, self._all.count)
        return zip(*(column[first:last].tolist() for column in columns), strict=True)


def _spread(cells: Cells) -> Cells:
    """Cells of a wide bucket as several: what was taken over hours was not taken at one moment."""
    parts = np.where(cells.last_at - cells.first_at > MOMENT_S, np.minimum(cells.count, PARTS), 1)
    if not len(cells) or int(parts.max()) == 1:
        return cells
    rows = np.repeat(np.arange(len(cells)), parts)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(parts) - parts, parts)
    many = parts[rows]
    step = (cells.last_at - cells.first_at)[rows] / np.maximum(many - 1, 1)
    whole = cells.count[rows]
    at = cells.first_at[rows] + step * nth
    return by_time(
        replace(
            cells.where(rows),
            first_at=at,
            last_at=at,
            count=(whole // many + (nth < whole % many)).astype(np.int32),
        )
    )


def released_at(
    refused: dict[int, int], deliveries: Deliveries, span: tuple[float, float], until: float
) -> float | None:
    """When what was taken after a spell of refusals became too much for chance: with the first
    delivery if none was taken during the spell. None: it did not before `until`."""
    taken = deliveries.within(*span)
    since: dict[int, int] = {}
    for at, receiver, count in deliveries.rows(span[1], until):
        since[receiver] = since.get(receiver, 0) + count
        if released(refused, taken, since):
            exact = not any(receiver in taken for receiver in refused)
            return deliveries.first_after(set(refused), span[1]) if exact else at
    return None


def released(
    refused: dict[int, int], taken: dict[int, int], since: dict[int, int], chance: float = CHANCE
) -> bool:
    """Whether what receivers took `since` is too much for chance, had they gone on as before, when
    they refused and took so many: each by its own share, and all by their common one. Alone, the
    shares of many receivers that refused once each would promise too much."""
    own = common = 0.0
    more = 0
    for receiver, count in since.items():
        bad = refused.get(receiver, 0)
        if bad:
            more += count
            own += _all_taken(bad, taken.get(receiver, 0), count)
    if own < chance:
        good = sum(count for receiver, count in taken.items() if receiver in refused)
        common = _all_taken(sum(refused.values()), good, more)
    return common < chance


def _all_taken(refused: int, taken: int, more: int) -> float:
    """The log probability that all of `more` are taken, the share being known only from what was
    refused and taken before (Jeffreys' prior): few refusals promise little."""
    a, b = refused + 0.5, taken + 0.5
    return math.lgamma(b + more) - math.lgamma(b) + math.lgamma(a + b) - math.lgamma(a + b + more)


def spells(
    refusals: Cells, deliveries: Deliveries, term_s: float | None, step_s: float = 60.0
) -> list[Spell]:
    """The spells of refusals in time order. `step_s`: how wide the buckets of counts are; what was
    taken within a shorter gap than that is not known."""
    found: list[Spell] = []
    longest = term_s if term_s is not None else LONGEST_S
    begun, why = 0, ""
    refused: dict[int, int] = {}
    taken: dict[int, int] = {}
    ended = -math.inf
    # Each gap is a trial: among a thousand, one in a thousand is no news.
    chance = min(CHANCE, WHOLE - math.log(max(1, len(refusals))))
    columns = (refusals.first_at, refusals.last_at, refusals.receiver, refusals.count)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for place, (at, last, receiver, count) in enumerate(rows):
        if place > begun and at > ended:
            since = deliveries.within(ended, at)
            split = ""
            if at - ended > longest:
                split = "silence longer than a listing lasts"
            elif at - ended >= step_s and released(refused, taken, since, chance):
                split = "mail was taken in between"
            if split:
                found.append(Spell(begun, place - 1, why))
                begun, why, refused, taken = place, split, {}, {}
            else:
                for one, more in since.items():
                    taken[one] = taken.get(one, 0) + more
        refused[receiver] = refused.get(receiver, 0) + count
        ended = max(ended, last)
    if len(refusals):
        found.append(Spell(begun, len(refusals) - 1, why))
    return found
