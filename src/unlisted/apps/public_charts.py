"""An incident's published figures over time, as small charts for its public page.

Their one source is the figures of its posts, so a chart shows nothing that no post showed. One mark
per post, at the end of the figure's window; a line through it: the 95 % interval; an unknown value is
a question mark on the axis, never 0. A corrected post's figures are left out: its correction stands.
Fewer than two known values make no chart, nor does a count that was always 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unlisted.apps import charts, words
from unlisted.apps.public_views import shown
from unlisted.facts import Figure, Posted

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FLOOR = 420, 160, 50, 402, 14, 134
MOST = 100  # marks: an incident of months has more posts than a small picture can hold
TITLES = {
    "refused_share": "Refused share of delivery attempts",
    "waiting": "Messages waiting",
    "resent": "Bounced messages sent again",
}


class Trend(msgspec.Struct, frozen=True):
    """One chart: paths and texts in a view box of `WIDTH` by `HEIGHT`. `said`: the same in words."""

    title: str
    said: str
    caption: str
    first: float
    last: float
    marks: str
    intervals: str
    unknown: tuple[float, ...]
    steps: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    floor: int = FLOOR


def trends(posts: Sequence[Posted]) -> list[Trend]:
    """The charts of an incident whose posts these are."""
    corrected = {post.corrects for post in posts}
    standing = [post for post in posts if post.number not in corrected]
    found = []
    for name, title in TITLES.items():
        figures = [one for post in standing for one in post.figures if one.name == name]
        figures = sorted(figures, key=lambda one: one.end)[-MOST:]
        # One place, one scale, one query: a figure that changed its meaning begins anew.
        figures = [one for one in figures if (one.query, one.unit) == _meaning(figures)]
        idle = all(one.value == 0 and one.unit != "share" for one in figures)
        if (
            not idle
            and sum(one.value is not None for one in figures) > 1
            and figures[0].end < figures[-1].end
        ):
            found.append(_trend(title, figures))
    return found


def _meaning(figures: Sequence[Figure]) -> tuple[str, str]:
    return figures[-1].query, figures[-1].unit


def _trend(title: str, figures: Sequence[Figure]) -> Trend:
    share = figures[0].unit == "share"
    known = [(one, one.value) for one in figures if one.value is not None]
    highest = max(max(value, one.high or 0.0) for one, value in known)
    top = _top(highest, share=share)
    first, last = figures[0].end, figures[-1].end

    def x(one: Figure) -> float:
        return round(LEFT + 8 + (one.end - first) / (last - first) * (RIGHT - LEFT - 16), 1)

    def y(value: float) -> float:
        return round(FLOOR - (FLOOR - TOP) * min(1.0, max(0.0, value) / top), 1)

    return Trend(
        title=title,
        said=_said(title, [one for one, _ in known], len(figures)),
        caption=_caption(figures),
        first=first,
        last=last,
        marks="".join(f"M{x(one)} {y(value)}h0" for one, value in known),
        intervals="".join(
            f"M{x(one)} {y(one.low)}V{y(one.high)}"
            for one, _ in known
            if one.low is not None and one.high is not None
        ),
        unknown=tuple(x(one) for one in figures if one.value is None),
        steps=tuple(
            (y(at), _axis(at, share=share)) for at in (0, top / 2, top) if share or at == int(at)
        ),
        ticks=charts.dated(first, last, LEFT + 8, RIGHT - 8, most=5),
    )


def _top(highest: float, *, share: bool) -> float:
    """The axis' end: a round number, 100 % at most, and even where halves are counted."""
    if share:
        return min(100, charts.round_up(max(2, int(highest * 100) + 1))) / 100
    return float(max(2, charts.round_up(int(highest))))


def _axis(value: float, *, share: bool) -> str:
    return f"{value * 100:.3g} %" if share else f"{value:,.0f}"


def _said(title: str, known: Sequence[Figure], count: int) -> str:
    """For whoever cannot see the picture."""
    last = known[-1]
    high = max(known, key=lambda one: (one.value or 0.0, -one.end))
    text = f"{title}, {count} updates: first {_value(known[0])}, highest {_value(high)}, last {_value(last)}."
    missing = count - len(known)
    if missing:
        text += f" Unknown in {missing}."
    return text + " Each value stands under its update's “What was measured”."


def _value(one: Figure) -> str:
    return f"{shown(one.value, one.unit)} at {words.clock(one.end, seconds=False)}"


def _caption(figures: Sequence[Figure]) -> str:
    """Query, window, n, and what the signs mean."""
    one, share = figures[-1], figures[0].unit == "share"
    spans = {round(each.end - each.start) for each in figures}
    window = ""
    if spans == {0}:
        window = "at the time of each update"
    elif len(spans) == 1:
        window = f"in the {words.span(one.end - one.start)} before each update"
    else:
        window = "since the incident opened"
    signs = ""
    if share:
        least, most = min(each.n for each in figures), max(each.n for each in figures)
        n = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        signs = f"; n = {n}; line: 95 % interval"
    if any(each.value is None for each in figures):
        signs += "; ?: unknown"
    return f"{one.query}, {window}{signs}"
