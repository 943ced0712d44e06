"""How often somebody may try to sign in: buckets by name, by client and for all, of bounded memory.

Tries are taken before the password is looked at, for names that exist and names that do not. Who
floods a name delays its owner by half a minute a try; a link made on the machine needs no password.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST = 1000  # keys remembered
# kind of key: (tries at once, seconds until one more)
LIMITS = {"name": (5.0, 30.0), "client": (10.0, 6.0), "all": (60.0, 1.0)}

Key = tuple[str, str]


class Attempts:
    """Token buckets. Times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._left: dict[Key, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._left)

    def wait(self, keys: Sequence[Key], now: float) -> float:
        """Seconds until the next try; 0: it is taken from every bucket now."""
        short = [(1.0 - self._now(key, now)) * LIMITS[key[0]][1] for key in keys]
        longest = max(short)
        if longest > 0:
            return longest
        for key in keys:
            left = self._now(key, now) - 1.0
            self._left.pop(key, None)  # to the end: the oldest go first
            self._left[key] = (left, now)
        if len(self._left) > MOST:
            self._forget(now)
        return 0.0

    def give_back(self, keys: Sequence[Key], now: float) -> None:
        """The try of somebody who signed in; the tries by name before it are forgotten."""
        for key in keys:
            if key[0] == "name":
                self._left.pop(key, None)
            elif key in self._left:
                self._left[key] = (min(LIMITS[key[0]][0], self._now(key, now) + 1.0), now)

    def _now(self, key: Key, now: float) -> float:
        most, refill = LIMITS[key[0]]
        left, at = self._left.get(key, (most, now))
        return min(most, left + (now - at) / refill)

    def _forget(self, now: float) -> None:
        whole = [key for key in self._left if self._now(key, now) >= LIMITS[key[0]][0]]
        for key in whole:
            del self._left[key]
        while len(self._left) > MOST:
            del self._left[next(iter(self._left))]
