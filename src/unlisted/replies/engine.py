"""The matching engine: the first of many patterns, in their order, that matches a text.

The index names candidates, remembered for all texts of one gist, and `re` searches these. A pattern is taken apart into its alternatives, so that of a long one only those are searched whose
words occur. Neither can change what is found (tests hold the engine against plain `re`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from unlisted.replies.heads import address_places, begins_with_address, skippable
from unlisted.replies.index import Asked, Index, asked
from unlisted.replies.needs import literal
from unlisted.replies.patterns import branches, compiled

REMEMBERED = 4096
LONGEST_REMEMBERED = 512


class _Part(NamedTuple):
    """An alternative; a match holds `literal`. match: of one that begins with an address."""

    literal: str
    search: Callable[[str], re.Match[str] | None]
    match: Callable[[str, int], re.Match[str] | None] | None


class _Step:
    """What may match of one pattern; not looked at closely until it is its turn."""

    __slots__ = ("branches", "parts", "pattern")

    def __init__(self, pattern: int) -> None:
        self.pattern = pattern
        self.branches: list[int] = []
        self.parts: list[_Part] | None = None


class _Known:
    """What is known of a gist. plans: steps by the patterns they were asked among."""

    __slots__ = ("candidates", "gist", "plans", "words")

    def __init__(self, gist: bytes, candidates: list[int]) -> None:
        self.gist = gist
        self.candidates = candidates
        self.plans: dict[frozenset[int], list[_Step]] = {}
        self.words: list[int] | None = None


class Read(NamedTuple):
    text: str
    known: _Known


def asked_by(
    patterns: Sequence[str], words: Sequence[str] = (), sample: Iterable[str] = ()
) -> Asked:
    """What an `Engine` is made with: a quarter of a second for a few hundred patterns. words:
    patterns that are only asked for in `occurring`."""
    return asked([*(branch for _, branch in _branches(patterns)), *words], sample)


def _part(branch: str) -> _Part:
    pattern = compiled(skippable(branch))
    match = pattern.match if begins_with_address(branch) else None
    return _Part(literal(branch), pattern.search, match)


_UNKNOWN: tuple[int, ...] = ()  # by identity


def _first_at(
    match: Callable[[str, int], re.Match[str] | None], text: str, places: Sequence[int]
) -> re.Match[str] | None:
    for place in places:
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
        self._known: dict[bytes, _Known] = {}

    def read(self, text: str) -> Read:
        gist = self._index.gist(text)
        known = self._known.get(gist)
        if known is None:
            known = _Known(gist, self._index.candidates(gist))
            if len(gist) <= LONGEST_REMEMBERED:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[gist] = known
        return Read(text, known)

    def first(self, read: Read, among: frozenset[int]) -> tuple[int, re.Match[str]] | None:
        """The first of these patterns that matches anywhere; its match."""
        text, known = read
        plan = known.plans.get(among)
        if plan is None:
            plan = known.plans[among] = self._planned(known.candidates, among)
        places: Sequence[int] | None = _UNKNOWN
        for step in plan:
            parts = step.parts
            if parts is None:
                parts = step.parts = self._close(step, known.gist)
            best: re.Match[str] | None = None
            for needed, search, match in parts:
                if needed in text:
                    if match is None:
                        found = search(text)
                    else:
                        if places is _UNKNOWN:
                            places = address_places(text)
                        found = search(text) if places is None else _first_at(match, text, places)
                    if found and (best is None or found.start() < best.start()):
                        best = found
                        if step.pattern not in self._grouped:
                            break
            if best:
                return step.pattern, best
        return None

    def occurring(self, read: Read) -> list[int]:
        """Which of `words` may match."""
        known = read.known
        if known.words is None:
            count = len(self._branches)
            known.words = [part - count for part in known.candidates if part >= count]
        return known.words

    def _planned(self, candidates: Sequence[int], among: frozenset[int]) -> list[_Step]:
        plan: list[_Step] = []
        for place in candidates:
            if place >= len(self._branches):
                break
            pattern, _ = self._branches[place]
            if pattern in among:
                if not plan or plan[-1].pattern != pattern:
                    plan.append(_Step(pattern))
                plan[-1].branches.append(place)
        return plan

    def _close(self, step: _Step, gist: bytes) -> list[_Part]:
        """The parts of a step whose phrases occur."""
        found = []
        for place in step.branches:
            if self._index.occurs(place, gist):
                part = self._parts[place]
                if part is None:
                    branch = self._branches[place][1]
                    part = self._parts[place] = _part(branch)
                found.append(part)
        return found
