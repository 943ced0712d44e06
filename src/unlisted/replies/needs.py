"""What a pattern cannot do without: the words of every text it matches.

A text is seen as words: runs of the letters a to z and digits; whatever else stands between them
(other scripts included) is one gap. `needs` reads a pattern of operators/*.toml and gives groups of
phrases; a text that the pattern matches holds, of each group, at least one phrase: each of its
words within a word of the text, and from its edge on where the phrase has a gap there. That is
less than the pattern asks for, never more (tests hold it against `re`). The way of RE2's prefilter:
small sets of strings are multiplied out, large ones and what may be anything end a group.

Written in phrases: " " a gap or the text's edge, BEYOND a character beyond ASCII.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from unlisted.replies.patterns import (
    around_end,
    class_end,
    class_parts,
    group_start,
    is_around,
    quantifier,
)

BEYOND = "\x80"
MAX_PHRASES = 48  # of a group that may still grow
MAX_GROUP = 256
MAX_REPEATED = 8
SHORTEST = 3  # letters of what may be part of a word

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_DIGITS = frozenset("0123456789")
_CLASSES = {
    "w": _LETTERS,
    "S": _LETTERS,
    "d": _DIGITS,
    "D": _LETTERS - _DIGITS,
}
_GAP = frozenset({" "})
_NOTHING = frozenset({""})
_Phrases = frozenset[str]
Word = tuple[str, bool, bool]  # and whether it begins and ends at a gap


@dataclass(slots=True)
class _Part:
    """exact: all that the part can match, None if that is too much to tell. groups: what every
    match needs besides. opens, ends: every match begins or ends at a gap."""

    exact: _Phrases | None
    groups: list[_Phrases] = field(default_factory=list)
    opens: bool = False
    ends: bool = False


_ANYTHING = _Part(None)


def needs(pattern: str) -> list[tuple[str, ...]]:
    """Groups of phrases; none if nothing can be told."""
    part, _ = _alternation(pattern, 0)
    groups = dict.fromkeys(frozenset(map(_trimmed, group)) for group in _groups(part))
    return [tuple(sorted(group)) for group in groups]


@lru_cache(maxsize=16384)
def _trimmed(phrase: str) -> str:
    """The longest piece of a phrase made of words that tell."""
    if BEYOND in phrase:
        return BEYOND  # what stands beside it is not looked for
    pieces = phrase.split(" ")
    runs = [""]
    for place, piece in enumerate(pieces):
        begins, ends = place > 0, place < len(pieces) - 1
        if _tells(piece, begins, ends):
            runs[-1] += piece + " " * ends
        else:
            runs.append(" " * ends)
    return max(runs, key=len)


def literal(pattern: str) -> str:
    """The one run of characters, as they are written, that tells most of all that every match
    holds; "" if there is none."""
    runs = [""]
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "|":
            return ""
        start = i
        _, i = _item(pattern, i) if char in "([\\" else (None, i + 1)
        low, high, end = quantifier(pattern, i)
        if char == "\\" and not pattern[start + 1].isalnum():
            char = pattern[start + 1]
        elif char in "([\\.^$":
            char = ""
        if char and low == high == 1:
            runs[-1] += char
        else:
            runs.append("")
        i = end
    return max(runs, key=_told)


def _told(run: str) -> tuple[bool, int]:
    return any(not one.isalpha() for one in run if one != " "), len(run)


@lru_cache(maxsize=16384)
def words_of(phrase: str) -> tuple[Word, ...]:
    """The words of a phrase, those too short to tell left out."""
    if BEYOND in phrase:
        return ((BEYOND, True, True),)
    pieces = phrase.split(" ")
    last = len(pieces) - 1
    words = ((piece, place > 0, place < last) for place, piece in enumerate(pieces))
    return tuple(word for word in words if _tells(*word))


def _tells(piece: str, begins: bool, ends: bool) -> bool:
    """Numbers do not: there are too many of them in texts."""
    if not piece or piece.isdigit():
        return False
    return len(piece) >= SHORTEST or (begins and ends)


def _is_useful(group: _Phrases) -> bool:
    return all(words_of(phrase) for phrase in group)


def _alternation(pattern: str, i: int) -> tuple[_Part, int]:
    """One alternation up to its closing bracket, and where that is."""
    branches = []
    while True:
        part, i = _sequence(pattern, i)
        branches.append(part)
        if i >= len(pattern) or pattern[i] == ")":
            break
        i += 1
    if len(branches) == 1:
        return branches[0], i
    told = [_groups(part) for part in branches]
    exact: _Phrases = frozenset().union(*(part.exact or () for part in branches))
    whole = all(part.exact is not None for part in branches) and len(exact) <= MAX_PHRASES
    groups = []
    if all(told):
        # The best group of each branch together, then the second best.
        for nth in range(min(2, max(map(len, told)))):
            united = frozenset().union(*(one[nth % len(one)] for one in told))
            if len(united) <= MAX_GROUP:
                groups.append(united)
    if whole:
        return _Part(exact, groups[1:]), i
    return _Part(None, groups, all(map(_opens, branches)), all(map(_ends, branches))), i


def _groups(part: _Part) -> list[_Phrases]:
    """Useful groups, those that tell most first."""
    groups = part.groups if part.exact is None else [part.exact, *part.groups]
    return sorted(filter(_is_useful, groups), key=_worth, reverse=True)


@lru_cache(maxsize=4096)
def _worth(group: _Phrases) -> tuple[int, int]:
    return min(max(len(word) for word, _, _ in words_of(one)) for one in group), -len(group)


def _opens(part: _Part) -> bool:
    return part.opens if part.exact is None else all(one[:1] == " " for one in part.exact)


def _ends(part: _Part) -> bool:
    return part.ends if part.exact is None else all(one[-1:] == " " for one in part.exact)


def _sequence(pattern: str, i: int) -> tuple[_Part, int]:
    groups: list[_Phrases] = []
    sofar = _NOTHING
    opens = False
    whole = True  # nothing but `sofar` yet

    def ended(beside: bool) -> None:
        """`sofar` is a group; beside: what follows begins at a gap."""
        nonlocal sofar, opens, whole
        if whole:
            opens = all(one[:1] == " " for one in sofar)
        whole = False
        groups.append(_joined(sofar, _GAP) if beside else sofar)
        sofar = _GAP if all(one[-1:] == " " for one in sofar) else _NOTHING

    while i < len(pattern) and pattern[i] not in "|)":
        part, i = _item(pattern, i)
        low, high, i = quantifier(pattern, i)
        exact = _repeated(part.exact, low, high)
        if exact is not None:
            if len(sofar) * len(exact) > MAX_PHRASES:
                ended(beside=all(one[:1] == " " for one in exact))
            if low and len(sofar) > 1 and exact != _GAP:
                groups.append(exact)
            sofar = _joined(sofar, exact)
            continue
        if low and part.exact and len(sofar) * len(part.exact) <= MAX_PHRASES:
            sofar = _joined(sofar, part.exact)  # the first of many
            ended(beside=False)
        else:
            ended(beside=low > 0 and _opens(part))
        if low:
            groups.extend(_groups(part))
        sofar = _GAP if _ends(part) and (low or sofar == _GAP) else _NOTHING
    if whole:
        return _Part(sofar, groups), i
    groups.append(sofar)
    return _Part(None, groups, opens, all(one[-1:] == " " for one in sofar)), i


def _joined(before: _Phrases, after: _Phrases) -> _Phrases:
    if before == _NOTHING:
        return after
    return frozenset(
        one + (other[1:] if one[-1:] == other[:1] == " " else other)
        for one in before
        for other in after
    )


def _repeated(exact: _Phrases | None, low: int, high: int | None) -> _Phrases | None:
    """All that so many of them match; None if too much."""
    if exact is None:
        return None
    if exact <= {" ", ""}:
        low, high = min(low, 1), 1
    if high is None or len(exact) ** high > (MAX_PHRASES if high == 1 else MAX_REPEATED):
        return None
    found: _Phrases = frozenset()
    power = _NOTHING
    for times in range(high + 1):
        if times >= low:
            found |= power
        power = _joined(power, exact)
    return found


@lru_cache(maxsize=4096)
def _group(body: str) -> _Part:
    return _alternation(body, 0)[0]


# Two short cuts for most of what there is: letters up to what may be repeated, lists of words.
_PLAIN = re.compile(r"[a-z ]+(?![?*+{])")
_LIST = re.compile(r"\(\?:([a-z |]+)\)")


def _item(pattern: str, i: int) -> tuple[_Part, int]:
    """What stands at place i without its quantifier; the place after it."""
    plain = _PLAIN.match(pattern, i)
    if plain:
        return _Part(frozenset({plain[0]})), plain.end()
    listed = _LIST.match(pattern, i)
    if listed and listed[1].count("|") < MAX_PHRASES:
        return _Part(frozenset(listed[1].split("|"))), listed.end()
    char = pattern[i]
    if char == "(":
        if is_around(pattern, i):
            return _Part(_NOTHING), around_end(pattern, i)
        end = around_end(pattern, i)
        return _group(pattern[group_start(pattern, i) : end - 1]), end
    if char == "[":
        end = class_end(pattern, i)
        return _class(pattern[i + 1 : end - 1]), end
    if char == "\\":
        return _escaped(pattern[i + 1]), i + 2
    if char == ".":
        return _ANYTHING, i + 1
    return _Part(frozenset({_char(char)})), i + 1  # "^" and "$" are edges


def _char(char: str) -> str:
    if char in _LETTERS:
        return char
    return " " if char.isascii() else f" {BEYOND} "


def _escaped(char: str) -> _Part:
    if char == "d":
        return _Part(_DIGITS | _GAP)  # of other scripts too
    if char in _CLASSES:
        return _ANYTHING
    if char == "B":
        return _Part(_NOTHING)
    return _Part(_GAP)  # "\b" beside a letter is an edge of its word


def _class(body: str) -> _Part:
    letters: set[str] = set()
    others = False
    for first, last in class_parts(body.removeprefix("^")):
        if first == "\\":
            letters |= _CLASSES.get(last, frozenset())
            others = True
        else:
            letters.update(one for one in _LETTERS if first <= one <= last)
            others = others or not (first in _LETTERS and last in _LETTERS)
    if body.startswith("^"):
        letters, others = set(_LETTERS - letters), True
    if len(letters) > len(_DIGITS):
        return _ANYTHING
    return _Part(frozenset(letters) | (_GAP if others else frozenset()))
