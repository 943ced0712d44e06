"""One blocklist as one platform sees it: evidence, listings, terms, and RFC 5782 answers.

Pure: time is an argument. Each lane has its own `ListState`, so that nothing one platform does can
be seen by another. An address is listed once evidence of enough weight lies within the window, from
`listing_lag_s` after the piece that was enough until `term_h` after the last piece. Beside these
stand the listings that no mail of the platform caused: a list's error, a neighbour's range. It keeps
every listing it ever made. Refuses evidence older than what it has learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from unlisted_sandbox.chance import Draw
from unlisted_sandbox.world import World
from unlisted_sandbox.world_sites import BlockList

TEST_LISTED = "127.0.0.2"  # RFC 5782 section 5: must be listed, 127.0.0.1 must not


Why = Literal["evidence", "mistake", "range"]


class Piece(Struct, frozen=True):
    """One piece of evidence against an address."""

    at: float
    kind: Literal["trap", "report"]
    weight: float


class Listing(Struct, frozen=True):
    """One address on the list, from `start` until `end`, as known now."""

    address: str
    start: float
    end: float
    why: Why = "evidence"
    txt: str = ""  # instead of the list's own


class ListAnswer(Struct, frozen=True):
    """What the zone answers: an A record and its TXT when listed, nothing and a TTL when not."""

    code: str | None
    txt: str
    ttl_s: int


class ListState:
    """One list in one lane."""

    def __init__(self, policy: BlockList, imposed: Iterable[Listing] = ()) -> None:
        self.policy = policy
        self._imposed: dict[str, list[Listing]] = {}
        for listing in imposed:
            self._imposed.setdefault(listing.address, []).append(listing)
        self._pieces: dict[str, list[Piece]] = {}
        self._listings: dict[str, list[Listing]] = {}

    def learn(
        self, address: str, kind: Literal["trap", "report"], weight: float, at: float
    ) -> Listing | None:
        """Take a piece of evidence; the listing it began or prolonged, if any."""
        pieces = self._pieces.setdefault(address, [])
        if pieces and at < pieces[-1].at:
            raise ValueError(f"evidence against {address} goes back in time")
        pieces.append(Piece(at, kind, weight))
        term_s = self.policy.term_h * 3600
        known = self._listings.setdefault(address, [])
        if known and at < known[-1].end:
            if self.policy.relists:
                known[-1] = Listing(address, known[-1].start, max(known[-1].end, at + term_s))
                return known[-1]
            return None
        if known and not self.policy.relists:
            return None
        since = at - self.policy.evidence_window_h * 3600
        if sum(p.weight for p in pieces if p.at > since) < self.policy.evidence_needed:
            return None
        start = at + self.policy.listing_lag_s
        if start >= at + term_s:
            return None
        known.append(Listing(address, start, at + term_s))
        return known[-1]

    def listed(self, address: str, at: float) -> bool:
        """Whether the zone has it then; also of any past instant, for those who copied it then."""
        if address == TEST_LISTED:
            return True
        # The newest is asked for nearly always.
        if any(x.start <= at < x.end for x in reversed(self._listings.get(address, ()))):
            return True
        return self._imposed_on(address, at) is not None

    def _imposed_on(self, address: str, at: float) -> Listing | None:
        return next((x for x in self._imposed.get(address, ()) if x.start <= at < x.end), None)

    def answer(self, address: str, at: float) -> ListAnswer:
        """RFC 5782 section 2.1."""
        policy = self.policy
        if not self.listed(address, at):
            return ListAnswer(None, "", policy.negative_ttl_s)
        imposed = self._imposed_on(address, at)
        text = (imposed.txt if imposed else "") or policy.txt
        text = text.replace("{ip}", address).replace("{zone}", policy.zone)
        return ListAnswer(policy.code, text, policy.ttl_s)

    def pieces(self, address: str) -> tuple[Piece, ...]:
        return tuple(self._pieces.get(address, ()))

    def listings(self) -> tuple[Listing, ...]:
        """All listings so far, and those to be imposed later, by start and address."""
        known = [*self._listings.values(), *self._imposed.values()]
        every = (x for listings in known for x in listings)
        return tuple(sorted(every, key=lambda x: (x.start, x.address)))

    def open_at(self, at: float) -> tuple[Listing, ...]:
        """Listings that hold at `at` or are about to begin."""
        return tuple(
            x for x in self.listings() if at < x.end and (x.why == "evidence" or x.start <= at)
        )


def imposed(world: World, zone: str, pool: Sequence[str]) -> Iterator[Listing]:
    """What a list will list of this pool without any mail of its platform. The same places in
    every platform's pool: what befalls one befalls all."""
    for n, error in enumerate(world.list_errors):
        if error.list == zone:
            draw = Draw(world.seed, "list error", zone, n)
            start = world.start + error.at_h * 3600
            for place in sorted(draw.sample(range(len(pool)), error.addresses)):
                yield Listing(pool[place], start, start + error.for_h * 3600, "mistake")
    for row in world.ranges:
        if row.list == zone:
            start = world.start + row.at_h * 3600
            for address in pool:
                yield Listing(address, start, start + row.for_h * 3600, "range", row.txt)


def reversed_name(address: str, zone: str) -> str:
    """The name to ask for an address (RFC 5782 section 2.1)."""
    return ".".join(reversed(address.split("."))) + "." + zone


def address_of(name: str, zones: Iterable[str]) -> tuple[str, str] | None:
    """(address, zone) of such a name; None when it is no IPv4 name of these zones."""
    name = name.lower().rstrip(".")
    for zone in zones:
        head = name.removesuffix("." + zone)
        if head == name:
            continue
        labels = head.split(".")
        if len(labels) != 4 or not all(x.isascii() and x.isdigit() and len(x) < 4 for x in labels):
            return None
        try:
            return str(IPv4Address(".".join(reversed(labels)))), zone
        except ValueError:
            return None
    return None
