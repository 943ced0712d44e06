import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.replies.engine import Engine, PatternError, compiled, literals
from unlisted.replies.knowledge import shipped


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("blocked using", ("blocked using",)),
        ("blocked (?:using|by) zone", ("blocked ",)),
        ("(?:blocked|listed)? by (?:the )?(?:zone|rbl)", (" by ",)),
        ("a(?:b|c)?def|(?!long words)x{2}yes", ("def", "yes")),
        (r"\bspf\b|dkim", ("spf", "dkim")),
        ("abc|.", ()),
        ("colou?r", ("colo",)),
        ("x{2,3}abcd", ("abcd",)),
        ("(?:abc|defg)", ("abc", "defg")),
        (r"[abc|]def\.ghi", ("def.ghi",)),
        (r"1\d23456", ("23456",)),
    ],
)
def test_a_pattern_gives_the_literals_it_cannot_do_without(
    pattern: str, needed: tuple[str, ...]
) -> None:
    assert literals(pattern) == needed


def test_the_first_pattern_in_order_wins_not_the_first_in_the_text() -> None:
    engine = Engine(["later words", "early"])
    found = engine.first("early and later words")
    assert found is not None and found[0] == 0
    skipped = engine.first("early and later words", frozenset({0}))
    assert skipped is not None and skipped[0] == 1
    assert engine.first("nothing") is None


@pytest.mark.parametrize("pattern", ["a.*b", "(a+)+", "(?:x*)*", "(", "a" * 2000, "(?:[ab]+){2,}"])
def test_patterns_that_could_run_away_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


_PIECES = sorted({p for rule in shipped() for p in literals(rule.match)} | {" ", "x", "192.0.2.1"})


@given(st.lists(st.sampled_from(_PIECES), max_size=4).map(" ".join))
def test_the_prefilter_changes_no_answer(text: str) -> None:
    patterns = [rule.match for rule in shipped()]
    want = next((i for i, p in enumerate(patterns) if re.search(p, text)), None)
    found = Engine(patterns[:1]).first(text) if want == 0 else _ENGINE.first(text)
    assert (found[0] if found else None) == want


_ENGINE = Engine([rule.match for rule in shipped()])
