"""What a sender does on a day: how many messages, to whom they go, and an issue's recipients.

The days before the script come from the same habits as the script (`history`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from unlisted_sandbox.addresses import stranger
from unlisted_sandbox.chance import Draw
from unlisted_sandbox.people import Sender, population
from unlisted_sandbox.weekdays import issues, weekday_factor
from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Letter


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
