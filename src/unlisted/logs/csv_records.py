"""Records of a CSV file, fed line by line (RFC 4180): a quoted field may hold line breaks.

Bounded: a quote that never closes costs its first line, not the rest of the file. The separator
is told by the header: comma, semicolon or tab, as spreadsheets of different countries save it.
"""

import csv
from typing import NamedTuple

_LINES = 200
_CHARS = 256 * 1024


class Record(NamedTuple):
    """number: of its first line. cells: None for a record that could not be read."""

    number: int
    cells: list[str] | None
    text: str


class CsvRecords:
    """Lines in, whole records out."""

    def __init__(self, separator: str = ",") -> None:
        self.separator = separator
        self._lines: list[tuple[int, str]] = []
        self._quotes = 0
        self._chars = 0

    def feed(self, number: int, line: str) -> list[Record]:
        if not self._lines and '"' not in line and "\r" not in line and len(line) < _CHARS // 4:
            return [Record(number, line.split(self.separator) if line else [], line)]
        self._push(number, line)
        if self._quotes % 2 == 0:
            return [self._whole()]
        return self._give_up() if self._too_much() else []

    def finish(self) -> list[Record]:
        """What waits for its closing quote is cut."""
        cut = [Record(number, None, line) for number, line in self._lines][:1]
        self._clear()
        return cut

    def _push(self, number: int, line: str) -> None:
        self._lines.append((number, line))
        self._quotes += line.count('"')
        self._chars += len(line)

    def _too_much(self) -> bool:
        return len(self._lines) > _LINES or self._chars > _CHARS

    def _whole(self) -> Record:
        number, first = self._lines[0]
        text = "\n".join(line for _, line in self._lines)
        self._clear()
        try:
            rows = list(csv.reader([text], delimiter=self.separator, strict=False))
        except csv.Error:
            return Record(number, None, first)
        return Record(number, rows[0] if len(rows) == 1 else None, first)

    def _give_up(self) -> list[Record]:
        """The first line is given up; those behind it are read anew."""
        (number, line), *behind = self._lines
        self._clear()
        found = [Record(number, None, line)]
        for number, line in behind:
            found += self.feed(number, line)
        return found

    def _clear(self) -> None:
        self._lines.clear()
        self._quotes = self._chars = 0
