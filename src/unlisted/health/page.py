"""A published page as cells and running text: the seed's piped table, HTML, or plain blocks.

Input of strangers: at most 4 MB are read, tags are dropped, entities decoded, script and style
skipped, bidirectional and other control characters removed. Refuses more with PageError.
"""

import re
from html.parser import HTMLParser

import msgspec

MAX_PAGE = 4 * 1024 * 1024
MAX_ROWS = 2000

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_SPACE = re.compile(r"[ \t\u00a0]+")
_HTML = re.compile(r"<(?:!doctype|html|body|table|tr|td|div|p|br|span|h[1-6])\b", re.IGNORECASE)
# `<!doctype html>`, `<?xml ... ?>`, `<![if mso]>`; up to the next "<", so that none is read twice.
_DECLARATION = re.compile(r"<[!?][^<>]*>")
_NO_TAG = re.compile(r"<(?!/?[A-Za-z][^<>]*>)")
_RULE = re.compile(r"[\s|:=+-]*-[\s|:=+-]*")
_BLOCKS = frozenset({"p", "div", "br", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol",
                     "section", "article", "header", "dt", "dd", "pre", "caption", "tr"})  # fmt: skip
_SILENT = frozenset({"script", "style", "template", "noscript", "head"})


class PageError(ValueError):
    """The page cannot be read; the text says what was expected."""


class Line(msgspec.Struct, frozen=True):
    """A line of the page: cells of a table row, or one cell for running text."""

    cells: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(cell for cell in self.cells if cell)


def lines_of(raw: bytes) -> list[Line]:
    """The page's lines that say something, in order."""
    if len(raw) > MAX_PAGE:
        raise PageError(f"the page is longer than {MAX_PAGE} octets")
    text = _decoded(raw)
    if not text.strip():
        raise PageError("the page is empty")
    lines = _html(text) if _HTML.search(text[:200_000]) else _plain(text)
    if not lines:
        raise PageError("the page has no text")
    return lines[:MAX_ROWS]


def _decoded(raw: bytes) -> str:
    for mark, name in (
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
        (b"\xef\xbb\xbf", "utf-8-sig"),
    ):
        if raw.startswith(mark):
            return raw.decode(name, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def clean(text: str) -> str:
    """One line without control characters and runs of blanks."""
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def _plain(text: str) -> list[Line]:
    found: list[Line] = []
    for line in text.splitlines():
        if "|" in line and _RULE.fullmatch(line):
            continue
        cells = [clean(cell) for cell in line.split("|")]
        if len(cells) > 1 and not cells[-1]:
            cells.pop()  # what follows the closing bar is no cell
        if len(cells) > 1 and not cells[0] and line.lstrip().startswith("|"):
            cells.pop(0)
        if any(cells):
            found.append(Line(tuple(cells)))
    return found


def _html(text: str) -> list[Line]:
    reader = _Reader()
    # What ends nowhere is text: html.parser searches its end again and again, minutes for 100 KB
    # of "<!--" or "<a ".
    reader.feed(_NO_TAG.sub("&lt;", _DECLARATION.sub("", _without_comments(text))))
    reader.close()
    reader.end_line()
    return reader.lines


def _without_comments(text: str) -> str:
    """Up to each one's end; one that never ends hides nothing."""
    kept: list[str] = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        kept.append(text[at:begin])
        at = end + 3
    kept.append(text[at:])
    return "".join(kept)


class _Reader(HTMLParser):
    """Rows of tables become cells; everything else becomes lines at block elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[Line] = []
        self._text: list[str] = []
        self._cells: list[str] | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "tr":
            self.end_line()
            self._cells = []
        elif tag in ("td", "th"):
            self._end_cell_text()
        elif tag in _BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in ("td", "th") and self._cells is not None:
            self._cells.append(clean(" ".join("".join(self._text).split())))
            self._text = []
        elif tag == "tr":
            self.end_line()
        elif tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._text.append(data)

    def _end_cell_text(self) -> None:
        if self._cells is not None and "".join(self._text).strip():
            self._cells.append(clean("".join(self._text)))
        self._text = []

    def _break(self) -> None:
        if self._cells is None:
            self.end_line()
        else:
            self._text.append(" ")

    def end_line(self) -> None:
        text = clean(" ".join("".join(self._text).split()))
        self._text = []
        cells = self._cells
        self._cells = None
        if cells is not None:
            if text:
                cells.append(text)
            if any(cells):
                self.lines.append(Line(tuple(cells)))
        elif text:
            self.lines.append(Line((text,)))
