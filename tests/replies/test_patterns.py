import pytest

from unlisted.replies.patterns import PatternError, compiled, literals, loosened


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


@pytest.mark.parametrize(
    "pattern", ["a.*b", "(a+)+", "(?:x*)*", "(", "a" * 5000, "(?:[ab]+){2,}", r"(a)\1", "(?i)a"]
)
def test_patterns_that_could_run_away_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "loose"),
    [
        (r"client \[(?P<ip>[^\]]{1,255})\]", r"client \[(?:[^\]]+)\]"),
        (r"(?<![\w(])ip(?! not)", "ip"),
        (r"a{0,40}?b{2}c{3,6}d{7}e??f{2,}", r"a*b{2}c{3,6}d+e?f+"),
        (r"(?:list(?= at)|rbl)s?", r"(?:list|rbl)s?"),
        (r"[[a\]]x", r"[\[a\]]x"),
        (r"(?P<x>a|(b)){0,9}$", r"(?:a|(?:b))*$"),
        (r"(?!a(?:b[)]|c))d", "d"),
        (r"\bip\b [\w.]{1,40}[^\d]", r"\bip\b [\w.]+[^\d]"),
    ],
)
def test_a_loosened_pattern_has_no_groups_assertions_or_high_counts(
    pattern: str, loose: str
) -> None:
    assert loosened(pattern) == loose


def test_an_optional_bracket_before_a_group_is_no_condition() -> None:
    assert compiled(r"\(?(?P<list>x)").search("(x")
