"""Where in the texts of one wording the addresses stand, once for all of them.

`addresses.in_text` looks at each character of a text. A wording has the same words and the same
signs between them in each text, so which four numbers are an address, and the subject, can be told of
nearly all of them beforehand. What cannot (IPv6, networks, percent signs, names a list is asked by)
is left to `in_text`; tests hold the two against each other.
"""

import re
from collections.abc import Iterator, Sequence

from unlisted.replies.addresses import (
    MAX_FOUND,
    NOT_SUBJECT,
    Range,
    is_subject,
    of_numbers,
    single,
)
from unlisted.replies.wording import NAME, NUMBER, OPEN, Wording

Place = tuple[int, int]  # number of the token; of the address among those in it

# The words of these: how no name may end that is left open.
TELLING = tuple(sorted({word for one in NOT_SUBJECT for word in re.findall("[a-z]+", one)}))
_NEAR = 32  # characters: more than `is_subject` looks at
_NUMBERS = re.compile(r"(?<![\w.-])(?:X\.){3}X(?!\w)".replace("X", f"(?:[0-9]+|{NUMBER})"))
# The first, if there is none of more than three digits before; `re` skips to a digit.
_FIRST = re.compile(r"[0-9](?<![\w.-].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?!\w)", re.ASCII)
_ENDS = re.compile(r"(?![/._-])|\.(?: |$)")
_LAST_OPEN = re.compile(f".*([{''.join(OPEN)}])")


def places_of(wording: Wording) -> tuple[Place, ...] | None:
    """Each address that may be the subject; None if `in_text` has to look."""
    line = " ".join(wording)
    if "%" in line or line.count(":") >= 7 or line.count(".") >= 33 or "::" in line:
        return None
    found: list[Place] = []
    seen = 0
    for nth, token in enumerate(wording):
        for inside, numbers in enumerate(_NUMBERS.finditer(token)):
            seen += 1
            start = sum(map(len, wording[:nth])) + nth + numbers.start()
            if seen > MAX_FOUND or not _ENDS.match(line, start + len(numbers[0])):
                return None
            before = _before(line[max(0, start - _NEAR) : start])
            if before is None:
                return None
            if is_subject(before, len(before)):
                found.append((nth, inside))
    return tuple(found)


def at_places(tokens: Sequence[str], places: Sequence[Place]) -> Iterator[Range]:
    """The addresses there; a number too large makes none."""
    for nth, inside in places:
        token = tokens[nth]
        numbers = None if inside else _FIRST.search(token)
        one = of_numbers(numbers[0]) if numbers else single(_NUMBERS.findall(token)[inside])
        if one is not None:
            yield one


def _before(text: str) -> str | None:
    """What is known of this, the rest being open; None if an open word in it matters."""
    found = _LAST_OPEN.match(text)
    if found is None:
        return text
    known = text[found.end() :]
    if found[1] in (NUMBER, NAME):
        return "0" + known  # no name ends as one of NOT_SUBJECT does
    # A word such as "9code" may end as one of those does.
    told = known.rstrip(" :=[(")
    return None if any(one.endswith(told) for one in NOT_SUBJECT) else known
