"""Which addresses the service may call on behalf of a setting: public ones, and those it allows.

Refused otherwise: loopback, private, link-local (cloud metadata among them), shared, multicast and
reserved addresses by the IANA special-purpose registries (RFC 6890), in a table of our own: what
Python's `ipaddress` calls global differs between its versions. Of IPv6 only global unicast is
called (RFC 4291), and of the addresses that carry an IPv4 one mapped ones and NAT64 by what they carry.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_GLOBAL = ipaddress.IPv6Network("2000::/3")
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "a loopback address"),  # "this host": Linux connects to itself
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a shared address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a metadata service"),  # Azure's, on a public address
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a reserved address"),
        ("192.88.99.0/24", "a reserved address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a reserved address"),
        ("198.51.100.0/24", "a reserved address"),
        ("203.0.113.0/24", "a reserved address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/127", "a loopback address"),
        ("fe80::/10", "a link-local address"),
        ("fc00::/7", "a private address"),
        ("fec0::/10", "a private address"),
        ("ff00::/8", "a multicast address"),
        ("2001::/23", "a reserved address"),  # Teredo among them
        ("2001:db8::/32", "a reserved address"),
        ("2002::/16", "a reserved address"),  # 6to4 (RFC 7526)
        ("3fff::/20", "a reserved address"),
    )
)


def refusal(address: Address, allowed: Sequence[Network]) -> str:
    """Why it may not be called; empty: it may."""
    if permits(address, allowed):
        return ""
    address = _plain(address)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return "an address of one link"
        if address in _NAT64:
            return refusal(ipaddress.IPv4Address(address.packed[-4:]), ())
    for network, kind in _SPECIAL:
        if network.version == address.version and address in network:
            return kind
    if address.version == 6 and address not in _GLOBAL:
        return "a reserved address"
    return ""


def permits(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a setting names a network that it is in; an IPv4-mapped one counts as IPv4."""
    plain = _plain(address)
    return any(plain in network for network in allowed if network.version == plain.version)


def _plain(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address
