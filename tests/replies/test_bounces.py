"""Reasons of bounces: how the words weigh against status, command and action."""

import pytest

from unlisted.mail.bounce import BounceRecord
from unlisted.replies.bounces import judge
from unlisted.replies.statuses import by_status


def _record(diagnostic: str = "", **more: object) -> BounceRecord:
    return BounceRecord(kind="bounce", recipient="user@site.example", diagnostic=diagnostic, **more)  # type: ignore[arg-type]


# diagnostic, other fields, reason
ROWS: list[tuple[str, dict[str, object], str]] = [
    ("550 5.1.1 user unknown", {"code": 550, "status": "5.1.1"}, "userunknown"),
    ("550 user unknown", {"code": 550, "command": "rcpt"}, "userunknown"),
    ("550 user unknown", {"code": 550, "command": "data"}, "filtered"),
    ("550 5.2.0 user unknown", {"code": 550, "status": "5.2.0"}, "filtered"),
    ("The recipient name is not recognized", {}, "userunknown"),
    ("551 not our user", {"code": 551, "command": "rcpt"}, "hasmoved"),
    ("550 no such domain here", {"code": 550, "command": "mail"}, "rejected"),
    ("501 Invalid domain name", {"code": 501, "command": "ehlo"}, "blocked"),
    ("552 message size exceeds limit", {"code": 552, "status": "5.2.3"}, "exceedlimit"),
    ("552 message size exceeds limit", {"code": 552, "status": "5.3.4"}, "mesgtoobig"),
    ("550 5.7.1 Rejected", {"code": 550, "status": "5.7.1"}, "securityerror"),
    ("556 5.1.10 no", {"code": 556, "status": "5.1.10"}, "notaccept"),
    ("452 too many recipients", {"code": 452}, "toomanyconn"),
    ("temporary failure", {"diagnostic_type": "x-unix", "status": "4.3.0"}, "mailererror"),
    ("Unrouteable address", {}, "hostunknown"),
    ("mailbox is full", {}, "mailboxfull"),
    ("", {"status": "5.2.2"}, "mailboxfull"),
    ("", {"status": "5.4.4"}, "hostunknown"),
    ("", {"action": "expired"}, "expired"),
    ("", {}, "undefined"),
    ("qwerty asdf", {}, "onhold"),
    ("", {"text": "Sorry, the mailbox is full."}, "mailboxfull"),
    # words against status: what Sisimai asks first
    ("550 5.1.1 relay access denied", {"code": 550, "status": "5.1.1"}, "norelaying"),
    ("550 5.1.1 unknown host", {"code": 550, "status": "5.1.1"}, "userunknown"),
    ("550 5.1.2 host unknown", {"code": 550, "status": "5.1.2"}, "hostunknown"),
    ("554 5.4.4 network error on destination MXs", {"status": "5.4.4"}, "networkerror"),
    ("554 5.6.0 message content rejected", {"code": 554, "status": "5.6.0"}, "spamdetected"),
    ("452 4.3.1 insufficient disk space", {"code": 452, "status": "4.3.1"}, "systemfull"),
    ("552 5.2.2 mailbox full", {"code": 552, "status": "5.2.2"}, "mailboxfull"),
    ("550 5.7.1 mx.site.example", {"code": 550, "status": "5.7.1"}, "securityerror"),
    (
        "550 5.7.1 delivery not authorized, message refused",
        {"code": 550, "status": "5.7.1"},
        "rejected",
    ),
    ("451 4.7.1 mx.site.example", {"code": 451, "status": "4.7.1"}, "blocked"),
    # who says "unknown", and when
    ("[User unknown]", {}, "filtered"),
    ("550 user unknown", {"code": 550, "remote_mta": "mx1.messagelabs.com"}, "userunknown"),
    ("550 5.2.1 user unknown", {"code": 550, "status": "5.2.1"}, "suspend"),
    ("550 5.2.1 user unknown", {"code": 550, "status": "5.2.1", "command": "rcpt"}, "userunknown"),
    ("550 5.1.1 inactive email address", {"code": 550, "status": "5.1.1"}, "userunknown"),
    ("550 no such user (state 17).", {"code": 550, "command": "rcpt"}, "filtered"),
    ("550 qwerty", {"code": 550, "command": "rcpt"}, "userunknown"),
    # "failed" refuses nothing; what was said is then the status, or nothing at all
    ("", {"text": "Delivery to the following recipients failed."}, "undefined"),
    ("Mail delivery failed: returning message to sender", {}, "onhold"),
    ("The message was refused.", {}, "rejected"),
    ("Unable to deliver the message, id TEST000902173231", {}, "onhold"),
    # what a delivering program printed
    (
        "permission denied. Command output: Mail quota exceeded.",
        {"diagnostic_type": "x-postfix"},
        "mailboxfull",
    ),
    ("child status 100...the user's mailfolder is full.", {}, "mailboxfull"),
    (
        "procmail: Quota exceeded while writing to /home/user/Maildir/tmp/1",
        {"diagnostic_type": "x-unix", "status": "5.3.0"},
        "mailboxfull",
    ),
    ('Command died with status 17: "/usr/sbin/scan". Command output: line 1178', {}, "mailererror"),
    # qmail tells of other hosts behind the reply, and takes its leave without a cause
    (
        "most progress was RCPT TO response; remote host 192.0.2.9 said: 550 Unknown user a@b.example."
        " (Other MXes tried: 192.0.2.8 said 550 for RCPT TO response.)",
        {"code": 550, "command": "rcpt"},
        "userunknown",
    ),
    (
        "",
        {"text": "This is a permanent error; I've given up. Sorry it didn't work out."},
        "undefined",
    ),
    # reports' own words
    (
        "Your message was not delivered because the destination computer was not reachable within"
        " the allowed queue period. It does not have a mail system running right now.",
        {},
        "expired",
    ),
    ("Message from E-Mail VirusWall: Exceeded Maximum Delivery Attempts.", {}, "expired"),
    ('unrouteable mail domain "site.example"', {}, "hostunknown"),
    ("552 Account(s) <user@site.example> does not have enough space", {"code": 552}, "mailboxfull"),
    ("Messages without To: fields are not accepted here", {}, "notcompliantrfc"),
    ("550 recipient address rejected", {"code": 550, "command": "rcpt"}, "userunknown"),
    ("550 recipient address rejected", {"code": 550, "command": "eod"}, "rejected"),
    (
        "550 Unknown user user@site.example",
        {"code": 550, "status": "5.0.0", "command": "eod", "remote_mta": "mfsmax.docomo.ne.jp"},
        "rejected",
    ),
    # operators' codes
    ("421 charter AUP#I-1310", {"code": 421, "command": "connect"}, "toomanyconn"),
    ("550 sender rejected AUP#CXSNDR", {"code": 550, "command": "mail"}, "authfailure"),
    # before RCPT
    ("550 you are sending spam", {"code": 550, "command": "ehlo"}, "blocked"),
    ("Helo command rejected: host not found", {"code": 550, "command": "rcpt"}, "blocked"),
    ("255", {"diagnostic_type": "x-unix", "status": "5.3.0"}, "mailererror"),
    ("77", {"diagnostic_type": "x-unix", "status": "5.3.0"}, "systemerror"),
    ("525 no", {"code": 525}, "suspend"),
]


@pytest.mark.parametrize(("diagnostic", "more", "reason"), ROWS)
def test_words_status_and_command_make_one_reason(
    diagnostic: str, more: dict[str, object], reason: str
) -> None:
    assert judge(_record(diagnostic, **more)).reason == reason


@pytest.mark.parametrize("kind", ["feedback", "vacation", "delivered"])
def test_what_is_no_bounce_is_called_by_its_kind(kind: str) -> None:
    assert judge(BounceRecord(kind=kind, recipient=None)).reason == kind  # type: ignore[arg-type]


def test_a_delay_for_a_connection_that_closed_is_expired() -> None:
    text = "Connection was dropped by remote host (SENT_HELO)"
    delayed = BounceRecord(kind="delayed", recipient="user@site.example", diagnostic=text)
    assert judge(delayed).reason == "expired"
    assert judge(_record(text)).reason == "blocked"


def test_a_delay_that_says_nothing_else_is_expired() -> None:
    record = BounceRecord(kind="delayed", recipient=None, action="delayed", status="4.4.0")
    assert judge(record).reason == "expired"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(None, None), ("5.0.0", None), ("4.3.1", "systemfull"), ("5.7.99", "securityerror")],
)
def test_a_status_alone_tells_what_rfc_3463_says(status: str | None, reason: str | None) -> None:
    assert by_status(status) == reason


def test_a_block_list_is_still_a_refusal_in_the_meaning() -> None:
    judged = judge(
        _record("554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org", code=554, status="5.7.1")
    )  # fmt: skip
    assert judged.meaning is not None and judged.meaning.refusal == "yes"
    assert judged.reason == "blocked" and judged.meaning.family == "spamhaus"


def test_a_report_that_only_says_that_delivery_failed_blames_nobody() -> None:
    for text in ("Delivery to the following recipients failed.", "Unable to deliver your message."):
        found = judge(_record("", text=text))
        assert found.meaning is None or found.meaning.refusal == "no"
