"""When a log line was written: stamps without year or zone made instants, and what that assumed.

RFC 3164 §4.1.2 stamps (`Nov  3 10:00:00`, local time, no year) and local stamps with a year. One
`Calendar` per file: it knows the zone to assume and the instant after which nothing in the file
can have been written (the file's modification time, or the moment of reading for a pipe).
It never gives such a stamp an instant more than a day after that; it asks no clock itself. A stamp
that tells its year may lie later, where the clock went wrong: `believes` says so. A stamp before
1970 or after 2099 is none: a clock that was never set, or a cut or made-up line.
"""

from calendar import timegm
from datetime import UTC, datetime, timedelta, tzinfo

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
MONTHS = {name: number for number, name in enumerate(_MONTHS.split(), start=1)}
_DAY_S = 86_400.0
# A line may be older than the one before it (several hosts in one file, a clock set back). More
# than this and the year has turned: an order by nearest year instead would misplace the first
# line after half a year of silence.
_BACKWARDS_S = 31 * _DAY_S
_FOLD_S = 1800.0
FIRST_YEAR, LAST_YEAR = 1970, 2099
BEFORE = float(timegm((LAST_YEAR + 1, 1, 1, 0, 0, 0)))  # every instant read lies before it
IN_FUTURE = "a stamp in the future"


class Calendar:
    """Local stamps of one file as seconds since the epoch, UTC."""

    __slots__ = (
        "_base",
        "_folded",
        "_key",
        "_last",
        "_latest",
        "_limit",
        "_other",
        "_zone",
        "beyond",
        "first",
        "notes",
        "year",
    )

    def __init__(
        self,
        zone: tzinfo,
        not_after: float,
        year: int | None = None,
        *,
        now: float = BEFORE,
    ) -> None:
        """now: the moment of reading, for stamps that tell their year. Those of a file whose time
        was set back are as good as any."""
        self._zone = zone
        self._limit = not_after + _DAY_S
        self._latest = now + _DAY_S
        self.beyond = 0  # lines that were not believed
        self._last: float | None = None
        self._key: str | tuple[int, int, int, int] = ""
        self._base = 0.0
        self._other = 0.0
        self._folded = False
        self.year = year
        self.first: float | None = None  # the first stamp without its year or zone
        self.notes: set[str] = set()

    def reaches(self, at: float) -> None:
        """The file is still being written at that time: for those who follow it."""
        self._limit = max(self._limit, at + _DAY_S)
        self._latest = at + _DAY_S

    def believes(self, at: float) -> bool:
        """Whether a line can have been written then; those that cannot are counted."""
        if at <= self._latest:
            return True
        self.beyond += 1
        return False

    @property
    def latest(self) -> float:
        """The last instant believed."""
        return self._latest

    def yearless(self, stamp: str) -> float | None:
        """`Nov  3 10:00:00` or `Nov 03 10:00:00`, 15 characters; None when it is no such stamp."""
        if stamp[9:10] != ":" or stamp[12:13] != ":":
            return None
        try:
            within = int(stamp[10:12]) * 60 + int(stamp[13:15])
        except ValueError:
            return None
        if stamp[:9] != self._key:
            base = self._hour_base(stamp)
            if base is None:
                return None
            self._key = stamp[:9]
            self._open_hour(base)
        return self._settle(within)

    def local(self, year: int, month: int, day: int, hour: int, minute: int, second: int) -> float:
        """A stamp with its year, without its zone. Raises ValueError for no such day or hour."""
        key = (year, month, day, hour)
        if key != self._key:
            if not FIRST_YEAR <= year <= LAST_YEAR:
                raise ValueError("no year of a log")
            base = datetime(year, month, day, hour, tzinfo=UTC)
            self._key = key
            self._open_hour(base)
        self.notes.add("zone")
        return self._settle(minute * 60 + second)

    def _hour_base(self, stamp: str) -> datetime | None:
        month = MONTHS.get(stamp[:3])
        try:
            day, hour = int(stamp[4:6]), int(stamp[7:9])
        except ValueError:
            return None
        if month is None or stamp[3] != " " or stamp[6] != " ":
            return None
        self.notes.update(("year", "zone"))
        return self._in_year(month, day, hour)

    def _in_year(self, month: int, day: int, hour: int) -> datetime | None:
        last_year = datetime.fromtimestamp(self._limit, UTC).year + 1
        if self._last is None:
            if self.year is not None:
                return _moment(self.year, month, day, hour)
            years = range(last_year, last_year - 10, -1)
            found = [m for y in years if (m := _moment(y, month, day, hour)) and self._past(m)]
            return found[0] if found else None
        floor = datetime.fromtimestamp(self._last - _BACKWARDS_S, UTC)
        here = datetime.fromtimestamp(self._last, UTC).year
        after = [
            m
            for y in range(here - 1, here + 9)
            if (m := _moment(y, month, day, hour)) and self._epoch(m, 0) >= floor.timestamp()
        ]
        if after and (self._past(after[0]) or self.year is not None):
            return after[0]
        self.notes.add("future")
        before = [m for y in range(here + 1, here - 9, -1) if (m := _moment(y, month, day, hour))]
        return next((m for m in before if self._past(m)), None)

    def _past(self, moment: datetime) -> bool:
        return self._epoch(moment, 0) <= self._limit

    def _epoch(self, moment: datetime, fold: int) -> float:
        return moment.replace(tzinfo=self._zone, fold=fold).timestamp()

    def _open_hour(self, base: datetime) -> None:
        self._base = self._epoch(base, 0)
        self._other = self._epoch(base, 1)
        self._folded = False

    def _settle(self, within: int) -> float:
        """The hour that is told twice in autumn: the stamps fall back when it begins again."""
        at = (self._other if self._folded else self._base) + within
        if self._other > self._base and self._last is not None:
            again = self._other + within
            if not self._folded and self._last - at > _FOLD_S and again >= self._last - 60:
                self._folded, at = True, again
        if at <= self._latest:  # else the years of later stamps would be told by it
            self._last = at
        if self.first is None:
            self.first = at
        return at


def _moment(year: int, month: int, day: int, hour: int) -> datetime | None:
    try:
        return datetime(year, month, day, hour, tzinfo=UTC)  # `_epoch` puts the zone
    except ValueError:  # the 29th of February, or no such hour
        return None


def rfc3339(text: str) -> float | None:
    """`2026-11-03T10:00:00[.123456](Z|+01:00|+0100)`; None without an offset or when malformed.

    RFC 3339 §5.6, and the offset without a colon that journald and ISO 8601 write.
    """
    try:
        whole = timegm(
            (
                int(text[0:4]),
                int(text[5:7]),
                int(text[8:10]),
                int(text[11:13]),
                int(text[14:16]),
                int(text[17:19]),
            )
        )
        rest = text[19:]
        fraction = 0.0
        if rest[:1] in (".", ","):
            digits = rest[1:].split("+")[0].split("-")[0].rstrip("Zz")
            if not (digits.isascii() and digits.isdigit()):
                return None
            fraction = float(f"0.{digits}")
            rest = rest[1 + len(digits) :]
        offset = _offset_s(rest)
        if offset is None or not _plausible(text):
            return None
    except (ValueError, OverflowError):
        return None
    return whole + fraction - offset


def _plausible(text: str) -> bool:
    return (
        text[4] == text[7] == "-"
        and FIRST_YEAR <= int(text[0:4]) <= LAST_YEAR
        and text[10] in "Tt "
        and text[13] == text[16] == ":"
        and 1 <= int(text[5:7]) <= 12
        and 1 <= int(text[8:10]) <= 31
        and int(text[11:13]) < 24
        and int(text[14:16]) < 60
        and int(text[17:19]) <= 60
    )


def _offset_s(text: str) -> int | None:
    if text in ("Z", "z"):
        return 0
    digits = text[1:].replace(":", "")
    if text[:1] not in ("+", "-") or len(digits) not in (2, 4) or not digits.isdecimal():
        return None
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return seconds if text[0] == "+" else -seconds


def zone_words(zone: tzinfo, at: float) -> str:
    """The zone for a person: its name and its offset at that instant."""
    local = datetime.fromtimestamp(at, zone)
    shift = local.utcoffset() or timedelta()
    minutes = int(shift.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    name = getattr(zone, "key", None) or local.tzname() or "local"
    return f"{name} (UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d})"
