"""Whether a pattern can match any text of one wording: no, or maybe.

A `Skeleton` is a text with some words left open: all that is known of such a word is which letters
and digits it may be made of, and that no word asked for (`index`) is in it. `may_match` walks a pattern over all places of a skeleton at once, as an
automaton without going back does, a set of places being the bits of one number. An open word may be
of any length. What it does not look at ("not after", "followed by", edges of words) it takes to
hold, so "no" is a proof for all texts of the skeleton, and "maybe" is all else (tests hold it
against `re`).
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from unlisted.replies.patterns import (
    around_end,
    branches,
    class_end,
    class_parts,
    group_start,
    is_around,
    quantifier,
)

DIGITS = frozenset("0123456789")
HEX = DIGITS | frozenset("abcdef")
LETTERS = DIGITS | frozenset("abcdefghijklmnopqrstuvwxyz")
_ASCII = frozenset(map(chr, range(128)))
_WORD = LETTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = frozenset(" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f")
_CLASSES = {
    "w": _WORD,
    "W": _ASCII - _WORD,
    "d": DIGITS,
    "D": _ASCII - DIGITS,
    "s": _SPACE,
    "S": _ASCII - _SPACE,
}
_Chars = frozenset[str]


Asks = Callable[[str, bool, bool], bool]


class Skeleton:
    """A text without anything beyond ASCII; a symbol that is a set of characters is an open word of
    these. asks: whether every word that holds these letters, or begins or ends with them, is asked
    for; none of those is open."""

    def __init__(self, symbols: Sequence[str | _Chars], asks: Asks = lambda *_: False) -> None:
        self.asks = asks
        self.last = 1 << len(symbols)
        self.everywhere = 2 * self.last - 1
        self.open = 0
        self._alphabets: dict[_Chars, int] = {}
        self._places: dict[str, int] = {}
        self._met: dict[_Chars, int] = {}
        for nth, symbol in enumerate(symbols):
            if isinstance(symbol, str):
                self._places[symbol] = self._places.get(symbol, 0) | 1 << nth
            else:
                self.open |= 1 << nth
                self._alphabets[symbol] = self._alphabets.get(symbol, 0) | 1 << nth

    def after(self, chars: _Chars, places: int) -> int:
        """Where one of these characters may have been passed, from these places."""
        met = self._met.get(chars)
        if met is None:
            met = 0
            for char, at in self._places.items():
                if char in chars:
                    met |= at
            for alphabet, at in self._alphabets.items():
                if not alphabet.isdisjoint(chars):
                    met |= at
            self._met[chars] = met
        places &= met
        return places << 1 | places & self.open  # or more of the same word is left


class _Node(NamedTuple):
    """One of: some characters; letters, and whether they begin or end a word; alternatives, each a
    sequence; "^" or "$"; what is not looked at. least, most: how often, None for any number."""

    chars: _Chars | None = None
    letters: tuple[str, bool, bool] | None = None
    ways: tuple[tuple["_Node", ...], ...] = ()
    edge: str = ""
    least: int = 1
    most: int | None = 1


def may_match(pattern: str, skeleton: Skeleton) -> bool:
    return any(_through(way, skeleton, skeleton.everywhere) for way in _parsed(pattern))


def _through(nodes: tuple[_Node, ...], skeleton: Skeleton, places: int) -> int:
    for node in nodes:
        if not places:
            break
        if node.least == node.most == 1:
            places = _once(node, skeleton, places)
        else:
            places = _repeated(node, skeleton, places)
    return places


def _repeated(node: _Node, skeleton: Skeleton, places: int) -> int:
    found = places if node.least == 0 else 0
    times = 0
    while places and (node.most is None or times < node.most):
        places = _once(node, skeleton, places)
        times += 1
        if times >= node.least:
            if not places & ~found:
                break
            found |= places
    return found


def _once(node: _Node, skeleton: Skeleton, places: int) -> int:
    if node.chars is not None:
        return skeleton.after(node.chars, places)
    if node.letters is not None:
        if skeleton.asks(*node.letters):
            places &= ~skeleton.open  # an open word would hold all of them
        for char in node.letters[0]:
            places = skeleton.after(_only(char), places)
        return places
    if node.ways:
        found = 0
        for way in node.ways:
            found |= _through(way, skeleton, places)
        return found
    if node.edge:
        return places & (1 if node.edge == "^" else skeleton.last)
    return places


@lru_cache(maxsize=4096)
def _parsed(pattern: str) -> tuple[tuple[_Node, ...], ...]:
    return tuple(map(_sequence, branches(pattern)))


def _sequence(branch: str) -> tuple[_Node, ...]:
    nodes = []
    i = 0
    while i < len(branch):
        if plain := _PLAIN.match(branch, i):
            nodes += _plain(plain[0])
            i = plain.end()
            continue
        node, i = _item(branch, i)
        least, most, i = quantifier(branch, i)
        nodes.append(node._replace(least=least, most=most))
    return tuple(nodes)


_PLAIN = re.compile(r"[a-z ]+(?![?*+{])")


def _plain(run: str) -> list[_Node]:
    nodes: list[_Node] = []
    pieces = run.split(" ")
    last = len(pieces) - 1
    for nth, piece in enumerate(pieces):
        if nth:
            nodes.append(_Node(_only(" ")))
        if piece:
            nodes.append(_Node(letters=(piece, nth > 0, nth < last)))
    return nodes


def _item(branch: str, i: int) -> tuple[_Node, int]:
    """What stands at place i without its quantifier; the place after it."""
    char = branch[i]
    if char == "(":
        end = around_end(branch, i)
        if is_around(branch, i):
            return _Node(), end
        return _Node(ways=_parsed(branch[group_start(branch, i) : end - 1])), end
    if char == "[":
        end = class_end(branch, i)
        return _Node(_class(branch[i + 1 : end - 1])), end
    if char == "\\":
        escaped = branch[i + 1]
        if escaped in "bB":
            return _Node(), i + 2
        return _Node(_escaped(escaped)), i + 2
    if char in "^$":
        return _Node(edge=char), i + 1
    return _Node(_ASCII if char == "." else _only(char)), i + 1


def _escaped(char: str) -> _Chars:
    if char in _CLASSES:
        return _CLASSES[char]
    # "\n" and the like are in no text.
    return frozenset() if char.isalnum() else _only(char)


@lru_cache(maxsize=256)
def _only(char: str) -> _Chars:
    return frozenset(char)


@lru_cache(maxsize=1024)
def _class(body: str) -> _Chars:
    found: set[str] = set()
    for first, last in class_parts(body.removeprefix("^")):
        if first == "\\":
            found |= _escaped(last)
        else:
            found.update(one for one in _ASCII if first <= one <= last)
    return _ASCII - found if body.startswith("^") else frozenset(found)
