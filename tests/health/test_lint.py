"""The lint of service-health records: every fault is found where it is, and nowhere else."""

from collections.abc import Callable

import msgspec
import pytest
from tests.health import records

from unlisted.health import lint
from unlisted.health.importer import read_record
from unlisted.health.record import Finding

Spoil = Callable[[str], str]


def found(text: str) -> tuple[Finding, ...]:
    return lint.findings(read_record(text.encode()))


def test_a_faultless_record_has_no_finding() -> None:
    assert found(records.text()) == ()


def swap(old: str, new: str, times: int = -1) -> Spoil:
    def spoil(text: str) -> str:
        assert old in text
        return text.replace(old, new, times)

    return spoil


def without_first(post: int) -> Spoil:
    return lambda text: text.replace(records.POSTS[post] + " ", "")


SPOILED: list[tuple[str, Spoil]] = [
    ("weekday_wrong", swap("Tuesday, March 4, 2025", "Friday, March 4, 2025")),
    ("weekday_wrong", swap("Thursday, March 6, 2025, at 9:30", "Monday, March 6, 2025, at 9:30")),
    ("start_in_future", swap("Monday, March 3, 2025, at 9:00", "Tuesday, March 3, 2026, at 9:00", 1)),
    ("start_missing", swap(records.START + " ", "", 2)),
    ("start_disagrees", swap("Monday, March 3, 2025, at 9:00 AM", "Monday, March 3, 2025, at 8:00 AM", 1)),
    ("duplicate_post", swap(records.POSTS[5], records.POSTS[5] + " " + records.POSTS[5])),
    ("report_not_distinguished", swap(
        records.POSTS[5],
        "Update: 07-Mar-2025 04:10 A post-incident report has been published. "
        "Update: 06-Mar-2025 04:10 A post-incident report has been published.",
    )),
    ("heading_stale", swap(records.FINAL_IMPACT + " |", records.IMPACT + " |")),
    ("scope_contradicts", swap("Any user if the sender or the recipient uses", "Any user if the recipient uses")),
    ("label_spacing", swap("Root Cause: One", "Root Cause:One")),
    ("spelling_mixed", swap("unwanted mail from", "unwanted web-mail and webmail from")),
    ("quoted_error_origin", swap(
        "one filter service.", 'one filter service ("550 5.7.350 Remote host said: detected as spam").')),
    ("recovery_contradicted", swap("The account is held,", "This is mitigated for the majority of 900 users,")),
    ("cause_drifts", swap("One hijacked account", "Two hijacked accounts", 1)),
    ("steps_elsewhere", swap(" End Time:", " Next Steps: Please refer to the review document. End Time:")),
    ("gap_over_a_day", without_first(2)),
    ("nothing_new", swap("Both addresses are free, we watch for a day.",
                         "One address is free again, refusals fell to 0.4%.")),
    ("unquantified_majority", swap("the list's clock.", "the list's clock. A majority waits.")),
    ("retry_advice_missing", swap(" You need not re-send: messages go out by themselves.", "")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "spoil"), SPOILED, ids=[f"{i}-{c}" for i, (c, _) in enumerate(SPOILED)]
)
def test_a_fault_put_in_is_the_one_found(code: str, spoil: Spoil) -> None:
    assert {finding.code for finding in found(spoil(records.text()))} == {code}


def test_no_figure_at_all_is_found_and_one_is_enough() -> None:
    bare = records.text()
    for figure in ("1,204 messages were refused.", "1,310 messages were refused.", "2 addresses",
                   "20 minutes; ", "0.4%", " in 9,120 attempts"):  # fmt: skip
        bare = bare.replace(figure, "some")
    assert "no_figure" in {finding.code for finding in found(bare)}
    one = bare.replace(
        "Both addresses are free", "Both addresses are free, 12 % of mail was refused"
    )
    assert "no_figure" not in {finding.code for finding in found(one)}


def test_an_advisory_over_large_damage_is_a_question_for_a_person() -> None:
    told = records.text(row=(*records.ROW[:3], "advisory", *records.ROW[4:])).replace(
        "2 addresses are listed.", "a significant portion of our addresses is blocked."
    )
    (finding,) = (f for f in found(told) if f.code == "classification_doubtful")
    assert finding.needs_person
    assert not finding.strict


def test_the_printed_value_and_the_normalised_one_are_both_kept() -> None:
    spoiled = records.text().replace("Tuesday, March 4, 2025", "Friday, March 4, 2025")
    (finding,) = found(spoiled)
    assert finding.printed == "Friday, March 4, 2025, at 2:00 AM UTC"
    assert finding.normalised == "Tuesday, March 4, 2025, at 2:00 AM UTC"
    assert finding.where == "post 1, Next Update By"
    assert finding.strict


def test_a_start_told_to_the_minute_is_the_same_start() -> None:
    record = read_record(records.text().encode())
    assert record.start is not None
    for start_s, codes in ((record.start + 7.0, set()), (record.start + 60.0, {"start_disagrees"})):
        other = msgspec.structs.replace(record, start=start_s)
        assert {one.code for one in lint.findings(other)} == codes


def test_our_own_labels_are_no_fault_of_an_incident_of_ours() -> None:
    record = read_record(records.text().replace("User Impact:", "User impact:").encode())
    record = msgspec.structs.replace(record, findings=())
    assert {one.code for one in lint.findings(record)} == {"label_respelled"}
    assert lint.findings(record, lint.OURS) == ()
