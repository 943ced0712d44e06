import pytest

from unlisted.replies.needs import BEYOND, literal, needs
from unlisted.replies.patterns import PatternError, branches, compiled


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("blocked using", ("blocked using",)),
        ("blocked (?:using|by) zone", ("blocked by zone", "blocked using zone")),
        (r"\bip\b", (" ip ",)),
        (r"\bspf\b|dkim", (" spf ", "dkim")),
        ("black-? ?list", ("black list", "blacklist")),
        ("gr[ea]ylist", ("graylist", "greylist")),
        ("colou?red", ("colored", "coloured")),
        ("(?:abc|de)fgh(?!long words)", ("abcfgh", "defgh")),
        (r"[^a-z0-9]zone[.:]", (" zone ",)),
        (r"code [45]", ("code ",)),
        ("ab listed", (" listed",)),
        ("level 3 listed", (" listed",)),
        ("(?:x{2,90}|yy)list", ("list",)),
        ("refus(?:é|ed)", (BEYOND, "refused")),
        ("(?P<list>abc|abd) .{0,40}", ("abc ", "abd ")),
    ],
)
def test_a_pattern_gives_the_phrases_it_cannot_do_without(
    pattern: str, first: tuple[str, ...]
) -> None:
    assert needs(pattern)[0] == tuple(sorted(first))


@pytest.mark.parametrize(
    "pattern", ["^", ".", "", "abc|.", r"\w{4}", r"[^\d]listed?|x", "(?:abc)?"]
)
def test_of_a_pattern_for_nearly_everything_nothing_is_needed(pattern: str) -> None:
    assert needs(pattern) == []


@pytest.mark.parametrize(
    ("pattern", "run"),
    [
        (r"sent from 127\.255\.255\.25[0-5]", "sent from 127.255.255.25"),
        ("long words [a-z]{1,9}@host", "@host"),
        ("(?:a|b) see\\: x?", " see: "),
        ("ab|abc", ""),
        ("x+abc?", "ab"),
    ],
)
def test_a_pattern_gives_the_characters_it_cannot_do_without(pattern: str, run: str) -> None:
    assert literal(pattern) == run


def test_the_alternatives_of_a_pattern_are_those_outside_of_brackets() -> None:
    assert branches(r"a(?:b|c)|[|]d\||(?<!x|y)e|") == [r"a(?:b|c)", r"[|]d\|", "(?<!x|y)e", ""]


@pytest.mark.parametrize(
    "pattern", ["a.*b", "(a+)+", "(?:x*)*", "(", "a" * 5000, "(?:[ab]+){2,}", r"(a)\1", "(?i)a"]
)
def test_patterns_that_could_run_away_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


def test_an_optional_bracket_before_a_group_is_no_condition() -> None:
    assert compiled(r"\(?(?P<list>x)").search("(x")
