"""What one sender, one part of its mail or one campaign did: counts in buckets, and whole days.

Buckets of 15 minutes over 48 hours are for the quick answer in a burst's first minutes; whole days
over a week for what shows only slowly. Bounded by the mail of that time; older counts go.
"""

from __future__ import annotations

from array import array

from unlisted.causes.beside import HOURS, Week
from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import Exposure, Traffic

WINDOW_S = 48 * 3600.0
BUCKET_S = 900.0  # exposures: short against the hourly draw
KEPT_BUCKETS = int(WINDOW_S / BUCKET_S)
KEPT_DAYS = 8
HOURS_KEPT = 200  # of a day's letters to strangers
FEW = 5  # a campaign to fewer strangers says nothing once its window is over


class Ledger:
    """Counts of one sender, one part of its mail, or one campaign, in buckets of 15 minutes.

    A bucket: messages, recipients, strangers, answered, unknown users, complaints.
    `left`: (bucket, address, drawn with 1/n) to first time, last time, messages, strangers.
    """

    __slots__ = ("_sums", "_traffic", "buckets", "first_at", "last_at", "left", "strangers")

    def __init__(self) -> None:
        self.buckets: dict[int, list[int]] = {}
        self.left: dict[tuple[int, str, float], list[float]] = {}
        self.first_at = 0.0
        self.last_at = 0.0
        self.strangers = 0  # since the first
        # As they were last asked for: of its mail most senders add nothing between two weighings.
        self._sums: tuple[int, float, list[int]] | None = None
        self._traffic: tuple[int, Traffic] | None = None

    def add(self, at: float, *counts: int) -> None:
        """Add counts in a bucket's order (the rest are 0)."""
        bucket = int(at // BUCKET_S)
        self._sums = self._traffic = None
        row = self.buckets.get(bucket)
        if row is None:
            row = self.buckets[bucket] = [0] * 6
            self._let_go(bucket - KEPT_BUCKETS)
        for place, count in enumerate(counts):
            row[place] += count
        self.strangers += counts[2] if len(counts) > 2 else 0
        self.first_at = self.first_at or at
        self.last_at = at

    def _let_go(self, oldest: int) -> None:
        for old in [b for b in self.buckets if b < oldest]:
            del self.buckets[old]
        for key in [k for k in self.left if k[0] < oldest]:
            del self.left[key]

    def sweep(self, at: float) -> None:
        """Let go of what no window reaches any more."""
        if self.buckets or self.left:
            self._let_go(int(at // BUCKET_S) - KEPT_BUCKETS)
        self._sums = self._traffic = None

    def leave(
        self, at: float, address: str, probability: float, stranger: bool, count: int = 1
    ) -> None:
        """A message left by an address; `probability` of that draw, 1.0: not drawn."""
        key = (int(at // BUCKET_S), address, probability)
        self._traffic = None
        seen = self.left.setdefault(key, [at, at, 0.0, 0.0])
        seen[1] = at
        seen[2] += count
        seen[3] += count * int(stranger)

    def total(self, at: float, window_s: float = WINDOW_S) -> list[int]:
        """The counts of the window that ends now."""
        oldest = int((at - window_s) // BUCKET_S)
        known = self._sums
        if known is None or known[:2] != (oldest, window_s):
            rows = [row for bucket, row in self.buckets.items() if bucket >= oldest]
            sums = [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * 6
            known = self._sums = (oldest, window_s, sums)
        return known[2]

    def traffic(self, at: float) -> Traffic:
        """The window as `causes` wants it."""
        oldest = int((at - WINDOW_S) // BUCKET_S)
        if self._traffic is not None and self._traffic[0] == oldest:
            return self._traffic[1]
        sums = self.total(at)
        first = min((b for b in self.buckets if b >= oldest), default=int(at // BUCKET_S))
        exposures = tuple(
            Exposure(
                address=address,
                first_at=seen[0],
                last_at=seen[1],
                messages=int(seen[2]),
                strangers=int(seen[3]),
                probability=probability,
            )
            for (bucket, address, probability), seen in sorted(self.left.items())
            if bucket >= oldest
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

    __slots__ = ("all", "campaigns", "days", "ours", "profile", "strangers", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.ours = False
        self.profile = SenderProfile()
        self.all = Ledger()
        self.strangers = Ledger()
        self.campaigns: dict[str, Ledger] = {}
        self.days: dict[int, Day] = {}

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
