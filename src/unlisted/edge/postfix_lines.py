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
from unlisted.edge.postfix_tags import UNSURE, Tags

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


def told(data: bytes, tags: Tags) -> Told:
    """Every line of the block."""
    window = Window(data)
    starts, ends = split(window)
    head = heads(window, starts)
    brackets = _first_brackets(window, head.ends, ends)
    codes = tags.codes(window, np.minimum(head.ends + 1, brackets), brackets)
    codes[~head.good] = UNSURE
    ours = np.flatnonzero(codes > UNSURE)
    ids = np.zeros(starts.size, np.int64)
    colons = np.zeros(starts.size, np.int64)
    keys = np.zeros(starts.size, np.uint64)
    kinds = np.zeros(starts.size, np.uint8)
    doubtful = (codes == UNSURE) & (ends > starts)
    if ours.size:
        at = _after_process(window, brackets[ours])
        # A process without a number, or with more behind it, is for the plain reader.
        doubtful[ours[at < 0]] = True
        ours, at = ours[at >= 0], at[at >= 0]
        colon, key = _queue_ids(window, at, tags.host_seed[codes[ours]])
        found = colon >= 0
        ours, at, colon, key = ours[found], at[found], colon[found], key[found]
        ids[ours], colons[ours], keys[ours] = at, colon, key
        kinds[ours] = _kinds(window, colon, ends[ours])
    # A line that is cut right after its queue id tells nothing and is no part of a message.
    kinds[colons >= ends] = NOTHING
    doubtful |= _beyond_ascii(window, starts) | ((kinds > 0) & (ends - starts > LONG))
    doubtful |= kinds == HEADER
    return Told(window, starts, ends, head, codes, kinds, ids, colons, keys, doubtful)


def _first_brackets(window: Window, after: Places, ends: Places) -> Places:
    """Of each line the first `[` behind its stamp, else its end."""
    brackets = np.append(window.places(91), window.size + 1)
    first = brackets[np.searchsorted(brackets, after)]
    return np.where(first < ends, first, ends)


def _after_process(window: Window, brackets: Places) -> Places:
    """Where the text begins behind `[123]: `, else -1."""
    close = index_of(window.words[brackets + 1], 93)
    behind = window.at(brackets + 2 + close, 2)
    good = (close > 0) & (close < 8) & (behind == word(b": "))
    return np.where(good, brackets + close + 4, -1)


def _queue_ids(window: Window, at: Places, seeds: Words) -> tuple[Places, Words]:
    """The colon behind the id (-1 where there is no id) and the hash of both."""
    first, second, third = (window.words[at + offset] for offset in (0, 8, 16))
    in_first, in_second, in_third = (index_of(words, 58) for words in (first, second, third))
    length = np.where(in_first < 8, in_first, np.where(in_second < 8, 8 + in_second, 16 + in_third))
    good = (length >= _SHORTEST_ID) & (length <= _LONGEST_ID) & (first != _NO_QUEUE)
    key = mixed(seeds, first & MASKS[np.minimum(length, 8)])
    key = mixed(key, second & MASKS[np.clip(length - 8, 0, 8)])
    key = mixed(key, third & MASKS[np.clip(length - 16, 0, 8)])
    return np.where(good, at + length, -1), key


def key_at(window: Window, at: Places, seeds: Words) -> tuple[Places, Words]:
    """The length and hash of queue ids that end with `)`, a space or a colon: of children."""
    lengths = np.full(at.size, _LONGEST_ID + 1)
    for stop in (41, 32, 58):
        words = [index_of(window.words[at + offset], stop) for offset in (0, 8, 16)]
        length = np.where(
            words[0] < 8, words[0], np.where(words[1] < 8, 8 + words[1], 16 + words[2])
        )
        lengths = np.minimum(lengths, length)
    key = seeds
    for offset in (0, 8, 16):
        key = mixed(key, window.words[at + offset] & MASKS[np.clip(lengths - offset, 0, 8)])
    return lengths, key


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
    if not window.data.isascii():
        high = np.flatnonzero(window.bytes > 127)
        found[np.searchsorted(starts, high, side="right") - 1] = True
    return found
