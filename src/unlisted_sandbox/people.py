"""Who is in a world: tenants, senders and their habits, and whose accounts are hijacked.

Pure: everything follows from the world and its seed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from unlisted_sandbox import names
from unlisted_sandbox.addresses import client_address, stranger
from unlisted_sandbox.chance import Draw, digest
from unlisted_sandbox.weekdays import effective_days, issues
from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Hijack

SenderKind = Literal["person", "newsletter", "ticket", "webform"]


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
