"""Which of many patterns may match a text: too many, never too few.

An index over words (`needs`). `gist` leaves of a text the words that any pattern has a use for: ids,
names and addresses are gone, so replies of one wording have one gist, and whoever asks may remember
what `candidates` said of it. There each pattern asks for up to `ASKED` things: one of these words,
and one of those. Each word answers some questions of some patterns, as the bits of one number; the
answers of all words joined by "or" tell at once which patterns have all they asked for. `occurs`
looks closer: at all phrases of one pattern.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_

import msgspec

from unlisted.replies.needs import BEYOND, SHORTEST, Word, needs, words_of

ASKED = 3
REMEMBERED = 16384
LONGEST_REMEMBERED = 24
LONGEST_NUMBERED = 8  # with a digit in it; a longer one is an id, and comes once
Gist = tuple[bytes, ...]  # of a text the words that count, in their order

# As `needs` sees a text: letters and digits are themselves, all else is a gap; a control character
# shows.
_CONTROL = b"\0"
_GAPS = bytes(
    one if one in b"abcdefghijklmnopqrstuvwxyz0123456789" else 32 if 32 <= one < 127 else 0
    for one in range(256)
)
_BEYOND = BEYOND.encode("latin-1")


def words_in(text: str) -> list[bytes]:
    """The words of a lower-cased text, in their order; what is beyond ASCII is one at the end."""
    words = text.encode("ascii", "replace").translate(_GAPS).replace(_CONTROL, b" ").split()
    if not text.isascii():
        words.append(_BEYOND)
    return words


def printed_words_in(text: str) -> list[bytes] | None:
    """The same of a text that holds nothing but what ASCII can print, else None."""
    if not text.isascii():
        return None
    marked = text.encode().translate(_GAPS)
    return None if _CONTROL in marked else marked.split()


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What patterns ask of a text. groups, questions: by pattern (`needs`, and the rarest words of
    them); words: all that any phrase of the groups holds."""

    groups: list[list[tuple[str, ...]]]
    questions: list[list[list[Word]]]
    words: list[Word]


def asked(patterns: Sequence[str], sample: Iterable[str]) -> Asked:
    """sample: texts that tell how common a word is; they decide how fast, never what."""
    common = _Common(sample)
    groups = [needs(pattern) for pattern in patterns]
    phrases = dict.fromkeys(phrase for one in groups for group in one for phrase in group)
    words = dict.fromkeys(word for phrase in phrases for word in words_of(phrase))
    return Asked(groups, [_questions(one, common) for one in groups], list(words))


class Index:
    def __init__(self, asked: Asked) -> None:
        self._groups = asked.groups
        self._count = count = len(asked.groups)
        self._phrases: list[list[tuple[bytes, ...]] | None] = [None] * count
        self._told: dict[bytes, int] = {}
        self._kept = _Kept(asked.words)
        self.kept = self._kept.__getitem__
        self._asks: dict[Word, bool] = {}  # of what patterns are made of
        self._asks_nothing = 0
        self._asking: dict[Word, list[int]] = {}
        for number, questions in enumerate(asked.questions):
            for nth in range(ASKED):
                bit = nth * count + number
                if not questions:
                    self._asks_nothing |= 1 << bit
                    continue
                for word in questions[nth % len(questions)]:
                    self._asking.setdefault(word, []).append(bit)

    def asks(self, letters: str, begins: bool, ends: bool) -> bool:
        """Every word with these letters in it, or at its beginning or end, counts."""
        known = self._asks.get((letters, begins, ends))
        if known is None:
            word = b"%b%b%b" % (b"" if begins else b"-", letters.encode(), b"" if ends else b"-")
            known = self._asks[letters, begins, ends] = bool(self._kept.matching(word))
        return known

    def gist(self, words: Iterable[bytes]) -> Gist:
        """Of all words of a text those that count."""
        return tuple(filter(None, map(self._kept.__getitem__, words)))

    def candidates(self, gist: Gist) -> list[int]:
        """The patterns, by number, that may match a text of this gist."""
        count = self._count
        told = reduce(or_, map(self._answered, gist), self._asks_nothing)
        told &= (told >> count) & (told >> 2 * count) & (1 << count) - 1
        found = []
        while told:
            lowest = told & -told
            found.append(lowest.bit_length() - 1)
            told ^= lowest
        return found

    def _answered(self, word: bytes) -> int:
        bits = self._told.get(word)
        if bits is None:
            bits = 0
            for one in self._kept.matching(word):
                for bit in self._asking.get(one, ()):
                    bits |= 1 << bit
            if len(self._told) >= REMEMBERED:
                self._told.clear()
            self._told[word] = bits
        return bits

    def occurs(self, number: int, line: bytes) -> bool:
        """Of each group of the pattern's phrases one does; line: a gist, by `joined`."""
        groups = self._phrases[number]
        if groups is None:
            groups = [tuple(one.encode("latin-1") for one in g) for g in self._groups[number]]
            groups.sort(key=len)
            self._phrases[number] = groups
        for group in groups:
            for phrase in group:
                if phrase in line:
                    break
            else:
                return False
        return True


def joined(gist: Gist) -> bytes:
    """On one line, each word between spaces."""
    return b" %b " % b" ".join(gist)


class _Common:
    """How often words are in a sample of texts."""

    def __init__(self, sample: Iterable[str]) -> None:
        self._text = joined(tuple(words_in(" ".join(sample))))
        self._times: dict[Word, int] = {}

    def times(self, word: Word) -> int:
        found = self._times.get(word)
        if found is None:
            text, begins, ends = word
            wanted = f"{' ' * begins}{text}{' ' * ends}".encode("latin-1")
            found = self._times[word] = 1 + self._text.count(wanted)
        return found


def _questions(groups: Iterable[tuple[str, ...]], common: _Common) -> list[list[Word]]:
    """Sets of words one of which a match needs, the rarest first."""
    found: dict[tuple[Word, ...], int] = {}
    for group in groups:
        phrases = [sorted(words_of(phrase), key=common.times) for phrase in group]
        for nth in range(min(ASKED, max(map(len, phrases)))):
            words = sorted({words[nth % len(words)] for words in phrases})
            found[tuple(words)] = sum(map(common.times, words))
    rarest = sorted(found, key=lambda words: (found[words], words))
    return [list(words) for words in rarest[:ASKED]]


class _Kept(dict[bytes, bytes]):
    """Word of a text → itself if it matches any of the words asked for, else nothing; worked out
    when first asked."""

    def __init__(self, words: Iterable[Word]) -> None:
        super().__init__()
        # By the first letters: parts of words, whether they must begin or end the word.
        self._parts: dict[bytes, list[tuple[bytes, Word]]] = {}
        self._whole: dict[bytes, Word] = {}
        for word in words:
            text = word[0].encode("latin-1")
            if word[1] and word[2]:
                self._whole[text] = word
            else:
                self._parts.setdefault(text[:SHORTEST], []).append((text, word))
        self._starts = frozenset(map(tuple, self._parts))

    def __missing__(self, word: bytes) -> bytes:
        # Three letters beginning no part at any place: most ids end here, and are not kept.
        if self._starts.isdisjoint(zip(word, word[1:], word[2:], strict=False)):
            kept = word if word in self._whole else b""
            if len(word) > LONGEST_NUMBERED and not word.isalpha():
                return kept
        else:
            kept = word if self.matching(word) else b""
        if len(word) <= LONGEST_REMEMBERED:
            if len(self) >= REMEMBERED:
                self.clear()
            self[word] = kept
        return kept

    def matching(self, word: bytes) -> list[Word]:
        found = [self._whole[word]] if word in self._whole else []
        parts = self._parts
        for place in range(len(word) - SHORTEST + 1):
            start = word[place : place + SHORTEST]
            if start in parts:
                for part, one in parts[start]:
                    if (
                        word.startswith(part, place)
                        and not (one[1] and place)
                        and not (one[2] and place + len(part) < len(word))
                    ):
                        found.append(one)
        return found
