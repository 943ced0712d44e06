"""Feedback beyond ARF: SpamCop's mails, XARF documents, reports that only forward the mail."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail import xarf
from unlisted.mail.bounce import parse_bounce
from unlisted.mail.feedback import Feedback, NotFeedback, parse_feedback

ORIGINAL = (
    "Received: from mx.example\nX-Trace: abcd2345\nMessage-ID: <m1@tenant.example>\n"
    "From: news@tenant.example\nTo: user@site.example\nSubject: Offer\n\nBuy"
)


def test_a_spamcop_report_names_source_and_message() -> None:
    raw = (
        "From: 4242@reports.spamcop.example\nX-SpamCop-sourceip: 192.0.2.7\n"
        "Subject: [SpamCop (192.0.2.7) id:4242]Offer\n\n"
        "[ SpamCop V5.3.0 ]\nThis message is brief for your comfort.\n\n"
        "Email from 192.0.2.7 / Mon, 5 Oct 2026 10:00:00 +0000\nhttps://www.spamcop.example/w3m?i=1\n\n"
        f"[ Offending message ]\n{ORIGINAL}\n"
    )
    found = parse_feedback(raw.encode())
    assert isinstance(found, Feedback)
    assert (found.feedback_type, found.complaint) == ("abuse", True)
    assert found.source == "192.0.2.7" and found.trace == "abcd2345"
    assert found.message_id == "<m1@tenant.example>"


def test_a_text_that_mentions_spamcop_is_no_report() -> None:
    raw = b"From: friend@site.example\nSubject: SpamCop\n\nDid you read about SpamCop?"
    assert isinstance(parse_feedback(raw), NotFeedback)


def _xarf(document: object, name: str = "xarf.json") -> bytes:
    body = base64.encodebytes(json.dumps(document).encode()).decode()
    return (
        'From: abuse@reporter.example\nSubject: abuse report\nContent-Type: multipart/mixed; boundary="b"\n'
        "\n--b\nContent-Type: text/plain\n\nSee the attachment.\n"
        f'--b\nContent-Type: application/json; name="{name}"\nContent-Transfer-Encoding: base64\n\n'
        f"{body}--b--\n"
    ).encode()


@pytest.mark.parametrize(
    ("kind", "category", "expected"),
    [("spam", "category", "abuse"), ("phishing", "class", "fraud"), ("odd", "class", "other")],
)
def test_an_xarf_document_is_a_report(kind: str, category: str, expected: str) -> None:
    evidence = base64.b64encode(ORIGINAL.encode()).decode()
    found = parse_feedback(
        _xarf(
            {
                "xarf_version": "4.0.0",
                category: "messaging",
                "type": kind,
                "source_identifier": "192.0.2.7",
                "reporter": {"org": "Reporter"},
                "smtp_to": "user@site.example",
                "evidence": [{"content_type": "message/rfc822", "payload": evidence}],
            }
        )
    )
    assert isinstance(found, Feedback)
    assert found.feedback_type == expected and found.source == "192.0.2.7"
    assert found.original_rcpt_to == ("user@site.example",)
    assert found.trace == "abcd2345" and found.user_agent == "Reporter"


_LINES = (
    "---\nReported-From: abuse@reporter.example\nCategory: abuse\nReport-Type: {kind}\n"
    "User-Agent: reporter/1\nReport-ID: 1@reporter.example\nSource: 192.0.2.7\nSource-Type: ipv4\n"
)


def _x_arf(kind: str, declared: str = "X-XARF: PLAIN") -> bytes:
    return (
        f"From: abuse@reporter.example\nSubject: abuse report\n{declared}\n"
        'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nSee below.\n'
        f'--b\nContent-Type: text/plain; name="report.txt"\n\n{_LINES.format(kind=kind)}--b--\n'
    ).encode()


@pytest.mark.parametrize("declared", ["X-XARF: PLAIN", "X-ARF: Yes"])
@pytest.mark.parametrize(
    ("kind", "expected"), [("spam", "abuse"), ("phishing", "fraud"), ("login-attack", "other")]
)
def test_an_x_arf_report_of_lines_is_a_report(declared: str, kind: str, expected: str) -> None:
    found = parse_feedback(_x_arf(kind, declared))
    assert isinstance(found, Feedback)
    assert (found.feedback_type, found.source) == (expected, "192.0.2.7")
    assert found.user_agent == "abuse@reporter.example"


def test_lines_of_a_mail_that_declares_nothing_are_no_report() -> None:
    assert isinstance(parse_feedback(_x_arf("spam", "X-Other: yes")), NotFeedback)


def test_json_of_another_kind_is_no_report() -> None:
    assert isinstance(parse_feedback(_xarf({"hello": 1}, "data.json")), NotFeedback)
    assert xarf.parse(b"[" * 100_000) is None


def test_a_forwarded_mail_with_the_loops_own_header_is_a_complaint() -> None:
    raw = (
        "From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.7\n"
        'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n\n'
        f"X-HmXmrOriginalRecipient: <user@site.example>\nX-Originating-IP: [192.0.2.7]\n{ORIGINAL}\n--b--\n"
    )
    found = parse_feedback(raw.encode())
    assert isinstance(found, Feedback) and found.complaint
    assert found.original_rcpt_to == ("user@site.example",)
    assert found.source == "192.0.2.7" and found.trace == "abcd2345"


def test_a_mail_somebody_forwards_is_no_complaint() -> None:
    raw = (
        'From: friend@site.example\nContent-Type: multipart/mixed; boundary="b"\n\n'
        f"--b\nContent-Type: message/rfc822\n\n{ORIGINAL}\n--b--\n"
    )
    assert isinstance(parse_feedback(raw.encode()), NotFeedback)


def test_each_recipient_of_a_feedback_report_is_a_record() -> None:
    raw = (
        'From: fbl@site.example\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: not-spam\nVersion: 1\n"
        "Source-IP: 192.0.2.7\nOriginal-Rcpt-To: <a@site.example>\nOriginal-Rcpt-To: b@site.example\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\n{ORIGINAL}\n--b--\n"
    )
    found = parse_bounce(raw.encode())
    assert [(r.kind, r.recipient, r.feedback_type, r.source) for r in found] == [
        ("feedback", "a@site.example", "not-spam", "192.0.2.7"),
        ("feedback", "b@site.example", "not-spam", "192.0.2.7"),
    ]
    assert {r.trace for r in found} == {"abcd2345"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_NAMES = ("xarf_version", "type", "class", "source_identifier", "evidence", "reporter", "Report")


@given(st.fixed_dictionaries({}, optional={name: _JSON for name in _NAMES}))
def test_any_json_gives_a_report_or_none(document: dict[str, object]) -> None:
    found = xarf.parse(json.dumps(document).encode())
    assert found is None or isinstance(found, xarf.Report)
