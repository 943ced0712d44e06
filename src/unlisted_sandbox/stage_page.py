"""The stage page: what a `Stage` and the operator's API say, as HTML in parts.

Pure, and the only place where the page is written: the parts that a script exchanges each second
are the very parts of the page that holds without one. Every text is escaped by the template; no
style or script within the page, so that its policy can forbid both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from unlisted_sandbox.score import MEANINGS
from unlisted_sandbox.stage_ask import Told
from unlisted_sandbox.stage_view import Mark, Span, Stage
from unlisted_sandbox.stage_words import STATIONS, clock, moment, steps

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FILES = Path(__file__).parent / "stage_files"
PARTS = ("clock", "columns", "loop", "stories", "timeline", "score")
SUBTITLES = {
    "bare": "delivers, retries, bounces",
    "usual": "rate limit, next address, a postmaster",
    "unlisted": "this project",
}
AFTER_S = 24 * 3600.0  # shown of the days after the script
WIDE, GUTTER = 1200.0, 84.0  # of the time line
TALL, REFUSED_TALL = 34.0, 26.0
STORIES_SHOWN = 5
MAX_REPLY = 240  # characters shown of a reply


class Seal(Struct, frozen=True):
    """A figure as a path or a place on the time line."""

    x: float
    kind: str
    text: str


class Band(Struct, frozen=True):
    """One platform's row of the time line."""

    name: str
    y: float
    listed: str  # SVG path, filled
    bars: tuple[tuple[float, float, float], ...]  # x, y, height
    seals: tuple[Seal, ...]


class Line(Struct, frozen=True):
    """The whole time line."""

    height: float
    now_x: float
    end_x: float
    days: tuple[tuple[float, str], ...]
    world: tuple[Seal, ...]
    bands: tuple[Band, ...]
    bar_width: float
    most: int  # refusals in the fullest hour


def parts(stage: Stage, told: Told) -> dict[str, str]:
    """Each part's HTML."""
    made = _template("stage_parts.html").make_module(_values(stage, told))
    return {name: str(getattr(made, name)()).strip() for name in PARTS}


def page(stage: Stage, told: Told, links: bool) -> bytes:
    """The whole page. `links`: whether there is a product to link to."""
    return (
        _template("stage.html")
        .render(
            parts=parts(stage, told),
            title=title(stage),
            world=stage.world,
            seed=stage.seed,
            links=links,
            over=stage.over,
        )
        .encode()
    )


def waiting(text: str) -> bytes:
    """Before there is a world to show, or when something is missing."""
    return _template("stage_note.html").render(text=text).encode()


def title(stage: Stage) -> str:
    return f"{clock(stage.now)} · unlisted sandbox"


def day_clock(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%a %d %b %H:%M UTC")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def span(seconds: float | None) -> str:
    """A real or simulated duration, roughly."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _values(stage: Stage, told: Told) -> dict[str, Any]:
    unlisted = stage.platforms.get("unlisted")
    total = max(1.0, stage.end - stage.start)
    return {
        "stage": stage,
        "told": told,
        "subtitles": SUBTITLES,
        "steps": steps(told, unlisted, stage.stories, stage.now) if unlisted else (),
        "numbers": {name: n + 1 for n, name in enumerate(STATIONS)},
        "progress": min(1000, round(1000 * (stage.now - stage.start) / total)),
        "line": timeline(stage, told),
        "secrets": tuple(reversed(stage.secrets)),
        "shown_stories": _chosen(stage),
        "rows": _rows(stage),
        "meanings": MEANINGS,
    }


def _chosen(stage: Stage) -> tuple[Any, ...]:
    """The first ones that arrived, and one that still waits."""
    arrived = [s for s in stage.stories if s.delivered_at is not None]
    arrived.sort(key=lambda s: (s.refused_at - (s.delivered_at or 0.0), s.id))  # longest wait first
    waits = [s for s in stage.stories if s.delivered_at is None]
    # Several sites, if there are: each has its own words.
    first: dict[str, Any] = {}
    for one in arrived:
        first.setdefault(one.site, one)
    chosen = list(first.values())[: STORIES_SHOWN - 1]
    chosen += waits[: max(1, STORIES_SHOWN - len(chosen)) if not chosen else 1]
    return tuple(chosen)


def _rows(stage: Stage) -> list[tuple[str, list[str], str]]:
    rows = []
    for name, meaning in MEANINGS.items() if stage.scores else ():
        cells = [_cell(name, getattr(one, name)) for one in stage.scores.values()]
        rows.append((name, cells, meaning))
    return rows


def _cell(name: str, value: float | int | None) -> str:
    if value is None:
        # Undelivered counts as infinite, and that is what the percentile then is.
        return "infinite" if name == "honest_delay_p95_s" else "–"  # noqa: RUF001 — an en dash, as tables have it
    if name.endswith("_s") and value >= 90:
        return span(value)
    unit = " s" if name.endswith("_s") else ""
    return f"{value:,}{unit}" if isinstance(value, int) else f"{value:,.1f}{unit}"


# --- the time line --------------------------------------------------------------------------------


def timeline(stage: Stage, told: Told) -> Line:
    """All platforms under what only the world knows, on one axis."""
    last = max(stage.end + AFTER_S, stage.now)
    scale = (WIDE - GUTTER - 8) / (last - stage.start)

    def x(at: float) -> float:
        return round(GUTTER + (min(max(at, stage.start), last) - stage.start) * scale, 1)

    most = max((n for p in stage.platforms.values() for n in p.refused_hourly), default=0)
    bands = []
    y = 84.0
    for name, picture in stage.platforms.items():
        size = max(1, len(picture.pool))
        bars = []
        for hour, n in enumerate(picture.refused_hourly):
            if n:
                # By the square root: a hundred refusals must not make five of them invisible.
                height = round(max(2.0, REFUSED_TALL * (n / most) ** 0.5), 1)
                at = x(stage.start + hour * 3600)
                bars.append((at, round(y + TALL + 2 + REFUSED_TALL - height, 1), height))
        marks = _acts(told) if name == "unlisted" else picture.marks
        bands.append(
            Band(
                name,
                y,
                _area(picture.listings, stage.now, size, x, y),
                tuple(bars),
                tuple(Seal(x(m.at), m.kind, f"{clock(m.at)}: {m.text}") for m in marks),
            )
        )
        y += TALL + REFUSED_TALL + 20
    days = []
    at = stage.start
    while at < last:
        days.append((x(at), _day(at)))
        at += 86400
    world = tuple(Seal(x(m.at), m.kind, f"{clock(m.at)}: {m.text}") for m in stage.secrets)
    return Line(
        height=y + 4,
        now_x=x(stage.now),
        end_x=x(stage.end),
        days=tuple(days),
        world=world,
        bands=tuple(bands),
        bar_width=round(max(2.0, 3600 * scale - 1), 1),
        most=most,
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a %d %b")


def _area(listings: tuple[Span, ...], now: float, size: int, x: Any, y: float) -> str:
    """How many addresses are listed, over time, as a filled path."""
    changes: dict[float, int] = {}
    for one in listings:
        changes[one.start] = changes.get(one.start, 0) + 1
        if one.end <= now:
            changes[one.end] = changes.get(one.end, 0) - 1
    if not changes:
        return ""
    base = y + TALL
    path, level = "", 0
    for at in sorted(changes):
        if not path:
            path = f"M{x(at)} {base}"
        path += f"H{x(at)}"
        level += changes[at]
        path += f"V{round(base - TALL * min(1.0, level / size), 1)}"
    return path + f"H{x(now)}V{base}Z"


def _acts(told: Told) -> tuple[Mark, ...]:
    """What the product did, as its own API dates it."""
    marks: list[Mark] = []
    for rows, key, kind, text in (
        (told.episodes, "opened_at", "sensed", "an episode opens"),
        (told.holds, "at", "held", "mail of a named culprit is held"),
        (told.incidents, "opened_at", "told", "an incident is opened"),
        (told.incidents, "closed_at", "closed", "the incident is closed"),
    ):
        for row in rows:
            at = moment(row.get(key))
            if at is not None:
                marks.append(Mark(at, kind, text))
    return tuple(sorted(marks, key=lambda m: (m.at, m.kind)))


# --- templates ------------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["clock"] = clock
    made.filters["day_clock"] = day_clock
    made.filters["span"] = span
    made.filters["count"] = lambda n: f"{n:,}"
    made.filters["iso"] = _iso
    made.filters["figure"] = lambda name: name.removesuffix("_s").replace("_", " ")
    made.filters["clip"] = lambda text: text if len(text) <= MAX_REPLY else text[:MAX_REPLY] + "…"
    return made


def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def file(name: str) -> bytes:
    return (FILES / name).read_bytes()
