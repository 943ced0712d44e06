"""The matching engine: the first of many patterns, in their order, that matches a text.

The index names candidates, remembered for all texts of one gist, and `re` searches these. A pattern
is taken apart into its alternatives, so that of a long one only those are searched whose words
occur; of a wording that keeps coming, only those of which there is no proof that they cannot match.
None of this can change what is found (tests hold the engine against plain `re`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from unlisted.replies.automaton import may_match
from unlisted.replies.heads import address_places, begins_with_address, skippable
from unlisted.replies.index import Asked, Gist, Index, asked, joined, words_in
from unlisted.replies.needs import literal
from unlisted.replies.patterns import branches, compiled
from unlisted.replies.places import TELLING, Place, places_of
from unlisted.replies.wording import Masks, Wording, skeleton_of

REMEMBERED = 1024
PROVED_AT = 8  # uses of a wording
LONGEST_REMEMBERED = 512
# Addresses at which one pattern is tried: no mail server's reply names so many, and a text of
# nothing else would be searched from each to its end.
MOST_PLACES = 64


_Search = Callable[[str], re.Match[str] | None]
_Match = Callable[[str, int], re.Match[str] | None]
Groups = tuple[str, ...]


class Found(msgspec.Struct, frozen=True, gc=False):
    """groups: the names of those of the match, in their order, without numbers."""

    pattern: int
    match: re.Match[str]
    groups: Groups


class _Part(NamedTuple):
    """An alternative of a pattern; a match holds `literal`. match: of one that begins with an
    address."""

    pattern: int
    branch: str
    literal: str
    search: _Search
    match: _Match | None
    groups: Groups


# An alternative in its turn, as it is searched, and whether the next one is of the same pattern and
# has to be asked too.
_Row = tuple[str, _Search, _Match | None, Groups, int, bool]


class _Plan:
    """What to search a wording for. rows: of `parts`, in their order, as far as it ever got; rest: the
    patterns beyond. age: how often used, and how many parts were looked at more closely since
    then."""

    __slots__ = ("age", "parts", "rest", "rows")

    def __init__(
        self, rows: tuple[_Row, ...], parts: tuple[_Part, ...], rest: tuple[int, ...], age: int = 0
    ) -> None:
        self.rows = rows
        self.parts = parts
        self.rest = rest
        self.age = age


class _Known:
    """What is known of a gist. places: of each pattern the alternatives that may match; parts: those
    whose phrases occur; told: of wordings that are not known any better."""

    __slots__ = ("line", "parts", "places", "told", "words")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.told = Told(self, None)
        self.places: dict[int, list[int]] = {}
        self.parts: dict[int, tuple[_Part, ...]] = {}
        self.words: list[int] = []


class Told:
    """What is known of a wording; of None, that is one beyond ASCII, nothing but its gist. plans: by
    the patterns they are of; addresses: `places_of`, once it has come often enough."""

    __slots__ = ("addresses", "known", "plans", "wording")

    def __init__(self, known: _Known, wording: Wording | None) -> None:
        self.known = known
        self.wording = wording
        self.addresses: tuple[Place, ...] | None = None
        self.plans: dict[frozenset[int], _Plan] = {}


class Read(msgspec.Struct, frozen=True, gc=False):
    """tokens: the text as its spaces part it."""

    text: str
    tokens: list[str]
    told: Told


def asked_by(
    patterns: Sequence[str], words: Sequence[str] = (), sample: Iterable[str] = ()
) -> Asked:
    """What an `Engine` is made with: a quarter of a second for a few hundred patterns. words:
    patterns that are only asked for in `occurring`."""
    return asked([*(branch for _, branch in _branches(patterns)), *words], sample)


def _part(number: int, branch: str) -> _Part:
    pattern = compiled(skippable(branch))
    match = pattern.match if begins_with_address(branch) else None
    names = {place: name for name, place in pattern.groupindex.items()}
    # "ip", "ip2", "ip3": a group's name may stand once in a pattern.
    groups = tuple(names.get(place, "").rstrip("23456") for place in range(1, pattern.groups + 1))
    return _Part(number, branch, literal(branch), pattern.search, match, groups)


def _first_at(match: _Match, text: str, places: Sequence[int]) -> re.Match[str] | None:
    for place in places[:MOST_PLACES]:
        found = match(text, place)
        if found:
            return found
    return None


def _branches(patterns: Sequence[str]) -> list[tuple[int, str]]:
    return [(i, branch) for i, pattern in enumerate(patterns) for branch in branches(pattern)]


class Engine:
    """Patterns in their order, over lower-cased texts with single spaces."""

    def __init__(self, patterns: Sequence[str], asked: Asked) -> None:
        """asked: by `asked_by`, of the same patterns."""
        self._branches = _branches(patterns)
        self._index = Index(asked)
        # Without groups it is all the same which alternative matched, and where.
        self._grouped = frozenset(i for i, pattern in enumerate(patterns) if "(?P<" in pattern)
        # Made at first use: a start must not pay for all of them.
        self._parts: list[_Part | None] = [None] * len(self._branches)
        self._known: dict[Gist, _Known] = {}
        self.masks = Masks(asked.words, self._index.kept, TELLING)
        self._told: dict[Wording, Told] = {}

    def read(self, text: str, words: Sequence[bytes] | None = None) -> Read:
        """words: by `words_in`, if the caller has them already."""
        tokens = text.split(" ")
        if not text.isascii():
            return Read(text, tokens, self._learnt(words or words_in(text)).told)
        wording = self.masks.of(tokens)
        told = self._told.get(wording)
        if told is None or told.wording is None:
            told = self._met(wording, words or words_in(text), len(text), told)
        return Read(text, tokens, told)

    def _met(
        self, wording: Wording, words: Sequence[bytes], length: int, told: Told | None
    ) -> Told:
        """A wording has something of its own from the second time on: many come once."""
        told = self._learnt(words).told if told is None else Told(told.known, wording)
        if length <= LONGEST_REMEMBERED:
            if len(self._told) >= REMEMBERED:
                self._told.clear()
            self._told[wording] = told
        return told

    def _learnt(self, words: Sequence[bytes]) -> _Known:
        gist = self._index.gist(words)
        known = self._known.get(gist)
        if known is None:
            line = joined(gist)
            known = _Known(line)
            for place in self._index.candidates(gist):
                if place < len(self._branches):
                    known.places.setdefault(self._branches[place][0], []).append(place)
                else:
                    known.words.append(place - len(self._branches))
            if len(line) <= LONGEST_REMEMBERED:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[gist] = known
        return known

    def first(self, read: Read, among: frozenset[int]) -> Found | None:
        """The first of these patterns that matches anywhere; its match."""
        text, told = read.text, read.told
        plan = told.plans.get(among)
        if plan is None:
            plan = _Plan((), (), tuple(one for one in told.known.places if one in among))
            told.plans[among] = plan
        elif plan.age < PROVED_AT + len(plan.parts):
            plan = self._aged(told, among, plan, plan.age)
        found = self._in_rows(text, plan.rows)
        while found is None and plan.rest:
            parts = self._occurring_parts(told.known, plan.rest[0])
            rows = self._rows(parts)
            # A new one: another thread may be reading the old one.
            plan = _Plan(plan.rows + rows, plan.parts + parts, plan.rest[1:])
            told.plans[among] = plan
            found = self._in_rows(text, rows)
        return found

    def _in_rows(self, text: str, rows: Sequence[_Row]) -> Found | None:
        places: Sequence[int] | None = None
        best: re.Match[str] | None = None
        for needed, search, match, groups, pattern, more in rows:
            if needed in text:
                if match is None:
                    found = search(text)
                else:
                    if places is None:
                        places = address_places(text)
                    found = _first_at(match, text, places)
                if found is not None and (best is None or found.start() < best.start()):
                    best, named = found, groups
            if best is not None and not more:
                return Found(pattern, best, named)
        return None

    def occurring(self, read: Read) -> list[int]:
        """Which of `words` may match."""
        return read.told.known.words

    def _occurring_parts(self, known: _Known, pattern: int) -> tuple[_Part, ...]:
        """The alternatives whose phrases occur."""
        parts = known.parts.get(pattern)
        if parts is None:
            occur = self._index.occurs
            places = known.places[pattern]
            parts = tuple(self._part(place) for place in places if occur(place, known.line))
            known.parts[pattern] = parts
        return parts

    def _rows(self, parts: Sequence[_Part]) -> tuple[_Row, ...]:
        after = [part.pattern for part in parts[1:]] + [-1]
        return tuple(
            (*part[2:], part.pattern, part.pattern == other and other in self._grouped)
            for part, other in zip(parts, after, strict=False)
        )

    def _aged(self, told: Told, among: frozenset[int], plan: _Plan, age: int) -> _Plan:
        """A wording that keeps coming is worth a proof of what can match none of its texts: one
        part at each use, for none of them is to take long."""
        nth = age - PROVED_AT
        if told.wording is None or nth < 0:
            if nth == -1 and told.wording is not None:
                told.addresses = places_of(told.wording)
            plan.age = age + 1
        elif may_match(plan.parts[nth].branch, skeleton_of(told.wording, self._index.asks)):
            plan.age = age + 1
        else:
            parts = plan.parts[:nth] + plan.parts[nth + 1 :]
            plan = told.plans[among] = _Plan(self._rows(parts), parts, plan.rest, age)
        return plan

    def _part(self, place: int) -> _Part:
        part = self._parts[place]
        if part is None:
            part = self._parts[place] = _part(*self._branches[place])
        return part
