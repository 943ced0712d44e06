"""The matching engine: ordered patterns in, the first that matches out. Knows no meaning.

Built on `re`, behind `Engine.first` alone, so that another engine (one pass over all patterns)
can replace it. Each pattern is asked only if a literal it cannot do without occurs in the text:
about 40 ns instead of a search. Refuses patterns that could take more than linear time, as far as
a look at the text of the pattern can tell.
"""

import re
from collections.abc import Sequence

MIN_LITERAL = 3
MAX_PATTERN = 1500


class PatternError(ValueError):
    """The pattern cannot be used; the text says why."""


class Engine:
    """Patterns in their order; texts are expected lower-cased with single spaces."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._entries = [(index, literals(p), compiled(p)) for index, p in enumerate(patterns)]

    def first(
        self, text: str, skip: frozenset[int] = frozenset()
    ) -> tuple[int, re.Match[str]] | None:
        """The first pattern in order that matches anywhere, and its match."""
        for index, needed, pattern in self._entries:
            if index in skip:
                continue
            if needed:
                for literal in needed:
                    if literal in text:
                        break
                else:
                    continue
            found = pattern.search(text)
            if found:
                return index, found
        return None


def compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    # A repeated group that itself ends in a repeat, and a dot without bound, are how a search
    # becomes quadratic or worse. Data files have no business with either.
    if re.search(r"[*+}]\)[*+{]", pattern):
        raise PatternError("a repeat inside a repeat")
    if re.search(r"(?<!\\)\.[*+]", pattern):
        raise PatternError("'.*' has no bound: write .{0,80}")
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise PatternError(str(exc)) from exc


def literals(pattern: str) -> tuple[str, ...]:
    """Literals one of which every match must contain; () if none can be told."""
    found, _ = _alternatives(pattern, 0)
    if not found or any(len(literal) < MIN_LITERAL for literal in found):
        return ()
    return found


MAX_LITERALS = 40


def _alternatives(pattern: str, i: int) -> tuple[tuple[str, ...], int]:
    """The literals of one alternation up to its closing bracket, and where that is. Of each
    branch the part that asks for the longest literals counts; () if a branch has none."""
    union: list[str] = []
    parts: list[tuple[str, ...]] = []
    run = ""
    possible = True

    def ended() -> None:
        nonlocal run, possible
        if run:
            parts.append((run,))
        run = ""
        best = max(parts, key=lambda p: (min(map(len, p)), -len(p)), default=())
        parts.clear()
        possible = possible and bool(best)
        union.extend(literal for literal in best if literal not in union)

    while i < len(pattern) and pattern[i] != ")":
        char = pattern[i]
        if char == "|":
            ended()
            i += 1
            continue
        item: tuple[str, ...] = ()
        start = i
        if char == "\\":
            following = pattern[i + 1 : i + 2]
            i += 2
            item = () if following.isalnum() else (following,)
        elif char == "[":
            i = _class_end(pattern, i)
        elif char == "(":
            around = pattern.startswith(("(?!", "(?=", "(?<!", "(?<="), i)
            i = _group_start(pattern, i)
            item, i = _alternatives(pattern, i)
            i += 1
            if around:
                item = ()
        else:
            i += 1
            item = () if char in ".^$" else (char,)
        optional, repeated, i = _quantifier(pattern, i)
        literal_char = len(item) == 1 and pattern[start] != "("
        if literal_char and not optional:
            run += item[0]
        if not literal_char or optional or repeated:
            if run:
                parts.append((run,))
            run = ""
            if not literal_char and item and not optional:
                parts.append(item)
    ended()
    return (tuple(union) if possible and len(union) <= MAX_LITERALS else ()), i


def _group_start(pattern: str, i: int) -> int:
    for opening in ("(?:", "(?=", "(?!", "(?<=", "(?<!"):
        if pattern.startswith(opening, i):
            return i + len(opening)
    return pattern.index(">", i) + 1 if pattern.startswith("(?P<", i) else i + 1


def _quantifier(pattern: str, i: int) -> tuple[bool, bool, int]:
    """(may be absent, may repeat, the place after it) of what stands before place i."""
    optional = repeated = False
    if pattern[i : i + 1] in ("?", "*", "+"):
        optional = pattern[i] in "?*"
        repeated = pattern[i] in "*+"
        i += 1
    elif pattern[i : i + 1] == "{":
        end = pattern.index("}", i)
        optional = pattern[i + 1 : end].split(",")[0].strip() in ("", "0")
        repeated = True
        i = end + 1
    else:
        return False, False, i
    if pattern[i : i + 1] == "?":
        i += 1
    return optional, repeated, i


def _class_end(pattern: str, start: int) -> int:
    i = start + 1
    if pattern[i : i + 1] == "^":
        i += 1
    if pattern[i : i + 1] == "]":
        i += 1
    while i < len(pattern) and pattern[i] != "]":
        i += 2 if pattern[i] == "\\" else 1
    return i + 1
