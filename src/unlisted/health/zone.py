"""The zone of a page whose own stamps carry none, told by what it also prints with one.

Evidence, strongest first: a zone printed beside a stamp; the row's start against a Start Time in
the text, which has a zone (a wrong year in one of them is allowed for); an End Time that cannot be
after the post that tells it; promised times, kept by the next post under the right zone and by
hours under a wrong one. More than one zone left, and none printed: it is said, not guessed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from unlisted.health.stamps import Stamp, offset_shown

OFFSETS = tuple(range(-12 * 60, 14 * 60 + 1, 15))
_QUARTER = 15 * 60
# A page is written in a zone of whole hours far more often than not.
_DAY = 86_400.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a post tells about time: its own stamp without zone, and stamps with one in it."""

    stamp: Stamp
    starts: tuple[Stamp, ...] = ()
    ends: tuple[Stamp, ...] = ()
    promised: Stamp | None = None


class Zone(msgspec.Struct, frozen=True):
    """offset_min None: not known. sure: one way of reading it was left."""

    offset_min: int | None
    sure: bool
    evidence: tuple[str, ...]


def infer(row_start: Stamp | None, told: Sequence[Told]) -> Zone:
    """told: oldest first."""
    printed = [t.stamp for t in told if t.stamp.offset_min is not None]
    if printed and printed[0].offset_min is not None:
        offset = printed[0].offset_min
        return Zone(offset, True, (f"printed beside the stamps: {printed[0].printed}",))
    by_start = _by_start(row_start, told)
    kept = _by_promises(told)
    if by_start is not None:
        offset, words = by_start
        evidence = [words]
        if kept:
            met, due = kept[offset]
            evidence.append(f"at {offset_shown(offset)} {met} of {due} promised times are kept")
        return Zone(offset, True, tuple(evidence))
    return _by_margin(told, kept)


def _by_start(row_start: Stamp | None, told: Sequence[Told]) -> tuple[int, str] | None:
    if row_start is None or row_start.offset_min is not None:
        return None
    found: dict[int, tuple[int, Stamp]] = {}
    for one in told:
        for start in one.starts:
            offset = _between(row_start, start)
            if offset is not None:
                count = found.get(offset, (0, start))[0]
                found[offset] = (count + 1, start)
    if not found:
        return None
    offset = max(found, key=lambda o: (found[o][0], -abs(o)))
    words = f"the row's start {row_start.printed} is {found[offset][1].printed}"
    return offset, f"{words} (year and weekday aside) at {offset_shown(offset)}"


def _between(local: Stamp, told: Stamp) -> int | None:
    """Minutes that the page's clock is east of UTC, if the two are one instant up to the year."""
    utc = told.at(None)
    if utc is None:
        return None
    for years in (0, -1, 1, -2, 2, -3, 3):
        moved = _moved(utc, years)
        seconds = local.local - moved if moved is not None else _DAY * 9
        if abs(seconds) <= 14 * 3600 and seconds % _QUARTER == 0:
            return int(seconds // 60)
    return None


def _moved(at: float, years: int) -> float | None:
    moment = datetime.fromtimestamp(at, UTC)
    try:
        return moment.replace(year=moment.year + years).timestamp()
    except ValueError:
        return None


def _by_promises(told: Sequence[Told]) -> dict[int, tuple[int, int]]:
    """Offset → (promises kept, promises that have a next post)."""
    pairs = _pairs(told)
    if not pairs:
        return {}
    return {
        offset: (sum(n.local - offset * 60 <= (p.at(None) or 0.0) for p, n in pairs), len(pairs))
        for offset in OFFSETS
    }


def _pairs(told: Sequence[Told]) -> list[tuple[Stamp, Stamp]]:
    return [
        (one.promised, after.stamp)
        for one, after in pairwise(told)
        if one.promised is not None and one.promised.at(None) is not None
    ]


def _by_margin(told: Sequence[Told], kept: dict[int, tuple[int, int]]) -> Zone:
    """Without a start to compare: the offset under which all promises are kept most closely."""
    pairs = _pairs(told)
    if len(pairs) < 3:
        return Zone(None, False, ("nothing on the page tells its zone",))
    late = {o: sum(abs((p.at(None) or 0.0) - n.local + o * 60) for p, n in pairs) for o in kept}
    most = max(met for met, _ in kept.values())
    fit = [o for o, (met, _) in kept.items() if met == most and o % 60 == 0 and _ends_fit(told, o)]
    if not fit:
        return Zone(None, False, ("no zone fits the promised times",))
    offset = min(fit, key=lambda o: (late[o], abs(o)))
    words = (
        f"at {offset_shown(offset)} {most} of {len(pairs)} promised times are kept, most closely"
    )
    return Zone(offset, False, (words,))


def _ends_fit(told: Sequence[Told], offset: int) -> bool:
    """No end is told before it is over."""
    return all(
        (end.at(None) or 0.0) <= one.stamp.local - offset * 60 for one in told for end in one.ends
    )
