"""The report: counts in, sections out. Everything a figure rests on is in it, nothing is drawn.

One report is about one stretch of logs, from the first attempt read to the last. What could not be
read, was assumed or let go is a section of its own (`Coverage`).
"""

import msgspec

from unlisted.report.advice import Advice, advise, advise_shift
from unlisted.report.cells import WORDLESS, Tallies
from unlisted.report.episodes import Episode, answered, episodes_of
from unlisted.report.gathered import Dropped, FileRead, Gathered
from unlisted.report.nameless import Shift, shifts_of
from unlisted.report.others import Other, others_of
from unlisted.report.places import Place, Places
from unlisted.report.resend import Again, again
from unlisted.report.senders import Book, Event, Ranking, ranking


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What was read and what not. `statuses`: attempts by outcome."""

    files: tuple[FileRead, ...]
    attempts: int
    statuses: dict[str, int]
    since: float | None
    until: float | None
    ours: tuple[str, ...]
    places: tuple[Place, ...]
    dropped: Dropped
    assumptions: tuple[str, ...]
    doubtful: int
    unmatched: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`shifts` that block are blocks, the rest is what is rather no block of an address.
    `outside`: refusals of addresses outside --ours; `domains`: of listed domains."""

    episodes: tuple[Episode, ...]
    shifts: tuple[Shift, ...]
    outside: tuple[Other, ...]
    domains: tuple[Other, ...]
    rankings: tuple[Ranking, ...]
    again: Again
    advice: tuple[Advice, ...]
    coverage: Coverage

    @property
    def blocks(self) -> tuple[Shift, ...]:
        return tuple(shift for shift in self.shifts if shift.blocks)

    @property
    def blocked(self) -> bool:
        """Whether any address was blocked; one outside --ours too, for --ours may be wrong."""
        return bool(self.episodes or self.blocks or self.outside)


def build(
    gathered: Gathered, files: tuple[FileRead, ...] = (), notes: tuple[str, ...] = ()
) -> Report:
    """All sections from one reading; `notes` are the reader's own words about it."""
    names, tallies = gathered.names, gathered.tallies
    places = Places(names, tallies.paths, gathered.ours)
    until = gathered.until or 0.0
    counts = answered(places, tallies.paths, until, tallies.paths_bucket_s)
    episodes = episodes_of(names, places, counts)
    shifts = shifts_of(names, places, counts, tallies.mixed, episodes, gathered.kept)
    rankings = _rankings(gathered, places, episodes, shifts)
    suspects = {
        one.sender for found in rankings for one in found.suspects if one.standing == "probable"
    }
    letters = again(names, places, gathered.kept, episodes, shifts, suspects)
    by_place = {found.place.name: found for found in rankings}
    advice = [advise(one, by_place.get(one.place.name), letters) for one in episodes]
    others = others_of(names, tallies.paths)
    advice += [advise_shift(one, letters) for one in shifts if one.blocks]
    return Report(
        episodes=tuple(episodes),
        shifts=tuple(shifts),
        outside=tuple(one for one in others if one.kind == "address"),
        domains=tuple(one for one in others if one.kind != "address"),
        rankings=tuple(rankings),
        again=letters,
        advice=tuple(advice),
        coverage=_coverage(gathered, files, places, notes),
    )


def _rankings(
    gathered: Gathered, places: Places, episodes: list[Episode], shifts: list[Shift]
) -> list[Ranking]:
    events: dict[str, list[Event]] = {}
    blocks: list[Episode | Shift] = [*episodes]
    blocks += [shift for shift in shifts if shift.kind == "address"]
    for one in blocks:
        events.setdefault(one.place.name, []).append((one.id, one.first_at, one.last_at))
    if not events:
        return []
    book = Book(gathered.names, places, gathered.tallies.people)
    begun = gathered.since or 0.0
    behind: dict[str, set[str]] = {}
    for episode in episodes:
        behind.setdefault(episode.place.name, set()).update(episode.behind)
    return [
        ranking(
            book,
            number,
            sorted(events[place.name], key=lambda e: (e[1], e[0])),
            begun,
            behind.get(place.name, set()),
            len(events),
        )
        for number, place in enumerate(places.all)
        if place.name in events
    ]


def _coverage(
    gathered: Gathered, files: tuple[FileRead, ...], places: Places, notes: tuple[str, ...]
) -> Coverage:
    cells, answers = gathered.tallies.paths, gathered.names.answers
    doubtful = unmatched = 0
    for number, answer in enumerate(answers[WORDLESS:], WORDLESS):
        if answer is not None and answer.doubtful:
            count = int(cells.count[cells.answer == number].sum())
            if answer.refusal == "unmatched":
                unmatched += count
            else:
                doubtful += count
    return Coverage(
        files=files,
        attempts=gathered.attempts,
        statuses=gathered.statuses,
        since=gathered.since,
        until=gathered.until,
        ours=gathered.ours,
        places=tuple(sorted(places.all, key=lambda place: place.name)),
        dropped=gathered.dropped,
        assumptions=(*notes, *_assumed(gathered, places)),
        doubtful=doubtful,
        unmatched=unmatched,
    )


def _assumed(gathered: Gathered, places: Places) -> list[str]:
    said = []
    if not gathered.ours:
        said.append("No --ours was given: an address that a refusal names was taken for ours.")
    if places.taken:
        said.append(
            "The log does not say by which address mail left; where all replies to one transport "
            "name the same address, its mail was counted to it."
        )
    if any(route.egress is None for route in gathered.names.routes) and any(
        place.known == "unknown" for place in places.all
    ):
        said.append("For some mail no line tells by which address it left.")
    said += _widened(gathered.tallies)
    dropped = gathered.dropped
    if dropped.refused_rows or dropped.deferred_rows:
        said.append(
            f"{dropped.refused_rows} bounced and {dropped.deferred_rows} deferred rows were counted "
            "but not kept: the list of letters to send again lacks them (raise --keep)."
        )
    if dropped.earlier_deliveries:
        said.append(
            f"{dropped.earlier_deliveries} deliveries were let go after they were compared with "
            "the refusals before them; files read out of order could hide a later delivery."
        )
    if dropped.names:
        said.append(f"{dropped.names} names beyond the limit were counted together.")
    if dropped.pairs:
        said.append("Too many recipients to tell new ones from known ones to the end.")
    return said


def _widened(tallies: Tallies) -> list[str]:
    wider = [
        (name, size)
        for name, size, usual in (
            ("attempts by receiver", tallies.paths_bucket_s, 60),
            ("mail by sender", tallies.people_bucket_s, 900),
        )
        if size > usual
    ]
    return [
        f"The log is large: {name} are counted in steps of {_step(size)}." for name, size in wider
    ]


def _step(size_s: int) -> str:
    if size_s < 3600:
        return f"{size_s // 60} minutes"
    hours = size_s // 3600
    return "one hour" if hours == 1 else f"{hours} hours"
