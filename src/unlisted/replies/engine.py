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
    """Literals one of which every match must contain; () if none can be told.

    Reads the top level only: groups, classes and optional characters end a literal.
    """
    branches: list[list[str]] = [[""]]
    depth = 0
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            following = pattern[i + 1 : i + 2]
            if depth == 0:
                if following.isalnum():
                    branches[-1].append("")
                else:
                    branches[-1][-1] += following
            i += 2
            continue
        if char == "[":
            i = _class_end(pattern, i)
            if depth == 0:
                branches[-1].append("")
            continue
        if char == "(":
            depth += 1
            if depth == 1:
                branches[-1].append("")
        elif char == ")":
            depth -= 1
        elif depth == 0:
            if char == "|":
                branches.append([""])
            elif char in "?*{":
                branches[-1][-1] = branches[-1][-1][:-1]
                branches[-1].append("")
                if char == "{":
                    i = pattern.find("}", i)
            elif char in "+.^$":
                branches[-1].append("")
            else:
                branches[-1][-1] += char
        i += 1
    best = [max(runs, key=len) for runs in branches]
    if any(len(literal) < MIN_LITERAL for literal in best):
        return ()
    return tuple(best)


def _class_end(pattern: str, start: int) -> int:
    i = start + 1
    if pattern[i : i + 1] == "^":
        i += 1
    if pattern[i : i + 1] == "]":
        i += 1
    while i < len(pattern) and pattern[i] != "]":
        i += 2 if pattern[i] == "\\" else 1
    return i + 1
