"""The matching engine: which rules could match a text, and the first in order that does.

Two ways to the candidates, one answer: `Literals` asks for words a pattern cannot do without,
`Scanner` asks hyperscan for all loosened patterns in one pass. A candidate is then searched with
its own pattern by `re`, so neither way can change what is found (tests hold both against plain
`re`). Both also say which words of a second list occur, for the names of lists and operators.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from unlisted.replies.patterns import compiled, literals, loosened

# Patterns that match every text are no work for a scan: they are candidates always.
EVERYWHERE = ("^", ".", "")


class Candidates(Protocol):
    """In order: the patterns that may match a text (those of EVERYWHERE left out), and the words
    that may occur. May name too many, never too few."""

    def __call__(self, text: str) -> tuple[list[int], list[int]]: ...


class Engine:
    """Patterns in their order, over lower-cased texts with single spaces."""

    def __init__(self, patterns: Sequence[str], candidates: Candidates) -> None:
        self.candidates = candidates
        self._patterns = tuple(patterns)
        # Compiled at first use: a start from the cache must not pay for all of them.
        self._searches: list[Callable[[str], re.Match[str] | None] | None] = [None] * len(patterns)

    def first(self, text: str, ids: Sequence[int]) -> tuple[int, re.Match[str]] | None:
        """The first of `ids` that matches anywhere, and its match."""
        searches = self._searches
        for index in ids:
            search = searches[index]
            if search is None:
                search = searches[index] = compiled(self._patterns[index]).search
            found = search(text)
            if found:
                return index, found
        return None


class Literals:
    """Candidates by `in`: at once at hand, about 40 ns per pattern and text."""

    def __init__(self, patterns: Sequence[str], words: Sequence[str]) -> None:
        self._words = tuple(enumerate(words))
        self._entries = tuple(
            (index, literals(pattern))
            for index, pattern in enumerate(patterns)
            if pattern not in EVERYWHERE
        )

    def __call__(self, text: str) -> tuple[list[int], list[int]]:
        found = [
            index
            for index, needed in self._entries
            if not needed or any(literal in text for literal in needed)
        ]
        return found, [index for index, word in self._words if word in text]


class Scanner:
    """Candidates by hyperscan. Its scratch space serves one scan at a time, and a scan lets other
    threads run: each takes one from a stack (pop and append are atomic) or makes its own."""

    def __init__(self, database: Any, patterns: int, always: Sequence[int]) -> None:
        self._database = database
        self._count = patterns
        self._always = tuple(always)
        self._scratches: list[Any] = []

    def __call__(self, text: str) -> tuple[list[int], list[int]]:
        hits: list[int] = []
        try:
            scratch = self._scratches.pop()
        except IndexError:
            import hyperscan

            scratch = hyperscan.Scratch(self._database)
        self._database.scan(
            text.encode("utf-8", "replace"),
            match_event_handler=_hit,
            context=hits,
            scratch=scratch,
        )
        self._scratches.append(scratch)
        hits += self._always
        hits.sort()
        if not hits or hits[-1] < self._count:
            return hits, []
        cut = next(place for place, index in enumerate(hits) if index >= self._count)
        return hits[:cut], [index - self._count for index in hits[cut:]]


def _hit(index: int, begin: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(index)


def scan_database(patterns: Sequence[str], words: Sequence[str]) -> tuple[bytes, tuple[int, ...]]:
    """A serialised hyperscan database of patterns and words, and the patterns it could not take,
    which are then candidates for every text. Takes a second or two."""
    import hyperscan

    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_ALLOWEMPTY
    wanted: list[tuple[int, bytes]] = []
    always: list[int] = []
    for index, pattern in enumerate(patterns):
        if pattern in EVERYWHERE:
            continue
        loose = loosened(pattern).encode()
        try:
            hyperscan.Database().compile(expressions=[loose], flags=[flags])
        except hyperscan.error:
            always.append(index)
        else:
            wanted.append((index, loose))
    for index, word in enumerate(words):
        bounded = f"(?:^|[^a-z0-9]){re.escape(word)}(?:[^a-z0-9]|$)"
        wanted.append((len(patterns) + index, bounded.encode()))
    database = hyperscan.Database()
    database.compile(
        expressions=[expression for _, expression in wanted],
        ids=[index for index, _ in wanted],
        flags=[flags] * len(wanted),
    )
    return hyperscan.dumpb(database), tuple(always)


def scan_platform() -> str:
    """What a database depends on besides its patterns: hyperscan's version and the processor."""
    import hyperscan

    probe = hyperscan.Database()
    probe.compile(expressions=[b"a"], flags=[0])
    return str(probe.info())


def scanner(serialised: bytes, patterns: int, always: Sequence[int]) -> Scanner:
    """Refuses (ValueError) a database of another version or processor."""
    import hyperscan

    try:
        database = hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK)
    except hyperscan.error as exc:
        raise ValueError(f"no database for here: {type(exc).__name__}") from exc
    return Scanner(database, patterns, always)
