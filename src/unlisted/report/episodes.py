"""Episodes: one listing of one of our addresses on one list, as the refusals in a log show it.

The rate of refusals is taken during the episode, at the receivers that refused for this list. The
clock is the list's own (`watch.term`): when it lets go if nothing new was reported after the last
refusal seen. Refuses to call an episode over on silence: over is what receivers that had refused
took again; no attempt since is said as such.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from unlisted.rates.interval import Interval, binomial_interval
from unlisted.report.blame import Blamed, blamed_by, row_of
from unlisted.report.cells import (
    NO_ANSWER,
    NOBODY,
    RECEIVERS,
    UNSURE,
    WORDLESS,
    Cells,
    Groups,
    Names,
    path_of,
)
from unlisted.report.evidence import Evidence, evidence_of
from unlisted.report.places import Place, Places
from unlisted.report.spells import Deliveries, Spell, released_at, spells
from unlisted.watch.catalogue import ListRow
from unlisted.watch.term import Release, predict_release

LATE_EVIDENCE_S = 3600.0  # a report may reach the list this long after the mail
TEXTS = 3
TOLD = 1000  # receivers, and users, told by name
HOURS = 24 * 14
AROUND = 6  # hours shown before and after

State = Literal["over", "open", "not tried since", "unclear"]


class Hit(msgspec.Struct, frozen=True):
    """A receiver or a user, and how many attempts were refused (of how many answered)."""

    name: str
    refused: int
    attempts: int


class Ending(msgspec.Struct, frozen=True):
    """How an episode stands at the end of the log; over between `low` and `high`."""

    state: State
    low: float | None
    high: float | None
    words: str


class Chart(msgspec.Struct, frozen=True):
    """Refused and answered attempts in steps of `step_s` from `start`, at the receivers hit."""

    start: float
    step_s: float
    refused: tuple[int, ...]
    answered: tuple[int, ...]


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """`behind`: the transports whose attempts are counted although the log does not tell which of
    their addresses each left by; the rate is a lower bound then.
    `number` of `times`: the how-manieth time this list had this address in this log."""

    id: str
    place: Place
    blamed: Blamed
    zones: tuple[str, ...]
    row: ListRow | None
    named: str | None
    first_at: float
    last_at: float
    refusals: int
    rate: Interval
    behind: tuple[str, ...]
    receivers: tuple[Hit, ...]
    receivers_count: int
    users: tuple[Hit, ...]
    users_count: int
    users_unknown: int
    number: int
    times: int
    why_new: str
    ending: Ending
    release: Release
    longer_than_term: bool
    texts: tuple[str, ...]
    evidence: Evidence
    answered_evidence: Evidence
    chart: Chart


class Answered:
    """The counts that episodes are read from, with each cell's place; in time order."""

    def __init__(
        self, cells: Cells, place: NDArray[np.int32], until: float, step_s: float = 60.0
    ) -> None:
        self.cells, self.place, self.until, self.step_s = cells, place, until, step_s
        self.by_receiver = Groups(cells.receiver)
        self.path = path_of(place.astype(np.int64), cells.receiver)
        self.by_path = Groups(self.path)


def answered(places: Places, paths: Cells, until: float, step_s: float) -> Answered:
    """Attempts that a receiver answered: no time-outs, no lost connections."""
    mask = (paths.answer != NO_ANSWER) & (paths.answer != UNSURE) & (paths.count > 0)
    return Answered(paths.where(mask), places.of_cells[mask], until, step_s)


def episodes_of(names: Names, places: Places, counts: Answered) -> list[Episode]:
    """All of them, oldest first."""
    found: list[Episode] = []
    for (place, _), (blamed, rows) in _keys(names, counts).items():
        refusals = counts.cells.where(np.sort(np.concatenate(rows)))
        found += _of_key(names, places, counts, place, blamed, refusals)
    found.sort(key=lambda one: (one.first_at, one.place.name, one.blamed.key))
    return [msgspec.structs.replace(one, id=f"e{n}") for n, one in enumerate(found, 1)]


def _keys(
    names: Names, counts: Answered
) -> dict[tuple[int, str], tuple[Blamed, list[NDArray[np.intp]]]]:
    """(place, list) -> whom it blames, and which cells do."""
    cells = counts.cells
    found: dict[tuple[int, str], tuple[Blamed, list[NDArray[np.intp]]]] = {}
    told = np.flatnonzero(cells.answer >= WORDLESS)
    groups = Groups(path_of(cells.answer[told].astype(np.int64), cells.receiver[told]))
    for one in groups.keys:
        number, receiver = divmod(int(one), RECEIVERS)
        answer = names.answers[number]
        if answer is None or not answer.blames_us:
            continue
        blamed = blamed_by(answer, names.receivers[receiver])
        which = told[groups.rows(int(one))]
        for place in np.unique(counts.place[which]):
            rows = which[counts.place[which] == place]
            found.setdefault((int(place), blamed.key), (blamed, []))[1].append(rows)
    return dict(sorted(found.items()))


def around(
    places: Places, counts: Answered, place: int, refusals: Cells
) -> tuple[Cells, tuple[str, ...]]:
    """All that was answered at the receivers that refused, by this place: or, where the log does
    not tell by which address mail left, by its transports."""
    behind = {
        int(places.of_route[route])
        for route in np.unique(refusals.route)
        if places.all[int(places.of_route[route])].known == "unknown"
    } - {place}
    rows = counts.by_receiver.rows(*(int(one) for one in np.unique(refusals.receiver)))
    where = counts.place[rows]
    mine = (where == place) | (
        np.isin(where, sorted(behind))
        & np.isin(counts.cells.route[rows], np.unique(refusals.route))
    )
    return counts.cells.where(rows[mine]), tuple(sorted(places.all[one].name for one in behind))


def _of_key(
    names: Names,
    places: Places,
    counts: Answered,
    place: int,
    blamed: Blamed,
    refusals: Cells,
) -> list[Episode]:
    everything, behind = around(places, counts, place, refusals)
    deliveries = Deliveries(everything)
    zones = _zones(names, refusals)
    row = row_of(blamed, zones)
    term_s = row.term_s if row is not None else None
    cut = spells(refusals, deliveries, term_s, counts.step_s)
    made = []
    for number, spell in enumerate(cut, 1):
        part = refusals.where(np.arange(spell.first, spell.last + 1))
        later = float(refusals.first_at[cut[number].first]) if number < len(cut) else counts.until
        made.append(
            _episode(
                names, places.all[place], blamed, part, everything, deliveries, row,
                spell, (number, len(cut)), (later, number < len(cut)), behind,
            )
        )  # fmt: skip
    return made


def _episode(
    names: Names,
    place: Place,
    blamed: Blamed,
    refusals: Cells,
    everything: Cells,
    deliveries: Deliveries,
    row: ListRow | None,
    spell: Spell,
    count: tuple[int, int],
    later: tuple[float, bool],
    behind: tuple[str, ...],
) -> Episode:
    first, last = float(refusals.first_at.min()), float(refusals.last_at.max())
    hit = np.unique(refusals.receiver)
    tried = everything.where(np.isin(everything.receiver, hit)).during(first, last)
    total = refusals.total()
    users, unknown = _users(names, refusals)
    zones = tuple(_zones(names, refusals))
    term_s = row.term_s if row is not None else None
    # Where some was taken all the while, a delivery does not show that the address was free.
    mixed = bool(deliveries.within(first, last))
    before = None if mixed else deliveries.last_before({int(one) for one in hit}, first)
    release = _release(term_s, before, first, last)
    return Episode(
        id="",
        place=place,
        blamed=blamed,
        zones=zones,
        row=row,
        named=_network(names, refusals),
        first_at=first,
        last_at=last,
        refusals=total,
        rate=binomial_interval(total, max(total, tried.total())),
        behind=behind,
        receivers=_receivers(names, refusals, tried)[:TOLD],
        receivers_count=len(hit),
        users=users[:TOLD],
        users_count=len(users),
        users_unknown=unknown,
        number=count[0],
        times=count[1],
        why_new=spell.why,
        ending=_ending(refusals, deliveries, first, last, later),
        release=release,
        longer_than_term=term_s is not None and last - first > term_s,
        texts=_texts(names, refusals),
        evidence=evidence_of(refusals),
        answered_evidence=evidence_of(tried),
        chart=chart_of(refusals, everything, first, last),
    )


def _release(term_s: float | None, before: float | None, first: float, last: float) -> Release:
    """Evidence before the first refusal, or any time up to the last one seen."""
    begun = first - (term_s or 0.0) if before is None else before - LATE_EVIDENCE_S
    return predict_release(term_s, (min(begun, last), last), last)


def _ending(
    refusals: Cells,
    deliveries: Deliveries,
    first: float,
    last: float,
    later: tuple[float, bool],
) -> Ending:
    until, again = later
    refused = _sums(refusals.receiver, refusals.count)
    since = deliveries.within(last, until + 1e-3)
    taken = sum(since.values())
    after = released_at(refused, deliveries, (first, last), until + 1e-3)
    if after is not None:
        return Ending("over", last, after, f"the same receivers took {taken} afterwards")
    if again:
        return Ending("over", last, until, "a later listing of its own")
    if taken:
        return Ending("unclear", last, None, f"{taken} taken afterwards, too few to call it over")
    if until - last <= LATE_EVIDENCE_S:
        return Ending("open", None, None, "refused up to the end of the log")
    return Ending("not tried since", None, None, "no attempt at these receivers afterwards")


def _receivers(names: Names, refusals: Cells, tried: Cells) -> tuple[Hit, ...]:
    refused, answered_ = (
        _sums(refusals.receiver, refusals.count),
        _sums(tried.receiver, tried.count),
    )
    hits = [
        Hit(names.receivers[one], count, answered_.get(one, count))
        for one, count in refused.items()
    ]
    return tuple(sorted(hits, key=lambda hit: (-hit.refused, hit.name)))


def _users(names: Names, refusals: Cells) -> tuple[tuple[Hit, ...], int]:
    """Senders whose mail was refused, and how many refusals were of nobody known."""
    refused = _sums(refusals.sender, refusals.count)
    unknown = refused.pop(NOBODY, 0)
    hits = [Hit(names.senders[one], count, count) for one, count in refused.items()]
    return tuple(sorted(hits, key=lambda hit: (-hit.refused, hit.name))), unknown


def _sums(keys: NDArray[np.int32], counts: NDArray[np.int32]) -> dict[int, int]:
    unique, place = np.unique(keys, return_inverse=True)
    sums = np.bincount(place.reshape(-1), counts, len(unique))
    return {int(key): int(total) for key, total in zip(unique, sums, strict=True)}


def _zones(names: Names, refusals: Cells) -> list[str]:
    found = {
        answer.blames
        for number in np.unique(refusals.answer)
        if (answer := names.answers[int(number)]) is not None
        and answer.blames
        and "." in answer.blames
    }
    return sorted(zone for zone in found if zone)


def _network(names: Names, refusals: Cells) -> str | None:
    for number in np.unique(refusals.answer):
        answer = names.answers[int(number)]
        if answer is not None and answer.subject == "network" and answer.subject_value:
            return answer.subject_value
    return None


def _texts(names: Names, refusals: Cells) -> tuple[str, ...]:
    """The commonest wordings, one example each."""
    counts = _sums(refusals.answer, refusals.count)
    best = sorted(counts, key=lambda number: (-counts[number], number))[:TEXTS]
    answers = [names.answers[number] for number in best]
    return tuple(dict.fromkeys(answer.text for answer in answers if answer is not None))


def chart_of(refusals: Cells, everything: Cells, first: float, last: float) -> Chart:
    """In hours, or in as many hours as keep it short."""
    hours = int((last - first) // 3600) + 1 + 2 * AROUND
    step = 3600.0 * (1 + (hours - 1) // HOURS)
    start = (first // step - AROUND) * step
    bins = int((last - start) // step) + 1 + AROUND

    def counted(cells: Cells) -> tuple[int, ...]:
        place = np.floor((cells.first_at - start) / step).astype(np.int64)
        inside = (place >= 0) & (place < bins)
        return tuple(int(n) for n in np.bincount(place[inside], cells.count[inside], bins))

    return Chart(start, step, counted(refusals), counted(everything))
