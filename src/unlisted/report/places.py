"""Which of our addresses an attempt left by: known, inferred or unknown, and how that is known.

The log's own field says it; else a reply that names an address of ours; else, for all mail of one
transport, the only address that replies to this transport ever name. Refuses to choose between two:
then the address is "behind transport X", and what is said of it is said of the transport.
"""

import ipaddress
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from unlisted.report.cells import WORDLESS, Answer, Cells, Ints, Names

Known = Literal["known", "inferred", "unknown"]
_RANK = {"known": 0, "inferred": 1, "unknown": 2}
# A stray address in one text in twenty does not make a transport two-headed.
_STRAY = 0.05


class Place(msgspec.Struct, frozen=True):
    """Where mail left from; `name` is an address only if `known` is not "unknown"."""

    name: str
    known: Known
    how: str


def address_in(answer: Answer) -> str | None:
    """The single address a refusal names as its subject; a network is none."""
    if answer.subject != "address" or not answer.subject_value:
        return None
    return _address(answer.subject_value)


def _address(text: str) -> str | None:
    """In its canonical form (RFC 5952); a network of one address is that address."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return str(network.network_address) if network.num_addresses == 1 else None


class Places:
    """Places by number, of routes and of single answers."""

    def __init__(self, names: Names, cells: Cells, ours: Sequence[str]) -> None:
        self.all: list[Place] = []
        self._numbers: dict[str, int] = {}
        self._answers = names.answers
        self._bound = bool(ours)
        self._only = _address(ours[0]) if len(ours) == 1 else None
        # Places whose mail that was not refused is only taken to have left by them, and why.
        self.taken: dict[str, str] = {}
        named = self._named_by_route(cells)
        # The place of what left by a route if no answer says more, and whether others share it.
        self.of_route: Ints = np.array(
            [
                self._of_route(number, names, named.get(number, {}))
                for number in range(len(names.routes))
            ],
            np.int32,
        )
        self.of_cells = self.of(cells)

    def of(self, cells: Cells) -> Ints:
        """The place of each cell."""
        found = self.of_route[cells.route] if len(cells) else np.zeros(0, np.int32)
        told = np.flatnonzero(cells.answer >= WORDLESS)
        if len(told):
            code = (cells.route[told].astype(np.int64) << 16) | cells.answer[told]
            unique, inverse = np.unique(code, return_inverse=True)
            places = [self.of_answer(int(one) >> 16, int(one) & 0xFFFF) for one in unique]
            found[told] = np.array(places, np.int32)[inverse.reshape(-1)]
        return found

    def of_answer(self, route: int, number: int) -> int:
        """The place of one answer on one route."""
        answer = self._answers[number]
        own = int(self.of_route[route])
        if answer is None or self.all[own].known == "known":
            return own
        address = address_in(answer) if answer.blames_us else None
        return self._named(address, answer) if address else own

    def _named_by_route(self, cells: Cells) -> dict[int, dict[str, int]]:
        found: dict[int, dict[str, int]] = {}
        cells = cells.where(cells.answer >= WORDLESS)
        for number in np.unique(cells.answer):
            answer = self._answers[int(number)]
            address = address_in(answer) if answer is not None and answer.blames_us else None
            if address is None or (self._bound and answer is not None and answer.ours != "yes"):
                continue
            mask = cells.answer == number
            for route in np.unique(cells.route[mask]):
                count = int(cells.count[mask & (cells.route == route)].sum())
                by_address = found.setdefault(int(route), {})
                by_address[address] = by_address.get(address, 0) + count
        return found

    def _of_route(self, number: int, names: Names, named: dict[str, int]) -> int:
        route = names.routes[number]
        if route.egress:
            name = _address(route.egress) or route.egress
            return self._number(Place(name, "known", "the log's own field"))
        total = sum(named.values())
        likely = sorted(a for a, count in named.items() if count > _STRAY * total)
        if len(likely) == 1:
            behind = route.label.removeprefix("the address behind ") or "this log"
            how = f"the only address that replies name for {behind}"
            self.taken[likely[0]] = how
            return self._number(Place(likely[0], "inferred", how))
        if self._only is not None and not likely:
            how = "the only address that --ours gives"
            self.taken[self._only] = how
            return self._number(Place(self._only, "inferred", how))
        if not route.label:
            return self._number(Place("unknown address", "unknown", "the log names none"))
        if likely:
            name = route.label.replace("the address behind", "the addresses behind")
            return self._number(Place(name, "unknown", "replies name several"))
        how = "the log names none and no reply does"
        return self._number(Place(route.label, "unknown", how))

    def _named(self, address: str, answer: Answer) -> int:
        if answer.ours == "yes":
            return self._number(Place(address, "known", "named by the replies, and ours"))
        how = "named by the replies; --ours would make it certain"
        return self._number(Place(address, "inferred", how))

    def _number(self, place: Place) -> int:
        number = self._numbers.get(place.name)
        if number is None:
            self._numbers[place.name] = number = len(self.all)
            self.all.append(place)
        elif _RANK[place.known] < _RANK[self.all[number].known]:
            self.all[number] = place
        return number
