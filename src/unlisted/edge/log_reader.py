"""Mail logs as record batches of attempts: the front door.

`read_logs(paths)` finds the files, tells their formats, puts rotated ones in the order of their
stamps, reads them in bounded memory and keeps account: what was read, what was not and why, what
was assumed, what was dropped. It raises for nothing that a file holds.
"""

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from unlisted.edge.log_input import (
    LINE_LIMIT,
    Block,
    LogInput,
    Progress,
    Source,
    as_utf8,
    head_of,
    sources_of,
)
from unlisted.edge.log_plain import (
    Batches,
    Dropped,
    Reading,
    exim_batches,
    kumomta_batches,
    lines_of,
    m365_batches,
    postfix_batches,
)
from unlisted.edge.postfix_fast import postfix_fast_batches
from unlisted.logs.detect import FORMATS, format_of
from unlisted.logs.names import names_of
from unlisted.logs.postfix import OPEN_LIMIT
from unlisted.logs.relatives import relative_of
from unlisted.logs.stamp import Calendar, zone_words
from unlisted.logs.syslog import entry_of, is_wrapped
from unlisted.logs.tally import Sample, Tally
from unlisted.mail.attempt import Format

BATCHES: dict[Format, Batches] = {
    "postfix": postfix_fast_batches,
    "exim": exim_batches,
    "kumomta": kumomta_batches,
    "m365": m365_batches,
}
# How a last line without its newline must end to be whole; "" where a cut one shows by itself.
_CLOSED: dict[Format, tuple[str, ...]] = {
    "postfix": (")", ">", ": removed"),
    "exim": (" Completed",),
    "kumomta": ("}",),
    "m365": ("",),
}
_HOST_LINES = 400


class LogError(Exception):
    """A request that cannot be met: an unknown format or zone."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one input. problem: why nothing was read; damaged: why not all of it."""

    name: str
    format: Format | None
    bytes: int
    lines: int
    attempts: int
    other: int
    not_read: int
    samples: tuple[Sample, ...]
    assumptions: tuple[str, ...]
    problem: str | None
    damaged: str | None
    relative: str | None = None  # whose log it is, where nothing of it could be read


@dataclass(frozen=True, slots=True)
class LogReport:
    """Of everything read so far; whole once the batches have run out."""

    files: tuple[FileReport, ...]
    dropped: Dropped

    @property
    def lines(self) -> int:
        return sum(file.lines for file in self.files)

    @property
    def attempts(self) -> int:
        return sum(file.attempts for file in self.files)

    @property
    def not_read(self) -> int:
        return sum(file.not_read for file in self.files)

    def words(self) -> list[str]:
        """What a person must know of the reading: trouble and assumptions, a sentence each."""
        said = [f"{file.name}: {line}" for file in self.files for line in _trouble(file)]
        gone = self.dropped.never_deferred + self.dropped.deferred
        if gone:
            said.append(
                f"{gone} messages were forgotten while open, {self.dropped.deferred} of them"
                " deferred before: their later attempts lack sender and message id."
            )
        return said


def _trouble(file: FileReport) -> Iterator[str]:
    if file.problem is not None:
        yield f"not read: {file.problem}."
    if file.damaged is not None:
        yield f"read in part: {file.damaged}."
    if file.not_read:
        first = file.samples[0]
        yield f"{file.not_read} lines not read, the first is line {first.line} ({first.why})."
    yield from file.assumptions


class LogReader:
    """Iterate over it once for the batches; `report` at any time, `sources` by `file` index."""

    def __init__(self, plan: "_Plan") -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._plan.batches()

    @property
    def report(self) -> LogReport:
        return self._plan.report()

    @property
    def names(self) -> tuple[str, ...]:
        """The files in the order read: `names[attempt.file]`."""
        return tuple(source.name for source in self._plan.sources)


def read_logs(
    paths: Sequence[str | Path],
    *,
    format: Format | Literal["auto"] = "auto",
    zone: str | tzinfo | None = None,
    year: int | None = None,
    progress: Progress | None = None,
    open_limit: int = OPEN_LIMIT,
    now: float | None = None,
    stdin: BinaryIO | None = None,
) -> LogReader:
    """zone: of stamps that tell none (default: this machine's); year: of the first stamp of each
    file without one (default: told from when the file was last written); open_limit: messages
    kept open at once; progress: called with bytes read and bytes in all (None: unknown)."""
    if format != "auto" and format not in FORMATS:
        raise LogError(f"no such log format: {format} (known: auto, {', '.join(FORMATS)})")
    sources = sources_of(paths)
    told = zone_of(zone)
    return LogReader(
        _Plan(sources, format, told, year, progress, open_limit, now or time.time(), stdin)
    )


def zone_of(zone: str | tzinfo | None) -> tzinfo:
    """A name ("Europe/Berlin"), an offset ("+02:00"), or this machine's zone."""
    if isinstance(zone, tzinfo):
        return zone
    if zone is None:
        return _local_zone()
    if zone.upper() in ("UTC", "GMT", "Z"):
        return UTC
    if zone[:1] in "+-":
        digits = zone[1:].replace(":", "")
        if len(digits) in (2, 4) and digits.isdecimal() and int(digits[:2]) < 24:
            shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
            return timezone(shift if zone[0] == "+" else -shift)
        raise LogError(f"no such offset: {zone} (as in +02:00)")
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LogError(f"no such time zone: {zone} (as in Europe/Berlin or +02:00)") from None


def _local_zone() -> tzinfo:
    # Not the offset of this moment: half of a year's stamps would be an hour off.
    name = os.environ.get("TZ", "").lstrip(":")
    try:
        if name:
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as file:
            key = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
            return ZoneInfo.from_file(file, key=key or "local")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


class _Look(NamedTuple):
    """What the first lines of a source tell."""

    first_at: float
    format: Format | None
    hosts: frozenset[str]
    wrapped: bool
    relative: str | None


class _Plan:
    """The files in their order with the format of each, and the account kept of them."""

    def __init__(
        self,
        sources: list[Source],
        format: Format | Literal["auto"],
        zone: tzinfo,
        year: int | None,
        progress: Progress | None,
        open_limit: int,
        now: float,
        stdin: BinaryIO | None,
    ) -> None:
        self._zone, self._year, self._now = zone, year, now
        self._wanted = format
        looks = [(source, self._look(source, head_of(source))) for source in sources]
        looks.sort(key=lambda pair: (pair[1].first_at, pair[0].name))
        self.sources = [source for source, _ in looks]
        self._looks = [look for _, look in looks]
        self._input = LogInput(self.sources, progress=progress, stdin=stdin)
        self._tallies = [Tally() for _ in self.sources]
        self._calendars = [self._calendar(source) for source in self.sources]
        self._open_limit = open_limit
        self._formats: list[Format | None] = [None] * len(self.sources)
        self._assumed: set[int] = set()
        self._dropped = Dropped()

    def _calendar(self, source: Source) -> Calendar:
        written = self._now if source.written_at is None else min(source.written_at, self._now)
        return Calendar(self._zone, written, self._year, now=self._now)

    def _look(self, source: Source, head: bytes) -> "_Look":
        """Pipes come last: they can be looked at only once, and not yet."""
        lines = _head_lines(head)
        calendar = self._calendar(source)
        read = [(e, line) for line in lines[:_HOST_LINES] if (e := entry_of(line, calendar))]
        entries = [entry for entry, _ in read]
        hosts = frozenset(e.host for e in entries if e.host and names_of(e.tag) is not None)
        if source.written_at is None:
            first_at = math.inf
        else:
            believed = (e.at for e in entries if calendar.believes(e.at))
            first_at = next(believed, source.written_at)
        wrapped = any(is_wrapped(line) for _, line in read)
        return _Look(first_at, format_of(lines), hosts, wrapped, relative_of(lines))

    def batches(self) -> Iterator[pa.RecordBatch]:
        streams = [self._peeked(file) for file in range(len(self.sources))]
        self._tell_formats()
        for name in FORMATS:
            files = [file for file, told in enumerate(self._formats) if told == name]
            if not files:
                continue
            reading = Reading(
                self._calendars,
                self._tallies,
                several_hosts=name == "postfix" and self._several_hosts(files),
                open_limit=self._open_limit,
                dropped=self._dropped,
            )
            blocks = chain.from_iterable(self._whole(streams[file], name) for file in files)
            read = BATCHES[name]
            if name == "postfix" and any(self._looks[file].wrapped for file in files):
                read = postfix_batches  # the fast one reads bare system logs
            yield from read(blocks, reading)

    def _peeked(self, file: int) -> Iterator[Block]:
        """A pipe tells its format by its first block, which is read now and kept."""
        blocks = self._input.blocks(file)
        if self.sources[file].written_at is not None:
            return blocks
        first = next(blocks, None)
        if first is None:
            return blocks
        self._looks[file] = self._look(self.sources[file], first.data[:LINE_LIMIT])
        return chain((first,), blocks)

    def _tell_formats(self) -> None:
        for file, look in enumerate(self._looks):
            self._formats[file] = look.format if self._wanted == "auto" else self._wanted
        told = [name for name in self._formats if name is not None]
        usual = max(FORMATS, key=told.count) if told else "postfix"
        for file, name in enumerate(self._formats):
            if name is None:
                self._formats[file] = usual
                self._assumed.add(file)

    def _several_hosts(self, files: Iterable[int]) -> bool:
        return len(set().union(*(self._looks[file].hosts for file in files))) > 1

    def _whole(self, blocks: Iterator[Block], name: Format) -> Iterator[Block]:
        """Without a last line that may be cut."""
        for block in blocks:
            if block.cut:
                line = lines_of(block)[0]
                if not line.rstrip("\r").endswith(_CLOSED[name]):
                    self._tallies[block.file].miss(
                        block.first_line, "the file ends within this line", line
                    )
                    continue
            yield block

    def report(self) -> LogReport:
        return LogReport(
            tuple(self._file_report(file) for file in range(len(self.sources))), self._dropped
        )

    def _file_report(self, file: int) -> FileReport:
        source, tally = self.sources[file], self._tallies[file]
        samples = tuple(tally.samples)
        if source.too_long_at is not None:
            why = f"longer than {LINE_LIMIT} bytes"
            samples = (Sample(source.too_long_at, why, ""), *samples)[:20]
        return FileReport(
            name=source.name,
            format=None if source.problem else self._formats[file],
            bytes=source.bytes_read,
            lines=source.lines,
            attempts=tally.attempts,
            other=tally.other,
            not_read=tally.not_read + source.too_long,
            samples=samples,
            assumptions=tuple(self._assumptions(file)),
            problem=source.problem,
            damaged=source.damaged,
            relative=None if tally.attempts else self._looks[file].relative,
        )

    def _assumptions(self, file: int) -> Iterator[str]:
        calendar = self._calendars[file]
        relative = self._looks[file].relative
        if relative and not self._tallies[file].attempts:
            yield f"It looks like a log of {relative}, which is not read."
        elif file in self._assumed and self.sources[file].lines:
            yield f"No format was recognised in its first lines: read as {self._formats[file]}."
        if calendar.first is None:
            return
        if "year" in calendar.notes:
            year = datetime.fromtimestamp(calendar.first, self._zone).year
            by = "as told" if self._year else "by the time it was last written"
            yield f"Stamps carry no year: the first was taken to be of {year}, {by}."
        if "zone" in calendar.notes:
            yield f"Stamps carry no zone: read as {zone_words(self._zone, calendar.first)}."
        if "future" in calendar.notes:
            yield "Some stamps would lie in the future and were put into the year before."


def _head_lines(head: bytes) -> list[str]:
    """The whole lines of a head; one alone may be the only line there is."""
    head = as_utf8(head)
    end = head.rfind(b"\n") + 1 or len(head)
    return lines_of(Block(0, 1, head[:end].rstrip(b"\n") + b"\n")) if head else []
