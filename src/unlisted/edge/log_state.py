"""A line parser's memory as plain data, so that a watch goes on where an earlier process stopped.

Objects of `unlisted.logs` and containers of them, shared references and circles kept. Thawing
makes only classes of that package and calls no code of theirs; whatever does not fit raises
StateError, and the watch begins with an empty memory instead of a wrong one.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Any

PACKAGE = "unlisted.logs."
DEPTH = 500
_PLAIN = (str, int, float, bool, type(None))
_LISTS: dict[str, Any] = {"list": list, "tuple": tuple, "deque": deque, "set": set}
_DICTS: dict[str, Any] = {"dict": dict, "OrderedDict": OrderedDict}


class StateError(ValueError):
    """Not the memory of such a parser."""


def frozen(root: object, skip: Collection[str] = ()) -> list[Any]:
    """Plain data for JSON: one entry for each object; `skip`: attributes left out."""
    return _Freezing(frozenset(skip)).all(root)


def thaw(root: object, data: object) -> None:
    """Give `root`, freshly made, the attributes that were frozen. Raises StateError."""
    if not isinstance(data, list) or not data:
        raise StateError("expected a list of objects")
    made = _Thawing(data)
    for name, value in made.attributes(0, type(root)).items():
        setattr(root, name, value)


class _Freezing:
    def __init__(self, skip: frozenset[str]) -> None:
        self._skip = skip
        self._places: dict[int, int] = {}
        self._kept: list[object] = []  # an id is only its own while the object lives
        self._out: list[Any] = []
        self._open: list[tuple[int, object]] = []

    def all(self, root: object) -> list[Any]:
        self._place(root)
        while self._open:  # not by recursion: a chain of parents may be long
            place, value = self._open.pop()
            self._out[place] = self._entry(value)
        return self._out

    def _place(self, value: object) -> int:
        found = self._places.get(id(value))
        if found is None:
            found = self._places[id(value)] = len(self._out)
            self._kept.append(value)
            self._out.append(None)
            self._open.append((found, value))
        return found

    def _value(self, value: object) -> Any:
        if isinstance(value, _PLAIN):
            return value
        return {"at": self._place(value)}

    def _entry(self, value: object) -> list[Any]:
        kind = type(value)
        if kind.__name__ in _DICTS and isinstance(value, dict):
            pairs = [[self._value(key), self._value(one)] for key, one in value.items()]
            return [kind.__name__, pairs]
        if kind.__name__ in _LISTS and isinstance(value, list | tuple | deque | set):
            items = sorted(value, key=repr) if isinstance(value, set) else value
            return [kind.__name__, [self._value(one) for one in items]]
        if not kind.__module__.startswith(PACKAGE):
            raise StateError(f"{kind.__name__} is no part of a parser's memory")
        name = f"{kind.__module__}:{kind.__qualname__}"
        if isinstance(value, tuple):
            return [name, [self._value(one) for one in value]]
        pairs = [[one, self._value(getattr(value, one))] for one in self._names(value)]
        return [name, pairs]

    def _names(self, value: object) -> list[str]:
        names = [one for one in _slots(type(value)) if hasattr(value, one)]
        names += sorted(getattr(value, "__dict__", {}))
        return [one for one in names if one not in self._skip]


class _Thawing:
    def __init__(self, data: list[Any]) -> None:
        self._data = data
        self._made: dict[int, Any] = {}
        self._depth = 0

    def attributes(self, place: int, kind: type) -> dict[str, Any]:
        name, parts = self._entry(place)
        if name != f"{kind.__module__}:{kind.__qualname__}":
            raise StateError(f"the memory of {name[:80]}, not of {kind.__name__}")
        return {self._name(one): self._value(value) for one, value in self._pairs(parts)}

    def _entry(self, place: int) -> tuple[str, list[Any]]:
        try:
            name, parts = self._data[place]
        except (TypeError, ValueError, IndexError):
            raise StateError(f"entry {place} is none") from None
        if not isinstance(name, str) or not isinstance(parts, list):
            raise StateError(f"entry {place} is none")
        return name, parts

    def _pairs(self, parts: list[Any]) -> list[list[Any]]:
        if not all(isinstance(one, list) and len(one) == 2 for one in parts):
            raise StateError("expected pairs")
        return parts

    def _name(self, name: object) -> str:
        if not isinstance(name, str) or name.startswith("__"):
            raise StateError("not an attribute")
        return name

    def _value(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return value
        place = value.get("at") if isinstance(value, dict) else None
        if type(place) is not int or not 0 <= place < len(self._data):
            raise StateError("a reference to nothing")
        if place in self._made:
            return self._made[place]
        self._depth += 1
        if self._depth > DEPTH:
            raise StateError("nested too deep")
        try:
            return self._object(place)
        finally:
            self._depth -= 1

    def _object(self, place: int) -> Any:
        name, parts = self._entry(place)
        made: Any
        try:
            if name in _DICTS:
                made = self._made[place] = _DICTS[name]()
                for key, value in self._pairs(parts):
                    made[self._value(key)] = self._value(value)
            elif name in ("list", "deque"):
                made = self._made[place] = _LISTS[name]()
                made.extend(self._value(one) for one in parts)
            elif name in _LISTS:
                made = self._made[place] = _LISTS[name](self._value(one) for one in parts)
            else:
                made = self._instance(place, name, parts)
        except (TypeError, AttributeError) as exc:
            raise StateError(f"{name[:80]}: {exc}") from None
        return made

    def _instance(self, place: int, name: str, parts: list[Any]) -> Any:
        kind = _class(name)
        if issubclass(kind, tuple):
            self._made[place] = kind(*[self._value(one) for one in parts])
        else:
            made = self._made[place] = object.__new__(kind)
            for key, value in self._pairs(parts):
                setattr(made, self._name(key), self._value(value))
        return self._made[place]


def _class(name: str) -> type:
    module, _, kind = name.partition(":")
    found = getattr(sys.modules.get(module), kind, None) if module.startswith(PACKAGE) else None
    if not isinstance(found, type) or found.__module__ != module:
        raise StateError(f"no such thing: {name[:80]}")
    return found


def _slots(kind: type) -> list[str]:
    found: list[str] = []
    for one in reversed(kind.__mro__):
        slots = one.__dict__.get("__slots__", ())
        found += [slots] if isinstance(slots, str) else list(slots)
    return [one for one in found if not one.startswith("__")]
