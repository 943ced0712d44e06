"""A world in one TOML file: its schema, its reader and what it refuses.

One frozen struct per table; every key carries its type, range, default and meaning, and
`docs/world.md` is checked against them. Units are in the names: `_s` seconds, `_h` hours, `_rate`
and `_share` 0-1; times of day are UTC. Reading reports all problems at once, each with file, line
and what would be right; unknown keys are refused. Knows no socket and draws no chance.
"""

from __future__ import annotations

import math
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from unlisted_sandbox.world_rules import broken, near

WORLDS = Path(__file__).parent / "worlds"
PHRASES = Path(__file__).parent / "phrases"

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Some = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


def _help(text: str) -> Meta:
    return Meta(description=text)


class Frame(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[world]`: the frame."""

    name: Annotated[Name, _help("name on the stage page and in the result")]
    start: Annotated[datetime, _help("first simulated instant, UTC")]
    days: Annotated[float, Meta(gt=0, le=60), _help("scripted days")] = 4.0
    tail_h: Annotated[
        float, Meta(ge=0, le=72), _help("hours the world runs on at most until no listing is left")
    ] = 72.0
    submissions: Annotated[
        Some,
        _help("target for honest and hijacked submissions together; people's volumes scale to it"),
    ] = 12000
    pool_size: Annotated[int, Meta(ge=1, le=250), _help("egress addresses per platform")] = 8
    seed: Annotated[int, Meta(ge=0), _help("seed of all chance, when none is given")] = 1
    time: Annotated[
        Literal["stepping", "virtual"],
        _help(
            "how it is run unless asked otherwise: three platforms on real sockets and a stepping "
            "clock, or the product alone on virtual time, for weeks and many mails"
        ),
    ] = "stepping"
    history_days: Annotated[
        int, Meta(ge=1, le=400), _help("days of sender history handed to a platform")
    ] = 60


class BlockList(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[lists]]`: one blocklist, its policy and its etiquette."""

    zone: Annotated[Name, _help("DNS zone")]
    term_h: Annotated[float, Meta(gt=0), _help("hours a listing lasts from the last evidence")] = (
        24.0
    )
    evidence_needed: Annotated[
        float, Meta(gt=0), _help("weight of evidence within the window that lists an address")
    ] = 2.0
    evidence_window_h: Annotated[float, Meta(gt=0), _help("hours evidence counts")] = 24.0
    trap_weight: Annotated[Amount, _help("weight of one mail to a trap")] = 1.0
    report_weight: Annotated[Amount, _help("weight of one report by a recipient")] = 1.0
    trap_lag_s: Annotated[Amount, _help("seconds from a trap's mail to the evidence, median")] = (
        120.0
    )
    report_lag_s: Annotated[Amount, _help("seconds from a mail to its report, median")] = 1800.0
    lag_sigma: Annotated[Amount, _help("spread of both lags (sigma of the logarithm)")] = 0.5
    listing_lag_s: Annotated[Amount, _help("seconds from the last evidence needed to the zone")] = (
        60.0
    )
    ttl_s: Annotated[Count, _help("TTL of a positive answer, seconds")] = 300
    negative_ttl_s: Annotated[Count, _help("TTL of a negative answer (SOA minimum), seconds")] = 150
    code: Annotated[
        str,
        Meta(pattern=r"^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$"),
        _help("A record of a listed address"),
    ] = "127.0.0.2"
    txt: Annotated[str, _help("TXT record; `{ip}` and `{zone}` are filled in")] = (
        "Listed, see https://{zone}/?ip={ip}"
    )
    traps_at: Annotated[
        tuple[str, ...], _help("receivers (names) whose traps feed this list; empty = all")
    ] = ()
    told: Annotated[
        bool, _help("whether the operator is told the published term and etiquette")
    ] = True
    etiquette: Annotated[
        Literal["no requests", "by form", "by mail"], _help("how delisting may be asked for")
    ] = "no requests"
    relists: Annotated[
        bool, _help("whether new evidence prolongs a listing and lists again after it")
    ] = True


class Receiver(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[receivers]]`: one remote site and how it talks."""

    name: Annotated[Name, _help("stable name; also its host name in greetings")]
    domains: Annotated[tuple[Name, ...], Meta(min_length=1), _help("mail domains it receives for")]
    share: Annotated[Amount, _help("weight in the choice of a recipient's site")]
    list: Annotated[str, _help("zone of the list it uses; empty = none")] = ""
    access: Annotated[
        Literal["dns", "feed", "none"],
        _help("asks the list for each session, has a copy of it, or uses none"),
    ] = "none"
    feed_every_s: Annotated[Amount, _help("seconds between two copies of the list (`feed`)")] = (
        900.0
    )
    cache: Annotated[bool, _help("whether DNS answers are kept for their TTL (`dns`)")] = True
    stage: Annotated[
        Literal["greeting", "rcpt", "data"],
        _help("where in the session a listed address is refused"),
    ] = "rcpt"
    wording: Annotated[
        str,
        _help(
            "reply to a listed address, lines parted by a line feed; `{ip}` `{zone}` `{helo}`"
            " `{recipient}` `{domain}` `{host}` are filled in"
        ),
    ] = ""
    unknown_wording: Annotated[str, _help("reply to RCPT for an unknown user")] = (
        "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
    )
    content_wording: Annotated[str, _help("reply at the final dot when the content is refused")] = (
        "554 5.6.0 Message content rejected"
    )
    content_honest_share: Annotated[Share, _help("share of honest mail refused for content")] = 0.0
    content_spam_share: Annotated[Share, _help("share of spam refused for content")] = 0.0
    greylist_s: Annotated[
        Amount, _help("seconds a new (network, reverse-path, recipient) is deferred; 0 = never")
    ] = 0.0
    greylist_wording: Annotated[str, _help("reply while greylisting")] = (
        "451 4.7.1 <{recipient}>: Greylisted, please try again later"
    )
    tarpit_s: Annotated[Amount, _help("seconds it waits before each RCPT reply")] = 0.0
    hang_share: Annotated[Share, _help("share of attempts in which it stops answering")] = 0.0
    hang_s: Annotated[Amount, _help("seconds such a session hangs before it is closed")] = 400.0
    answer_s: Annotated[Amount, _help("seconds from the final dot to its reply, median")] = 0.0
    tempfail_share: Annotated[Share, _help("share of attempts deferred for its own reasons")] = 0.0
    tempfail_wording: Annotated[str, _help("reply to such an attempt")] = (
        "451 4.3.0 Temporary server error, try again later"
    )
    drops_list_h: Annotated[
        float, _help("hours after the start when it stops using the list; below 0 = never")
    ] = -1.0
    arf: Annotated[bool, _help("whether it sends feedback reports (RFC 5965) on complaints")] = (
        False
    )
    arf_lag_s: Annotated[Amount, _help("seconds from a mail to its feedback report, median")] = (
        1800.0
    )


class Tenants(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[tenants]`: who is on the platform."""

    count: Annotated[int, Meta(ge=1, le=1000), _help("tenants")] = 40
    senders_median: Annotated[float, Meta(ge=1), _help("people per tenant, median (lognormal)")] = (
        8.0
    )
    senders_sigma: Annotated[Amount, _help("spread of people per tenant")] = 0.5
    senders_min: Annotated[Some, _help("people per tenant, fewest")] = 2
    senders_max: Annotated[Some, _help("people per tenant, most")] = 40


class Honest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[honest]`: how people write."""

    volume_sigma: Annotated[Amount, _help("spread of people's daily volumes (lognormal)")] = 0.9
    weekend: Annotated[Share, _help("volume of a Saturday or Sunday, against a weekday")] = 0.25
    weekdays: Annotated[
        tuple[Amount, ...],
        Meta(max_length=7),
        _help("volume of each day, Monday first; seven, 1 is usual; empty = 1, and `weekend`"),
    ] = ()
    holidays: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=60)], ...],
        _help("days of the script, the first is 0, on which people write as on a Sunday"),
    ] = ()
    hours: Annotated[
        tuple[Amount, ...], Meta(min_length=24, max_length=24), _help("weight of each hour, UTC")
    ] = (1, 1, 1, 1, 1, 2, 4, 8, 14, 16, 15, 14, 11, 12, 14, 14, 13, 11, 8, 6, 5, 4, 3, 2)
    weekend_hours: Annotated[
        tuple[Amount, ...],
        Meta(max_length=24),
        _help("the same of a Saturday, Sunday or holiday; empty = as `hours`"),
    ] = ()
    more_share: Annotated[
        Annotated[float, Meta(ge=0, lt=1)],
        _help("chance of one more recipient after each (geometric, all single mails, spam too)"),
    ] = 0.18
    more_max: Annotated[Some, _help("recipients per message, most")] = 8
    new_a: Annotated[float, Meta(gt=0), _help("share of mail to new recipients: Beta(a, b)")] = 1.5
    new_b: Annotated[float, Meta(gt=0), _help("the same, b")] = 10.5
    contacts_median: Annotated[float, Meta(ge=1), _help("correspondents per person, median")] = 30.0
    contacts_sigma: Annotated[Amount, _help("spread of correspondents per person")] = 0.6
    unknown_min: Annotated[Share, _help("unknown users per recipient, lowest sender")] = 0.002
    unknown_max: Annotated[Share, _help("unknown users per recipient, highest sender")] = 0.02
    reply_share: Annotated[Share, _help("share of mail that answers an earlier one")] = 0.35
    complaint_rate: Annotated[Share, _help("feedback reports per delivered recipient")] = 0.0002
    report_rate: Annotated[Share, _help("reports to a list per delivered recipient")] = 0.0
    roaming_share: Annotated[
        Share, _help("share of mail submitted from an address the login has not used (spam too)")
    ] = 0.1
    newcomer_share: Annotated[Share, _help("share of people whose history is under 20 days")] = 0.03


class Newsletter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[newsletters]]`: a known list, written to before."""

    name: Annotated[Name, _help("stable name; the login's local part")]
    size: Annotated[Some, _help("recipients of an issue")]
    at_h: Annotated[Amount, _help("hours after the start of the first scripted issue")]
    tenant: Annotated[int, Meta(ge=-1), _help("tenant number; -1 = drawn")] = -1
    every_days: Annotated[
        Amount, _help("days between issues, before and within the script; 0 = one issue")
    ] = 7.0
    over_s: Annotated[Amount, _help("seconds an issue takes to submit")] = 3600.0
    per_message: Annotated[Some, _help("recipients per submission")] = 1
    unknown_rate: Annotated[Share, _help("unknown users on the list")] = 0.005
    new_share: Annotated[Share, _help("subscribers since the last issue")] = 0.015
    complaint_rate: Annotated[Share, _help("feedback reports per delivered recipient")] = 0.001
    words_varied: Annotated[Share, _help("share of words that differ between copies")] = 0.02


class Letter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[letters]]`: a first bulk mail by a person, such as a school's to all parents."""

    name: Annotated[Name, _help("stable name; the login's local part")]
    size: Annotated[Some, _help("recipients")]
    at_h: Annotated[Amount, _help("hours after the start")]
    tenant: Annotated[int, Meta(ge=-1), _help("tenant number; -1 = drawn")] = -1
    over_s: Annotated[Amount, _help("seconds it takes to submit")] = 1800.0
    per_message: Annotated[Some, _help("recipients per submission")] = 1
    known_share: Annotated[Share, _help("share of recipients the person wrote to before")] = 0.05
    unknown_rate: Annotated[Share, _help("unknown users among the recipients")] = 0.015
    complaint_rate: Annotated[Share, _help("feedback reports per delivered recipient")] = 0.0005
    words_varied: Annotated[Share, _help("share of words that differ between copies")] = 0.02


class TicketSystem(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[tickets]]`: a login that answers customers with near-duplicate notices, in bursts."""

    name: Annotated[Name, _help("stable name; the login's local part")]
    per_day: Annotated[Amount, _help("notices on a weekday, mean")]
    tenant: Annotated[int, Meta(ge=-1), _help("tenant number; -1 = drawn")] = -1
    burst: Annotated[float, Meta(ge=1), _help("notices per burst, mean")] = 4.0
    new_share: Annotated[Share, _help("share of notices to new recipients")] = 0.6
    unknown_rate: Annotated[Share, _help("unknown users per recipient")] = 0.012
    complaint_rate: Annotated[Share, _help("feedback reports per delivered recipient")] = 0.0002
    words_varied: Annotated[Share, _help("share of words that differ between notices")] = 0.12


class WebForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[webforms]]`: a script on a host, without login, known by its address only."""

    name: Annotated[Name, _help("stable name; the first label of the host's name")]
    per_day: Annotated[Amount, _help("confirmations a day, mean")]
    tenant: Annotated[int, Meta(ge=-1), _help("tenant number; -1 = drawn")] = -1
    new_share: Annotated[Share, _help("share of confirmations to new recipients")] = 0.9
    unknown_rate: Annotated[Share, _help("unknown users per recipient")] = 0.018
    complaint_rate: Annotated[Share, _help("feedback reports per delivered recipient")] = 0.0002
    words_varied: Annotated[Share, _help("share of words that differ between confirmations")] = 0.08


class ByHand(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[by_hand]`: people who send bounced mail again themselves."""

    share: Annotated[Share, _help("share of people who do")] = 0.2
    delay_s: Annotated[Amount, _help("seconds from the bounce to the copy, median")] = 2400.0
    delay_sigma: Annotated[Amount, _help("spread of the delay")] = 0.7


class Hijack(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[hijacks]]`: one account used by someone else, until it is refused or the days end."""

    name: Annotated[Name, _help("stable name, never sent")]
    start_h: Annotated[Amount, _help("hours after the start of its first mail")]
    per_hour: Annotated[Amount, _help("messages an hour, mean; 0 = see `per_day`")] = 0.0
    per_day: Annotated[Amount, _help("messages a day, mean, evenly spaced; 0 = see `per_hour`")] = (
        0.0
    )
    burst: Annotated[
        Some, _help("messages in one burst; the rate above is the mean over bursts and pauses")
    ] = 1
    burst_s: Annotated[Amount, _help("seconds a burst takes")] = 0.0
    total_max: Annotated[Some, _help("messages, most")] = 500
    tenant: Annotated[int, Meta(ge=-1), _help("tenant number; -1 = drawn")] = -1
    person: Annotated[int, Meta(ge=-1), _help("person number within the tenant; -1 = drawn")] = -1
    habit: Annotated[
        Literal["low", "middle", "high", "any"],
        _help("which third of people's volumes the account is drawn from"),
    ] = "any"
    owner_writes: Annotated[bool, _help("whether the owner goes on writing meanwhile")] = True
    unknown_rate: Annotated[Share, _help("unknown users per recipient")] = 0.15
    trap_share: Annotated[Share, _help("traps per recipient")] = 0.05
    report_share: Annotated[Share, _help("delivered recipients who report to the list")] = 0.03
    arf_share: Annotated[
        Share, _help("delivered recipients whose site sends a feedback report")
    ] = 0.02
    again: Annotated[
        str,
        _help("name of an earlier hijack whose account this one takes once more; empty = another"),
    ] = ""
    family: Annotated[str, _help("topic of its text in the phrase bank; empty = drawn")] = ""
    campaign: Annotated[
        str,
        _help("rows with the same one send near-duplicates of one text; empty = a text of its own"),
    ] = ""
    words_varied: Annotated[Share, _help("share of words that differ between copies")] = 0.1
    gives_up_after: Annotated[
        Some, _help("permanently refused submissions in a row after which it stops")
    ] = 3


class ListError(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[list_errors]]`: a list lists addresses of a pool by mistake, until it takes them off."""

    list: Annotated[Name, _help("zone of the list")]
    at_h: Annotated[Amount, _help("hours after the start when they are listed")]
    for_h: Annotated[float, Meta(gt=0), _help("hours until the list takes them off")] = 12.0
    addresses: Annotated[Some, _help("addresses of each platform's pool, drawn")] = 2


class RangeListing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[ranges]]`: a list lists the whole network of a pool, for what a neighbour in it did."""

    list: Annotated[Name, _help("zone of the list")]
    at_h: Annotated[Amount, _help("hours after the start when it is listed")]
    for_h: Annotated[float, Meta(gt=0), _help("hours until the list takes it off")] = 48.0
    txt: Annotated[
        str, _help("TXT record of the network's addresses; empty = the list's own, see `[[lists]]`")
    ] = ""


class Content(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[content]`: which phrase bank writes what."""

    honest: Annotated[Name, _help("phrase bank of honest mail (`phrases/NAME.toml`)")] = "office"
    spam: Annotated[Name, _help("phrase bank of spam")] = "offers"


class Usual(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[usual]`: the usual practice, as good as it can be."""

    limit_per_hour: Annotated[Some, _help("recipients an hour and account; more is deferred")] = 500
    alert_refusals: Annotated[Some, _help("refusals within the window that raise the alert")] = 10
    alert_window_s: Annotated[float, Meta(gt=0), _help("window of the alert, seconds")] = 3600.0
    postmaster_delay_s: Annotated[
        Amount, _help("seconds from an alert to the postmaster's act")
    ] = 3600.0
    volume_window_s: Annotated[
        float, Meta(gt=0), _help("window in which the postmaster ranks senders by volume, seconds")
    ] = 10800.0
    hold_h: Annotated[float, Meta(gt=0), _help("hours a held sender stays held")] = 24.0
    other_address: Annotated[bool, _help("whether refused mail is tried from the next address")] = (
        True
    )


class Retry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[retry]`: the queue of `bare` and `usual` (RFC 5321 section 4.5.4.1)."""

    after_s: Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...],
        Meta(min_length=1),
        _help("seconds before each further attempt; the last repeats"),
    ] = (300, 900, 1800, 3600, 7200)
    give_up_h: Annotated[float, Meta(gt=0), _help("hours until a deferred message bounces")] = 120.0


class World(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole world; one attribute per table."""

    world: Frame
    lists: tuple[BlockList, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    tenants: Tenants = Tenants()
    honest: Honest = Honest()
    newsletters: tuple[Newsletter, ...] = ()
    letters: tuple[Letter, ...] = ()
    tickets: tuple[TicketSystem, ...] = ()
    webforms: tuple[WebForm, ...] = ()
    by_hand: ByHand = ByHand()
    hijacks: tuple[Hijack, ...] = ()
    list_errors: tuple[ListError, ...] = ()
    ranges: tuple[RangeListing, ...] = ()
    content: Content = Content()
    usual: Usual = Usual()
    retry: Retry = Retry()

    @property
    def seed(self) -> int:
        return self.world.seed

    @property
    def start(self) -> float:
        """First instant, seconds since the epoch."""
        return self.world.start.timestamp()

    @property
    def end(self) -> float:
        """End of the scripted days, seconds since the epoch."""
        return self.start + self.world.days * 86400

    @property
    def until(self) -> float:
        """The latest instant the world may run to."""
        return self.end + self.world.tail_h * 3600

    def list_of(self, receiver: Receiver) -> BlockList | None:
        return next((x for x in self.lists if x.zone == receiver.list), None)

    def receiver_of(self, domain: str) -> Receiver | None:
        domain = domain.lower()
        return next((r for r in self.receivers if domain in r.domains), None)

    def with_seed(self, seed: int) -> World:
        return msgspec.structs.replace(self, world=msgspec.structs.replace(self.world, seed=seed))


TABLES: tuple[type[Struct], ...] = (
    Frame, BlockList, Receiver, Tenants, Honest, Newsletter, Letter, TicketSystem, WebForm, ByHand,
    Hijack, ListError, RangeListing, Content, Usual, Retry,
)  # fmt: skip


class Problem(Struct, frozen=True):
    """One thing wrong with a file: where (line 0 = the file as a whole), and what would be right."""

    line: int
    where: str
    text: str


class WorldError(Exception):
    """A world file that cannot be used; carries every problem found, not the first."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(f"{file}:{p.line or 1}: {p.where}: {p.text}" for p in problems))


def read(path: Path, seed: int | None = None) -> World:
    """The world in a file, with another seed when one is given; `WorldError` names all problems."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorldError(
            str(path), (Problem(0, "file", f"cannot be read ({error.strerror}); name a TOML file"),)
        ) from error
    world = parse(data, str(path))
    return world if seed is None else world.with_seed(seed)


def named(given: str) -> Path:
    """The file that is meant: a path, or the bare name of a world that ships."""
    bare = re.fullmatch(r"[a-z0-9-]{1,40}", given) is not None and not Path(given).exists()
    return WORLDS / f"{given}.toml" if bare else Path(given)


def shipped(name: str = "demo", seed: int | None = None) -> World:
    return read(WORLDS / f"{name}.toml", seed)


def parse(data: bytes, file: str = "world.toml") -> World:
    """The world in these bytes; `WorldError` names all problems."""
    if len(data) > 1 << 20:
        raise WorldError(file, (Problem(0, "file", "over 1 MiB; a world is a few kilobytes"),))
    try:
        text = data.decode()
        raw = tomllib.loads(text)
    except UnicodeDecodeError:
        raise WorldError(file, (Problem(0, "file", "not UTF-8; TOML is UTF-8 text"),)) from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        problem = Problem(int(at[1]) if at else 0, "file", f"not TOML: {error}")
        raise WorldError(file, (problem,)) from None
    except RecursionError:
        raise WorldError(file, (Problem(0, "file", "nested too deeply"),)) from None
    except ValueError as error:  # an integer of thousands of digits
        raise WorldError(file, (Problem(0, "file", f"not TOML: {error}"),)) from None
    lines = _lines(text)
    problems: list[Problem] = []
    world = _read_tables(raw, lines, problems)
    if world is not None:
        banks = sorted(bank.stem for bank in PHRASES.glob("*.toml"))
        for where, words in broken(world, banks):
            line = lines.get(where, lines.get(where.rpartition(".")[0], 0))
            problems.append(Problem(line, where, words))
    if problems or world is None:
        raise WorldError(file, tuple(sorted(problems, key=lambda p: (p.line, p.where, p.text))))
    return world


def _lines(text: str) -> dict[str, int]:
    """Line of each table and key, as `lists.0.zone`. tomllib does not say; a line scan is enough,
    as no value here is written as an inline table."""
    found: dict[str, int] = {}
    seen: dict[str, int] = {}
    table, fence = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            fence = "" if fence in line else fence
            continue
        if head := re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", line):
            table = head[2]
            if head[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = f"{table}.{seen[table]}"
            found.setdefault(table, number)
        elif key := re.match(r"\s*([\w-]+)\s*=(.*)", line):
            found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
            for mark in ('"""', "'''"):
                if key[2].count(mark) == 1:
                    fence = mark
    return found


def _read_tables(
    raw: dict[str, Any], lines: dict[str, int], problems: list[Problem]
) -> World | None:
    before = len(problems)
    values: dict[str, Any] = {}
    hints = get_type_hints(World)
    for name in raw:
        if name not in hints:
            problems.append(Problem(lines.get(name, 0), name, "no such table" + near(name, hints)))
    for field in msgspec.structs.fields(World):
        kind = hints[field.name]
        many = get_origin(kind) is tuple
        struct = get_args(kind)[0] if many else kind
        if field.name not in raw:
            if field.required:
                problems.append(Problem(0, field.name, f"missing; write a table [{field.name}]"))
            continue
        given = raw[field.name]
        if not isinstance(given, list if many else dict):
            right = f"[[{field.name}]]" if many else f"[{field.name}]"
            problems.append(Problem(lines.get(field.name, 0), field.name, f"write it as {right}"))
        elif many:
            values[field.name] = tuple(
                _read_table(struct, row, f"{field.name}.{n}", lines, problems)
                for n, row in enumerate(given)
            )
        else:
            values[field.name] = _read_table(struct, given, field.name, lines, problems)
    return World(**values) if len(problems) == before else None


def _read_table(
    struct: type[Struct], row: Any, where: str, lines: dict[str, int], problems: list[Problem]
) -> Any:
    if not isinstance(row, dict):
        problems.append(Problem(lines.get(where, 0), where, "not a table of keys"))
        return None
    hints = get_type_hints(struct, include_extras=True)
    before = len(problems)
    values: dict[str, Any] = {}
    for name in row:
        if name not in hints:
            at = lines.get(f"{where}.{name}", lines.get(where, 0))
            problems.append(Problem(at, f"{where}.{name}", "no such key" + near(name, hints)))
    for field in msgspec.structs.fields(struct):
        path = f"{where}.{field.name}"
        at = lines.get(path, lines.get(where, 0))
        if field.name not in row:
            if field.required:
                problems.append(Problem(at, path, f"missing; give {meaning(field.type)}"))
            continue
        try:
            value = msgspec.convert(row[field.name], field.type)
            if not _finite(value):
                raise msgspec.ValidationError("Expected a finite number")
            values[field.name] = value
        except (msgspec.ValidationError, OverflowError) as error:
            said = re.sub(r"`", "", str(error))
            problems.append(Problem(at, path, f"{said} ({meaning(field.type)})"))
    return struct(**values) if len(problems) == before else None


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_finite(v) for v in value)
    return not isinstance(value, float) or math.isfinite(value)


def meaning(annotated: Any) -> str:
    """What a key means, from its annotation."""
    metas = getattr(annotated, "__metadata__", ())
    said = next((m.description for m in metas if isinstance(m, Meta) and m.description), "")
    kind = getattr(annotated, "__origin__", None)
    if get_origin(kind) is Literal:
        said += ": " + ", ".join(f'"{choice}"' for choice in get_args(kind))
    return said


def keys(struct: type[Struct]) -> list[tuple[str, str, str]]:
    """Key, default and meaning of a table's keys, as `docs/world.md` shows them."""
    rows = []
    for field in msgspec.structs.fields(struct):
        default = "required" if field.required else _toml(field.default)
        rows.append((field.name, default, meaning(field.type)))
    return rows


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
