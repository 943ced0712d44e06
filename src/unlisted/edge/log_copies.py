"""Logs that are given twice: the same lines packed and unpacked, or copied under another name.

A file is a copy if all it holds is how another one begins: the longer one is read. Compared are
the unpacked bytes, whole, but only of files whose first bytes are equal; what cannot be read is
nobody's copy, the reader will say why. Empty files are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from unlisted.edge.unpack import DAMAGED, Readable, opened

HEAD = 256  # with the stamp of its first line: other logs begin otherwise
_STEP = 1 << 20


def copies(paths: Sequence[Path]) -> dict[Path, Path]:
    """copy → the file that holds all of it; of two equal ones the later is the copy."""
    alike: dict[bytes, list[Path]] = {}
    for path in paths:
        if head := _head(path):
            alike.setdefault(head, []).append(path)
    found: dict[Path, Path] = {}
    for group in alike.values():
        for one, two in combinations(group, 2):
            if one not in found and two not in found and (shorter := _shorter(one, two)):
                found[shorter] = two if shorter == one else one
    return {copy: _last(found, kept) for copy, kept in found.items()}


def _last(found: dict[Path, Path], kept: Path) -> Path:
    while kept in found:
        kept = found[kept]
    return kept


def _head(path: Path) -> bytes:
    """The first bytes, by which files are compared at all; of a short file all of it."""
    try:
        if not path.is_file():
            return b""  # a pipe can be read only once
        with path.open("rb") as raw, opened(raw) as plain:
            return _filled(plain, HEAD)
    except (OSError, *DAMAGED):
        return b""


def _shorter(one: Path, two: Path) -> Path | None:
    """The one that the other begins with; None: they part."""
    try:
        with (
            one.open("rb") as raw_one,
            two.open("rb") as raw_two,
            opened(raw_one) as plain_one,
            opened(raw_two) as plain_two,
        ):
            while True:
                first, second = _filled(plain_one, _STEP), _filled(plain_two, _STEP)
                if len(first) < len(second):
                    return one if second.startswith(first) else None
                if not first.startswith(second):
                    return None
                if len(second) < _STEP:
                    return two
    except (OSError, *DAMAGED):
        return None


def _filled(plain: Readable, size: int) -> bytes:
    """So many bytes, fewer only at the end."""
    found = b""
    while len(found) < size and (more := plain.read(size - len(found))):
        found += more
    return found
