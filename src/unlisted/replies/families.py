"""Canonical names for lists and operators, from families.toml: zones, hosts and words.

A zone nobody here knows has no family; it is reported under its own name, not forced into one.
"""

import re
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """zones: domain suffixes of zones and of the list's own pages; words: as in texts (lower
    case); tokens: names used where a zone would stand ("cm-csi-v11")."""

    name: str
    kind: Literal["list", "operator"]
    zones: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    family: list[Family]


class Families:
    def __init__(self, rows: list[Family]) -> None:
        self._by_zone: dict[str, str] = {}
        self._by_token: dict[str, str] = {}
        self._kind = {row.name: row.kind for row in rows}
        for row in rows:
            self._by_token[row.name] = row.name
            for zone in row.zones:
                if self._by_zone.setdefault(zone, row.name) != row.name:
                    raise ValueError(f"{zone}: in two families")
            for token in row.tokens:
                self._by_token[token] = row.name
        self._words = {
            kind: _alternation({w: r.name for r in rows if r.kind == kind for w in _said(r)})
            for kind in ("list", "operator")
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._kind))

    def of_zone(self, zone: str) -> str | None:
        """By the longest known suffix; else by a name used in a zone's place."""
        zone = zone.strip("[]()<>'\"., ").lower()
        labels = zone.split(".")
        for cut in range(len(labels) - 1):
            name = self._by_zone.get(".".join(labels[cut:]))
            if name:
                return name
        if zone in self._by_token:
            return self._by_token[zone]
        for token, name in self._by_token.items():
            if len(token) >= 5 and zone.startswith(token):
                return name
        return None

    def mentioned(self, text: str, kind: str) -> str | None:
        """The first family of that kind that a lower-cased text names."""
        pattern, names = self._words[kind]
        found = pattern.search(text)
        return names[found[0]] if found else None


@lru_cache(maxsize=1)
def shipped() -> Families:
    text = resources.files("unlisted.replies").joinpath("families.toml").read_text("utf-8")
    return Families(msgspec.convert(tomllib.loads(text), _File).family)


def family_of(zone: str) -> str | None:
    """The canonical family of a zone ("zen.spamhaus.org" → "spamhaus"); None if unknown."""
    return shipped().of_zone(zone)


def _said(row: Family) -> list[str]:
    return [*row.zones, *row.words]


def _alternation(names: dict[str, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    # Longest first, or "csi" would hide "csi.cloudmark.com".
    words = sorted(names, key=lambda word: (-len(word), word))
    return re.compile(
        r"(?<![a-z0-9])(?:" + "|".join(map(re.escape, words)) + r")(?![a-z0-9])"
    ), names
