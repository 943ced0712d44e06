import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.trace import open_trace, seal

_NUMBER = st.integers(0, 2**64 - 1)
_KEY = st.binary(min_size=16, max_size=32)


@given(_KEY, _NUMBER)
def test_a_sealed_number_opens_with_its_key_in_any_case(key: bytes, n: int) -> None:
    token = seal(key, n)
    assert len(token) <= 64 and token.isascii() and token.isalnum()
    assert open_trace(key, token) == n
    assert open_trace(key, f" {token.upper()}\r\n") == n
    assert seal(key, n) == token


@given(_KEY, _NUMBER, st.integers(0, 31), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_an_altered_token_opens_to_none(key: bytes, n: int, at: int, letter: str) -> None:
    token = seal(key, n)
    forged = token[:at] + letter + token[at + 1 :]
    assert open_trace(key, forged) == (n if forged == token else None)


@given(_KEY, st.text(max_size=300))
def test_any_text_opens_to_none(key: bytes, text: str) -> None:
    assert open_trace(key, text) is None


def test_another_key_opens_nothing_and_neighbours_look_unlike() -> None:
    one, two = seal(b"k" * 16, 1), seal(b"k" * 16, 2)
    assert open_trace(b"j" * 16, one) is None
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 10


@pytest.mark.parametrize("n", [-1, 2**64])
def test_a_number_out_of_range_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="message number"):
        seal(b"k", n)
