"""The wording of a text: all of it but numbers, ids and names, and these by what they are made of.

Finer than a gist: two texts of one wording differ in nothing but words that no pattern asks for, and
these are of one kind: digits, hexadecimal, letters, or letters and digits. What is proved of a wording's `Skeleton` is true of
each of its texts.
"""

import re
from collections.abc import Callable, Iterable

from unlisted.replies.automaton import DIGITS, HEX, LETTERS, Asks, Skeleton
from unlisted.replies.index import LONGEST_NUMBERED, LONGEST_REMEMBERED, REMEMBERED
from unlisted.replies.needs import SHORTEST, Word

Wording = tuple[
    tuple[bytes, ...], tuple[bytes, ...]
]  # words and what is left open; what is between

# What stands for a word that is left open; no word is written so.
NUMBER, NAME, _IN_HEX, _NUMBERED = b"#0", b"#a", b"#f", b"#z"
OPEN = {NUMBER: DIGITS, NAME: LETTERS - DIGITS, _IN_HEX: HEX, _NUMBERED: LETTERS}
SHORTEST_NAME = 4  # there are not many shorter ones, and a pattern may have them anywhere
_HEX = b"0123456789abcdef"
# What is between: letters and digits are gaps, and a space is something.
SPACE = b"\x1f"
_BETWEEN = bytes(
    32 if one in b"abcdefghijklmnopqrstuvwxyz0123456789" else SPACE[0] if one == 32 else one
    for one in range(256)
)


class Masks(dict[bytes, bytes]):
    """Word of a text → itself, or what it is made of if it is left open; worked out when first
    asked."""

    def __init__(
        self, asked: Iterable[Word], kept: Callable[[bytes], bytes], ends: Iterable[str]
    ) -> None:
        """asked: the words that patterns ask for; kept: whether a word matches one of them; ends:
        how no name that is left open ends."""
        super().__init__()
        self._kept = kept
        self._ends = tuple(one.encode() for one in ends)
        hexes = {text.encode("latin-1") for text, _, _ in asked if len(text) >= SHORTEST}
        among = sorted(text for text in hexes if not text.translate(None, _HEX))
        self._in_hex = re.compile(b"|".join(among) or rb"(?!)").search

    def __missing__(self, word: bytes) -> bytes:
        # Most ids are hexadecimal, and hardly anything that is asked for is.
        is_hex = not word.translate(None, _HEX)
        is_id = len(word) > LONGEST_NUMBERED and not word.isalpha()
        if is_hex and is_id and not self._in_hex(word):
            return _IN_HEX
        mask = word
        if word.isalpha():
            if (
                len(word) >= SHORTEST_NAME
                and not word.endswith(self._ends)
                and not self._kept(word)
            ):
                mask = NAME
        elif not self._kept(word):
            mask = NUMBER if word.isdigit() else _IN_HEX if is_hex else _NUMBERED
        if len(word) <= (LONGEST_REMEMBERED if word.isalpha() else LONGEST_NUMBERED):
            if len(self) >= REMEMBERED:
                self.clear()
            self[word] = mask
        return mask


def between(text: str) -> tuple[bytes, ...]:
    """What stands between the words, as long as it is ASCII; the first is before the first word."""
    return tuple(("\x1e" + text).encode().translate(_BETWEEN).split())


def skeleton_of(wording: Wording, asks: Asks) -> Skeleton:
    words, gaps = wording
    symbols: list[str | frozenset[str]] = []
    for nth, gap in enumerate(gaps):
        symbols += gap.decode().removeprefix("\x1e").replace("\x1f", " ")
        if nth < len(words):
            word = words[nth]
            symbols += [OPEN[word]] if word in OPEN else word.decode()
    return Skeleton(symbols, asks)
