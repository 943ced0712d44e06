"""Imported records and corrections in public: every page, Graph, Statuspage and the feed agree."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import msgspec
from tests.apps.conftest import HOSTILE, T0, Handmade, figures
from tests.health import records

from unlisted.apps.incident_report import report
from unlisted.facts import DeadlineMoved, Posted, RecordImported
from unlisted.health.importer import read_record
from unlisted.health.record import Entry, Record

ROOT = "/v1.0/admin/serviceAnnouncement/issues"
ATOM = "{http://www.w3.org/2005/Atom}"
BIDI = "\u202eevil\u2066"


def put(made: Handmade, record: Record) -> None:
    text = msgspec.json.encode(record).decode()
    assert record.id
    made.add(RecordImported(at=T0 + 100_000, id=record.id, record=text, digest="00", actor="ada"))


def example() -> Record:
    return read_record(records.text().encode())


def correct(made: Handmade, number: int, corrects: int, at: float, by: float) -> None:
    made.tick(
        at,
        Posted(
            at=at, incident="MX1", number=number, post="current", title="Some messages are late",
            status="serviceDegradation", sections=(("Current status", f"Better words {HOSTILE}"),),
            figures=figures(at, 17, 140), next_update_by=by, deadline=None, deadline_met=None,
            author="ada", corrects=corrects,
        ),
        DeadlineMoved(at=at, incident="MX1", number=number, old=at + 60, new=by, author="ada"),
    )  # fmt: skip


def test_an_imported_record_has_its_row_its_page_and_a_page_of_each_post(
    handmade: Handmade, faces: Any
) -> None:
    put(handmade, example())
    index = faces.get("/").text
    assert index.count("<tr>") == 3 and "1 open incident." in index
    for cell in ("MX100200", "Exchange Online, Mail routing, Web portal", records.ROW[2], "high"):
        assert cell in index
    page = faces.get("/incidents/MX100200").text
    assert re.findall(r'<article id="post-(\d+)">', page) == ["6", "5", "4", "3", "2", "1"]
    assert page.count(">kept</span>") == 4 and "4 of 4" in page
    assert "zone UTC-08:00" in page and "printed as 03-Mar-2025 01:20 (UTC-08:00)" in page
    assert "Published elsewhere and imported here." in page
    one = faces.get("/incidents/MX100200/posts/2").text
    assert re.findall(r'<article id="post-(\d+)">', one) == ["2"]
    assert faces.get("/incidents/MX100200/posts/7").status == 404
    assert 'href="/feed.atom"' in index and "<script" not in page + one + index


def test_a_published_review_is_a_report_by_graph_and_by_link(
    handmade: Handmade, faces: Any
) -> None:
    put(handmade, example())
    answer = faces.get(f"{ROOT}/MX100200/incidentReport")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    assert answer.text.count("<article") == 6 and "4 of 4" in answer.text
    assert "<script" not in answer.text and "src=" not in answer.text and "href=" not in answer.text
    link = faces.get("/incidents/MX100200/review")
    # The same but for the style: the file carries it, the page links to it.
    assert link.text.partition("<body>")[2] == answer.text.partition("<body>")[2]
    assert "/incidents/MX100200/review" in faces.get("/incidents/MX100200").text
    assert faces.get("/incidents/MX1/review").status == 404
    assert faces.get(f"{ROOT}/MX1/incidentReport").status == 404


def test_a_report_tells_what_is_wrong_with_the_record() -> None:
    text = records.text().replace("Tuesday, March 4, 2025", "Friday, March 4, 2025")
    made = report(read_record(text.encode()))
    assert made is not None and "weekday_wrong" in made[0].decode()
    assert report(msgspec.structs.replace(example(), status="serviceRestored")) is None


def test_a_correction_shows_everywhere_and_the_corrected_post_stays(
    handmade: Handmade, faces: Any
) -> None:
    at = T0 + 4000
    correct(handmade, 4, 3, at, at + 7200)
    page = faces.get("/incidents/MX1").text
    assert re.findall(r'<article id="post-(\d+)">', page) == ["4", "3", "2", "1"]
    assert 'Corrects <a href="/incidents/MX1/posts/3">' in page
    assert 'Corrected by <a href="/incidents/MX1/posts/4">' in page
    assert "Deadline moved" in page and "2 of 2" in page and "Better words" in page
    issue = faces.get(f"{ROOT}/MX1").json()
    said = [post["description"]["content"] for post in issue["posts"]]
    assert said[3].startswith("Corrects post 3.<br><br>") and said[2].startswith(
        "Corrected by post 4."
    )
    assert {"name": "NextUpdateBy", "value": "2026-11-23T03:06:40Z"} in issue["details"]
    updates = faces.get("/api/v2/incidents.json").json()["incidents"][0]["incident_updates"]
    assert updates[0]["body"].startswith("Corrects post 3.")
    assert updates[1]["body"].startswith("Corrected by post 4.")
    assert updates[1]["updated_at"] == updates[0]["created_at"] > updates[1]["created_at"]
    feed = ElementTree.fromstring(faces.get("/feed.atom").body)
    entries = feed.findall(f"{ATOM}entry")
    titles = [entry.findtext(f"{ATOM}title") or "" for entry in entries]
    assert titles[0].endswith("Corrects post 3.") and titles[1].endswith("Corrected by post 4.")
    assert entries[1].findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}published")
    (data,) = faces.get("/api/incidents.json").json()
    assert data["posts"][3]["corrects"] == 3 and data["deadlines_moved"][0]["post"] == 4
    assert "'ada'" not in str(data)


def test_hostile_records_are_text_on_a_page_of_50_kilobytes(handmade: Handmade, faces: Any) -> None:
    evil = (HOSTILE + BIDI + "\x00\x1b[2J") * 300
    post = Entry(at=None, kind="current", sections={evil[:100]: evil, "Title": evil}, text=evil)
    nothing = Record(
        id="EV1", service=None, feature_group=None, feature=evil, title=evil, classification=evil[:200],
        severity=None, start=None, end=None, last_updated=None, time_zone=None,
        status="postIncidentReviewPublished", posts=(post,) * 300,
    )  # fmt: skip
    put(handmade, nothing)
    put(handmade, msgspec.structs.replace(nothing, id="EV2", status="x" + HOSTILE))
    for path in ("/", "/incidents/EV1", "/incidents/EV1/posts/1", "/incidents/EV2"):
        page = faces.get(path)
        assert page.status == 200 and len(page.body) <= 50 * 1024, path
        assert "<script" not in page.text and not set(BIDI + "\x00\x1b") & set(page.text) - set(
            "evil"
        )
    told = faces.get("/incidents/EV1/review")
    assert told.status == 200 and "<script" not in told.text and "\u202e" not in told.text
    assert faces.get("/feed.atom").status == 200
    assert faces.get(ROOT).status == 200


def test_an_imported_record_never_stands_for_an_incident_of_ours(
    handmade: Handmade, faces: Any
) -> None:
    put(handmade, msgspec.structs.replace(example(), id="MX1"))
    assert "Published elsewhere" not in faces.get("/incidents/MX1").text
    assert [one["id"] for one in faces.get(ROOT).json()["value"]] == ["MX1"]


def test_an_overdue_promise_is_told_before_anybody_posts(handmade: Handmade, faces: Any) -> None:
    assert '<span class="tag bad">missed</span>' in faces.get("/incidents/MX1").text
