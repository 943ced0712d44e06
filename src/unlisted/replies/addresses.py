"""Addresses and networks in a reply text, and whether one is ours.

An address is a subject only by its place: a list's answer code, a version number and a
resolver's address look the same. Refuses nothing; what does not parse is no address.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Ours = Literal["yes", "no", "unknown"]

MAX_FOUND = 16

_V4 = r"(?:\d{1,3}\.){3}\d{1,3}"
_CANDIDATE = re.compile(
    rf"(?<![\w.-])({_V4}(?:/\d{{1,2}})?)(?!\.?[\w-]|\.\d)"
    r"|(?<![\w:.])(?:ipv6:)?([0-9a-f]{0,4}:[0-9a-f:]{1,40}(?:/\d{1,3})?)(?!\w)"
)
# Where an address is not what was refused: answers of a list, the receiver's resolver.
_NOT_SUBJECT = re.compile(
    r"(?:returned|resolver|dns ip|answer|code|result|returnc/\w{1,5}/|->)[: =]{0,3}$"
)


def in_text(text: str) -> list[Network]:
    """All addresses (as /32 or /128) and networks in a lower-cased text, in order, each once."""
    found: list[Network] = []
    for match in _CANDIDATE.finditer(text):
        if _NOT_SUBJECT.search(text[max(0, match.start() - 24) : match.start()]):
            continue
        network = _network(match[1] or match[2])
        if network is None:
            continue
        if network not in found:
            found.append(network)
            if len(found) >= MAX_FOUND:
                break
    return found


def _network(token: str) -> Network | None:
    # "2001:db8::1: listed": the last colon is the sentence's.
    for form in (token, token.removesuffix(":")):
        try:
            return ipaddress.ip_network(form, strict=False)
        except ValueError:
            continue
    return None


def single(text: str) -> Network | None:
    """The address or network that this token is; "[IPv6:…]" and brackets are allowed."""
    token = text.strip("[]()<>'\" ").removeprefix("ipv6:")
    try:
        return ipaddress.ip_network(token, strict=False)
    except ValueError:
        return None


def shown(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def is_ours(network: Network, ours: Sequence[Network], source: str | None) -> bool:
    """Within our networks, or a network that holds one of our addresses, or the source."""
    if source is not None:
        own = single(source)
        if own is not None and own.version == network.version and own.overlaps(network):
            return True
    return any(own.version == network.version and own.overlaps(network) for own in ours)


def bind(
    found: Sequence[Network], ours: Sequence[Network], source: str | None
) -> tuple[Network | None, Ours]:
    """Which of the addresses in a text is the subject, and whether it is ours: one of ours
    before any other, for a text that names our address means it."""
    known = bool(ours) or source is not None
    for network in found:
        if is_ours(network, ours, source):
            return network, "yes"
    # 127.0.0.x beside a real address is a list's answer code.
    real = [n for n in found if not n.network_address.is_loopback] or list(found)
    if real:
        return real[0], "no" if known else "unknown"
    return None, "unknown"
