"""The post-incident review: each number from the journal, each act beside its control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.apps.conftest import HOSTILE, T0, A, Handmade, build

from unlisted.apps import review as pages
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import IncidentRevised, ReviewWritten
from unlisted.health.review import Review, review
from unlisted.health.review_notes import ReviewError


@pytest.fixture
def model(tmp_path: Path) -> Any:
    made = build(tmp_path / "journal.db", ended=True)
    found = ReadModel(tmp_path / "journal.db", live=True)
    found.catch_up_now()
    yield found
    found.close()
    made.journal.close()


@pytest.fixture
def found(model: ReadModel) -> Review:
    return pages.made(model, "MX1")


def test_every_figure_in_a_statement_is_in_the_table_with_query_and_window(found: Review) -> None:
    used = [place for part in found.parts for item in part.items for _, place in item.figures]
    assert sorted(used) == list(range(len(found.figures)))
    assert all(figure.query and figure.start <= figure.end for figure in found.figures)


def test_the_times_to_respond_are_those_of_the_facts(model: ReadModel, found: Review) -> None:
    speed = next(part for part in found.parts if part.title == "Detection and response")
    held = next(item for item in speed.items if "held" in item.text)
    (hold,) = model.holds.values()
    assert found.figures[held.figures[0][1]].value == hold.held.at - found.since


def test_nothing_tried_is_unknown_and_never_zero(found: Review) -> None:
    silent = [figure for figure in found.figures if figure.unit == "share" and figure.n == 0]
    assert silent and all(pages.shown(figure) == "unknown" for figure in silent)


def test_the_chapters_are_all_there_and_empty_ones_say_so(found: Review) -> None:
    text = pages.markdown(found)
    for title in ("Impact", "Timeline", "Causes", "What did not work", "Deadlines", "Figures"):
        assert f"## {title}" in text
    assert "Nothing of that kind is in the journal." in text or "after its deadline" in text


def test_for_the_public_no_sender_tenant_or_address_of_ours_is_named(
    model: ReadModel, found: Review
) -> None:
    text = (
        pages.markdown(found, pages.masked(model, found))
        + pages.page(found, pages.masked(model, found)).decode()
    )
    for secret in (A, "zoe", "newsletter", "school", "anna"):
        assert secret not in text
    assert "address 1" in text and "sender 1" in text


def test_markup_from_outside_stays_text(model: ReadModel, found: Review) -> None:
    added = ((f"Lesson {HOSTILE}", f"We trusted {HOSTILE}"),)
    names = pages.readable(model, found)
    assert "<script" not in pages.page(found, names, added).decode()
    assert "\\<script" in pages.markdown(found, names, added)
    assert "<script" not in pages.markdown(found, names, added).replace("\\<script", "")


def test_a_review_says_the_same_whatever_comes_after_its_publication(
    tmp_path: Path,
) -> None:
    made: Handmade = build(tmp_path / "journal.db", ended=True)
    made.add(ReviewWritten(at=2e9, incident="MX1", author="ada", publish=True))
    model = ReadModel(tmp_path / "journal.db", live=True)
    model.catch_up_now()
    first = pages.published(model, "MX1", served=True)
    made.tick(2e9 + 60)
    model.catch_up_now()
    assert first is not None and pages.published(model, "MX1", served=True) == first
    model.close()
    made.journal.close()


def test_an_incident_that_is_not_there_has_no_review(model: ReadModel) -> None:
    with pytest.raises(ReviewError, match="no incident MX9"):
        pages.made(model, "MX9")
    with pytest.raises(ReviewError, match="no incident MX9"):
        review([], None, "MX9")  # type: ignore[arg-type]


REVISED = {
    "title": ("Some messages are delayed", "Letters to schools are late"),
    "start": ("2026-11-23T00:01:02Z", "2026-11-22T23:00:00Z"),
    "end": ("2026-11-24T01:00:12Z", "2026-11-24T01:30:00Z"),
    "impact": ("", f"Letters to schools come late. {HOSTILE}"),
    "classification": ("advisory", "incident"),
    "severity": ("medium", "high"),
}


def revised(path: Path, values: dict[str, tuple[str, str]]) -> Review:
    """The review after these revisions, of the day after the incident."""
    made: Handmade = build(path, ended=True)
    for field, (old, new) in values.items():
        made.tick(
            T0 + 95_000,
            IncidentRevised(
                at=T0 + 95_000, incident="MX1", field=field, old=old, new=new, author="zdenka",
                why="a school called",
            ),
        )  # fmt: skip
    model = ReadModel(path, live=True)
    model.catch_up_now()
    found = pages.made(model, "MX1")
    model.close()
    made.journal.close()
    return found


def test_a_review_tells_what_stands_by_the_last_revision_of_each_field(tmp_path: Path) -> None:
    found = revised(tmp_path / "journal.db", REVISED)
    assert found.title == "Letters to schools are late"
    assert (found.classification, found.severity) == ("incident", "high")
    assert found.since == T0 - 3600 and found.until == T0 + 91_800
    text = pages.markdown(found)
    assert text.startswith("# Post-incident review: Letters to schools are late\n")
    assert "2026-11-22 23:00:00 UTC to 2026-11-24 01:30:00 UTC" in text
    assert "User impact, as told: Letters to schools come late." in text and "<script" not in (
        pages.page(found).decode()
    )
    assert "zdenka" not in text and "by a communicator: a school called" in text
    assert "Start revised from Monday, 23 November 2026, 00:01 UTC to Sunday, 22 Nov" in text


def test_what_a_review_measures_is_from_the_start_and_to_the_end_as_revised(tmp_path: Path) -> None:
    found = revised(tmp_path / "journal.db", REVISED)
    during = next(one for one in found.figures if "attempts, all receivers" in one.query)
    assert (during.start, during.end) == (T0 - 3600, T0 + 91_800)
    times = [one for one in found.figures if one.name == "time_to"]
    assert times and all(one.start == T0 - 3600 for one in times)
    assert all(one.query.startswith("from the start as revised to fact") for one in times)
    assert found.marks[0] == (T0 - 3600, "start as revised")
    plain = revised(tmp_path / "other.db", {})
    assert plain.since == T0 + 62 and plain.marks[0][1] == "first refusal"
    held = next(one.value for one in plain.figures if one.name == "time_to")
    assert times[0].value == pytest.approx((held or 0.0) + 3662)


def test_a_start_of_long_ago_still_makes_a_chart_of_a_bounded_size(tmp_path: Path) -> None:
    found = revised(tmp_path / "journal.db", {"start": ("", "2026-01-05T00:00:00Z")})
    assert found.step_s == 86_400.0 and len(found.steps) <= 400
    assert len(pages.page(found)) < 400_000
