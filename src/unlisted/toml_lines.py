"""Where each key of a TOML text stands: its line. tomllib keeps no positions, and a problem needs one.

Knows headers, dotted and quoted keys, lists and strings over several lines. What it cannot place has
no line of its own. `overlong` finds what should not be parsed at all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

MAX_LINE = 8192
MAX_KEY_PARTS = 32

Lines = dict[tuple[str | int, ...], int]

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")
_TRIPLE = re.compile(r'"""|\'\'\'')


def overlong(text: str) -> tuple[int, str] | None:
    """The first line that tomllib should not be given, and why: it takes the square of a dotted
    key's length, half a second for 64 KB of "a.a.a."."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            return number, f"longer than {MAX_LINE} characters"
        key = line.partition("=")[0]
        if key.count(".") > MAX_KEY_PARTS and not any(mark in key for mark in "\"'#"):
            return number, f"a key of more than {MAX_KEY_PARTS} parts"
    return None


def key_lines(text: str) -> Lines:
    """The line of each table and key, tables of an array by index. tomllib keeps no positions.

    Knows headers, dotted and quoted keys, lists and strings over several lines. An inline table
    counts as one place: its keys are found at its line.
    """
    lines: Lines = {}
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    depth = 0
    quote = ""
    open_path: tuple[str | int, ...] = ()
    item = 0
    for number, line in enumerate(text.splitlines(), 1):
        rest = line
        if not quote and not depth:
            header = _HEADER.match(line)
            key = None if header else _key(line)
            if header:
                path = _resolved(_parts(header[2]), counts)
                if header[1] == "[[":
                    index = counts.get(path, -1) + 1
                    counts[path] = index
                    lines.setdefault(path, number)
                    path = (*path, index)
                table = path
                lines.setdefault(path, number)
                continue
            if key is None:
                continue
            open_path = (*table, *key[0])
            for end in range(len(table) + 1, len(open_path) + 1):
                lines.setdefault(open_path[:end], number)
            rest = key[1]
            item = 0
        depth, quote, commas, starts = _scanned(rest, depth, quote)
        if starts:
            lines.setdefault((*open_path, item), number)
        for i in range(commas):
            lines.setdefault((*open_path, item + i), number)
        item += commas
    return lines


def _key(line: str) -> tuple[tuple[str, ...], str] | None:
    parts: list[str] = []
    at = 0
    while found := _PART.match(line, at):
        parts.append(_unescaped(found[1]) or found[2] or found[3] or "")
        at = found.end()
        if found[4] == "=":
            return tuple(parts), line[at:]
        if found[4] != ".":
            return None
    return None


def _parts(text: str) -> tuple[str, ...]:
    return tuple(_unescaped(one[0]) or one[1] or one[2] for one in _PART.findall(text))


def _unescaped(text: str | None) -> str:
    if not text or "\\" not in text:
        return text or ""
    try:
        (value,) = tomllib.loads(f'a = "{text}"').values()
    except tomllib.TOMLDecodeError:
        return text
    return str(value)


def _resolved(
    parts: tuple[str, ...], counts: Mapping[tuple[str | int, ...], int]
) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    for i, part in enumerate(parts):
        path = (*path, part)
        if path in counts and i + 1 < len(parts):
            path = (*path, counts[path])
    return path


def _scanned(text: str, depth: int, quote: str) -> tuple[int, str, int, bool]:
    """Bracket depth, open quote, commas in the outermost list, whether a value begins here."""
    commas = 0
    starts = False
    at = 0
    while at < len(text):
        if quote:
            end = text.find(quote, at)
            while end > 0 and quote[0] == '"' and _escaped(text, end):
                end = text.find(quote, end + 1)
            if end < 0:
                # A one-line string cannot stay open; only the triple ones go on.
                return depth, quote if len(quote) == 3 else "", commas, starts
            at = end + len(quote)
            quote = ""
            continue
        char = text[at]
        if char == "#":
            break
        if char in "\"'":
            starts = starts or depth == 1
            triple = text[at : at + 3]
            quote = triple if _TRIPLE.fullmatch(triple) else char
            at += len(quote)
            continue
        if char in "[{":
            depth += 1
        elif char in "]}":
            depth = max(0, depth - 1)
        elif char == "," and depth == 1:
            commas += 1
            starts = False
        elif not char.isspace():
            starts = starts or depth == 1
        at += 1
    return depth, quote, commas, starts


def _escaped(text: str, at: int) -> bool:
    count = 0
    while at - count > 0 and text[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


def line_of(lines: Lines, path: tuple[str | int, ...]) -> int:
    """The line of a key, else of the nearest table around it; 0: not in the file."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


def dotted(path: tuple[str | int, ...]) -> str:
    """A key's path as people write it: pools[1].helo."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part + 1}]"
        else:
            shown += ("." if shown else "") + part
    return shown
