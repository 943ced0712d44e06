"""Addresses and networks in a reply text, and whether one is ours.

An address is a subject only by its place: a list's answer code, a version number and a
resolver's address look the same. Read are plain addresses, those inside URLs (percent-encoded
too), "[IPv6:…]", and names a list is asked by ("10.2.0.192.zen.example.org" is 192.0.2.10, RFC
5782 section 2.1). Refuses nothing; what does not parse is no address.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from unlisted.replies.dotted import begins

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Ours = Literal["yes", "no", "unknown"]

MAX_FOUND = 16


class Range(NamedTuple):
    """An address (first = last) or a network, and how it is written. Numbers, because what
    `ipaddress` does takes microseconds."""

    version: int
    first: int
    last: int
    text: str

    @property
    def is_loopback(self) -> bool:
        return self.first >> 24 == 127 if self.version == 4 else self.first == 1


class Pool:
    """Our networks, for fast questions. Two are the same only if they are one object."""

    __slots__ = ("_ends", "_starts", "known")

    def __init__(self, networks: Iterable[Network]) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._ends: dict[int, list[int]] = {4: [], 6: []}
        for network in sorted(networks, key=lambda n: (n.version, int(n.network_address))):
            starts, ends = self._starts[network.version], self._ends[network.version]
            first, last = int(network.network_address), int(network.broadcast_address)
            if ends and first <= ends[-1]:
                ends[-1] = max(ends[-1], last)
            else:
                starts.append(first)
                ends.append(last)
        self.known = bool(self._starts[4] or self._starts[6])

    def touches(self, one: Range) -> bool:
        """It is within ours, or a network that holds one of ours."""
        version, first, last, _ = one
        place = bisect_right(self._starts[version], last)
        return place > 0 and self._ends[version][place - 1] >= first

    def says(self, one: Range) -> Ours:
        if not self.known:
            return "unknown"
        return "yes" if self.touches(one) else "no"


_pools: dict[int, tuple[tuple[Network, ...], Pool]] = {}


def pool_of(networks: Sequence[Network]) -> Pool:
    """The same tuple gives the same pool: hashing networks for each reply would cost more than
    the rest of a repeated answer."""
    known = _pools.get(id(networks))
    if known is not None and known[0] is networks:
        return known[1]
    pool = Pool(networks)
    if isinstance(networks, tuple):
        if len(_pools) >= 64:
            _pools.clear()
        _pools[id(networks)] = (networks, pool)
    return pool


# From where the first number begins.
_V4 = re.compile(
    r"[0-9](?<![\w.-].)[0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
    r"(/[0-9]{1,2}|(?:\.[a-z0-9_-]{1,63}){2,12})?(?!\.?[\w-])",
    re.ASCII,
)
_V6 = re.compile(
    r"(?<![\w:.])(?:ipv6:)?([0-9a-f]{0,4}:[0-9a-f:]{1,40}(?:(?:\.[0-9]{1,3}){3})?)"
    r"(?:%[a-z0-9]{1,15})?(/[0-9]{1,3})?(?!\w)",
    re.ASCII,
)
_NIBBLES = re.compile(r"(?<![\w.-])((?:[0-9a-f]\.){32})((?:[a-z0-9_-]{1,63}\.){1,12}[a-z]{2,20})")
# A name that lists are asked by. In others ("192.0.2.10.static.example.org") octets may go either
# way, and they are the name of a host.
_ASKED = re.compile(r"spam|abuse|dnsbl|dnswl|rbl|\bbl\b|\bblock|\bblack|reputation|in-addr\.arpa")
_ENCODED = re.compile(r"%([2-7][0-9a-f])")
# Where an address is not what was refused: answers of a list, the receiver's resolver.
NOT_SUBJECT = (
    "returned", "resolver", "dns ip", "answer", "code", "result", "->", "returnc/pub/",
    "returnc/vol/", "dns server", "nameserver",
)  # fmt: skip


def in_text(text: str) -> Iterator[Range]:
    """All addresses and networks in a lower-cased text, in order; the first few if there are
    many; one that is said again at once is told once."""
    if "%" in text:
        text = _ENCODED.sub(lambda found: chr(int(found[1], 16)), text)
    # An IPv6 address has "::" or seven colons, and asked for in DNS 33 dots.
    if "::" in text or text.count(":") >= 7 or text.count(".") >= 33:
        places = sorted([*_v4_in(text), *_v6_in(text)], key=_place)
    else:
        places = _v4_in(text)
    last: Range | None = None
    for start, one in places:
        if one is not last and is_subject(text, start):  # `of_numbers` remembers
            last = one
            yield one


def _v4_in(text: str) -> list[tuple[int, Range]]:
    places = []
    limit = MAX_FOUND
    for start in begins(text):
        match = _V4.match(text, start)
        if match:
            one = of_numbers(match[0]) if match[1] is None else _v4_at(match)
            if one is not None:
                places.append((start, one))
            limit -= 1
            if not limit:
                break
    return places


def is_subject(text: str, start: int) -> bool:
    before = text[max(0, start - 24) : start].rstrip(" :=[(")
    return not before.endswith(NOT_SUBJECT)


def _place(found: tuple[int, Range]) -> int:
    return found[0]


def _v4_at(match: re.Match[str]) -> Range | None:
    rest = match[1]
    if rest is None:
        return of_numbers(match[0])
    plain = match[0][: -len(rest)]
    if rest[0] == "/":
        return single(match[0]) or of_numbers(plain)
    if not _ASKED.search(rest):
        return None
    return of_numbers(".".join(reversed(plain.split("."))))


def _v6_in(text: str) -> list[tuple[int, Range]]:
    places: list[tuple[int, Range]] = []
    for match in _V6.finditer(text):
        # "2001:db8::1: listed": the last colon is the sentence's.
        token = match[1]
        found = single(token + (match[2] or "")) or single(token.removesuffix(":"))
        if found is not None:
            places.append((match.start(), found))
            if len(places) >= MAX_FOUND:
                break
    for match in _NIBBLES.finditer(text):
        if _ASKED.search(match[2]):
            value = int(match[1].replace(".", "")[::-1], 16)
            text = str(ipaddress.IPv6Address(value))
            places.append((match.start(), Range(6, value, value, text)))
    return places


@lru_cache(maxsize=1024)  # ours, again and again
def of_numbers(token: str) -> Range | None:
    """Of four numbers of up to three digits."""
    a, b, c, d = map(int, token.split("."))
    if a > 255 or b > 255 or c > 255 or d > 255:
        return None
    value = a << 24 | b << 16 | c << 8 | d
    return Range(4, value, value, f"{a}.{b}.{c}.{d}")


_PLAIN_V4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)


def single(text: str) -> Range | None:
    """The address or network that this token is; "[IPv6:…%eth0]" and brackets are allowed."""
    if _PLAIN_V4.fullmatch(text):
        return of_numbers(text)
    token = text.strip("[]()<>'\" ").lower().removeprefix("ipv6:")
    if _PLAIN_V4.fullmatch(token):
        return of_numbers(token)
    if "%" in token:
        token = token.partition("%")[0]
    if ":" not in token and "/" not in token:
        return None
    try:
        network = ipaddress.ip_network(token, strict=False)
    except ValueError:
        return None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen == 128:
        return of_numbers(str(mapped))
    first, last = int(network.network_address), int(network.broadcast_address)
    text = str(network.network_address) if first == last else str(network)
    return Range(network.version, first, last, text)


def bind(found: Iterable[Range], ours: Pool, source: str | None) -> tuple[Range | None, Ours]:
    """Which of the addresses in a text is the subject, and whether it is ours: one of ours
    before any other, for a text that names our address means it."""
    own = single(source) if source is not None else None
    real: Range | None = None
    for one in found:
        if ours.touches(one) or (own is not None and _overlap(own, one)):
            return one, "yes"
        # 127.0.0.x beside a real address is a list's answer code.
        if real is None or (real.is_loopback and not one.is_loopback):
            real = one
    known = ours.known or source is not None
    return real, "no" if real is not None and known else "unknown"


def _overlap(one: Range, other: Range) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last
