"""Notices: what the sandbox's MTAs send is what the tenants' mailboxes read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unlisted_sandbox.home import message_id, read_notice
from unlisted_sandbox.notice import notice
from unlisted_sandbox.replies import Reply

ORIGINAL = b"Message-ID: <one@a.example>\r\nSubject: s\r\n\r\nbody\r\n"


def test_a_notice_names_the_failed_recipients_and_the_message() -> None:
    failed = (
        ("x@r.example", Reply(550, ("5.1.1 no such user",))),
        ("y@r.example", Reply(554, ("blocked", "see https://bl.example"))),
    )
    content = notice(
        host="mail.p.example", domain="p.example", to="a@a.example", failed=failed,
        original=ORIGINAL, at=0.0, number="1",
    )  # fmt: skip
    read = read_notice(content)
    assert read is not None
    assert read.failed == ("x@r.example", "y@r.example")
    assert read.message_ids == ("<one@a.example>",)
    assert b"Status: 5.1.1\r\n" in content and b"Status: 5.0.0\r\n" in content
    assert b"body" not in content


def test_a_delayed_recipient_has_not_failed() -> None:
    content = notice(
        host="h.example", domain="p.example", to="a@a.example", original=ORIGINAL, at=0.0,
        number="1", failed=(("x@r.example", Reply(450, ("later",))),),
    ).replace(b"Action: failed", b"Action: delayed")  # fmt: skip
    read = read_notice(content)
    assert read is not None and read.failed == () and read.delayed == ("x@r.example",)


def test_other_mail_is_no_notice() -> None:
    assert read_notice(ORIGINAL) is None
    assert message_id(ORIGINAL) == "<one@a.example>" and message_id(b"\r\nx") == ""


HEAD = b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'


@given(st.binary(max_size=400))
def test_whatever_comes_home_is_a_notice_or_not(content: bytes) -> None:
    read_notice(content)
    read_notice(HEAD + b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + content)
