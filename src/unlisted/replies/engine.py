"""The matching engine: which patterns could match a text, and the first in order that does.

Two ways to the candidates, one answer: `Literals` asks for words a pattern cannot do without,
`Scanner` asks hyperscan for all loosened patterns in one pass. A candidate is then searched with
its own pattern by `re`, so neither way can change what is found (tests hold both against plain
`re`).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from unlisted.replies.patterns import compiled, literals, loosened

# Patterns that match every text are no work for a scan: whoever asks knows of them.
EVERYWHERE = ("^", ".", "")

# In order, the patterns that may match a text (those of EVERYWHERE left out): too many, never too
# few.
Candidates = Callable[[str], list[int]]


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
    """Candidates by `in`: at once at hand, about 40 ns per word and text."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._entries = tuple(
            (index, literals(pattern))
            for index, pattern in enumerate(patterns)
            if pattern not in EVERYWHERE
        )

    def __call__(self, text: str) -> list[int]:
        return [
            index
            for index, needed in self._entries
            if not needed or any(literal in text for literal in needed)
        ]


# What no pattern names and every "." and "[^x]" takes, as they take a character beyond ASCII.
_STRANGE = re.compile(r"[^\x00-\x7f]")


class Scanner:
    """Candidates by hyperscan. It sees ASCII alone: in other texts each character beyond it is one
    that no pattern names, and `beyond`, the patterns that do name such, are candidates for them. Its
    scratch space serves one scan at a time, and a scan lets other threads run: each takes one from
    a stack (pop and append are atomic) or makes its own."""

    def __init__(self, database: Any, beyond: Sequence[int], always: Sequence[int] = ()) -> None:
        self._database = database
        self._always = tuple(always)
        self._beyond = tuple(sorted({*beyond, *always}))
        self._scratches: list[Any] = []

    def __call__(self, text: str) -> list[int]:
        always = self._always
        if not text.isascii():
            text = _STRANGE.sub("\x01", text)
            always = self._beyond
        hits: list[int] = []
        try:
            scratch = self._scratches.pop()
        except IndexError:
            import hyperscan

            scratch = hyperscan.Scratch(self._database)
        self._database.scan(text.encode(), _hit, 0, hits, scratch)
        self._scratches.append(scratch)
        if always:
            return sorted({*hits, *always})
        hits.sort()
        return hits


def _hit(index: int, begin: int, end: int, flags: int, hits: list[int]) -> None:
    hits.append(index)


def scan_database(patterns: Sequence[str]) -> tuple[bytes, tuple[int, ...]]:
    """A serialised hyperscan database, and the patterns it could not take, which are then
    candidates for every text. Takes a second or two for a few hundred."""
    import hyperscan

    loose = {
        index: loosened(pattern).encode()
        for index, pattern in enumerate(patterns)
        if pattern not in EVERYWHERE
    }
    try:
        return hyperscan.dumpb(_database(loose)), ()
    except hyperscan.error:
        always = tuple(index for index, one in loose.items() if not _takes(one))
        return hyperscan.dumpb(_database({i: loose[i] for i in loose if i not in always})), always


def _database(loose: dict[int, bytes]) -> Any:
    import hyperscan

    one_each = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY
    # A "é?" must stay one character, though no ASCII text has it.
    flags = [one_each | (0 if one.isascii() else hyperscan.HS_FLAG_UTF8) for one in loose.values()]
    database = hyperscan.Database()
    database.compile(expressions=list(loose.values()), ids=list(loose), flags=flags)
    return database


def _takes(loose: bytes) -> bool:
    import hyperscan

    try:
        _database({0: loose})
    except hyperscan.error:
        return False
    return True


def scan_platform() -> str:
    """What a database depends on besides its patterns: hyperscan's version and the processor."""
    import hyperscan

    probe = hyperscan.Database()
    probe.compile(expressions=[b"a"], flags=[0])
    return str(probe.info())


def scanner(serialised: bytes, patterns: Sequence[str], always: Sequence[int] = ()) -> Scanner:
    """patterns: those the database was made of. Refuses (ValueError) a database of another version or processor."""
    import hyperscan

    try:
        database = hyperscan.loadb(serialised, hyperscan.HS_MODE_BLOCK)
    except hyperscan.error as exc:
        raise ValueError(f"no database for here: {type(exc).__name__}") from exc
    beyond = [index for index, pattern in enumerate(patterns) if not pattern.isascii()]
    return Scanner(database, beyond, always)
