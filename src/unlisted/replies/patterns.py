"""The patterns of the rules, read as text: which are safe, and where their parts end.

`compiled` refuses what could take more than linear time, as far as a look at the text of a pattern
can tell. Patterns are for `re`, over lower-cased text with single spaces.
"""

import re
from collections.abc import Iterator

MAX_PATTERN = 4000


class PatternError(ValueError):
    """The pattern cannot be used; the text says why."""


def compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    # A repeated group that itself ends in a repeat, and a dot without bound, are how a search
    # becomes quadratic or worse. Data files have no business with either.
    if re.search(r"[*+}]\)[*+{]", pattern):
        raise PatternError("a repeat inside a repeat")
    if re.search(r"(?<!\\)\.[*+]", pattern):
        raise PatternError("'.*' has no bound: write .{0,80}")
    if re.search(r"\\[1-9AZGgpPX]|(?<!\\)\(\?(?:P=|[aiLmsux(])", pattern):
        raise PatternError("back references, conditions, flags and \\A \\Z are not for rules")
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise PatternError(str(exc)) from exc


def branches(pattern: str) -> list[str]:
    """The alternatives of a pattern, each a pattern: the leftmost match of any of them, of several
    at one place the first one's, is the match of the whole."""
    found = []
    start = i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "|":
            found.append(pattern[start:i])
            start = i + 1
        if char == "(":
            i = around_end(pattern, i)
        elif char == "[":
            i = class_end(pattern, i)
        else:
            i += 2 if char == "\\" else 1
    return [*found, pattern[start:]]


def is_around(pattern: str, i: int) -> bool:
    return pattern.startswith(("(?!", "(?=", "(?<!", "(?<="), i)


def around_end(pattern: str, i: int) -> int:
    """The place after the bracket that closes the group at i."""
    depth = 0
    while True:
        char = pattern[i]
        if char == "\\":
            i += 1
        elif char == "[":
            i = class_end(pattern, i) - 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1


def group_start(pattern: str, i: int) -> int:
    for opening in ("(?:", "(?=", "(?!", "(?<=", "(?<!"):
        if pattern.startswith(opening, i):
            return i + len(opening)
    return pattern.index(">", i) + 1 if pattern.startswith("(?P<", i) else i + 1


def class_parts(body: str) -> Iterator[tuple[str, str]]:
    """What stands in a class, without its "^": (first, last) of each range, a letter being one of
    its own, and ("\\", letter) of each escape."""
    i = 0
    while i < len(body):
        first = last = body[i]
        if first == "\\":
            last = body[i + 1]
            i += 1
        elif body[i + 1 : i + 2] == "-" and i + 2 < len(body):
            last = body[i + 2]
            i += 2
        yield first, last
        i += 1


def quantifier(pattern: str, i: int) -> tuple[int, int | None, int]:
    """(at least, at most, the place after it) of what stands before place i."""
    char = pattern[i : i + 1]
    if char == "{":
        end = pattern.index("}", i)
        least, _, most = pattern[i + 1 : end].partition(",")
        low = int(least or 0)
        high = (int(most) if most else None) if "," in pattern[i:end] else low
        i = end
    elif char and char in "?*+":
        low, high = int(char == "+"), 1 if char == "?" else None
    else:
        return 1, 1, i
    i += 1
    return low, high, i + 1 if pattern[i : i + 1] == "?" else i


def class_end(pattern: str, start: int) -> int:
    i = start + 1
    if pattern[i : i + 1] == "^":
        i += 1
    if pattern[i : i + 1] == "]":
        i += 1
    while i < len(pattern) and pattern[i] != "]":
        i += 2 if pattern[i] == "\\" else 1
    return i + 1
