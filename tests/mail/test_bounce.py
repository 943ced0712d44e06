"""Bounce mails of many mailers, written for these tests; each row is one report."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.mail.bounce import BounceRecord, parse_bounce

ORIGINAL = (
    "Received: by out.example; Mon, 5 Oct 2026 10:00:00 +0000\n"
    "X-Trace: abcd2345\nMessage-ID: <m1@tenant.example>\n"
    "From: sender@tenant.example\nTo: user@site.example\nSubject: Offer\n\nHello"
)


def _report(status: str, human: str = "It failed.", kind: str = "message/delivery-status") -> bytes:
    return (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: sender@tenant.example\n"
        "Subject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\n\n'
        f"--b1\nContent-Type: text/plain\n\n{human}\n"
        f"--b1\nContent-Type: {kind}\n\n{status}\n"
        f"--b1\nContent-Type: message/rfc822\n\n{ORIGINAL}\n--b1--\n"
    ).encode()


def _plain(text: str, subject: str = "failure notice", extra: str = "") -> bytes:
    return (
        f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: sender@tenant.example\n{extra}"
        f"Subject: {subject}\n\n{text}"
    ).encode()


STATUS = (
    "Reporting-MTA: dns; mx.example\n\n"
    "Original-Recipient: rfc822;user+40site.example\nFinal-Recipient: RFC822; <user@site.example>\n"
    "Action: failed (bad)\nStatus: 5.0.0 (permanent failure)\nRemote-MTA: DNS; in.site.example\n"
    "Diagnostic-Code: smtp; 550-5.1.1 No such\n    user here (in reply to RCPT TO command)\n"
)


@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"])
def test_a_delivery_status_is_read_with_any_line_end(eol: str) -> None:
    (found,) = parse_bounce(_report(STATUS).replace(b"\n", eol.encode()))
    assert found == BounceRecord(
        kind="bounce",
        recipient="user@site.example",
        action="failed",
        status="5.1.1",
        code=550,
        diagnostic="550-5.1.1 No such user here (in reply to RCPT TO command)",
        diagnostic_type="smtp",
        command="rcpt",
        reporting_mta="mx.example",
        remote_mta="in.site.example",
        message_id="m1@tenant.example",
        trace="abcd2345",
        subject="Undelivered Mail Returned to Sender",
        text="It failed.",
    )


def test_each_recipient_is_a_record_blank_lines_or_not() -> None:
    status = (
        "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; a@site.example\nAction: failed\n"
        "\nStatus: 5.1.1\nFinal-Recipient: rfc822; b@site.example\nAction: delayed\nStatus: 4.4.1\n"
        "\nFinal-Recipient: utf-8; c\\x{E9}@site.example\nAction: delivered\nStatus: 2.0.0\n"
    )
    found = parse_bounce(_report(status))
    assert [(r.recipient, r.kind, r.status) for r in found] == [
        ("a@site.example", "bounce", "5.1.1"),
        ("b@site.example", "delayed", "4.4.1"),
        ("cé@site.example", "delivered", "2.0.0"),
    ]


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "message/x-status"])
def test_a_status_in_a_part_of_another_type_is_found(kind: str) -> None:
    (found,) = parse_bounce(_report(STATUS, kind=kind))
    assert found.recipient == "user@site.example" and found.status == "5.1.1"


def test_a_status_in_base64_inside_another_multipart_is_found() -> None:
    import base64

    coded = base64.encodebytes(STATUS.encode()).decode()
    raw = (
        'From: postmaster@mx.example\nContent-Type: multipart/mixed; boundary="o"\n\n--o\n'
        'Content-Type: multipart/report; boundary="i"\n\n--i\nContent-Type: text/plain\n\nSorry\n'
        "--i\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
        f"{coded}\n--i--\n--o--\n"
    )
    (found,) = parse_bounce(raw.encode())
    assert found.recipient == "user@site.example" and found.code == 550


# name, text, recipient, code, status, command, a part of the diagnostic
FREE_TEXT = [
    (
        "qmail",
        "Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver "
        "your message to the following addresses.\n\n<user@site.example>:\n192.0.2.1 does not like "
        "recipient.\nRemote host said: 550 5.1.1 unknown user\nGiving up on 192.0.2.1.\n\n"
        "--- Below this line is a copy of the message.\n\n" + ORIGINAL,
        "user@site.example", 550, "5.1.1", "rcpt", "unknown user",
    ),
    (
        "exim",
        "This message was created automatically by mail delivery software.\n\nA message that you "
        "sent could not be delivered to one or more of its\nrecipients. The following address(es) "
        "failed:\n\n  user@site.example\n    SMTP error from remote mail server after RCPT "
        "TO:<user@site.example>:\n    host in.site.example [192.0.2.1]: 550 no\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n" + ORIGINAL,
        "user@site.example", 550, None, "rcpt", "550 no",
    ),
    (
        "sendmail",
        "   ----- The following addresses had permanent fatal errors -----\n<user@site.example>\n\n"
        "   ----- Transcript of session follows -----\n... while talking to in.site.example.:\n"
        ">>> RCPT To:<user@site.example>\n<<< 550 5.2.2 Over quota\n"
        "550 5.1.1 <user@site.example>... User unknown\n\n   ----- Original message follows -----\n\n"
        + ORIGINAL,
        "user@site.example", 550, "5.2.2", "rcpt", "Over quota",
    ),
    (
        "exchange 5.5",
        "Your message\n\n  To:      user@site.example\n  Subject: Offer\n\ndid not reach the following "
        "recipient(s):\n\nuser@site.example on Mon, 5 Oct 2026 10:00:00\n    The recipient name is "
        "not recognized\n",
        "user@site.example", 0, None, None, "recipient name is not recognized",
    ),
    (
        "one sentence",
        "There was an error delivering your mail to <user@site.example>.\n\n"
        "in.site.example [192.0.2.1] did not like our DATA:\n554 5.7.1 Go away\n\n"
        "Message headers follow.\n\n" + ORIGINAL,
        "user@site.example", 554, "5.7.1", "data", "Go away",
    ),
    (
        "address only in the returned message",
        "   ----- Transcript of session follows -----\n421 site.example (smtp)... Deferred\n\n"
        "   ----- Unsent message follows -----\n" + ORIGINAL,
        "user@site.example", 421, None, None, "Deferred",
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", FREE_TEXT, ids=[row[0] for row in FREE_TEXT])
def test_free_text_gives_recipient_and_what_was_said(row: tuple[object, ...]) -> None:
    _, text, recipient, code, status, command, part = row
    (found,) = parse_bounce(_plain(str(text)))
    assert (found.recipient, found.code, found.status, found.command) == (
        recipient, code, status, command,
    )  # fmt: skip
    assert str(part) in found.diagnostic


def test_a_transcript_is_bound_to_the_recipients_it_names() -> None:
    text = (
        "   ----- Transcript of session follows -----\nWhile talking to a.example:\n"
        ">>> RCPT To:<one@a.example>\n<<< 550 mailbox full\n550 <one@a.example>... User unknown\n"
        "While talking to b.example:\n>>> DATA\n<<< 554 too much spam\n554 <two@b.example>... Refused\n"
    )
    one, two = parse_bounce(_plain(text))
    assert one.recipient == "one@a.example" and "mailbox full" in one.diagnostic
    assert two.recipient == "two@b.example" and "spam" in two.diagnostic
    assert "spam" not in one.diagnostic


def test_html_alone_is_read_without_its_tags() -> None:
    raw = (
        "From: postmaster@mx.example\nSubject: Undeliverable: Offer\nContent-Type: text/html\n\n"
        "<html><body><p>Delivery has failed to these recipients:</p>"
        '<p><a href="mailto:user@site.example">user@site.example</a></p>'
        "<p>550 5.1.1 RESOLVER.ADR.RecipNotFound; not found</p></body></html>"
    )
    (found,) = parse_bounce(raw.encode())
    assert found.recipient == "user@site.example" and found.status == "5.1.1"


def test_japanese_text_is_read_whatever_charset_it_names() -> None:
    body = "次の宛先へ配送できません。\n\nuser@site.example\n\n550 ユーザー不明\n".encode(
        "iso-2022-jp"
    )
    raw = (
        b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n"
        b"Content-Type: text/plain; charset=us-ascii\n\n" + body
    )
    (found,) = parse_bounce(raw)
    assert found.recipient == "user@site.example" and "ユーザー不明" in found.diagnostic


def test_failed_recipients_in_the_header_are_the_recipients() -> None:
    raw = _plain(
        "Could not be delivered. Write to help@mx.example for help.\n\n  user@site.example\n    gone\n",
        extra="X-Failed-Recipients: user@site.example, two@site.example\n",
    )
    assert [r.recipient for r in parse_bounce(raw)] == ["user@site.example", "two@site.example"]


def test_a_warning_is_delayed_and_no_bounce() -> None:
    raw = _plain(
        "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n\n"
        "     user@site.example\n\nMessage will be retried for 2 more day(s)\n"
    )
    (found,) = parse_bounce(raw)
    assert found.kind == "delayed" and found.action == "delayed"


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied\nSubject: Re: Offer",
        "X-Autoreply: yes\nSubject: Re: Offer",
        "Precedence: auto_reply\nSubject: Offer",
        "Subject: Automatic reply: Offer",
        "Subject: Abwesenheitsnotiz: Offer",
        "Subject: =?utf-8?B?6Ieq5YuV5b+c562U?=",
        "Subject: Out of Office: back Monday",
    ],
)
def test_an_answer_by_a_machine_is_a_vacation(header: str) -> None:
    raw = f"From: User <user@site.example>\nTo: sender@tenant.example\n{header}\n\nI am away."
    (found,) = parse_bounce(raw.encode())
    assert found.kind == "vacation" and found.recipient == "user@site.example"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"From: friend@site.example\nSubject: lunch\n\nShall we?",
        b"From: friend@site.example\nSubject: Re: lunch\n\nwrite to me@site.example",
        b"From: x@site.example\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nhello\n--q--\n",
    ],
)
def test_what_is_no_report_gives_no_record(raw: bytes) -> None:
    assert parse_bounce(raw) == []


def test_a_bounce_forwarded_as_an_attachment_is_read() -> None:
    inner = _report(STATUS).decode()
    raw = (
        "From: helpdesk@tenant.example\nSubject: Fwd: please look\n"
        'Content-Type: multipart/mixed; boundary="f"\n\n--f\nContent-Type: text/plain\n\nSee below\n'
        f"--f\nContent-Type: message/rfc822\n\n{inner}\n--f--\n"
    )
    assert [r.recipient for r in parse_bounce(raw.encode())] == ["user@site.example"]


def test_a_notification_of_a_mail_service_is_read_though_it_was_folded() -> None:
    text = (
        '{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","reportingMTA":"dsn; mta.example",'
        '"bouncedRecipients":[{"emailAddress":"user@si!\n te.example","status":"5.1.1","action":"failed",'
        '"diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},"mail":{"messageId":"x1"}}\n\n--\nfooter'
    )
    (found,) = parse_bounce(_plain(text, "AWS Notification Message"))
    assert (found.recipient, found.status, found.code) == ("user@site.example", "5.1.1", 550)
    assert found.message_id == "x1" and found.reporting_mta == "mta.example"


_PIECES = st.sampled_from(
    [
        STATUS, ORIGINAL, *(str(row[1]) for row in FREE_TEXT), "--b1\n", "--b1--\n", "\n", "\n\n",
        "Content-Type: multipart/report; boundary=b1\n", "Content-Type: message/rfc822\n\n",
        "Content-Transfer-Encoding: base64\n\n", "Final-Recipient: ;", ">>> RCPT To:<", "@", "<" * 50,
        "Subject: failure notice\n", "From: MAILER-DAEMON@x\n", "=?utf-8?Q?", "{", '{"notificationType":',
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.text(max_size=40)), max_size=12))
def test_shuffled_pieces_of_reports_give_records_in_bounded_time(pieces: list[str]) -> None:
    began = time.process_time()
    for record in parse_bounce("".join(pieces).encode("utf-8", "replace")):
        assert record.kind in ("bounce", "delayed", "delivered", "feedback", "vacation")
        assert record.code == 0 or 200 <= record.code < 600
    assert time.process_time() - began < 1.0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_arbitrary_bytes_give_records_or_none(raw: bytes) -> None:
    assert isinstance(parse_bounce(raw), list)
    assert isinstance(parse_bounce(b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + raw), list)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 900), st.binary(max_size=6), st.integers(0, 40))
def test_a_report_with_a_hole_gives_records_or_none(at: int, put: bytes, cut: int) -> None:
    raw = _report(STATUS)
    assert isinstance(parse_bounce(raw[:at] + put + raw[at + cut :]), list)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"a@" * 200_000,
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"<a@b.example> " * 60_000,
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"a@b.example:\n" * 60_000,
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"- " * 300_000,
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"-" * 600_000,
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"\n>>> RCPT To:" * 50_000,
        b"From: MAILER-DAEMON@x\nSubject: failure\n\n" + b"." * 600_000,
        b"Subject: " + b"=?utf-8?Q?a?= " * 40_000 + b"\n\nx",
        b"X: " + b"\n " * 300_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 100_000,
        b"From: MAILER-DAEMON@x\n\nFinal-Recipient: a@b\n" * 20_000,
    ],
    ids=range(11),
)
def test_mails_made_to_be_slow_are_not(raw: bytes) -> None:
    began = time.process_time()
    parse_bounce(raw)
    assert time.process_time() - began < 1.0
