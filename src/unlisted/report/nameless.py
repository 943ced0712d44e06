"""Blocks that no list explains: one receiver's replies turn against one address and not the others.

Texts that only might mean a block, and texts that no rule knows, are counted per address and
receiver. An e-detector says when their share is news; the contrast with the other addresses says
whether it is the address (a block), all addresses alike (domain, content, the whole network) or one
sender. Refuses to call it a block without neighbours to compare with, or when words that no rule
knows make up most of it and not most mail is refused: then it is a suspicion. Deferrals after which
the letters soon arrived are greylisting and count for nothing.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from unlisted.rates.contrast import MIN_SENDERS, Contrast, contrast
from unlisted.rates.edetector import EDetector, threshold
from unlisted.rates.interval import Interval, binomial_interval
from unlisted.report.cells import NOBODY, RECEIVERS, Cells, Groups, Names, path_of
from unlisted.report.episodes import Answered, Chart, Episode, Hit, chart_of
from unlisted.report.evidence import Evidence, evidence_of
from unlisted.report.gathered import Kept
from unlisted.report.places import Place, Places
from unlisted.report.spells import Deliveries, spells

ALPHA = 1e-3  # of one false alarm over all streams and the mean run length
BASE_RATE = 0.02  # upper bound of the ordinary share
LEAST = 3
# A detector has settled after this many deliveries in a row.
SETTLED = 300
TEXTS = 3
MOST = 0.5
NEAR_S = 6 * 3600.0  # receivers take a list up at different times, mail comes when it comes
SOON_S = 4 * 3600.0  # greylisting lets a letter in by then

Kind = Literal["address", "listed", "all", "one_sender", "suspected"]


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` "address" is a block, "listed" is one that began while a list held the address (the
    episode `beside`); the others say what it is rather, or that nothing can tell."""

    id: str
    kind: Kind
    place: Place
    receiver: str
    first_at: float
    last_at: float
    rate: Interval
    elsewhere: Interval | None
    before: Interval | None
    probability: float
    reason: str
    senders: tuple[Hit, ...]
    senders_count: int
    texts: tuple[str, ...]
    evidence: Evidence
    chart: Chart
    beside: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether the address itself was refused, as far as can be told."""
        return self.kind in ("address", "listed")


def shifts_of(
    names: Names,
    places: Places,
    counts: Answered,
    mixed: Cells,
    episodes: list[Episode],
    kept: Kept,
) -> list[Shift]:
    """All of them, oldest first, blocks before suspicions of the same moment."""
    cells = counts.cells
    doubtful = np.array(
        [answer is not None and answer.doubtful for answer in names.answers], np.bool_
    )
    lasting = doubtful & np.array(
        [answer is not None and not answer.temporary for answer in names.answers], np.bool_
    )
    passing = _passing(places, kept, doubtful & ~lasting)
    mask = doubtful[cells.answer] & ~_explained(names, places, counts, episodes)
    doubted = np.flatnonzero(mask)
    streams = threshold(ALPHA, max(1, len(counts.by_path.keys)))
    by_receiver, mixed_place = Groups(mixed.receiver), places.of(mixed)
    groups = Groups(counts.path[doubted])
    found: list[Shift] = []
    for one in groups.keys:
        meant = lasting if int(one) in passing else doubtful
        rows = doubted[groups.rows(int(one))]
        doubts = cells.where(rows[meant[cells.answer[rows]]])
        if doubts.total() < LEAST:
            continue
        place, receiver = divmod(int(one), RECEIVERS)
        at_receiver = counts.by_receiver.rows(receiver)
        elsewhere = at_receiver[counts.place[at_receiver] != place]
        of_senders = by_receiver.rows(receiver)
        stream = _Stream(
            names,
            places,
            place,
            cells.where(counts.by_path.rows(int(one))),
            cells.where(elsewhere),
            counts.place[elsewhere],
            mixed.where(of_senders[mixed_place[of_senders] == place]),
            counts.step_s,
        )
        found += stream.shifts(doubts, meant, streams)
    found = [_beside(one, episodes) for one in found]
    order = {"address": 0, "listed": 1, "suspected": 2, "all": 3, "one_sender": 4}
    found.sort(key=lambda one: (order[one.kind], one.first_at, one.place.name, one.receiver))
    return [msgspec.structs.replace(one, id=f"s{n}") for n, one in enumerate(found, 1)]


def _beside(shift: Shift, episodes: list[Episode]) -> Shift:
    """Without neighbours nothing tells address and content apart, but a shift that hits several
    senders at once while a list holds the address is hardly a coincidence."""
    several = sum(1 for hit in shift.senders if hit.name != "unknown") >= MIN_SENDERS
    new = shift.before is None or shift.before.high < shift.rate.low
    if shift.kind != "suspected" or not several or not new:
        return shift
    for episode in episodes:
        if (
            shift.place.name in (episode.place.name, *episode.behind)
            and episode.first_at - NEAR_S <= shift.first_at <= episode.last_at
        ):
            return msgspec.structs.replace(shift, kind="listed", beside=episode.id)
    return shift


def _passing(places: Places, kept: Kept, temporary: NDArray[np.bool_]) -> set[int]:
    """(place, receiver) where most letters that were deferred in doubtful words soon arrived."""
    letters: dict[int, dict[int, bool]] = {}
    for row in np.flatnonzero(temporary[kept.answer]):
        place = places.of_answer(int(kept.route[row]), int(kept.answer[row]))
        soon = float(kept.sent_at[row]) - float(kept.at[row]) <= SOON_S  # False for NaN
        of_path = letters.setdefault(int(path_of(place, int(kept.receiver[row]))), {})
        letter = int(kept.letter[row])
        of_path[letter] = soon or of_path.get(letter, False)
    return {path for path, found in letters.items() if 2 * sum(found.values()) >= len(found)}


def _explained(
    names: Names, places: Places, counts: Answered, episodes: list[Episode]
) -> NDArray[np.bool_]:
    """Doubtful replies of a receiver that refuses this address for a list at that time anyway."""
    cells = counts.cells
    found = np.zeros(len(cells), np.bool_)
    numbers = {name: number for number, name in enumerate(names.receivers)}
    where = {place.name: number for number, place in enumerate(places.all)}
    for episode in episodes:
        place = where[episode.place.name]
        paths = (int(path_of(place, numbers[hit.name])) for hit in episode.receivers)
        rows = counts.by_path.rows(*paths)
        at = cells.first_at[rows]
        found[rows[(at >= episode.first_at) & (at <= episode.last_at)]] = True
    return found


class _Stream:
    """One address at one receiver, beside the other addresses there."""

    def __init__(
        self,
        names: Names,
        places: Places,
        place: int,
        here: Cells,
        there: Cells,
        there_place: NDArray[np.int32],
        by_sender: Cells,
        step_s: float,
    ) -> None:
        self.names, self.place, self.step_s = names, places.all[place], step_s
        self.here, self.there, self.by_sender = here, there, by_sender
        self.neighbours = [places.all[int(number)].name for number in there_place]

    def shifts(
        self,
        doubts: Cells,
        doubtful: NDArray[np.bool_],
        alarm: float,
    ) -> list[Shift]:
        found = []
        for spell in spells(doubts, Deliveries(self.here), None, self.step_s):
            part = doubts.where(np.arange(spell.first, spell.last + 1))
            if part.total() < LEAST or not self._alarmed(part, alarm):
                continue
            found.append(self._shift(part, doubtful))
        return found

    def _alarmed(self, doubts: Cells, alarm: float) -> bool:
        """Whether the detector, fed in time order from a settled start, ever passes the bar."""
        detector = EDetector(p0=BASE_RATE)
        deliveries = Deliveries(self.here)
        receiver = int(doubts.receiver[0])
        last = -np.inf
        for place in range(len(doubts)):
            at = float(doubts.first_at[place])
            for _ in range(min(SETTLED, deliveries.between(receiver, last, at))):
                detector.update(False)
            for _ in range(min(SETTLED, int(doubts.count[place]))):
                if detector.update(True) >= alarm:
                    return True
            last = at
        return False

    def _shift(self, doubts: Cells, doubtful: NDArray[np.bool_]) -> Shift:
        first, last = float(doubts.first_at.min()), float(doubts.last_at.max())
        mine = self.here.during(first, last)
        inside = (self.there.first_at >= first) & (self.there.first_at <= last)
        theirs = self.there.where(inside)
        names = [name for name, within in zip(self.neighbours, inside, strict=True) if within]
        by_address = {self.place.name: (doubts.total(), max(doubts.total(), mine.total()))}
        for row, name in enumerate(names):
            bad = int(theirs.count[row]) * bool(doubtful[theirs.answer[row]])
            part, whole = by_address.get(name, (0, 0))
            by_address[name] = (part + bad, whole + int(theirs.count[row]))
        senders = self._senders(doubts, doubtful, first, last)
        weighed = contrast(by_address, self.place.name, senders)
        others = [pair for name, pair in by_address.items() if name != self.place.name]
        refused = [
            Hit(name or "unknown", part, whole) for name, (part, whole) in senders.items() if part
        ]
        refused.sort(key=lambda hit: (-hit.refused, hit.name))
        earlier = self.here.where(self.here.first_at < first)
        rate = binomial_interval(*by_address[self.place.name])
        kind = _kind(weighed, bool(others), known=NOBODY not in self.by_sender.sender)
        if kind == "address" and rate.low < MOST and self._mostly_unmatched(doubts):
            kind = "suspected"
        return Shift(
            id="",
            kind=kind,
            place=self.place,
            receiver=self.names.receivers[int(doubts.receiver[0])],
            first_at=first,
            last_at=last,
            rate=rate,
            elsewhere=_summed(others) if others else None,
            before=_summed([_bad_of(earlier, doubtful)]) if len(earlier) else None,
            probability=weighed.probability,
            reason=weighed.reason,
            senders=tuple(refused[:20]),
            senders_count=len(refused),
            texts=self._texts(doubts),
            evidence=evidence_of(doubts),
            chart=chart_of(doubts, self.here, first, last),
        )

    def _senders(
        self,
        doubts: Cells,
        doubtful: NDArray[np.bool_],
        first: float,
        last: float,
    ) -> dict[str, tuple[int, int]]:
        """(in doubt, answered) by sender; hours that the time only touches count whole."""
        cells = self.by_sender.during(first - 3600.0, last)
        found: dict[str, tuple[int, int]] = {}
        for row in range(len(cells)):
            name = self.names.senders[int(cells.sender[row])]
            part, whole = found.get(name, (0, 0))
            count = int(cells.count[row])
            bad = count * bool(doubtful[cells.answer[row]])
            found[name] = (part + bad, whole + count)
        return found

    def _mostly_unmatched(self, doubts: Cells) -> bool:
        """Words that no rule knows may mean anything: dead addresses, say."""
        answers = [self.names.answers[int(number)] for number in doubts.answer]
        unmatched = [answer is not None and answer.refusal == "unmatched" for answer in answers]
        return 2 * int(doubts.count[np.array(unmatched)].sum()) > doubts.total()

    def _texts(self, doubts: Cells) -> tuple[str, ...]:
        answers = [self.names.answers[int(number)] for number in np.unique(doubts.answer)]
        return tuple(dict.fromkeys(a.text for a in answers if a is not None))[:TEXTS]


def _kind(weighed: Contrast, neighbours: bool, known: bool) -> Kind:
    if weighed.kind in ("address", "all", "one_sender"):
        return weighed.kind
    likely = max(weighed.probabilities, key=lambda kind: (weighed.probabilities[kind], kind))
    if likely == "one_sender" and known and neighbours:
        return "one_sender"
    return "suspected"


def _bad_of(cells: Cells, doubtful: NDArray[np.bool_]) -> tuple[int, int]:
    return int(cells.count[doubtful[cells.answer]].sum()), cells.total()


def _summed(pairs: list[tuple[int, int]]) -> Interval:
    return binomial_interval(sum(p for p, _ in pairs), sum(n for _, n in pairs))
