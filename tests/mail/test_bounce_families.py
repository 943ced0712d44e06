"""Forms of bounces that several mailers share: folded lines, attached reports, who is named how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.bounce import BounceRecord, parse_bounce
from unlisted.mail.diagnostic import command_in

FIELDS = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: sender@tenant.example\n"
STATUS = (
    "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; user@site.example\n"
    "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 user@site.example...User unknown\n"
)


def _report(human: str, status: str = STATUS, kind: str = "delivery-status") -> bytes:
    return (
        f"{FIELDS}Subject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\n{human}\n"
        f"--b\nContent-Type: message/{kind}\n\n{status}\n--b--\n"
    ).encode()


def _plain(text: str, subject: str = "failure notice", sender: str = "") -> bytes:
    fields = f"From: {sender}\nTo: sender@tenant.example\n" if sender else FIELDS
    return f"{fields}Subject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}".encode()


def _one(raw: bytes) -> BounceRecord:
    (found,) = parse_bounce(raw)
    return found


SAID = "<user@site.example>: host in.site.example[192.0.2.9] said: 550 user@site.example...User unknown"


@given(st.integers(0, 6), st.integers(0, 6))
def test_a_report_may_fold_its_lines_within_the_words_that_name_the_command(a: int, b: int) -> None:
    words = ["(in", "reply", "to", "RCPT", "TO", "command)"]
    for place in sorted({a % len(words), b % len(words)}):
        words[place] = f"\n    {words[place]}"
    assert _one(_report(f"{SAID} {' '.join(words)}")).command == "rcpt"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("RCPT TO generated following response:\n553 5.3.0 unknown", "rcpt"),
        ("SMTP:RCPT host 192.0.2.9: 553 5.3.0 <user@site.example>... No such user here", "rcpt"),
        ("Sent <<< RCPT TO:<user@site.example>\nReceived >>> 550 unknown user", "rcpt"),
        ("sent: MAIL FROM:<sender@tenant.example>\nRemote server replied: 550 no", "mail"),
        ("no SMTP connection got far enough; most progress was RCPT TO response", "rcpt"),
        ("Connection was dropped by remote host (SENT_HELO)", "ehlo"),
        ("550 Address unknown (state 14).", "rcpt"),
        ("it was sent yesterday, the state 14 times over", None),
    ],
)
def test_mailers_name_the_command_in_their_own_ways(text: str, command: str | None) -> None:
    assert command_in(text) == command


@pytest.mark.parametrize(
    ("line", "recipient"),
    [
        (
            "c=US;a= ;p=SITE;o=HQ;dda:SMTP=user@site.example; on Fri, 4 Oct 2002",
            "user@site.example",
        ),
        ("Unknown user: user@site.example", "user@site.example"),
        ("收件人：user@site.example", "user@site.example"),
        ("получатель: user@site.example", "user@site.example"),
        ("Undeliverable address: user@site.example", "user@site.example"),
    ],
)
def test_a_recipient_is_found_however_it_is_introduced(line: str, recipient: str) -> None:
    text = f"Your message\n  To: list@tenant.example\ndid not reach the following recipient(s):\n\n{line}\n"
    assert _one(_plain(text)).recipient == recipient


def test_each_of_two_recipients_keeps_the_line_that_led_to_its_reply() -> None:
    text = "".join(
        f"Unknown user: {who}@site.example\nRCPT TO generated following response:\n"
        f"553 5.3.0 <{who}@site.example>... Addressee unknown\n\n"
        for who in ("one", "two")
    )
    assert [(r.recipient, r.command) for r in parse_bounce(_plain(text))] == [
        ("one@site.example", "rcpt"),
        ("two@site.example", "rcpt"),
    ]


def test_the_error_below_the_details_of_the_original_is_read_and_its_recipients_are_not() -> None:
    details = "Original Message Details\n* From: sender@tenant.example\n* To: other@site.example\n"
    error = "Error Details\nReported error: 550 5.1.10 RESOLVER.ADR.RecipientNotFound\n"
    intro = "Your message to user@site.example couldn't be delivered.\n"
    found = _one(_plain(intro + details + error))
    assert (found.recipient, found.status) == ("user@site.example", "5.1.10")
    above = f"* [user@site.example]: 550 overquota\n{details}"
    assert [r.recipient for r in parse_bounce(_plain(above))] == ["user@site.example"]


def test_an_exit_status_stays_what_was_said() -> None:
    status = STATUS.replace("smtp; 550 user@site.example...User unknown", "X-Unix; 255")
    human = "<user@site.example>\n    (reason: 255)\n554 5.3.0 unknown mailer error 255"
    found = _one(_report(human, status))
    assert (found.diagnostic, found.diagnostic_type) == ("255", "x-unix")


def test_of_a_greeting_alone_nothing_is_a_diagnostic() -> None:
    text = "Delivery to the following recipients failed permanently:\n\n   * user@site.example\n"
    found = _one(_plain(text))
    assert (found.recipient, found.diagnostic, found.code) == ("user@site.example", "", 0)


def test_a_report_attached_whole_is_read_instead_of_the_note_around_it() -> None:
    note = "~~~~~~~~\nThis e-mail is confidential. Please delete it."
    raw = (
        f"{FIELDS}Subject: Delivery Status Notification (Failure)\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="o"\n\n'
        f"--o\nContent-Type: text/plain\n\n{note}\n"
        f"--o\nContent-Type: message/rfc822\n\n{_report('It failed.').decode()}\n--o--\n"
    ).encode()
    found = _one(raw)
    assert (found.recipient, found.code) == ("user@site.example", 550)


def test_mails_attached_in_mails_without_end_are_read_one_deep() -> None:
    layer = (
        "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n"
        'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\nContent-Type: message/rfc822\n\n'
    )
    raw = "".join(layer.format(n=n) for n in range(4000))
    assert len(parse_bounce(raw.encode())) <= 1


def test_a_receipt_that_a_mail_was_read_is_no_bounce() -> None:
    receipt = (
        "Reporting-UA: mua.example; Reader\nFinal-Recipient: rfc822;user@site.example\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n"
    )
    raw = _report("Your message was read.", receipt, "disposition-notification").replace(
        b"MAILER-DAEMON@mx.example", b"User <user@site.example>"
    )
    raw = raw.replace(b"Undelivered Mail Returned to Sender", b"Read: Offer").replace(
        b"Return-Path: <>\n", b""
    )
    assert parse_bounce(raw) == []


@pytest.mark.parametrize(
    "text",
    [
        "<user@site.example>:\n邮件无法发送到您指定的地址中。",
        "Votre message n'a pas pu être remis à <user@site.example>",
        "Сообщение не может быть доставлено: user@site.example",
        "Wiadomość nie może zostać dostarczona do user@site.example",
        "Nachricht an <user@site.example> nicht zugestellt: Postfach voll",
        "user@site.example - no such user here.",
        "Não foi possível entregar a mensagem: user@site.example",
        "Wiadomość nie mogła zostać dostarczona do:\n<user@site.example>",
        "메일이 전송되지 못했습니다.\n<user@site.example>",
        "Beskeden kunne ikke leveres til <user@site.example>",
    ],
)
def test_a_mailer_that_tells_of_a_failure_in_its_language_is_believed(text: str) -> None:
    assert _one(_plain(text, "Info", "MAILER-DAEMON@mx.example")).recipient == "user@site.example"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: your mail", "Hi, a colleague got 550 user unknown for user@site.example. Why?"),
        (
            "mailbox delivery problem",
            "Mails delivered directly to the mailbox user@site.example are glued.",
        ),
    ],
)
def test_a_person_who_writes_of_a_failure_is_no_mailer(subject: str, text: str) -> None:
    assert parse_bounce(_plain(text, subject, "Jane <jane@site.example>")) == []


def test_spam_without_author_and_reverse_path_is_no_bounce() -> None:
    raw = (
        b'Return-Path: <>\nFrom: "" <>\nTo: user@site.example\nSubject: Make thousands per week\n\n'
        b"To remove your address write to spam@shop.example"
    )
    assert parse_bounce(raw) == []
