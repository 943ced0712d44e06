"""The public face: the columns, every post, times with their zone, and nothing of ours in it."""

import re
from datetime import datetime
from typing import Any

import pytest

COLUMNS = [
    "ID",
    "Workload feature",
    "Title",
    "Classification",
    "Severity",
    "Start time",
    "Last updated",
]
OURS = ["192.0.2.1", "anna", "eve", "school", "shop", "main-pool", "mx.example.net", "list.example"]


def test_the_index_has_the_columns_of_a_service_health_portal(faces: Any) -> None:
    page = faces.get("/").text
    assert re.findall(r"<th>(.*?)</th>", page) == COLUMNS
    assert "1 open incident." in page and "/incidents/MX1" in page


def test_an_incident_shows_posts_newest_first_with_sections_figures_and_deadlines(
    ended_faces: Any,
) -> None:
    page = ended_faces.get("/incidents/MX1").text
    numbers = re.findall(r'<article id="post-(\d+)">', page)
    assert numbers == ["4", "3", "2", "1"]
    for words in (
        "Final update",
        "Service restored",
        "Next update by",
        "kept",
        "User impact",
        "12.1%",
        "6.1% to 18.1%",
        "refusals / attempts, all receivers",
        "unknown",
        "Deadlines kept",
        "3 of 3",
    ):
        assert words in page
    assert "No open incident." in ended_faces.get("/").text


@pytest.mark.parametrize("path", ["/", "/incidents/MX1", "/incidents/MX1/posts/2"])
def test_each_time_has_its_zone_and_a_machine_form(ended_faces: Any, path: str) -> None:
    page = ended_faces.get(path).text
    times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', page)
    assert times
    for machine, human in times:
        moment = datetime.fromisoformat(machine)
        assert moment.tzinfo is not None
        assert human in (
            moment.strftime("%Y-%m-%d %H:%M UTC"),
            moment.strftime("%A, %d %B %Y, %H:%M UTC"),
        )
    # No time stands outside such an element.
    bare = re.sub(r"<time.*?</time>|<svg.*?</svg>", "", page, flags=re.S)  # an axis has its zone
    assert not re.search(r"\d\d:\d\d", re.sub(r"<[^>]+>", "", bare))


@pytest.mark.parametrize("path", ["/", "/incidents/MX1", "/api/incidents.json"])
def test_nothing_public_names_a_sender_a_tenant_a_pool_or_an_address_of_ours(
    ended_faces: Any, path: str
) -> None:
    text = ended_faces.get(path).text.replace("mail.example.org", "")
    assert [word for word in OURS if re.search(rf"\b{word}", text)] == []


def test_each_post_has_a_page_of_its_own(faces: Any) -> None:
    assert 'href="/incidents/MX1/posts/2"' in faces.get("/incidents/MX1").text
    page = faces.get("/incidents/MX1/posts/2").text
    assert re.findall(r'<article id="post-(\d+)">', page) == ["2"]
    assert faces.get("/incidents/MX1/posts/99").status == 404
    assert faces.get("/incidents/MX1/posts/x").status == 404


def test_the_data_say_the_same_as_the_page(ended_faces: Any) -> None:
    (incident,) = ended_faces.get("/api/incidents.json").json()
    assert incident["id"] == "MX1" and incident["classification"] == "advisory"
    assert incident["opened_at"] == "2026-11-23T00:01:20.000000Z"
    assert incident["closed_at"] == "2026-11-24T01:10:00.000000Z"
    posts = incident["posts"]
    assert [(post["number"], post["kind"]) for post in posts] == [
        (1, "current"),
        (2, "current"),
        (3, "current"),
        (4, "final"),
    ]
    assert posts[0]["next_update_by"] == "2026-11-23T00:31:30.000000Z"
    assert posts[1]["deadline_met"] is True and posts[0]["deadline_met"] is None
    assert posts[0]["figures"][0]["query"] == "refusals / attempts, all receivers"
    assert posts[0]["figures"][2]["value"] is None


def test_markup_in_texts_is_shown_and_never_run(faces: Any) -> None:
    for path in ("/", "/incidents/MX1"):
        page = faces.get(path).text
        assert "<script" not in page and "&lt;script&gt;" in page


def test_a_page_carries_headers_that_forbid_script_and_framing(faces: Any) -> None:
    for path in ("/", "/incidents/MX1", "/api/incidents.json", "/style.css", "/nothing"):
        headers = faces.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_head_etag_and_errors_are_as_the_standard_says(faces: Any) -> None:
    full = faces.get("/incidents/MX1")
    head = faces.ask(faces.public, "/incidents/MX1", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(full.body))
    again = faces.get("/incidents/MX1", if_none_match=full.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    missing = faces.get("/incidents/none")
    assert missing.status == 404 and "There is no incident" in missing.text
    wrong = faces.ask(faces.public, "/", "POST", "x")
    assert wrong.status == 405 and "Traceback" not in wrong.text
    error = faces.get("/api/none")
    assert error.json() == {"error": {"code": 404, "message": "There is no such page."}}


def test_an_incident_of_300_updates_is_still_a_page_of_50_kilobytes(
    handmade: Any, faces: Any
) -> None:
    handmade.post_many(300)
    page = faces.get("/incidents/MX1")
    assert len(page.body) <= 50 * 1024
    assert "Earlier updates" in page.text and "older ones are in" in page.text
    assert len(faces.get("/incidents/MX1/posts/4").body) <= 50 * 1024
