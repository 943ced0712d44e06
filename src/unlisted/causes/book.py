"""Four weeks of who sent how much by which address in which hour: kept live, in columns.

A row: sender, address, hour, recorded chance of the draw, campaign, messages; sixteen bytes. The
hour that runs is a table that adds up; then its rows go to their day. Six million messages of
200,000 senders are at most 100 MB. What is let go of: days past `keep_days`; the name of a campaign
that had one sender only, two days after (its mail stays in the sender's rows); names of senders
without a row left; and at most `most_rows` a day are kept, the rest is counted in `dropped`.

Pure: times come in with the mail. numpy is imported when somebody asks, not when mail is counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy.typing as npt

    from unlisted.causes.exposure import CampaignRows, Exposures, Ints

HOUR_S = 3600.0
NOT_DRAWN = 1.0
_HOURS = 24
_CAMPAIGN_DAYS = 2
_MOST_CHANCES = 250
_FEWEST_MEMBERS = 3  # of a campaign that is weighed: two are left out of every group's test
_SPARE_NAMES = 10_000
_PART = "\0"  # after a sender's name, how often it was parted; once more: what was parted off

Key = tuple[int, int, int, int]  # sender, address, chance, campaign


class _Day:
    """The rows of one day, a column each."""

    __slots__ = ("address", "campaign", "chance", "hour", "messages", "sender")

    def __init__(self) -> None:
        self.sender = array("I")
        self.address = array("H")
        self.hour = array("B")
        self.chance = array("B")
        self.campaign = array("I")
        self.messages = array("I")

    def __len__(self) -> int:
        return len(self.sender)

    def add(self, hour: int, key: Key, messages: int) -> None:
        self.sender.append(key[0])
        self.address.append(key[1])
        self.hour.append(hour)
        self.chance.append(key[2])
        self.campaign.append(key[3])
        self.messages.append(min(messages, 2**31 - 1))

    def give(self, sender: int, other: int, first: int) -> None:
        """A sender's rows from an hour of the day on become another's."""
        import numpy as np

        for row in np.flatnonzero(np.array(self.sender) == sender).tolist():
            if self.hour[row] >= first:
                self.sender[row] = other


class Weighable(NamedTuple):
    """The book as `attribute` wants it, and the names behind its numbers."""

    exposures: Exposures
    campaigns: CampaignRows
    tenants: Ints
    senders: tuple[str, ...]
    addresses: tuple[str, ...]
    campaign_names: tuple[str, ...]
    tenant_names: tuple[str, ...]
    ended: frozenset[int]  # of the senders: what was parted off


class _Columns(NamedTuple):
    sender: Ints
    address: Ints
    hour: Ints
    messages: Ints
    chance: Ints
    campaign: Ints

    def at(self, rows: npt.NDArray[Any]) -> _Columns:
        """Some rows, by mask or place."""
        return _Columns(
            self.sender[rows],
            self.address[rows],
            self.hour[rows],
            self.messages[rows],
            self.chance[rows],
            self.campaign[rows],
        )


class ExposureBook:
    """Counts what left; see the module."""

    def __init__(self, keep_days: int = 28, most_rows: int = 2_000_000) -> None:
        self.dropped = 0
        self.rows = 0
        self._keep_days, self._most_rows = keep_days, most_rows
        self._senders: dict[str, int] = {}
        self._tenants: dict[str, str] = {}
        self._parts: dict[str, int] = {}  # sender -> how often it was parted
        self._ended: set[str] = set()  # names of what was parted off
        self._addresses: dict[str, int] = {}
        self._chances: dict[float, int] = {NOT_DRAWN: 0}
        self._campaigns: dict[str, tuple[int, int]] = {}  # name -> number, last day
        self._members: dict[int, int] = {}  # campaign -> its one sender, -1: several
        self._last_campaign = 0
        self._hour = -1
        self._now: dict[Key, int] = {}
        self._days: dict[int, _Day] = {}

    def left(
        self,
        at: float,
        sender: str,
        tenant: str,
        address: str,
        chance: float,
        campaign: str = "",
        messages: int = 1,
    ) -> None:
        """Mail that left by an address, with the recorded chance of that draw."""
        hour = int(at // HOUR_S)
        if hour > self._hour:
            self._turn(hour)
        name = self._name(sender)
        who = self._senders.setdefault(name, len(self._senders))
        if tenant:
            self._tenants[name] = tenant
        where = self._addresses.setdefault(address, len(self._addresses))
        if where > 65_000:
            self.dropped += messages
            return
        code = self._chances.get(chance)
        if code is None:
            code = 0
            if len(self._chances) < _MOST_CHANCES:
                code = self._chances[chance] = len(self._chances)
        key = (who, where, code, self._campaign(campaign, who, hour // _HOURS))
        self._now[key] = self._now.get(key, 0) + messages

    def part(self, sender: str, since: float) -> None:
        """What left in the sender's name from the hour of `since` until now was another's: a hold
        ended it. Its own mail before and after says nothing of that, nor that of its own."""
        mine = self._senders.get(self._name(sender))
        tenant = self._tenants.get(self._name(sender), "")
        name = f"{self._name(sender)}{_PART}"
        self._parts[sender] = self._parts.get(sender, 0) + 1
        if mine is None:
            return
        other = self._senders.setdefault(name, len(self._senders))
        self._ended.add(name)
        if tenant:
            self._tenants[name] = tenant
        first = int(since // HOUR_S)
        for number, day in self._days.items():
            if number >= first // _HOURS:
                day.give(mine, other, first - number * _HOURS)
        for key in [key for key in self._now if key[0] == mine]:
            self._now[other, *key[1:]] = self._now.pop(key)

    def _name(self, sender: str) -> str:
        parts = self._parts.get(sender)
        return sender if parts is None else f"{sender}{_PART}{parts}"

    def __len__(self) -> int:
        return self.rows + len(self._now)

    def _campaign(self, name: str, sender: int, day: int) -> int:
        if not name:
            return 0
        known = self._campaigns.get(name)
        if known is None:
            self._last_campaign += 1
            number = self._last_campaign
        else:
            number = known[0]
        if known is None or known[1] != day:
            self._campaigns[name] = (number, day)
        if self._members.setdefault(number, sender) != sender:
            self._members[number] = -1
        return number

    def _turn(self, hour: int) -> None:
        """The hour that ran goes to its day; at midnight what is old goes."""
        before, self._hour = self._hour, hour
        if self._now:
            day = self._days.setdefault(before // _HOURS, _Day())
            for key in sorted(self._now):
                if len(day) >= self._most_rows:
                    self.dropped += self._now[key]
                    continue
                day.add(before % _HOURS, key, self._now[key])
                self.rows += 1
            self._now = {}
        if hour // _HOURS != before // _HOURS:
            self._midnight(hour // _HOURS)

    def _midnight(self, today: int) -> None:
        for old in [day for day in self._days if day <= today - self._keep_days]:
            self.rows -= len(self._days.pop(old))
        self._fade(today)
        if len(self._senders) > 2 * self.rows + _SPARE_NAMES:
            self._renumber()

    def _fade(self, today: int) -> None:
        """Campaigns of one sender lose their names: their mail is their sender's, no more."""
        gone = [
            (name, number)
            for name, (number, day) in self._campaigns.items()
            if day < today - (_CAMPAIGN_DAYS if self._members[number] >= 0 else self._keep_days)
        ]
        for name, number in gone:
            del self._campaigns[name]
            del self._members[number]

    def _renumber(self) -> None:
        live = sorted({who for day in self._days.values() for who in day.sender})
        place = {old: new for new, old in enumerate(live)}
        names = list(self._senders)
        self._senders = {names[old]: new for new, old in enumerate(live)}
        self._tenants = {n: t for n, t in self._tenants.items() if n in self._senders}
        self._ended = {n for n in self._ended if n in self._senders}
        for day in self._days.values():
            day.sender = array("I", [place[who] for who in day.sender])
        known = {name.partition(_PART)[0] for name in self._senders}
        self._parts = {name: count for name, count in self._parts.items() if name in known}
        self._members = {
            number: place.get(who, -1) if who >= 0 else -1 for number, who in self._members.items()
        }

    # ------------------------------------------------------------ read

    def number(self, sender: str) -> int | None:
        """A sender's number in the next `weighable`."""
        return self._senders.get(self._name(sender))

    def weighable(
        self, pools: Mapping[str, Sequence[str]], epoch_s: float, *, rests_listed: bool
    ) -> Weighable:
        """All that is kept. `pools`: the addresses of each pool that is drawn in."""
        import numpy as np

        from unlisted.causes.columns import exposures_from
        from unlisted.causes.exposure import CampaignRows

        whole = self._columns()
        merged, _ = _merged(whole)
        chances = np.array(sorted(self._chances, key=lambda one: self._chances[one]))
        names = tuple(self._senders)
        exposures, addresses = exposures_from(
            sender=merged.sender,
            senders=max(1, len(names)),
            address=merged.address,
            address_names=tuple(self._addresses),
            hour=merged.hour.astype(np.int64) * int(HOUR_S),
            messages=merged.messages,
            pools=pools,
            probability=chances.astype(np.float32)[merged.chance],
            epoch_s=max(HOUR_S, epoch_s),
            rests_listed=rests_listed,
        )
        several = {number for number, who in self._members.items() if who < 0}
        shared = [(name, n) for name, (n, _) in self._campaigns.items() if n in several]
        kept, group = self._groups(whole, [n for _, n in shared])
        place = np.array([addresses.index(one) for one in self._addresses], dtype=np.int32)
        campaigns = CampaignRows(
            len(shared),
            group,
            kept.sender,
            place[kept.address] if len(kept.address) else kept.address,
            (kept.hour - int(exposures.start // HOUR_S)).astype(np.int32),
            kept.messages,
            chances[kept.chance],
        )
        bare = tuple(name.partition(_PART)[0] for name in names)
        ended = frozenset(place for place, name in enumerate(names) if name in self._ended)
        tenant_names = tuple(sorted({"", *self._tenants.values()}))
        at = {name: number for number, name in enumerate(tenant_names)}
        tenants = np.array([at[self._tenants.get(one, "")] for one in names], dtype=np.int64)
        return Weighable(
            exposures,
            campaigns,
            tenants if len(tenant_names) > 1 else tenants[:0],
            bare,
            addresses,
            tuple(name for name, _ in shared),
            tenant_names,
            ended,
        )

    def _groups(self, whole: _Columns, numbers: list[int]) -> tuple[_Columns, Ints]:
        """Rows of these campaigns, if they have members enough, and each row's group."""
        import numpy as np

        order = np.argsort(np.array(numbers, dtype=np.int64))
        known = np.array(numbers, dtype=np.int64)[order]
        found = np.searchsorted(known, whole.campaign)
        inside = np.zeros(len(whole.campaign), dtype=bool)
        if len(known):
            inside = known[np.minimum(found, len(known) - 1)] == whole.campaign
        part = whole.at(inside)
        group = order[found[inside]] if len(known) else found[inside]
        wide = len(self._senders) + 1
        members = np.unique(group.astype(np.int64) * wide + part.sender) // wide
        enough = np.bincount(members, minlength=len(numbers)) >= _FEWEST_MEMBERS
        part = part.at(enough[group])
        return _merged(part, group[enough[group]])

    def _columns(self) -> _Columns:
        import numpy as np

        running = _Day()
        for key in sorted(self._now):
            running.add(self._hour % _HOURS, key, self._now[key])
        days = [(number, self._days[number]) for number in sorted(self._days)]
        days = [one for one in (*days, (self._hour // _HOURS, running)) if len(one[1])]

        def column(name: str, kind: str) -> Ints:
            parts = [np.frombuffer(getattr(day, name), dtype=kind) for _, day in days]
            return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)

        begins = np.array([number * _HOURS for number, _ in days], dtype=np.int32)
        hour = np.repeat(begins, [len(day) for _, day in days]) + column("hour", "u1")
        return _Columns(
            column("sender", "u4"),
            column("address", "u2"),
            hour.astype(np.int32),
            column("messages", "u4"),
            column("chance", "u1"),
            column("campaign", "u4"),
        )


def _merged(rows: _Columns, group: Ints | None = None) -> tuple[_Columns, Ints]:
    """Rows in order of (group, sender, hour, address, chance), equal ones made one."""
    import numpy as np

    if not len(rows.sender):
        return rows, np.zeros(0, dtype=np.int64) if group is None else group
    # One number a row, all of it: sorting by five keys takes five times as long.
    key = np.zeros(len(rows.sender), dtype=np.int64) if group is None else group.astype(np.int64)
    for column in (rows.sender, rows.hour - int(rows.hour.min()), rows.address, rows.chance):
        key *= int(column.max()) + 1
        key += column
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    messages = np.add.reduceat(rows.messages[order], first, dtype=np.int64)
    kept = order[first]
    found = rows.at(kept)._replace(messages=np.minimum(messages, 2**31 - 1))
    return found, np.zeros(0, dtype=np.int64) if group is None else group[kept]
