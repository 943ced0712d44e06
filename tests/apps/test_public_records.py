"""Imported records and corrections in public: every page, Graph, Statuspage and the feed agree."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import msgspec
from tests.apps.conftest import HOSTILE, T0, Handmade, figures, post
from tests.health import records

from unlisted.apps.incident_report import report
from unlisted.facts import DeadlineMoved, IncidentRevised, Posted, RecordImported
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


def entries_of(faces: Any) -> tuple[str, dict[str, dict[str, str]]]:
    """`updated` of the feed, and each entry's texts by its id."""
    feed = ElementTree.fromstring(faces.get("/feed.atom").body)
    names = ("title", "published", "updated", "content")
    return feed.findtext(f"{ATOM}updated") or "", {
        one.findtext(f"{ATOM}id") or "": {
            **{name: one.findtext(ATOM + name) or "" for name in names},
            "links": " ".join(link.get("href", "") for link in one.findall(f"{ATOM}link")),
        }
        for one in feed.findall(f"{ATOM}entry")
    }


def revise(made: Handmade, at: float, field: str, old: str, new: str, why: str) -> None:
    made.tick(
        at,
        IncidentRevised(
            at=at, incident="MX1", field=field, old=old, new=new, author="zdenka", why=why
        ),
    )


def test_in_the_feed_a_corrected_post_keeps_its_id_and_says_that_it_was_corrected(
    handmade: Handmade, faces: Any
) -> None:
    _, before = entries_of(faces)
    correct(handmade, 4, 3, T0 + 4000, T0 + 11_200)
    updated, after = entries_of(faces)
    (old,) = [place for place in before if place.endswith("/incidents/MX1/posts/3")]
    (new,) = set(after) - set(before)
    assert set(before) < set(after) and new.endswith("/posts/4")
    assert after[old]["published"] == before[old]["published"] == before[old]["updated"]
    assert after[old]["updated"] == after[new]["published"] == updated == "2026-11-23T01:06:40Z"
    assert after[old]["content"] == "Corrected by post 4.\n\n" + before[old]["content"]
    assert after[old]["title"] == before[old]["title"] + ". Corrected by post 4."
    assert after[old]["links"] == f"{old} {new}"
    untouched = set(before) - {old}
    assert {place: after[place] for place in untouched} == {p: before[p] for p in untouched}


def test_in_the_feed_a_revision_moves_the_last_update_and_stands_before_its_text(
    handmade: Handmade, faces: Any
) -> None:
    _, before = entries_of(faces)
    (last,) = [place for place in before if place.endswith("/posts/3")]
    revise(
        handmade, T0 + 4000, "title", "Some messages are delayed", f"Late {HOSTILE}\x0b", "clearer"
    )
    revise(handmade, T0 + 4100, "start", "2026-11-23T00:01:02Z", "2026-11-22T23:00:00Z", "a call")
    updated, after = entries_of(faces)
    assert next(iter(after)) == last and set(after) == set(before)
    assert after[last]["updated"] == updated == "2026-11-23T01:08:20Z"
    assert after[last]["published"] == before[last]["published"]
    assert after[last]["title"] == before[last]["title"] + ". Revised since."
    first, second, rest = after[last]["content"].split("\n\n", 2)
    said = "Title revised from “Some messages are delayed” to “Late"
    assert first.startswith(said) and first.endswith("by a communicator: clearer")
    assert second == (
        "Start revised from Monday, 23 November 2026, 00:01 UTC to Sunday, 22 November 2026, "
        "23:00 UTC by a communicator: a call"
    )
    assert rest == before[last]["content"] and "zdenka" not in str(after)
    others = set(before) - {last}  # what was told is not changed behind anybody's back
    assert {place: after[place] for place in others} == {p: before[p] for p in others}
    # What a later update tells is not news of the one before, and nothing is told twice.
    post(handmade, 4, T0 + 5000)
    updated, then = entries_of(faces)
    assert then[last] == after[last] and updated == "2026-11-23T01:23:20Z"
    assert "revised" not in next(then[p]["content"] for p in then if p.endswith("/posts/4"))


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
