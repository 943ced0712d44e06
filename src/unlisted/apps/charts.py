"""Charts as SVG, drawn on the server: counts per hour, a part before its whole, a share.

Colours are classes, so that the page's light and dark styles hold; no script, no font of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from unlisted.apps import words

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 180, 44, 22
HOURS = 96
# Between the times on an axis: they stand on round ones.
STEPS = (300.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0)


class Bar(msgspec.Struct, frozen=True):
    """One hour."""

    x: float
    y: float
    height: float
    label: str


class Chart(msgspec.Struct, frozen=True):
    """A bar chart ready for the template: sizes are its view box's. `behind`: the whole of which
    the bars are a part, if there is one."""

    title: str
    query: str
    css: str
    width: int
    height: int
    left: int
    bottom: float
    bar_width: float
    bars: tuple[Bar, ...]
    top: int
    ticks: tuple[tuple[float, str], ...]
    total: int
    behind: tuple[Bar, ...] = ()


def first_hour(now: float, *counts: Mapping[int, int]) -> int:
    """Where an axis that several charts share begins: at most `HOURS` back, one day at least.

    A young journal gets a short axis: four days of emptiness would say nothing.
    """
    last = int(now // 3600)
    begun = min((hour for one in counts for hour in one if hour <= last), default=last)
    return max(last - HOURS + 1, min(begun, last - 23))


def per_hour(
    title: str, query: str, css: str, counts: Mapping[int, int], first: int, now: float
) -> Chart:
    """Counts by hour of the epoch, from `first` to now."""
    last = int(now // 3600)
    values = [counts.get(hour, 0) for hour in range(first, last + 1)]
    top = round_up(max(values, default=0))
    step = (WIDTH - LEFT) / len(values)
    bars = _bars(values, top, lambda i, n: f"{_hour((first + i) * 3600.0)}: {n}")
    ticks = []
    every = 6 if len(values) <= 36 else 24
    for i in range(len(values)):
        hour = first + i
        if hour % every == 0 and LEFT + i * step < WIDTH - 50:
            shown = (
                words.clock(hour * 3600.0)[11:16] if hour % 24 else words.clock(hour * 3600.0)[5:10]
            )
            ticks.append((round(LEFT + i * step, 1), shown))
    return Chart(
        title=title,
        query=query,
        css=css,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        bottom=HEIGHT - BOTTOM,
        bar_width=max(1.0, round(step - 1, 1)),
        bars=bars,
        top=top,
        ticks=tuple(ticks),
        total=sum(values),
    )


def part_of(
    title: str, query: str, part: Sequence[int], whole: Sequence[int], start: float, step_s: float
) -> Chart:
    """A count before the count it is a part of, in steps of time."""
    top = round_up(max(whole, default=0))
    width = (WIDTH - LEFT) / max(1, len(whole))

    def said(i: int, _: int) -> str:
        return f"{_hour(start + i * step_s)}: {part[i]} of {whole[i]}"

    return Chart(
        title=title,
        query=query,
        css="bar",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        bottom=HEIGHT - BOTTOM,
        bar_width=round(max(0.8, width - min(1.0, width / 4)), 1),
        bars=_bars(part, top, said),
        top=top,
        ticks=dated(start, start + step_s * len(whole), LEFT, WIDTH),
        total=sum(part),
        behind=_bars(whole, top, said),
    )


def dated(
    start: float, end: float, left: float, right: float, *, most: int = 9
) -> tuple[tuple[float, str], ...]:
    """Hours on a short axis, days on a long one; as many as there is room for."""
    every = next((one for one in STEPS if (end - start) / one <= most), STEPS[-1])
    while (end - start) / every > most:
        every *= 2
    first = -(-start // every) * every
    ticks = []
    while first < end:
        x = left + (first - start) / (end - start) * (right - left)
        if x < right - 40:
            # A time of day, but the date where one begins.
            shown = slice(11, 16) if first % 86400 else slice(5, 10)
            ticks.append((round(x, 1), words.clock(first)[shown]))
        first += every
    return tuple(ticks)


def _bars(values: Sequence[int], top: int, said: Callable[[int, int], str]) -> tuple[Bar, ...]:
    step, floor = (WIDTH - LEFT) / max(1, len(values)), HEIGHT - BOTTOM
    bars = []
    for i, value in enumerate(values):
        if value:
            height = round((floor - 8) * value / top, 1)
            bars.append(
                Bar(round(LEFT + i * step, 1), round(floor - height, 1), height, said(i, value))
            )
    return tuple(bars)


def _hour(at: float) -> str:
    return words.clock(at, seconds=False)


def round_up(value: int) -> int:
    """The next of 1, 2, 5 times a power of ten: an axis people can read."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if value <= step * size:
                return step * size
        size *= 10
