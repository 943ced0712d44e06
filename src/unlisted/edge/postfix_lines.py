"""What each line of a block of Postfix's log is about, found for all lines at once.

`lines_of_interest` tells of every line its kind, the hash of (host, queue id) and who wrote it;
`doubtful` are those whose shape is not plain enough, for the plain reader. It reads only what a
line's first bytes tell; `postfix_fields` takes the fields out and checks the ends. Lines with
bytes beyond ASCII are doubtful, and so are those beyond `LONG`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlisted.edge.byte_words import (
    MASKS,
    Flags,
    Places,
    Window,
    Words,
    index_of,
    mixed,
    split,
    word,
)
from unlisted.edge.postfix_stamps import Heads, heads
from unlisted.edge.postfix_tags import FOREIGN, UNSURE, Tags, ends_of_tags

LONG = 4096
# Kinds: what a line tells of its message.
NOTHING, DELIVERY, CLIENT, PICKED_UP, MESSAGE_ID, QUEUED, REMOVED, HEADER = range(8)
_TO, _FROM, _UID = word(b" to=<"), word(b" from=<"), word(b" uid=")
_CLIENT, _MESSAGE, _REMOVED = word(b" client="), word(b" message"), word(b" removed")
_ID = word(b"-id=<")
_WARNING, _INFO, _HEADER = word(b" warning"), word(b" info: h"), word(b": header")
_NO_QUEUE = word(b"NOQUEUE:")
_LONGEST_ID = 23
_SHORTEST_ID = 6
_COLON_OF_STAMP = (9, 13)  # `Nov  3 10:` and `2026-11-03T10:`


@dataclass(frozen=True)
class Told:
    """By line: where it begins and ends, the places of queue id and of what follows its colon."""

    window: Window
    starts: Places
    ends: Places
    heads: Heads
    codes: Places
    kinds: npt.NDArray[np.uint8]
    ids: Places
    colons: Places
    keys: Words
    doubtful: Flags


def told(data: bytes, tags: Tags, buffer: bytearray | None = None) -> Told:
    """Every line of the block. buffer: memory to use again, of which nothing is kept."""
    window = Window(data, buffer)
    starts, ends = split(window)
    count = starts.size
    head = heads(window, starts)
    begin = np.where(head.good, np.minimum(head.ends + 1, ends), ends)
    brackets, tag_keys = ends_of_tags(window, begin, ends)
    at = np.where(brackets >= 0, _after_process(window, brackets), -1)
    shaped = np.flatnonzero(at >= 0)
    colon, words = _colons(window, at[shaped])
    kind = np.where(colon >= 0, _kinds(window, colon, ends[shaped]), NOTHING)
    telling = np.flatnonzero((kind != NOTHING) & (colon < ends[shaped]))
    lines = shaped[telling]
    # Who wrote it is looked at only where that matters: of lines that tell something, and of
    # those whose shape says too little.
    asked = np.flatnonzero(head.good & (at < 0))
    codes = np.where(head.good, FOREIGN, UNSURE)
    for some in (lines, asked):
        told_of = (begin[some], brackets[some], tag_keys[some], ends[some])
        codes[some] = tags.codes(window, *told_of)
    doubtful = (codes == UNSURE) & (ends > starts)
    # A process without a number, or with more behind it, is for the plain reader.
    doubtful[asked[codes[asked] > UNSURE]] = True
    ours = codes[lines] > UNSURE
    lines, telling = lines[ours], telling[ours]
    kinds = np.zeros(count, np.uint8)
    ids, colons = np.zeros(count, np.int32), np.zeros(count, np.int32)
    keys = np.zeros(count, np.uint64)
    kinds[lines], colons[lines], ids[lines] = kind[telling], colon[telling], at[lines]
    length = colon[telling] - at[lines]
    seeds = tags.host_seed[codes[lines]]
    keys[lines] = _keys(seeds, length, [part[telling] for part in words])
    doubtful[shaped[_stamped_again(window, at[shaped], colon, kind)]] = True
    doubtful |= _beyond_ascii(window, starts) | ((kinds > 0) & (ends - starts > LONG))
    doubtful |= kinds == HEADER
    return Told(window, starts, ends, head, codes, kinds, ids, colons, keys, doubtful)


def _after_process(window: Window, brackets: Places) -> Places:
    """Where the text begins behind `[123]: `, else -1; `[ID ` is no text yet."""
    close = index_of(window.words[brackets + 1], 93)
    behind = window.at(brackets + 2 + close, 3)
    good = (close > 0) & (close < 8) & ((behind & MASKS[2]) == word(b": "))
    good &= behind != word(b": [")
    return np.where(good, brackets + close + 4, -1)


def _colons(window: Window, at: Places) -> tuple[Places, list[Words]]:
    """The colon behind the queue id (-1 where there is no id) and the words it is in."""
    words = [window.words[at + offset] for offset in (0, 8, 16)]
    in_first, in_second, in_third = (index_of(part, 58) for part in words)
    length = np.where(in_first < 8, in_first, np.where(in_second < 8, 8 + in_second, 16 + in_third))
    good = (length >= _SHORTEST_ID) & (length <= _LONGEST_ID) & (words[0] != _NO_QUEUE)
    return np.where(good, at + length, -1), words


def _stamped_again(
    window: Window, at: Places, colons: Places, kinds: npt.NDArray[np.uint8]
) -> Places:
    """Which of the lines hold another line, of a container: its text begins with a stamp."""
    length = colons - at
    places = np.flatnonzero((kinds == NOTHING) & np.isin(length, _COLON_OF_STAMP))
    return places[heads(window, at[places]).good]


def _keys(seeds: Words, lengths: Places, words: list[Words]) -> Words:
    """The hash of host and queue id."""
    key = seeds
    for offset, part in zip((0, 8, 16), words, strict=True):
        key = mixed(key, part & MASKS[np.clip(lengths - offset, 0, 8)])
    return key


def key_at(window: Window, at: Places, seeds: Words) -> tuple[Places, Words]:
    """The length and hash of queue ids that end with `)`, a space or a colon: of children."""
    lengths = np.full(at.size, _LONGEST_ID + 1)
    words = [window.words[at + offset] for offset in (0, 8, 16)]
    for stop in (41, 32, 58):
        first, second, third = (index_of(part, stop) for part in words)
        length = np.where(first < 8, first, np.where(second < 8, 8 + second, 16 + third))
        lengths = np.minimum(lengths, length)
    return lengths, _keys(seeds, lengths, words)


def _kinds(window: Window, colon: Places, ends: Places) -> npt.NDArray[np.uint8]:
    words = window.words[colon + 1]
    kinds = np.zeros(colon.size, np.uint8)
    kinds[(words & MASKS[5]) == _TO] = DELIVERY
    kinds[words == _CLIENT] = CLIENT
    kinds[(words & MASKS[5]) == _UID] = PICKED_UP
    kinds[(words & MASKS[7]) == _FROM] = QUEUED
    kinds[(words == _REMOVED) & (ends == colon + 9)] = REMOVED
    for first, second, length, kind in (
        (_MESSAGE, _ID, 5, MESSAGE_ID),
        (_WARNING, _HEADER, 8, HEADER),
    ):
        places = np.flatnonzero(words == first)
        kinds[places[window.at(colon[places] + 9, length) == second]] = kind
    kinds[words == _INFO] = HEADER
    return kinds


def _beyond_ascii(window: Window, starts: Places) -> Flags:
    """The lines that hold such a byte: how they are to be read is the plain reader's to say."""
    found = np.zeros(starts.size, np.bool_)
    if not window.is_ascii:
        high = np.flatnonzero(window.bytes > 127)
        found[np.searchsorted(starts, high, side="right") - 1] = True
    return found
