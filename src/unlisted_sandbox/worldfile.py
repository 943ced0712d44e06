"""A world in one TOML file: its reader and what it refuses.

Reading reports all problems at once, each with file, line and what would be right; unknown keys
are refused. Knows no socket and draws no chance.
"""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from unlisted_sandbox.world import World
from unlisted_sandbox.world_keys import meaning
from unlisted_sandbox.world_rules import broken, near

WORLDS = Path(__file__).parent / "worlds"
PHRASES = Path(__file__).parent / "phrases"


class Problem(Struct, frozen=True):
    """One thing wrong with a file: where (line 0 = the file as a whole), and what would be right."""

    line: int
    where: str
    text: str


class WorldError(Exception):
    """A world file that cannot be used; carries every problem found, not the first."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}:{p.line or 1}: {p.where}: {p.text}" for p in problems))


def read(path: Path, seed: int | None = None) -> World:
    """The world in a file, with another seed when one is given; `WorldError` names all problems."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorldError(
            str(path), (Problem(0, "file", f"cannot be read ({error.strerror}); name a TOML file"),)
        ) from error
    world = parse(data, str(path))
    return world if seed is None else world.with_seed(seed)


def named(given: str) -> Path:
    """The file that is meant: a path, or the bare name of a world that ships."""
    bare = re.fullmatch(r"[a-z0-9-]{1,40}", given) is not None and not Path(given).exists()
    return WORLDS / f"{given}.toml" if bare else Path(given)


def shipped(name: str = "demo", seed: int | None = None) -> World:
    return read(WORLDS / f"{name}.toml", seed)


def parse(data: bytes, file: str = "world.toml") -> World:
    """The world in these bytes; `WorldError` names all problems."""
    if len(data) > 1 << 20:
        raise WorldError(file, (Problem(0, "file", "over 1 MiB; a world is a few kilobytes"),))
    try:
        text = data.decode()
        raw = tomllib.loads(text)
    except UnicodeDecodeError:
        raise WorldError(file, (Problem(0, "file", "not UTF-8; TOML is UTF-8 text"),)) from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        problem = Problem(int(at[1]) if at else 0, "file", f"not TOML: {error}")
        raise WorldError(file, (problem,)) from None
    except RecursionError:
        raise WorldError(file, (Problem(0, "file", "nested too deeply"),)) from None
    except ValueError as error:  # an integer of thousands of digits
        raise WorldError(file, (Problem(0, "file", f"not TOML: {error}"),)) from None
    lines = _lines(text)
    problems: list[Problem] = []
    world = _read_tables(raw, lines, problems)
    if world is not None:
        banks = sorted(bank.stem for bank in PHRASES.glob("*.toml"))
        for where, words in broken(world, banks):
            line = lines.get(where, lines.get(where.rpartition(".")[0], 0))
            problems.append(Problem(line, where, words))
    if problems or world is None:
        raise WorldError(file, tuple(sorted(problems, key=lambda p: (p.line, p.where, p.text))))
    return world


def _lines(text: str) -> dict[str, int]:
    """Line of each table and key, as `lists.0.zone`. tomllib does not say; a line scan is enough,
    as no value here is written as an inline table."""
    found: dict[str, int] = {}
    seen: dict[str, int] = {}
    table, fence = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            fence = "" if fence in line else fence
            continue
        if head := re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line):
            table = head[2]
            if head[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = f"{table}.{seen[table]}"
            found.setdefault(table, number)
        elif key := re.match(r"\s*([\w-]+)\s*=(.*)", line):
            found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
            for mark in ('"""', "'''"):
                if key[2].count(mark) == 1:
                    fence = mark
    return found


def _read_tables(
    raw: dict[str, Any], lines: dict[str, int], problems: list[Problem]
) -> World | None:
    before = len(problems)
    values: dict[str, Any] = {}
    hints = get_type_hints(World)
    for name in raw:
        if name not in hints:
            problems.append(Problem(lines.get(name, 0), name, "no such table" + near(name, hints)))
    for field in msgspec.structs.fields(World):
        kind = hints[field.name]
        many = get_origin(kind) is tuple
        struct = get_args(kind)[0] if many else kind
        if field.name not in raw:
            if field.required:
                problems.append(Problem(0, field.name, f"missing; write a table [{field.name}]"))
            continue
        given = raw[field.name]
        if not isinstance(given, list if many else dict):
            right = f"[[{field.name}]]" if many else f"[{field.name}]"
            problems.append(Problem(lines.get(field.name, 0), field.name, f"write it as {right}"))
        elif many:
            values[field.name] = tuple(
                _read_table(struct, row, f"{field.name}.{n}", lines, problems)
                for n, row in enumerate(given)
            )
        else:
            values[field.name] = _read_table(struct, given, field.name, lines, problems)
    return World(**values) if len(problems) == before else None


def _read_table(
    struct: type[Struct], row: Any, where: str, lines: dict[str, int], problems: list[Problem]
) -> Any:
    if not isinstance(row, dict):
        problems.append(Problem(lines.get(where, 0), where, "not a table of keys"))
        return None
    hints = get_type_hints(struct, include_extras=True)
    before = len(problems)
    values: dict[str, Any] = {}
    for name in row:
        if name not in hints:
            at = lines.get(f"{where}.{name}", lines.get(where, 0))
            problems.append(Problem(at, f"{where}.{name}", "no such key" + near(name, hints)))
    for field in msgspec.structs.fields(struct):
        path = f"{where}.{field.name}"
        at = lines.get(path, lines.get(where, 0))
        if field.name not in row:
            if field.required:
                problems.append(Problem(at, path, f"missing; give {meaning(field.type)}"))
            continue
        try:
            value = msgspec.convert(row[field.name], field.type)
            if not _finite(value):
                raise msgspec.ValidationError("Expected a finite number")
            values[field.name] = value
        except (msgspec.ValidationError, OverflowError) as error:
            said = re.sub(r"`", "", str(error))
            problems.append(Problem(at, path, f"{said} ({meaning(field.type)})"))
    return struct(**values) if len(problems) == before else None


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_finite(v) for v in value)
    return not isinstance(value, float) or math.isfinite(value)
