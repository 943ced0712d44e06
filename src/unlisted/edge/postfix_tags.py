"""Who wrote a line: host and process name, told apart by hash, each looked at once.

A log has a few dozen of them and millions of lines. The table is bounded: names beyond it are
taken for somebody else's and counted.
"""

from dataclasses import dataclass

import numpy as np

from unlisted.edge.byte_words import MASKS, Flags, Places, Window, Words, index_of, mixed
from unlisted.logs.names import Names, names_of
from unlisted.logs.syslog import host_and_tag

LONGEST = 200
TABLE = 16_384
_BRACKET = 91
FOREIGN = 0  # the code of all that is not Postfix's
UNSURE = 1  # no process id, or too long: the plain reader looks at the line


@dataclass(frozen=True)
class Tag:
    """host, process name and what it tells, as the plain reader has them."""

    host: str
    tag: str
    names: Names


class Tags:
    """Codes from 2 on are places in `known`."""

    def __init__(self) -> None:
        self.known: list[Tag | None] = [None, None]
        self.overflow = 0
        self._table: dict[int, int] = {}
        self._hashes: Words = np.zeros(0, np.uint64)
        self._codes: Places = np.zeros(0, np.int64)
        self._hosts: dict[str, int] = {}
        self._instances: dict[tuple[str, str], int] = {}
        # By code: what makes a queue id of one host another one than that of the next host, and
        # which instance speaks.
        self.host_seed: Words = np.zeros(2, np.uint64)
        self.instance: Places = np.zeros(2, np.int64)

    def codes(
        self, window: Window, starts: Places, ends: Places, keys: Words, line_ends: Places
    ) -> Places:
        """Of the texts `host tag`; ends and keys as `ends_of_tags` gives them."""
        found = np.full(starts.size, FOREIGN)
        places = np.flatnonzero(ends >= 0)
        at = self._find(keys[places])
        unknown = np.flatnonzero(at < 0)
        if unknown.size:
            fresh, first = np.unique(keys[places[unknown]], return_index=True)
            for key, place in zip(fresh.tolist(), places[unknown[first]].tolist(), strict=True):
                self._learn(key, window.between(starts[place], ends[place]))
            self._index()
            at = self._find(keys[places])
        if self._codes.size:
            found[places] = np.where(at >= 0, self._codes[at], FOREIGN)
        places = np.flatnonzero(ends < 0)
        found[places] = np.where(
            _names_a_part(window, starts[places], line_ends[places]), UNSURE, FOREIGN
        )
        return found

    def seed_of(self, host: str) -> int:
        """What the hashes of a host's queue ids begin with."""
        return self._hosts.setdefault(host, len(self._hosts) + 1)

    def _find(self, keys: Words) -> Places:
        if not self._hashes.size:
            return np.full(keys.size, -1, np.int64)
        at = np.minimum(np.searchsorted(self._hashes, keys), self._hashes.size - 1)
        return np.where(self._hashes[at] == keys, at, -1)

    def _learn(self, key: int, text: bytes) -> None:
        if len(self._table) >= TABLE:
            self.overflow += 1
            return
        told = text.decode("latin-1")
        head, colon, _ = told.partition(": ")
        host, name = (None if colon or not text.isascii() else host_and_tag(told)) or ("", "")
        names = names_of(name)
        # A year in the place of the host belongs to the stamp, a bracket to the program's name.
        if names is None or host.isdecimal():
            self._table[key] = UNSURE if "/" in head or not text.strip() else FOREIGN
            return
        self._table[key] = len(self.known)
        self.known.append(Tag(host, name, names))
        seed = self.seed_of(host)
        number = self._instances.setdefault((host, names.instance), len(self._instances) + 1)
        self.host_seed = np.append(self.host_seed, np.uint64(seed))
        self.instance = np.append(self.instance, number)

    def _index(self) -> None:
        keys = sorted(self._table)
        self._hashes = np.array(keys, np.uint64)
        self._codes = np.array([self._table[key] for key in keys], np.int64)


def ends_of_tags(window: Window, starts: Places, ends: Places) -> tuple[Places, Words]:
    """Where the first `[` behind `host tag` is, -1 where there is none near, and the hash of what
    lies before it: both in one pass over its words."""
    found = np.full(starts.size, -1, np.int32)
    keys = np.zeros(starts.size, np.uint64)
    those = np.flatnonzero(starts < ends)
    state = keys[those]
    for offset in range(0, LONGEST, 8):
        at = starts[those] + offset
        words = window.words[at]
        index = index_of(words, _BRACKET)
        state = mixed(state, words & MASKS[index])
        here = index < 8
        done = those[here]
        found[done] = at[here] + index[here]
        keys[done] = state[here]
        more = ~here & (at + 8 < ends[those])
        those, state = those[more], state[more]
        if not those.size:
            break
    found[found >= ends] = -1
    return found, keys


def _names_a_part(window: Window, starts: Places, ends: Places) -> Flags:
    """Whether a slash comes before the first colon (a Postfix process without its number), or no
    colon at all (a line that is cut, or none)."""
    slash = np.full(starts.size, 1 << 20)
    colon = np.full(starts.size, 1 << 20)
    for offset in range(0, 64, 8):
        words = window.at(np.minimum(starts + offset, window.size))
        for byte, first in ((47, slash), (58, colon)):
            index = index_of(words, byte)
            there = (index < 8) & (starts + offset + index < ends)
            np.minimum(first, np.where(there, index + offset, 1 << 20), out=first)
    found: Flags = (slash < colon) | (colon == 1 << 20)
    return found
