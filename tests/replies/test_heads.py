import re

import pytest

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
    ],
)
def test_a_pattern_that_begins_with_an_address_matches_at_one_of_the_places(text: str) -> None:
    pattern = re.compile(MACROS["%IP%"])
    places = address_places(text)
    assert begins_with_address(pattern.pattern) and places is not None
    first = next((found for place in places if (found := pattern.match(text, place))), None)
    plain = pattern.search(text)
    assert (first and first.span()) == (plain and plain.span())


def test_where_an_ipv6_address_may_be_no_places_are_told() -> None:
    assert address_places("[2001:db8::1]") is None
    assert address_places("\u0661.2.3.4") is None
