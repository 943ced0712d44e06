"""Labels in running text: "User Impact: … Current Status: …", however they are spelled.

A label is up to six words before a colon that are one of the known ones, by letters and digits
alone or within a slip or two; "Preliminary Root Cause" wins over "Root Cause". Other words before a
colon ("The errors are:") stay text. labels.toml holds the knowledge.
"""

import difflib
import re
import tomllib
from functools import lru_cache
from importlib import resources
from itertools import islice, zip_longest
from typing import Any

import msgspec

MAX_COLONS = 500  # of one post; more are no labels but a flood
_COLON = re.compile(r":(?!//)")
_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019/-]*")
_GAP = re.compile(r"[ _][ _-]*")
_MAX_WORDS = 6
_SLIP = 0.86
_LONGEST = 80


class Label(msgspec.Struct, frozen=True):
    """A label found: canonical name, as printed, where it begins and where its text begins."""

    name: str
    printed: str
    start: int
    end: int
    spaced: bool


@lru_cache(maxsize=1)
def knowledge() -> dict[str, Any]:
    """labels.toml."""
    text = resources.files("unlisted.health").joinpath("labels.toml").read_text("utf-8")
    return tomllib.loads(text)


def key(text: str) -> str:
    """A spelling without case, blanks and marks."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


@lru_cache(maxsize=8)
def spellings(table: str) -> dict[str, str]:
    """Key of each spelling in one table of labels.toml → canonical name."""
    found: dict[str, str] = {}
    for name, others in knowledge()[table].items():
        for spelling in (name, *others):
            found.setdefault(key(spelling), name)
    return found


def known(text: str, table: str, *, slips: bool = True) -> str | None:
    """The canonical name that this spelling means, allowing a slip in longer ones."""
    wanted, names = key(text), spellings(table)
    if wanted in names:
        return names[wanted]
    return _close(wanted, table) if slips and 7 <= len(wanted) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _close(wanted: str, table: str) -> str | None:
    names = spellings(table)
    close = difflib.get_close_matches(wanted, [n for n in names if len(n) > 6], 1, _SLIP)
    return names[close[0]] if close else None


@lru_cache(maxsize=32)  # a post is asked when it is read and again when it is looked through
def labels_in(text: str, table: str = "sections") -> tuple[Label, ...]:
    """The labels of a post in their order."""
    found: list[Label] = []
    floor = 0
    for colon in islice(_COLON.finditer(text), MAX_COLONS):
        label = _before(text, floor, colon.start(), table)
        if label is not None:
            found.append(label)
            floor = label.end
    return tuple(found)


def _before(text: str, floor: int, colon: int, table: str) -> Label | None:
    candidates = _words_before(text, max(floor, colon - 60), colon)
    for slips in (False, True):
        for start in candidates:
            if not text[start].isupper() and start != floor:
                continue
            printed = text[start:colon].rstrip()
            name = known(printed, table, slips=slips)
            if name is not None:
                end = colon + 1
                return Label(name, printed, start, end, text[end : end + 1] in ("", " ", "\n"))
    return None


def _words_before(text: str, window: int, colon: int) -> list[int]:
    """Where the words begin that stand one behind another right before the colon."""
    found: list[int] = []
    next_word = colon
    for word in reversed(list(_WORD.finditer(text, window, colon))[-_MAX_WORDS:]):
        gap = text[word.end() : next_word]
        whole = _GAP.fullmatch(gap) if found else len(gap) <= 2 and not gap.strip()
        if not whole:
            break
        next_word = word.start()
        found.append(next_word)
    return found[::-1]


def sections_of(text: str) -> tuple[dict[str, str], tuple[Label, ...]]:
    """Section name → its stripped text, in order; and the labels as printed. A label met twice
    keeps both texts, one after the other. Words before the first label are no section."""
    found: dict[str, str] = {}
    labels = labels_in(text)
    for label, after in zip_longest(labels, labels[1:]):
        if label is None:
            break
        value = text[label.end : after.start if after else len(text)].strip()
        found[label.name] = f"{found[label.name]} {value}" if label.name in found else value
    return found, labels
