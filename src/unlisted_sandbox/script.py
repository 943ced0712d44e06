"""Who submits what, when: the script of a world, the same for every platform.

Pure: a world (with its seed) gives every submission to the byte. Honest mail is one sorted stream;
each hijack is a stream of its own, because how long it runs is decided by the platform that refuses
it; what a person sends again by hand depends on what that platform bounced.
`python -m unlisted_sandbox.script FILE --seed N` prints a summary.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from unlisted_sandbox import addresses, content, habits, names, tokens, weekdays
from unlisted_sandbox.chance import Draw, digest, happens
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.people import Sender, population
from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Hijack
from unlisted_sandbox.worldfile import WORLDS, WorldError, read

Ids = tuple[str | int, ...]
_Planned = tuple[float, str, Callable[[float], "Submission"]]


class Submission(Struct, frozen=True, kw_only=True):
    """One message handed to a platform. `kind` and `token` are known to the world only."""

    at: float  # seconds since the epoch
    id: str
    sender: str  # "login:alice@tenant.example" | "host:www.tenant.example"
    tenant: str  # the tenant's domain
    login: str | None  # None: no login, known by `client` alone
    password: str | None
    client: str  # 127/8 address to submit from
    reverse_path: str
    recipients: tuple[str, ...]
    data: bytes  # RFC 5322, CRLF, no dot-stuffing
    kind: Literal["honest", "spam"]
    token: str
    copy_of: str = ""  # id of the bounced original, when sent again by hand


def script(world: World) -> Iterator[Submission]:
    """All honest mail of the scripted days, in order of time."""
    planned = sorted(_plan(world), key=lambda p: p[:2])
    return (make(at) for at, _, make in planned)


def hijack(world: World, h: int) -> Iterator[Submission]:
    """What row `h` of [[hijacks]] submits, in order of time, until the scripted days end.

    Lazy: the platform's client stops asking after `gives_up_after` permanent refusals in a row.
    """
    row = world.hijacks[h]
    sender = population(world).of(h)
    bank = content.bank(world.content.spam)
    name: Ids = ("campaign", row.campaign) if row.campaign else ("hijack", h)
    text = content.campaign(bank, world.seed, name, row.family, row.words_varied)
    at = world.start + row.start_h * 3600
    mean_s = 3600 / (row.per_hour or row.per_day / 24)
    for n in range(row.total_max):
        ids: Ids = ("hijack", h, n)
        if n:
            gap = Draw(world.seed, "gap", *ids)
            within_s = row.burst_s / row.burst
            # A rate per day is a promise for each day, so its gaps are even; a rate per hour is not.
            if row.burst > 1 and n % row.burst:
                at += gap.exponential(within_s)
            elif row.burst > 1:
                at += max(0.0, mean_s * row.burst - row.burst_s) * gap.between(0.95, 1.05)
            else:
                at += gap.exponential(mean_s) if row.per_hour else mean_s * gap.between(0.6, 1.4)
        if at >= world.end:
            return
        yield _submission(
            world,
            sender,
            tokens.Origin("hijack", h),
            ids,
            at,
            _targets(world, row, ids),
            bank,
            text,
        )


def by_hand(
    world: World, original: Submission, at: float, recipients: Sequence[str] = ()
) -> Submission | None:
    """The copy a person sends after a bounce seen at `at`, to the recipients that bounced (all, when
    none is named); None from those who do not, from machines, and of what is itself a copy."""
    seed, row = world.seed, world.by_hand
    origin = tokens.read(seed, original.token)
    if original.copy_of or origin is None or origin.stream != "person":
        return None
    if not happens(row.share, seed, "by hand", original.sender):
        return None
    ids: Ids = ("copy", original.id)
    draw = Draw(seed, "by hand", original.id)
    when = round(at + draw.lognormal(row.delay_s, row.delay_sigma), 3)
    to = tuple(recipients) or original.recipients
    domain = original.reverse_path.rpartition("@")[2]
    agent = next(s.agent for s in population(world).senders if s.id == original.sender)
    message_id = content.new_message_id(seed, ids, agent, domain)
    return msgspec.structs.replace(
        original,
        at=when,
        id=_id(seed, ids),
        recipients=to,
        data=content.again(original.data, message_id, when, to),
        copy_of=original.id,
    )


def _plan(world: World) -> Iterator[_Planned]:
    everybody = population(world)
    away = {
        everybody.hijacked[n]: world.start + h.start_h * 3600
        for n, h in sorted(enumerate(world.hijacks), key=lambda row: -row[1].start_h)
        if not h.owner_writes
    }
    days = range(int(-(-world.world.days // 1)))
    for n, sender in enumerate(everybody.senders):
        until = min(world.end, away.get(n, world.end))
        streams: list[Iterator[_Planned]] = []
        if sender.kind == "newsletter":
            streams.append(_issues(world, sender))
        else:
            streams += [_day(world, sender, day) for day in days]
        if sender.letter >= 0:
            streams.append(_letter(world, sender))
        for stream in streams:
            yield from (p for p in stream if p[0] < until)


def _day(world: World, sender: Sender, day: int) -> Iterator[_Planned]:
    """One day of a person, a ticket system or a web form."""
    seed = world.seed
    bank = content.bank(world.content.honest)
    text: content.Campaign | None = None
    origin = tokens.Origin("person", 0)
    burst = 1.0
    if sender.kind == "ticket":
        ticket = world.tickets[sender.number]
        origin, burst = tokens.Origin("ticket", sender.number), ticket.burst
        text = content.campaign(bank, seed, ("ticket", sender.number), "", ticket.words_varied)
    elif sender.kind == "webform":
        form = world.webforms[sender.number]
        origin = tokens.Origin("webform", sender.number)
        text = content.campaign(bank, seed, ("webform", sender.number), "", form.words_varied)
    at = 0.0
    for n in range(habits.day_volume(world, sender, day)):
        ids: Ids = (sender.id, day, n)
        draw = Draw(seed, "when", *ids)
        if n == 0 or draw.happens(1 / burst):
            at = world.start + day * 86400 + _instant(world, draw, day, sender.kind == "webform")
        else:
            at += draw.exponential(50.0)

        def make(when: float, ids: Ids = ids) -> Submission:
            kinds = habits.recipient_kinds(world, sender, Draw(seed, "message", *ids))
            to = _correspondents(world, sender, kinds, ids)
            return _submission(
                world, sender, origin, ids, when, to, bank, text, answers=kinds[0] == "known"
            )

        yield round(at, 3), _id(seed, ids), make


def _instant(world: World, draw: Draw, day: int, any_hour: bool) -> float:
    """Seconds after midnight of the script's day, by the weights of the hours."""
    hours = weekdays.hours_of(world, day)
    if any_hour and draw.happens(0.4):
        return draw.uniform() * 86400
    hour = draw.weighted(range(24), hours)
    first = world.world.start.hour
    return ((hour - first) % 24 + draw.uniform()) * 3600


def _issues(world: World, sender: Sender) -> Iterator[_Planned]:
    n = sender.number
    row = world.newsletters[n]
    bank = content.bank(world.content.honest)
    for issue, at_h in enumerate(weekdays.issues(world, row)[1]):
        ids: Ids = ("newsletter", n, issue)
        text = content.campaign(bank, world.seed, ids, "", row.words_varied)
        everybody = habits.recipients_of_issue(world, n, issue)
        start = world.start + at_h * 3600
        origin = tokens.Origin("newsletter", n)
        yield from _bulk(
            world, sender, origin, ids, start, row.over_s, row.per_message, everybody, text
        )


def _letter(world: World, sender: Sender) -> Iterator[_Planned]:
    n = sender.letter
    row = world.letters[n]
    ids: Ids = ("letter", n)
    bank = content.bank(world.content.honest)
    text = content.campaign(bank, world.seed, ids, "school", row.words_varied)
    everybody = habits.recipients_of_letter(world, n, sender)
    start = world.start + row.at_h * 3600
    origin = tokens.Origin("letter", n)
    yield from _bulk(
        world, sender, origin, ids, start, row.over_s, row.per_message, everybody, text
    )


def _bulk(
    world: World,
    sender: Sender,
    origin: tokens.Origin,
    ids: Ids,
    start: float,
    over_s: float,
    per_message: int,
    everybody: Sequence[str],
    text: content.Campaign,
) -> Iterator[_Planned]:
    """One text to many, spread over `over_s`."""
    bank = content.bank(world.content.honest)
    groups = [everybody[i : i + per_message] for i in range(0, len(everybody), per_message)]
    for n, group in enumerate(groups):
        each: Ids = (*ids, n)
        at = start + over_s * (n + Draw(world.seed, "when", *each).uniform()) / len(groups)

        def make(when: float, each: Ids = each, group: Sequence[str] = group) -> Submission:
            return _submission(world, sender, origin, each, when, tuple(group), bank, text)

        yield round(at, 3), _id(world.seed, each), make


def _correspondents(
    world: World, sender: Sender, kinds: Sequence[str], ids: Ids
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for n, kind in enumerate(kinds):
        draw = Draw(world.seed, "recipient", *ids, n)
        if kind == "known":
            # Few correspondents get most of the mail.
            address = sender.contacts[int(len(sender.contacts) * draw.uniform() ** 2)]
        else:
            address = addresses.stranger(world, draw, "unknown" if kind == "unknown" else "mailbox")
        found[address] = None
    return tuple(found)


def _targets(world: World, row: Hijack, ids: Ids) -> tuple[str, ...]:
    draw = Draw(world.seed, "targets", *ids)
    found: dict[str, None] = {}
    for _ in range(world.honest.more_max):
        u = draw.uniform()
        kind: addresses.AddressKind = "mailbox"
        if u < row.unknown_rate + row.trap_share:
            kind = "unknown" if u < row.unknown_rate else "trap"
        found[addresses.stranger(world, draw, kind)] = None
        if not draw.happens(world.honest.more_share):
            break
    return tuple(found)


def _submission(
    world: World,
    sender: Sender,
    origin: tokens.Origin,
    ids: Ids,
    at: float,
    recipients: tuple[str, ...],
    bank: content.Bank,
    text: content.Campaign | None,
    answers: bool = True,
) -> Submission:
    seed = world.seed
    draw = Draw(seed, "text", *ids)
    single = origin.stream in ("person", "hijack", "ticket")
    answers = answers and single and draw.happens(world.honest.reply_share)
    client = sender.clients[draw.below(len(sender.clients))]
    if sender.kind == "person" and draw.happens(world.honest.roaming_share):
        client = addresses.client_address(draw)
    you = names.called(recipients[0]) if len(recipients) == 1 else ""
    if text is None:
        said = content.note(bank, draw, you, sender.name, sender.tenant, answers)
    else:
        said = content.copy(bank, seed, text, draw, you, sender.name, sender.tenant, answers)
    ident, at = _id(seed, ids), round(at, 3)
    token = tokens.mint(seed, origin, ident)
    return Submission(
        at=at,
        id=ident,
        sender=sender.id,
        tenant=sender.tenant,
        login=sender.login,
        password=sender.password,
        client=client,
        reverse_path=sender.address,
        recipients=recipients,
        data=content.render(
            seed=seed,
            ids=ids,
            at=at,
            agent=sender.agent,
            name=sender.name,
            address=sender.address,
            signature=content.signature_of(sender.name, sender.tenant, seed),
            recipients=recipients,
            text=said,
            token=token,
        ),
        kind=origin.kind,
        token=token,
    )


def _id(seed: int, ids: Ids) -> str:
    return digest(seed, "submission", *ids, size=8).hex()


def summary(world: World) -> Iterator[str]:
    """What a world holds, a line each, at most 80 columns."""
    everybody = population(world)
    directory = Directory(world)
    yield f"{world.world.name}  seed {world.seed}  {world.world.start:%Y-%m-%d %H:%M} UTC"
    yield (
        f"{world.world.days:g} days and at most {world.world.tail_h:g} h,"
        f" {len(everybody.tenants)} tenants, {len(everybody.senders)} senders"
    )
    yield ""
    yield f"{'stream':<24}{'messages':>9}{'pairs':>7}{'unknown':>9}{'traps':>7}{'bytes':>7}  account"
    streams: list[tuple[str, str, Iterator[Submission]]] = [("honest", "", script(world))]
    streams += [
        (f"hijack {h.name}", everybody.of(n).address, hijack(world, n))
        for n, h in enumerate(world.hijacks)
    ]
    total = 0
    per_day: Counter[int] = Counter()
    for name, account, stream in streams:
        rows: dict[str, list[int]] = {}
        for s in stream:
            origin = tokens.read(world.seed, s.token)
            label = name
            if origin and origin.kind == "honest":
                label = (
                    f"{origin.stream} {origin.number}" if origin.stream != "person" else "people"
                )
            row = rows.setdefault(label, [0, 0, 0, 0, 0])
            kinds = Counter(directory.kind(r) for r in s.recipients)
            for i, value in enumerate(
                (1, len(s.recipients), kinds["unknown"], kinds["trap"], len(s.data))
            ):
                row[i] += value
            per_day[int((s.at - world.start) // 86400)] += 1
            total += 1
        for label, (count, pairs, unknown, traps, size) in sorted(rows.items()):
            yield (
                f"{label:<24}{count:>9}{pairs:>7}{unknown / pairs:>9.2%}{traps:>7}"
                f"{size // count:>7}  {account}"
            )[:80]
    yield ""
    yield f"{total} submissions (target {world.world.submissions}); by day: " + ", ".join(
        str(per_day[d]) for d in sorted(per_day)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m unlisted_sandbox.script")
    parser.add_argument("file", nargs="?", type=Path, default=WORLDS / "demo.toml")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(arguments)
    try:
        world = read(options.file, options.seed)
    except WorldError as error:
        print(error, file=sys.stderr)
        return 2
    for line in summary(world):
        print(line)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
