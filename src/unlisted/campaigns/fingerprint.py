"""A message's fingerprint: one-permutation MinHash over word pairs (Li, Owen, Zhang 2012; rotation
densification, Shrivastava and Li 2014), printable, 160 bytes before base64.

128 slots hold the whole text, 32 more only its first 24 words: a long footer shared by unlike
letters makes the whole look alike, the head does not. Case, digits, mark-up, the tail of a URL and
a greeting line do not count. A text of fewer than 8 words has no fingerprint (the empty string) and
is like nothing: "Thanks, see you tomorrow" must not glue the world together.

Refuses nothing: any text gives a fingerprint in bounded time (first 16,384 characters, 2,000 words).
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from zlib import crc32

SLOTS = 128
HEAD_SLOTS = 32
HEAD_WORDS = 24
MIN_WORDS = 8
# Unlike letters share a greeting and stock phrases in their first words: measured 0.0-0.1. Two
# copies with 10 % of their words changed still share about 0.5 there, with a wide spread.
HEAD_FLOOR = 0.2

_MAX_CHARS = 16_384
_MAX_WORDS = 2_000
_ALL = (1 << 32) - 1
_NONE = 1 << 32
_MIX = 0x1E3779B1

_TAG = re.compile(r"<[^<>]{0,500}>")
_URL = re.compile(r"[a-z]{2,10}://([^\s/?#<>\"'()]{1,255})[^\s<>\"']{0,2000}")
_ZEROS = re.compile(rb"0{2,}")
# Bytes, not characters: ten times the speed of a word pattern. Letters beyond ASCII stay whole
# words (with their punctuation), which is all a comparison of two copies needs.
_BETWEEN_WORDS = bytes(
    ord("0") if chr(c).isdigit() and c < 128 else c if c >= 128 or chr(c).isalnum() else ord(" ")
    for c in range(256)
)
_GREETING = re.compile(
    r"\s*(?:(?:dear|hi|hello|hey|good (?:morning|day|afternoon|evening)|sehr geehrte[rs]?|liebe[rs]?"
    r"|hallo|guten tag|bonjour|chère?|hola|estimad[oa]|ciao|gentile|beste|geachte|kære|hej)\b"
    r"[^\n,!:;.]{0,60}[,!:;.\n]|[^\n,!:]{1,40}[,!:][ \t]*\n)"
)


def words_of(text: str) -> list[bytes]:
    """The normalised words, at most 2,000."""
    text = text[:_MAX_CHARS].lower()
    if "://" in text:
        text = _URL.sub(r" \1 ", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    greeting = _GREETING.match(text)
    if greeting:
        text = text[greeting.end() :]
    raw = text.encode("utf-8", "replace").translate(_BETWEEN_WORDS)
    if b"00" in raw:
        raw = _ZEROS.sub(b"0", raw)
    return raw.split()[:_MAX_WORDS]


def _least(hashes: list[int], slots: int) -> bytes:
    """Eight bits of the least hash of each slot; an empty slot borrows its right neighbour's, altered
    by the distance so that empty neighbourhoods of different length do not agree by construction."""
    bits = slots - 1
    least = [_NONE] * slots
    for h in hashes:
        slot = h & bits
        if h < least[slot]:
            least[slot] = h
    # The last slots borrow across the end, from the first occupied one.
    distance = next(slot for slot, h in enumerate(least) if h != _NONE)
    value = least[distance] >> 8
    out = bytearray(slots)
    for slot in range(slots - 1, -1, -1):
        h = least[slot]
        if h != _NONE:
            value, distance = h >> 8, 0
        else:
            distance += 1
        out[slot] = (value + 101 * distance) & 0xFF
    return bytes(out)


def fingerprint(text: str) -> str:
    """The printable fingerprint of a text, or "" if it is too short to be like another."""
    words = words_of(text)
    if len(words) < MIN_WORDS:
        return ""
    # The second word's CRC continues from the first's: a pair's hash without a step in Python. It is
    # linear over XOR, which the words of a text are not; the head's is made independent of it.
    pairs = list(map(crc32, words[1:], map(crc32, words)))
    head = [h * _MIX & _ALL for h in pairs[: HEAD_WORDS - 1]]
    printed = _least(pairs, SLOTS) + _least(head, HEAD_SLOTS)
    return b2a_base64(printed, newline=False).decode("ascii")


@lru_cache(maxsize=4096)
def slots_of(printed: str) -> bytes:
    """The 160 slot bytes, or nothing if this is no fingerprint."""
    if not printed or len(printed) > 512:
        return b""
    try:
        raw = a2b_base64(printed)
    except (Base64Error, ValueError):
        return b""
    return raw if len(raw) == SLOTS + HEAD_SLOTS else b""


@lru_cache(maxsize=65536)
def _numbers(printed: str) -> tuple[int, int] | None:
    """Body and head slots as two integers; None if this is no fingerprint."""
    raw = slots_of(printed)
    if not raw:
        return None
    return int.from_bytes(raw[:SLOTS], "big"), int.from_bytes(raw[SLOTS:], "big")


def _agreement(differ: int, slots: int) -> float:
    """The share of agreeing slots, less what eight bits agree on by chance. Equal slots are the
    zero bytes of the exclusive or: two C calls instead of one comparison per slot."""
    share = differ.to_bytes(slots, "big").count(0) / slots
    return max(0.0, (share - 1 / 256) / (1 - 1 / 256))


@lru_cache(maxsize=16)
def _fewest(threshold: float) -> int:
    """How many of the body's slots must agree for that much similarity."""
    return next(n for n in range(SLOTS + 2) if (n / SLOTS - 1 / 256) / (1 - 1 / 256) >= threshold)


def body_of(printed: str) -> bytes:
    """The slots of the whole text; nothing if this is no fingerprint."""
    return slots_of(printed)[:SLOTS]


def alike(body: bytes, others: bytes, threshold: float) -> list[int]:
    """Which of the others' bodies, one after the other, may be as similar: the rest is less so by
    its body alone, whatever the heads say."""
    import numpy as np  # not by whoever has no mail to compare

    rows = np.frombuffer(others, np.uint8).reshape(-1, SLOTS)
    agree = np.count_nonzero(rows == np.frombuffer(body, np.uint8), axis=1)
    found: list[int] = np.flatnonzero(agree >= _fewest(threshold)).tolist()
    return found


def similarity(a: str, b: str) -> float:
    """Estimated Jaccard similarity of two texts, 0-1; the heads' where the heads are unlike."""
    left, right = _numbers(a), _numbers(b)
    if left is None or right is None:
        return 0.0
    whole = _agreement(left[0] ^ right[0], SLOTS)
    head = _agreement(left[1] ^ right[1], HEAD_SLOTS)
    return whole if head >= HEAD_FLOOR else min(whole, head)
