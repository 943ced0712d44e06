"""What must hold of settings beyond their types: addresses, names, ranges, and what needs what.

Each check gives the path of a setting and what would be right. Here stands what is refused: a clock
beside a listener that others can reach, a relaying network too wide, look-ups without a resolver.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.facts import Policy
from unlisted.toml_lines import dotted

if TYPE_CHECKING:
    from unlisted.config import Config

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_POSTS_BY = ("policy", "person")
MAX_BATCH = 300  # re-sends that may follow from one fact
_REQUESTS = ("never", "owner", "anyone", "unknown")


def endpoint(text: str) -> tuple[str, int] | None:
    """ip:port or [ip6]:port as address and port; None: it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    return (host, int(port)) if _ip(host) else None


def is_loopback(host: str) -> bool:
    """127.0.0.0/8, ::1, or the name localhost."""
    ip = _ip(host)
    return ip.is_loopback if ip else host == "localhost"


def is_domain(text: str) -> bool:
    """RFC 1035 §2.3.4 lengths, letters, digits, hyphens and underscores."""
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def route_target(text: str) -> tuple[str, int] | None:
    """host:port of a static route; the host is an address, or a name."""
    found = endpoint(text)
    if found is None:
        host, _, port = text.rpartition(":")
        if port.isascii() and port.isdigit() and 0 < int(port) <= 65535 and is_domain(host):
            found = host, int(port)
    return found if found and found[1] else None


def is_ip(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    return _ip(text) is not None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


Found = Iterator[tuple[tuple[str | int, ...], str]]


def _listeners(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for i, text in enumerate(config.smtp.listen):
        yield ("smtp", "listen", i), text
    for i, text in enumerate(config.smtp.reports):
        yield ("smtp", "reports", i), text
    yield ("http", "public"), config.http.public
    yield ("http", "operator"), config.http.operator


def _check_listeners(config: Config) -> Found:
    taken: dict[str, str] = {}
    for path, text in _listeners(config):
        found = endpoint(text)
        if found is None:
            yield path, f'"{text}" is not ip:port; right would be "127.0.0.1:2525" or "[::1]:2525"'
        elif found[1] and text in taken:
            yield path, f"{text} is taken by {taken[text]}; give each listener its own port"
        else:
            taken[text] = dotted(path)


def _check_clock(config: Config) -> Found:
    if config.clock in ("", "wall"):
        return
    scheme, _, rest = config.clock.partition(":")
    if scheme != "unix" or not rest:
        yield ("clock",), f'"{config.clock}": expected "unix:PATH", or no such line'
        return
    for path, text in _listeners(config):
        found = endpoint(text)
        if found and not is_loopback(found[0]):
            yield (
                ("clock",),
                f"refused: {dotted(path)} = {text} can be reached by others; with a clock of "
                "another process every listener must be on 127.0.0.0/8 or ::1",
            )


def _check_names(config: Config) -> Found:
    if not is_domain(config.hostname):
        yield ("hostname",), f'"{config.hostname}" is not a host name, as mail.example.org'
    if config.secret and not re.fullmatch(r"(?:[0-9a-fA-F]{2}){16,256}", config.secret):
        yield ("secret",), "expected 32 or more hex digits (openssl rand -hex 32)"
    if not config.state.strip() or "\0" in config.state:
        yield ("state",), 'expected a folder, as "var"'
    for i, domain in enumerate(config.smtp.local_domains):
        if not is_domain(domain):
            yield ("smtp", "local_domains", i), f'"{domain}" is not a domain'
    for i, address in enumerate(config.smtp.abuse):
        local, at, domain = address.rpartition("@")
        if not (at and local and is_domain(domain)):
            yield ("smtp", "abuse", i), f'"{address}" is not an address, as abuse@example.org'
    url = config.http.public_url
    if url and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        yield ("http", "public_url"), f'"{url}": expected http://… or https://…, no query'


def _check_relay_hosts(config: Config) -> Found:
    for i, host in enumerate(config.smtp.relay_hosts):
        path = ("smtp", "relay_hosts", i)
        try:
            network = ipaddress.ip_network(host.address)
        except ValueError:
            yield (*path, "address"), f'"{host.address}" is no IP address or network'
        else:
            if network.num_addresses > 65536 and not network.is_loopback:
                # A /0 here is an open relay, and that is how platforms get listed.
                yield (*path, "address"), f"{network} is too wide; name /16 or smaller"
        if not host.name:
            yield (*path, "name"), "is empty; its mail is attributed to this name"


def _check_pools(config: Config) -> Found:
    names: set[str] = set()
    taken: dict[str, str] = {}
    for i, pool in enumerate(config.pools):
        path = ("pools", i)
        if not pool.name or pool.name in names:
            yield (*path, "name"), f'"{pool.name}" must be there, and only once'
        names.add(pool.name)
        if not pool.addresses:
            yield (*path, "addresses"), "expected one address at least"
        for address in pool.addresses:
            if _ip(address) is None:
                yield (*path, "addresses"), f'"{address}" is not an IP address'
            elif address in taken:
                yield (*path, "addresses"), f"{address} is already in pool {taken[address]}"
            taken[address] = pool.name
        if not is_domain(pool.helo):
            yield (*path, "helo"), f'"{pool.helo}" is not a host name'
        if not 60 <= pool.epoch_s <= 7 * 86400:
            yield (*path, "epoch_s"), f"{pool.epoch_s:g}: expected 60 to 604800 seconds"


def _check_watch(config: Config) -> Found:
    for i, name in enumerate(config.watch.logs):
        if not name.strip() or "\0" in name:
            yield ("watch", "logs", i), 'expected a file, as "/var/log/mail.log"'
    for name, address in config.watch.addresses.items():
        if _ip(address) is None:
            yield ("watch", "addresses", name), f'"{address}" is not an IP address'
    if config.watch.logs and config.pools and not any(pool.watched for pool in config.pools):
        yield (
            ("watch", "logs"),
            "no pool is watched; the MTA's addresses belong in a [[pools]] with watched = true",
        )


def _check_routes(config: Config) -> Found:
    for domain, target in config.routes.items():
        path = ("routes", domain)
        if domain != "*" and not is_domain(domain):
            yield path, f'"{domain}" is not a domain; "*" stands for all others'
        found = route_target(target)
        if found is None:
            yield path, f'"{target}" is not host:port, as "127.0.0.1:2600"'
        elif _ip(found[0]) is None and found[0] != "localhost" and config.dns.resolver is None:
            yield path, f"{found[0]} is a name: give its IP address, or set dns.resolver"


def _check_dns(config: Config) -> Found:
    resolver = config.dns.resolver
    if resolver is not None:
        found = endpoint(resolver)
        if found is None or not found[1]:
            yield ("dns", "resolver"), f'"{resolver}" is not ip:port, as "127.0.0.1:53"'
    for name in ("lists", "mx"):
        if getattr(config.dns, name) and resolver is None:
            yield ("dns", name), 'needs a resolver: [dns] resolver = "127.0.0.1:53"'
    if config.dns.lists and not config.lists:
        yield ("dns", "lists"), "there is no list to ask; add [[lists]] with a zone"
    if config.dns.mx:
        addresses = [a for pool in config.pools if not pool.watched for a in pool.addresses]
        if not addresses:
            yield ("dns", "mx"), "mail that leaves needs addresses of this machine: add [[pools]]"


def _check_lists(config: Config) -> Found:
    zones: set[str] = set()
    for i, one in enumerate(config.lists):
        path = ("lists", i)
        if not is_domain(one.zone):
            yield (*path, "zone"), f'"{one.zone}" is not a DNS zone, as list.example'
        if one.zone in zones:
            yield (*path, "zone"), f"{one.zone} is here twice"
        zones.add(one.zone)
        if one.term_s is not None and not 0 < one.term_s <= 366 * 86400:
            yield (*path, "term_s"), f"{one.term_s:g}: expected seconds, up to a year"
        if one.requests not in _REQUESTS:
            yield (*path, "requests"), f'"{one.requests}": expected {", ".join(_REQUESTS)}'


def _check_policy(config: Config) -> Found:
    policy = config.policy
    for field in msgspec.structs.fields(Policy):
        value = getattr(policy, field.name)
        path = ("policy", field.name)
        if isinstance(field.default, str):
            if value not in _POSTS_BY:
                yield path, f'"{value[:40]}": expected {" or ".join(_POSTS_BY)}'
        elif isinstance(field.default, bool):
            continue
        elif isinstance(field.default, int):
            if not 1 <= value <= 10_000:
                yield path, f"{value}: expected 1 to 10000"
        elif field.name.endswith("_share"):
            if not 0 < value <= 1:
                yield path, f"{value:g}: expected a share, more than 0 and up to 1"
        elif not 0 < value <= 366 * 86400:
            yield path, f"{value:g}: expected seconds, more than 0 and up to a year"
    for first, then in (("books_s", 72 * 3600.0), ("hold_s", 30 * 86400.0)):
        if getattr(policy, first) > then:
            yield ("policy", first), f"bodies are kept {then:g} seconds at most"
    if policy.resend_batch > MAX_BATCH:
        yield ("policy", "resend_batch"), f"{policy.resend_batch}: expected 1 to {MAX_BATCH}"
    if policy.update_margin_s >= policy.update_first_s:
        yield ("policy", "update_margin_s"), "must be shorter than update_first_s"
    if policy.duty_margin_s >= policy.draft_margin_s:
        yield ("policy", "duty_margin_s"), "must be shorter than draft_margin_s"


CHECKS: tuple[Callable[[Config], Found], ...] = (
    _check_listeners,
    _check_clock,
    _check_names,
    _check_relay_hosts,
    _check_pools,
    _check_routes,
    _check_watch,
    _check_dns,
    _check_lists,
    _check_policy,
)
