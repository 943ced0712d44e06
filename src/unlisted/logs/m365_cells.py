"""Cells of Microsoft's message trace: times as its exports write them, and the reason of a failure.

Times are UTC in every report. ISO 8601 with any number of digits, or the form of the country where
the file was saved (`11/3/2026 10:00:00 AM`, `03.11.2026 10:00`, `Nov 3, 2026 10:00 AM`): what the
first number means is told by the rows themselves. Gives None for what is no time.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from unlisted.logs.stamp import MONTHS, rfc3339

_CLOCK = r"(\d{1,2})[:.](\d\d)(?:[:.](\d\d))?(?:\.\d{1,9})? ?([AaPp]\.?[Mm]\.?)?"
_COUNTRY = re.compile(rf"(\d{{1,4}})([/.-]) ?(\d{{1,2}})\2 ?(\d{{2,4}})\.?,? {_CLOCK}")
_NAMED = re.compile(rf"([A-Z][a-z]{{2}})[a-z]{{0,6}} (\d{{1,2}}), (\d{{4}}),? {_CLOCK}")
# The blank before AM and PM is a narrow one where .NET has it from newer Unicode data.
_BLANKS = str.maketrans({"\u202f": " ", "\xa0": " "})
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_FQDN = re.compile(r"\{FQDN=([^{}]{1,255})\}")
_IP = re.compile(r"\{IP=([0-9A-Fa-f:.]{2,45})\}")
_TEXT_LIMIT = 16_384


class SlashDates:
    """Whether the first of two numbers is the month: told by a number beyond 12, else by AM/PM."""

    def __init__(self) -> None:
        self.month_first: bool | None = None

    def order(self, first: int, second: int, separator: str, half: bool) -> tuple[int, int]:
        """(month, day)."""
        if first > 12:
            self.month_first = False
        elif second > 12:
            self.month_first = True
        month_first = self.month_first
        if month_first is None:
            month_first = half or separator == "/"  # Microsoft's own export is en-US
        return (first, second) if month_first else (second, first)


def when(text: str, dates: SlashDates) -> float | None:
    """Seconds since the epoch, UTC."""
    found = _ISO.fullmatch(text)
    if found is not None:
        day, minute, second, fraction, zone = found.groups()
        return rfc3339(f"{day}T{minute}{second or ':00'}{fraction or ''}{zone or 'Z'}")
    told = text.translate(_BLANKS).removesuffix(" UTC").removesuffix(" (UTC)")
    if (named := _NAMED.fullmatch(told)) and named[1] in MONTHS:
        return _instant(int(named[3]), MONTHS[named[1]], int(named[2]), named.groups()[3:])
    country = _COUNTRY.fullmatch(told)
    if country is None:
        return None
    a, separator, b, c = country.groups()[:4]
    clock = country.groups()[4:]
    if len(a) == 4:
        return _instant(int(a), int(b), int(c), clock)
    year = int(c) + (2000 if len(c) == 2 else 0)
    month, day = dates.order(int(a), int(b), separator, clock[3] is not None)
    return _instant(year, month, day, clock)


def _instant(year: int, month: int, day: int, clock: Sequence[str | None]) -> float | None:
    hour, minute, second, half = clock
    hours = int(hour or 0)
    if half is not None:
        hours = hours % 12 + (12 if half[0] in "Pp" else 0)
    try:
        moment = datetime(year, month, day, hours, int(minute or 0), int(second or 0), tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment.timestamp()


def reason_of(detail: str) -> str:
    """The reply inside `Reason: [{LED=554 5.7.1 …};{MSG=};{FQDN=…};{IP=…};{LRT=…}]`, else the text
    as it is."""
    text = detail[:_TEXT_LIMIT]
    for name in ("{LED=", "{MSG="):
        start = text.find(name)
        ends = [end for mark in ("};", "}]") if (end := text.find(mark, start)) >= 0]
        if start >= 0 and ends and min(ends) > start + len(name):
            return text[start + len(name) : min(ends)].strip()
    return text.strip()


def site_of(detail: str) -> tuple[str, str]:
    """Name and address of the remote site in the same words; "" where they are not told."""
    name, ip = _FQDN.search(detail[:_TEXT_LIMIT]), _IP.search(detail[:_TEXT_LIMIT])
    return name[1] if name else "", ip[1] if ip else ""
