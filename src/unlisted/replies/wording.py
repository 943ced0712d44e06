"""The wording of a text: all of it but numbers, ids and names, and these by what they are made of.

Finer than a gist: two texts of one wording differ in nothing but words that no pattern asks for, and
these are of one kind: digits, hexadecimal, letters, or letters and digits. What is proved of a
wording's `Skeleton` is true of each of its texts. Codes, as parsing and unwrapping look for them,
are never left open, nor are the tags of an NDR. Of ASCII only.
"""

import re
from collections.abc import Callable, Iterable

from unlisted.replies.automaton import DIGITS, HEX, LETTERS, Asks, Skeleton
from unlisted.replies.index import LONGEST_NUMBERED, LONGEST_REMEMBERED, REMEMBERED
from unlisted.replies.needs import SHORTEST, Word
from unlisted.replies.unwrap import TAG

Wording = tuple[str, ...]  # what stands between spaces, a sign for each word that is left open

# What stands for a word that is left open: signs beyond ASCII, so no text has them.
NUMBER, NAME, _IN_HEX, _NUMBERED = "¹", "ª", "ƒ", "ß"
OPEN = {NUMBER: DIGITS, NAME: LETTERS - DIGITS, _IN_HEX: HEX, _NUMBERED: LETTERS}
SHORTEST_NAME = 4  # there are not many shorter ones, and a pattern may have them anywhere
LONGEST_TOKEN = 128
_HEX = "0123456789abcdef"
# More than `parse_reply` and `unwrap` take for a code, an enhanced code or a tag; else a word.
_PIECE = re.compile(
    r"(?<![\w.:/=-])[2-5][0-9]{2}(?![\w.:/=])"
    r"|(?<![\w.:/=])[245]\.[0-9]{1,3}\.[0-9]{1,3}(?!\w|\.\w)"
    rf"|{TAG}|([a-z0-9]+)",
    re.ASCII,
)
# What is in most tokens that come once, and all of it open: an id from its first digit on, or an
# address. `re` skips to a digit.
_ONCE = re.compile(
    rf"[0-9](?:([a-z0-9]{{{LONGEST_NUMBERED},}})|(?<![\w.].)[0-9]{{0,2}}(?:\.[0-9]{{1,3}}){{3}}(?![\w.]))",
    re.ASCII,
)
_ADDRESS = ".".join(4 * NUMBER)
_AROUND = "()[]<>{},.;:'\""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Masks(dict[str, str]):
    """What stands between two spaces → the same with its open words left open; worked out when
    first asked."""

    def __init__(
        self, asked: Iterable[Word], kept: Callable[[bytes], bytes], ends: Iterable[str]
    ) -> None:
        """asked: the words that patterns ask for; kept: whether a word matches one of them; ends:
        how no name that is left open ends."""
        super().__init__()
        self._kept = kept
        self._ends = tuple(ends)
        self._octets_open = not any(text.isdigit() and len(text) <= 3 for text, _, _ in asked)
        self._words: dict[str, str] = {}
        hexes = {text for text, _, _ in asked if len(text) >= SHORTEST}
        among = sorted(text for text in hexes if not text.strip(_HEX))
        self._in_hex = re.compile("|".join(among) or r"(?!)").search

    def __missing__(self, token: str) -> str:
        word = token.strip(_AROUND)
        if (
            LONGEST_NUMBERED < len(word) <= LONGEST_TOKEN
            and not word.strip(_HEX)
            and not word.isalpha()
            and not self._in_hex(word)
        ):
            return token.replace(word, _IN_HEX)
        once = _ONCE.search(token) if len(token) <= LONGEST_TOKEN else None
        if once and once[1]:
            head = token[: once.start()].rstrip(_LETTERS)
            return (
                self[head] + self._mask(token[len(head) : once.end()]) + self[token[once.end() :]]
            )
        if once and self._octets_open:
            return self[token[: once.start()]] + _ADDRESS + self[token[once.end() :]]
        mask = _PIECE.sub(self._piece, token)
        if len(token) <= LONGEST_TOKEN:
            if len(self) >= REMEMBERED:
                self.clear()
            self[token] = mask
        return mask

    def _piece(self, found: re.Match[str]) -> str:
        word = found[1]
        if word is None:
            return found[0]
        mask = self._words.get(word)
        if mask is None:
            mask = self._mask(word)
            if len(word) <= (LONGEST_REMEMBERED if word.isalpha() else LONGEST_NUMBERED):
                if len(self._words) >= REMEMBERED:
                    self._words.clear()
                self._words[word] = mask
        return mask

    def _mask(self, word: str) -> str:
        if word.isalpha():
            is_name = len(word) >= SHORTEST_NAME and not word.endswith(self._ends)
            return NAME if is_name and not self._kept(word.encode()) else word
        is_hex = not word.strip(_HEX)
        if is_hex and len(word) > LONGEST_NUMBERED and not self._in_hex(word):
            return _IN_HEX
        if self._kept(word.encode()):
            return word
        return NUMBER if word.isdigit() else _IN_HEX if is_hex else _NUMBERED

    def of(self, tokens: Iterable[str]) -> Wording:
        """Of a lower-cased text of ASCII, split at its spaces."""
        return tuple(map(self.__getitem__, tokens))


def skeleton_of(wording: Wording, asks: Asks) -> Skeleton:
    return Skeleton([OPEN.get(one, one) for one in " ".join(wording)], asks)
