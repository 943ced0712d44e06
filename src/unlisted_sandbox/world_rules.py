"""What must hold of a world beyond its keys' types and ranges: names, references, replies, sums.

Each check gives the place in the file and what would be right. It refuses what no single key can
tell: two sites for one domain, a list nobody runs, a wording that is no SMTP reply.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from unlisted_sandbox.world import World
    from unlisted_sandbox.world_sites import Receiver

Found = Iterator[tuple[str, str]]
PLACES = frozenset({"ip", "zone", "helo", "recipient", "domain", "host"})


def broken(w: World, banks: Sequence[str]) -> Found:
    """(where, what would be right) for everything that does not hold. `banks`: of phrases."""
    yield from _frame(w)
    yield from _lists(w)
    yield from _receivers(w)
    yield from _letters(w)
    yield from _hijacks(w)
    yield from _impositions(w)
    yield from _content(w, banks)


def _frame(w: World) -> Found:
    if not 1971 <= w.world.start.year <= 2200:
        yield ("world.start", "outside the years 1971 to 2200")
    elif w.world.start.tzinfo is None:
        yield ("world.start", "has no zone; write it in UTC, as 2026-03-02T00:00:00Z")
    elif w.world.start.astimezone(UTC).utcoffset() != w.world.start.utcoffset():
        yield ("world.start", "not in UTC; end it with Z")
    if w.tenants.senders_min > w.tenants.senders_max:
        yield ("tenants.senders_min", "above senders_max")
    if w.honest.unknown_min > w.honest.unknown_max:
        yield ("honest.unknown_min", "above unknown_max")
    if not sum(w.honest.hours):
        yield ("honest.hours", "all are 0; give at least one hour a weight")
    if w.honest.weekend_hours and len(w.honest.weekend_hours) != 24:
        yield ("honest.weekend_hours", "write 24 weights, or none")
    elif w.honest.weekend_hours and not sum(w.honest.weekend_hours):
        yield ("honest.weekend_hours", "all are 0; give at least one hour a weight")
    if w.honest.weekdays and len(w.honest.weekdays) != 7:
        yield ("honest.weekdays", "write 7 volumes, Monday first, or none")


def _lists(w: World) -> Found:
    zones = [x.zone for x in w.lists]
    sites = [r.name for r in w.receivers]
    for n, zone in enumerate(zones):
        if zone in zones[:n]:
            yield (f"lists.{n}.zone", f"{zone} is there twice")
        if not _domain(zone):
            yield (f"lists.{n}.zone", "not a domain name in lower case")
    for n, entry in enumerate(w.lists):
        for at in entry.traps_at:
            if at not in sites:
                yield (f"lists.{n}.traps_at", f"no receiver {at}" + near(at, sites))


def _receivers(w: World) -> Found:
    zones = [x.zone for x in w.lists]
    sites = [r.name for r in w.receivers]
    if not w.receivers:
        yield ("receivers", "none; write at least one [[receivers]]")
    elif not sum(r.share for r in w.receivers):
        yield ("receivers", "all shares are 0; give at least one a share")
    domains: list[str] = []
    for n, r in enumerate(w.receivers):
        where = f"receivers.{n}"
        if r.name in sites[:n]:
            yield (f"{where}.name", f"{r.name} is there twice")
        for d in r.domains:
            if d in domains:
                yield (f"{where}.domains", f"{d} is there twice")
            if not _domain(d):
                yield (f"{where}.domains", f"{d} is not a domain name in lower case")
            domains.append(d)
        if r.list and r.list not in zones:
            yield (f"{where}.list", f"no list {r.list}" + near(r.list, zones))
        if (r.access == "none") != (r.list == ""):
            yield (f"{where}.access", "a list goes with access dns or feed, none with none")
        if r.access != "none" and not r.wording:
            yield (f"{where}.wording", "missing; give the reply to a listed address")
        if r.access == "feed" and r.feed_every_s <= 0:
            yield (f"{where}.feed_every_s", "must be above 0 for a feed")
        for said in msgspec.structs.fields(type(r)):
            if said.name.endswith("wording"):
                for text in _wording(getattr(r, said.name), r, said.name):
                    yield (f"{where}.{said.name}", text)


def _letters(w: World) -> Found:
    """What all named senders of the script have in common, hijacks included."""
    names: set[str] = set()
    for table in ("newsletters", "letters", "tickets", "webforms", "hijacks"):
        if len(getattr(w, table)) > 250:
            yield (table, "at most 250")
        for n, row in enumerate(getattr(w, table)):
            where = f"{table}.{n}"
            if row.name in names:
                yield (f"{where}.name", f"{row.name} is there twice")
            names.add(row.name)
            if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", row.name):
                yield (f"{where}.name", "use a-z, 0-9 and inner hyphens")
            if row.tenant >= w.tenants.count:
                yield (f"{where}.tenant", f"there are {w.tenants.count}, numbered from 0")
            when = getattr(row, "at_h", getattr(row, "start_h", 0.0))
            if when >= w.world.days * 24:
                yield (f"{where}.{'start_h' if table == 'hijacks' else 'at_h'}",
                              f"after the scripted days ({w.world.days * 24:g} h)")  # fmt: skip


def _hijacks(w: World) -> Found:
    for n, h in enumerate(w.hijacks):
        where = f"hijacks.{n}"
        if (h.per_hour > 0) == (h.per_day > 0):
            yield (f"{where}.per_hour", "give either per_hour or per_day, above 0")
        if h.unknown_rate + h.trap_share > 1:
            yield (f"{where}.trap_share", "with unknown_rate above 1")
        if h.person >= 0 and h.tenant < 0:
            yield (f"{where}.person", "needs a tenant number")
        if h.person >= w.tenants.senders_min:
            yield (f"{where}.person", "use a number below senders_min, whom every tenant has")
        if h.person >= 0 and any(
            (h.tenant, h.person) == (o.tenant, o.person) for o in w.hijacks[:n]
        ):
            yield (f"{where}.person", "this account is hijacked twice; write `again`")
        if h.again:
            yield from _again(w, n)
    if len(w.hijacks) > w.tenants.count * w.tenants.senders_min:
        yield ("hijacks", "more hijacks than there are people for certain")


def _again(w: World, n: int) -> Found:
    h, names = w.hijacks[n], [o.name for o in w.hijacks[:n]]
    if h.again not in names:
        yield (f"hijacks.{n}.again", f"no hijack {h.again} above this one" + near(h.again, names))
    elif w.hijacks[names.index(h.again)].start_h >= h.start_h:
        yield (f"hijacks.{n}.again", f"begins before {h.again} does")
    if h.tenant >= 0 or h.person >= 0:
        yield (f"hijacks.{n}.again", "the account is known by it; leave out tenant and person")


def _impositions(w: World) -> Found:
    """Listings that no mail caused."""
    zones = [x.zone for x in w.lists]
    for table in ("list_errors", "ranges"):
        rows = getattr(w, table)
        if len(rows) > 250:
            yield (table, "at most 250")
        for n, row in enumerate(rows):
            where = f"{table}.{n}"
            if row.list not in zones:
                yield (f"{where}.list", f"no list {row.list}" + near(row.list, zones))
            if row.at_h >= w.world.days * 24:
                yield (f"{where}.at_h", f"after the scripted days ({w.world.days * 24:g} h)")
            elif row.at_h + row.for_h > w.world.days * 24 + w.world.tail_h:
                yield (f"{where}.for_h", "ends after the world; make it shorter")
    for n, error in enumerate(w.list_errors):
        if error.addresses > w.world.pool_size:
            yield (f"list_errors.{n}.addresses", f"a pool has {w.world.pool_size}")


def _content(w: World, banks: Sequence[str]) -> Found:
    for key, bank in (("honest", w.content.honest), ("spam", w.content.spam)):
        if bank not in banks:
            yield (f"content.{key}", f"no phrase bank {bank}" + near(bank, banks))


def near(name: str, known: Any) -> str:
    """The likeliest name meant, or all that are known."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _domain(text: str) -> bool:
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    return len(text) <= 200 and re.fullmatch(rf"{label}(\.{label})+", text) is not None


def _wording(text: str, r: Receiver, key: str) -> Iterator[str]:
    """RFC 5321 section 4.2: one code for all lines, a hyphen after it on all but the last."""
    if not text:
        return
    lines = text.split("\n")
    for n, line in enumerate(lines):
        if not re.match(r"[45]\d\d[ -]", line) or line[:3] != lines[0][:3]:
            yield f"line {n + 1} must begin with the reply's one 4yz or 5yz code: {line[:40]!r}"
        elif (line[3] == "-") != (n < len(lines) - 1):
            yield f"line {n + 1}: a hyphen follows the code on all lines but the last: {line[:40]!r}"
        if len(line) > 510 or not line.isascii() or not line.isprintable():
            yield f"line {n + 1} must be printable ASCII of at most 510 characters"
        for place in re.findall(r"\{(\w*)\}", line):
            if place not in PLACES:
                yield f"{{{place}}} is not filled in; known: {', '.join(sorted(PLACES))}"
            elif place == "recipient" and key == "wording" and r.stage == "greeting":
                yield "{recipient} is not known in a greeting"
