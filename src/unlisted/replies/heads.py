r"""Patterns written so that `re` can skip to where they may begin: the same matches, sooner.

`re` skips to a literal, or to one of the characters a pattern may begin with, but only if these are
the first thing it reads. "\bptr" begins with an edge, so it is tried at each character; "ptr" with
the edge looked at after is not. An address begins with too much; where one may stand in a text is
found once for all patterns that begin with one.
"""

import re

from unlisted.replies.knowledge import MACROS
from unlisted.replies.patterns import around_end, branches

_LITERAL = re.compile(r"[a-z0-9]+(?![?*+{])(?: [a-z0-9]+(?![?*+{]))*", re.ASCII)
_NUMBERED = re.compile(r"\?P<ip\d>")


def begins_with_address(branch: str) -> bool:
    return _NUMBERED.sub("?P<ip>", branch).startswith(MACROS["%IP%"])


def skippable(branch: str) -> str:
    """A pattern without alternatives at its top; another that matches the same, at the same
    places, with the same groups."""
    edge = branch.startswith(r"\b")
    rest = branch[2:] if edge else branch
    if rest.startswith("(?:"):
        end = around_end(rest, 0)
        if rest[end : end + 1] in ("?", "*", "+", "{"):
            return branch
        heads = [_edge_after(one, edge, 1) for one in branches(rest[3 : end - 1])]
        if None in heads:
            return branch
        return f"(?:{'|'.join(map(str, heads))}){rest[end:]}"
    return _edge_after(rest, edge, None) or branch


def _edge_after(branch: str, edge: bool, most: int | None) -> str | None:
    """What begins with a literal, an edge before it (by itself, or given) moved behind at most so
    many characters of it; None if it begins with anything else."""
    if branch.startswith(r"\b"):
        edge, branch = True, branch[2:]
    found = _LITERAL.match(branch)
    if not found or not found[0]:
        return None
    if not edge:
        return branch
    length = min(found.end(), most or found.end())
    return f"{branch[:length]}(?<!\\w{branch[:length]}){branch[length:]}"


# "[" and the first digit of an IPv4 address, as `%IP%` lets one begin.
_V4 = re.compile(r"[0-9](?<![0-9a-f:.].)[0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", re.ASCII)
_MAYBE_V6 = re.compile(r":[0-9a-f:.]", re.ASCII)


def address_places(text: str) -> list[int] | None:
    """Where a pattern that begins with an address may match; None if that is not easily told."""
    if not text.isascii() or _MAYBE_V6.search(text):
        return None
    places = [found.start() for found in _V4.finditer(text)]
    return [place - (place > 0 and text[place - 1] == "[") for place in places]
