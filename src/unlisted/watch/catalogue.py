"""The known blocklists: catalogue.toml as rows; what a site says of a list goes before (delist).

A row says what the list's answers mean, how long a listing lasts and what its owners ask of the
listed; an unknown term is None, never a guess. Refuses rows it cannot trust: a code outside
127/8, an unknown key, two rows for one zone.
"""

import tomllib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec

Requests = Literal["never", "owner", "anyone"]


class CatalogueError(ValueError):
    """A row that cannot be used; the text names zone and key."""


class ListRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    zone: str
    family: str
    kind: Literal["address", "domain"] = "address"
    alive: bool = True
    term_s: float | None = None
    requests: Requests = "never"
    how: str = ""
    codes: dict[str, str] = {}
    test_listed: str | None = None
    test_clean: str | None = None
    lookup_url: str | None = None
    source: str = ""
    date: str = ""

    def lookup_page(self, address: str) -> str | None:
        """The list's own page about an address, for a person to open."""
        return self.lookup_url.replace("{address}", address) if self.lookup_url else None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    list: list[ListRow]


class Catalogue:
    """Rows by zone. Immutable."""

    def __init__(self, rows: Iterable[ListRow]) -> None:
        self._rows: dict[str, ListRow] = {}
        for row in rows:
            row = _checked(row)
            if row.zone in self._rows:
                raise CatalogueError(f"{row.zone}: two rows for one zone")
            self._rows[row.zone] = row

    def __iter__(self) -> Iterator[ListRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def lookup(self, zone: str) -> ListRow | None:
        """The row of that zone; else of the zone it lies under (a customer's key in front, a
        mirror's label), else the first row under it ("spamhaus.org" means zen)."""
        wanted = normal_zone(zone)
        if wanted in self._rows:
            return self._rows[wanted]
        labels = wanted.split(".")
        for cut in range(1, len(labels) - 1):
            parent = ".".join(labels[cut:])
            if parent in self._rows:
                return self._rows[parent]
        if len(labels) >= 2:
            for row in self._rows.values():
                if row.zone.endswith("." + wanted):
                    return row
        return None

    def of_family(self, family: str) -> tuple[ListRow, ...]:
        """All rows of a family in file order, its main zone first."""
        return tuple(row for row in self._rows.values() if row.family == family)


def lookup(zone: str) -> ListRow | None:
    """In the shipped catalogue."""
    return shipped().lookup(zone)


@lru_cache(maxsize=1)
def shipped() -> Catalogue:
    text = resources.files("unlisted.watch").joinpath("catalogue.toml").read_text("utf-8")
    return Catalogue(parse_rows(text))


def parse_rows(text: str) -> list[ListRow]:
    """Rows from TOML: `[[list]]` tables with the keys of ListRow."""
    try:
        return msgspec.convert(tomllib.loads(text), _File).list
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as exc:
        raise CatalogueError(str(exc)) from exc


def normal_zone(zone: str) -> str:
    return zone.strip().rstrip(".").lower()


def _checked(row: ListRow) -> ListRow:
    zone = normal_zone(row.zone)
    if not zone or len(zone) > 200 or any(not label for label in zone.split(".")):
        raise CatalogueError(f"{row.zone!r}: not a zone")
    for code in row.codes:
        if not code.startswith("127.") or code.startswith("127.255.255."):
            raise CatalogueError(f"{zone}: code {code} can be no listing (RFC 5782 section 2.1)")
    if row.term_s is not None and not row.term_s > 0:
        raise CatalogueError(f"{zone}: term_s must be above 0, or absent if unknown")
    return msgspec.structs.replace(row, zone=zone)
