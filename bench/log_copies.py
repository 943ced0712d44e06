"""A real log made long: the same traffic again and again with other stamps, ids and addresses.

A copy begins when the one before is half over, so that two are always interleaved, line by line
as their times have it. In every line the queue id, and whatever the traffic marked with `COPY`,
bear the copy's number; stamps go on. Written with numpy, block by block.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from pathlib import Path
from time import gmtime, strftime, strptime

import numpy as np
import numpy.typing as npt

from bench.log_traffic import COPY

BEGIN = timegm((2026, 11, 2, 0, 0, 0))
YEAR = 2026
_STAMP = 15
_ID = re.compile(r"\]: ([0-9A-Za-z]{10,20}): ")
_BASE = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Template:
    """One copy's lines without stamps, and their seconds since it began. ids: the queue ids of
    the real log and what stands for them."""

    lines: list[bytes]
    seconds: list[int]
    half_s: int
    ids: dict[str, str]


def template_of(log: str) -> Template:
    kept = [line for line in log.splitlines() if "/postfix-script[" not in line]
    kept = [line for line in kept if "/master[" not in line]
    names = list(dict.fromkeys(found[1] for line in kept if (found := _ID.search(line))))
    ids = {name: _fresh(number) for number, name in enumerate(names)}
    spelled = re.compile("|".join(map(re.escape, names)))
    times = [timegm(strptime(f"{YEAR} {line[:_STAMP]}", "%Y %b %d %H:%M:%S")) for line in kept]
    begin = min(times)
    lines = [spelled.sub(lambda found: ids[found[0]], line)[_STAMP:].encode() for line in kept]
    return Template(lines, [at - begin for at in times], (max(times) - begin) // 2 + 1, ids)


def _fresh(number: int) -> str:
    digits = ""
    for _ in range(8):
        number, digit = divmod(number, len(_BASE))
        digits = _BASE[digit] + digits
    return f"4{digits}{COPY}"


class _Part:
    """Lines that are written again and again with two copies' numbers in turn."""

    def __init__(self, lines: list[tuple[int, int, bytes]]) -> None:
        """lines: seconds within the half, which of the two copies (0: the newer), text."""
        lines.sort(key=lambda line: line[0])
        self.count = len(lines)
        self._text = bytearray()
        stamps, seconds = [], []
        marks: tuple[list[int], list[int]] = ([], [])
        for at, which, line in lines:
            stamps.append(len(self._text))
            seconds.append(at)
            begin = len(self._text) + _STAMP
            found = [hit.start() + begin + 2 for hit in re.finditer(COPY.encode(), line)]
            marks[which].extend(found)
            self._text += b" " * _STAMP + line + b"\n"
        self._array = np.frombuffer(self._text, np.uint8)
        self._stamps = np.array(stamps, np.int64)[:, None] + np.arange(_STAMP)
        self._seconds = np.array(seconds, np.int64)
        self._marks = [np.array(places, np.int64)[:, None] + np.arange(5) for places in marks]

    def written(self, number: int, half_s: int) -> bytes:
        """With the newer copy's number."""
        for which, places in enumerate(self._marks):
            if places.size:
                self._array[places] = np.frombuffer(b"%05d" % max(number - which, 0), np.uint8)
        begin = BEGIN + number * half_s
        table = b"".join(_stamp(begin + second) for second in range(half_s))
        stamps = np.frombuffer(table, np.uint8).reshape(half_s, _STAMP)
        self._array[self._stamps] = stamps[self._seconds]
        return bytes(self._text)


def _stamp(at: int) -> bytes:
    told = gmtime(at)
    return (strftime("%b ", told) + f"{told.tm_mday:2d} " + strftime("%H:%M:%S", told)).encode()


def write_copies(template: Template, copies: int, path: Path) -> int:
    """The log of so many copies; how many lines it has."""
    half = template.half_s
    both = list(zip(template.seconds, template.lines, strict=True))
    first = [(at, 0, line) for at, line in both if at < half]
    second = [(at - half, 1, line) for at, line in both if at >= half]
    lines = 0
    with path.open("wb") as file:
        for number in range(copies + 1):
            if number == 0:
                part = _Part(list(first))
            elif number == 1:
                part = _Part([*second, *first])
            if number == copies:
                part = _Part(list(second))
            file.write(part.written(number, half))
            lines += part.count
    return lines
