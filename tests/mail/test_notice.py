"""The notice to a sender whose letters nobody kept: every letter in it, and nothing can break out."""

from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.notice import MAX_LETTERS, Lost, NoticeMail, render_notice


def notice(*letters: Lost, to: str = "ann@our.example") -> bytes:
    return render_notice(
        NoticeMail(
            id="1.2", at=1_795_000_000.0, site="mx.our.example", to=to,
            postmaster="postmaster@our.example", letters=letters,
        )
    )  # fmt: skip


def lost(n: int = 1, **more: str) -> Lost:
    given_ = {"name": f"<{n}@our.example>", "recipient": f"bob{n}@there.example", "said": "554 no"}
    return Lost(at=1_795_000_000.0 + n, **{**given_, **more})


def test_it_names_each_letter_and_says_that_a_machine_wrote_it() -> None:
    raw = notice(lost(1), lost(2, said="550 blocked"))
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["Auto-Submitted"] == "auto-generated" and mail["To"] == "ann@our.example"
    assert mail["Subject"] == "2 of your messages not delivered: please send again"
    assert mail["Date"] and mail["Message-ID"] == "<1.2.notice@mx.our.example>"
    text = mail.get_content()
    for words in (
        "<1@our.example>",
        "bob2@there.example",
        "550 blocked",
        "please send these again",
    ):
        assert words in " ".join(text.split())
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


def test_more_letters_than_a_mail_should_hold_are_counted() -> None:
    raw = notice(*(lost(n) for n in range(MAX_LETTERS + 3)))
    assert b"and 3 more" in raw


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200), st.text(max_size=100))
def test_a_strangers_text_adds_no_field(name: str, recipient: str, said: str, to: str) -> None:
    raw = notice(lost(name=name, recipient=recipient, said=said), to=to)
    head, _, _ = raw.partition(b"\r\n\r\n")
    fields = [line.partition(b":")[0] for line in head.split(b"\r\n")]
    assert fields == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"MIME-Version",
        b"Content-Type", b"Content-Transfer-Encoding",
    ]  # fmt: skip
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
