"""Refusals that are about no address of ours: an address outside --ours, or a listed domain.

They make no episode, for their cure is another one: --ours is wrong or the mail is somebody
else's; a domain in the mail (of its sender, its HELO name, a link) is on a list of domains. Refuses
to drop them in silence.
"""

import re
from collections.abc import Iterator

import msgspec
import numpy as np

from unlisted.report.cells import WORDLESS, Answer, Cells, Names
from unlisted.report.evidence import Evidence, evidence_of
from unlisted.report.places import address_in

RECEIVERS = 8
_LIST = re.compile(
    r"(?:using|via|(?:listed|blacklisted|blocked) (?:in|on|by|at))(?: the)? "
    r"\W{0,2}((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}|[a-z]{0,12}(?:URIBL|SURBL|DBL)\b)",
    re.IGNORECASE,
)
_KINDS = (
    ("sender", re.compile(r"sender|mail from|envelope|return.path", re.IGNORECASE)),
    ("helo", re.compile(r"\b(?:helo|ehlo)\b", re.IGNORECASE)),
    ("link", re.compile(r"\b(?:ur[li]s?|links?|body|content|contains)\b", re.IGNORECASE)),
    ("host name", re.compile(r"\bclient\b|\brdns\b|reverse", re.IGNORECASE)),
)


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals of one name: `kind` is address, or what of the mail bears the domain (sender, helo,
    link, host name, domain where the reply does not tell); `name` None: the reply names none."""

    kind: str
    name: str | None
    blames: str | None
    refusals: int
    receivers: tuple[str, ...]
    receivers_count: int
    first_at: float
    last_at: float
    text: str
    evidence: Evidence


def list_in(text: str) -> str | None:
    """The list that a reply about a domain names."""
    found = _LIST.search(text)
    return found[1].lower() if found else None


def domain_in(value: str | None) -> str | None:
    """The domain of an address or a name."""
    name = (value or "").rpartition("@")[2].strip("[]<>. ").lower()
    return name[:253] or None


def _kind(text: str) -> str:
    # A link of the list's own explains the reply and is none of the mail.
    words = re.sub(r"https?://\S*", "", text)
    return next((kind for kind, told in _KINDS if told.search(words)), "domain")


def _about(answer: Answer) -> tuple[str, str | None, str | None] | None:
    if answer.ours != "no":
        return None
    if answer.subject == "domain":
        return _kind(answer.text), answer.subject_value, answer.blames
    address = address_in(answer) if answer.refusal == "yes" else None
    return ("address", address, answer.family or answer.blames) if address else None


def others_of(names: Names, cells: Cells) -> tuple[Other, ...]:
    """Of all answers, those with the most refusals first; cells in time order."""
    cells = cells.where(np.flatnonzero((cells.answer >= WORDLESS) & (cells.count > 0)))
    about: dict[tuple[str, str | None, str | None], list[int]] = {}
    for number in np.unique(cells.answer):
        answer = names.answers[int(number)]
        key = _about(answer) if answer is not None else None
        if key is not None:
            about.setdefault(key, []).append(int(number))
    found = [_other(names, key, cells, numbers) for key, numbers in about.items()]
    return tuple(sorted(found, key=lambda one: (-one.refusals, one.kind, str(one.name))))


def _other(
    names: Names, key: tuple[str, str | None, str | None], cells: Cells, numbers: list[int]
) -> Other:
    part = cells.where(np.isin(cells.answer, numbers))
    receivers = list(dict.fromkeys(_by_count(names, part)))
    said = names.answers[numbers[0]]
    return Other(
        kind=key[0],
        name=key[1],
        blames=key[2],
        refusals=part.total(),
        receivers=tuple(receivers[:RECEIVERS]),
        receivers_count=len(receivers),
        first_at=float(part.first_at.min()),
        last_at=float(part.last_at.max()),
        text=said.text if said is not None else "",
        evidence=evidence_of(part),
    )


def _by_count(names: Names, part: Cells) -> Iterator[str]:
    keys, place = np.unique(part.receiver, return_inverse=True)
    sums = np.bincount(place.reshape(-1), part.count, len(keys))
    return (names.receivers[int(keys[one])] for one in np.lexsort((keys, -sums)))
