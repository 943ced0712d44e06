"""Follows one log file line by line: across rotation, truncation, and the end of our process.

Polls; no inotify, so that network file systems and bind mounts work alike. A file is known by its
inode and by a hash of its first bytes: a file of either name that begins alike is the same log
moved or packed. What was rotated away is read to its end, then every file between it and the live
one, oldest first; a truncated file begins anew, and what its copy (copytruncate) holds beyond our
place is read first. It refuses lines beyond `LINE_LIMIT`: they are skipped and counted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from unlisted.edge.log_input import LINE_LIMIT
from unlisted.edge.unpack import DAMAGED, opened

HEAD_BYTES = 1024
READ_BYTES = 1 << 20
REMEMBERED = 32  # files read to their end whose heads are remembered
SIBLINGS = 1000
PATIENCE = 2  # looks at a rotated file that shows nothing new before it is left for the next


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a log was read. `head`: hash of the first `head_bytes`; `done`: heads of files read
    to their end, newest last, each (bytes, hash); `line`: of the line begun at `offset`."""

    inode: int = 0
    device: int = 0
    offset: int = 0
    line: int = 1
    head_bytes: int = 0
    head: str = ""
    skipping: bool = False
    done: tuple[tuple[int, str], ...] = ()


def decoded(data: bytes | str) -> Place:
    """A place written by an earlier process. Raises ValueError."""
    place = msgspec.json.decode(data, type=Place)
    if place.offset < 0 or not 0 <= place.head_bytes <= HEAD_BYTES or place.line < 1:
        raise ValueError("a place before the file begins")
    return place


class Line(NamedTuple):
    """A line without its end, its number in its file, and the place behind it."""

    number: int
    data: bytes


class Tail:
    """One log. `read` gives what is there now; `place` is behind what was given."""

    def __init__(self, path: Path, place: Place | None = None) -> None:
        self.path = path
        self.place = place or Place()
        self.skipped = 0
        self.files = 0  # changes of file, rotated or truncated
        self.lost = False  # the file read last is gone: what followed in it was not read
        self._file: _Direct | _Packed | None = None
        self._waited = 0
        self._looked = 0  # bytes of the file that were looked at: the last line may not be whole
        self._begun = place is not None
        self._queue: list[tuple[Path, int, int]] = []  # files to read next: path, offset, line

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, limit: int = READ_BYTES) -> list[Line]:
        """Whole lines of about `limit` bytes at most, all of one file; empty: nothing new."""
        if self._file is None and not self._open():
            return []
        if self._truncated():
            self._restart()
            return []
        lines = self._lines(limit)
        if lines:
            self._waited = 0
        elif self._left_behind():
            self._waited += 1
            if self._waited >= PATIENCE or self._gone_on():
                self._next()
        return lines

    def at_end(self) -> bool:
        """Whether nothing is left to read, in this file or a later one."""
        if self._file is None:
            return not self._open()
        return (
            not self._queue
            and not self._left_behind()
            and self._size() <= max(self.place.offset, self._looked)
        )

    # ------------------------------------------------------------ which file

    def _open(self) -> bool:
        """The file to read now: ours, wherever it is; on the first start the live one."""
        if self._begun:
            found = self._find()
            if found is not None:
                place = self.place
                return self._take(found, place.offset, place.line, place.skipping)
            self.lost = True
            self._line_up(None)
            if self._queue:
                return self._take(*self._queue.pop(0))
        return self._take(self.path, 0, 1)

    def _take(self, path: Path, offset: int, line: int, skipping: bool = False) -> bool:
        self.close()
        file = _plain(path, offset)
        if file is None:
            return False
        told = os.fstat(file.fileno())
        size, head = file.head()
        done = self.place.done
        self.place = Place(told.st_ino, told.st_dev, offset, line, size, head, skipping, done)
        self._file = file
        self._begun = True
        self._waited = self._looked = 0
        return True

    def _find(self) -> Path | None:
        """Our file under its own name, a rotated one, or packed."""
        place = self.place
        for path in (self.path, *_siblings(self.path)):
            with contextlib.suppress(OSError):
                told = path.stat()
                same = (told.st_ino, told.st_dev) == (place.inode, place.device)
                if place.head_bytes:
                    if _head(path, place.head_bytes) == (place.head_bytes, place.head):
                        return path
                elif same:
                    return path
        return None

    def _line_up(self, after: float | None) -> None:
        """What was written since, oldest first: rotated files we never read, then the live one."""
        found = []
        for path in _siblings(self.path):
            with contextlib.suppress(OSError):
                told = path.stat()
                if (told.st_ino, told.st_dev) == (self.place.inode, self.place.device):
                    continue
                if after is not None and told.st_mtime >= after and not self._known(path):
                    found.append((told.st_mtime, path))
        self._queue = [(path, 0, 1) for _, path in sorted(found)]
        if self.path.exists():
            self._queue.append((self.path, 0, 1))

    def _known(self, path: Path) -> bool:
        own = (self.place.head_bytes, self.place.head)
        heads = [one for one in (*self.place.done, own) if one[0]]
        return any(_head(path, size) == (size, head) for size, head in heads)

    def _left_behind(self) -> bool:
        """Whether the live file is another one than ours, or ours was only a copy."""
        if self._queue:
            return True
        try:
            told = self.path.stat()
        except OSError:
            return False  # moved away and not made anew yet: its writer may still write to it
        return (told.st_ino, told.st_dev) != (self.place.inode, self.place.device)

    def _gone_on(self) -> bool:
        """Whether the writer already writes to the next file."""
        with contextlib.suppress(OSError):
            return bool(self._queue) or self.path.stat().st_size > 0
        return False

    def _next(self) -> None:
        """Ours is at its end: the next in line, or the live file."""
        own = (self.place.head_bytes, self.place.head)
        done = (*self.place.done, own)[-REMEMBERED:] if own[0] else self.place.done
        if not self._queue:
            assert self._file is not None
            self._line_up(os.fstat(self._file.fileno()).st_mtime)
        self.place = msgspec.structs.replace(self.place, done=done)
        while self._queue:
            path, offset, line = self._queue.pop(0)
            if path != self.path and offset == 0 and self._known(path):
                continue
            if self._take(path, offset, line):
                self.files += 1
                return

    # ------------------------------------------------------------ truncation

    def _truncated(self) -> bool:
        file = self._file
        if not isinstance(file, _Direct):
            return False
        if self._size() < self.place.offset:
            return True
        size, head = file.head(self.place.head_bytes)
        if (size, head) != (self.place.head_bytes, self.place.head):
            return True
        if self.place.head_bytes < HEAD_BYTES and self._size() > self.place.head_bytes:
            size, head = file.head()
            self.place = msgspec.structs.replace(self.place, head_bytes=size, head=head)
        return False

    def _restart(self) -> None:
        """The file was emptied under us. copytruncate: its copy may hold what we had not read."""
        place = self.place
        self._queue = []
        for path in _siblings(self.path):
            with contextlib.suppress(OSError):
                alike = place.head_bytes and _head(path, place.head_bytes) == (
                    place.head_bytes,
                    place.head,
                )
                if alike and path.stat().st_ino != place.inode:
                    self._queue.append((path, place.offset, place.line))
                    break
        self._queue.append((self.path, 0, 1))
        own = (place.head_bytes, place.head)
        done = (*place.done, own)[-REMEMBERED:] if own[0] and not self._queue[1:] else place.done
        self.place = msgspec.structs.replace(place, done=done)
        path, offset, line = self._queue.pop(0)
        self.files += 1
        self._take(path, offset, line)

    def _size(self) -> int:
        assert self._file is not None
        return os.fstat(self._file.fileno()).st_size if isinstance(self._file, _Direct) else 0

    # ------------------------------------------------------------ lines

    def _lines(self, limit: int) -> list[Line]:
        assert self._file is not None
        place = self.place
        offset, number, skipping = place.offset, place.line, place.skipping
        try:
            data = self._file.read(limit)
            while data and b"\n" not in data and len(data) <= LINE_LIMIT:
                more = self._file.read(LINE_LIMIT)
                if not more:
                    break
                data += more
        except OSError:
            data = b""
        found: list[Line] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if skipping or end - start > LINE_LIMIT:
                self.skipped += 1
                skipping = False
            else:
                found.append(Line(number, data[start:end]))
            number += 1
            start = end + 1
        if len(data) - start > LINE_LIMIT:
            skipping, start = True, len(data)
        self._looked = offset + len(data)
        self._file.seek(offset + start)
        self.place = msgspec.structs.replace(
            place, offset=offset + start, line=number, skipping=skipping
        )
        return found


class _Direct:
    """A file as it lies there."""

    def __init__(self, raw: BinaryIO, offset: int) -> None:
        self._raw = raw
        self._raw.seek(offset)

    def read(self, count: int) -> bytes:
        return self._raw.read(count)

    def seek(self, offset: int) -> None:
        self._raw.seek(offset)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()

    def head(self, count: int = HEAD_BYTES) -> tuple[int, str]:
        return _hashed(os.pread(self._raw.fileno(), count, 0))


class _Packed:
    """A packed file by places in what it holds. It does not grow and is read forward."""

    def __init__(self, path: Path, offset: int) -> None:
        self._head = _head(path)
        self._raw = path.open("rb")
        self._parts = self._all()
        self._ahead = self._given = b""
        self._at = 0
        while self._at < offset and self.read(min(READ_BYTES, offset - self._at)):
            pass

    def _all(self) -> Iterator[bytes]:
        # A packed file that ends in the middle: what could be read was.
        with contextlib.suppress(OSError, *DAMAGED), opened(self._raw) as plain:
            while part := plain.read(READ_BYTES):
                yield part

    def read(self, count: int) -> bytes:
        while len(self._ahead) < count and (part := next(self._parts, b"")):
            self._ahead += part
        given, self._ahead = self._ahead[:count], self._ahead[count:]
        self._at += len(given)
        self._given = given
        return given

    def seek(self, offset: int) -> None:
        back = self._at - offset  # what was read beyond the last whole line
        if back > 0:
            self._ahead = self._given[len(self._given) - back :] + self._ahead
            self._at = offset

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()

    def head(self, count: int = HEAD_BYTES) -> tuple[int, str]:
        return self._head


def _plain(path: Path, offset: int) -> _Direct | _Packed | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        raw = path.open("rb")
        if _is_packed(raw):
            raw.close()
            return _Packed(path, offset)
        return _Direct(raw, offset)
    except OSError:
        return None


def _is_packed(raw: BinaryIO) -> bool:
    return os.pread(raw.fileno(), 6, 0).startswith(
        (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh")
    )


def _head(path: Path, count: int = HEAD_BYTES) -> tuple[int, str]:
    """(bytes, hash) of what the file begins with, unpacked."""
    data = b""
    with contextlib.suppress(OSError, *DAMAGED), path.open("rb") as raw, opened(raw) as plain:
        while len(data) < count and (part := plain.read(count - len(data))):
            data += part
    return _hashed(data[:count])


def _hashed(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.blake2b(data, digest_size=16).hexdigest()


def _siblings(path: Path) -> list[Path]:
    """Files beside it that may be older parts of it, by name (mail.log.1, mail.log-20261123.gz)."""
    try:
        with os.scandir(path.parent) as entries:
            names = [
                e.name for e in entries if e.name.startswith(path.name) and e.name != path.name
            ]
    except OSError:
        return []
    return [path.with_name(name) for name in sorted(names)[:SIBLINGS]]
