"""Chance as a keyed hash: the same (seed, stable id) gives the same luck, whoever asks, in any order.

blake2b keyed with the seed; ids are joined with their lengths, so ("a", "bc") is not ("ab", "c").
There is no stream shared between two askers: a `Draw` belongs to one stable id and dies with it, so
one message more in the world changes no other message. Refuses no input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")
Id = str | int

_TWO53 = float(1 << 53)


def digest(seed: int, *ids: Id, size: int = 16) -> bytes:
    """`size` bytes (1-64) that depend on the seed and every id."""
    h = blake2b(digest_size=size, key=b"%d" % seed)
    for i in ids:
        part = str(i).encode()
        h.update(b"%d:" % len(part))
        h.update(part)
    return h.digest()


def uniform(seed: int, *ids: Id) -> float:
    """In [0, 1)."""
    return (int.from_bytes(digest(seed, *ids, size=8)) >> 11) / _TWO53


def happens(probability: float, seed: int, *ids: Id) -> bool:
    return uniform(seed, *ids) < probability


def pick(items: Sequence[T], seed: int, *ids: Id) -> T:
    return items[int(uniform(seed, *ids) * len(items))]


def normal(seed: int, *ids: Id) -> float:
    return Draw(seed, *ids).normal()


def lognormal(median: float, sigma: float, seed: int, *ids: Id) -> float:
    return Draw(seed, *ids).lognormal(median, sigma)


def poisson(mean: float, seed: int, *ids: Id) -> int:
    return Draw(seed, *ids).poisson(mean)


class Draw:
    """The luck of one stable id, when it needs more than one number: the hash in counter mode."""

    __slots__ = ("_block", "_left", "_n", "_root")

    def __init__(self, seed: int, *ids: Id) -> None:
        self._root = digest(seed, *ids, size=32)
        self._block = 0
        self._left = 0
        self._n = 0

    def uniform(self) -> float:
        """In [0, 1), 53 bits."""
        if not self._left:
            h = blake2b(self._n.to_bytes(8), digest_size=64, key=self._root)
            self._block = int.from_bytes(h.digest())
            self._left = 9
            self._n += 1
        self._left -= 1
        value = self._block & ((1 << 53) - 1)
        self._block >>= 53
        return value / _TWO53

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def below(self, n: int) -> int:
        """An integer in 0 .. n - 1."""
        return int(self.uniform() * n)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.uniform()

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.uniform() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        left = self.uniform() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def sample(self, items: Sequence[T], n: int) -> list[T]:
        """`n` of the items (all, when fewer), each once, in drawn order."""
        pool = list(items)
        n = min(n, len(pool))
        for i in range(n):
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:n]

    def normal(self) -> float:
        # Box-Muller, one of the pair: a second value kept over would be state between two questions.
        return math.sqrt(-2.0 * math.log(1.0 - self.uniform())) * math.cos(
            2.0 * math.pi * self.uniform()
        )

    def lognormal(self, median: float, sigma: float) -> float:
        return median * math.exp(sigma * self.normal())

    def exponential(self, mean: float) -> float:
        return -mean * math.log(1.0 - self.uniform())

    def gamma(self, shape: float) -> float:
        """Marsaglia and Tsang 2000; scale 1."""
        if shape < 1.0:
            boost: float = (1.0 - self.uniform()) ** (1.0 / shape)
            return self.gamma(shape + 1.0) * boost
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        while True:
            x = self.normal()
            v: float = (1.0 + c * x) ** 3
            if v > 0 and math.log(1.0 - self.uniform()) < 0.5 * x * x + d - d * v + d * math.log(v):
                return d * v

    def beta(self, a: float, b: float) -> float:
        x = self.gamma(a)
        return x / (x + self.gamma(b))

    def poisson(self, mean: float) -> int:
        if mean <= 0:
            return 0
        if mean > 60:
            # The product of uniforms below needs about `mean` draws and underflows above 700.
            return max(0, round(mean + math.sqrt(mean) * self.normal()))
        limit, product, n = math.exp(-mean), 1.0 - self.uniform(), 0
        while product > limit:
            product *= 1.0 - self.uniform()
            n += 1
        return n
