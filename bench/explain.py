"""Who caused the listings: named, wrongly named, answered "nobody here", beside two rankings.

Worlds come from `explain_world.py` by the numbers in explain.toml; `--params FILE` is laid over
them (a `kinds` table there replaces the kinds), `only = ["name", …]` picks kinds, `seeds_most`
bounds the seeds of each, `first_seed` moves them. The estimator is given what the product knows.

Peers, on the same worlds: the k senders with the most mail by listed addresses in the day before
each listing, and enrichment (mail by listed addresses against the expected, Poisson, BH at 5 %).
Figures over all worlds unless figures.tsv says which; a line per kind goes to stderr. The shipped
parameters take about ten CPU minutes.
"""

import math
import sys
import time
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import explain_world
from bench.explain_world import HOUR, START, World
from bench.harness import Figure, Options
from unlisted.causes.answer import Attribution, Cause
from unlisted.causes.attribute import attribute

DEFAULTS = Path(__file__).with_suffix(".toml")
ENOUGH = 4


def run(options: Options) -> list[Figure]:
    params = parameters(options.parameters())
    honest = explain_world.base(params)
    kinds: dict[str, Tally] = {}
    for name in params["kinds"]:
        if params.get("only") and name not in params["only"]:
            continue
        kind = params["defaults"] | params["kinds"][name]
        tally = kinds[name] = Tally(bool(kind.get("innocent")), kind["routing"] == "rotation")
        first = int(params.get("first_seed", 0))
        for seed in range(first, first + min(kind["seeds"], params.get("seeds_most", 10**6))):
            tally.add(explain_world.make(params, honest, name, seed))
        print(f"{name}: {tally.line()}", file=sys.stderr, flush=True)
    return figures(kinds)


def parameters(over: dict[str, Any]) -> dict[str, Any]:
    params = tomllib.loads(DEFAULTS.read_text("utf-8"))
    for table in ("list", "defaults"):
        over = over | {table: params[table] | over.get(table, {})}
    return params | over


@dataclass
class Tally:
    """One kind of world, counted."""

    innocent: bool
    rotation: bool
    worlds: int = 0
    right: int = 0
    named: int = 0
    wrong: int = 0
    honest: int = 0
    honest_named: int = 0
    four: int = 0
    four_named: int = 0
    groups: int = 0
    groups_as_one: int = 0
    probable: int = 0
    probable_wrong: int = 0
    covered: int = 0
    intervals: int = 0
    widths: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    hits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    enriched: int = 0
    enriched_wrong: int = 0

    def add(self, world: World) -> None:
        began = time.process_time()
        answer = attribute(world.exposures, world.listings, world.campaigns, world.tenants)
        self.cpu_s.append(time.process_time() - began)
        self.worlds += 1
        self.verdicts[answer.verdict] += 1
        self.right += right(world, answer)
        self.honest += world.exposures.senders - len(world.guilty_senders)
        named = {(c.kind, c.unit): c for c in answer.named()}
        for unit, cause in named.items():
            if not is_guilty(world, unit):
                self.wrong += 1
                # Whoever blames a group blames its members.
                self.honest_named += max(1, len(set(cause.members) - world.guilty_senders))
        self.named += len(named)
        some = [c for c in answer.causes if c.standing == "probable" and c.within is None]
        self.probable += len(some)
        self.probable_wrong += sum(not is_guilty(world, (c.kind, c.unit)) for c in some)
        self._guilty(world, named)
        self._peers(world, answer)

    def _guilty(self, world: World, named: dict[tuple[str, int], Cause]) -> None:
        episodes = Counter(unit for unit in world.cause.values() if unit in world.guilty_units)
        for unit in world.guilty_units:
            if episodes[unit] >= ENOUGH:
                self.four += 1
                self.four_named += unit in named
            if unit[0] != "sender":
                self.groups += 1
                others = [u for u in named if u[0] == "sender" and u not in world.guilty_units]
                self.groups_as_one += unit in named and not others
            if unit in named:
                cause, truth = named[unit], world.share.get(unit, 0.0)
                self.intervals += 1
                self.covered += cause.low <= truth <= cause.high
                self.widths.append(cause.high - cause.low)

    def _peers(self, world: World, answer: Attribution) -> None:
        caused = {u[1] for u in world.cause.values() if u[0] == "sender"}
        if not world.listings:
            return
        hit, expected = enrichment(world)
        z = log_tail(hit, expected)
        k = len(caused)
        if caused:
            ours = [c.unit for c in answer.causes if c.kind == "sender"][:k]
            for name, ranked in (
                ("unlisted", ours),
                ("volume", np.argsort(-hit, kind="stable")[:k].tolist()),
                ("enrichment", np.argsort(z, kind="stable")[:k].tolist()),
            ):
                self.hits[name].append(len(set(ranked) & world.guilty_senders) / k)
        found = np.flatnonzero(benjamini_hochberg(z, 0.05)).tolist()
        self.enriched += len(found)
        self.enriched_wrong += len(set(found) - world.guilty_senders)

    def line(self) -> str:
        def part(a: int, b: int) -> str:
            return f"{a}/{b}"

        peers = ", ".join(f"{name} {np.mean(v):.2f}" for name, v in self.hits.items())
        width = f"{np.median(self.widths):.3f}" if self.widths else "-"
        return (
            f"named {self.named} wrong {self.wrong}; four {part(self.four_named, self.four)}; "
            f"groups as one {part(self.groups_as_one, self.groups)}; probable {self.probable} "
            f"wrong {self.probable_wrong}; covered {part(self.covered, self.intervals)} width "
            f"{width}; right {part(self.right, self.worlds)} {dict(self.verdicts)}; p@k {peers}; "
            f"enrichment names {self.enriched} wrong {self.enriched_wrong}; "
            f"CPU s {np.mean(self.cpu_s):.2f} most {max(self.cpu_s):.2f}"
        )


def is_guilty(world: World, unit: tuple[str, int]) -> bool:
    return unit in world.guilty_units or (unit[0] == "sender" and unit[1] in world.guilty_senders)


def right(world: World, answer: Attribution) -> bool:
    """Whether a world in which nobody can be named was answered so: that nobody is here only where
    nobody is."""
    if world.guilty_units:
        return answer.verdict == "not enough evidence"
    return answer.verdict in ("nobody here", "not enough evidence")


def figures(kinds: dict[str, Tally]) -> list[Figure]:
    every = list(kinds.values())
    named, wrong = sum(t.named for t in every), sum(t.wrong for t in every)
    honest, accused = sum(t.honest for t in every), sum(t.honest_named for t in every)
    enriched, enriched_wrong = (
        sum(getattr(t, n) for t in every) for n in ("enriched", "enriched_wrong")
    )
    out = [
        Figure(
            "wrong_among_named",
            wrong / named if named else 0.0,
            named,
            f"enrichment with BH 5 %: {enriched_wrong} of {enriched} wrong",
        ),
        Figure(
            "honest_named_per_10k",
            1e4 * accused / honest if honest else None,
            honest,
            f"enrichment with BH 5 %: {1e4 * enriched_wrong / max(1, honest):.3g}",
        ),
    ]
    rotated = [t for t in every if t.rotation and t.four]
    if rotated:
        four, found = sum(t.four for t in rotated), sum(t.four_named for t in rotated)
        worst = min((t.four_named / t.four, n) for n, t in kinds.items() if t in rotated)
        mean = {p: np.mean([x for t in rotated for x in t.hits[p]]) for p in rotated[0].hits}
        groups, as_one = sum(t.groups for t in rotated), sum(t.groups_as_one for t in rotated)
        out.append(
            Figure(
                "guilty_4_episodes_named",
                found / four,
                four,
                f"worst kind {worst[1]} {worst[0]:.2f}; groups named as one {as_one} of {groups}; "
                "mean p@k " + ", ".join(f"{p} {v:.2f}" for p, v in mean.items()),
            )
        )
    covered = [(t.covered / t.intervals, n) for n, t in kinds.items() if t.intervals]
    if covered:
        width = np.median([w for t in every for w in t.widths])
        count = sum(t.intervals for t in every)
        whole = sum(t.covered for t in every) / count
        note = f"worst {min(covered)[1]}; all kinds {whole:.3f}; median width {width:.3f}"
        out.append(Figure("interval_cover_min", min(covered)[0], count, note))
    innocent = [(t.right / t.worlds, n) for n, t in kinds.items() if t.innocent]
    if innocent:
        count = sum(t.worlds for t in every if t.innocent)
        out.append(
            Figure("innocent_worlds_right", min(innocent)[0], count, f"worst {min(innocent)[1]}")
        )
    used = [x for t in every for x in t.cpu_s]
    out.append(
        Figure("cpu_s_per_world", max(used), len(used), f"the slowest; mean {np.mean(used):.2f}")
    )
    return out


def enrichment(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Each sender's mail by listed addresses in the 24 h before a listing, and what its volume in
    those hours over all addresses of its pool would make expected."""
    x = world.exposures
    hours = x.buckets
    near = np.zeros((x.addresses, hours), dtype=bool)
    for one in world.listings:
        at = int((one.opened[0] - START) // HOUR)
        near[one.address, max(0, at - 23) : at + 1] = True
    pools = int(x.pool_of.max()) + 1
    part = np.zeros((pools, hours))
    np.add.at(part, x.pool_of, near)
    part /= np.bincount(x.pool_of)[:, None]
    hit = np.bincount(x.sender, x.messages * near[x.address, x.bucket], x.senders)
    mean = np.bincount(x.sender, x.messages * part[x.pool_of[x.address], x.bucket], x.senders)
    return hit, mean


def log_tail(hit: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """ln of a Chernoff bound of the Poisson tail: as a peer would rank, not exact."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = hit - mean - hit * np.log(hit / mean)
    return np.where(hit > mean, np.where(mean > 0, bound, 0.0), 0.0)


def benjamini_hochberg(log_p: np.ndarray, alpha: float) -> np.ndarray:
    order = np.sort(log_p)
    limits = math.log(alpha) + np.log(np.arange(1, len(order) + 1) / len(order))
    fits = np.flatnonzero(order <= limits)
    return log_p <= order[fits[-1]] if len(fits) else np.zeros(len(log_p), dtype=bool)
