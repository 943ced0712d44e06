"""Which message bore a Message-ID first, and who sent it, for messages read in columns.

A content filter hands a message back under a new queue id from this machine itself: its sender is
that of the first message with the same Message-ID. Kept for the last `REMEMBERED` messages as
hashes and an Arrow array of senders, looked into only for the few that have no origin of their
own.
"""

from collections import deque

import numpy as np
import pyarrow as pa

from unlisted.edge.byte_words import Places, Words

REMEMBERED = 50_000


class _Part:
    """The messages of one block in the order of their message-id lines; sorted when asked."""

    def __init__(self, keys: Words, senders: pa.Array) -> None:
        self.size = keys.size
        self._keys, self._senders = keys, senders
        self._order: Places | None = None

    def senders(self, keys: Words) -> list[str | None] | None:
        """Of each the sender of the first here; None altogether where none is here."""
        if self._order is None:
            self._order = np.argsort(self._keys, kind="stable")
            self._keys = self._keys[self._order]
        at = np.minimum(np.searchsorted(self._keys, keys), self.size - 1)
        there = self._keys[at] == keys
        if not there.any():
            return None
        chosen = pa.array(self._order[at], mask=~there)
        found: list[str | None] = self._senders.take(chosen).to_pylist()
        return found


class Bearers:
    """Oldest first."""

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._size = 0

    def add(self, keys: Words, senders: pa.Array) -> None:
        """Hashes of message ids and the senders of the messages; null where not known."""
        if not keys.size:
            return
        self._parts.append(_Part(keys, senders))
        self._size += keys.size
        while self._size - self._parts[0].size >= REMEMBERED:
            self._size -= self._parts.popleft().size

    def senders(self, keys: Words) -> list[str | None]:
        """The sender of the first message that bore each, None where it is not known."""
        found: list[str | None] = [None] * keys.size
        for part in self._parts if keys.size else ():
            told = part.senders(keys)
            if told is not None:
                found = [before or now for before, now in zip(found, told, strict=True)]
        return found
