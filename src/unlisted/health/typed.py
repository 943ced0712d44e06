"""Numbers that somebody typed into a post: what was not measured must not look as if it were.

A number may stand in a post when its shape says that it counts nothing: a time, a duration, a reply
code (RFC 5321, RFC 3463), the number of a post, an identifier, a link. Every other number, each
percentage, and a number word before a counted thing is a figure, and figures come from the journal.
Compatibility forms, digits of other scripts and invisible characters hide nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from unlisted.facts import Figure
from unlisted.health import stamps
from unlisted.health.lint_words import COUNTED

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_COUNTS = rf"(?!\s*%|\s*per\s?cent|\s+(?:[\w-]+\s+){{0,2}}{COUNTED})"
# Shapes that count nothing, tried in this order; each match is blanked out.
_HARMLESS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bhttps?://\S{1,500}|\bwww\.\S{1,500}",
        r"[\w.+-]{1,64}@[\w.-]{1,255}",
        r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?\b(?!\.?[0-9])",
        rf"\b[0-9]{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?[\s-]+{_MONTH}(?:[\s,-]+20[0-9]{{2}}\b)?",
        rf"\b{_MONTH}\s+(?:[0-9]{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+20[0-9]{{2}}\b)?|20[0-9]{{2}}\b)",
        r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b",
        r"\b[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:\s?[ap]\.?m\b\.?)?",
        r"\b(?:1[0-2]|[1-9])\s?[ap]\.?m\b\.?",
        r"\b(?:office|microsoft)\s365\b|\bexchange\s20[0-9]{2}\b|\b(?:tls|ssl|http)\s?[0-9](?:\.[0-9])?\b",
        rf"\b(?:in|since|of|until|early|late|mid)[\s-]20[0-9]{{2}}\b{_COUNTS}",
        r"\b(?:utc|gmt)\s?[+\u2212-][0-9]{1,2}(?::?[0-9]{2})?",
        r"\b[0-9]{1,4}(?:[.,][0-9]{1,2})?(?:\s?(?:-|\u2013|to|or|and)\s?[0-9]{1,4})?[\s-]?"
        r"(?:(?:more|working|business|full)\s)?(?:s|secs?|seconds?|min|mins|minutes?|h|hrs?|hours?"
        r"|d|days?|weeks?|months?|years?)\b",
        r"\b24\s?[/x]\s?7\b",
        r"\b[245][0-9]{2}[ -][245]\.[0-9]{1,3}\.[0-9]{1,3}\b|\b[245]\.[0-9]{1,3}\.[0-9]{1,3}\b",
        r"\b(?:posts?|updates?|port|rfc|sections?|steps?|codes?|errors?|repl(?:y|ies)|status|smtp"
        r"|ticket|case|week|version|v|level|phase|part|kb|no\.|answers?(?:\swith)?|(?:refused|rejected)\swith)"
        rf"\s?#?[0-9]+(?:\.[0-9]+)*\b{_COUNTS}",
        rf"\b[245][0-9]{{2}}\b(?=\s(?:repl|error|code|answer|response|status)){_COUNTS}",
        rf"#[0-9]+\b{_COUNTS}",
        rf"\b[A-Z]{{2,10}}-[0-9][0-9-]*\b{_COUNTS}",
        rf"\b[A-Z]+[0-9]+[A-Z0-9]*\b{_COUNTS}",
        rf"\b[0-9]{{1,3}}(?:st|nd|rd|th)\b{_COUNTS}",
    )
)
_WORD = (
    r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh"
    r"|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?|millions?"
    r"|dozens?|scores|half|thirds?(?![\s-]part)|quarters?|fifths?|tenths?)"
)
_SAID = re.compile(
    rf"\b{_WORD}\b(?:[\s-]+(?:and\s+)?{_WORD}\b){{0,4}}(?:\s+of)?(?:\s+[\w'-]{{1,20}}){{0,3}}?\s+{COUNTED}"
    rf"|\b(?:one|zero|no|{_WORD})\s+(?:out\s+of|in)\s+(?:every\s+)?(?:{_WORD}|[0-9]+)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<number>\d[\d.,'\u2019\u202f]*\d|\d)(?P<rest>\s?(?:%|per\s?cent\b)|\s(?:[\w-]+\s){0,2}?"
    + COUNTED
    + r")?",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"(?:[\w'-]{1,30}\s)?(?:per\s?cent\b|percentage points?\b|per mille\b|[%\u2030\u2031\u066a])",
    re.IGNORECASE,
)


def unmeasured(text: str, figures: Iterable[Figure]) -> list[str]:
    """The numbers of this text, as typed with their unit, that no figure is."""
    plain = _plain(text)
    for stamp in stamps.stamps(plain, most=50):
        plain = _blanked(plain, *stamp.span)
    for shape in _HARMLESS:
        plain = shape.sub(lambda found: " ; " if found[0] else "", plain)
    known = list(figures)
    return list(dict.fromkeys(_found(plain, known)))


def _found(plain: str, figures: list[Figure]) -> Iterator[str]:
    rest = plain
    for found in _NUMBER.finditer(plain):
        rest = _blanked(rest, *found.span())
        if not any(_same(found["number"], found["rest"] or "", one) for one in figures):
            yield " ".join(found[0].split())
    for pattern in (_SAID, _SHARE):
        for found in pattern.finditer(rest):
            yield " ".join(found[0].split())
    if any(unicodedata.category(one) in ("Nd", "Nl", "No") for one in rest):
        yield next(one for one in rest if unicodedata.category(one) in ("Nd", "Nl", "No"))


def _same(number: str, rest: str, figure: Figure) -> bool:
    """Whether the typed number, with its unit, is what the figure says."""
    if figure.value is None:
        return False
    if figure.unit == "share":
        shown = (f"{figure.value * 100:.1f}", f"{figure.value * 100:.0f}")
        return bool(_SHARE.search(rest)) and number in shown
    unit = figure.unit.split()[0].rstrip("s")
    return (
        number in (f"{figure.value:.0f}", f"{figure.value:,.0f}")
        and bool(unit)
        and unit in rest.lower()
    )


def _plain(text: str) -> str:
    kept = "".join(one for one in text if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", kept)


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + ";" * (end - start) + text[end:]
