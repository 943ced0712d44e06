"""Charts as SVG, drawn on the server: counts per hour, and a share with its interval.

Colours are classes, so that the page's light and dark styles hold; no script, no font of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unlisted.apps import words

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 180, 44, 22
HOURS = 96


class Bar(msgspec.Struct, frozen=True):
    """One hour."""

    x: float
    y: float
    height: float
    label: str


class Chart(msgspec.Struct, frozen=True):
    """A bar chart ready for the template: sizes are its view box's."""

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
    top = _round_up(max(values, default=0))
    step = (WIDTH - LEFT) / len(values)
    floor = HEIGHT - BOTTOM
    bars = []
    for i, value in enumerate(values):
        if value:
            height = round((floor - 8) * value / top, 1)
            at = words.clock((first + i) * 3600.0, seconds=False)
            bars.append(
                Bar(round(LEFT + i * step, 1), round(floor - height, 1), height, f"{at}: {value}")
            )
    ticks = []
    every = 6 if len(values) <= 36 else 24
    for i in range(len(values)):
        hour = first + i
        if hour % every == 0 and LEFT + i * step < WIDTH - 50:
            shown = (
                words.clock(hour * 3600.0)[11:16]
                if every < 24
                else words.clock(hour * 3600.0)[5:10]
            )
            ticks.append((round(LEFT + i * step, 1), shown))
    return Chart(
        title=title,
        query=query,
        css=css,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        bottom=floor,
        bar_width=max(1.0, round(step - 1, 1)),
        bars=tuple(bars),
        top=top,
        ticks=tuple(ticks),
        total=sum(values),
    )


def _round_up(value: int) -> int:
    """The next of 1, 2, 5 times a power of ten: an axis people can read."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if value <= step * size:
                return step * size
        size *= 10
