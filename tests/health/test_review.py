"""The post-incident review: each number from the journal, each act beside its control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.apps.conftest import HOSTILE, A, Handmade, build

from unlisted.apps import review as pages
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import ReviewWritten
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
