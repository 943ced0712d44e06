"""Packed files read as they are: gzip (RFC 1952), xz, bzip2, zstd (RFC 8878), or not packed.

Known by their first bytes. Several members behind one another are one file, as the tools write
them. `Damaged` carries what could be read before the damage. Memory is bounded: never more out
than was asked for, whatever a small file unpacks to.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

_READ = 256 * 1024
_XZ_MEMORY = 256 * 1024 * 1024
_ZSTD_STEP = 32 * 1024


class Damaged(Exception):
    """The rest cannot be read; `partial` is what came before it in this read."""

    def __init__(self, why: str, partial: bytes = b"") -> None:
        super().__init__(why)
        self.partial = partial


DAMAGED = (Damaged, EOFError, zlib.error, lzma.LZMAError, MemoryError)


class Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


class _Step(Protocol):
    """One member being unpacked, in the shape of bz2's and lzma's decompressors."""

    eof: bool
    unused_data: bytes
    needs_input: bool

    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Gzip:
    """zlib's decompressor in that shape."""

    def __init__(self) -> None:
        self._step = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._step.eof

    @property
    def unused_data(self) -> bytes:
        return self._step.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        out = self._step.decompress(self._step.unconsumed_tail + data, max_length)
        self.needs_input = not self._step.unconsumed_tail and len(out) < max_length
        return out


def _xz() -> Any:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_MAGIC: tuple[tuple[bytes, str, Any], ...] = (
    (b"\x1f\x8b\x08", "gzip", _Gzip),
    (b"\xfd7zXZ\x00", "xz", _xz),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
)
_ZSTD = b"\x28\xb5\x2f\xfd"


@contextmanager
def opened(raw: Readable) -> Iterator[Readable]:
    """The plain bytes of what `raw` holds."""
    head = b""
    while len(head) < 6 and (more := raw.read(6 - len(head))):
        head += more
    for magic, name, make in _MAGIC:
        if head.startswith(magic) and (name != "bzip2" or head[3:4].isdigit()):
            yield _Unpacked(_Rejoined(head, raw), name, make)
            return
    if head.startswith(_ZSTD):
        with _zstd(_Rejoined(head, raw)) as plain:
            yield plain
        return
    yield _Rejoined(head, raw)


class _Rejoined:
    """The bytes looked at, then the rest."""

    def __init__(self, head: bytes, raw: Readable) -> None:
        self._head, self._raw = head, raw
        self.closed = False

    def read(self, count: int = _READ) -> bytes:
        if self._head:
            head, self._head = self._head[:count], self._head[count:]
            return head
        return self._raw.read(count)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


class _Unpacked:
    """gzip, xz and bzip2, member behind member."""

    def __init__(self, raw: Readable, name: str, make: Any) -> None:
        self._raw, self._name, self._make = raw, name, make
        self._step: _Step | None = make()
        self._waiting = b""

    def read(self, count: int) -> bytes:
        try:
            while self._step is not None:
                out = self._more(count)
                if out:
                    return out
        except (zlib.error, lzma.LZMAError, OSError, EOFError, MemoryError) as error:
            self._step = None
            raise Damaged(f"{self._name} damaged ({error})") from None
        return b""

    def _more(self, count: int) -> bytes:
        step = self._step
        assert step is not None
        if step.eof:
            self._next_member(step)
            return b""
        data, self._waiting = self._waiting, b""
        if step.needs_input and not data:
            data = self._raw.read(_READ)
            if not data:
                self._step = None
                raise Damaged(f"{self._name} ends in the middle: the rest is missing")
        return step.decompress(data, count)

    def _next_member(self, step: _Step) -> None:
        rest = step.unused_data or self._raw.read(_READ)
        while rest and not rest.strip(b"\0"):  # padding of tapes and block devices
            rest = self._raw.read(_READ)
        self._step = self._make() if rest else None
        self._waiting = rest


class _Zstd:
    def __init__(self, stream: Any, errors: tuple[type[Exception], ...]) -> None:
        self._stream, self._errors = stream, errors
        self._step = memoryview(bytearray(_ZSTD_STEP))

    def read(self, count: int) -> bytes:
        # Small steps: what an interrupted step had unpacked is lost. Into our own buffer: the
        # stream's read() never frees its own after an error (pyarrow 26).
        try:
            step = self._step[:count]
            return bytes(step[: self._stream.readinto(step)])
        except self._errors as error:
            why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            self._errors = ()
            raise Damaged(f"zstd damaged or ends in the middle ({why})") from None


@contextmanager
def _zstd(raw: _Rejoined) -> Iterator[Readable]:
    # Not at the top: `unlisted serve` need not pay for pyarrow.
    import pyarrow as pa

    with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
        yield _Zstd(stream, (OSError, pa.ArrowException))
