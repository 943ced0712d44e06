"""What reaches a terminal: text of strangers in it cannot move, colour or turn round anything.

Control characters (C0, C1), Unicode's bidirectional controls and line separators (UTS 39) and what
is no character at all are shown as U+FFFD. Line feeds stay: texts of ours have several lines.
"""

from __future__ import annotations

import re
import sys

_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str, instead: str = "\ufffd") -> str:
    """The text without what a terminal would obey."""
    return _UNSAFE.sub(instead, text)


def escaped(text: str) -> str:
    """JSON that says the same without them: they stand in its strings only."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def complain(text: str) -> None:
    """Lines for a person on standard error."""
    print(plain(text), file=sys.stderr)
