"""A block of log bytes, read eight at a time at many places at once.

Words are little-endian: the first byte of the text is the lowest. A byte is found in a word by
the carry trick for zero bytes (H. S. Warren, Hacker's Delight, section 6-1). The block is
followed by `PAD` zero bytes, so a word may be read at any place in it.
"""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.integer[Any]]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

PAD = 160
_STEP = 256 << 10  # what stays in the processor's cache while it is searched
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
# The first n bytes of a word, n from 0 to 8.
MASKS: Words = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SECOND_PRIME = np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(32)

if sys.byteorder != "little":  # pragma: no cover - nothing we run on
    raise ImportError("byte_words reads little-endian words only")


def word(text: bytes) -> np.uint64:
    """Up to eight bytes as the word that begins with them."""
    return np.uint64(int.from_bytes(text, "little"))


class Window:
    """The bytes of one block and its words."""

    __slots__ = ("bytes", "data", "is_ascii", "size", "words")

    def __init__(self, data: bytes, buffer: bytearray | None = None) -> None:
        """buffer: memory to use if it is large enough; it is overwritten."""
        self.size = len(data)
        room = self.size + PAD
        self.data = buffer if buffer is not None and len(buffer) >= room else bytearray(room)
        self.data[: self.size] = data
        self.data[self.size : room] = bytes(PAD)
        self.bytes = np.frombuffer(self.data, np.uint8, count=room)
        self.words: Words = np.ndarray((room - 7,), np.uint64, buffer=self.data, strides=(1,))
        self.is_ascii = data.isascii()

    def between(self, begin: int, end: int) -> bytes:
        """The bytes from one place to another."""
        return bytes(self.data[begin:end])

    def places(self, byte: int) -> Places:
        """Where the byte stands."""
        found = []
        for start in range(0, self.size, _STEP):
            part = np.flatnonzero(self.bytes[start : min(start + _STEP, self.size)] == byte)
            found.append((part + start).astype(np.int32))
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def at(self, places: Places, length: int = 8) -> Words:
        """The words there, only their first `length` bytes."""
        found: Words = self.words[places]
        return found if length == 8 else found & MASKS[length]


def index_of(words: Words, byte: int) -> Places:
    """Where in each word the byte stands first; 8 where it does not."""
    other = words ^ (np.uint64(byte) * _ONES)
    hit = (other - _ONES) & ~other & _HIGHS
    lowest = hit & (_ZERO - hit)
    # Of no hit: lowest is 0, all 64 bits of 0 - 1 are set, 64 >> 3 is 8.
    found: Places = (np.bitwise_count(lowest - _ONE) >> np.uint8(3)).astype(np.int32)
    return found


def mixed(into: Words, words: Words) -> Words:
    """The next step of a hash over words."""
    step = (into ^ words) * _PRIME
    step ^= step >> _SHIFT
    step *= _SECOND_PRIME
    result: Words = step ^ (step >> np.uint64(29))
    return result


def hashes(window: Window, starts: Places, lengths: Places, seeds: Words) -> Words:
    """Of texts of any length, each by all its bytes."""
    state = mixed(seeds, lengths.astype(np.uint64))
    # Words that lie over each other need no mask; each length has a way of its own.
    for low, high, before in (
        (16, 32, (16, 8)),
        (33, 48, (32, 24, 16, 8)),
        (49, 64, (40, 32, 24, 16, 8)),
    ):
        those = np.flatnonzero((lengths >= low) & (lengths <= high))
        if not those.size:
            continue
        begin, end = starts[those], starts[those] + lengths[those]
        some = mixed(state[those], window.words[begin])
        for place in (begin + 8, *(end - back for back in before)):
            some = mixed(some, window.words[place])
        if low == 49:
            some = mixed(some, window.words[begin + 16])
        state[those] = some
    return _by_steps(window, starts, lengths, state)


def _by_steps(window: Window, starts: Places, lengths: Places, state: Words) -> Words:
    """The same for the shortest and the longest."""
    offset = 0
    those = np.flatnonzero((lengths > 0) & ((lengths < 16) | (lengths > 64)))
    while those.size:
        left = np.minimum(lengths[those] - offset, 8)
        words = window.words[starts[those] + offset] & MASKS[left]
        state[those] = mixed(state[those], words)
        offset += 8
        those = those[lengths[those] > offset]
    return state


def split(window: Window) -> tuple[Places, Places]:
    """Where lines begin and end; a carriage return before the line break is not in them."""
    breaks = window.places(10)
    starts: Places = np.empty_like(breaks)
    if breaks.size:
        starts[0] = 0
        starts[1:] = breaks[:-1] + 1
    ends = breaks - ((breaks > starts) & (window.bytes[breaks - 1] == 13))
    return starts, ends
