"""The link of a report: only its maker can make, read or alter one."""

from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.link import Link, open_link, seal_link, word

_KEY = st.binary(min_size=16, max_size=32)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@given(_KEY, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))
def test_a_link_opens_with_its_key_in_any_case(key: bytes, n: int, index: int, until: int) -> None:
    token = seal_link(key, f"m{n}.{index}", until)
    assert len(token) == 48 and token.isascii() and token.isalnum()
    assert open_link(key, token) == open_link(key, token.upper()) == Link(n, index, until)


@given(_KEY, st.integers(0, 2**32), st.integers(0, 47), st.sampled_from(_LETTERS))
def test_an_altered_link_opens_to_none(key: bytes, n: int, at: int, letter: str) -> None:
    token = seal_link(key, f"m{n}.0", 1e9)
    forged = token[:at] + letter + token[at + 1 :]
    assert (open_link(key, forged) is None) == (forged != token)


@given(_KEY, st.text(max_size=300))
def test_any_text_opens_to_none(key: bytes, text: str) -> None:
    assert open_link(key, text) is None


def test_a_forms_word_belongs_to_its_link_and_to_what_was_shown() -> None:
    key = b"k" * 32
    words = {word(key, link, shown) for link in ("a", "b") for shown in ("click 7", "click 9")}
    assert len(words) == 4 and word(key, "a", "click 7") in words
    assert word(b"j" * 32, "a", "click 7") not in words
