"""One archive of a state folder, and back: journal, secret, operator's token, people.

The journal is copied by SQLite's online backup, so the service may run; the archive is a plain tar
(POSIX ustar headers, GNU sizes) that starts with a manifest of sizes and SHA-256 sums, made under
a temporary name, mode 0600: it holds the secret. Restore reads the headers itself and refuses
whatever is not exactly such an archive: other names, links, sparse or extended members, sizes that
the file does not hold, wrong sums, a journal that SQLite finds damaged, a folder with files in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from unlisted.edge import journal, staff

BLOCK = 512
CHUNK = 1 << 20
FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST = 64 << 10
FILES = (journal.FILE, "secret", "operator.token", staff.FILE)
NEEDED = (journal.FILE,)


class BackupError(Exception):
    """Why an archive could not be made or is refused; nothing was changed."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the archive."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an archive holds, in this order. `facts`: how many facts the journal has."""

    format: int
    facts: int
    files: tuple[Entry, ...]


def backup(state: Path, file: Path) -> Manifest:
    """Write the archive. Raises BackupError, journal.JournalError."""
    if file.exists():
        raise BackupError(f"{file}: is there already; a backup replaces nothing")
    source = journal.reader(state / journal.FILE)
    part = file.with_name(file.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder:
            copy = Path(folder) / journal.FILE
            facts = _copied(source, copy)
            paths = [copy, *(state / name for name in FILES[1:] if (state / name).is_file())]
            manifest = Manifest(FORMAT, facts, tuple(_entry(path) for path in paths))
            _write(part, manifest, paths)
        part.replace(file)
    except (OSError, sqlite3.Error) as exc:
        raise BackupError(f"{file}: {exc}") from exc
    finally:
        source.close()
        part.unlink(missing_ok=True)
    return manifest


def restore(file: Path, state: Path) -> Manifest:
    """Make the state folder from the archive. Raises BackupError; then there is no new folder."""
    if state.exists() and (not state.is_dir() or any(state.iterdir())):
        raise BackupError(f"{state}: is not empty; restore makes a new state folder")
    state.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=state.parent, prefix=f".{state.name}-"))
    try:
        with file.open("rb") as archive:
            manifest = _unpacked(archive, file, part)
        _check_journal(part / journal.FILE, manifest)
        part.replace(state)  # onto nothing, or onto an empty folder
    except OSError as exc:
        raise BackupError(f"{file}: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


# ---------------------------------------------------------------- making


def _copied(source: sqlite3.Connection, copy: Path) -> int:
    with contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target, pages=1000)
        target.execute("pragma journal_mode=delete")
        (facts,) = target.execute("select coalesce(max(n), 0) from fact").fetchone()
    return int(facts)


def _entry(path: Path) -> Entry:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Entry(path.name, size, digest.hexdigest())


def _write(part: Path, manifest: Manifest, paths: list[Path]) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        _member(out, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        for entry, path in zip(manifest.files, paths, strict=True):
            out.write(_header(entry.name, entry.size))
            with path.open("rb") as handle:
                shutil.copyfileobj(handle, out, CHUNK)
            out.write(bytes(-entry.size % BLOCK))
        out.write(bytes(2 * BLOCK))
        out.flush()
        os.fsync(out.fileno())


def _member(out: IO[bytes], name: str, data: bytes) -> None:
    out.write(_header(name, len(data)))
    out.write(data + bytes(-len(data) % BLOCK))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


# ---------------------------------------------------------------- reading


def _unpacked(archive: IO[bytes], file: Path, folder: Path) -> Manifest:
    left = os.fstat(archive.fileno()).st_size
    name, size = _read_header(archive, file)
    if name != MANIFEST or size > MAX_MANIFEST:
        raise BackupError(f"{file}: is not a backup of unlisted (no {MANIFEST} in front)")
    raw = _read(archive, size, file)
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BackupError(f"{file}: {MANIFEST}: {exc}") from None
    _check_manifest(manifest, file, left)
    for entry in manifest.files:
        name, size = _read_header(archive, file)
        if (name, size) != (entry.name, entry.size):
            raise BackupError(f"{file}: holds {name!r} where {MANIFEST} says {entry.name!r}")
        digest = hashlib.sha256()
        descriptor = os.open(folder / entry.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            for chunk in _chunks(archive, size, file):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != entry.sha256:
            raise BackupError(f"{file}: {name} is damaged: its SHA-256 is not the manifest's")
    return manifest


def _check_manifest(manifest: Manifest, file: Path, available: int) -> None:
    if manifest.format != FORMAT:
        raise BackupError(f"{file}: format {manifest.format}; this version reads {FORMAT}")
    names = [entry.name for entry in manifest.files]
    strange = [name for name in names if name not in FILES]
    if strange or len(set(names)) != len(names):
        raise BackupError(f"{file}: may hold {', '.join(FILES)}, once each; not {strange[:1]}")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise BackupError(f"{file}: lacks {missing[0]}")
    if any(entry.size < 0 for entry in manifest.files):
        raise BackupError(f"{file}: a size below 0")
    total = sum(entry.size for entry in manifest.files)
    if total > available:
        raise BackupError(f"{file}: is cut short: {total} bytes promised, {available} there")


def _read_header(archive: IO[bytes], file: Path) -> tuple[str, int]:
    block = _exactly(archive, BLOCK, file)
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeError, ValueError):
        raise BackupError(f"{file}: is not a tar archive, or is cut short") from None
    # No extended headers: each could claim a name, a size or a hole of its own.
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
        raise BackupError(f"{file}: holds something else than plain files")
    return info.name, info.size


def _read(archive: IO[bytes], size: int, file: Path) -> bytes:
    return b"".join(_chunks(archive, size, file))


def _chunks(archive: IO[bytes], size: int, file: Path) -> Iterator[bytes]:
    left = size
    while left:
        chunk = _exactly(archive, min(left, CHUNK), file)
        left -= len(chunk)
        yield chunk
    _exactly(archive, -size % BLOCK, file)


def _exactly(archive: IO[bytes], size: int, file: Path) -> bytes:
    data = archive.read(size)
    if len(data) != size:
        raise BackupError(f"{file}: is cut short")
    return data


def _check_journal(path: Path, manifest: Manifest) -> None:
    try:
        with contextlib.closing(journal.reader(path)) as db:
            (verdict,) = db.execute("pragma quick_check(1)").fetchone()
            (facts,) = db.execute("select coalesce(max(n), 0) from fact").fetchone()
    except (sqlite3.Error, journal.JournalError) as exc:
        raise BackupError(f"the archive's journal cannot be read: {exc}") from None
    if verdict != "ok" or facts != manifest.facts:
        raise BackupError(f"the archive's journal is damaged: {verdict}, {facts} facts")
