"""The text of an `unlisted.toml` (TOML 1.0) gives a `Config`, or all problems at once.

Each problem has its line and what would be right; unknown names and wrong types are refused, and so
is what is too large to be one. Reading files is for `apps`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import Annotated, Any, get_args, get_origin

import msgspec

from unlisted import config_telling
from unlisted.config import Config
from unlisted.config_help import help_of, hints_of
from unlisted.config_rules import CHECKS
from unlisted.toml_lines import Lines, dotted, key_lines, line_of, overlong

MAX_BYTES = 1 << 20  # a configuration larger than this is some other file
MAX_PROBLEMS = 100  # with more, it is some other file as well
DEFAULT_FILE = "unlisted.toml"


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong: the line (0: the file as a whole), the setting, what would be right."""

    line: int
    setting: str
    text: str

    def shown(self, name: str) -> str:
        where = f"{name}:{self.line}" if self.line else name
        # One problem, one line, of a size to read: names and values in it are the file's.
        said = [_brief(one, 300) for one in (self.setting, self.text) if one]
        return ": ".join([where, *said])


def _brief(text: str, size: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= size else f"{text[: size // 2]}…{text[-size // 2 :]}"


class ConfigError(Exception):
    """All problems of one configuration, in order of their lines."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = sorted(problems, key=lambda p: (p.line, p.setting, p.text))
        super().__init__("\n".join(problem.shown(name) for problem in self.problems))


def parse(text: str, name: str = DEFAULT_FILE) -> tuple[Config, Lines]:
    """The configuration and the line of each of its keys. Raises ConfigError with all problems."""
    if len(text) > MAX_BYTES:
        raise ConfigError(name, [Problem(0, "", f"larger than {MAX_BYTES} bytes")])
    if too_much := overlong(text):
        raise ConfigError(name, [Problem(too_much[0], "", too_much[1])])
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # ValueError: also a number of 4,300 digits
        found = re.search(r"\(at line (\d+)", str(exc))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ConfigError(name, [Problem(line, "", f"not TOML: {exc}")]) from None
    lines = key_lines(text)
    reading = _Reading(lines, name)
    config = reading.struct(Config, data, ())
    if config is None:
        raise ConfigError(name, reading.problems)
    for check in (*CHECKS, config_telling.check):
        for path, words in check(config):
            if not reading.blames(path):
                reading.problem(path, words)
    if reading.problems:
        raise ConfigError(name, reading.problems)
    return config, lines


class _Reading:
    """Turns tables into structs and gathers problems. A bad value becomes its default meanwhile."""

    def __init__(self, lines: Lines, name: str) -> None:
        self.lines = lines
        self._name = name
        self.problems: list[Problem] = []
        self._blamed: set[tuple[str | int, ...]] = set()

    def blames(self, path: tuple[str | int, ...]) -> bool:
        return any(path[:parts] in self._blamed for parts in range(len(path) + 1))

    def problem(self, path: tuple[str | int, ...], words: str) -> None:
        self._blamed.add(path)
        self.problems.append(Problem(line_of(self.lines, path), dotted(path), words))
        if len(self.problems) >= MAX_PROBLEMS:
            raise ConfigError(self._name, self.problems)

    def struct(self, cls: type[Any], data: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(data, dict):
            self.problem(path, f"expected a table [{dotted(path)}], got {_kind(data)}")
            return None
        hints = hints_of(cls)
        fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
        for key in data:
            if key not in fields:
                self.problem((*path, key), _unknown(key, list(fields), path))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            here = (*path, name)
            if name in data:
                value = self.value(hints[field.name], data[name], here)
                if value is not None:
                    values[field.name] = value
                    continue
            elif field.required:
                self.problem(here, f"is missing; {help_of(cls, field.name, here)}")
            if field.required:
                # A stand-in, so that the other checks can still speak; its path is blamed already.
                values[field.name] = () if get_origin(field.type) is tuple else ""
        return cls(**values)

    def value(self, hint: Any, data: Any, path: tuple[str | int, ...]) -> Any:
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            return self.struct(bare, data, path)
        inner = get_args(bare)[0] if get_origin(bare) is tuple else None
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            if not isinstance(data, list):
                self.problem(path, f"expected tables [[{dotted(path)}]], got {_kind(data)}")
                return None
            made = [self.struct(inner, one, (*path, i)) for i, one in enumerate(data)]
            return None if None in made else tuple(made)
        try:
            return msgspec.convert(data, hint)
        except msgspec.ValidationError as exc:
            self.problem(path, _plain(str(exc)))
            return None


def _unknown(key: str, known: list[str], path: tuple[str | int, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    table = f" in [{dotted(path)}]" if path else ""
    if near:
        return f"unknown setting{table}; did you mean {near[0]}?"
    return f"unknown setting{table}; known: {', '.join(known)}"


def _plain(text: str) -> str:
    words = text.replace("`", "").split(" - at")[0]
    for theirs, ours in (
        ("Expected array", "expected a list"),
        ("Expected object", "expected a table"),
        ("Expected ", "expected "),
        ("array", "list"),
        ("object", "table"),
        (" | null", ""),
        ("bool", "true or false"),
        ("str", "text"),
    ):
        words = words.replace(theirs, ours)
    return words


def _kind(value: Any) -> str:
    names = {str: "text", bool: "true or false", int: "int", float: "float", list: "a list"}
    return names.get(type(value), "a table" if isinstance(value, dict) else "another type")
