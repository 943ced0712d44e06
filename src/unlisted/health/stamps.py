"""Times as people print them on a page, with what they claim about the weekday and the zone.

Reads "24-Dec-2023 16:00", "Friday, January 5, 2024, at 11:00 PM UTC", ISO 8601 (RFC 3339) and close
relatives. The weekday is checked here, because the usual parsers accept any (Thursday for a
Monday). A day that no calendar has is no stamp. Numeric dates whose day and month could be either
("03/04/2024") are refused: nothing is guessed.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
ZONES = {
    "utc": 0, "gmt": 0, "z": 0, "pst": -480, "pdt": -420, "mst": -420, "mdt": -360, "cst": -360,
    "cdt": -300, "est": -300, "edt": -240, "cet": 60, "cest": 120, "bst": 60,
}  # fmt: skip

_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d{1,9})?)?(?:\s?(?P<half>[ap])\.?m\b\.?)?"
_WEEKDAY = (
    r"(?:(?P<weekday>(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)\.?,?\s+)?"
)
_ZONE = r"(?:\s?(?P<zone>\(?(?:(?:utc|gmt)\s?)?[+-]\d{1,2}:?\d{2}\)?|\(?\b(?:utc|gmt|pst|pdt|mst|mdt|cst|cdt|est|edt|cet|cest|bst)\b\)?|z\b))?"
_BETWEEN = r"(?:,?\s+at\s+|,?\s+|t)"
_FORMS = (
    rf"{_DAY}[- ]{_MONTH}[- ,]\s?(?P<year>\d{{4}}){_BETWEEN}{_CLOCK}",
    rf"{_MONTH}\s+{_DAY},?\s+(?P<year>\d{{4}}){_BETWEEN}{_CLOCK}",
    rf"(?P<year>\d{{4}})-(?P<number>\d{{2}})-(?P<day>\d{{2}}){_BETWEEN}{_CLOCK}",
)
_CLOCKED = re.compile(r"\d:\d\d")  # every form has a clock in it; most texts have none
_BEFORE, _BEHIND = 80, 60  # characters of a stamp around its clock at most
_SHORT = 200
STAMP = [re.compile(_WEEKDAY + form + _ZONE, re.IGNORECASE) for form in _FORMS]


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """`local`: seconds since the epoch if the clock were UTC. `offset_min`: printed zone, minutes
    east; None: none printed. `weekday`: as printed, full name; `right_weekday`: of the date."""

    printed: str
    local: float
    offset_min: int | None
    weekday: str | None
    right_weekday: str
    span: tuple[int, int]

    @property
    def weekday_wrong(self) -> bool:
        return self.weekday is not None and self.weekday != self.right_weekday

    def at(self, offset_min: int | None) -> float | None:
        """Seconds UTC, by its own zone or else by the page's; None without either."""
        own = self.offset_min if self.offset_min is not None else offset_min
        return None if own is None else self.local - own * 60


def read(text: str) -> Stamp | None:
    """The first stamp in a short text (up to 4,000 characters)."""
    return _first(text) if len(text) <= _SHORT else next(iter(stamps(text[:4000], most=1)), None)


@lru_cache(maxsize=1024)
def _first(text: str) -> Stamp | None:
    # A post's stamp is asked for by everybody who looks at the post.
    return next(iter(stamps(text, most=1)), None)


def whole(text: str) -> Stamp | None:
    """The stamp that this cell is, brackets and a full stop aside; None if it is more or less."""
    cell = text.strip().strip("[]").rstrip(".").strip()
    found = read(cell) if len(cell) <= 80 else None
    return found if found is not None and found.span == (0, len(cell)) else None


def stamps(text: str, most: int = 1000) -> list[Stamp]:
    """All stamps in their order; what only looks like one is passed over."""
    found: dict[int, Stamp] = {}
    clocks = [clock.start() for clock in _CLOCKED.finditer(text)]
    if not clocks:
        return []
    begin, end = max(0, clocks[0] - _BEFORE), clocks[-1] + _BEHIND
    for pattern in STAMP:
        for match in pattern.finditer(text, begin, end):
            stamp = _stamp(match)
            if stamp is not None:
                found.setdefault(match.start(), stamp)
            if len(found) > 4 * most:
                break
    ordered = [found[place] for place in sorted(found)]
    return _apart(ordered)[:most]


def _apart(ordered: list[Stamp]) -> list[Stamp]:
    kept: list[Stamp] = []
    for stamp in ordered:
        if not kept or stamp.span[0] >= kept[-1].span[1]:
            kept.append(stamp)
    return kept


def _stamp(match: re.Match[str]) -> Stamp | None:
    parts = match.groupdict()
    month = int(parts["number"]) if parts.get("number") else _month(parts["month"])
    hour = int(parts["hour"])
    if parts["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
    try:
        moment = datetime(
            int(parts["year"]), month, int(parts["day"]), hour, int(parts["minute"]),
            int(parts["second"] or 0), tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    return Stamp(
        printed=match[0].strip(),
        local=moment.timestamp(),
        offset_min=_offset(parts["zone"]),
        weekday=_weekday(parts["weekday"]),
        right_weekday=WEEKDAYS[moment.weekday()],
        span=match.span(),
    )


def _month(name: str) -> int:
    return MONTHS.index(name[:3].lower()) + 1


def _weekday(name: str | None) -> str | None:
    if not name:
        return None
    return next(day for day in WEEKDAYS if day.lower().startswith(name[:3].lower()))


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    token = zone.strip("() ").lower()
    if token in ZONES:
        return ZONES[token]
    sign, digits = token.lstrip("utcgm ")[0], re.sub(r"\D", "", token)
    hours, minutes = int(digits[:-2]), int(digits[-2:])
    if hours > 14 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if sign == "-" else 1)


def offset_shown(offset_min: int) -> str:
    """-480 as "-08:00"."""
    sign = "-" if offset_min < 0 else "+"
    return f"{sign}{abs(offset_min) // 60:02d}:{abs(offset_min) % 60:02d}"


def long_form(at: float) -> str:
    """As the record prints a time: "Friday, January 5, 2024, at 11:00 PM UTC"."""
    moment = datetime.fromtimestamp(at, UTC)
    clock = moment.strftime("%I:%M %p").lstrip("0")
    return f"{moment:%A}, {moment:%B} {moment.day}, {moment.year}, at {clock} UTC"
