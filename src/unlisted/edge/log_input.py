"""Log files as blocks of whole lines: opened, unpacked, in order, whatever they hold.

Paths, folders of rotated files, named pipes, `-` for standard input. Packed files are known by
their first bytes (gzip RFC 1952, zstd RFC 8878, xz, bzip2), never by their name; UTF-16 is made
UTF-8. A line beyond `LINE_LIMIT` is skipped in bounded memory and counted. What is damaged gives
what could be read and says so. Refuses, with a sentence and never a traceback: what is no file,
what may not be read, what is no text, archives.
"""

import codecs
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from unlisted.edge.pipe import Pipe
from unlisted.edge.unpack import DAMAGED, Damaged, Readable, opened

LINE_LIMIT = 64 * 1024
BLOCK_BYTES = 8 * 1024 * 1024
HEAD_BYTES = 64 * 1024
_NEWLINE = 10
_FOLDER_LIMIT = 10_000
_TEXT_CONTROLS = frozenset(b"\t\n\r\x0b\x0c\x1b\x08")

Progress = Callable[[int, int | None], None]  # bytes read so far, of how many (None: unknown)


class Block(NamedTuple):
    """Whole lines, each ended by a newline. cut: the file ended without one, and this is that
    last line alone (with a newline put behind it)."""

    file: int
    first_line: int
    data: bytes
    cut: bool = False


@dataclass(slots=True)
class Source:
    """One input: where it is, when it was last written, what happened while it was read."""

    name: str
    size: int | None
    written_at: float | None
    bytes_read: int = 0  # as stored, packed
    lines: int = 0
    too_long: int = 0
    too_long_at: int | None = None  # the first such line
    problem: str | None = None  # why nothing was read
    damaged: str | None = None  # why not everything was read


def sources_of(paths: Sequence[str | Path]) -> list[Source]:
    """What the paths stand for; a folder stands for the files in it. Unreadable ones too: each
    with its problem, so that nothing named is passed over in silence."""
    found: list[Source] = []
    for path in paths:
        found += [Source("-", None, None)] if str(path) == "-" else _of_path(Path(path))
    return found


def _of_path(path: Path) -> list[Source]:
    try:
        told = path.stat()
        if not stat.S_ISDIR(told.st_mode):
            return [_source(path, told)]
        names = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return [_refused(path, _why(error))]
    files = [entry for entry in names[:_FOLDER_LIMIT] if entry.is_file()]
    if not files:
        return [_refused(path, "a folder without files")]
    return [source for entry in files for source in _of_path(entry)]


def _source(path: Path, told: os.stat_result) -> Source:
    if stat.S_ISREG(told.st_mode):
        return Source(str(path), told.st_size, told.st_mtime)
    if stat.S_ISFIFO(told.st_mode):
        return Source(str(path), None, None)
    return _refused(path, "neither a file nor a folder nor a pipe")


def _refused(path: Path, why: str) -> Source:
    return Source(str(path), None, None, problem=why)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def head_of(source: Source) -> bytes:
    """The first bytes, unpacked and as UTF-8, to tell format and first stamp; b"" when there are
    none. Not for pipes: what is read from them is gone."""
    if source.problem or source.written_at is None:
        return b""
    try:
        with _open(source) as raw, opened(raw) as plain:
            return as_utf8(_filled(plain, HEAD_BYTES))
    except Damaged as damaged:
        return as_utf8(damaged.partial)
    except OSError as error:
        source.problem = _why(error)
        return b""


def as_utf8(head: bytes) -> bytes:
    """A head in UTF-16 as UTF-8, a byte order mark taken off."""
    encoding = _wide_encoding(head)
    if encoding is None:
        return head.removeprefix(codecs.BOM_UTF8)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    return text.removeprefix("\ufeff").encode("utf-8", "replace")


def _wide_encoding(head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    sample = head[:512]
    if len(sample) < 32:
        return None
    for encoding, zeros, letters in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if not any(sample[zeros::2]) and sample[letters::2].count(0) == 0:
            return encoding
    return None


def why_not_text(head: bytes) -> str | None:
    """The problem with a head that is no text. Runs of NUL are left by a crash or by a writer
    that went on after its file was emptied: they are no sign."""
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if head.startswith((b"PK\x03\x04", b"7z\xbc\xaf", b"LPKSHHRH", b"\x7fELF", b"PAR1")):
        return "no text: an archive, a journal or a program (journald: journalctl -o short-iso)"
    sample = head[:8192].replace(b"\0", b"")
    odd = sum(1 for byte in sample if byte < 32 and byte not in _TEXT_CONTROLS)
    return "no text: binary data" if odd * 25 > len(sample) else None


class LogInput:
    """The blocks of all sources in their order, and the count of bytes for a progress bar."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        progress: Progress | None = None,
        block_bytes: int = BLOCK_BYTES,
        stdin: BinaryIO | None = None,
    ) -> None:
        self.sources = sources
        self._progress = progress
        self._block_bytes = block_bytes
        self._stdin = stdin
        self._done = 0
        sizes = [source.size for source in sources if source.problem is None]
        known = [size for size in sizes if size is not None]
        self.total: int | None = sum(known) if len(known) == len(sizes) else None

    def blocks(self, file: int) -> Iterator[Block]:
        """The lines of one source. Never raises for what the source holds."""
        source = self.sources[file]
        if source.problem is not None:
            return
        try:
            with _open(source, self._stdin) as raw, opened(_Counted(raw, self, source)) as plain:
                yield from _lines(plain, source, file, self._block_bytes)
        except DAMAGED as error:
            source.damaged = f"damaged: {error}"
        except OSError as error:
            why = _why(error)
            if source.bytes_read:
                source.damaged = why
            else:
                source.problem = why

    def counted(self, source: Source, count: int) -> None:
        source.bytes_read += count
        self._done += count
        if self._progress is not None and count:
            self._progress(self._done, self.total)


class _Counted:
    """The raw bytes of a source on their way to be unpacked."""

    def __init__(self, raw: Readable, owner: LogInput, source: Source) -> None:
        self._raw, self._owner, self._source = raw, owner, source

    def read(self, count: int, /) -> bytes:
        data = self._raw.read(count)
        self._owner.counted(self._source, len(data))
        return data


def _open(source: Source, stdin: BinaryIO | None = None) -> "BinaryIO | Pipe":
    if source.name == "-":
        # A copy: closing it at the end must not close standard input itself.
        return stdin if stdin is not None else os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    if source.written_at is not None:
        return open(source.name, "rb", buffering=0)
    return Pipe(source.name)


def _lines(plain: Readable, source: Source, file: int, size: int) -> Iterator[Block]:
    cutter = _Cutter(source, file)
    damaged: Damaged | None = None
    decoder: codecs.IncrementalDecoder | None = None
    first = True
    while damaged is None:
        try:
            data = _filled(plain, size)
        except Damaged as error:
            data, damaged = error.partial, error
        if first and data:
            first = False
            encoding = _wide_encoding(data)
            if encoding is not None:
                decoder = codecs.getincrementaldecoder(encoding)("replace")
            problem = why_not_text(as_utf8(data[:HEAD_BYTES]))
            if problem is not None:
                source.problem = problem
                return
            data = data.removeprefix(codecs.BOM_UTF8)
        if not data:
            break
        if decoder is not None:
            data = decoder.decode(data).replace("\ufeff", "").encode("utf-8", "replace")
        yield from cutter.feed(data)
    yield from cutter.end()
    if first and not source.bytes_read:
        source.problem = "empty"
    if damaged is not None:
        source.damaged = str(damaged)


def _filled(plain: Readable, size: int) -> bytes:
    """A full block, or what there is before the end. A pipe gives 64 KB at a time."""
    parts: list[bytes] = []
    have = 0
    while have < size:
        try:
            data = plain.read(size - have)
        except Damaged as damaged:
            raise Damaged(str(damaged), b"".join([*parts, damaged.partial])) from None
        if not data:
            break
        parts.append(data)
        have += len(data)
    return b"".join(parts) if len(parts) != 1 else parts[0]


class _Cutter:
    """Bytes in, blocks of whole lines out; lines beyond the limit are left out and counted."""

    def __init__(self, source: Source, file: int) -> None:
        self._source, self._file = source, file
        self._tail = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[Block]:
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                return
            self._skipping = False
            data = data[end + 1 :]
        data = self._tail + data if self._tail else data
        start = at = 0
        length = len(data)
        while length - at > LINE_LIMIT:
            end = data.rfind(b"\n", at, at + LINE_LIMIT)
            if end >= 0:
                at = end + 1
                continue
            yield from self._block(data, start, at)
            self._too_long()
            end = data.find(b"\n", at)
            if end < 0:
                self._skipping, self._tail = True, b""
                return
            start = at = end + 1
        end = data.rfind(b"\n", at) + 1 or at
        self._tail = data[end:]
        yield from self._block(data, start, end)

    def end(self) -> Iterator[Block]:
        if self._tail and not self._skipping:
            first = self._source.lines + 1
            self._source.lines += 1
            yield Block(self._file, first, self._tail + b"\n", cut=True)
            self._tail = b""

    def _block(self, data: bytes, start: int, end: int) -> Iterator[Block]:
        if start == end:
            return
        piece = data if start == 0 and end == len(data) else data[start:end]
        first = self._source.lines + 1
        # A quarter of what `bytes.count` takes, where every hundredth byte is a newline.
        self._source.lines += int(np.count_nonzero(np.frombuffer(piece, np.uint8) == _NEWLINE))
        yield Block(self._file, first, piece)

    def _too_long(self) -> None:
        self._source.lines += 1
        self._source.too_long += 1
        if self._source.too_long_at is None:
            self._source.too_long_at = self._source.lines
