"""What one sender, one part of its mail or one campaign did: counts in buckets, and whole days.

Buckets of 15 minutes over 48 hours are for the quick answer in a burst's first minutes; whole days
over a week for what shows only slowly. Bounded by the mail of that time; older counts go.
"""

from __future__ import annotations

from array import array

from unlisted.causes.beside import HOURS, Week
from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import Exposure, SenderEvidence, Traffic

WINDOW_S = 48 * 3600.0
BUCKET_S = 900.0  # exposures: short against the hourly draw
KEPT_BUCKETS = int(WINDOW_S / BUCKET_S)
KEPT_DAYS = 8
WIDTH = 7  # of a row
HOURS_KEPT = 200  # of a day's letters to strangers
PEOPLE_KEPT = 1000  # of a sender, whom it lately wrote to first, and who lately said no
FEW = 5  # a campaign to fewer strangers says nothing once its window is over


class Left:
    """Messages that left by one address within a bucket; `probability` of that draw, 1.0: not drawn."""

    __slots__ = ("address", "bucket", "first", "last", "messages", "probability", "strangers")

    def __init__(self, bucket: int, address: str, probability: float, at: float) -> None:
        self.bucket = bucket
        self.address = address
        self.probability = probability
        self.first = self.last = at
        self.messages = self.strangers = 0

    @property
    def key(self) -> tuple[int, str, float]:
        return self.bucket, self.address, self.probability


class Ledger:
    """Counts of one sender, one part of its mail, or one campaign, in buckets of 15 minutes.

    A row: bucket, messages, recipients, strangers, answered, unknown users, complaints; oldest
    first, all in one array, because there are hundreds of thousands of ledgers with a row or two.
    """

    __slots__ = (
        "_rows",
        "_sums",
        "_traffic",
        "first_at",
        "last_at",
        "left",
        "messages",
        "strangers",
    )

    def __init__(self) -> None:
        self._rows = array("q")
        self.left: list[Left] = []
        self.first_at = 0.0
        self.last_at = 0.0
        self.messages = self.strangers = 0  # since the first
        # As they were last asked for: of its mail most senders add nothing between two weighings.
        self._sums: tuple[int, float, list[int]] | None = None
        self._traffic: tuple[int, Traffic] | None = None

    def add(self, at: float, *counts: int) -> None:
        """Add counts in a row's order (the rest are 0)."""
        self._sums = self._traffic = None
        place = self._place(int(at // BUCKET_S))
        for column, count in enumerate(counts, place + 1):
            self._rows[column] += count
        self.messages += counts[0]
        self.strangers += counts[2] if len(counts) > 2 else 0
        self.first_at = self.first_at or at
        self.last_at = at

    def _place(self, bucket: int) -> int:
        """Where the bucket's row begins; a new one lets go of the old."""
        rows = self._rows
        place = len(rows) - WIDTH
        while place >= 0 and rows[place] > bucket:
            place -= WIDTH
        if place >= 0 and rows[place] == bucket:
            return place
        place += WIDTH
        rows[place:place] = array("q", (bucket, 0, 0, 0, 0, 0, 0))
        return place - self._let_go(bucket - KEPT_BUCKETS)

    def _since(self, oldest: int) -> int:
        """Where the rows of a window begin."""
        rows = self._rows
        return next((i for i in range(0, len(rows), WIDTH) if rows[i] >= oldest), len(rows))

    def _let_go(self, oldest: int) -> int:
        rows, gone = self._rows, 0
        if rows and rows[0] < oldest:
            gone = self._since(oldest)
            del rows[:gone]
        if self.left and self.left[0].bucket < oldest:
            self.left = [one for one in self.left if one.bucket >= oldest]
        return gone

    def sweep(self, at: float) -> None:
        """Let go of what no window reaches any more."""
        oldest = int(at // BUCKET_S) - KEPT_BUCKETS
        self._let_go(oldest)
        if self._traffic is not None and self._traffic[0] < oldest - 1:
            self._sums = self._traffic = None

    def leave(
        self, at: float, address: str, probability: float, stranger: bool, count: int = 1
    ) -> None:
        """A message left by an address; `probability` of that draw, 1.0: not drawn."""
        key = (int(at // BUCKET_S), address, probability)
        self._traffic = None
        found = None
        for one in reversed(self.left):
            if one.bucket < key[0]:
                break
            if one.key == key:
                found = one
                break
        if found is None:
            found = Left(*key, at)
            self.left.append(found)
        found.last = at
        found.messages += count
        found.strangers += count * int(stranger)

    def total(self, at: float, window_s: float = WINDOW_S) -> list[int]:
        """The counts of the window that ends now."""
        oldest = int((at - window_s) // BUCKET_S)
        known = self._sums
        if known is None or known[:2] != (oldest, window_s):
            first = self._since(oldest)
            sums = [sum(self._rows[first + column :: WIDTH]) for column in range(1, WIDTH)]
            known = self._sums = (oldest, window_s, sums)
        return known[2]

    def lively(self, at: float, messages: int) -> bool:
        """Whether the window may hold so many messages: most campaigns are one letter."""
        return self.messages >= messages and at - self.last_at <= WINDOW_S + BUCKET_S

    def traffic(self, at: float) -> Traffic:
        """The window as `causes` wants it."""
        oldest = int((at - WINDOW_S) // BUCKET_S)
        if self._traffic is not None and self._traffic[0] == oldest:
            return self._traffic[1]
        sums = self.total(at)
        place = self._since(oldest)
        first = self._rows[place] if place < len(self._rows) else int(at // BUCKET_S)
        exposures = tuple(
            Exposure(
                address=one.address,
                first_at=one.first,
                last_at=one.last,
                messages=one.messages,
                strangers=one.strangers,
                probability=one.probability,
            )
            for one in sorted(self.left, key=lambda one: one.key)
            if one.bucket >= oldest
        )
        found = Traffic(
            messages=sums[0],
            recipients=sums[1],
            strangers=sums[2],
            answered=sums[3],
            unknown_users=sums[4],
            complaints=sums[5],
            first_at=max(self.first_at, first * BUCKET_S),
            last_at=self.last_at,
            exposures=exposures,
        )
        self._traffic = oldest, found
        return found


class Day:
    """One sender's day. `hours`: of its letters to strangers, as they came in (UTC)."""

    __slots__ = (
        "answered",
        "complaints",
        "content",
        "hours",
        "messages",
        "recipients",
        "strangers",
        "unknown",
    )

    def __init__(self) -> None:
        self.messages = self.recipients = self.strangers = 0
        self.answered = self.unknown = self.complaints = self.content = 0
        self.hours = array("B")


class Sender:
    """One sender: its history, its mail, its mail to strangers, its campaigns.

    `ours`: it put mail in with us; else its mail is only known from another MTA's log.
    """

    __slots__ = (
        "_met",
        "_refused",
        "all",
        "campaigns",
        "days",
        "ours",
        "profile",
        "strangers",
        "tenant",
        "weighed",
    )

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.ours = False
        self.profile = SenderProfile()
        self.weighed: SenderEvidence | None = None  # as it last was
        self.begin_anew()

    def begin_anew(self) -> None:
        """What was counted no longer speaks of it: a hold on it has ended."""
        self.all = Ledger()
        self.strangers = Ledger()
        self.campaigns: dict[str, Ledger] = {}
        self.days: dict[int, Day] = {}
        # Most senders have neither for weeks.
        self._met: dict[str, int] | None = None  # person -> day
        self._refused: dict[str, int] | None = None

    def unusual_since(self, at: float) -> float:
        """Since when it did what it is held for: the first of its last days with more strangers
        than on any before, or two days at least."""
        usual = self.profile.usual_max_new_per_day
        days = [number for number, day in self.days.items() if day.strangers > usual]
        return min([at - WINDOW_S, *(number * 86400.0 for number in days)])

    def held(self) -> None:
        """It is held: what it did on the days before is judged, and not judged again."""
        self.days = {}

    def new_to(self, person: str, at: float) -> bool:
        """Whether it has not written to this stranger of late: a second letter meets nobody new."""
        self._met, first = _first(self._met, person, int(at // 86400))
        return first

    def first_no(self, person: str, at: float) -> bool:
        """Whether this recipient has not refused it of late: people try again by hand."""
        self._refused, first = _first(self._refused, person, int(at // 86400))
        return first

    def day(self, at: float) -> Day:
        """The counts of a day; those of more than a week ago go."""
        number = int(at // 86400)
        found = self.days.get(number)
        if found is None:
            found = self.days[number] = Day()
            for old in [one for one in self.days if one <= number - KEPT_DAYS]:
                del self.days[old]
        return found

    def sweep(self, at: float) -> None:
        """Let go of what is old: a sender that mails no more would keep it for good."""
        self.all.sweep(at)
        self.strangers.sweep(at)
        for name, ledger in list(self.campaigns.items()):
            age = at - ledger.last_at
            if age > WINDOW_S and (ledger.strangers < FEW or age > KEPT_DAYS * 86400.0):
                del self.campaigns[name]
        oldest = int(at // 86400) - KEPT_DAYS
        for old in [one for one in self.days if one <= oldest]:
            del self.days[old]
        self._met, self._refused = _newer(self._met, oldest), _newer(self._refused, oldest)
        if at - self.all.last_at > WINDOW_S + BUCKET_S:
            self.weighed = None

    def new(self, at: float) -> int:
        """Recipients of the last days that were new to it."""
        oldest = int(at // 86400) - KEPT_DAYS
        return sum(day.strangers for number, day in self.days.items() if number > oldest)

    def _traffic(self, days: list[tuple[int, Day]], at: float) -> Traffic:
        first, last = (days[0][0], days[-1][0]) if days else (at // 86400, at // 86400)
        return Traffic(
            messages=sum(day.messages for _, day in days),
            recipients=sum(day.recipients for _, day in days),
            strangers=sum(day.strangers for _, day in days),
            answered=sum(day.answered for _, day in days),
            unknown_users=sum(day.unknown for _, day in days),
            complaints=sum(day.complaints for _, day in days),
            first_at=max(self.all.first_at, first * 86400.0),
            last_at=min(self.all.last_at, (last + 1) * 86400.0),
        )

    def week(self, at: float) -> Week:
        """The last days as `causes` wants them."""
        oldest = int(at // 86400) - KEPT_DAYS
        days = [(number, self.days[number]) for number in sorted(self.days) if number > oldest]
        clock = [0] * HOURS
        for _, day in days:
            for hour in day.hours:
                clock[hour] += 1
        first = days[0][0] * 86400.0 if days else at
        near = [one for one in self.campaigns.values() if one.last_at >= first]
        pairs = [days[i : i + 2] for i in range(max(1, len(days) - 1))]
        crowd = max(pairs, key=lambda pair: sum(day.strangers for _, day in pair))
        return Week(
            total=self._traffic(days, at),
            crowd=self._traffic(crowd, at),
            profile=self.profile,
            new_per_day=tuple(day.strangers for _, day in days),
            clock=tuple(clock),
            alike=max((one.strangers for one in near), default=0),
            content=sum(day.content for _, day in days),
        )


def _first(seen: dict[str, int] | None, person: str, day: int) -> tuple[dict[str, int], bool]:
    """Whether the person is not among those of the last days; now it is."""
    seen = {} if seen is None else seen
    first = seen.pop(person, day - KEPT_DAYS) <= day - KEPT_DAYS
    seen[person] = day  # the newest last
    if len(seen) > PEOPLE_KEPT:
        del seen[next(iter(seen))]
    return seen, first


def _newer(seen: dict[str, int] | None, oldest: int) -> dict[str, int] | None:
    if seen is None:
        return None
    return {person: day for person, day in seen.items() if day > oldest} or None
