"""The history: delivery attempts as Parquet by day, each log line once, people as keyed hashes.

`HistoryWriter` takes batches of attempts in any order; `History` reads. Files are laid out by
`history_files`, rows shaped by `history_rows`, roll-ups by `history_rollups`. DuckDB reads the
same files without us (docs/history.md). pyarrow, numpy and duckdb are imported here: import
this module only where a log or the history is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unlisted.edge.history_exposure import last_day, read_exposure
from unlisted.edge.history_files import ATTEMPTS, Files, HistoryError, NoHistory, Writing, day_of
from unlisted.edge.history_rollups import MINUTES, ROLLUPS, added_up, exposure, minutes
from unlisted.edge.history_rows import STORED, Stored
from unlisted.edge.history_seen import HOUR_S, Seen

__all__ = ["Added", "History", "HistoryError", "HistoryWriter"]

FILE_ROWS = 131_072  # a day's file is written when so many rows of it wait
HELD_ROWS = 262_144  # or when so many rows of all days wait
SMALL_ROWS = 65_536  # files with fewer rows are merged
MERGED_ROWS = 1_048_576  # into files of about so many
SCHEMAS = {ATTEMPTS: STORED, **ROLLUPS}
_MAKE: dict[str, Callable[[pa.Table], pa.Table]] = {"minutes": minutes, "exposure": exposure}


class Added(msgspec.Struct, frozen=True):
    """What became of rows: new ones, those known already, those without a usable time."""

    new: int = 0
    known: int = 0
    lost: int = 0

    def __add__(self, other: Added) -> Added:
        return Added(self.new + other.new, self.known + other.known, self.lost + other.lost)


class Size(NamedTuple):
    """What a day takes."""

    day: str
    files: int
    attempts: int
    bytes: int


class HistoryWriter:
    """Adds attempts. What `flush` returned from stands on the disk; closing flushes."""

    def __init__(self, root: Path, secret: bytes) -> None:
        self._files = Writing(root)
        self._stored = Stored(secret)
        self._seen = Seen(self._files, self.flush)
        self._held: dict[str, list[pa.Table]] = {}
        self._rows: dict[str, int] = {}
        for day, name in self._files.lacking:
            self._roll_up(day, name)

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, batch: pa.RecordBatch) -> Added:
        """Keep the batch's rows that the history has not; `batch` is of SCHEMA or CLASSIFIED."""
        usable = self._stored.usable(batch)
        lost = len(batch) - len(usable)
        if not len(usable):
            return Added(lost=lost)
        ids = self._stored.ids(usable)
        hours = np.floor(usable["at"].to_numpy() / HOUR_S).astype(np.int64)
        fresh = self._seen.new(hours, ids)
        new = int(fresh.sum())
        if new:
            kept = usable if new == len(usable) else usable.filter(pa.array(fresh))
            self._hold(self._stored.rows(kept, ids[fresh]), hours[fresh] // 24)
        self._seen.trim()
        return Added(new, len(usable) - new, lost)

    def _hold(self, rows: pa.Table, days: Any) -> None:
        for number in np.unique(days):
            day = day_of(float(number) * 86400.0)
            mine = rows.filter(pa.array(days == number))
            self._held.setdefault(day, []).append(mine)
            self._rows[day] = self._rows.get(day, 0) + len(mine)
            if self._rows[day] >= FILE_ROWS:
                self._write(day)
        if sum(self._rows.values()) >= HELD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held; afterwards it survives a power cut."""
        for day in sorted(self._held):
            self._write(day)

    def _write(self, day: str) -> None:
        rows = pa.concat_tables(self._held[day]).sort_by("at")
        tables = {kind: [make(rows)] for kind, make in _MAKE.items()}
        self._files.put(day, self._files.fresh(day), {**tables, ATTEMPTS: [rows]}, SCHEMAS)
        del self._held[day], self._rows[day]

    def close(self) -> None:
        """Flush and let the next writer in."""
        try:
            self.flush()
        finally:
            self._files.close()

    # ------------------------------------------------------------ upkeep

    def compact(self, day: str | None = None) -> int:
        """Merge small files of a day (of every day); how many files are gone."""
        self.flush()
        gone = 0
        for one in [day] if day else self._files.days():
            for group in self._small(one):
                new = self._files.fresh(one)
                self._files.replace(one, group, new, lambda: self._merge(one, group, new))  # noqa: B023 — called at once
                gone += len(group) - 1
        return gone

    def _small(self, day: str) -> list[list[str]]:
        groups: list[list[str]] = [[]]
        total = 0
        for name in self._files.names(day):
            rows = pq.read_metadata(self._files.path(ATTEMPTS, day, name)).num_rows
            if rows >= SMALL_ROWS:
                continue
            if total + rows > MERGED_ROWS:
                groups.append([])
                total = 0
            groups[-1].append(name)
            total += rows
        return [group for group in groups if len(group) > 1]

    def _merge(self, day: str, names: list[str], new: str) -> None:
        tables = {
            kind: [added_up(kind, pa.concat_tables(self._read(kind, day, name) for name in names))]
            for kind in ROLLUPS
        }
        rows = (self._read(ATTEMPTS, day, name) for name in names)
        self._files.put(day, new, {**tables, ATTEMPTS: _grouped(rows)}, SCHEMAS)

    def _read(self, kind: str, day: str, name: str) -> pa.Table:
        return pq.read_table(self._files.path(kind, day, name), schema=SCHEMAS[kind])

    def _roll_up(self, day: str, name: str) -> None:
        rows = self._read(ATTEMPTS, day, name)
        self._files.put(day, name, {kind: [make(rows)] for kind, make in _MAKE.items()}, SCHEMAS)

    def expire(self, before: float) -> list[str]:
        """Forget whole days that ended before this time."""
        gone = [day for day in self._files.days() if day < day_of(max(0.0, before))]
        for day in gone:
            self._held.pop(day, None)
            self._rows.pop(day, None)
            self._files.drop(day)
        return gone

    def erase(self, name: str) -> int:
        """Forget a person (an address, or a typed origin as login:anna): rows changed.

        The rows stay, without the person: counts stay true, and reading the log again does not
        bring the person back.
        """
        self.flush()
        marks = {self._stored.person(name), self._stored.sender(name)} - {name}
        if ":" not in name:
            marks |= {
                self._stored.sender(f"{kind}:{name}") for kind in ("login", "forward", "list")
            }
        changed = 0
        for day in self._files.days():
            for file in self._files.names(day):
                changed += self._erase(day, file, sorted(marks))
        return changed

    def _erase(self, day: str, name: str, marks: Sequence[str]) -> int:
        changed = 0
        for kind in ("minutes", "exposure", ATTEMPTS):
            table = self._read(kind, day, name)
            clean, count = _without(table, marks)
            if count:
                self._files.put(day, name, {kind: [clean]}, SCHEMAS)
            if kind == ATTEMPTS:
                changed = count
        return changed


_WHOLE = ("sender", "recipient", "mail_from", "orig_to")
_INSIDE = ("text", "subject_value")


def _without(table: pa.Table, marks: Sequence[str]) -> tuple[pa.Table, int]:
    """The table without these hashes, and how many rows held one."""
    hit = np.zeros(len(table), dtype=bool)
    values = pa.array(list(marks), pa.string())
    for name in _WHOLE:
        if name in table.column_names:
            found = pc.is_in(table[name], value_set=values)
            nulled = pc.if_else(found, pa.scalar(None, pa.string()), table[name])
            table = table.set_column(table.column_names.index(name), name, nulled)
            hit |= found.to_numpy()
    bare = [mark.rpartition(":")[2] for mark in marks]
    for name in _INSIDE:
        for mark in bare if name in table.column_names else ():
            found = pc.fill_null(pc.match_substring(table[name], mark), False)
            cut = pc.replace_substring(table[name], mark, "erased")
            table = table.set_column(table.column_names.index(name), name, cut)
            hit |= found.to_numpy()
    return table, int(hit.sum())


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables of a good size for row groups: many tiny ones cost a reader more than their rows."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += len(table)
        if rows >= SMALL_ROWS:
            yield pa.concat_tables(held).sort_by("at")
            held, rows = [], 0
    if held:
        yield pa.concat_tables(held).sort_by("at")


class History:
    """Reads a history; needs no lock and no secret. Times are seconds since the epoch, UTC."""

    def __init__(self, root: Path, memory: str = "1GB") -> None:
        """`memory`: what DuckDB may use."""
        if not root.is_dir():
            raise NoHistory(f"{root}: no history there; make one: unlisted history add LOG…")
        self._files = Files(root)
        self._memory = memory

    def days(self) -> list[str]:
        """Days with attempts, oldest first."""
        return self._files.days()

    def sizes(self) -> list[Size]:
        """Each day's files, rows and bytes, roll-ups included in the bytes."""
        found = []
        for day in self._files.days():
            paths = self._files.paths(ATTEMPTS, day, day)
            every = [path for kind in SCHEMAS for path in self._files.paths(kind, day, day)]
            rows = sum(pq.read_metadata(path).num_rows for path in paths)
            found.append(Size(day, len(paths), rows, sum(one.stat().st_size for one in every)))
        return found

    def query(self, sql: str, values: Sequence[object] = ()) -> pa.RecordBatchReader:
        """SQL over the views attempts, minutes and exposure. Raises HistoryError."""
        db = self._database()
        try:
            statements = db.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise HistoryError("expected one query that answers with rows: select …")
            found = db.sql(sql, params=list(values))
            return found.to_arrow_reader(65_536)
        except duckdb.Error as exc:
            raise HistoryError(str(exc)) from None

    def attempts(
        self, where: str = "true", values: Sequence[object] = (), columns: Sequence[str] = ("*",)
    ) -> pa.RecordBatchReader:
        """Stored attempts for which the SQL condition holds, by time."""
        return self.query(
            f'select {", ".join(columns)} from attempts where {where} order by "at", id', values
        )

    def minutes(self, start: float, end: float) -> pa.Table:
        """The roll-up per minute with start <= minute < end."""
        found = []
        for path in self._files.paths("minutes", day_of(max(0.0, start)), last_day(end)):
            table = pq.read_table(path, schema=MINUTES)
            inside = pc.and_(
                pc.greater_equal(table["minute"], int(start)), pc.less(table["minute"], int(end))
            )
            found.append(table.filter(inside))
        return added_up("minutes", pa.concat_tables([MINUTES.empty_table(), *found]))

    def exposure(self, start: float, end: float) -> pa.Table:
        """The roll-up per sender, address and hour with start <= hour < end; sender and address
        are dictionary columns, counts 32 bits, so that a month of a large site fits."""
        return read_exposure(self._files, start, end)

    def _database(self) -> duckdb.DuckDBPyConnection:
        db = duckdb.connect(":memory:")
        db.execute("set autoinstall_known_extensions=false")
        db.execute(f"set memory_limit='{self._memory}'")
        db.execute("set threads=2")
        for kind, schema in SCHEMAS.items():
            # "at" is a word of DuckDB's: a second name that needs no quotes, and reads as a time.
            moment = '"at"' if kind == ATTEMPTS else "minute" if kind == "minutes" else "hour"
            extra = f"make_timestamp(cast({moment} * 1e6 as bigint)) as time"
            paths = [str(path) for path in self._files.paths(kind)]
            if paths:
                names = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                db.execute(
                    f"create view {kind} as select *, {extra} from "
                    f"read_parquet([{names}], hive_partitioning=true)"
                )
            else:
                db.register(f"no_{kind}", schema.empty_table())
                db.execute(
                    f"create view {kind} as select *, null::date as day, {extra} from no_{kind}"
                )
        # The files of the history and no others: SQL could read and write anything else of the machine.
        folder = str(self._files.root).replace("'", "''")
        db.execute(f"set allowed_directories=['{folder}']")
        db.execute("set enable_external_access=false")
        db.execute("set lock_configuration=true")
        return db
