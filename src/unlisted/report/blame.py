"""Whom a refusal blames: a public list with its clock and etiquette, an operator's own, or nobody.

One listing is named by its zone here, by its owner there ("zen.spamhaus.org", "Spamhaus"): refusals
go together by family; what blames a network stays apart from what blames an address. A refusal that
names no list is the receiver's own decision. Refuses to give a list a term that the catalogue does
not have.
"""

import msgspec

from unlisted.report.cells import Answer
from unlisted.watch.catalogue import ListRow, lookup, shipped


class Blamed(msgspec.Struct, frozen=True):
    """key: what belongs together. own: the receiver that refuses by its own rules, if so."""

    key: str
    name: str
    family: str | None
    scope: str
    own: str | None = None


def blamed_by(answer: Answer, receiver: str) -> Blamed:
    """Whom an answer of this receiver blames."""
    scope = "network" if answer.subject == "network" else "address"
    zone = answer.blames if answer.blames and "." in answer.blames else None
    if answer.family or zone:
        key = f"{answer.family or zone}|{scope}"
        return Blamed(key, answer.family or str(zone), answer.family, scope)
    if answer.blames:
        return Blamed(f"{answer.blames}@{receiver}|{scope}", answer.blames, None, scope, receiver)
    return Blamed(f"@{receiver}|{scope}", f"{receiver} itself", None, scope, receiver)


def row_of(blamed: Blamed, zones: list[str]) -> ListRow | None:
    """The catalogue's row: of a zone that was named, the one with a term first; else of the family,
    its main one."""
    rows = [row for row in map(lookup, zones) if row is not None and row.kind == "address"]
    if rows:
        return next((row for row in rows if row.term_s is not None), rows[0])
    family = [row for row in shipped().of_family(blamed.family or "") if row.kind == "address"]
    living = [row for row in family if row.alive]
    return next(iter(living or family), None)
