from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.campaigns.fingerprint import fingerprint, similarity, slots_of
from unlisted.campaigns.index import CampaignIndex

CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"


def chance(*key: object) -> float:
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "big") / 2**64


WORDS = [
    "".join(
        CONSONANTS[int(chance(i, j, "c") * 18)] + VOWELS[int(chance(i, j, "v") * 5)]
        for j in range(1 + int(chance(i) * 3.99))
    )
    for i in range(3000)
]


def letter(name: object, words: int) -> str:
    """Word frequencies fall as in prose."""
    return " ".join(WORDS[int(3000 * chance(name, i) ** 2)] for i in range(words))


def reworded(text: str, name: object, part: float) -> str:
    return " ".join(
        WORDS[int(3000 * chance(name, i, "new"))] if chance(name, i) < part else word
        for i, word in enumerate(text.split())
    )


def test_the_fingerprint_is_printable_and_always_the_same():
    text = letter("a", 120)
    printed = fingerprint(text)
    assert printed.isascii() and printed.isprintable() and len(printed) < 220
    assert printed == fingerprint(text)
    # Stored fingerprints outlive the code: this one was computed on the first landing.
    assert fingerprint("the quick brown fox jumps over the lazy dog again and again")[:24] == (
        "gx65VO+cN9J3Eq1I434ZtE/q"
    )


@pytest.mark.parametrize(
    "one, other",
    [
        ("YOUR Invoice 12345 of May is due, please {}", "your invoice 99 of may is DUE, please {}"),
        ("Dear Anna Schmidt,\nyour invoice is due {}", "Dear Bob,\nyour invoice is due {}"),
        ("Lieber Karl,\n\nwir laden ein {}", "Lieber Otto,\n\nwir laden ein {}"),
        ("see https://shop.test/a/b?id=77 today {}", "see https://shop.test/x#y today {}"),
        ("<p>we have <b>news</b> for you {}</p>", "we have news for you {}"),
    ],
)
def test_case_digits_greetings_markup_and_url_tails_do_not_count(one, other):
    rest = letter("rest", 30)
    assert similarity(fingerprint(one.format(rest)), fingerprint(other.format(rest))) > 0.95


@pytest.mark.parametrize("text", ["", "  \n ", "ok", "Thanks, see you tomorrow!", "1 2 3 4 5 6 7"])
def test_a_text_of_few_words_is_like_nothing_not_even_itself(text):
    assert fingerprint(text) == ""
    assert similarity(fingerprint(text), fingerprint(text)) == 0.0


@pytest.mark.parametrize(
    "words, part, caught", [(60, 0.05, 0.9), (150, 0.05, 0.95), (150, 0.1, 0.7)]
)
def test_most_reworded_copies_join_their_campaign(words, part, caught):
    joined = 0
    for name in range(15):
        base, index = letter(("spam", name), words), CampaignIndex()
        ids = [
            index.assign(f"m{i}", fingerprint(reworded(base, (name, i), part)), i)
            for i in range(15)
        ]
        joined += sum(i == "m0" for i in ids[1:])
    assert joined / (15 * 14) >= caught


@pytest.mark.parametrize("body, footer", [(30, 60), (30, 120), (60, 200)])
def test_unlike_letters_over_one_footer_are_not_glued(body, footer):
    index, tail = CampaignIndex(), letter("footer", footer)
    ids = {
        index.assign(f"m{i}", fingerprint(letter(("body", i), body) + "\n" + tail), i)
        for i in range(60)
    }
    assert len(ids) >= 58


@given(st.text(max_size=400))
def test_any_text_has_a_fingerprint_like_itself_or_none(text):
    printed = fingerprint(text)
    assert printed == "" or similarity(printed, printed) == 1.0


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_strings_can_be_compared(a, b):
    assert similarity(a, b) == 0.0 or slots_of(a)
    assert 0.0 <= similarity(fingerprint(a), fingerprint(b)) <= 1.0


def test_a_hostile_text_takes_no_more_than_its_first_pages():
    assert fingerprint("word " * 10_000_000)
    assert fingerprint("http://" * 20_000 + "<" * 20_000 + letter("x", 20)) is not None
