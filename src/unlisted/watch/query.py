"""The names asked of a blocklist (RFC 5782): reversed address under the zone, and test points.

Knows no DNS message and sends nothing. Refuses what is no address and names beyond 253 octets.
"""

import ipaddress
from typing import Literal

from unlisted.watch.catalogue import ListRow, normal_zone


class QueryError(ValueError):
    """No query can be made of this."""


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def reverse_name(address: str | Address, zone: str) -> str:
    """`2.0.0.127.zone` (section 2.1), or 32 nibbles for IPv6 (section 2.4). An IPv4-mapped IPv6
    address is asked as IPv6, for the test points of IPv6 zones are of that form."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise QueryError("not an address") from None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id:
        raise QueryError("a scoped address is on no list")
    zone = normal_zone(zone)
    if not zone:
        raise QueryError("no zone")
    if isinstance(parsed, ipaddress.IPv4Address):
        labels = str(parsed).split(".")[::-1]
    else:
        labels = list(parsed.packed.hex()[::-1])
    name = ".".join([*labels, zone])
    if len(name) > 253:
        raise QueryError("the name is longer than 253 octets")
    return name


# RFC 5782 section 5: what a working list must list, and what it must not.
_TEST = {4: ("127.0.0.2", "127.0.0.1"), 6: ("::ffff:7f00:2", "::ffff:7f00:1")}
_TEST_NAMES = ("test", "invalid")


def test_names(zone: str | ListRow, family: Literal["ipv4", "ipv6", "domain"]) -> tuple[str, str]:
    """(the name that must be listed, the name that must not be)."""
    row = zone if isinstance(zone, ListRow) else None
    name = row.zone if row else normal_zone(str(zone))
    if family == "domain":
        listed = (row.test_listed if row else None) or _TEST_NAMES[0]
        clean = (row.test_clean if row else None) or _TEST_NAMES[1]
        return f"{listed}.{name}", f"{clean}.{name}"
    listed, clean = _TEST[4 if family == "ipv4" else 6]
    if row and family == "ipv4":
        listed, clean = row.test_listed or listed, row.test_clean or clean
    return reverse_name(listed, name), reverse_name(clean, name)


test_names.__test__ = False  # type: ignore[attr-defined]  # no test, though pytest thinks so
