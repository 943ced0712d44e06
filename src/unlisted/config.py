"""Every setting: its type, its default and its help, in one table of structs.

Plain data: it gets the text of an `unlisted.toml` (TOML 1.0) and gives a `Config`, or all problems
at once, each with its line and what would be right. Reading files is for `apps`.
It refuses unknown names, listeners that are not ip:port, a clock beside a listener that others can
reach, and traffic to the outside that nobody asked for: MX look-ups, list look-ups, a listener
beyond loopback and a public relaying host are one setting each, and none is on by default.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from unlisted.facts import ListTerm, Policy, Pool

MAX_BYTES = 1 << 20  # a configuration larger than this is some other file
DEFAULT_FILE = "unlisted.toml"
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_REQUESTS = ("never", "owner", "anyone", "unknown")


class RelayHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host that may hand in mail without a login."""

    address: Annotated[str, Meta(description="its IP address or network, as 127.0.7.1")]
    name: Annotated[str, Meta(description="what its mail is attributed to, as webform")]
    tenant: Annotated[str, Meta(description="whose it is")]


class Smtp(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail comes in."""

    listen: Annotated[tuple[str, ...], Meta(description="ip:port of each listener")] = (
        "127.0.0.1:2525",
    )
    users: Annotated[str, Meta(description="file of logins, relative to this one; empty: none")] = (
        ""
    )
    abuse: Annotated[
        tuple[str, ...], Meta(description="addresses where feedback reports (ARF) arrive")
    ] = ()
    local_domains: Annotated[
        tuple[str, ...], Meta(description="domains whose mail is ours to receive")
    ] = ()
    size_limit: Annotated[
        int, Meta(description="largest message taken, in bytes", ge=1024, le=1 << 30)
    ] = 26214400
    relay_hosts: Annotated[
        tuple[RelayHost, ...], Meta(description="hosts that hand in mail without a login")
    ] = ()


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked of the DNS. Without a resolver nothing is."""

    resolver: Annotated[
        str | None, Meta(description="ip:port of the resolver; none: nothing is asked")
    ] = None
    lists: Annotated[
        bool, Meta(description="ask the blocklists about our addresses (needs resolver)")
    ] = False
    mx: Annotated[
        bool, Meta(description="deliver by MX to domains without a route (needs resolver)")
    ] = False


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What senders did before the journal began."""

    import_: Annotated[
        str,
        Meta(description="JSON lines of sender, tenant, until, days, correspondents; read once"),
    ] = msgspec.field(default="", name="import")


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """The two faces."""

    public: Annotated[str, Meta(description="ip:port of the public incident page")] = (
        "127.0.0.1:8080"
    )
    operator: Annotated[str, Meta(description="ip:port of the operator's page and API")] = (
        "127.0.0.1:8081"
    )
    public_url: Annotated[
        str, Meta(description="address under which others see the public page; empty: none")
    ] = ""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a service is told."""

    state: Annotated[str, Meta(description="folder of the journal, relative to this file")] = "var"
    hostname: Annotated[str, Meta(description="our name in banners, HELO and NDRs")] = "localhost"
    clock: Annotated[
        str, Meta(description="empty: real time; unix:PATH: another process leads (loopback only)")
    ] = ""
    secret: Annotated[
        str,
        Meta(description="hex, 32 digits or more; empty: made once, kept in the state folder"),
    ] = ""
    smtp: Annotated[Smtp, Meta(description="where mail comes in")] = Smtp()
    pools: Annotated[
        tuple[Pool, ...], Meta(description="egress addresses that share mail; none: 127.0.0.1")
    ] = ()
    routes: Annotated[
        dict[str, str], Meta(description='domain to "host:port"; "*" for all others')
    ] = msgspec.field(default_factory=dict)
    dns: Annotated[Dns, Meta(description="what may be asked of the DNS")] = Dns()
    lists: Annotated[tuple[ListTerm, ...], Meta(description="blocklists to watch")] = ()
    history: Annotated[History, Meta(description="what was before the journal")] = History()
    http: Annotated[Http, Meta(description="the public and the operator's page")] = Http()
    policy: Annotated[Policy, Meta(description="every figure the stations decide by")] = Policy()


# Help for the settings that are facts too (facts.py has no room for words to an operator).
FACT_HELP: dict[str, str] = {
    "pools.name": "the pool's name",
    "pools.addresses": "IP addresses of this machine that its mail leaves by",
    "pools.helo": "the name they give in EHLO; it should resolve to them",
    "pools.epoch_s": "seconds until each sender draws its address anew",
    "lists.zone": "the list's DNS zone, as list.example",
    "lists.term_s": "seconds it lists after the last evidence; none: not known",
    "lists.requests": "who may ask it for delisting: never, owner, anyone, unknown",
    "policy.suspicion_wait_s": "longest wait of mail whose reply only may have blamed us",
    "policy.hold_s": "life of a hold that nobody releases",
    "policy.books_s": "how long bounced mail is kept for a re-send",
    "policy.give_up_s": "age at which undelivered mail is returned (RFC 5321 §4.5.4.1)",
    "policy.clean_days": "days without blame after which a sender counts as clean",
    "policy.explain_every_s": "how often causes are ranked again while an episode is open",
    "policy.sample": "messages let through of a sender that is only probable, to learn from them",
    "policy.sample_every_s": "how often such a sample is let through",
    "policy.probe_every_s": "how often a list is asked while an episode is open",
    "policy.stop_watch_s": "silence of the named senders that counts as stopped",
    "policy.shadow_s": "how long a rule runs in shadow before it may act",
    "policy.reopen_every_s": "first pause before a resting path is tried again; it doubles",
    "policy.wake_batch": "rows woken at a time when a path accepts again",
    "policy.wake_every_s": "pause between two such batches",
    "policy.calm_s": "time without refusals before recovery is declared",
    "policy.update_first_s": "a public update at least this often at first",
    "policy.update_first_span_s": "how long 'at first' is",
    "policy.update_then_s": "a public update at least this often after that",
    "policy.update_margin_s": "how long before its deadline an update is posted",
}


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong: the line (0: the file as a whole), the setting, what would be right."""

    line: int
    setting: str
    text: str

    def shown(self, name: str) -> str:
        where = f"{name}:{self.line}" if self.line else name
        # One problem, one line, of a size to read: names and values in it are the file's.
        said = [_brief(one, 300) for one in (self.setting, self.text) if one]
        return ": ".join([where, *said])


def _brief(text: str, size: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= size else f"{text[: size // 2]}…{text[-size // 2 :]}"


class ConfigError(Exception):
    """All problems of one configuration, in order of their lines."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = sorted(problems, key=lambda p: (p.line, p.setting, p.text))
        super().__init__("\n".join(problem.shown(name) for problem in self.problems))


Lines = dict[tuple[str | int, ...], int]


def parse(text: str, name: str = DEFAULT_FILE) -> tuple[Config, Lines]:
    """The configuration and the line of each of its keys. Raises ConfigError with all problems."""
    if len(text) > MAX_BYTES:
        raise ConfigError(name, [Problem(0, "", f"larger than {MAX_BYTES} bytes")])
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        found = re.search(r"\(at line (\d+)", str(exc))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ConfigError(name, [Problem(line, "", f"not TOML: {exc}")]) from None
    lines = key_lines(text)
    reading = _Reading(lines)
    config = reading.struct(Config, data, ())
    if config is None:
        raise ConfigError(name, reading.problems)
    for check in _CHECKS:
        for path, words in check(config):
            if not reading.blames(path):
                reading.problem(path, words)
    if reading.problems:
        raise ConfigError(name, reading.problems)
    return config, lines


def line_of(lines: Lines, path: tuple[str | int, ...]) -> int:
    """The line of a key, else of the nearest table around it; 0: not in the file."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0


class _Reading:
    """Turns tables into structs and gathers problems. A bad value becomes its default meanwhile."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.problems: list[Problem] = []
        self._blamed: set[tuple[str | int, ...]] = set()

    def blames(self, path: tuple[str | int, ...]) -> bool:
        return any(path[: len(bad)] == bad for bad in self._blamed)

    def problem(self, path: tuple[str | int, ...], words: str) -> None:
        self._blamed.add(path)
        self.problems.append(Problem(line_of(self.lines, path), _dotted(path), words))

    def struct(self, cls: type[Any], data: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(data, dict):
            self.problem(path, f"expected a table [{_dotted(path)}], got {_kind(data)}")
            return None
        hints = get_type_hints(cls, include_extras=True)
        fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
        for key in data:
            if key not in fields:
                self.problem((*path, key), _unknown(key, list(fields), path))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            here = (*path, name)
            if name in data:
                value = self.value(hints[field.name], data[name], here)
                if value is not None:
                    values[field.name] = value
                    continue
            elif field.required:
                self.problem(here, f"is missing; {help_of(cls, field.name, here)}")
            if field.required:
                # A stand-in, so that the other checks can still speak; its path is blamed already.
                values[field.name] = () if get_origin(field.type) is tuple else ""
        return cls(**values)

    def value(self, hint: Any, data: Any, path: tuple[str | int, ...]) -> Any:
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            return self.struct(bare, data, path)
        inner = get_args(bare)[0] if get_origin(bare) is tuple else None
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            if not isinstance(data, list):
                self.problem(path, f"expected tables [[{_dotted(path)}]], got {_kind(data)}")
                return None
            made = [self.struct(inner, one, (*path, i)) for i, one in enumerate(data)]
            return None if None in made else tuple(made)
        try:
            return msgspec.convert(data, hint)
        except msgspec.ValidationError as exc:
            self.problem(path, _plain(str(exc)))
            return None


def _unknown(key: str, known: list[str], path: tuple[str | int, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    table = f" in [{_dotted(path)}]" if path else ""
    if near:
        return f"unknown setting{table}; did you mean {near[0]}?"
    return f"unknown setting{table}; known: {', '.join(known)}"


def _plain(text: str) -> str:
    words = text.replace("`", "").split(" - at")[0]
    for theirs, ours in (
        ("Expected array", "expected a list"),
        ("Expected object", "expected a table"),
        ("Expected ", "expected "),
        ("array", "list"),
        ("object", "table"),
        (" | null", ""),
        ("bool", "true or false"),
        ("str", "text"),
    ):
        words = words.replace(theirs, ours)
    return words


def _kind(value: Any) -> str:
    names = {str: "text", bool: "true or false", int: "int", float: "float", list: "a list"}
    return names.get(type(value), "a table" if isinstance(value, dict) else "another type")


def _dotted(path: tuple[str | int, ...]) -> str:
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part + 1}]"
        else:
            shown += ("." if shown else "") + part
    return shown


# ---------------------------------------------------------------- what must hold


def endpoint(text: str) -> tuple[str, int] | None:
    """ip:port or [ip6]:port as address and port; None: it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
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


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


Found = Iterator[tuple[tuple[str | int, ...], str]]


def _listeners(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for i, text in enumerate(config.smtp.listen):
        yield ("smtp", "listen", i), text
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
            taken[text] = _dotted(path)


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
                f"refused: {_dotted(path)} = {text} can be reached by others; with a clock of "
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
        addresses = [a for pool in config.pools for a in pool.addresses]
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
        if isinstance(field.default, int):
            if not 1 <= value <= 10_000:
                yield path, f"{value}: expected 1 to 10000"
        elif not 0 < value <= 366 * 86400:
            yield path, f"{value:g}: expected seconds, more than 0 and up to a year"
    for first, then in (("books_s", 72 * 3600.0), ("hold_s", 30 * 86400.0)):
        if getattr(policy, first) > then:
            yield ("policy", first), f"bodies are kept {then:g} seconds at most"
    if policy.update_margin_s >= policy.update_first_s:
        yield ("policy", "update_margin_s"), "must be shorter than update_first_s"


_CHECKS: tuple[Callable[[Config], Found], ...] = (
    _check_listeners,
    _check_clock,
    _check_names,
    _check_relay_hosts,
    _check_pools,
    _check_routes,
    _check_dns,
    _check_lists,
    _check_policy,
)


def remarks(config: Config) -> list[str]:
    """What holds but should be said at the start, in words."""
    said = []
    if not config.routes and not config.dns.mx:
        said.append("no route and no MX look-ups: mail is taken and waits ([routes], dns.mx)")
    elif "*" not in config.routes and not config.dns.mx:
        said.append("mail to domains without a route waits (no route for *, dns.mx is off)")
    if not config.smtp.users and not config.smtp.relay_hosts:
        said.append("no logins and no relaying hosts: nobody may submit beyond local domains")
    if config.lists and not config.dns.lists:
        said.append("lists are named but not asked (dns.lists is off): refusals alone tell")
    return said


def pools(config: Config) -> tuple[Pool, ...]:
    """The pools to use: without any, loopback alone, which reaches static routes there."""
    if config.pools:
        return config.pools
    return (Pool(name="default", addresses=("127.0.0.1",), helo=config.hostname),)


# ---------------------------------------------------------------- lines


_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")
_TRIPLE = re.compile(r'"""|\'\'\'')


def key_lines(text: str) -> Lines:
    """The line of each table and key, tables of an array by index. tomllib keeps no positions.

    Knows headers, dotted and quoted keys, lists and strings over several lines. An inline table
    counts as one place: its keys are found at its line.
    """
    lines: Lines = {}
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    depth = 0
    quote = ""
    open_path: tuple[str | int, ...] = ()
    item = 0
    for number, line in enumerate(text.splitlines(), 1):
        rest = line
        if not quote and not depth:
            header = _HEADER.match(line)
            key = None if header else _key(line)
            if header:
                path = _resolved(_parts(header[2]), counts)
                if header[1] == "[[":
                    index = counts.get(path, -1) + 1
                    counts[path] = index
                    lines.setdefault(path, number)
                    path = (*path, index)
                table = path
                lines.setdefault(path, number)
                continue
            if key is None:
                continue
            open_path = (*table, *key[0])
            for end in range(len(table) + 1, len(open_path) + 1):
                lines.setdefault(open_path[:end], number)
            rest = key[1]
            item = 0
        depth, quote, commas, starts = _scanned(rest, depth, quote)
        if starts:
            lines.setdefault((*open_path, item), number)
        for i in range(commas):
            lines.setdefault((*open_path, item + i), number)
        item += commas
    return lines


def _key(line: str) -> tuple[tuple[str, ...], str] | None:
    parts: list[str] = []
    at = 0
    while found := _PART.match(line, at):
        parts.append(_unescaped(found[1]) or found[2] or found[3] or "")
        at = found.end()
        if found[4] == "=":
            return tuple(parts), line[at:]
        if found[4] != ".":
            return None
    return None


def _parts(text: str) -> tuple[str, ...]:
    return tuple(_unescaped(one[0]) or one[1] or one[2] for one in _PART.findall(text))


def _unescaped(text: str | None) -> str:
    if not text or "\\" not in text:
        return text or ""
    try:
        (value,) = tomllib.loads(f'a = "{text}"').values()
    except tomllib.TOMLDecodeError:
        return text
    return str(value)


def _resolved(
    parts: tuple[str, ...], counts: Mapping[tuple[str | int, ...], int]
) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    for i, part in enumerate(parts):
        path = (*path, part)
        if path in counts and i + 1 < len(parts):
            path = (*path, counts[path])
    return path


def _scanned(text: str, depth: int, quote: str) -> tuple[int, str, int, bool]:
    """Bracket depth, open quote, commas in the outermost list, whether a value begins here."""
    commas = 0
    starts = False
    at = 0
    while at < len(text):
        if quote:
            end = text.find(quote, at)
            while end > 0 and quote[0] == '"' and _escaped(text, end):
                end = text.find(quote, end + 1)
            if end < 0:
                # A one-line string cannot stay open; only the triple ones go on.
                return depth, quote if len(quote) == 3 else "", commas, starts
            at = end + len(quote)
            quote = ""
            continue
        char = text[at]
        if char == "#":
            break
        if char in "\"'":
            starts = starts or depth == 1
            triple = text[at : at + 3]
            quote = triple if _TRIPLE.fullmatch(triple) else char
            at += len(quote)
            continue
        if char in "[{":
            depth += 1
        elif char in "]}":
            depth = max(0, depth - 1)
        elif char == "," and depth == 1:
            commas += 1
            starts = False
        elif not char.isspace():
            starts = starts or depth == 1
        at += 1
    return depth, quote, commas, starts


def _escaped(text: str, at: int) -> bool:
    count = 0
    while at - count > 0 and text[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


# ---------------------------------------------------------------- help


class Setting(msgspec.Struct, frozen=True):
    """One row of the table of settings."""

    name: str
    type: str
    default: str
    help: str


def help_of(cls: type[Any], field: str, path: tuple[str | int, ...]) -> str:
    """A field's help."""
    hint = get_type_hints(cls, include_extras=True)[field]
    for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        if isinstance(extra, Meta) and extra.description:
            return extra.description
    return FACT_HELP.get(".".join(part for part in path if isinstance(part, str)), "")


def settings(cls: type[Any] = Config, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting with its type, default and help, in the table's order."""
    hints = get_type_hints(cls, include_extras=True)
    for field in msgspec.structs.fields(cls):
        here = (*path, field.encode_name)
        hint = hints[field.name]
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        inner = get_args(bare)[0] if get_origin(bare) is tuple else bare
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from settings(inner, here)
            continue
        if field.required:
            default = "required"
        elif field.default is msgspec.NODEFAULT:
            default = "none"
        else:
            default = _shown_default(field.default)
        yield Setting(".".join(here), _type_name(bare), default, help_of(cls, field.name, here))


def _type_name(hint: Any) -> str:
    names = {str: "text", int: "int", float: "number", bool: "true or false"}
    if get_origin(hint) is tuple:
        return f"list of {_type_name(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "table"
    if type(None) in get_args(hint):
        return _type_name(get_args(hint)[0])
    return names.get(hint, str(hint))


def _shown_default(value: Any) -> str:
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
