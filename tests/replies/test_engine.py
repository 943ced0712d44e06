from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.reply import parse_reply
from unlisted.replies import families, knowledge
from unlisted.replies.engine import Engine, asked_by
from unlisted.replies.needs import needs, words_of
from unlisted.replies.patterns import compiled
from unlisted.replies.unwrap import unwrap

PATTERNS = [rule.match for rule in knowledge.shipped()]
NAMES = families.shipped()
WORDS = NAMES.words
ORACLE = [compiled(pattern) for pattern in PATTERNS]
ALL = frozenset(range(len(PATTERNS)))
EXAMPLES = [
    unwrap(parse_reply(example)).text for r in knowledge.shipped() for example in r.examples
]


@cache
def engine() -> Engine:
    return Engine(PATTERNS, asked_by(PATTERNS, NAMES.word_patterns, EXAMPLES[::9]))


def agrees(text: str) -> None:
    """Each pattern that plain `re` finds is found, at the same place and with the same groups;
    the first of all, and every single one."""
    read = engine().read(text)
    wanted = {i: found for i, one in enumerate(ORACLE) if (found := one.search(text))}
    first = engine().first(read, ALL)
    assert (first.pattern if first else None) == min(wanted, default=None)
    while wanted:
        index = min(wanted)
        found = engine().first(read, frozenset(wanted))
        assert found is not None and found.pattern == index, PATTERNS[index]
        plain = wanted.pop(index)
        if ORACLE[index].groups:
            assert found.match.span() == plain.span()
            told = {name: value for name, value in found.match.groupdict().items() if value}
            assert told == {name: value for name, value in plain.groupdict().items() if value}


def test_every_example_is_answered_as_by_plain_re() -> None:
    for text in EXAMPLES:
        agrees(text)


_PIECES = sorted(
    {word for p in PATTERNS for group in needs(p) for one in group for word, _, _ in words_of(one)}
    | set(WORDS)
)
_TEXTS = st.one_of(
    st.text(max_size=300).map(str.lower),
    st.lists(
        st.sampled_from([*_PIECES, " ", "x", "é", "192.0.2.1", "<a@b.example>", "1", "\u2028"]),
        max_size=8,
    ).map(" ".join),
    st.lists(st.sampled_from(_PIECES), max_size=8).map("".join),
)
# What may stand beside a word: letters, digits, what `re` calls a word and what not.
_BESIDE = st.sampled_from(
    ["", " ", "-", "_", ".", "0", "7", "x", "é", "\u2019", "\u0661", "[", ":"]
)


def _oneline(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())


@given(_TEXTS)
def test_any_text_is_answered_as_by_plain_re(text: str) -> None:
    agrees(_oneline(text))


@given(
    st.sampled_from(EXAMPLES),
    st.lists(
        st.tuples(
            st.integers(0, 400), st.integers(0, 30), st.one_of(st.sampled_from(_PIECES), _BESIDE)
        )
    ),
)
def test_changed_examples_are_answered_as_by_plain_re(
    text: str, changes: list[tuple[int, int, str]]
) -> None:
    for place, length, piece in changes[:4]:
        text = text[:place] + piece + text[place + length :]
    agrees(_oneline(text))


@given(st.sampled_from(PATTERNS), st.data())
def test_a_text_made_of_what_a_pattern_matches_is_found(pattern: str, data: st.DataObject) -> None:
    made = data.draw(st.from_regex(pattern)).lower()
    around = data.draw(st.tuples(_BESIDE, _BESIDE))
    agrees(_oneline(f"{around[0]}{made[:500]}{around[1]}"))


def test_the_first_pattern_in_order_wins_not_the_first_in_the_text() -> None:
    patterns = ["later words", "early|late"]
    found = Engine(patterns, asked_by(patterns))
    read = found.read("early and later words")
    first = found.first(read, frozenset({0, 1}))
    assert first is not None and first.pattern == 0
    second = found.first(read, frozenset({1}))
    assert second is not None and second.pattern == 1
    assert found.first(found.read("x"), frozenset({0, 1})) is None


def test_of_the_alternatives_of_a_pattern_the_leftmost_match_counts() -> None:
    patterns = [r"host (?P<a>\w+)|client (?P<b>\w+)"]
    found = Engine(patterns, asked_by(patterns))
    first = found.first(found.read("client one host two"), frozenset({0}))
    assert first is not None and first.match.groupdict()["b"] == "one"


def test_ids_and_addresses_are_no_part_of_what_is_remembered() -> None:
    one = engine().read("client host [192.0.2.7] blocked using zen.spamhaus.org (4Xq9z7)".lower())
    other = engine().read("client host [192.0.2.99] blocked using zen.spamhaus.org (9Kk2)".lower())
    assert one.told.known is other.told.known


def test_what_is_proved_of_one_wording_is_not_taken_for_true_of_another_of_its_gist() -> None:
    patterns = ["sender.blocked", "blocked here"]
    found = Engine(patterns, asked_by(patterns))
    both = frozenset({0, 1})
    for number in range(40):
        first = found.first(found.read(f"sender is now: blocked here {number}"), both)
        assert first is not None and first.pattern == 1
    for number in range(40):
        first = found.first(found.read(f"sender-blocked here {number}"), both)
        assert first is not None and first.pattern == 0
        first = found.first(found.read(f"sender/ blocked here {number}"), both)
        assert first is not None and first.pattern == 1


@given(_TEXTS)
def test_the_names_of_lists_are_found_alike_by_the_index_and_by_asking_for_all(text: str) -> None:
    text = _oneline(text)
    for kind in ("list", "operator"):
        plain = NAMES.mentioned(text, kind, range(len(WORDS)))
        assert NAMES.mentioned(text, kind, engine().occurring(engine().read(text))) == plain
