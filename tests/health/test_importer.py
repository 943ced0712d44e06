"""Reading published service-health records."""

import contextlib
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.health import records

from unlisted.health.importer import ImportFailed, read_record
from unlisted.health.page import lines_of
from unlisted.health.record import Record, as_json, iso, summary


def read(text: str) -> Record:
    return read_record(text.encode())


def test_every_field_of_a_record_is_read() -> None:
    found = as_json(read(records.text()))
    assert {name: found[name] for name in list(found)[:11]} == {
        "id": "MX100200",
        "service": "Exchange Online",
        "feature_group": "Mail routing",
        "feature": "Web portal",
        "title": "Some users cannot send or receive mail",
        "classification": "incident",
        "severity": "high",
        "start": "2025-03-03T09:00:00Z",
        "end": "2025-03-06T09:30:00Z",
        "last_updated": "2025-03-06T12:10:00Z",
        "time_zone": "-08:00",
    }
    assert [post["kind"] for post in found["posts"]] == ["current"] * 4 + ["final", "report"]
    assert [post["margin_min"] for post in found["posts"]] == [30.0, 50.0, 30.0, 10.0, None, None]
    assert found["findings"] == []


def test_an_update_of_a_day_that_no_calendar_has_begins_no_post() -> None:
    page = records.text().replace("Update: 04-Mar-2025", "Update: 31-Feb-2025")
    assert len(read(page).posts) == len(records.POSTS) - 1


@pytest.mark.parametrize("flood", ["-", "a-", ":", "a:", "A b:", "Update: ", "1:00 "])
def test_a_flood_of_marks_is_read_soon(flood: str) -> None:
    page = records.text().replace("User Impact", flood * (8000 // len(flood)) + " User Impact")
    began = time.process_time()
    assert read(page).id == "MX100200"
    assert time.process_time() - began < 1.0  # fractions of it; it was half a minute


def test_the_summary_says_how_late_the_first_word_came() -> None:
    told = summary(read(records.text()))
    assert told["first_post_after_s"] == 20 * 60
    assert told["duration_s"] == 72 * 3600 + 30 * 60
    assert (told["deadlines"], told["deadlines_met"]) == (4, 4)


def test_a_section_is_kept_as_printed() -> None:
    first = read(records.text()).posts[0].sections
    assert first["User Impact"] == records.IMPACT
    assert list(first) == [
        "Title", "User Impact", "More Info", "Current Status", "Scope of Impact", "Start Time",
        "Root Cause", "Next Update By",
    ]  # fmt: skip


def test_the_same_page_as_html_reads_the_same() -> None:
    assert as_json(read(records.page())) == as_json(read(records.text()))


@pytest.mark.parametrize("seed", range(4))
def test_posts_in_any_order_come_out_oldest_first(seed: int) -> None:
    shuffled = list(records.POSTS)
    random.Random(seed).shuffle(shuffled)
    plain, mixed = read(records.text()), read(records.text(posts=tuple(shuffled)))
    assert mixed.posts == plain.posts


@pytest.mark.parametrize(
    "order", [(6, 5, 4, 3, 2, 1, 0), (0, 2, 1, 5, 6, 3, 4), (3, 0, 6, 2, 5, 1, 4)]
)
def test_cells_are_known_by_content_and_not_by_place(order: tuple[int, ...]) -> None:
    moved = read(records.text(row=tuple(records.ROW[i] for i in order)))
    plain = read(records.text())
    for name in ("id", "service", "title", "classification", "severity", "start", "last_updated"):
        assert getattr(moved, name) == getattr(plain, name), name
    assert [finding.code for finding in moved.findings] == ["row_cells"]


@pytest.mark.parametrize(
    ("missing", "name"),
    [(0, "id"), (1, "service"), (3, "classification"), (4, "severity"), (6, "last_updated")],
)
def test_a_missing_cell_is_unknown_and_said(missing: int, name: str) -> None:
    row = tuple(cell for i, cell in enumerate(records.ROW) if i != missing)
    found = read(records.text(row=row))
    assert getattr(found, name) is None
    assert "row_cells" in [finding.code for finding in found.findings]


def test_an_empty_cell_is_unknown_and_no_fault() -> None:
    found = read(records.text(row=(*records.ROW[:4], "", *records.ROW[5:])))
    assert found.severity is None
    assert found.findings == ()


@pytest.mark.parametrize(
    ("printed", "canonical"),
    [
        ("USER IMPACT", "User Impact"),
        ("Users Impact", "User Impact"),
        ("User-Impact", "User Impact"),
        ("User Impcat", "User Impact"),
    ],
)
def test_a_label_spelled_otherwise_is_known_and_said(printed: str, canonical: str) -> None:
    found = read(records.text().replace(canonical + ":", printed + ":"))
    assert found.posts[0].sections[canonical] == records.IMPACT
    (finding,) = found.findings
    assert (finding.code, finding.printed, finding.normalised) == (
        "label_respelled",
        printed,
        canonical,
    )


def test_words_before_a_colon_are_no_label() -> None:
    told = records.text().replace(
        "2 addresses are listed.", "the lists say: blocked, see https://a.example/x"
    )
    assert (
        "the lists say: blocked, see https://a.example/x"
        in read(told).posts[0].sections["Current Status"]
    )


def test_the_zone_can_be_told_from_outside_and_is_unsure_without_evidence() -> None:
    row = (*records.ROW[:5], records.ROW[6])
    unsure = read(records.text(row=row, headers=(*records.HEADERS[:5], records.HEADERS[6])))
    assert unsure.time_zone == "-08:00"
    assert "zone_unsure" in [finding.code for finding in unsure.findings]
    given = read_record(records.text(row=row).encode(), offset_min=60)
    assert given.time_zone == "+01:00"


def test_a_zone_printed_beside_the_stamps_is_believed() -> None:
    posts = tuple(one.replace("Mar-2025", "Mar-2025", 1) for one in records.POSTS)
    posts = tuple(f"{one[:25]} PST{one[25:]}" for one in posts)
    found = read(records.text(posts=posts))
    assert found.time_zone == "-08:00"
    assert iso(found.posts[0].at) == "2025-03-03T09:20:00Z"


def test_blocks_of_label_and_text_are_read_too() -> None:
    told = "\n\n".join(one.replace(" User Impact:", "\nUser Impact:") for one in records.POSTS)
    found = read(
        "Issue ID: MX100200\nService: Exchange Online\nTitle: Mail is refused\nIssue type: Incident\n"
        "Start time: Monday, March 3, 2025, at 9:00 AM UTC\n\n" + told
    )
    assert (found.id, found.service, found.classification) == (
        "MX100200",
        "Exchange Online",
        "incident",
    )
    assert iso(found.start) == "2025-03-03T09:00:00Z"
    assert found.posts[0].sections["User Impact"] == records.IMPACT


@pytest.mark.parametrize(
    "raw", [b"", b"   \n", b"no record at all", b"a | b | c |\n", b"\x00\xff\xfe" * 50]
)
def test_what_is_no_record_is_refused_with_what_was_expected(raw: bytes) -> None:
    with pytest.raises(ImportFailed, match=r"expected|empty|no text"):
        read_record(raw)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000))
def test_arbitrary_bytes_are_a_record_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ImportFailed):
        as_json(read_record(raw))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 400), st.text(max_size=30))
def test_a_damaged_record_is_read_as_far_as_it_goes_or_refused(at: int, cut: int, put: str) -> None:
    whole = records.text()
    try:
        found = read(whole[:at] + put + whole[at + cut :])
    except ImportFailed:
        return
    as_json(found)
    assert len(found.posts) <= len(records.POSTS) + 2


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<!", "<?", "</a", "<a ", "<a x=", "<a x='", "<a x='>", "<![CDATA[", "<script>"],
)
def test_a_page_of_marks_that_end_nowhere_takes_no_time(piece: str) -> None:
    raw = b"<html>" + piece.encode() * (200_000 // len(piece))
    began = time.process_time()
    with contextlib.suppress(ImportFailed):
        read_record(raw)
    assert time.process_time() - began < 2.0  # it was minutes


def test_comments_and_declarations_are_no_text_and_lone_brackets_are() -> None:
    raw = b"<!doctype html><p>a <!-- <p>hidden --> b &lt; c < d<?pi x?></p><p>e <!-- f</p>"
    assert [line.text for line in lines_of(raw)] == ["a b < c < d", "e <!-- f"]
