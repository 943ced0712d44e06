"""The instants of many lines at once: RFC 3164 stamps and RFC 3339 ones (section 5.6).

A year-less stamp means what the file's `Calendar` says of its hour; only minutes and seconds are
read here. The calendar is asked once for each run of lines of one hour, and again where the clock
goes back by more than half an hour within it (the hour told twice in autumn).
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from unlisted.edge.byte_words import MASKS, Flags, Places, Window, Words, index_of, word
from unlisted.logs.stamp import MONTHS, Calendar, rfc3339

YEARLESS_BYTES = 15
_BACK_S = 1800
_SPACES_SYSLOG = word(b"\0\0\0 \0\0 \0")
_MASK_SYSLOG = word(b"\0\0\0\xff\0\0\xff\0")
_COLONS_SYSLOG = word(b"\0:\0\0:\0\0 ")  # bytes 8 to 15
_MASK_COLONS = word(b"\0\xff\0\0\xff\0\0\xff")
# A digit is 0x30 to 0x39; what else has such a high half is told when the number is read.
_HALF_SYSLOG, _DIGITS_SYSLOG = (
    word(mask) for mask in (b"\xf0\x00\xf0\xf0\x00\xf0\xf0\x00", b"0\x0000\x0000\x00")
)
_HALF_DATED, _DIGITS_DATED = (
    word(mask) for mask in (b"\xf0\xf0\xf0\xf0\x00\xf0\xf0\x00", b"0000\x0000\x00")
)
_HALF_CLOCK, _DIGITS_CLOCK = (
    word(mask) for mask in (b"\xf0\xf0\x00\xf0\xf0\x00\xf0\xf0", b"00\x0000\x0000")
)
_DASHES = word(b"\0\0\0\0-\0\0-")
_MASK_DASHES = word(b"\0\0\0\0\xff\0\0\xff")
_T_COLON = word(b"\0\0T\0\0:\0\0")
_MASK_T_COLON = word(b"\0\0\xff\0\0\xff\0\0")


@dataclass(frozen=True)
class Heads:
    """ends: where the space after the stamp is; 0 length for a line that begins with no stamp."""

    starts: Places
    ends: Places
    dated: Flags
    good: Flags


def heads(window: Window, starts: Places) -> Heads:
    """Which lines begin with a stamp, and where it ends."""
    first = window.words[starts]
    second = window.words[starts + 8]
    yearless = ((first & _MASK_SYSLOG) == _SPACES_SYSLOG) & (
        (second & _MASK_COLONS) == _COLONS_SYSLOG
    )
    yearless &= (second & _HALF_SYSLOG) == _DIGITS_SYSLOG
    yearless &= _days(first)
    dated = ((first & _MASK_DASHES) == _DASHES) & ((second & _MASK_T_COLON) == _T_COLON)
    dated &= (first & _HALF_DATED) == _DIGITS_DATED
    dated &= (second & _HALF_CLOCK) == _DIGITS_CLOCK
    ends = starts + YEARLESS_BYTES
    places = np.flatnonzero(dated)
    if places.size:
        at = starts[places] + 19
        near = index_of(window.words[at], 32)
        far = index_of(window.words[at + 8], 32)
        length = np.where(near < 8, near, 8 + far)
        ends[places] = at + length
        dated[places] = length < 16
    good = yearless | dated
    ends = np.where(good, ends, starts)
    return Heads(starts, ends, dated, good)


def _days(words: Words) -> Flags:
    """Which begin `Nov  3 1`: asked once for each run of lines that begin alike."""
    if not words.size:
        return np.zeros(0, np.bool_)
    begins = np.flatnonzero(np.append(True, words[1:] != words[:-1]))
    lengths = np.diff(np.append(begins, words.size))
    texts = words[begins].astype("<u8").tobytes()
    good = [_is_day(texts[at : at + 8]) for at in range(0, len(texts), 8)]
    return np.repeat(np.array(good, np.bool_), lengths)


@lru_cache(maxsize=4096)
def _is_day(text: bytes) -> bool:
    day = text[4:6]
    number = day.removeprefix(b" ")
    return (
        text[:3].decode("latin-1") in MONTHS
        and number.isdigit()
        and 1 <= int(number) <= 31
        and text[7:8] in b"012"
    )


def instants(
    window: Window, known: Heads, lines: Places, calendar: Calendar
) -> npt.NDArray[np.float64]:
    """Of these lines, in their order; not a number where a stamp is none after all."""
    at = np.full(lines.size, np.nan)
    dated = known.dated[lines]
    for chosen, of in ((~dated, _yearless), (dated, _dated)):
        places = np.flatnonzero(chosen)
        if places.size:
            some = lines[places]
            at[places] = of(window, known.starts[some], known.ends[some], calendar)
    return at


def _digits(words: Words, *at: int) -> npt.NDArray[np.int64]:
    """The number that the digits at these bytes of the word spell; negative where one is none."""
    number = np.zeros(words.size, np.int64)
    wrong = np.zeros(words.size, np.bool_)
    for byte in at:
        digit = ((words >> np.uint64(8 * byte)) & np.uint64(0xFF)).astype(np.int64) - 48
        wrong |= (digit < 0) | (digit > 9)
        number = number * 10 + digit
    number[wrong] = -1 << 40
    return number


def _yearless(
    window: Window, starts: Places, ends: Places, calendar: Calendar
) -> npt.NDArray[np.float64]:
    hour = window.words[starts]
    last_digit = window.bytes[starts + 8].astype(np.uint64)
    clock = window.words[starts + 7]  # `16:17:00`
    within = _digits(clock, 3, 4) * 60 + _digits(clock, 6, 7)
    at = np.full(starts.size, np.nan)
    for low, high in _runs(hour, last_digit, within):
        first = window.between(starts[low], ends[low]).decode("latin-1")
        begin = calendar.yearless(first)
        if begin is None:
            continue
        at[low:high] = begin + (within[low:high] - within[low])
        if high - low > 1:  # so that the calendar knows how late it is
            calendar.yearless(window.between(starts[high - 1], ends[high - 1]).decode("latin-1"))
    at[within < 0] = np.nan
    return at


def _runs(hour: Words, more: Words, within: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Neighbours of one hour whose clock does not go back far."""
    turns = (
        (hour[1:] != hour[:-1])
        | (more[1:] != more[:-1])
        | (np.diff(within) < -_BACK_S)
        | (within[1:] < 0)
        | (within[:-1] < 0)
    )
    edges = [0, *(np.flatnonzero(turns) + 1).tolist(), hour.size]
    return list(itertools.pairwise(edges))


def _dated(
    window: Window, starts: Places, ends: Places, calendar: Calendar
) -> npt.NDArray[np.float64]:
    """By the hour and offset of each run, then minutes, seconds and millionths."""
    zulu = np.isin(window.bytes[ends - 1], (90, 122))
    zone_length = np.where(zulu, 1, 6)
    zone = window.words[ends - 8] & ~MASKS[8 - zone_length]
    fraction_length = ends - zone_length - (starts + 20)
    clock = window.words[starts + 13]  # `:17:00.1`
    seconds = _digits(clock, 1, 2) * 60 + _digits(clock, 4, 5)
    micros = _micros(window, starts, fraction_length)
    hour = window.words[starts + 5]
    at = np.full(starts.size, np.nan)
    turns = (
        (window.words[starts][1:] != window.words[starts][:-1])
        | (hour[1:] != hour[:-1])
        | (zone[1:] != zone[:-1])
        | (zone_length[1:] != zone_length[:-1])
    )
    edges = [0, *(np.flatnonzero(turns) + 1).tolist(), starts.size]
    for low, high in itertools.pairwise(edges):
        text = window.between(starts[low], starts[low] + 13) + b":00:00"
        text += window.between(ends[low] - zone_length[low], ends[low])
        begin = rfc3339(text.decode("latin-1"))
        if begin is not None:
            whole = (seconds[low:high] + int(begin)) * 1_000_000 + micros[low:high]
            at[low:high] = whole / 1e6
    wrong = (seconds < 0) | (micros < 0) | (window.bytes[starts + 16] != 58)
    at[wrong] = np.nan
    return at


def _micros(window: Window, starts: Places, length: Places) -> npt.NDArray[np.int64]:
    """Of `.123456`; 0 without a fraction (length -1), negative for anything else."""
    words = window.words[starts + 20]
    micros = np.zeros(starts.size, np.int64)
    for place in range(6):
        digit = ((words >> np.uint64(8 * place)) & np.uint64(0xFF)).astype(np.int64) - 48
        there = length > place
        micros = micros * 10 + np.where(there, digit, 0)
        micros[there & ((digit < 0) | (digit > 9))] = -1 << 60
    point = window.bytes[starts + 19]
    whole = (length == -1) & np.isin(point, (43, 45, 90, 122))
    micros[~whole & ((length < 1) | (length > 6) | (point != 46))] = -1 << 60
    return micros
