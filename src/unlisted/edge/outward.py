"""Which addresses the service may call on behalf of a setting: public ones, and those it allows.

Refused otherwise: loopback, private, link-local (cloud metadata among them), shared, multicast and
reserved addresses (IANA special-purpose registries, RFC 6890), also inside an IPv6 address that
carries an IPv4 one (mapped, NAT64, 6to4, Teredo), and metadata services on public addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 section 2.5.5.1, deprecated
_SITE = ipaddress.IPv6Network("fec0::/10")  # RFC 3879, deprecated
_SERVICES = (ipaddress.ip_address("168.63.129.16"),)  # Azure's host, on a public address


def refusal(address: Address, allowed: Sequence[Network]) -> str:
    """Why it may not be called; empty: it may."""
    if permits(address, allowed):
        return ""
    for one in (address, *_carried(address)):
        why = _special(one)
        if why:
            return why
    return ""


def permits(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a setting names a network that it is in; an IPv4-mapped one counts as IPv4."""
    mapped = getattr(address, "ipv4_mapped", None)
    plain = mapped or address
    return any(plain in network for network in allowed if network.version == plain.version)


def _special(address: Address) -> str:
    if address.is_loopback or address.is_unspecified:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address in _SERVICES:
        return "a metadata service"
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return "an address of one link"
        if address in _SITE or address in _COMPATIBLE or address in _NAT64[1]:
            return "a private address"
        if address in _NAT64[0]:
            return ""  # as public as what it carries
    if not address.is_global or address.is_reserved:
        return "a private or reserved address"
    return ""


def _carried(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that packets to it may end at."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64[0] or address in _COMPATIBLE:
        yield ipaddress.IPv4Address(address.packed[-4:])
