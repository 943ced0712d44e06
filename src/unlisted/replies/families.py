"""Canonical names for lists and operators, from families.toml: zones, hosts and words.

A zone nobody here knows has no family; it is reported under its own name, not forced into one.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec

REMEMBERED = 1024


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
    def __init__(self, rows: Sequence[Family]) -> None:
        self._by_zone: dict[str, str] = {}
        self._by_token: dict[str, str] = {}
        self._asked: dict[str, str | None] = {}
        self._kind = {row.name: row.kind for row in rows}
        for row in rows:
            self._by_token[row.name] = row.name
            for zone in row.zones:
                if self._by_zone.setdefault(zone, row.name) != row.name:
                    raise ValueError(f"{zone}: in two families")
            for token in row.tokens:
                self._by_token[token] = row.name
        self._long_tokens = tuple(token for token in self._by_token if len(token) >= 5)
        self._named: dict[str, dict[str, str]] = {"list": {}, "operator": {}}
        for row in rows:
            for word in (*row.zones, *row.words):
                self._named[row.kind][word] = row.name
        self.words = tuple(sorted({word for named in self._named.values() for word in named}))

    @property
    def word_patterns(self) -> list[str]:
        """The words as patterns, each on its own."""
        return [f"(?:^|[^a-z0-9]){re.escape(word)}(?:[^a-z0-9]|$)" for word in self.words]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._kind))

    def of_zone(self, zone: str) -> str | None:
        """By the longest known suffix; else by a name used in a zone's place."""
        known = self._asked
        if zone not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[zone] = self._of_zone(zone)
        return known[zone]

    def _of_zone(self, zone: str) -> str | None:
        zone = zone.strip("[]()<>'\"., ").lower()
        labels = zone.split(".")
        for cut in range(len(labels) - 1):
            name = self._by_zone.get(".".join(labels[cut:]))
            if name:
                return name
        if zone in self._by_token:
            return self._by_token[zone]
        if zone.startswith(self._long_tokens):
            return next(self._by_token[t] for t in self._long_tokens if zone.startswith(t))
        return None

    def mentioned(self, text: str, kind: str, among: Iterable[int]) -> str | None:
        """The family of that kind that a lower-cased text names first; of two names at one place
        the longer. `among`: which of `words` may occur."""
        best: tuple[int, int] | None = None
        family = None
        for index in among:
            word = self.words[index]
            name = self._named[kind].get(word)
            place = _place(text, word) if name is not None else -1
            if place >= 0 and (best is None or (place, -len(word)) < best):
                best = (place, -len(word))
                family = name
        return family


@lru_cache(maxsize=1)
def shipped() -> Families:
    return Families(rows())


def rows() -> list[Family]:
    text = resources.files("unlisted.replies").joinpath("families.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File).family


def family_of(zone: str) -> str | None:
    """The canonical family of a zone ("zen.spamhaus.org" → "spamhaus"); None if unknown."""
    return shipped().of_zone(zone)


def _place(text: str, word: str) -> int:
    """Where a word stands on its own first; -1 if nowhere."""
    place = text.find(word)
    while place >= 0:
        end = place + len(word)
        if not (place and text[place - 1] in _WORDY) and text[end : end + 1] not in _WORDY_END:
            return place
        place = text.find(word, place + 1)
    return -1


_WORDY = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORDY_END = frozenset(_WORDY)
