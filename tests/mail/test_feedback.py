import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.feedback import Feedback, NotFeedback, parse_feedback


def _report(
    fields: str, original: str = "", third: str = "message/rfc822", eol: str = "\r\n"
) -> bytes:
    text = (
        "From: fbl@receiver.example\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b1"\n\n'
        "--b1\nContent-Type: text/plain\n\nA complaint.\n"
        f"--b1\nContent-Type: message/feedback-report\n\n{fields}\n"
        f"--b1\nContent-Type: {third}\n\n{original}\n--b1--\n"
    )
    return text.replace("\n", eol).encode()


FIELDS = (
    "Feedback-Type: abuse\nUser-Agent: Receiver-FBL/1.0\nVersion: 1\n"
    "Source-IP: 192.0.2.10\nOriginal-Rcpt-To: <user@receiver.example>\nIncidents: 3\n"
    "Original-Mail-From:\n <news@tenant.example>\n"
)
ORIGINAL = "Received: from x\nX-Trace: abcd2345\nMessage-ID: <1@tenant.example>\n\nBuy now"


@pytest.mark.parametrize("eol", ["\r\n", "\n"])
def test_a_complaint_is_read_with_the_trace_of_the_message(eol: str) -> None:
    found = parse_feedback(_report(FIELDS, ORIGINAL, eol=eol))
    assert isinstance(found, Feedback)
    assert found.complaint and found.feedback_type == "abuse"
    assert found.user_agent == "Receiver-FBL/1.0"
    assert found.original_rcpt_to == ("user@receiver.example",)
    assert found.trace == "abcd2345"
    assert found.message_id == "<1@tenant.example>"
    assert found.incidents == 3
    assert b"Buy now" not in found.original_headers


def test_a_recipient_with_a_display_name_is_the_address_alone() -> None:
    fields = FIELDS.replace("<user@receiver", "undisclosed recipient <user@receiver")
    found = parse_feedback(_report(fields, ORIGINAL))
    assert isinstance(found, Feedback)
    assert found.original_rcpt_to == ("user@receiver.example",)


def test_headers_only_still_name_the_message() -> None:
    headers = ORIGINAL.split("\n\n")[0]
    found = parse_feedback(_report(FIELDS, headers, third="text/rfc822-headers"))
    assert isinstance(found, Feedback) and found.trace == "abcd2345"


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("abuse", True),
        ("fraud", True),
        ("not-spam", False),
        ("Not-Spam", False),
        ("auth-failure", False),
    ],
)
def test_not_spam_is_no_complaint(kind: str, complaint: bool) -> None:
    found = parse_feedback(_report(f"Feedback-Type: {kind}\nVersion: 1\n", ORIGINAL))
    assert isinstance(found, Feedback)
    assert found.complaint is complaint and found.feedback_type == kind.lower()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: hello\n\nworld",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n",
        b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: text/plain\n\na\n--x--",
        _report("User-Agent: x\n", ORIGINAL),
    ],
)
def test_what_is_no_report_says_why(raw: bytes) -> None:
    found = parse_feedback(raw)
    assert isinstance(found, NotFeedback) and found.why


def test_redacted_fields_are_absent_not_invented() -> None:
    found = parse_feedback(
        _report("Feedback-Type: abuse\nOriginal-Rcpt-To: redacted\nSource-IP: hidden\n")
    )
    assert isinstance(found, Feedback)
    assert found.original_rcpt_to == () and found.trace is None


@given(st.binary(max_size=1500), st.text(max_size=300))
def test_arbitrary_bytes_give_a_report_or_a_reason(raw: bytes, fields: str) -> None:
    assert isinstance(parse_feedback(raw), Feedback | NotFeedback)
    wrapped = _report("Feedback-Type: abuse\n" + fields, raw.decode("latin-1"))
    assert isinstance(parse_feedback(wrapped), Feedback | NotFeedback)
