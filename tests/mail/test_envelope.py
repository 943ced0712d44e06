import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.envelope import (
    AddressError,
    domain_of,
    parse_address,
    parse_reverse_path,
    person_id,
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("jo@Example.ORG", "jo@example.org"),
        ("<Jo.Doe+x@example.org>", "Jo.Doe+x@example.org"),
        ('"a b"@example.org', '"a b"@example.org'),
        ("jo@[192.0.2.1]", "jo@[192.0.2.1]"),
        ("jo@[IPv6:2001:db8::1]", "jo@[ipv6:2001:db8::1]"),
        ("zoë@bücher.example", "zoë@bücher.example"),
        ("jo@host", "jo@host"),
    ],
)
def test_an_address_is_taken_with_its_domain_lower_cased(text: str, want: str) -> None:
    assert str(parse_address(text)) == want


@pytest.mark.parametrize(
    "text",
    [
        "", "jo", "@example.org", "jo@", "a b@example.org", "jo@exa mple.org", "jo@-x.example",
        "jo\r\nDATA@example.org", "jo@example..org", "@relay:jo@example.org\n", "jo.@x.example",
        "a" * 65 + "@example.org", "jo@" + "a." * 128 + "org", "jo@[1.2.3]", "jo@x\u0000y",
    ],
)  # fmt: skip
def test_what_smtp_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


def test_the_null_sender_is_none() -> None:
    assert parse_reverse_path("<>") is None
    assert str(parse_reverse_path("<jo@x.example>")) == "jo@x.example"
    assert domain_of("<jo@X.example>") == "x.example"
    assert domain_of("") == ""


@given(st.text(max_size=300))
def test_any_text_is_an_address_that_parses_again_or_an_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address
    assert not set(str(address)) & set("\r\n\0")


def test_a_person_is_one_hash_under_one_key() -> None:
    one = person_id(b"key", "Jo@Example.org")
    assert one == person_id(b"key", "<jo@example.org>") and len(one) == 16
    assert one != person_id(b"other", "jo@example.org")
