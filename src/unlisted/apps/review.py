"""The post-incident review of an incident of ours as Markdown or one HTML page.

The HTML needs nothing from elsewhere; its chart is a Vega-Lite drawing made here by vl-convert. What a
person adds stands apart, under their name. For the public senders, tenants and addresses of ours are
letters and numbers; else people appear under their keyed hashes unless names are asked for.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from unlisted.apps import web, words
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import FactError, Figure, ReviewWritten, decode
from unlisted.health import measured, review
from unlisted.health.figures import counted
from unlisted.health.review import Review
from unlisted.health.review_notes import Item, Numbered

Name = Callable[[str], str]
Sections = tuple[tuple[str, str], ...]


def made(model: ReadModel, incident: str, until_fact: int | None = None) -> Review:
    """The review of one incident, of the facts up to a number. Raises ReviewError."""
    kinds = tuple(kind.__name__ for kind in review.KINDS)
    facts = list(_facts(model, kinds, until_fact))
    start, end = review.window_of(facts, incident)
    counts = measured.Counts(start, end)
    for _, fact in _facts(model, measured.KINDS, until_fact, start, end):
        counts.take(fact)
    return review.review(facts, counts, incident)


def _facts(
    model: ReadModel,
    kinds: tuple[str, ...],
    until_fact: int | None,
    start: float = 0.0,
    end: float = 1e12,
) -> Iterator[Numbered]:
    places = ",".join("?" * len(kinds))
    rows = model.db.execute(
        f"select n, kind, body from fact where kind in ({places}) "
        "and n<=? and at between ? and ? order by n",
        (*kinds, until_fact if until_fact is not None else 1 << 62, start, end),
    )
    for n, kind, body in rows:
        try:
            yield n, decode(kind, body)
        except FactError:
            continue  # of a later version


def published(model: ReadModel, incident: str, *, served: bool) -> bytes | None:
    """The public page of a published review; None: there is none. Made of the facts that were there
    when it was published, so it says the same for ever."""
    one = model.incidents.get(incident)
    if one is None or one.review is None or not one.reviewed:
        return None
    found = made(model, incident, one.review_fact)
    return page(found, masked(model, found), signed(one.review), served=served)


def signed(written: ReviewWritten | None) -> Sections:
    """What a person added, with who it was."""
    if written is None:
        return ()
    return tuple((f"{label} (by {written.author})", text) for label, text in written.sections)


def shown(figure: Figure) -> str:
    """A figure's value in words, with its n and interval."""
    if figure.value is None:
        return "unknown"
    if figure.unit == "s":
        return ("-" if figure.value < 0 else "") + words.span(abs(figure.value))
    if figure.unit == "share":
        interval = ""
        if figure.low is not None and figure.high is not None:
            interval = f", {figure.low:.1%} to {figure.high:.1%}"
        return f"{figure.value:.1%} (n = {figure.n}{interval})"
    return counted(figure.value, figure.unit)


def masked(model: ReadModel, found: Review) -> Callable[[str], str]:
    """For the public: senders become "sender 1", tenants "tenant 1", our addresses "address 1"."""
    kinds = (
        ("address", list(model.addresses)),
        ("sender", list(found.senders)),
        ("tenant", list(found.tenants)),
    )
    names = {
        one: f"{kind} {number}"
        for kind, several in kinds
        for number, one in enumerate(several, 1)
        if one
    }
    replaced = _replacing(names)
    return lambda text: replaced(text).replace("tenant tenant ", "tenant ")


def readable(model: ReadModel, found: Review) -> Callable[[str], str]:
    """For the operator: keyed hashes of senders become their names."""
    return _replacing({sender: model.person(sender) for sender in found.senders if sender})


def _replacing(names: dict[str, str]) -> Callable[[str], str]:
    if not names:
        return str
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(
        r"(?<![\w.:-])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w:-])"
    )
    return lambda text: pattern.sub(lambda seen: names[seen[0]], text)


def markdown(found: Review, names: Name = str, added: Sections = ()) -> str:
    """GitHub's Markdown; each number leads to its line in the table of figures."""
    out = [f"# Post-incident review: {_flat(found.title)}", "", _head(found), ""]
    for part in found.parts:
        out += [f"## {part.title}", ""]
        out += [_bullet(found, item, names) for item in part.items] or [part.none]
        out += ["", f"{part.more} more are left out."] if part.more else []
        out.append("")
    for label, text in added:
        out += [f"## {_flat(label)}", "", _flat(text), ""]
    out += ["## Figures", "", "| figure | value | query | window |", "|---|---|---|---|"]
    for place, figure in enumerate(found.figures):
        window = f"{words.clock(figure.start)} to {words.clock(figure.end)}"
        query = _flat(names(figure.query)).replace("|", "\\|")
        out.append(f'| <a id="f{place}"></a>F{place} | {shown(figure)} | {query} | {window} |')
    return "\n".join(out) + "\n"


def _bullet(found: Review, item: Item, names: Name) -> str:
    when = f"**{words.clock(item.at)}** " if item.at is not None else ""
    numbers = "; ".join(
        f"{label}{': ' if label else ''}{shown(found.figures[one])} [F{one}](#f{one})"
        for label, one in item.figures
    )
    facts = f" (fact {', '.join(map(str, item.facts[:5]))})" if item.facts else ""
    text = _flat(_lead(item, names))
    return f"- {when}{text}{' ' + numbers if numbers else ''}{facts}"


def _lead(item: Item, names: Name) -> str:
    """The statement; where figures follow it leads up to them."""
    text = names(item.text)
    return text.removesuffix(".") + ":" if item.figures else text


def _flat(text: str) -> str:
    """Text from outside on one line, with nothing that Markdown or HTML would take for its own."""
    text = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>#!])", r"\\\1", text)


def _head(found: Review) -> str:
    until = words.clock(found.until) if found.until is not None else "not over"
    return (
        f"{found.id}, {found.classification}, severity {found.severity}. "
        f"{words.clock(found.since)} to {until}. Made from the journal up to fact {found.last_fact}; "
        "times are UTC."
    )


def page(found: Review, names: Name = str, added: Sections = (), *, served: bool = False) -> bytes:
    """One HTML file; `served`: by a face of ours, which gives the stylesheet."""
    text = web.rendered(
        "review.html",
        review=found,
        head=_head(found),
        parts=[(part, [_row(found, item, names) for item in part.items]) for part in found.parts],
        added=added,
        figures=[
            {
                "place": place,
                "value": shown(figure),
                "query": names(figure.query),
                "start": figure.start,
                "end": figure.end,
            }
            for place, figure in enumerate(found.figures)
        ],
        chart=base64.b64encode(chart(found).encode()).decode(),
        marks=list(enumerate(found.marks, 1)),
        style="" if served else (web.PAGES / "style.css").read_text("utf-8"),
    )
    return text.encode("utf-8", "replace")


def _row(found: Review, item: Item, names: Name) -> dict[str, Any]:
    return {
        "at": item.at,
        "text": _lead(item, names),
        "figures": [(label, one, shown(found.figures[one])) for label, one in item.figures],
        "facts": item.facts[:5],
    }


def spec(found: Review) -> dict[str, Any]:
    """The chart as Vega-Lite: attempts above, refusals below on their own scale, and numbered rules
    where something was done."""
    rows = [
        {"t": words.iso(start + found.step_s / 2), "attempts": tried, "refused": refused}
        for start, tried, refused in found.steps
    ]
    marks = [
        {"t": words.iso(at), "number": number, "y": 10 + 11 * (number % 3)}
        for number, (at, _) in enumerate(found.marks, 1)
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "vconcat": [
            _panel(rows, marks, "attempts", "#7396bf", 120),
            _panel(rows, marks, "refused", "#b3261e", 70),
        ],
        "resolve": {"scale": {"x": "shared"}},
        "config": {"font": "sans-serif"},
    }


def _panel(rows: Any, marks: Any, field: str, colour: str, height: int) -> dict[str, Any]:
    axis = {"format": "%d %b %H:%M", "tickCount": 6, "labelOverlap": True}
    x = {"field": "t", "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": axis}
    y = {"field": field, "type": "quantitative", "title": field, "axis": {"tickCount": 4}}
    number = {"text": {"field": "number"}, "x": x, "y": {"field": "y", "scale": None}}
    return {
        "width": 600,
        "height": height,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "color": colour, "width": max(1, 540 // max(1, len(rows)))},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": marks},
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"x": x},
            },
            {
                "data": {"values": marks},
                "mark": {"type": "text", "align": "left", "dx": 3},
                "encoding": number,
            },
        ],
    }


def chart(found: Review) -> str:
    """The chart as SVG; empty where nothing was tried."""
    if not found.steps:
        return ""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(json.dumps(spec(found))))
