"""One watched log: tail, parser, facts, gauge; and the checkpoint that makes each fact come once.

What is read is a function of the lines alone, so a checkpoint is two things kept in the journal's
own transactions: now and then the whole memory (open messages, counts of the minute) at a place S,
and with every batch of facts the place C they came from. A later process thaws the memory at S,
reads S to C again without telling anything, and goes on. A crash loses and repeats nothing.
"""

from __future__ import annotations

import base64
import logging
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from unlisted.edge.feed_gauge import Gauge
from unlisted.edge.log_addresses import Addresses
from unlisted.edge.log_facts import Facts, Told
from unlisted.edge.log_history import LogHistory
from unlisted.edge.log_plain import LineParser
from unlisted.edge.log_state import StateError, frozen, thaw
from unlisted.edge.log_tail import READ_BYTES, Line, Place, Tail, decoded
from unlisted.edge.people import People
from unlisted.logs.detect import format_of
from unlisted.logs.stamp import Calendar
from unlisted.mail.attempt import Format

log = logging.getLogger("unlisted.watch")

MEMORY_EVERY_BYTES = 8 << 20  # read again at most so much after a crash
MEMORY_EVERY_S = 60.0
MEMORY_LIMIT = 64 << 20
LATE_S = 5.0  # a minute's counts are told this long after it, if no later line came before
Keep = Callable[[str, str], None]


class Feed:
    """`poll` reads a piece and gives its facts; after they are appended, `keep` the checkpoint in
    the same transaction. `make`: a fresh parser of a format, and its calendar."""

    def __init__(
        self,
        path: Path,
        people: People,
        addresses: Addresses,
        make: Callable[[Format], tuple[LineParser, Calendar]],
        *,
        loopback: bool = False,
        history: LogHistory | None = None,
    ) -> None:
        self.name = str(path)
        self.path = path
        self.gauge = Gauge()
        self.lines = 0
        self.attempts = 0
        self.last_at: float | None = None  # stamp of the last attempt
        self.tail = Tail(path)
        self._make = make
        self._history = history
        self.format: Format | None = None  # told by the first lines
        self._parser: LineParser | None = None
        self._calendar: Calendar | None = None
        self._facts = Facts(people, addresses, loopback=loopback)
        self.known = False  # lines were recognized as of a log's format
        self.fresh = 0  # lines read by this process, and told
        self.resumed = False
        self._live = False  # the end was reached: from now on lines come when they are written
        self._apart = False  # the memory no longer follows from the lines since S alone
        self._written: Place | None = None  # S
        self._written_at = 0.0
        self._files = 0
        self._beyond = 0

    # ------------------------------------------------------------ reading

    def poll(self, now: float, limit: int = READ_BYTES) -> list[Told]:
        """The facts of the next piece; none: nothing new, or nothing in it."""
        lines = self.tail.read(limit)
        if not lines:
            return []
        told = list(self._fed(lines, now))
        if self._live:
            self.gauge.heard(now)
        elif self.tail.at_end():
            self._live = True
            self.gauge.heard_at = now
        return told

    def idle(self, now: float) -> list[Told]:
        """Nothing new came: what waits in vain for later lines is told."""
        if self._parser is None:
            return []
        expire = getattr(self._parser, "expire", None)
        if expire is not None:
            expire(now)
        before = self.attempts
        told = list(self._told())
        self._apart = self._apart or self.attempts != before
        ends = self._facts.minute_ends
        if ends is not None and now > ends + LATE_S:
            told += self._facts.flush()
        return told

    def survey(self, now: float) -> None:
        """Look through the whole backlog for what it tells of our addresses; nothing is told."""
        if self.resumed:
            return
        tail, parser = Tail(self.path), None
        try:
            while lines := tail.read(READ_BYTES):
                texts = [_text(line.data) for line in lines]
                if parser is None:
                    parser, calendar = self._make(format_of(texts) or "postfix")
                    calendar.reaches(now)
                for line, text in zip(lines, texts, strict=True):
                    parser.feed(text, 0, line.number)
                for attempt in parser.take():
                    self._facts.survey(attempt)
        finally:
            tail.close()
        self.strangers.clear()  # they are counted when they are told

    @property
    def strangers(self) -> dict[str, int]:
        """Addresses that refusals named and that are none of ours, with their number."""
        return self._facts.addresses.strangers

    @property
    def unreadable(self) -> bool:
        """Whether all that was read is nothing a mail log says."""
        return bool(self.lines) and not self.known and not self.attempts

    def finish(self) -> list[Told]:
        """The log ends here."""
        if self._parser is None:
            return []
        self._parser.finish()
        return [*self._told(), *self._facts.flush()]

    def close(self) -> None:
        """Let go of the file."""
        self.tail.close()
        if self._history is not None:
            self._history.flush()

    def _fed(self, lines: list[Line], now: float) -> Iterator[Told]:
        texts = [_text(line.data) for line in lines]
        if self.format is None:
            found = format_of(texts)
            self.known = found is not None
            self._begin(found or "postfix")
        assert self._parser is not None and self._calendar is not None
        self._calendar.reaches(now)
        for line, text in zip(lines, texts, strict=True):
            self._parser.feed(text, 0, line.number)
            yield from self._told()
        self._complain()
        self.lines += len(lines)
        self.fresh += len(lines)

    def _complain(self) -> None:
        """Once, when it begins: a clock that went wrong writes many such lines."""
        assert self._calendar is not None
        beyond = self._calendar.beyond
        if beyond and not self._beyond:
            log.warning(
                "%s: lines with stamps more than a day ahead are left out (%d so far)",
                self.name,
                beyond,
            )
        self._beyond = beyond

    def _begin(self, format: Format) -> None:
        self.format = format
        self._parser, self._calendar = self._make(format)

    def _told(self) -> Iterator[Told]:
        assert self._parser is not None
        for attempt in self._parser.take():
            self.attempts += 1
            self.last_at = attempt.at
            if not self._live:  # a backlog: its stamps tell the rhythm
                self.gauge.heard(attempt.at)
            if self._history is not None:
                self._history.add(attempt)
            yield from self._facts.of(attempt)

    # ------------------------------------------------------------ checkpoint

    def keep(self, keep: Keep, now: float, *, whole: bool = False) -> None:
        """Write the checkpoint through `keep`. `whole`: what was told since the last piece read
        does not follow from lines alone (`idle`, `finish`): the memory must go with it."""
        place = self.tail.place
        written = self._written
        if self._parser is None or self.unreadable:
            return
        if (
            whole
            or self._apart
            or written is None
            or self._files != self.tail.files
            or (written.device, written.inode) != (place.device, place.inode)
            or place.offset - written.offset >= MEMORY_EVERY_BYTES
            or now - self._written_at >= MEMORY_EVERY_S
        ):
            if self._history is not None:
                self._history.flush()  # first: lines before this place are not read again
            keep(f"watch memory {self.name}", self._memory())
            self._written, self._written_at, self._files = place, now, self.tail.files
            self._apart = False
        keep(f"watch place {self.name}", msgspec.json.encode(place).decode())

    def _memory(self) -> str:
        data = {
            "format": self.format,
            "place": self.tail.place,
            "parser": frozen(self._parser, ("_calendars", "_tallies")),
            "calendar": frozen(self._calendar, ("_zone", "_limit", "_latest")),
            "facts": self._facts.memory(),
            "gauge": self.gauge,
            "lines": self.lines,
            "attempts": self.attempts,
            "last_at": self.last_at,
        }
        return base64.b85encode(zlib.compress(msgspec.json.encode(data), 1)).decode()

    def restore(self, kept: Callable[[str], str | None], now: float) -> None:
        """Go on where the journal says an earlier process stopped."""
        place, memory = kept(f"watch place {self.name}"), kept(f"watch memory {self.name}")
        if place is None:
            return
        try:
            until = decoded(place)
        except ValueError as exc:
            log.warning("%s: the checkpoint is no checkpoint (%s): read anew", self.name, exc)
            return
        try:
            self._thaw(memory or "")
        except (ValueError, TypeError, KeyError, zlib.error) as exc:
            log.warning("%s: begun without its open messages: %s", self.name, exc)
            self.format = None
            self._start(until)
            return
        self._again(until, now)
        self.fresh, self.resumed = 0, True

    def _thaw(self, memory: str) -> None:
        unpack = zlib.decompressobj()
        raw = unpack.decompress(base64.b85decode(memory), MEMORY_LIMIT)
        data = msgspec.json.decode(raw)
        if not isinstance(data, dict):
            raise StateError("expected a table")
        self._begin(msgspec.convert(data["format"], Format))
        assert self._parser is not None and self._calendar is not None
        thaw(self._parser, data["parser"])
        thaw(self._calendar, data["calendar"])
        self._facts.remember(data["facts"])
        self.gauge = msgspec.convert(data["gauge"], Gauge)
        self.lines = int(data["lines"])
        self.attempts = int(data.get("attempts", 0))
        self.last_at = msgspec.convert(data.get("last_at"), float | None)
        self.known = True
        self._start(msgspec.convert(data["place"], Place))

    def _start(self, place: Place) -> None:
        self.tail.close()
        self.tail = Tail(self.path, place)

    def _again(self, until: Place, now: float) -> None:
        """Read from the memory's place to where facts were told from; nothing is told twice."""
        while self.tail.place.offset < until.offset:
            lines = self.tail.read(min(READ_BYTES, until.offset - self.tail.place.offset))
            if not lines or self.tail.files:
                break
            for _ in self._fed(lines, now):
                pass
        if self.tail.place.offset != until.offset or self.tail.files:
            self._start(until)
        self._live = False


def _text(line: bytes) -> str:
    line = line.rstrip(b"\r")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
