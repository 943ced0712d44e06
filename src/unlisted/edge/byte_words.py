"""A block of log bytes, read eight at a time at many places at once.

Words are little-endian: the first byte of the text is the lowest. A byte is found in a word by
the carry trick for zero bytes (H. S. Warren, Hacker's Delight, section 6-1). The block is
followed by `PAD` zero bytes, so a word may be read at any place in it.
"""

import sys

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

PAD = 160
_STEP = 256 << 10  # what stays in the processor's cache while it is searched
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_THREE = np.uint64(3)
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

    __slots__ = ("bytes", "data", "size", "words")

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.data = data + bytes(PAD)
        self.bytes = np.frombuffer(self.data, np.uint8)
        self.words: Words = np.ndarray(
            (len(self.data) - 7,), np.uint64, buffer=self.data, strides=(1,)
        )

    def places(self, byte: int) -> Places:
        """Where the byte stands."""
        found = []
        for start in range(0, self.size, _STEP):
            part = np.flatnonzero(self.bytes[start : min(start + _STEP, self.size)] == byte)
            part += start
            found.append(part)
        return np.concatenate(found) if found else np.zeros(0, np.int64)

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
    found: Places = (np.bitwise_count(lowest - _ONE) >> np.uint8(3)).astype(np.int64)
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
    offset = 0
    those = np.flatnonzero(lengths > 0)
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
    starts = np.empty_like(breaks)
    if breaks.size:
        starts[0] = 0
        starts[1:] = breaks[:-1] + 1
    ends = breaks - ((breaks > starts) & (window.bytes[breaks - 1] == 13))
    return starts, ends
