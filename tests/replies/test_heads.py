import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.replies.heads import address_places, begins_with_address, skippable
from unlisted.replies.knowledge import MACROS

TEXTS = (
    "ptr",
    "xptr ptr",
    "a-ptr",
    "\u00e9ptr",
    "sender list",
    "reputation sender list",
    "url list",
)


@pytest.mark.parametrize(
    ("pattern", "want"),
    [
        (r"\bptr\b", r"p(?<!\wp)tr\b"),
        (r"(?:\bptr|url) list", r"(?:p(?<!\wp)tr|url) list"),
        (
            r"\b(?:(?<!reputation )sender|url) l",
            r"(?:s(?<!\ws)(?<!reputation s)ender|u(?<!\wu)rl) l",
        ),
        (r"(?:(?:a|b)c|d)e", "(?:ac|bc|d)e"),
        (r"p?tr", r"p?tr"),
        (r"(?:a|b)?c", r"(?:a|b)?c"),
        (r"(?:[ab]|c)d", r"(?:[ab]|c)d"),
    ],
)
def test_a_pattern_begins_with_what_re_can_skip_to_and_matches_the_same(
    pattern: str, want: str
) -> None:
    made = skippable(pattern)
    assert made == want
    for text in TEXTS:
        found, plain = re.search(made, text), re.search(pattern, text)
        assert (found and found.span()) == (plain and plain.span()), text


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "[192.0.2.1]",
        "a 192.0.2.1, [198.51.100.7]",
        "x192.0.2.1",
        "1.2.3",
        "v1.2.3.4.5",
        "[2001:db8::1]",
        "[ipv6:2001:db8::1]",
        "ipv6:192.0.2.1",
        "aipv6:12",
        "[192.0.2.1]:24706",
        "\u0661.2.3.4",
        "é \u0661.\u0662.3.4",
    ],
)
def test_a_pattern_that_begins_with_an_address_matches_at_one_of_the_places(text: str) -> None:
    at_places_as_anywhere(text)


@given(st.text("[]:.19afgipv6 \u0661é", max_size=40))
def test_wherever_an_address_may_begin_is_one_of_the_places(text: str) -> None:
    at_places_as_anywhere(text)


def at_places_as_anywhere(text: str) -> None:
    pattern = re.compile(MACROS["%IP%"])
    places = address_places(text)
    assert begins_with_address(pattern.pattern)
    first = next((found for place in places if (found := pattern.match(text, place))), None)
    plain = pattern.search(text)
    assert (first and first.span()) == (plain and plain.span())
