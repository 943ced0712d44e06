"""Who sent what by an address before it was listed, and what speaks against whom.

The mail's shares are counts; the shares of the cause are `causes.rank`'s, with its interval. A log
has no recorded draw of addresses, so nobody is called guilty: at most "probable", and that means
"look first at". Refuses to speak of strangers when the log begins too shortly before, and to name
anyone when the log does not say who sent.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from unlisted.causes.profile import SenderProfile, profile
from unlisted.causes.rank import Causes, Share, rank
from unlisted.causes.traffic import Episode as Listing
from unlisted.causes.traffic import Exposure, SenderEvidence, Traffic
from unlisted.report.cells import NOBODY, SENT, UNKNOWN_USER, Cells, Groups, Names
from unlisted.report.evidence import Evidence, evidence_of
from unlisted.report.places import Place, Places

WINDOW_S = 48 * 3600.0
DAY_S = 86400.0
HISTORY_S = 2 * DAY_S  # less history than this, and every recipient looks new
WEIGHED = 200  # senders with the most mail before a listing, fewer if many addresses are listed,
BAD = 50  # and those with the most unknown users among the others
LEAST_WEIGHED, ALL_WEIGHED = 25, 6000
SHOWN = 12
SUDDEN = 5.0
SUDDEN_LEAST = 50

Standing = Literal["probable", "open", "cleared"]
Event = tuple[str, float, float]  # id, first and last refusal


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """One sender's mail by the address before its listings: `mail` of all mail that left by it.

    share, low, high: of the cause, 90 % interval. day, usual_day: recipients in the 24 hours before
    the first listing, and the most on any day before, None if the log begins too late to say.
    """

    sender: str
    standing: Standing
    mail: int
    mail_share: float
    share: float
    low: float
    high: float
    answered: int
    unknown_users: int
    strangers: int | None
    day: int
    usual_day: int | None
    sudden: bool
    reasons: tuple[str, ...]
    evidence: Evidence


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What the log lets one say of one address's listings."""

    place: Place
    events: tuple[str, ...]
    since: float
    until: float
    mail: int
    unknown_mail: int
    verdict: Literal["probable", "not enough evidence", "nobody here", "unknown"]
    words: str
    suspects: tuple[Suspect, ...]
    senders: int
    history_s: float
    nobody_low: float
    nobody_high: float
    others_share: float


class Book:
    """Everybody's mail, by sender: the counts that all rankings of one log are read from."""

    def __init__(self, names: Names, places: Places, people: Cells) -> None:
        self.names = names
        self.cells = people
        # A refusal says by which address it left; other mail goes by its route.
        self.place = places.of(people)
        self.taken = places.taken
        self.places = tuple(places.all)
        self.by_sender = Groups(people.sender)


def ranking(
    book: Book, number: int, events: list[Event], begun: float, behind: set[str], places: int
) -> Ranking:
    """Who sent by one place before its listings; `begun` is where the log begins, `behind` the
    transports of which it may be one of several addresses, `places` how many are asked about."""
    place = book.places[number]
    cells = book.cells
    first, last = min(at for _, at, _ in events), max(end for _, _, end in events)
    since = max(begun, first - WINDOW_S)
    history = max(0.0, since - begun)
    numbers_behind = [n for n, one in enumerate(book.places) if one.name in behind]
    mine = np.isin(book.place, [number, *numbers_behind])
    before = np.zeros(len(cells), np.bool_)
    for _, at, _ in events:
        before |= (cells.first_at >= at - WINDOW_S) & (cells.first_at <= at)
    before &= mine & (cells.finals > 0)
    mail = np.zeros(len(book.names.senders))
    np.add.at(mail, cells.sender[before], cells.finals[before])
    whole, unknown = int(mail.sum()), int(mail[NOBODY])
    chosen = _chosen(book, mail, max(LEAST_WEIGHED, min(WEIGHED, ALL_WEIGHED // places)))
    listings = [
        Listing(episode_id=one, address=place.name, opened_at=at, ended_at=end)
        for one, at, end in events
    ]
    span = (first, since, last + DAY_S)
    found = rank(
        listings,
        [_evidence(book, sender, mine, place, span, history) for sender in chosen],
        most=SHOWN,
    )
    numbers = {book.names.senders[sender]: sender for sender in chosen}
    suspects = [
        _suspect(book, numbers[share.sender], share, before, whole, span, begun, history)
        for share in found.shares
    ]
    suspects.sort(key=lambda s: (s.standing != "probable", -s.share, -s.mail, s.sender))
    doubt = ""
    if behind:
        doubt = (
            f" All mail of {', '.join(sorted(behind))} is counted, for the log does not tell by "
            "which of its addresses each left."
        )
    elif place.name in book.taken:
        doubt = f" That all this mail left by it is inferred: it is {book.taken[place.name]}."
    verdict, words = _verdict(found, whole, unknown, suspects, doubt)
    return Ranking(
        place=place,
        events=tuple(one for one, _, _ in events),
        since=since,
        until=first,
        mail=whole,
        unknown_mail=unknown,
        verdict=verdict,
        words=words,
        suspects=tuple(suspects[:SHOWN]),
        senders=int((mail[NOBODY + 1 :] > 0).sum()),
        history_s=history,
        nobody_low=found.others_low,
        nobody_high=found.others_high,
        others_share=found.others_share,
    )


def _chosen(book: Book, mail: NDArray[np.float64], most: int) -> list[int]:
    """Those with the most mail before the listings, and with the most dead addresses beyond."""
    sent = [int(s) for s in np.flatnonzero(mail > 0) if s != NOBODY]
    by_mail = sorted(sent, key=lambda s: (-mail[s], book.names.senders[s]))
    bad = book.cells.answer == UNKNOWN_USER
    dead = np.bincount(book.cells.sender[bad], book.cells.finals[bad], len(book.names.senders))
    by_dead = sorted(by_mail[most:], key=lambda s: (-dead[s], book.names.senders[s]))
    return by_mail[:most] + [s for s in by_dead[:BAD] if dead[s] > 0]


def _evidence(
    book: Book,
    sender: int,
    mine: NDArray[np.bool_],
    place: Place,
    span: tuple[float, float, float],
    history: float,
) -> SenderEvidence:
    _, since, until = span
    rows = book.by_sender.rows(sender)
    cells = book.cells.where(rows)
    window = (cells.first_at >= since) & (cells.first_at <= until) & (cells.finals > 0)
    now = cells.where(window)
    recipients, strangers = int(now.finals.sum()), int(now.new.sum())
    dead = int(now.finals[now.answer == UNKNOWN_USER].sum())
    here = book.cells.where(rows[window & mine[rows]])
    exposures = tuple(
        Exposure(
            address=place.name,
            first_at=float(here.first_at[i]),
            last_at=float(here.last_at[i]),
            messages=int(here.finals[i]),
        )
        for i in range(len(here))
    )
    told = history >= HISTORY_S
    return SenderEvidence(
        sender=book.names.senders[sender],
        tenant="",
        profile=_usual(cells.where((cells.first_at < since) & (cells.finals > 0))),
        total=Traffic(
            messages=recipients,
            # Without a history everybody's recipients are new: habit then says nothing.
            recipients=recipients if told else 0,
            strangers=strangers if told else 0,
            answered=int(now.finals[now.answer == SENT].sum()) + dead,
            unknown_users=dead,
            first_at=float(now.first_at.min()) if len(now) else since,
            last_at=float(now.last_at.max()) if len(now) else since,
            exposures=exposures,
        ),
    )


def _usual(cells: Cells) -> SenderProfile:
    """A sender's days before the window."""
    days: dict[int, list[int]] = {}
    for row in range(len(cells)):
        day = days.setdefault(int(cells.first_at[row] // DAY_S), [0, 0, 0, 0, 0])
        count = int(cells.finals[row])
        day[0] += count
        day[1] += count
        day[2] += min(count, int(cells.new[row]))
        day[3] += count if cells.answer[row] == UNKNOWN_USER else 0
    return profile([days[day] for day in sorted(days)])


def _suspect(
    book: Book,
    sender: int,
    share: Share,
    before: NDArray[np.bool_],
    whole: int,
    span: tuple[float, float, float],
    begun: float,
    history: float,
) -> Suspect:
    first, since, until = span
    rows = book.by_sender.rows(sender)
    cells = book.cells.where(rows)
    sent = book.cells.where(rows[before[rows]])
    mail = int(sent.finals.sum())
    now = cells.where((cells.first_at >= since) & (cells.first_at <= until))
    dead = int(now.finals[now.answer == UNKNOWN_USER].sum())
    day, usual = _volume(cells, first, begun)
    sudden = usual is not None and day >= SUDDEN_LEAST and day >= SUDDEN * max(1, usual)
    reasons = list(share.reasons)
    if sudden and usual is not None:
        reasons.insert(0, f"{day} recipients in the 24 h before, {usual} at most on a day before")
    return Suspect(
        sender=share.sender,
        # No recorded draw of addresses: "guilty" would claim more than a log carries.
        standing="probable" if share.standing == "guilty" else share.standing,
        mail=mail,
        mail_share=mail / whole if whole else 0.0,
        share=share.share,
        low=share.low,
        high=share.high,
        answered=int(now.finals[now.answer == SENT].sum()) + dead,
        unknown_users=dead,
        strangers=int(now.new.sum()) if history >= HISTORY_S else None,
        day=day,
        usual_day=usual,
        sudden=sudden,
        reasons=tuple(reasons),
        evidence=evidence_of(sent),
    )


def _volume(cells: Cells, first: float, begun: float) -> tuple[int, int | None]:
    """Recipients in the 24 hours before the listing, and the most in any 24 hours before those."""
    ages = np.floor((first - cells.first_at) / DAY_S)
    day = int(cells.finals[ages == 0].sum())
    days = int((first - begun) // DAY_S)
    if days < 2:
        return day, None
    earlier = [int(cells.finals[ages == age].sum()) for age in range(1, days)]
    return day, max(earlier, default=0)


def _verdict(
    found: Causes, whole: int, unknown: int, suspects: list[Suspect], doubt: str
) -> tuple[Literal["probable", "not enough evidence", "nobody here", "unknown"], str]:
    if not whole:
        return "unknown", (
            "The log shows no mail by this address in the 48 hours before the first refusal."
        )
    if unknown == whole:
        return "unknown", (
            "The log does not say who sent: its lines hold no login, user id, script or client "
            "for this mail."
        )
    part = ""
    if unknown:
        part = f" Of {unknown / whole:.0%} of the mail the log does not say who sent it."
    part += doubt
    probable = [one.sender for one in suspects if one.standing == "probable"]
    if probable:
        return "probable", (
            f"Look first at {', '.join(probable[:5])}: probable, not proven. A log alone proves "
            "nobody's guilt, for its addresses were not drawn at random." + part
        )
    if found.verdict == "nobody here" and not unknown:
        return "nobody here", (
            "What is seen of all who had sent by it speaks for them: the list may have had other "
            "reasons (a shared network, a mistake, mail that this log does not hold)." + part
        )
    return "not enough evidence", (
        "Not enough evidence to point at anyone: the shares below are of the mail, not of the "
        "guilt." + part
    )
