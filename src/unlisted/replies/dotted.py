"""Where in a text an IPv4 address may begin: numbers of up to three digits, joined by three dots.

Both who looks for addresses and who searches with patterns that begin with one ask for this. A
pattern for the whole is tried at each digit, and ids are full of digits; dots are few, and `re`
skips to them.
"""

import re

_DOTS = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", re.ASCII)


def begins(text: str) -> list[int]:
    """The first digit of each; what stands before it is the caller's matter."""
    found = []
    for dots in _DOTS.finditer(text):
        dot = start = dots.start()
        while start and "0" <= text[start - 1] <= "9":
            start -= 1
        if 0 < dot - start <= 3:
            found.append(start)
    return found
