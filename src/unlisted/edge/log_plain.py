"""Blocks of lines to record batches, by the line parsers of `unlisted.logs`.

One function per format, all of one shape: `(blocks, reading) -> batches of edge.attempts.SCHEMA`.
A faster reader of a format has the same shape and takes this one's place in `edge.log_reader`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from unlisted.edge.attempts import BATCH_ROWS, batch_of
from unlisted.edge.log_input import Block
from unlisted.logs.exim import EximParser
from unlisted.logs.kumomta import KumoParser
from unlisted.logs.m365 import M365Parser
from unlisted.logs.open_messages import OpenMessages
from unlisted.logs.postfix import OPEN_LIMIT, PostfixParser
from unlisted.logs.stamp import Calendar
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Attempt


@dataclass(slots=True)
class Dropped:
    """Messages forgotten because too many were open at once; their attempts lack what other lines
    told. deferred: those of them that had been deferred, which go last."""

    never_deferred: int = 0
    deferred: int = 0


@dataclass(slots=True)
class Reading:
    """What a reader of one format is given. calendars and tallies by the index of the file."""

    calendars: Sequence[Calendar]
    tallies: Sequence[Tally]
    several_hosts: bool = False
    open_limit: int = OPEN_LIMIT
    dropped: Dropped = field(default_factory=Dropped)


class LineParser(Protocol):
    """Of one format: lines in, attempts out, in the order of their lines."""

    def feed(self, line: str, file: int, number: int) -> None: ...
    def take(self) -> list[Attempt]: ...
    def finish(self) -> None: ...


def lines_of(block: Block) -> list[str]:
    """Its lines without their ends. UTF-8, and Latin-1 for the lines that are not."""
    try:
        lines = block.data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        lines = [text_of(line) for line in block.data.split(b"\n")]
    lines.pop()  # behind the last newline there is nothing
    return lines


def text_of(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def parsed(blocks: Iterable[Block], parser: LineParser) -> Iterator[pa.RecordBatch]:
    """Batches of at least `BATCH_ROWS`, but for the last."""
    held: list[Attempt] = []
    for block in blocks:
        for number, line in enumerate(lines_of(block), start=block.first_line):
            parser.feed(line.rstrip("\r"), block.file, number)
        held += parser.take()
        for start in range(0, len(held) - BATCH_ROWS + 1, BATCH_ROWS):
            yield batch_of(held[start : start + BATCH_ROWS])
        held = held[len(held) - len(held) % BATCH_ROWS :]
    parser.finish()
    held += parser.take()
    for start in range(0, len(held), BATCH_ROWS):
        yield batch_of(held[start : start + BATCH_ROWS])


def postfix_batches(blocks: Iterable[Block], reading: Reading) -> Iterator[pa.RecordBatch]:
    parser = PostfixParser(
        reading.calendars,
        reading.tallies,
        several_hosts=reading.several_hosts,
        open_limit=reading.open_limit,
    )
    yield from parsed(blocks, parser)
    _account(parser.open, reading)


def exim_batches(blocks: Iterable[Block], reading: Reading) -> Iterator[pa.RecordBatch]:
    parser = EximParser(reading.calendars, reading.tallies, open_limit=reading.open_limit)
    yield from parsed(blocks, parser)
    _account(parser.open, reading)


def kumomta_batches(blocks: Iterable[Block], reading: Reading) -> Iterator[pa.RecordBatch]:
    parser = KumoParser(reading.tallies, open_limit=reading.open_limit, calendars=reading.calendars)
    yield from parsed(blocks, parser)
    _account(parser.open, reading)


def m365_batches(blocks: Iterable[Block], reading: Reading) -> Iterator[pa.RecordBatch]:
    yield from parsed(blocks, M365Parser(reading.tallies, reading.calendars))


def _account(opened: OpenMessages, reading: Reading) -> None:
    reading.dropped.never_deferred += opened.dropped
    reading.dropped.deferred += opened.dropped_deferred


Batches = Callable[[Iterable[Block], Reading], Iterator[pa.RecordBatch]]
