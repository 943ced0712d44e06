"""Where a domain's mail goes: static routes first, then MX (RFC 5321 section 5.1) if asked for.

A static route is `domain = "host:port"`, "*" for all others. With a resolver: MX by preference, a
null MX (RFC 7505) refuses, no MX falls back to the domain's address. Nothing is asked of the
system's resolver. `receiver` is the remote site, since its rules and lists decide: by MX the
organisation of the mail host; behind static routes the first of the domains that share a target.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping

import msgspec

from unlisted.edge.clock import Clock, Hold
from unlisted.edge.dns_client import Answer, DnsClient, DnsError

SMTP_PORT = 25
MAX_HOPS = 5
MAX_KEPT = 10_000
MIN_TTL_S = 60.0


class Hop(msgspec.Struct, frozen=True):
    """One address to try."""

    host: str
    port: int


class Route(msgspec.Struct, frozen=True):
    """The remote site and its addresses, best first."""

    receiver: str
    hops: tuple[Hop, ...]


class NoRoute(Exception):
    """`code` 0: try again later; else final, with its enhanced code."""

    def __init__(self, text: str, code: int = 0, enhanced: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced


class Routes:
    """The routes of one service."""

    def __init__(
        self, static: Mapping[str, tuple[str, int]], clock: Clock, mx: DnsClient | None = None
    ) -> None:
        self._static = {domain.lower(): Hop(*target) for domain, target in static.items()}
        self._site = dict(receivers(static))
        self._clock = clock
        self._mx = mx
        self._kept: dict[str, tuple[float, Route]] = {}
        self._of_receiver: dict[str, str] = {}

    def routable(self, domain: str) -> bool:
        """Whether there is any way to find out where this domain's mail goes."""
        return self._mx is not None or self.static(domain) is not None

    def static(self, domain: str) -> Route | None:
        """The route that needs no look-up."""
        hop = self._static.get(domain) or self._static.get("*")
        if hop is None:
            return None
        return Route(receiver=self._site.get(domain, domain), hops=(hop,))

    def known(self, domain: str) -> Route | None:
        """The route that needs no waiting: static, or looked up not long ago."""
        route = self.static(domain)
        if route is not None:
            return route
        kept = self._kept.get(domain)
        return kept[1] if kept is not None and self._clock.now() < kept[0] else None

    async def find(self, domain: str, hold: Hold) -> Route:
        """The route, looked up if need be. Raises NoRoute."""
        route = self.known(domain)
        if route is not None:
            return route
        if self._mx is None:
            raise NoRoute("no route to this domain", 550, "5.4.4")
        if domain.startswith("["):
            return _literal(domain)
        try:
            route, ttl_s = await self._by_mx(self._mx, domain, hold)
        except DnsError as exc:
            raise NoRoute(f"look-up failed: {exc}") from None
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
            self._of_receiver.clear()
        self._kept[domain] = (self._clock.now() + max(ttl_s, MIN_TTL_S), route)
        self._of_receiver[route.receiver] = domain
        return route

    async def find_receiver(self, receiver: str, hold: Hold) -> tuple[str, Route]:
        """A domain of this remote site, and its route, for a test. Raises NoRoute."""
        domain = self._of_receiver.get(receiver, receiver)
        return domain, await self.find(domain, hold)

    async def _by_mx(self, dns: DnsClient, domain: str, hold: Hold) -> tuple[Route, float]:
        answer = await dns.ask(domain, "MX", hold)
        if answer.missing:
            raise NoRoute("this domain does not exist", 550, "5.1.2")
        targets = _by_preference(answer, domain)
        if answer.records and not targets:
            raise NoRoute("this domain takes no mail", 556, "5.1.10")  # RFC 7505 section 3
        ttl_s = answer.ttl_s
        hops: list[Hop] = []
        for target in targets or [domain]:
            for kind in ("A", "AAAA"):
                found = await dns.ask(target, kind, hold)
                addresses = sorted(found.records, key=lambda one: _mixed(domain, one))
                hops += [Hop(address, SMTP_PORT) for address in addresses]
                ttl_s = min(ttl_s, found.ttl_s) if found.records else ttl_s
            if len(hops) >= MAX_HOPS:
                break
        if not hops:
            if targets:
                raise NoRoute("no mail host of this domain has an address")
            raise NoRoute("this domain has no mail host", 550, "5.1.2")
        receiver = organisation(targets[0]) if targets else domain
        return Route(receiver=receiver, hops=tuple(hops[:MAX_HOPS])), ttl_s


def receivers(static: Mapping[str, tuple[str, int]]) -> tuple[tuple[str, str], ...]:
    """(domain, receiver) for each static route but "*": domains with one target are one site,
    named by the first of them."""
    first: dict[tuple[str, int], str] = {}
    domains = sorted((domain.lower(), target) for domain, target in static.items())
    pairs = [(d, first.setdefault(target, d)) for d, target in domains if d != "*"]
    return tuple(pairs)


def organisation(host: str) -> str:
    """Whose host it is, by its name: mx1.mail.example.co.uk is example.co.uk.

    A guess without the public suffix list: two short labels at the end count as one suffix.
    """
    labels = host.lower().rstrip(".").split(".")
    if len(labels) <= 2:
        return ".".join(labels)
    short = len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3:] if short else labels[-2:])


def _by_preference(answer: Answer, domain: str) -> list[str]:
    """Mail hosts, lowest preference first; equals in an order of the domain's own, so that
    not all domains lean on the first name (RFC 5321 section 5.1)."""
    found: list[tuple[int, bytes, str]] = []
    for record in answer.records:
        preference, _, host = record.partition(" ")
        host = host.rstrip(".").lower()
        if host and preference.isdecimal():
            found.append((int(preference), _mixed(domain, host), host))
    return [host for _, _, host in sorted(found)]


def _mixed(domain: str, name: str) -> bytes:
    return hashlib.sha256(f"{domain} {name}".encode()).digest()


def _literal(domain: str) -> Route:
    text = domain.strip("[]").removeprefix("ipv6:")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise NoRoute("not an address literal", 553, "5.1.2") from None
    return Route(receiver=domain, hops=(Hop(str(address), SMTP_PORT),))
