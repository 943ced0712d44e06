"""Every setting: its type, its default and its help, in one table of structs.

Plain data: it gets the text of an `unlisted.toml` (TOML 1.0) and gives a `Config`, or all problems
at once, each with its line and what would be right. Reading files is for `apps`.
It refuses unknown names and wrong types; `config_rules` has what must hold besides. Traffic to the
outside is one setting each, and none is on by default.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from unlisted import config_telling
from unlisted.config_rules import CHECKS
from unlisted.config_telling import Duty, Notify, Webhook
from unlisted.facts import ListTerm, Policy, Pool
from unlisted.toml_lines import Lines, dotted, key_lines, line_of, overlong

MAX_BYTES = 1 << 20  # a configuration larger than this is some other file
MAX_PROBLEMS = 100  # with more, it is some other file as well
DEFAULT_FILE = "unlisted.toml"


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
    users: Annotated[
        str,
        Meta(
            description="file of logins (made by unlisted users line), relative to this one; empty: none"
        ),
    ] = ""
    abuse: Annotated[
        tuple[str, ...],
        Meta(description="addresses where feedback reports and bounce mails arrive"),
    ] = ()
    reports: Annotated[
        tuple[str, ...],
        Meta(description="ip:port of LMTP listeners for abuse, feedback and bounce mailboxes"),
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


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Logs of another MTA, read as they are written."""

    logs: Annotated[
        tuple[str, ...], Meta(description="mail logs to follow, relative to this file")
    ] = ()
    addresses: Annotated[
        dict[str, str],
        Meta(description="the log's transport, pool or instance to the address it sends by"),
    ] = msgspec.field(default_factory=dict)
    zone: Annotated[
        str, Meta(description="zone of stamps that tell none; empty: this machine's")
    ] = ""
    loopback: Annotated[
        bool, Meta(description="what 127.0.0.1 takes has left; false: it is a content filter")
    ] = False
    history: Annotated[bool, Meta(description="keep the attempts as unlisted history add does")] = (
        False
    )


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
    graph_tokens: Annotated[
        str,
        Meta(
            description="file with the SHA-256 (hex) of each bearer token that may read Graph's "
            "routes, one a line; empty: they are as public as the page"
        ),
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
    watch: Annotated[Watch, Meta(description="logs of another MTA to follow")] = Watch()
    http: Annotated[Http, Meta(description="the public and the operator's page")] = Http()
    policy: Annotated[Policy, Meta(description="every figure the stations decide by")] = Policy()
    webhooks: Annotated[
        tuple[Webhook, ...], Meta(description="who is called of public events")
    ] = ()
    notify: Annotated[Notify, Meta(description="how the operator's people are told")] = Notify()
    duty: Annotated[Duty, Meta(description="who gets drafts and calls, and when")] = Duty()


# Help for the settings that are facts too (facts have no room for words to an operator).
FACT_HELP: dict[str, str] = {
    "pools.name": "the pool's name",
    "pools.addresses": "IP addresses of this machine that its mail leaves by",
    "pools.helo": "the name they give in EHLO; it should resolve to them",
    "pools.epoch_s": "seconds until each sender draws its address anew",
    "pools.watched": "another MTA sends by them and its log is watched; we send nothing by them",
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
    "policy.drop_after_s": "age of a receiver's last refusal by a list from which it is asked if it still follows it",
    "policy.trial_letters": "letters in a row a receiver must take before a path still listed opens",
    "policy.wake_batch": "rows woken at a time when a path accepts again",
    "policy.wake_every_s": "pause between two such batches",
    "policy.calm_s": "time of usual refusals over all paths before an incident is closed",
    "policy.band_s": "time each path's refusals must be as before the incident until an episode closes",
    "policy.band_attempts": "attempts on each path to tell that; 11 show who refuses every fourth",
    "policy.band_max_s": "longest wait for them; an episode that closes with fewer says so",
    "policy.relisting_watch_s": "how long after an episode its list is watched for a relisting",
    "policy.relisting_ask_s": "how often the list is asked in that time",
    "policy.update_first_s": "a public update at least this often at first",
    "policy.update_first_span_s": "how long 'at first' is",
    "policy.update_then_s": "a public update at least this often after that",
    "policy.update_margin_s": "how long before its deadline an update is posted",
    "policy.posts_by": "who writes updates: policy, or person (who then gets drafts and is called)",
    "policy.draft_margin_s": "how long before its deadline a person gets a draft",
    "policy.duty_margin_s": "how long before its deadline the person on duty is called",
    "policy.approve_posts": "posts, the policy's too, wait until an approver releases them",
    "policy.incident_blocked_share": "share of our addresses blocked that makes an incident",
    "policy.incident_refused_share": "share of an hour's attempts surely refused that makes one",
    "policy.incident_waiting": "messages waiting that make one; less than all three: an advisory",
    "policy.approve_own_posts": "an approver may release what they wrote themselves",
    "policy.resend_by": "who starts a re-send of bounced mail: policy, or person (operator or sender)",
    "policy.resend_batch": "messages sent again at a time from one address to one receiver",
    "policy.resend_every_s": "pause between two such batches; it doubles while some are doubted",
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


def parse(text: str, name: str = DEFAULT_FILE) -> tuple[Config, Lines]:
    """The configuration and the line of each of its keys. Raises ConfigError with all problems."""
    if len(text) > MAX_BYTES:
        raise ConfigError(name, [Problem(0, "", f"larger than {MAX_BYTES} bytes")])
    if too_much := overlong(text):
        raise ConfigError(name, [Problem(too_much[0], "", too_much[1])])
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # ValueError: also a number of 4,300 digits
        found = re.search(r"\(at line (\d+)", str(exc))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ConfigError(name, [Problem(line, "", f"not TOML: {exc}")]) from None
    lines = key_lines(text)
    reading = _Reading(lines, name)
    config = reading.struct(Config, data, ())
    if config is None:
        raise ConfigError(name, reading.problems)
    for check in (*CHECKS, config_telling.check):
        for path, words in check(config):
            if not reading.blames(path):
                reading.problem(path, words)
    if reading.problems:
        raise ConfigError(name, reading.problems)
    return config, lines


_HINTS: dict[Any, dict[str, Any]] = {}


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls, include_extras=True)
    return _HINTS[cls]


class _Reading:
    """Turns tables into structs and gathers problems. A bad value becomes its default meanwhile."""

    def __init__(self, lines: Lines, name: str) -> None:
        self.lines = lines
        self._name = name
        self.problems: list[Problem] = []
        self._blamed: set[tuple[str | int, ...]] = set()

    def blames(self, path: tuple[str | int, ...]) -> bool:
        return any(path[:parts] in self._blamed for parts in range(len(path) + 1))

    def problem(self, path: tuple[str | int, ...], words: str) -> None:
        self._blamed.add(path)
        self.problems.append(Problem(line_of(self.lines, path), dotted(path), words))
        if len(self.problems) >= MAX_PROBLEMS:
            raise ConfigError(self._name, self.problems)

    def struct(self, cls: type[Any], data: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(data, dict):
            self.problem(path, f"expected a table [{dotted(path)}], got {_kind(data)}")
            return None
        hints = _hints(cls)
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
                self.problem(path, f"expected tables [[{dotted(path)}]], got {_kind(data)}")
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
    table = f" in [{dotted(path)}]" if path else ""
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


# ---------------------------------------------------------------- in words


def remarks(config: Config) -> list[str]:
    """What holds but should be said at the start, in words."""
    said = []
    if not config.routes and not config.dns.mx:
        said.append("no route and no MX look-ups: mail is taken and waits ([routes], dns.mx)")
    elif "*" not in config.routes and not config.dns.mx:
        said.append("mail to domains without a route waits (no route for *, dns.mx is off)")
    if not config.smtp.users and not config.smtp.relay_hosts:
        said.append("no logins and no relaying hosts: nobody may submit beyond local domains")
    if not config.dns.lists and not all(pool.watched for pool in config.pools):
        said.append(
            "no list is asked (dns.lists is off): of mail that leaves here a block is seen only when "
            "a receiver's replies turn against one address and not the others"
        )
    if config.policy.posts_by == "person" and not (config.duty.people or _told(config.notify)):
        said.append("a person is to post and nobody can be called ([[duty.people]], [notify])")
    return said


def _told(notify: Notify) -> bool:
    return bool(notify.urls or notify.urls_file)


def pools(config: Config) -> tuple[Pool, ...]:
    """The pools to use: without any, loopback alone, which reaches static routes there."""
    if config.pools:
        return config.pools
    return (Pool(name="default", addresses=("127.0.0.1",), helo=config.hostname),)


# ---------------------------------------------------------------- help


class Setting(msgspec.Struct, frozen=True):
    """One row of the table of settings."""

    name: str
    type: str
    default: str
    help: str


def help_of(cls: type[Any], field: str, path: tuple[str | int, ...]) -> str:
    """A field's help."""
    hint = _hints(cls)[field]
    for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        if isinstance(extra, Meta) and extra.description:
            return extra.description
    return FACT_HELP.get(".".join(part for part in path if isinstance(part, str)), "")


def settings(cls: type[Any] = Config, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting with its type, default and help, in the table's order."""
    hints = _hints(cls)
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
    return f"{value:.12g}" if isinstance(value, float) else str(value)
