"""What a review measures: attempts and refusals by minute, address and sender, around an incident.

Counted once from the journal's outcomes; each answer is a `Figure` with its query, window, n and
interval, unknown where nothing was tried. Bounded: what lies outside the window is not kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from unlisted.facts import (
    Bounce,
    Carried,
    Delivery,
    Fact,
    Figure,
    Refusal,
    Suspicion,
    TransientFailure,
)
from unlisted.health import figures

MINUTE_S = 60.0
KINDS = ("Bounce", "Carried", "Delivery", "Refusal", "Suspicion", "TransientFailure")
Chosen = Callable[[str, str], bool]  # (address, receiver) → counts


class Counts:
    """Attempts and refusals between `start` and `end`, by (minute, address, receiver)."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end
        self._attempts: Counter[tuple[int, str, str]] = Counter()
        self._refused: Counter[tuple[int, str, str]] = Counter()
        self._sent: Counter[tuple[int, str]] = Counter()
        self._returned: dict[str, float] = {}  # letters of a watched server, when refused for good

    def take(self, fact: Fact) -> None:
        """Count one fact of `KINDS`; others, and what lies outside the window, count nothing."""
        if not self.start <= fact.at <= self.end:
            return
        minute = int(fact.at // MINUTE_S)
        if isinstance(fact, Delivery | TransientFailure | Bounce):
            self._attempts[minute, fact.address, fact.receiver] += 1
            self._sent[minute, fact.row.sender] += 1
            if isinstance(fact, Bounce) and fact.row.watched:
                self._returned.setdefault(fact.row.key, fact.at)
        elif isinstance(fact, Carried):
            for sender, count in fact.senders:
                self._attempts[minute, fact.address, fact.receiver] += count
                self._sent[minute, sender] += count
        elif isinstance(fact, Refusal | Suspicion):
            self._refused[minute, fact.address, fact.receiver] += 1

    def share(self, query: str, start: float, end: float, chosen: Chosen | None = None) -> Figure:
        """Refusals and suspicions of the attempts of the chosen paths."""
        part = _within(self._refused, start, end, chosen)
        whole = _within(self._attempts, start, end, chosen)
        return figures.share("refused_share", query, min(part, whole), whole, start, end)

    def returned(self, start: float, end: float) -> Figure | None:
        """Letters that a watched server returned, as its log tells; None: no server was watched."""
        if not self._returned:
            return None
        query = "letters that another server's log says were refused for good"
        count = sum(start <= at <= end for at in self._returned.values())
        return figures.count("returned_elsewhere", query, count, "messages", start, end)

    def attempts_of(
        self, query: str, start: float, end: float, sender: str, *, others: bool = False
    ) -> Figure:
        """Recipients tried for one sender; `others`: for everybody else, the control."""
        first, last = start // MINUTE_S, end // MINUTE_S
        count = sum(
            n
            for (minute, who), n in self._sent.items()
            if first <= minute < last and (who == sender) != others
        )
        return figures.count("attempts", query, count, "attempts", start, end)

    def by_step(self, step_s: float) -> list[tuple[float, int, int]]:
        """(start of the step, attempts, refusals), for a chart; steps without attempts too."""
        tried: Counter[int] = Counter()
        refused: Counter[int] = Counter()
        for found, into in ((self._attempts, tried), (self._refused, refused)):
            for (minute, _, _), count in found.items():
                into[int(minute * MINUTE_S // step_s)] += count
        if not tried:
            return []
        steps = range(min(tried), max(tried) + 1)
        return [(step * step_s, tried[step], min(refused[step], tried[step])) for step in steps]


def _within(
    counts: Counter[tuple[int, str, str]], start: float, end: float, chosen: Chosen | None
) -> int:
    first, last = start // MINUTE_S, end // MINUTE_S
    return sum(
        count
        for (minute, address, receiver), count in counts.items()
        if first <= minute < last and (chosen is None or chosen(address, receiver))
    )
