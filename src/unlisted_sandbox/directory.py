"""Who exists at the receivers, and how recipients answer: reports, complaints, evidence for a list."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from unlisted_sandbox import tokens
from unlisted_sandbox.addresses import AddressKind, address_kind
from unlisted_sandbox.chance import Draw, happens
from unlisted_sandbox.people import population
from unlisted_sandbox.world import World
from unlisted_sandbox.world_sites import BlockList, Receiver

_ALWAYS = ("postmaster", "abuse")  # RFC 2142


class Evidence(Struct, frozen=True):
    """What a list learns of one delivered mail."""

    kind: Literal["trap", "report"]
    at: float
    weight: float


class Directory:
    """Who exists, and how recipients answer. All decisions are keyed hashes; nothing is kept."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seed = world.seed
        self._receivers = {d: r for r in world.receivers for d in r.domains}
        people = population(world)
        self._tenants = frozenset(people.tenants)
        self._own = frozenset(s.address for s in people.senders)

    def receiver(self, address: str) -> Receiver | None:
        return self._receivers.get(address.rpartition("@")[2].lower())

    def kind(self, address: str) -> AddressKind:
        """Of a plain address, at a receiver or a tenant of the platform."""
        address = address.lower()
        local, _, domain = address.rpartition("@")
        if local in _ALWAYS:
            return "mailbox"
        if domain in self._tenants:
            return "mailbox" if address in self._own else "unknown"
        return address_kind(self._seed, address) if domain in self._receivers else "unknown"

    def origin(self, token: str) -> tokens.Origin | None:
        return tokens.read(self._seed, token)

    def reports(self, address: str, token: str) -> bool:
        """Whether this mailbox reports this mail to the lists."""
        return self.kind(address) == "mailbox" and happens(
            self._rate(token, "report"), self._seed, "reports", address.lower(), token
        )

    def complains(self, address: str, token: str) -> bool:
        """Whether this mailbox's complaint goes to its site, which sends a report if it does that."""
        return self.kind(address) == "mailbox" and happens(
            self._rate(token, "complaint"), self._seed, "complains", address.lower(), token
        )

    def complaint_lag_s(self, address: str, token: str) -> float:
        receiver = self.receiver(address)
        median = receiver.arf_lag_s if receiver else 0.0
        return Draw(self._seed, "arf lag", address.lower(), token).lognormal(median, 0.5)

    def content_refused(self, address: str, token: str) -> bool:
        """Whether the site of this address refuses this mail for its content."""
        receiver, origin = self.receiver(address), self.origin(token)
        if receiver is None or origin is None:
            return False
        spam = origin.kind == "spam"
        share = receiver.content_spam_share if spam else receiver.content_honest_share
        return happens(share, self._seed, "content", receiver.name, token)

    def evidence(self, entry: BlockList, address: str, token: str, at: float) -> Evidence | None:
        """What `entry` learns from a mail accepted for `address` at `at`, and when; None = nothing."""
        kind = self.kind(address)
        receiver = self.receiver(address)
        if kind == "trap":
            if receiver is None or (entry.traps_at and receiver.name not in entry.traps_at):
                return None
            lag, weight, what = entry.trap_lag_s, entry.trap_weight, "trap"
        elif self.reports(address, token):
            lag, weight, what = entry.report_lag_s, entry.report_weight, "report"
        else:
            return None
        draw = Draw(self._seed, "evidence", entry.zone, address.lower(), token)
        lag = draw.lognormal(lag, entry.lag_sigma)
        return Evidence("trap" if what == "trap" else "report", round(at + lag, 3), weight)

    def _rate(self, token: str, what: Literal["report", "complaint"]) -> float:
        origin, w = self.origin(token), self._world
        if origin is None:
            return 0.0
        if origin.stream == "hijack":
            hijack = w.hijacks[origin.number]
            return hijack.report_share if what == "report" else hijack.arf_share
        if what == "report" or origin.stream == "person":
            return w.honest.report_rate if what == "report" else w.honest.complaint_rate
        table: Any = {
            "newsletter": w.newsletters, "letter": w.letters, "ticket": w.tickets,
            "webform": w.webforms,
        }[origin.stream]  # fmt: skip
        rate: float = table[origin.number].complaint_rate
        return rate
