r"""Patterns written so that `re` can skip to where they may begin: the same matches, sooner.

`re` skips to a literal, or to one of the characters a pattern may begin with, but only if these are
the first thing it reads. "\bptr" begins with an edge, so it is tried at each character; "ptr" with
the edge looked at after is not. An address begins with too much; where one may stand in a text is
found once for all patterns that begin with one.
"""

import re

from unlisted.replies.dotted import begins
from unlisted.replies.knowledge import MACROS
from unlisted.replies.patterns import MAX_PATTERN, around_end, branches

_LITERAL = re.compile(r"[a-z0-9](?![?*+{])", re.ASCII)
_NOT_AFTER = re.compile(r"\(\?<!([a-z0-9 ]+)\)", re.ASCII)
_NUMBERED = re.compile(r"\?P<ip\d>")


def begins_with_address(branch: str) -> bool:
    return _NUMBERED.sub("?P<ip>", branch).startswith(MACROS["%IP%"])


def skippable(branch: str) -> str:
    """A pattern without alternatives at its top; another that matches the same, at the same
    places, with the same groups."""
    asked, rest = _asked_before(branch)
    end = 0
    heads = _heads(rest, asked)
    if rest.startswith("(?:"):
        end = around_end(rest, 0)
        once = not rest.startswith(("?", "*", "+", "{"), end)
        heads = _all_heads(rest[3 : end - 1], asked) if once else None
    if heads is None:
        return branch
    found = f"(?:{'|'.join(heads)}){rest[end:]}" if end else heads[0]
    return found if len(found) <= MAX_PATTERN else branch


def _asked_before(branch: str) -> tuple[tuple[str, ...], str]:
    """What must not stand before it, and the rest."""
    asked: tuple[str, ...] = ()
    while True:
        if branch.startswith(r"\b"):
            asked, branch = (*asked, r"\w"), branch[2:]
        elif found := _NOT_AFTER.match(branch):
            asked, branch = (*asked, found[1]), branch[found.end() :]
        else:
            return asked, branch


def _all_heads(alternatives: str, asked: tuple[str, ...]) -> list[str] | None:
    found: list[str] = []
    for one in branches(alternatives):
        heads = _heads(one, asked)
        if heads is None:
            return None
        found += heads
    return found


def _heads(branch: str, asked: tuple[str, ...]) -> list[str] | None:
    """The same as alternatives that all begin with a literal, what is asked of the text before
    it moved behind this; None if it begins with anything else."""
    more, branch = _asked_before(branch)
    asked += more
    if branch.startswith("(?:"):
        end = around_end(branch, 0)
        rest = branch[end:]
        if "(?P<" in rest or rest.startswith(("?", "*", "+", "{")):
            return None
        heads = _all_heads(branch[3 : end - 1], asked)
        return None if heads is None else [head + rest for head in heads]
    if not _LITERAL.match(branch):
        return None
    char = branch[0]
    return [char + "".join(f"(?<!{one}{char})" for one in asked) + branch[1:]]


# Where `%IP%` may begin, its bracket aside.
_MAYBE_V6 = re.compile(r":[0-9a-f:.]", re.ASCII)
_V6 = re.compile(r"i(?=pv6:)|(?<![0-9a-f:.])[0-9a-f]{0,4}:[0-9a-f:.]", re.ASCII)
_ANY = re.compile(r"[i:\da-f]")


def address_places(text: str) -> list[int]:
    """Where a pattern that begins with an address may match: at these places, or fewer."""
    if not text.isascii():
        places = [found.start() for found in _ANY.finditer(text)]
    elif _MAYBE_V6.search(text):
        places = sorted({*begins(text), *(found.start() for found in _V6.finditer(text))})
    else:
        places = begins(text)
    if "[" in text:
        return [place - (place > 0 and text[place - 1] == "[") for place in places]
    return places
