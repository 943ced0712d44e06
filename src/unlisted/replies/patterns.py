"""The patterns of the rules, read as text: which are safe, what each cannot do without.

`compiled` refuses what could take more than linear time, as far as a look at the text of a pattern
can tell. `literals` gives words one of which every match holds. `loosened` gives a pattern for
hyperscan that matches wherever the pattern does, and little besides. Patterns are for `re`, over
lower-cased text with single spaces.
"""

import re

MIN_LITERAL = 3
MAX_PATTERN = 4000
MAX_LITERALS = 40
# A repeat with a higher bound has none for hyperscan: 60 counted repeats of 80 take it minutes.
MAX_COUNTED = 6


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


def literals(pattern: str) -> tuple[str, ...]:
    """Literals one of which every match must contain; () if none can be told."""
    found, _ = _alternatives(pattern, 0)
    if not found or any(len(literal) < MIN_LITERAL for literal in found):
        return ()
    return found


def loosened(pattern: str) -> str:
    """A pattern without groups' names, assertions and high bounds: it matches every ASCII text that
    `pattern` matches (words and digits of others are another matter for hyperscan than for `re`).
    What it catches beyond that, a search with `pattern` must tell."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        i = _loosened_item(pattern, i, out)
    return "".join(out)


def _loosened_item(pattern: str, i: int, out: list[str]) -> int:
    """Appends what stands at place i, its quantifier included; the place after it."""
    char = pattern[i]
    if char in "|)^$":
        out.append(char)
        i += 1
        return i if char != ")" else _loosened_repeat(pattern, i, out)
    if char == "(":
        if _is_around(pattern, i):
            return _quantifier(pattern, _around_end(pattern, i))[2]
        out.append("(?:")
        return _group_start(pattern, i)
    end = i + 1
    if char == "\\":
        end = i + 2
        out.append(pattern[i:end])
    elif char == "[":
        end = _class_end(pattern, i)
        # "[" inside a class opens a POSIX class for hyperscan.
        body = re.sub(r"\\.|\[", _escaped_bracket, pattern[i + 1 : end - 1])
        out.append(f"[{body}]")
    else:
        out.append(char)
    return _loosened_repeat(pattern, end, out)


def _escaped_bracket(found: re.Match[str]) -> str:
    return r"\[" if found[0] == "[" else found[0]


def _loosened_repeat(pattern: str, i: int, out: list[str]) -> int:
    _, _, end = _quantifier(pattern, i)
    repeat = pattern[i:end]
    if repeat[:1] == "{":
        low, _, high = repeat[1 : repeat.index("}")].partition(",")
        if not high or int(high) > MAX_COUNTED:
            few = int(low or 0)
            counted = bool(high) or "," in repeat
            repeat = ("+" if few else "*") if counted or few > MAX_COUNTED else f"{{{few}}}"
    elif len(repeat) > 1:
        repeat = repeat[0]  # lazy or not decides where a match ends, not whether there is one
    if repeat.endswith("?") and len(repeat) > 1:
        repeat = repeat[:-1]
    out.append(repeat)
    return end


def _is_around(pattern: str, i: int) -> bool:
    return pattern.startswith(("(?!", "(?=", "(?<!", "(?<="), i)


def _around_end(pattern: str, i: int) -> int:
    """The place after the bracket that closes the group at i."""
    depth = 0
    while True:
        char = pattern[i]
        if char == "\\":
            i += 1
        elif char == "[":
            i = _class_end(pattern, i) - 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1


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
            around = _is_around(pattern, i)
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
