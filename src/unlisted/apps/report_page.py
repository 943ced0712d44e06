"""The report as one page: a single file without script, opens offline, on a phone too."""

from __future__ import annotations

from unlisted.apps import charts, web
from unlisted.apps import report_words as says
from unlisted.report.episodes import Chart
from unlisted.report.evidence import Evidence
from unlisted.report.sections import Report

EPISODES = 200  # drawn; a page of thousands opens on no phone
CHARTS = 60


def page(found: Report) -> str:
    """The page's text."""
    names = [file.name for file in found.coverage.files]

    def lines(evidence: Evidence) -> str:
        return says.lines(evidence, names, most=8)

    order = says.foremost(found)
    return web.rendered(
        "report.html",
        found=found,
        cover=found.coverage,
        episodes=order[:EPISODES],
        more=max(0, len(order) - EPISODES),
        charts={one.id: _chart(one.chart) for one in order[:CHARTS]}
        | {one.id: _chart(one.chart) for one in found.shifts[:CHARTS]},
        advice={one.cause: one for one in found.advice},
        rankings={one.place.name: number for number, one in enumerate(found.rankings, 1)},
        says=says,
        lines=lines,
        style=(web.PAGES / "style.css").read_text("utf-8")
        + (web.PAGES / "report.css").read_text("utf-8"),
    )


def _chart(chart: Chart) -> charts.Chart:
    return charts.part_of("", "", chart.refused, chart.answered, chart.start, chart.step_s)
