"""Where the history lies, and how its files come and go without ever being half there.

    DIR/attempts/day=2026-11-23/00000007.parquet    rows as read
    DIR/minutes/day=2026-11-23/00000007.parquet     their roll-up per minute
    DIR/exposure/day=2026-11-23/00000007.parquet    their roll-up per sender, address and hour

A file is written under a hidden name, synced, then renamed; roll-ups first, so that a file of
attempts always has both. Files that replace others say so beforehand in a note (`.merge-NAME`),
and what a note calls replaced is not read. One writer at a time, held by a lock. It refuses a
folder of a newer layout.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unlisted.edge.only_writer import NotHeld, only_writer

LAYOUT = 1
ATTEMPTS = "attempts"
KINDS = ("minutes", "exposure", ATTEMPTS)  # in the order they are written
ROW_GROUP = 65_536
_NAME = re.compile(r"\d{8}\.parquet")
_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")


class HistoryError(Exception):
    """The history cannot be read or written; the text says what was expected."""


class NoHistory(HistoryError):
    """There is none where one was to be read."""


def day_of(at: float) -> str:
    """The UTC day a time falls on, as the folder names it."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d")


class Files:
    """The files of one history. Reading needs no lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        layout = root / "layout.json"
        try:
            found = json.loads(layout.read_text("ascii"))["layout"] if layout.exists() else LAYOUT
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise HistoryError(f"{layout}: not the layout of a history: {exc}") from None
        if not isinstance(found, int) or found > LAYOUT:
            raise HistoryError(f"{root}: layout {found}; this version reads up to {LAYOUT}")

    def days(self) -> list[str]:
        """Days with attempts, oldest first."""
        try:
            names = os.listdir(self.root / ATTEMPTS)
        except FileNotFoundError:
            return []
        return sorted(found[1] for name in names if (found := _DAY.fullmatch(name)))

    def names(self, day: str) -> list[str]:
        """The day's files in the order written, those replaced left out."""
        folder = self._folder(ATTEMPTS, day)
        try:
            names = {name for name in os.listdir(folder) if _NAME.fullmatch(name)}
        except FileNotFoundError:
            return []
        for new, old in self._notes(day):
            if new in names:
                names.difference_update(old)
        return sorted(names)

    def path(self, kind: str, day: str, name: str) -> Path:
        """Where a file lies."""
        return self._folder(kind, day) / name

    def paths(self, kind: str, first: str = "", last: str = "9999") -> list[Path]:
        """All files of a kind whose day is between two days, both included."""
        days = [day for day in self.days() if first <= day <= last]
        found = [self.path(kind, day, name) for day in days for name in self.names(day)]
        return [path for path in found if path.exists()] if kind != ATTEMPTS else found

    def _folder(self, kind: str, day: str) -> Path:
        return self.root / kind / f"day={day}"

    def _notes(self, day: str) -> Iterator[tuple[str, list[str]]]:
        for path in sorted(self._folder(ATTEMPTS, day).glob(".merge-*")):
            try:
                old = json.loads(path.read_text("ascii"))
            except (OSError, ValueError):
                continue  # half written: what it announces was never begun
            if isinstance(old, list):
                yield path.name.removeprefix(".merge-"), [str(one) for one in old]


class Writing(Files):
    """The one writer. Opening puts right what a crash left behind."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock = only_writer(root / "history.lock", "history")
        except NotHeld as exc:
            raise HistoryError(str(exc)) from exc
        super().__init__(root)
        layout = root / "layout.json"
        if not layout.exists():
            layout.write_text(json.dumps({"layout": LAYOUT}), "ascii")
        self.lacking: list[tuple[str, str]] = []  # (day, name) without a roll-up
        for day in self._all_days():
            self._tidy(day)

    def close(self) -> None:
        """Let the next writer in."""
        self._lock.close()

    def fresh(self, day: str) -> str:
        """A name nothing of this day has."""
        numbers = [0]
        for kind in KINDS:
            folder = self._folder(kind, day)
            if folder.is_dir():
                numbers += [int(n[:8]) for n in os.listdir(folder) if _NAME.fullmatch(n)]
        return f"{max(numbers) + 1:08d}.parquet"

    def put(
        self,
        day: str,
        name: str,
        tables: dict[str, Iterable[pa.Table]],
        schemas: dict[str, pa.Schema],
    ) -> None:
        """Write a day's files of one name, each whole or not at all; attempts come last."""
        for kind in KINDS:
            if kind in tables:
                path = self.path(kind, day, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, tables[kind], schemas[kind])

    def replace(self, day: str, old: list[str], new: str, write: Callable[[], None]) -> None:
        """`write` makes `new`, which holds all that `old` hold."""
        note = self._folder(ATTEMPTS, day) / f".merge-{new}"
        with note.open("w", encoding="ascii") as file:
            json.dump(old, file)
            file.flush()
            os.fsync(file.fileno())
        _sync(note.parent)
        write()
        self._tidy(day)

    def drop(self, day: str) -> None:
        """Forget a day."""
        for kind in (ATTEMPTS, "minutes", "exposure"):
            folder = self._folder(kind, day)
            if folder.is_dir():
                for path in sorted(folder.iterdir()):
                    path.unlink()
                folder.rmdir()

    def _all_days(self) -> list[str]:
        found: set[str] = set()
        for kind in KINDS:
            folder = self.root / kind
            if folder.is_dir():
                found |= {m[1] for name in os.listdir(folder) if (m := _DAY.fullmatch(name))}
        return sorted(found)

    def _tidy(self, day: str) -> None:
        """Remove half-written files, what was replaced, and roll-ups whose attempts never came."""
        keep = set(self.names(day))
        for kind in (ATTEMPTS, "minutes", "exposure"):
            folder = self._folder(kind, day)
            if not folder.is_dir():
                continue
            for name in sorted(os.listdir(folder)):
                part = name.startswith(".") and name.endswith(".part")
                if part or (_NAME.fullmatch(name) and name not in keep):
                    (folder / name).unlink()
            _sync(folder)
        for note in sorted(self._folder(ATTEMPTS, day).glob(".merge-*")):
            note.unlink()
        for name in sorted(keep):
            if not all(self.path(kind, day, name).exists() for kind in KINDS):
                self.lacking.append((day, name))


def write_whole(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """One Parquet file, there with all its rows or not there."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            # lz4 costs half of zstd's time here for a quarter more bytes; see docs/history.md.
            with pq.ParquetWriter(file, schema, compression="zstd", compression_level=1) as made:
                for table in tables:
                    made.write_table(table, row_group_size=ROW_GROUP)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        raise HistoryError(f"{path}: cannot be written: {exc.strerror or exc}") from None
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
