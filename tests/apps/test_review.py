"""Adding to a review and publishing it, and where it then stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.apps.conftest import T0
from tests.apps.test_posting import ID, Site

from unlisted.apps import cli
from unlisted.facts import ReviewWritten

PATH = f"/api/incidents/{ID}/review"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "journal.db")
    yield made
    made.close()


def test_a_number_that_nobody_measured_is_refused_by_api_and_command(
    site: Site, tmp_path: Path, capsys: Any
) -> None:
    text = "Lesson: 41 accounts were lost."
    answer = site.post(PATH, {"text": text})
    assert answer.status == 422
    assert any("41 accounts" in reason for reason in answer.json()["error"]["reasons"])
    (tmp_path / "lesson.txt").write_text(text)
    file = str(tmp_path / "lesson.txt")
    assert cli.main(["health", "review", ID, "--state", str(tmp_path), "--add", file]) == 1
    assert "41 accounts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"publish": "yes"}, 400),
        ({"text": 7}, 400),
        ({"text": "Lesson: one\nLesson: two"}, 422),
        ({"text": "Lesson: \u202eevil"}, 422),
        ({"publish": True}, 422),  # the incident is not closed
    ],
)
def test_what_cannot_stand_in_a_review_is_refused(site: Site, given: Any, status: int) -> None:
    assert site.post(PATH, given).status == status
    assert site.get(f"/incidents/{ID}/review").status == 404


def test_what_a_person_adds_stands_in_the_operators_review_under_their_name(
    site: Site, tmp_path: Path, capsys: Any
) -> None:
    assert site.post(PATH, {"text": "Lesson: We hold sooner.", "actor": "ada"}).status == 201
    page = site.ask(site.operator, f"/incidents/{ID}/review", cookie=site.sign_in())
    assert page.status == 200 and "Lesson (by ada)" in page.text and "We hold sooner." in page.text
    assert cli.main(["health", "review", ID, "--state", str(tmp_path)]) == 0
    assert "We hold sooner." in capsys.readouterr().out
    assert site.get(f"/incidents/{ID}/review").status == 404  # not published


def test_a_review_needs_a_sign_in(site: Site) -> None:
    page = site.ask(site.operator, f"/incidents/{ID}/review")
    assert page.status == 401 and "Impact" not in page.text
    assert site.post(PATH, {"text": "Lesson: x"}, authorization="Bearer no").status == 401


def test_a_published_review_stands_on_the_public_page_and_in_graph(
    ended: Any, ended_faces: Any
) -> None:
    assert ended_faces.get("/incidents/MX1/review").status == 404
    lesson = (("Lesson", "We hold sooner."),)
    ended.add(
        ReviewWritten(at=T0 + 9e4, incident="MX1", author="ada", sections=lesson, publish=True)
    )
    page = ended_faces.get("/incidents/MX1/review")
    assert page.status == 200 and "We hold sooner." in page.text and "newsletter" not in page.text
    assert "/incidents/MX1/review" in ended_faces.get("/incidents/MX1").text
    issue = json.loads(ended_faces.get("/v1.0/admin/serviceAnnouncement/issues/MX1").body)
    assert issue["status"] == "postIncidentReviewPublished"
    report = ended_faces.get("/v1.0/admin/serviceAnnouncement/issues/MX1/incidentReport")
    assert report.status == 200 and b"We hold sooner." in report.body
