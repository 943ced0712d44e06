import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.reply import parse_reply
from unlisted.replies import families, knowledge
from unlisted.replies.engine import (
    EVERYWHERE,
    Candidates,
    Engine,
    Literals,
    Scanner,
    scan_database,
    scanner,
)
from unlisted.replies.patterns import compiled, literals
from unlisted.replies.unwrap import unwrap

PATTERNS = [rule.match for rule in knowledge.shipped()]
NAMES = families.shipped()
WORDS = NAMES.words
ORACLE = [(i, compiled(p)) for i, p in enumerate(PATTERNS) if p not in EVERYWHERE]
EXAMPLES = [
    unwrap(parse_reply(example)).text for r in knowledge.shipped() for example in r.examples
]


@pytest.fixture(scope="module")
def scan() -> Scanner:
    database, always = scan_database(PATTERNS)
    assert always == (), "patterns that hyperscan cannot take, even loosened"
    return scanner(database, PATTERNS, always)


@pytest.fixture(scope="module")
def words() -> Scanner:
    return scanner(scan_database(NAMES.word_patterns)[0], NAMES.word_patterns)


def agrees(candidates: Candidates, text: str) -> None:
    """Nothing that plain `re` finds is missing, so the first found is the same."""
    ids = candidates(text)
    assert ids == sorted(set(ids))
    wanted = [index for index, pattern in ORACLE if pattern.search(text)]
    assert not set(wanted) - set(ids), [PATTERNS[i] for i in set(wanted) - set(ids)]
    found = Engine(PATTERNS, candidates).first(text, ids)
    assert (found[0] if found else None) == (wanted[0] if wanted else None)


def test_the_scan_answers_as_plain_re_on_every_example(scan: Scanner) -> None:
    for text in EXAMPLES:
        agrees(scan, text)


_PIECES = sorted({piece for p in PATTERNS for piece in literals(p)} | set(WORDS))
_TEXTS = st.one_of(
    st.text(max_size=300).map(str.lower),
    st.lists(
        st.sampled_from([*_PIECES, " ", "x", "é", "192.0.2.1", "<a@b.example>", "1", "\u2028"]),
        max_size=8,
    ).map(" ".join),
    st.lists(st.sampled_from(_PIECES), max_size=8).map("".join),
)


def _oneline(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())


@given(_TEXTS)
def test_the_scan_answers_as_plain_re_on_any_text(scan: Scanner, text: str) -> None:
    agrees(scan, _oneline(text))


@given(_TEXTS)
def test_literals_answer_as_plain_re_on_any_text(text: str) -> None:
    agrees(Literals(PATTERNS), _oneline(text))


@given(
    st.sampled_from(EXAMPLES),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30), st.sampled_from(_PIECES))),
)
def test_the_scan_answers_as_plain_re_on_changed_examples(
    scan: Scanner, text: str, changes: list[tuple[int, int, str]]
) -> None:
    for place, length, piece in changes[:4]:
        text = text[:place] + piece + text[place + length :]
    agrees(scan, _oneline(text))


def test_the_first_pattern_in_order_wins_not_the_first_in_the_text() -> None:
    patterns = ["later words", "early"]
    text = "early and later words"
    engine = Engine(patterns, Literals(patterns))
    found = engine.first(text, engine.candidates(text))
    assert found is not None and found[0] == 0
    assert engine.candidates("x") == []


@given(_TEXTS)
def test_the_names_of_lists_are_found_alike_by_scan_by_in_and_by_asking_for_all(
    words: Scanner, text: str
) -> None:
    text = _oneline(text)
    for kind in ("list", "operator"):
        plain = NAMES.mentioned(text, kind, range(len(WORDS)))
        assert NAMES.mentioned(text, kind, words(text)) == plain
        assert NAMES.mentioned(text, kind, NAMES.occurring(text)) == plain


def test_a_database_of_nowhere_is_refused() -> None:
    with pytest.raises(ValueError):
        scanner(b"no database", [])
