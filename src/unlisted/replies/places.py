"""Where in the texts of one wording the addresses stand: by number of word, once for all of them.

`addresses.in_text` looks at each character of a text. A wording has the same words and the same
signs between them in each text, so which four numbers are an address, and the subject, can be told of
nearly all of them beforehand. What cannot (IPv6, networks, percent signs, names a list is asked by)
is left to `in_text`; tests hold the two against each other.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from unlisted.replies.addresses import MAX_FOUND, NOT_SUBJECT, Range, is_subject, single
from unlisted.replies.wording import NAME, NUMBER, OPEN, SPACE, Wording

# The words of these: how no name may end that is left open.
TELLING = tuple(sorted({word for one in NOT_SUBJECT for word in re.findall("[a-z]+", one)}))
_NEAR = 32  # characters: more than `is_subject` looks at


def address_words(wording: Wording) -> tuple[int, ...] | None:
    """The first word of each address that may be the subject; None if `in_text` has to look."""
    words, gaps = wording
    signs = b"".join(gaps)
    if b"%" in signs or signs.count(b":") >= 7 or signs.count(b".") >= 33 or b"::" in signs:
        return None
    found = []
    seen = 0
    for first in range(len(words) - 3):
        dots = gaps[first + 1 : first + 4]
        if words[first : first + 4] != (NUMBER,) * 4 or dots != (b".",) * 3:
            continue
        if gaps[first][-1:] in (b".", b"-", b"_"):
            continue
        seen += 1
        if seen > MAX_FOUND or not _ends(gaps[first + 4 :], first + 4 == len(words)):
            return None
        before = _before(wording, first)
        if before is None:
            return None
        if is_subject(before, len(before)):
            found.append(first)
    return tuple(found)


def at_words(words: Sequence[bytes], firsts: Sequence[int]) -> Iterator[Range]:
    """The addresses there; a number too large makes none."""
    for first in firsts:
        one = _plain(b".".join(words[first : first + 4]))
        if one is not None:
            yield one


@lru_cache(maxsize=1024)  # ours, again and again
def _plain(token: bytes) -> Range | None:
    return single(token.decode())


def _ends(gaps: Sequence[bytes], is_last: bool) -> bool:
    """An address may end here, and can be nothing more than an address."""
    gap = gaps[0] if gaps else b""
    return (
        gap[:1] not in (b"/", b".", b"-", b"_")
        or gap[:2] == b"." + SPACE
        or (is_last and gap == b".")
    )


def _before(wording: Wording, first: int) -> str | None:
    """What stands before the address, back to an open word; None if that word matters."""
    words, gaps = wording
    text = b""
    for nth in range(first, -1, -1):
        text = gaps[nth] + text
        if nth == 0 or len(text) > _NEAR:
            break
        if words[nth - 1] in OPEN:
            known = text.replace(SPACE, b" ").decode()
            if words[nth - 1] in (NUMBER, NAME):
                return "0" + known  # no name ends as one of NOT_SUBJECT does
            # A word such as "9code" may end as one of those does.
            told = known.rstrip(" :=[(")
            return None if any(one.endswith(told) for one in NOT_SUBJECT) else known
        text = words[nth - 1] + text
    return text.removeprefix(b"\x1e").replace(SPACE, b" ").decode()
