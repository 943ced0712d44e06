"""The query options of OData v4 that a client of service health uses, and no others.

$filter with and, or, not, eq, ne, gt, ge, lt, le, in, contains, startswith, endswith over named
properties; $orderby, $top, $skip, $select, $count (OData v4.01 part 2, sections 5.1.1 to 5.1.6).
An option, function or property that is not supported is an error, never ignored: a filter that is
left out answers another question than was asked. Bounded: 4 KB of filter, 200 terms, 20 levels.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

MAX_FILTER = 4096
MAX_TERMS = 200
MAX_DEPTH = 20
MAX_TOP = 100_000

Kind = Literal["string", "enum", "bool", "time"]
Item = Mapping[str, Any]
Test = Callable[[Item], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<time>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?"
    r"(?:Z|[+-]\d{2}:\d{2})?)?)|(?P<name>[A-Za-z_][A-Za-z0-9_/]*)|(?P<mark>[(),]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and b is not None and a > b,
    "ge": lambda a, b: a is not None and b is not None and a >= b,
    "lt": lambda a, b: a is not None and b is not None and a < b,
    "le": lambda a, b: a is not None and b is not None and a <= b,
}
_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda a, b: b in a,
    "startswith": lambda a, b: a.startswith(b),
    "endswith": lambda a, b: a.endswith(b),
}


class QueryError(ValueError):
    """The query is not supported or not OData; the text is for the client."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked. `select` empty: everything."""

    test: Test | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    select: tuple[str, ...] = ()
    count: bool = False
    expand: tuple[str, ...] = ()


def parse(
    options: Sequence[tuple[str, str]],
    kinds: Mapping[str, Kind],
    *,
    selectable: Sequence[str] = (),
    expandable: Sequence[str] = (),
) -> Query:
    """The options of one request. kinds: the properties that can be filtered and sorted by."""
    found: dict[str, str] = {}
    for name, value in options:
        if name not in _OPTIONS:
            raise QueryError(f"The query option '{name[:60]}' is not supported.")
        if name in found:
            raise QueryError(f"The query option '{name}' is given twice.")
        found[name] = value
    top = found.get("$top")
    return Query(
        test=parse_filter(found["$filter"], kinds) if "$filter" in found else None,
        orderby=_orderby(found["$orderby"], kinds) if "$orderby" in found else (),
        top=None if top is None else _number("$top", top),
        skip=_number("$skip", found.get("$skip", "0")),
        select=_names("$select", found.get("$select"), (*kinds, *selectable)),
        count=_flag(found.get("$count", "false")),
        expand=_names("$expand", found.get("$expand"), expandable),
    )


_OPTIONS = ("$filter", "$orderby", "$top", "$skip", "$select", "$count", "$expand")


def applied(query: Query, items: Sequence[Item]) -> list[Item]:
    """Filtered and sorted; paging and selection are the caller's."""
    found = [item for item in items if query.test is None or query.test(item)]
    for name, descending in reversed(query.orderby):
        found.sort(key=lambda item: _sortable(item.get(name)), reverse=descending)
    return found


def parse_filter(text: str, kinds: Mapping[str, Kind]) -> Test:
    """A predicate. Raises QueryError with the place where it stops being a filter."""
    if len(text) > MAX_FILTER:
        raise QueryError(f"$filter is longer than {MAX_FILTER} characters.")
    parser = _Parser(_tokens(text), kinds)
    test = parser.either(0)
    parser.end()
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise QueryError(f"$filter cannot be read from character {at + 1} on.")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
        if len(found) > 8 * MAX_TERMS:
            raise QueryError(f"$filter has more than {MAX_TERMS} terms.")
    return found


class _Parser:
    """Recursive descent over the tokens: or, and, not, term."""

    def __init__(self, tokens: list[tuple[str, str]], kinds: Mapping[str, Kind]) -> None:
        self._tokens = tokens
        self._kinds = kinds
        self._at = 0
        self._terms = 0

    def either(self, depth: int) -> Test:
        tests = [self._both(depth)]
        while self._word("or"):
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._not(depth)]
        while self._word("and"):
            tests.append(self._not(depth))
        return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)

    def _not(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise QueryError(f"$filter is nested more than {MAX_DEPTH} levels deep.")
        if self._word("not"):
            test = self._not(depth + 1)
            return lambda item: not test(item)
        if self._mark("("):
            test = self.either(depth + 1)
            self._expect(")")
            return test
        return self._term()

    def _term(self) -> Test:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise QueryError(f"$filter has more than {MAX_TERMS} terms.")
        kind, name = self._next("a property")
        if kind != "name":
            raise QueryError(f"$filter: expected a property, found {name[:40]}.")
        if name.lower() in _FUNCTIONS and self._mark("("):
            return self._function(name.lower())
        self._known(name)
        _, operator = self._next("an operator")
        if operator == "in":
            return self._one_of(name)
        if operator not in _COMPARE:
            raise QueryError(f"$filter: the operator '{operator[:40]}' is not supported.")
        value = self._value(name)
        compare = _COMPARE[operator]
        kind_of = self._kinds[name]
        return lambda item: compare(_comparable(item.get(name), kind_of), value)

    def _function(self, function: str) -> Test:
        _, name = self._next("a property")
        self._known(name)
        if self._kinds[name] not in ("string", "enum"):
            raise QueryError(f"$filter: {function} needs a text property, {name} is none.")
        self._expect(",")
        part = self._value(name)
        self._expect(")")
        if not isinstance(part, str):
            raise QueryError(f"$filter: {function} needs a text in quotes.")
        wanted, test = part.casefold(), _FUNCTIONS[function]
        if self._word("eq"):
            truth = self._literal("bool")
            return lambda item: test(str(item.get(name) or "").casefold(), wanted) == truth
        return lambda item: test(str(item.get(name) or "").casefold(), wanted)

    def _one_of(self, name: str) -> Test:
        self._expect("(")
        values = [self._value(name)]
        while self._mark(","):
            values.append(self._value(name))
        self._expect(")")
        kind = self._kinds[name]
        return lambda item: _comparable(item.get(name), kind) in values

    def _value(self, name: str) -> Any:
        return self._literal(self._kinds[name])

    def _literal(self, wanted: Kind) -> Any:
        kind, text = self._next("a value")
        if kind == "name" and text == "null":
            return None
        if kind == "name" and text in ("true", "false") and wanted == "bool":
            return text == "true"
        if kind == "string" and wanted in ("string", "enum"):
            return _comparable(text[1:-1].replace("''", "'"), wanted)
        if kind == "time" and wanted == "time":
            return _comparable(text, "time")
        if kind == "string" and wanted == "time":
            return _comparable(text[1:-1], "time")
        raise QueryError(f"$filter: {text[:40]} is no {_SAID[wanted]}.")

    def _known(self, name: str) -> None:
        if name not in self._kinds:
            raise QueryError(f"$filter: the property '{name[:60]}' cannot be filtered by.")

    def _next(self, wanted: str) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise QueryError(f"$filter ends where {wanted} is expected.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self, word: str) -> bool:
        return self._is(("name", word))

    def _mark(self, mark: str) -> bool:
        return self._is(("mark", mark))

    def _is(self, token: tuple[str, str]) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._mark(mark):
            raise QueryError(f"$filter: '{mark}' is missing.")

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise QueryError(f"$filter: '{self._tokens[self._at][1][:40]}' is not expected there.")


_SAID = {"string": "text in quotes", "enum": "name in quotes", "bool": "true or false",
         "time": "time like 2024-01-31T12:00:00Z"}  # fmt: skip


def _comparable(value: Any, kind: Kind) -> Any:
    """Texts and names without regard to case; times as instants."""
    if value is None:
        return None
    if kind == "time":
        return _instant(str(value))
    return value.casefold() if kind in ("string", "enum") and isinstance(value, str) else value


def _instant(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = datetime.fromisoformat(
                text + "+00:00" if "T" in text else text + "T00:00:00+00:00"
            )
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise QueryError(f"{text[:40]} is no time like 2024-01-31T12:00:00Z.") from None


def _sortable(value: Any) -> tuple[int, Any]:
    """None before everything; texts without regard to case."""
    if value is None:
        return (0, "")
    return (1, value.casefold() if isinstance(value, str) else value)


def _orderby(text: str, kinds: Mapping[str, Kind]) -> tuple[tuple[str, bool], ...]:
    found = []
    for part in text.split(","):
        words = part.split()
        if not 1 <= len(words) <= 2 or (len(words) == 2 and words[1] not in ("asc", "desc")):
            raise QueryError(f"$orderby: '{part[:60]}' is not a property with asc or desc.")
        if words[0] not in kinds:
            raise QueryError(f"$orderby: the property '{words[0][:60]}' cannot be sorted by.")
        found.append((words[0], words[-1] == "desc"))
    if len(found) > 10:
        raise QueryError("$orderby has more than 10 properties.")
    return tuple(found)


def _names(option: str, text: str | None, allowed: Sequence[str]) -> tuple[str, ...]:
    """None: not asked for. An empty name is refused like any other that is not there."""
    names = [] if text is None else [part.strip() for part in text.split(",")]
    for name in names:
        if name not in allowed:
            raise QueryError(f"{option}: '{name[:60]}' is not supported.")
    return tuple(dict.fromkeys(names))


def _number(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > MAX_TOP:
        raise QueryError(f"{option} is a number from 0 to {MAX_TOP}.")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise QueryError("$count is true or false.")
    return text == "true"
