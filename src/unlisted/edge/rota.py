"""Who is on duty at a moment: weekly shifts in the wall-clock time of one zone.

A shift that ends not after it begins ends on the next day. Where none covers the moment everybody
is on duty: a gap in a plan must not be a silence. Shifts follow the zone's clock over its changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import msgspec


class Shift(msgspec.Struct, frozen=True):
    """`days`: Monday is 0. `begin`, `end`: minutes since midnight."""

    person: str
    days: tuple[int, ...]
    begin: int
    end: int

    def covers(self, weekday: int, minute: int) -> bool:
        """Whether that minute of the week is in it."""
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        before = (weekday - 1) % 7
        return (weekday in self.days and minute >= self.begin) or (
            before in self.days and minute < self.end
        )


class Rota(msgspec.Struct, frozen=True):
    """The people and their week."""

    zone: str = "UTC"
    people: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()

    def on_duty(self, at: float) -> Sequence[str]:
        """Names, in the order of the people; all of them where no shift covers `at`."""
        local = datetime.fromtimestamp(at, _zone(self.zone))
        minute = local.hour * 60 + local.minute
        now = {one.person for one in self.shifts if one.covers(local.weekday(), minute)}
        return tuple(name for name in self.people if name in now) or self.people


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # a start without shifts does not pay

    return ZoneInfo(name)
