import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.reply import MAX_REPLY, Reply, parse_reply
from unlisted.replies.index import words_in
from unlisted.replies.unwrap import _CODE_WORDS, INSIDE, _any_inside, unwrap


@pytest.mark.parametrize(
    ("raw", "code", "enhanced", "text", "relayed", "stage"),
    [
        ("550 5.1.1 No", 550, "5.1.1", "no", False, None),
        (
            "host mx.b.example[198.51.100.1] said: 554 5.7.1 Denied (in reply to RCPT TO command)",
            554, "5.7.1", "denied", False, "rcpt",
        ),
        (
            "host mx.b.example[198.51.100.1] refused to talk to me: 554 mx.b.example blocked",
            554, None, "mx.b.example blocked", False, "greeting",
        ),
        (
            "SMTP error from remote mail server after RCPT TO:<u@b.example>: "
            "host mx.b.example [198.51.100.1]: 550 5.7.1 Denied",
            550, "5.7.1", "denied", False, "rcpt",
        ),
        (
            "SMTP error from remote mail server after initial connection: "
            "host mx.b.example [198.51.100.1]: 554 Go away",
            554, None, "go away", False, "greeting",
        ),
        ("Remote Server returned '550 5.7.1 Denied'", 550, "5.7.1", "denied", False, None),
        (
            "550 5.7.350 Remote server returned message detected as spam -> 554 5.7.1 Denied",
            554, "5.7.1", "denied", True, None,
        ),
        (
            "550 5.7.350 Remote server returned message detected as spam -> 554 Denied",
            554, None, "denied", True, None,
        ),
    ],
)  # fmt: skip
def test_the_last_server_is_heard(
    raw: str, code: int, enhanced: str | None, text: str, relayed: bool, stage: str | None
) -> None:
    found = unwrap(parse_reply(raw))
    assert (found.inner.code, found.inner.enhanced, found.text) == (code, enhanced, text)
    assert (found.relayed, found.stage) == (relayed, stage)


@given(
    st.lists(
        st.sampled_from(
            ["-> 554 ", "host x said: 550 ", "<<< 554 ", "abc", "\n", "'", " -> ", "5.7.1 "]
        ),
        max_size=300,
    ).map("".join)
)
def test_nesting_is_bounded(text: str) -> None:
    found = unwrap(Reply(550, None, text[:MAX_REPLY]))
    assert "\n" not in found.text


@given(st.text("2457093 .:-/=_(a[", max_size=40))
def test_codes_are_told_from_the_words_as_from_the_text(text: str) -> None:
    text = " ".join(text.split())
    codes = _CODE_WORDS.intersection(words_in(text))
    assert _any_inside(codes, text) == (INSIDE.search(text, 1) is not None)
