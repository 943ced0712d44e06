"""The charts of an incident's page: what the posts said, in the picture and in words, nothing else."""

import re

from hypothesis import given
from hypothesis import strategies as st

from unlisted.apps import public_charts as charts
from unlisted.facts import Figure, Posted

T0 = 1_795_392_000.0
VALUES = st.none() | st.integers(0, 10**7)


def post(number: int, at: float, *figures: Figure, corrects: int | None = None) -> Posted:
    return Posted(
        at=at, incident="MX1", number=number, post="current", title="t", status="s",
        sections=(("Title", "t"),), figures=figures, next_update_by=None, deadline=None,
        deadline_met=None, corrects=corrects,
    )  # fmt: skip


def waiting(at: float, value: int | None) -> Figure:
    found = None if value is None else float(value)
    return Figure(name="waiting", value=found, unit="messages", query="q", start=at, end=at)


def refused(at: float, part: int, whole: int) -> Figure:
    share = part / whole
    return Figure(
        name="refused_share", value=share, unit="share", query="refusals / attempts",
        start=at - 3600, end=at, n=whole, low=max(0.0, share - 0.1), high=min(1.0, share + 0.1),
    )  # fmt: skip


@given(st.lists(st.tuples(st.floats(0, 1e7), VALUES), max_size=150))
def test_any_figures_give_marks_within_the_picture_and_unknown_is_never_zero(
    told: list[tuple[float, int | None]],
) -> None:
    posts = [post(n, T0 + at, waiting(T0 + at, v)) for n, (at, v) in enumerate(told, 1)]
    for one in charts.trends(posts):
        marks = re.findall(r"M([\d.]+) ([\d.]+)h0", one.marks)
        assert 2 <= len(marks) <= charts.MOST
        assert len(marks) + len(one.unknown) == min(len(told), charts.MOST)
        for x, y in marks:
            assert charts.LEFT <= float(x) <= charts.RIGHT
            assert charts.TOP <= float(y) <= charts.FLOOR
        assert ("?: unknown" in one.caption) is bool(one.unknown)
        assert "UTC" in one.said


def test_a_share_has_its_window_its_n_and_its_interval() -> None:
    posts = [post(n, T0 + 3600 * n, refused(T0 + 3600 * n, n, 40 * n)) for n in (1, 2, 3)]
    (one,) = charts.trends(posts)
    assert one.caption == (
        "refusals / attempts, in the 1 h before each update; n = 40 to 120; line: 95 % interval"
    )
    assert one.intervals.count("M") == 3 and one.steps[0][1] == "0 %"
    assert "first 2.5% at 2026-11-23 01:00 UTC" in one.said and "last 2.5%" in one.said


def test_a_corrected_update_is_left_out_and_one_value_is_no_chart() -> None:
    wrong, right = post(1, T0, waiting(T0, 9000)), post(3, T0 + 9, waiting(T0 + 9, 9), corrects=1)
    other = post(2, T0 + 5, waiting(T0 + 5, 1))
    (one,) = charts.trends([wrong, other, right])
    assert "9,000" not in one.said and "first 1 message at" in one.said
    assert charts.trends([wrong, right]) == []
    assert charts.trends([]) == []


def test_a_count_that_was_always_nothing_makes_no_chart_and_a_share_does() -> None:
    times = [T0 + 3600 * n for n in (1, 2, 3)]
    still = [post(n, at, waiting(at, 0), refused(at, 0, 40)) for n, at in enumerate(times, 1)]
    assert [one.title for one in charts.trends(still)] == ["Refused share of delivery attempts"]
    moved = [*still, post(4, T0 + 20_000, waiting(T0 + 20_000, 1))]
    assert "Messages waiting" in [one.title for one in charts.trends(moved)]
