import email
from email.message import Message

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.dsn import NDR, FailedRecipient, render_ndr

BLOCK = FailedRecipient(
    address="a@b.example",
    action="failed",
    status="5.7.1",
    diagnostic="554 5.7.1 Client host [192.0.2.1] blocked using bl.example.org",
    remote_mta="mx.b.example",
    last_attempt=1_700_003_600.0,
    cause="blocked",
)
REPORT = NDR(
    id="m-12",
    at=1_700_003_700.0,
    reporting_mta="mx.example.org",
    to="jo@example.org",
    original_headers=b"From: jo@example.org\r\nSubject: hi\r\n there\r\n\r\nsecret body",
    arrival=1_700_000_000.0,
    recipients=[BLOCK],
    explanation="",
    postmaster="postmaster@example.org",
)


def _parts(raw: bytes) -> tuple[Message, list[Message]]:
    parsed = email.message_from_bytes(raw)
    parts = parsed.get_payload()
    assert isinstance(parts, list)
    return parsed, parts


def test_a_report_is_what_rfc_3464_asks_for() -> None:
    parsed, parts = _parts(render_ndr(REPORT))
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["Date"] == "Tue, 14 Nov 2023 23:15:00 +0000"
    assert [p.get_content_type() for p in parts] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    per_message, per_recipient = parts[1].get_payload()
    assert per_message["Reporting-MTA"] == "dns; mx.example.org"
    assert per_message["Arrival-Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert per_recipient["Final-Recipient"] == "rfc822; a@b.example"
    assert per_recipient["Action"] == "failed"
    assert per_recipient["Status"] == "5.7.1"
    assert per_recipient["Remote-MTA"] == "dns; mx.b.example"
    assert " ".join(per_recipient["Diagnostic-Code"].split()) == f"smtp; {BLOCK.diagnostic}"
    headers = parts[2].get_payload()
    assert "Subject: hi" in headers and "secret" not in headers


@pytest.mark.parametrize(
    ("cause", "says", "never"),
    [
        ("blocked", "You need not re-send", "typing error"),
        ("address", "typing error", "need not re-send"),
        ("message", "Sending the same text again will fail again", "need not"),
        ("expired", "send the message again later", "need not"),
    ],
)
def test_the_words_tell_sender_fault_from_address_fault(cause: str, says: str, never: str) -> None:
    recipient = msgspec.structs.replace(BLOCK, cause=cause)
    _, parts = _parts(render_ndr(msgspec.structs.replace(REPORT, recipients=[recipient])))
    text = " ".join(parts[0].get_payload().split())
    assert says in text and never not in text


def test_two_causes_name_whom_each_is_for() -> None:
    other = msgspec.structs.replace(BLOCK, address="x@y.example", cause="address")
    _, parts = _parts(render_ndr(msgspec.structs.replace(REPORT, recipients=[BLOCK, other])))
    text = parts[0].get_payload()
    assert text.index("a@b.example:") < text.index("You need not") < text.index("x@y.example:")


def test_a_delay_says_we_keep_trying() -> None:
    delayed = msgspec.structs.replace(BLOCK, action="delayed", status="4.7.1", cause="expired")
    raw = render_ndr(msgspec.structs.replace(REPORT, recipients=[delayed]))
    assert b"still trying" in raw and b"Action: delayed" in raw


def test_the_same_report_is_the_same_bytes() -> None:
    assert render_ndr(REPORT) == render_ndr(REPORT)
    assert render_ndr(msgspec.structs.replace(REPORT, id="m-13")) != render_ndr(REPORT)


_HOSTILE = st.one_of(
    st.text(max_size=200),
    st.sampled_from(
        [
            "x\r\nBcc: evil@x",
            "x\n\n--=_ndr",
            "\u2028Bcc: a",
            "\x85Bcc: b",
            "ü" * 600,
            "a" * 5000,
            "\ud800",
        ]
    ),
)


@given(_HOSTILE, _HOSTILE, _HOSTILE, _HOSTILE, st.binary(max_size=300))
def test_hostile_texts_add_no_header_and_no_part(
    diagnostic: str, address: str, mta: str, name: str, original: bytes
) -> None:
    recipient = msgspec.structs.replace(
        BLOCK, diagnostic=diagnostic, address=address, remote_mta=mta, status=diagnostic[:5]
    )
    raw = render_ndr(
        msgspec.structs.replace(
            REPORT,
            id=name,
            to=address,
            postmaster=name,
            reporting_mta=mta,
            explanation=diagnostic,
            link=name,
            recipients=[recipient, recipient],
            original_headers=original,
        )
    )
    parsed, parts = _parts(raw)
    assert sorted(parsed.keys()) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip
    assert len(parts) == 3
    groups = parts[1].get_payload()
    assert len(groups) == 3
    for group in groups[1:]:
        assert set(group.keys()) <= {
            "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date",
        }  # fmt: skip
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
