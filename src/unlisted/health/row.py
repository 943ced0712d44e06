"""The index row of a record: what each cell is, told by its content and not by its place.

Pages lose cells and move them: a time under "Severity" is a time. The finding says what the
headers promised and what was there. Nothing is filled in: what no cell holds is None.
"""

import difflib
import re
from collections.abc import Sequence

import msgspec

from unlisted.health import labels, stamps
from unlisted.health.record import Finding

_ID = re.compile(r"[A-Z]{1,6}-?\d{3,12}")
_CLASSES = ("advisory", "incident")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Cells by what they are; times as printed."""

    id: str | None = None
    feature: str | None = None
    title: str | None = None
    classification: str | None = None
    severity: str | None = None
    start: stamps.Stamp | None = None
    last_updated: stamps.Stamp | None = None
    findings: tuple[Finding, ...] = ()


def is_header(cells: Sequence[str]) -> bool:
    """Whether a table row names columns: at least three known ones and no value."""
    names = [labels.known(cell, "columns", slips=len(cell) < 30) for cell in cells if cell]
    return len([n for n in names if n]) >= 3 and not any(_ID.fullmatch(c) for c in cells)


def is_row(cells: Sequence[str]) -> bool:
    """Whether a table row holds the values of one incident."""
    filled = [cell for cell in cells if cell]
    return len(filled) >= 3 and any(_kind(cell) in ("id", "class", "stamp") for cell in filled)


def read(
    headers: Sequence[str],
    cells: Sequence[str],
    titles: Sequence[str],
    span: tuple[float, float] | None = None,
) -> Row:
    """headers may be empty. titles: the title sections of the posts, to know the title by.
    span: the posts' first and last stamp, to tell a lone time by."""
    kinds = [_kind(cell) for cell in cells]
    times = sorted(
        ((stamps.whole(cells[i]), i) for i, kind in enumerate(kinds) if kind == "stamp"),
        key=lambda found: found[0].local if found[0] else 0.0,
    )
    texts = [
        (cell, i) for i, (cell, kind) in enumerate(zip(cells, kinds, strict=True)) if kind == "text"
    ]
    columns = [labels.known(header, "columns") for header in headers]
    title = _title(texts, tuple(dict.fromkeys(titles)), columns)
    feature = next((found for found in texts if found is not title), None)
    start = times[0] if len(times) > 1 else None
    last = times[-1] if len(times) > 1 else None
    if len(times) == 1:
        start, last = (times[0], None) if _begins(times[0], columns, span) else (None, times[0])
    places = {
        "id": _first(kinds, "id"),
        "classification": _first(kinds, "class"),
        "severity": _first(kinds, "severity"),
        "title": title[1] if title else None,
        "feature": feature[1] if feature else None,
        "start": start[1] if start else None,
        "last_updated": last[1] if last else None,
    }
    return Row(
        id=_at(cells, places["id"]),
        feature=feature[0] if feature else None,
        title=title[0] if title else None,
        classification=(_at(cells, places["classification"]) or "").lower() or None,
        severity=(_at(cells, places["severity"]) or "").lower() or None,
        start=start[0] if start else None,
        last_updated=last[0] if last else None,
        findings=_misplaced(headers, columns, cells, places),
    )


def _begins(
    time: tuple[stamps.Stamp | None, int],
    columns: Sequence[str | None],
    span: tuple[float, float] | None,
) -> bool:
    """Whether a lone time is the start: before the first post it is, after the last it is not."""
    stamp, place = time
    if stamp is not None and span is not None and not min(span) <= stamp.local < max(span):
        return stamp.local < min(span)
    return place < len(columns) and columns[place] == "start"


def _kind(cell: str) -> str:
    if not cell:
        return "empty"
    if _ID.fullmatch(cell):
        return "id"
    lowered = cell.lower()
    if lowered in _CLASSES:
        return "class"
    if lowered in labels.knowledge()["severities"]["names"] or re.fullmatch(
        r"(?:sev(?:erity)?|p|priority)[ -]?\d", lowered
    ):
        return "severity"
    return "stamp" if stamps.whole(cell) else "text"


def _title(
    texts: list[tuple[str, int]], titles: Sequence[str], columns: Sequence[str | None]
) -> tuple[str, int] | None:
    """The cell most like a post's title; else the one under its header that is long enough."""
    best: tuple[float, tuple[str, int]] | None = None
    for found in texts:
        like = max((_likeness(found[0], title) for title in titles), default=0.0)
        if like >= 0.6 and (best is None or like > best[0]):
            best = (like, found)
    if best is not None:
        return best[1]
    if len(texts) == 1:
        column = columns[texts[0][1]] if texts[0][1] < len(columns) else None
        return texts[0] if column == "title" or len(texts[0][0]) > 60 else None
    return max(texts, key=lambda found: len(found[0]), default=None)


def _likeness(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a[:400].lower(), b[:400].lower(), autojunk=False).ratio()


def _first(kinds: Sequence[str], kind: str) -> int | None:
    return next((i for i, found in enumerate(kinds) if found == kind), None)


def _at(cells: Sequence[str], place: int | None) -> str | None:
    return None if place is None else cells[place]


def _misplaced(
    headers: Sequence[str],
    columns: Sequence[str | None],
    cells: Sequence[str],
    places: dict[str, int | None],
) -> tuple[Finding, ...]:
    """One finding if values are missing or stand under another column's header."""
    if not headers:
        return ()
    wrong = []
    for name, place in places.items():
        under = columns[place] if place is not None and place < len(columns) else None
        if place is not None and under != name and name in columns:
            header = headers[place] if place < len(headers) else "no header"
            wrong.append(f"{cells[place]} (a {name.replace('_', ' ')}) under {header}")
    filled = sum(1 for cell in cells if cell)
    # A cell that is there and empty is an absent value, not a fault of the page.
    if not wrong and len(cells) >= len(headers):
        return ()
    absent = [n for n, place in places.items() if place is None and n in columns]
    return (
        Finding(
            code="row_cells",
            where="row",
            printed=" | ".join(cells)[:500],
            normalised=", ".join(f"{n}={cells[p]}" for n, p in places.items() if p is not None)[
                :500
            ],
            text=f"{len(headers)} headers, {filled} values: "
            + ("; ".join(wrong) or "one is missing at the end")
            + (f"; nothing for {', '.join(absent)}" if absent else ""),
        ),
    )


def services_of(text: str | None) -> tuple[str | None, str | None, str | None]:
    """ "Exchange Online E-Mail timely delivery All clients" as service, feature group, feature.
    A service that is not known is not split off: then the whole text is the feature group."""
    if not text:
        return None, None, None
    known = labels.knowledge()["services"]
    service = next(
        (n for n in sorted(known["names"], key=len, reverse=True)
         if text.lower().startswith(n.lower())), None,
    )  # fmt: skip
    rest = text[len(service) :].strip(" ,;:/-\u2013|") if service else text
    for feature in known["features"]:
        if rest.lower().endswith(feature.lower()) and len(rest) > len(feature):
            return service, rest[: -len(feature)].strip(" ,;:/-\u2013|"), rest[-len(feature) :]
    # "Sign-in failures Web portal": a capital after a small word begins the next name.
    parts = re.split(r"(?<=[a-z]) (?=[A-Z])", rest)
    if service and len(parts) > 1 and " " in parts[0]:
        return service, " ".join(parts[:-1]), parts[-1]
    return service, rest or None, None
