"""Cells of Microsoft's message trace: times as its exports write them, and the reason of a failure.

Times are UTC in every report. ISO 8601 with any number of digits, or the form of the country where
the file was saved (`11/3/2026 10:00:00 AM`, `03.11.2026 10:00`): what the first number means is
told by the rows themselves. Gives None for what is no time.
"""

import re
from datetime import UTC, datetime

from unlisted.logs.stamp import rfc3339

_COUNTRY = re.compile(
    r"(\d{1,4})([/.-])(\d{1,2})\2(\d{2,4}),? (\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d{1,9})? ?([AaPp]\.?[Mm]\.?)?"
)
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
    country = _COUNTRY.fullmatch(text.removesuffix(" UTC").removesuffix(" (UTC)"))
    if country is None:
        return None
    a, separator, b, c, hour, minute, second, half = country.groups()
    try:
        if len(a) == 4:
            year, month, day_number = int(a), int(b), int(c)
        else:
            year = int(c) + (2000 if len(c) == 2 else 0)
            month, day_number = dates.order(int(a), int(b), separator, half is not None)
        hours = int(hour)
        if half is not None:
            hours = hours % 12 + (12 if half[0] in "Pp" else 0)
        moment = datetime(year, month, day_number, hours, int(minute), int(second or 0), tzinfo=UTC)
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
