"""Who is in a world: tenants, senders, their habits, who exists at the receivers, and 60 days before.

Pure: everything follows from the world and its seed. Whether an address is a mailbox, a trap or
nobody is a keyed hash of the address itself, so it can be asked of any address without a table and
nothing in its spelling tells. The days before the script come from the same habits as the script.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from unlisted_sandbox import names, tokens
from unlisted_sandbox.chance import Draw, digest, happens, uniform
from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Hijack, Letter, Newsletter
from unlisted_sandbox.world_sites import BlockList, Receiver

AddressKind = Literal["mailbox", "unknown", "trap"]
SenderKind = Literal["person", "newsletter", "ticket", "webform"]

# Submission clients live in 127.96.0.0/12; scripts' hosts in 127.112.0.0/16. Platforms and
# receivers must use other parts of 127/8.

_MAILBOX_BELOW = 0.30
_TRAP_BELOW = 0.33
_ALWAYS = ("postmaster", "abuse")  # RFC 2142


class Sender(Struct, frozen=True, kw_only=True):
    """One origin of mail and its habits. Rates are per recipient, volumes per weekday."""

    id: str
    kind: SenderKind
    number: int  # row of its table; for people, the number within the tenant
    tenant_number: int
    tenant: str  # domain
    name: str
    address: str
    login: str | None
    password: str | None
    host: str | None  # name of a script's host
    clients: tuple[str, ...]
    agent: int  # which mail program, see content.AGENTS
    per_day: float
    new_share: float
    unknown_rate: float
    contacts: tuple[str, ...]
    since_day: int  # first day with mail; the script's first day is 0
    letter: int = -1  # row of [[letters]], when this person writes one


class Population(Struct, frozen=True):
    tenants: tuple[str, ...]
    senders: tuple[Sender, ...]
    hijacked: tuple[int, ...]  # index into senders, by row of [[hijacks]]

    def of(self, hijack: int) -> Sender:
        return self.senders[self.hijacked[hijack]]


class Evidence(Struct, frozen=True):
    """What a list learns of one delivered mail."""

    kind: Literal["trap", "report"]
    at: float
    weight: float


class Directory:
    """Who exists, and how recipients answer. All decisions are keyed hashes; nothing is kept."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seed = world.seed
        self._receivers = {d: r for r in world.receivers for d in r.domains}
        people = population(world)
        self._tenants = frozenset(people.tenants)
        self._own = frozenset(s.address for s in people.senders)

    def receiver(self, address: str) -> Receiver | None:
        return self._receivers.get(address.rpartition("@")[2].lower())

    def kind(self, address: str) -> AddressKind:
        """Of a plain address, at a receiver or a tenant of the platform."""
        address = address.lower()
        local, _, domain = address.rpartition("@")
        if local in _ALWAYS:
            return "mailbox"
        if domain in self._tenants:
            return "mailbox" if address in self._own else "unknown"
        return address_kind(self._seed, address) if domain in self._receivers else "unknown"

    def origin(self, token: str) -> tokens.Origin | None:
        return tokens.read(self._seed, token)

    def reports(self, address: str, token: str) -> bool:
        """Whether this mailbox reports this mail to the lists."""
        return self.kind(address) == "mailbox" and happens(
            self._rate(token, "report"), self._seed, "reports", address.lower(), token
        )

    def complains(self, address: str, token: str) -> bool:
        """Whether this mailbox's complaint goes to its site, which sends a report if it does that."""
        return self.kind(address) == "mailbox" and happens(
            self._rate(token, "complaint"), self._seed, "complains", address.lower(), token
        )

    def complaint_lag_s(self, address: str, token: str) -> float:
        receiver = self.receiver(address)
        median = receiver.arf_lag_s if receiver else 0.0
        return Draw(self._seed, "arf lag", address.lower(), token).lognormal(median, 0.5)

    def content_refused(self, address: str, token: str) -> bool:
        """Whether the site of this address refuses this mail for its content."""
        receiver, origin = self.receiver(address), self.origin(token)
        if receiver is None or origin is None:
            return False
        spam = origin.kind == "spam"
        share = receiver.content_spam_share if spam else receiver.content_honest_share
        return happens(share, self._seed, "content", receiver.name, token)

    def evidence(self, entry: BlockList, address: str, token: str, at: float) -> Evidence | None:
        """What `entry` learns from a mail accepted for `address` at `at`, and when; None = nothing."""
        kind = self.kind(address)
        receiver = self.receiver(address)
        if kind == "trap":
            if receiver is None or (entry.traps_at and receiver.name not in entry.traps_at):
                return None
            lag, weight, what = entry.trap_lag_s, entry.trap_weight, "trap"
        elif self.reports(address, token):
            lag, weight, what = entry.report_lag_s, entry.report_weight, "report"
        else:
            return None
        draw = Draw(self._seed, "evidence", entry.zone, address.lower(), token)
        lag = draw.lognormal(lag, entry.lag_sigma)
        return Evidence("trap" if what == "trap" else "report", round(at + lag, 3), weight)

    def _rate(self, token: str, what: Literal["report", "complaint"]) -> float:
        origin, w = self.origin(token), self._world
        if origin is None:
            return 0.0
        if origin.stream == "hijack":
            hijack = w.hijacks[origin.number]
            return hijack.report_share if what == "report" else hijack.arf_share
        if what == "report" or origin.stream == "person":
            return w.honest.report_rate if what == "report" else w.honest.complaint_rate
        table: Any = {
            "newsletter": w.newsletters, "letter": w.letters, "ticket": w.tickets,
            "webform": w.webforms,
        }[origin.stream]  # fmt: skip
        rate: float = table[origin.number].complaint_rate
        return rate


def address_kind(seed: int, address: str) -> AddressKind:
    u = uniform(seed, "who", address)
    return "mailbox" if u < _MAILBOX_BELOW else "trap" if u < _TRAP_BELOW else "unknown"


def stranger(world: World, draw: Draw, kind: AddressKind = "mailbox") -> str:
    """An address of this kind at some receiver, drawn by the receivers' shares."""
    receiver = draw.weighted(world.receivers, [r.share for r in world.receivers])
    domain = draw.pick(receiver.domains)
    # Spelled first, then kept if its hash is of the kind wanted: so spelling cannot tell.
    while True:
        address = f"{names.local_part(draw)}@{domain}"
        if address_kind(world.seed, address) == kind:
            return address


def weekday_factor(world: World, day: int) -> float:
    """Volume of script day `day` (negative: before), against a weekday."""
    weekday = _weekday(world, day)
    if world.honest.weekdays:
        return world.honest.weekdays[weekday]
    return world.honest.weekend if weekday >= 5 else 1.0


def _weekday(world: World, day: int) -> int:
    """Monday is 0; a holiday is a Sunday."""
    return 6 if day in world.honest.holidays else (world.world.start.weekday() + day) % 7


def hours_of(world: World, day: int) -> tuple[float, ...]:
    """Weights of a day's hours, UTC."""
    free = world.honest.weekend_hours and _weekday(world, day) >= 5
    return world.honest.weekend_hours if free else world.honest.hours


def effective_days(world: World) -> float:
    """Scripted days, weighed by weekday and, for a broken last day, by its hours."""
    total, left, day = 0.0, world.world.days, 0
    first = world.world.start.hour
    while left > 0:
        span = round(min(left, 1.0) * 24)
        hours = hours_of(world, day)
        share = sum(hours[(first + h) % 24] for h in range(span)) / sum(hours)
        total += share * weekday_factor(world, day)
        left, day = left - 1.0, day + 1
    return total


@lru_cache(maxsize=8)
def population(world: World) -> Population:
    seed = world.seed
    tenants = _tenants(world)
    senders: list[Sender] = []
    letters = [_tenant_of(world, letter, "letter") for letter in world.letters]
    raw: list[float] = []
    for t, domain in enumerate(tenants):
        draw = Draw(seed, "tenant size", t)
        tt = world.tenants
        size = round(draw.lognormal(tt.senders_median, tt.senders_sigma))
        taken: set[str] = {x.name for x, at in zip(world.letters, letters, strict=True) if at == t}
        for p in range(max(tt.senders_min, min(tt.senders_max, size))):
            person, volume = _person(world, t, domain, p, taken)
            senders.append(person)
            raw.append(volume)
        for n, letter in enumerate(world.letters):
            if letters[n] == t:
                number = len([s for s in senders if s.tenant_number == t])
                person, volume = _person(world, t, domain, number, taken, letter.name, n)
                senders.append(person)
                raw.append(min(volume, 1.5))
    scale = _people_target(world) / max(1e-9, effective_days(world) * sum(raw))
    senders = [
        msgspec.structs.replace(s, per_day=v * scale) for s, v in zip(senders, raw, strict=True)
    ]
    for n, news in enumerate(world.newsletters):
        t = _tenant_of(world, news, "newsletter")
        senders.append(_machine(world, "newsletter", n, t, tenants[t], news.name, 0, 0, 0))
    for n, ticket in enumerate(world.tickets):
        t = _tenant_of(world, ticket, "ticket")
        rates = (ticket.per_day, ticket.new_share, ticket.unknown_rate)
        senders.append(_machine(world, "ticket", n, t, tenants[t], ticket.name, *rates))
    for n, form in enumerate(world.webforms):
        t = _tenant_of(world, form, "webform")
        rates = (form.per_day, form.new_share, form.unknown_rate)
        senders.append(_machine(world, "webform", n, t, tenants[t], form.name, *rates))
    return Population(tenants, tuple(senders), _hijacked(world, senders))


def _people_target(world: World) -> float:
    days = effective_days(world)
    bulk = sum(len(issues(world, x)[1]) * -(-x.size // x.per_message) for x in world.newsletters)
    bulk += sum(-(-x.size // x.per_message) for x in world.letters)
    machines = sum(x.per_day for x in world.tickets) * days
    machines += sum(x.per_day for x in world.webforms) * days
    spam = sum(planned(world, h) for h in world.hijacks)
    return max(0.0, world.world.submissions - bulk - machines - spam)


def planned(world: World, hijack: Hijack) -> float:
    """Messages a hijack sends, on average, if nobody stops it."""
    hours = max(0.0, world.world.days * 24 - hijack.start_h)
    return min(hijack.total_max, hours * (hijack.per_hour or hijack.per_day / 24))


def issues(world: World, letter: Newsletter) -> tuple[list[int], list[float]]:
    """Days before the script with an issue, and hours after its start of those within."""
    if not letter.every_days:
        return [], [letter.at_h]
    before: list[int] = []
    at = letter.at_h / 24 - letter.every_days
    while at >= -world.world.history_days:
        if at < 0:
            before.append(int(at // 1))
        at -= letter.every_days
    within, at = [], letter.at_h / 24
    while at < world.world.days:
        within.append(at * 24)
        at += letter.every_days
    return before[::-1], within


def _tenants(world: World) -> tuple[str, ...]:
    found: list[str] = []
    for t in range(world.tenants.count):
        draw = Draw(world.seed, "tenant", t)
        domain = names.tenant_domain(draw)
        while domain in found or world.receiver_of(domain) is not None:
            domain = names.tenant_domain(draw)
        found.append(domain)
    return tuple(found)


def _tenant_of(world: World, row: Any, what: str) -> int:
    if row.tenant >= 0:
        return int(row.tenant)
    return Draw(world.seed, what, "tenant of", row.name).below(world.tenants.count)


def _login(world: World, ids: tuple[str | int, ...]) -> tuple[str, tuple[str, ...], int]:
    """Password, usual client addresses and mail program."""
    draw = Draw(world.seed, "login", *ids)
    password = digest(world.seed, "password", *ids, size=9).hex()
    clients = tuple(client_address(draw) for _ in range(1 + draw.below(3)))
    return password, clients, draw.below(1 << 16)


def client_address(draw: Draw) -> str:
    return f"127.{96 + draw.below(16)}.{draw.below(256)}.{1 + draw.below(254)}"


def _person(
    world: World,
    t: int,
    domain: str,
    number: int,
    taken: set[str],
    role: str = "",
    letter: int = -1,
) -> tuple[Sender, float]:
    """A person, and the daily volume before it is scaled to the world's target."""
    seed, h = world.seed, world.honest
    draw = Draw(seed, "person", t, number)
    while True:
        first, last = names.full_name(draw)
        local = role or draw.pick((first, f"{first}.{last}", f"{first[0]}.{last}"))
        if role or local not in taken:
            break
    taken.add(local)
    password, clients, agent = _login(world, ("person", t, number))
    newcomer = not role and draw.happens(h.newcomer_share)
    volume = min(draw.lognormal(1.0, h.volume_sigma), 10.0)
    count = max(3, min(400, round(draw.lognormal(h.contacts_median, h.contacts_sigma))))
    if newcomer:
        count = max(3, count // 4)
    address = f"{local}@{domain}"
    sender = Sender(
        id=f"login:{address}",
        kind="person",
        number=number,
        tenant_number=t,
        tenant=domain,
        name=f"{first} {last}".title(),
        address=address,
        login=address,
        password=password,
        host=None,
        clients=clients,
        agent=agent,
        per_day=0.0,
        new_share=min(0.6, draw.beta(h.new_a, h.new_b)),
        unknown_rate=draw.between(h.unknown_min, h.unknown_max),
        contacts=_addresses(world, count, "contact", t, number),
        since_day=-1 - draw.below(20) if newcomer else -world.world.history_days,
        letter=letter,
    )
    return sender, volume


def _machine(
    world: World,
    kind: SenderKind,
    number: int,
    t: int,
    domain: str,
    name: str,
    per_day: float,
    new_share: float,
    unknown_rate: float,
) -> Sender:
    password, clients, agent = _login(world, (kind, number))
    address = f"{name}@{domain}"
    login = kind != "webform"
    host = f"{name}.{domain}"
    if kind == "newsletter":
        contacts = _list(world, number)
    else:
        contacts = _addresses(world, 400, kind, "customers", number)
    # No draw: two hosts on one address would be one sender to everybody.
    place = f"127.112.{10 + number // 200}.{20 + number % 200}"
    return Sender(
        id=f"login:{address}" if login else f"host:{host}",
        kind=kind,
        number=number,
        tenant_number=t,
        tenant=domain,
        name=domain.partition(".")[0].replace("-", " ").title(),
        address=address,
        login=address if login else None,
        password=password if login else None,
        host=None if login else host,
        clients=clients if login else (place,),
        agent=agent,
        per_day=per_day,
        new_share=new_share,
        unknown_rate=unknown_rate,
        contacts=contacts,
        since_day=-world.world.history_days,
    )


def _addresses(world: World, count: int, *ids: str | int) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for n in range(count):
        found[stranger(world, Draw(world.seed, "address", *ids, n))] = None
    return tuple(found)


def _list(world: World, number: int) -> tuple[str, ...]:
    """A newsletter's subscribers of the last issue; half its dead addresses died since."""
    row = world.newsletters[number]
    found: dict[str, None] = {}
    n = 0
    while len(found) < row.size:
        draw = Draw(world.seed, "subscriber", number, n)
        dead = draw.happens(row.unknown_rate / 2)
        found[stranger(world, draw, "unknown" if dead else "mailbox")] = None
        n += 1
    return tuple(found)


def _hijacked(world: World, senders: list[Sender]) -> tuple[int, ...]:
    people = [i for i, s in enumerate(senders) if s.kind == "person"]
    ranked = sorted(people, key=lambda i: (senders[i].per_day, senders[i].id))
    third = {i: 3 * n // max(1, len(ranked)) for n, i in enumerate(ranked)}
    wanted = {"low": (0,), "middle": (1,), "high": (2,), "any": (0, 1, 2)}
    chosen: list[int] = []
    bulk = {s.tenant for s in senders if s.kind == "newsletter" or s.letter >= 0}
    known = [h.name for h in world.hijacks]
    for n, h in enumerate(world.hijacks):
        if h.again:
            chosen.append(chosen[known.index(h.again)])
            continue
        able = [i for i in people if i not in chosen and senders[i].letter < 0]
        if h.tenant >= 0:
            able = [i for i in able if senders[i].tenant_number == h.tenant] or able
        if h.person >= 0:
            able = [i for i in able if senders[i].number == h.person] or able
        else:
            # Each wish is dropped when it leaves nobody, so a small world still has its hijacks.
            used = {senders[c].tenant for c in chosen}
            able = [i for i in able if third[i] in wanted[h.habit]] or able
            able = [i for i in able if senders[i].since_day <= -world.world.history_days] or able
            able = [i for i in able if senders[i].tenant not in used] or able
            able = [i for i in able if senders[i].tenant not in bulk] or able
        if not able:
            raise ValueError(f"hijack {h.name}: no account left to take")
        chosen.append(Draw(world.seed, "hijacked", n).pick(able))
    return tuple(chosen)


class Message(Struct, frozen=True):
    """A message as planned, before it has words: which recipients are new to the sender."""

    id: tuple[str | int, ...]
    recipients: int
    new: int
    unknown: int
    complaints: int


def day_volume(world: World, sender: Sender, day: int) -> int:
    """Messages a person, ticket system or web form sends on a day."""
    if day < sender.since_day:
        return 0
    draw = Draw(world.seed, "volume", sender.id, day)
    swing = draw.lognormal(0.956, 0.3)  # mean 1
    return draw.poisson(sender.per_day * weekday_factor(world, day) * swing)


def recipient_kinds(
    world: World, sender: Sender, draw: Draw
) -> list[Literal["known", "new", "unknown"]]:
    """What each recipient of one message is to the sender."""
    kinds: list[Literal["known", "new", "unknown"]] = []
    more = world.honest.more_share if sender.kind == "person" else 0.0
    while True:
        u = draw.uniform()
        if u < sender.unknown_rate:
            kinds.append("unknown")
        elif u < sender.unknown_rate + sender.new_share:
            kinds.append("new")
        else:
            kinds.append("known")
        if len(kinds) >= world.honest.more_max or not draw.happens(more):
            return kinds


def _before(world: World, sender: Sender, day: int) -> list[int]:
    """[messages, recipients, new recipients, unknown users, complaints] of a day before the script."""
    w, seed = world, world.seed
    if sender.kind == "newsletter":
        row = w.newsletters[sender.number]
        times = issues(w, row)[0].count(day)
        if not times:
            return [0, 0, 0, 0, 0]
        draw = Draw(seed, "history", sender.id, day)
        size = times * row.size
        return [
            -(-size // row.per_message),
            size,
            draw.poisson(size * row.new_share),
            draw.poisson(size * row.unknown_rate),
            draw.poisson(size * row.complaint_rate * _arf(w)),
        ]
    messages = day_volume(w, sender, day)
    total = new = unknown = 0
    for n in range(messages):
        kinds = recipient_kinds(w, sender, Draw(seed, "message", sender.id, day, n))
        total += len(kinds)
        new += len(kinds) - kinds.count("known")
        unknown += kinds.count("unknown")
    rate = {
        "person": w.honest.complaint_rate,
        "ticket": w.tickets[sender.number].complaint_rate if sender.kind == "ticket" else 0.0,
        "webform": w.webforms[sender.number].complaint_rate if sender.kind == "webform" else 0.0,
    }[sender.kind]
    complaints = Draw(seed, "history", sender.id, day).poisson(total * rate * _arf(w))
    return [messages, total, new, unknown, complaints]


def _arf(world: World) -> float:
    """Share of recipients whose site sends feedback reports."""
    total = sum(r.share for r in world.receivers)
    return sum(r.share for r in world.receivers if r.arf) / total


def history(world: World) -> Iterator[dict[str, Any]]:
    """One JSON object per sender: what the platform knows when the script begins."""
    until = datetime.fromtimestamp(world.start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    days = range(-world.world.history_days, 0)
    for sender in sorted(population(world).senders, key=lambda s: s.id):
        yield {
            "sender": sender.id,
            "tenant": sender.tenant,
            "until": until,
            "days": [_before(world, sender, day) for day in days],
            "correspondents": sorted(sender.contacts),
        }


def recipients_of_letter(world: World, number: int, sender: Sender) -> list[str]:
    """All recipients of a first bulk mail, in the order of its list."""
    row: Letter = world.letters[number]
    found: dict[str, None] = {}
    n = 0
    while len(found) < row.size:
        draw = Draw(world.seed, "parent", number, n)
        n += 1
        if draw.happens(row.known_share) and n <= 4 * row.size:
            found[draw.pick(sender.contacts)] = None
        else:
            dead = draw.happens(row.unknown_rate)
            found[stranger(world, draw, "unknown" if dead else "mailbox")] = None
    return list(found)


def recipients_of_issue(world: World, number: int, issue: int) -> list[str]:
    """All recipients of one issue: the list as it was, with new subscribers in place of leavers."""
    row = world.newsletters[number]
    sender = next(
        s for s in population(world).senders if s.kind == "newsletter" and s.number == number
    )
    typo = min(0.5, row.unknown_rate / 2 / row.new_share) if row.new_share else 0.0
    found: list[str] = []
    for n, address in enumerate(sender.contacts):
        draw = Draw(world.seed, "issue", number, issue, n)
        if draw.happens(row.new_share):
            address = stranger(world, draw, "unknown" if draw.happens(typo) else "mailbox")
        found.append(address)
    return found
