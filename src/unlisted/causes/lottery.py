"""The lottery: did a sender's mail leave by the listed address more often than chance would have it?

Our own routing draws each sender's address, so under innocence the draw is independent of which
address is listed. Per event the bet is (rest + q w) / (rest + q W): w is the sender's mail by the
listed address before the listing, W what it would have been on average over the draws, q the
evidence one message brings a list, rest what others explain. Its mean under innocence is 1, so the
product over events, averaged over q, is an e-value: no model of the list is needed.

Refuses to count one listing twice: an episode that opens while another of the same address is open
is the same event. Where nothing was drawn (probability 1) the bet is 1.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from unlisted.causes.traffic import Episode, Exposure, Traffic

REACH_S = 48 * 3600.0
RATES = (0.003, 0.03, 0.3)
# What unknown sources bring a list around one event, in pieces of evidence.
BACKGROUND = 0.1


class Event(msgspec.Struct, frozen=True):
    """One listing of one address, however many lists or receivers told of it."""

    episode_id: str
    address: str
    at: float
    pool: tuple[str, ...]
    # When this address was already listed before, as far as known: nobody was drawn to it then.
    masked: tuple[tuple[float, float], ...] = ()


class Lot(msgspec.Struct, frozen=True):
    """One sender's mail before one event: by the listed address, expected there, and in all."""

    by_address: float = 0.0
    expected: float = 0.0
    messages: float = 0.0


def events_of(episodes: Sequence[Episode]) -> tuple[Event, ...]:
    """The episodes as events, oldest first; overlapping ones of an address are one."""
    out: list[Event] = []
    spans: dict[str, list[tuple[float, float]]] = {}
    for episode in sorted(episodes, key=lambda e: (e.opened_at, e.episode_id)):
        before = spans.setdefault(episode.address, [])
        end = episode.ended_at if episode.ended_at is not None else math.inf
        if before and episode.opened_at <= before[-1][1]:
            before[-1] = (before[-1][0], max(before[-1][1], end))
            continue
        out.append(
            Event(
                episode.episode_id,
                episode.address,
                episode.opened_at,
                tuple(sorted({*episode.pool, episode.address})),
                tuple(before),
            )
        )
        before.append((episode.opened_at, end))
    return tuple(out)


def nearness(lag_s: float) -> float:
    """How much a message this long before the listing counts: traps tell within minutes, people
    within hours, and the list adds up over about two days."""
    if lag_s < 0 or lag_s > REACH_S:
        return 0.0
    return 0.5 * math.exp(-lag_s / 5400.0) + 0.4 * math.exp(-lag_s / 21600.0) + 0.1


def before_event(x: Exposure, at: float) -> tuple[float, float]:
    """How many of these messages left before an event and within reach of it, and the same by how
    near they were."""
    if x.first_at > at or x.last_at < at - REACH_S or x.messages <= 0:
        return 0.0, 0.0
    before, last = float(x.messages), x.last_at
    if last > at:
        before *= (at - x.first_at) / (last - x.first_at)
        last = at
    return before, before * nearness(at - (x.first_at + last) / 2)


def lot_of(traffic: Traffic, event: Event) -> Lot:
    """A sender's part in one event."""
    by_address = expected = messages = 0.0
    for x in traffic.exposures:
        before, weight = before_event(x, event.at)
        if before <= 0.0:
            continue
        messages += before
        if x.address == event.address:
            by_address += weight
            expected += weight * x.probability
        elif (
            x.probability < 1.0
            and x.address in event.pool
            and not any(start <= x.first_at <= end for start, end in event.masked)
        ):
            expected += weight * x.probability
    return Lot(by_address, expected, messages)


def log_e(lots: Sequence[Lot], rests: Mapping[int, float] | None = None) -> float:
    """The log e-value over all events; `rests` is what named others explain, by event."""
    products = []
    for q in RATES:
        total = 0.0
        for place, lot in enumerate(lots):
            rest = BACKGROUND + (rests or {}).get(place, 0.0)
            total += math.log((rest + q * lot.by_address) / (rest + q * lot.expected))
        products.append(total)
    most = max(products, default=0.0)
    return most + math.log(sum(math.exp(p - most) for p in products) / len(RATES))
