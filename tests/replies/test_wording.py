"""What is proved of a wording is true of each of its texts: plain `re` and `in_text` are the oracles."""

import hashlib
import re
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unlisted.mail.reply import parse_reply
from unlisted.replies import families, knowledge
from unlisted.replies.addresses import in_text
from unlisted.replies.automaton import DIGITS, Skeleton, may_match
from unlisted.replies.engine import PROVED_AT, Engine, asked_by
from unlisted.replies.patterns import branches, compiled
from unlisted.replies.places import TELLING, at_places, places_of
from unlisted.replies.unwrap import unwrap
from unlisted.replies.wording import NAME, OPEN, Masks, Wording, skeleton_of

PATTERNS = [rule.match for rule in knowledge.shipped()]
BRANCHES = sorted({branch for pattern in PATTERNS for branch in branches(pattern)})
ORACLE = [compiled(pattern) for pattern in PATTERNS]
ALL = frozenset(range(len(PATTERNS)))
EXAMPLES = [
    unwrap(parse_reply(example)).text for r in knowledge.shipped() for example in r.examples
]
LONG = 60  # uses of a wording after which nothing is left to prove


@cache
def engine() -> Engine:
    return Engine(PATTERNS, asked_by(PATTERNS, families.shipped().word_patterns, EXAMPLES[::9]))


@cache
def masks() -> Masks:
    index = engine()._index
    return Masks(asked_by(PATTERNS).words, index.kept, TELLING)


def wording(text: str) -> Wording:
    return masks().of(text.split(" "))


def varied(text: str, seed: str) -> str:
    """Other numbers, ids and names, of other lengths; the rest stays."""

    def other(found: re.Match[str]) -> str:
        digest = hashlib.blake2b(f"{seed}/{found[0]}".encode(), digest_size=16).digest()
        if found[0].isdigit():
            return str(int.from_bytes(digest[:2]) % 10 ** (1 + digest[3] % 4))
        mask = masks()[found[0]]
        if mask == NAME:
            return "".join(chr(97 + one % 26) for one in digest[: 4 + digest[0] % 9])
        return digest.hex()[: 9 + digest[0] % 12] if mask in OPEN else found[0]

    return re.sub(r"(?<![a-z0-9])[a-z0-9]+(?![a-z0-9])", other, text)


def found_by_re(text: str) -> tuple[int, dict[str, str]] | None:
    for number, pattern in enumerate(ORACLE):
        if found := pattern.search(text):
            return number, {name: value for name, value in found.groupdict().items() if value}
    return None


def agrees(text: str) -> None:
    read = engine().read(text)
    found = engine().first(read, ALL)
    wanted = found_by_re(text)
    assert (found and found.pattern) == (wanted and wanted[0]), text
    if found and wanted:
        told = {name: value for name, value in found.match.groupdict().items() if value}
        assert told == wanted[1], text
    firsts = read.told.addresses
    if firsts is not None:
        by_words = [one.text for one in at_places(text.split(" "), firsts)]
        assert list(dict.fromkeys(by_words)) == list(
            dict.fromkeys(one.text for one in in_text(text))
        ), text


def test_every_example_with_other_numbers_and_ids_is_answered_as_by_plain_re() -> None:
    proved = 0
    for text in EXAMPLES:
        for number in range(LONG):
            engine().first(engine().read(varied(text, str(number))), ALL)
        for number in range(LONG, LONG + 3):
            agrees(varied(text, str(number)))
        proved += engine().read(text).told.addresses is not None
    assert proved > len(EXAMPLES) // 3


_NUMBERS = st.sampled_from(
    ["1", "007", "550", "1234", "9f86d081884c7d65", "20b0bad00c0de", "x9k2", "3code", "smith"]
)
_ADDRESSES = ["192.0.2.1", "127.0.0.2", "192.0.2.0/24", "10.2.0.192.zen.example.org", "2001:db8::1"]
_AROUND = ["returned ", "dns ip: ", "returnc/pub/", "code", "->", "%20", "a1", *".-_/:;,([<=# "]
_PIECES = st.sampled_from(
    [*_ADDRESSES, *_AROUND, "1.2.3.4.5", "blocked", "client host", "ip", "is listed", "using"]
)


@given(st.lists(st.one_of(_PIECES, _NUMBERS), max_size=14))
def test_any_text_with_other_numbers_and_ids_is_answered_alike(pieces: list[str]) -> None:
    text = " ".join("".join(pieces).split())
    for number in range(PROVED_AT + 6):
        engine().first(engine().read(varied(text, str(number))), ALL)
    agrees(text)
    agrees(varied(text, "last"))


@given(st.lists(st.one_of(_PIECES, _NUMBERS), max_size=14))
def test_the_addresses_of_a_wording_are_those_of_each_of_its_texts(pieces: list[str]) -> None:
    text = " ".join("".join(pieces).split())
    firsts = places_of(wording(text))
    assume(firsts is not None)
    for seed in ("", "a", "b", "c"):
        other = varied(text, seed) if seed else text
        if wording(other) == wording(text) and firsts is not None:
            found = dict.fromkeys(one.text for one in at_places(other.split(" "), firsts))
            assert list(found) == list(dict.fromkeys(one.text for one in in_text(other))), other


@given(st.sampled_from(BRANCHES), st.data())
def test_a_pattern_may_match_the_wording_of_what_it_matches(
    branch: str, data: st.DataObject
) -> None:
    made = data.draw(st.from_regex(branch)).lower()[:400]
    text = " ".join(made.split())
    assume(text.isascii() and re.search(branch, text))
    assert may_match(branch, skeleton_of(wording(text), engine()._index.asks)), text


@given(st.sampled_from(BRANCHES), st.sampled_from(EXAMPLES), st.text("0123456789abf", max_size=9))
def test_a_pattern_that_cannot_match_a_wording_matches_none_of_its_texts(
    branch: str, text: str, seed: str
) -> None:
    assume(text.isascii())
    other = varied(text, seed)
    if not may_match(branch, skeleton_of(wording(text), engine()._index.asks)):
        assert not re.search(branch, text)
        if wording(other) == wording(text):
            assert not re.search(branch, other), other


@pytest.mark.parametrize(
    ("pattern", "symbols", "want"),
    [
        ("550", [DIGITS], True),
        ("a550b", ["a", DIGITS, "b"], True),
        ("a550b", ["a", DIGITS, "c"], False),
        (r"\d{2}x", [DIGITS, "x"], True),
        ("abc", [OPEN["ƒ"]], True),
        ("abz", [OPEN["ƒ"]], False),
        ("^b", ["a", "b"], False),
        ("a$", ["a", "b"], False),
        ("[^.]{0,3}x", [".", "a", "x"], True),
        ("a.{2}b", ["a", "c", "b"], False),
        ("a(?:bc|d){1,2}e", ["a", "b", "c", "d", "e"], True),
        ("a(?!b)", ["a", "b"], True),
        ("x|y", ["y"], True),
    ],
)
def test_open_words_are_of_any_length_and_what_is_around_is_not_looked_at(
    pattern: str, symbols: list[str | frozenset[str]], want: bool
) -> None:
    assert may_match(pattern, Skeleton(symbols)) is want
