"""Figures for posts: named queries with window, n and interval, in words a person can read."""

from __future__ import annotations

from datetime import UTC, datetime

from unlisted.facts import Figure
from unlisted.rates.interval import binomial_interval


def share(name: str, query: str, part: int, whole: int, start: float, end: float) -> Figure:
    """A proportion with its exact 95 % interval; unknown when nothing was tried."""
    found = binomial_interval(part, whole)
    known = whole > 0
    return Figure(
        name=name,
        value=round(part / whole, 6) if known else None,
        unit="share",
        query=query,
        start=start,
        end=end,
        n=whole,
        low=round(found.low, 6) if known else None,
        high=round(found.high, 6) if known else None,
    )


def count(name: str, query: str, value: int, unit: str, start: float, end: float) -> Figure:
    """A count: exact, so without an interval."""
    return Figure(
        name=name, value=float(value), unit=unit, query=query, start=start, end=end, n=value
    )


def counted(value: float, unit: str) -> str:
    """1 message, 0 messages, 2,000 messages; 1 reply; 1 of 8."""
    if value == 1 and unit.endswith("ies"):
        unit = unit.removesuffix("ies") + "y"
    elif value == 1 and unit.endswith("s"):
        unit = unit.removesuffix("es" if unit.endswith("sses") else "s")
    return f"{value:,.0f} {unit}" if value == int(value) else f"{value:,.2f} {unit}"


def clock(at: float) -> str:
    """A time as posts print it, with its zone."""
    return datetime.fromtimestamp(at, UTC).strftime("%A, %d %B %Y, %H:%M UTC")


def in_words(figure: Figure) -> str:
    """The figure as a post says it: value, n, interval and window."""
    minutes = max(1, round((figure.end - figure.start) / 60))
    window = f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"
    if figure.value is None:
        return f"unknown (nothing was tried in the last {window})"
    if figure.unit == "share":
        low, high = figure.low or 0.0, figure.high or 0.0
        part = round(figure.value * figure.n)
        return (
            f"{part:,} of {counted(figure.n, 'attempts')} in the last {window} "
            f"({figure.value:.1%}; 95 % interval {low:.1%} to {high:.1%})"
        )
    return counted(figure.value, figure.unit)
