"""Worlds for `bench explain`: who sent what, who was guilty, what the lists did.

Written apart from the estimator: it shares the public data types of `unlisted.causes.exposure` and
nothing else. The honest mail is made once (`Base`) and kept over all worlds of a run; each world
draws addresses, guilt, evidence and listings anew from its kind and seed.

A list adds up pieces (traps at once, people's reports after hours) with weights that fade, lists an
address when they are enough, and releases it a term after the last piece. The platform sees only
openings and releases, to one probe step.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unlisted.causes.exposure import CampaignRows, Exposures, Listing

HOUR = 3600.0
START = 1_700_006_400.0  # a full hour


def luck(*key: object) -> np.random.Generator:
    """A random generator that belongs to a name."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


@dataclass
class Base:
    """The honest mail: rows sorted by (sender, hour), campaigns' rows by (campaign, sender, hour)."""

    senders: int
    hours: int
    addresses: int
    sender: np.ndarray
    hour: np.ndarray
    messages: np.ndarray
    campaign: np.ndarray
    campaign_sender: np.ndarray
    campaign_hour: np.ndarray
    campaign_messages: np.ndarray
    campaigns: int
    tenant: np.ndarray
    volume: np.ndarray


@dataclass
class World:
    """What the estimator gets, and beside it the truth."""

    kind: str
    seed: int
    exposures: Exposures
    campaigns: CampaignRows
    tenants: np.ndarray
    listings: list[Listing]
    # The truth. Units are ("sender", i), ("campaign", i), ("tenant", i).
    guilty_units: list[tuple[str, int]]
    guilty_senders: set[int]
    cause: dict[str, tuple[str, int]]
    share: dict[tuple[str, int], float]
    names: dict[str, Any] = field(default_factory=dict)


def base(p: dict[str, Any]) -> Base:
    chance = luck("base", p["base_seed"])
    senders, hours = int(p["senders"]), int(p["days"]) * 24
    volume = np.exp(chance.normal(0.0, p["volume_sigma"], senders))
    volume = np.minimum(volume * p["messages"] / volume.sum(), p["volume_most"])
    count = chance.poisson(volume * p["messages"] / volume.sum())
    who = np.repeat(np.arange(senders, dtype=np.int64), count)
    profile = np.cumsum(day_profile(hours, p))
    profile /= profile[-1]
    at = np.searchsorted(profile, chance.random(len(who))).astype(np.int64)
    blaster = chance.random(senders) < p["blast_share"]
    blasts = 1 + count // int(p["blast_size"])
    in_blast = blaster[who]
    number = (chance.random(int(in_blast.sum())) * blasts[who[in_blast]]).astype(np.int64)
    mixed = mix(
        who[in_blast].astype(np.uint64) * np.uint64(1_000_003) + number.astype(np.uint64), 7
    )
    at[in_blast] = np.searchsorted(profile, mixed.astype(np.float64) / 2.0**64)
    at = np.minimum(at, hours - 1)
    rows, messages = np.unique(who * hours + at, return_counts=True)

    templates = int(p["honest_templates"])
    template_of = np.where(
        chance.random(senders) < p["template_share"], chance.integers(0, templates, senders), -1
    )
    shared = (template_of[who] >= 0) & (chance.random(len(who)) < 0.5)
    key = (template_of[who[shared]] * senders + who[shared]) * hours + at[shared]
    campaign_rows, campaign_messages = np.unique(key, return_counts=True)
    tenants = int(p["tenants"])
    size = np.cumsum(chance.pareto(1.2, tenants) + 0.2)
    tenant = np.searchsorted(size / size[-1], chance.random(senders)).astype(np.int32)
    return Base(
        senders,
        hours,
        int(p["addresses"]),
        (rows // hours).astype(np.int32),
        (rows % hours).astype(np.int32),
        messages.astype(np.int32),
        (campaign_rows // hours // senders).astype(np.int32),
        (campaign_rows // hours % senders).astype(np.int32),
        (campaign_rows % hours).astype(np.int32),
        campaign_messages.astype(np.int32),
        templates,
        tenant,
        count,
    )


def day_profile(hours: int, p: dict[str, Any]) -> np.ndarray:
    hour = np.arange(hours)
    day = 1.0 + p["diurnal"] * np.sin((hour % 24 - 9) / 24 * 2 * np.pi)
    return day * np.where(hour // 24 % 7 >= 5, p["weekend"], 1.0)


def mix(value: np.ndarray, key: int) -> np.ndarray:
    """splitmix64's finaliser: one hash per number."""
    with np.errstate(over="ignore"):
        z = value + np.uint64((key * 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Router:
    """Which address a sender has in an hour; the pool is the sender's for good."""

    def __init__(self, kind: dict[str, Any], addresses: int, seed: int) -> None:
        self.size = int(kind["pool"])
        self.pools = addresses // self.size
        self.sticky = kind["routing"] == "sticky"
        self.epoch_h = int(kind.get("epoch_h", 1))
        self.seed = seed

    def pool(self, sender: np.ndarray) -> np.ndarray:
        return (mix(sender.astype(np.uint64), 3) % np.uint64(self.pools)).astype(np.int64)

    def address(self, sender: np.ndarray, hour: np.ndarray) -> np.ndarray:
        epoch = np.zeros_like(hour) if self.sticky else hour // self.epoch_h
        key = sender.astype(np.uint64) * np.uint64(2**20) + epoch.astype(np.uint64)
        drawn = (mix(key, 1000 + self.seed) % np.uint64(self.size)).astype(np.int64)
        return (self.pool(sender) * self.size + drawn).astype(np.int16)


@dataclass
class Spam:
    """Guilty mail, by row: unit's number, sender, hour, messages."""

    unit: np.ndarray
    sender: np.ndarray
    hour: np.ndarray
    messages: np.ndarray
    units: list[tuple[str, int]]
    campaign: np.ndarray  # -1: no fingerprint shared with anybody


def guilty_mail(kind: dict[str, Any], honest: Base, chance: np.random.Generator) -> Spam:
    rows: list[tuple[int, int, int, int, int]] = []
    units: list[tuple[str, int]] = []
    next_campaign = honest.campaigns
    for _ in range(int(kind.get("guilty", 0))):
        sender = int(chance.integers(honest.senders))
        if ("sender", sender) in units:
            continue
        units.append(("sender", sender))
        low, middle, high = kind["hijack_h"]
        last = int(np.clip(np.exp(chance.normal(np.log(middle), 1.0)), low, high))
        first = int(chance.integers(0, max(1, honest.hours - last)))
        rate = kind["spam_per_h"] * np.exp(chance.normal(0.0, kind.get("spam_spread", 0.3)))
        for hour in range(first, min(honest.hours, first + last)):
            sent = int(chance.poisson(rate))
            if sent:
                rows.append((len(units) - 1, sender, hour, sent, next_campaign))
        next_campaign += 1
    if members := int(kind.get("campaign_senders", 0)):
        units.append(("campaign", next_campaign))
        first = int(chance.integers(24, honest.hours - kind["campaign_h"] - 24))
        for sender in chance.choice(honest.senders, members, replace=False):
            at = first + int(chance.integers(0, kind["campaign_h"]))
            left = int(chance.poisson(kind["campaign_messages"])) + 1
            for hour in range(at, min(honest.hours, at + int(kind["campaign_each_h"]))):
                sent = -(-left // int(kind["campaign_each_h"]))
                rows.append((len(units) - 1, int(sender), hour, sent, next_campaign))
        next_campaign += 1
    if members := int(kind.get("tenant_senders", 0)):
        size = np.bincount(honest.tenant)
        fits = np.flatnonzero(size >= members)
        tenant = int(fits[np.argmin(size[fits])]) if len(fits) else int(np.argmax(size))
        units.append(("tenant", tenant))
        theirs = np.flatnonzero(honest.tenant == tenant)
        for sender in chance.choice(theirs, min(members, len(theirs)), replace=False):
            for hour in np.flatnonzero(chance.random(honest.hours) < kind["tenant_hours"]):
                sent = 1 + int(chance.poisson(kind["tenant_messages"]))
                rows.append((len(units) - 1, int(sender), int(hour), sent, -1))
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return Spam(table[:, 0], table[:, 1], table[:, 2], table[:, 3], units, table[:, 4])


def evidence(
    p: dict[str, Any], kind: dict[str, Any], honest: Base, router: Router, spam: Spam, lucky: Any
) -> list[tuple[float, int, bool, int]]:
    """Pieces (time, address, a trap?, unit or -1), in the order of time."""
    pieces: list[np.ndarray] = []

    def seen(sender: np.ndarray, hour: np.ndarray, unit: np.ndarray, traps: float) -> None:
        at = hour * HOUR + lucky.random(len(hour)) * HOUR
        trap = lucky.random(len(hour)) < traps
        lag = np.where(
            trap,
            lucky.exponential(p["trap_lag_s"], len(hour)),
            np.exp(lucky.normal(np.log(p["report_median_s"]), 1.2, len(hour))),
        )
        address = router.address(sender, hour)
        pieces.append(np.stack([at + lag, address, trap, unit], axis=1))

    if len(spam.sender):
        count = lucky.binomial(spam.messages, kind["seen"])
        take = np.repeat(np.arange(len(count)), count)
        seen(spam.sender[take], spam.hour[take], spam.unit[take], p["trap_share"])
    ambient = lucky.poisson(kind.get("ambient", 0.0) * honest.messages.sum() / 1e6)
    if ambient:
        row = np.searchsorted(
            np.cumsum(honest.messages), lucky.integers(0, honest.messages.sum(), ambient), "right"
        )
        none = np.full(ambient, -1)
        seen(honest.sender[row], honest.hour[row], none, p["ambient_trap_share"])
    if not pieces:
        return []
    table = np.concatenate(pieces)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return [(float(t), int(a), bool(k), int(u)) for t, a, k, u in table]


@dataclass
class Seen:
    """A listing as it was: address, its true ends, and who caused it."""

    address: int
    opened: float
    released: float
    cause: int
    list_name: str
    term_s: float


def listed(p: dict[str, Any], pieces: list[tuple[float, int, bool, int]], end: float) -> list[Seen]:
    """What one adding list makes of the pieces."""
    policy = p["list"]
    window, term = policy["window_h"] * HOUR, policy["term_h"] * HOUR
    recent: dict[int, list[tuple[float, bool, int]]] = defaultdict(list)
    open_until: dict[int, Seen] = {}
    out: list[Seen] = []
    for at, address, trap, unit in pieces:
        now = open_until.get(address)
        if now is not None and now.released >= at:
            now.released = at + term
            continue
        row = [x for x in recent[address] if x[0] > at - window]
        row.append((at, trap, unit))
        recent[address] = row
        score: dict[int, float] = defaultdict(float)
        for when, is_trap, who in row:
            fade = policy["fresh"] - (policy["fresh"] - 1.0) * (at - when) / window
            score[who] += fade * (policy["trap_weight"] if is_trap else 1.0)
        if len(row) >= policy["pieces"] and sum(score.values()) >= policy["score"]:
            cause = max(sorted(score), key=lambda who: score[who])
            found = Seen(address, at, at + term, cause, policy["name"], term)
            open_until[address] = found
            out.append(found)
            recent[address] = []
    return [x for x in out if x.opened < end]


def rival_listings(kind: dict[str, Any], honest: Base, chance: np.random.Generator) -> list[Seen]:
    """A list's own errors, and a neighbour's whole range."""
    out: list[Seen] = []
    end = honest.hours * HOUR
    bad = chance.choice(honest.addresses, int(kind.get("error_addresses", 8)), replace=False)
    for _ in range(int(kind.get("errors", 0))):
        on_few = chance.random() < kind.get("error_part", 0.33)
        address = int(chance.choice(bad)) if on_few else int(chance.integers(honest.addresses))
        at = chance.random() * end
        term = kind.get("error_term_h", 24.0) * HOUR
        held = at + chance.exponential(6 * HOUR) + term
        out.append(Seen(address, at, held, -2, kind.get("error_list", "zen"), term))
    for number in range(int(kind.get("ranges", 0))):
        size = int(chance.choice(kind["range_sizes"]))
        first = int(chance.integers(0, max(1, honest.addresses - size + 1)))
        if chance.random() < 0.7:
            first -= first % size
        at, spread = chance.random() * (end - 48 * HOUR), chance.choice(kind["range_spread_h"])
        term, held = 24 * HOUR, chance.uniform(6, 72) * HOUR
        for address in range(first, min(honest.addresses, first + size)):
            if chance.random() < kind.get("range_part", 0.95):
                opened = at + chance.random() * spread * HOUR
                gone = opened + held + chance.random() * spread * HOUR + term
                out.append(Seen(address, opened, gone, -3 - number, "range", term))
    return out


def without_overlap(found: list[Seen]) -> list[Seen]:
    """One list lists an address once at a time."""
    out: list[Seen] = []
    until: dict[tuple[int, str], float] = {}
    for one in sorted(found, key=lambda x: (x.opened, x.address, x.list_name)):
        if until.get((one.address, one.list_name), -1.0) < one.opened:
            until[one.address, one.list_name] = one.released
            out.append(one)
    return out


def make(p: dict[str, Any], honest: Base, name: str, seed: int) -> World:
    kind = p["defaults"] | p["kinds"][name]
    pools = kind["pool"] if isinstance(kind["pool"], list) else [kind["pool"]]
    kind["pool"] = pools[seed % len(pools)]
    chance = luck("world", name, seed, p["base_seed"])
    router = Router(kind, honest.addresses, int(chance.integers(2**31)))
    spam = guilty_mail(kind, honest, chance)
    rivals = rival_listings(kind, honest, chance)
    end = honest.hours * HOUR

    pieces = evidence(p, kind, honest, router, spam, luck("list", name, seed))
    found = without_overlap(listed(p, pieces, end) + rivals)
    share: dict[tuple[str, int], float] = defaultdict(float)
    replays = int(p["replays"]) if spam.units else 0
    total = 0
    for replay in range(replays):
        again = evidence(p, kind, honest, router, spam, luck("replay", name, seed, replay))
        happened = without_overlap(listed(p, again, end) + rivals)
        total += len(happened)
        for one in happened:
            if one.cause >= 0:
                share[spam.units[one.cause]] += 1.0
    step = p["probe_step_s"]
    listings, cause = [], {}
    for number, one in enumerate(found):
        opened, released = (float(t // step * step) for t in (one.opened, one.released))
        over = released + step < end
        listings.append(
            Listing(
                f"e{number:04d}",
                one.list_name,
                one.address,
                (START + opened, START + opened + step),
                (START + released, START + released + step) if over else None,
                one.term_s,
            )
        )
        cause[f"e{number:04d}"] = (
            spam.units[one.cause]
            if one.cause >= 0
            else ({-1: "ambient", -2: "error"}.get(one.cause, "range"), 0)
        )
    exposures, campaigns = columns(honest, spam, router)
    return World(
        name,
        seed,
        exposures,
        campaigns,
        honest.tenant,
        listings,
        spam.units,
        {int(x) for x in np.unique(spam.sender)},
        cause,
        {unit: value / max(1, total) for unit, value in share.items()},
    )


def columns(honest: Base, spam: Spam, router: Router) -> tuple[Exposures, CampaignRows]:
    """What was sent, as a history would hold it: one row per sender, address and hour."""
    hours = honest.hours
    key = honest.sender.astype(np.int64) * hours + honest.hour
    extra, place = np.unique(spam.sender * hours + spam.hour, return_inverse=True)
    added = np.bincount(place, spam.messages, len(extra)).astype(np.int32)
    at = np.searchsorted(key, extra)
    known = (at < len(key)) & (key[np.minimum(at, len(key) - 1)] == extra)
    messages = honest.messages.copy()
    np.add.at(messages, at[known], added[known])
    sender = np.insert(honest.sender, at[~known], (extra[~known] // hours).astype(np.int32))
    hour = np.insert(honest.hour, at[~known], (extra[~known] % hours).astype(np.int32))
    messages = np.insert(messages, at[~known], added[~known])
    address = router.address(sender, hour)
    exposures = Exposures(
        start=START,
        senders=honest.senders,
        pool_of=(np.arange(honest.addresses) // router.size).astype(np.int16),
        sender=sender,
        address=address,
        bucket=hour,
        messages=messages,
        probability=np.ones(len(sender), np.float32) if router.sticky else None,
        epoch_s=router.epoch_h * HOUR,
    )
    with_print = spam.campaign >= 0
    campaign = np.concatenate([honest.campaign, spam.campaign[with_print]]).astype(np.int32)
    who = np.concatenate([honest.campaign_sender, spam.sender[with_print]]).astype(np.int32)
    when = np.concatenate([honest.campaign_hour, spam.hour[with_print]]).astype(np.int32)
    many = np.concatenate([honest.campaign_messages, spam.messages[with_print]]).astype(np.int32)
    rows = CampaignRows(
        campaigns=int(campaign.max(initial=0)) + 1,
        campaign=campaign,
        sender=who,
        address=router.address(who, when),
        bucket=when,
        messages=many,
        probability=np.ones(len(who), np.float32) if router.sticky else None,
    )
    return exposures, rows
