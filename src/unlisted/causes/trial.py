"""Every unit's odds: a first look with everything else unexplained, then a second in which what
others explain no longer counts, fitted without the unit on trial.

Who goes on trial is decided by the unit's own draws alone; who stands as an explanation for the
rest as well. So the second e-value of a unit is fitted on nothing that its own draws touched. Nor
is what it is averaged over: how late evidence comes and how much of it a message brings is weighed
by what the draws of the others, each for itself, tell of that.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from unlisted.causes import draws, prior
from unlisted.causes.answer import UnitKind
from unlisted.causes.case import Array, Case, Column, Index, Unit

# Odds from which a unit goes on trial, and from which it stands as an explanation.
_TRIAL, _SOLID = np.log(0.01), 0.0
# Bounds the work; by then a world has more culprits than anyone can act on.
MOST_TRIALS = 2000
# So many others tell something of how lists learn of spam here; fewer are a chance.
_SEVERAL = 3
_NOBODY: Index = np.zeros(0, dtype=np.int64)
_KINDS: tuple[UnitKind, ...] = ("sender", "campaign", "tenant")


@dataclass(frozen=True)
class Odds:
    """ln of prior weight and e-value of the units on trial; `tenth` is ln of how much
    likelier the draws are if some sender that could caused a tenth of the listings than if not."""

    units: list[Unit]
    log_prior: Array
    log_e: Array
    solids: list[Unit]
    tenth: float


def odds(case: Case, also: Collection[int] = (), known: Collection[int] = ()) -> Odds:
    """Both looks. `also` are senders that go on trial whatever their draws say; `known` are beyond
    doubt, and explanations for the others."""
    log_prior, first, tenth = _first_look(case)
    start = {kind: log_prior[kind] + first[kind] for kind in _KINDS}
    units: list[Unit] = []
    for kind in _KINDS:
        units += [(kind, int(i)) for i in np.flatnonzero(start[kind] >= _TRIAL)]
    units += [("sender", i) for i in sorted({*also, *known}) if start["sender"][i] < _TRIAL]
    sure = {("sender", i) for i in known}
    if len(units) > MOST_TRIALS:
        order = sorted(units, key=lambda u: (u not in sure, -start[u[0]][u[1]], u))
        units = order[:MOST_TRIALS]
    units.sort()
    alone = case.ground
    own = {u: log_e(case, u, alone, _NOBODY) for u in units}
    solid = {u: _mixed(own[u], draws.EVEN) + float(log_prior[u[0]][u[1]]) >= _SOLID for u in units}
    solids = _solids(case, [u for u in units if solid[u] or u in sure])
    found = _second_look(case, units, solids, [own[u] for u in solids])
    return Odds(
        units,
        np.array([log_prior[u[0]][u[1]] for u in units]),
        np.array([found[u] for u in units]),
        solids,
        tenth,
    )


def _first_look(case: Case) -> tuple[dict[UnitKind, Array], dict[UnitKind, Array], float]:
    """Prior weights, and what every unit's draws say at a glance: once if evidence comes within
    the hour, once if it takes a day, and once if half a day; the mean of all."""
    x, c = case.exposures, case.campaigns
    share = prior.mail_share(x, case.points, case.background / case.ground)
    alone = case.ground
    senders, campaigns = [], []
    for points in (case.points.sharp(), case.points.late(), case.points):
        table = draws.stakes(points, alone, x)
        bets = draws.bets_by(x, x, table)
        members = draws.bets_by(x, c, table)
        for rate in draws.RATES:
            senders.append(draws.per_unit(bets, x.senders, rate))
            campaigns.append(draws.per_group(members, c.campaigns, rate))
    when = prior.times(x, case.points, case.ground / case.background)
    day = max(1, round(86400.0 / x.bucket_s))
    of_senders = prior.weigh(x, share, when, bets, x.senders, day)
    weight: dict[UnitKind, Array] = {
        "sender": of_senders,
        "campaign": prior.weigh(c, share, when, members, c.campaigns, day),
        "tenant": prior.of_tenants(of_senders, case.tenants, case.tenant_count),
    }
    e: dict[UnitKind, Array] = {
        "sender": draws.mixed(np.stack(senders)),
        "campaign": draws.mixed(np.stack(campaigns)),
        "tenant": np.zeros(0),
    }
    # A sender that stands for itself does not speak for its tenant.
    stands = np.log(np.maximum(of_senders, 1e-300)) + e["sender"] >= _SOLID
    if case.tenant_count:
        tenants = case.tenants.astype(np.int64)
        of_tenants = [
            draws.without_loudest(tenants, np.where(stands, 0.0, row), case.tenant_count)
            for row in senders
        ]
        e["tenant"] = draws.mixed(np.stack(of_tenants))
    with np.errstate(divide="ignore"):
        log_prior = {kind: np.log(prior.PART[kind] * weight[kind]) for kind in _KINDS}
    return log_prior, e, _tenth(case, bets)


def _tenth(case: Case, bets: draws.Bets) -> float:
    """ln of the mean e-value for having caused a tenth of the listings, over all senders that
    mailed in epochs enough to."""
    senders = case.exposures.senders
    part = 0.1 * float(case.points.opening.sum())
    could = np.flatnonzero(prior.at_stake(bets, senders) >= part)
    if not len(could):
        return -np.inf
    volume = np.bincount(case.exposures.sender, case.exposures.messages, senders)
    rate = (part / np.maximum(volume, 1.0))[bets.unit]
    fits = np.log1p(rate * bets.drawn) - np.log1p(rate * bets.even)
    found = np.bincount(bets.unit, fits, senders)[could]
    return float(np.logaddexp.reduce(found) - np.log(len(could)))


def _solids(case: Case, units: list[Unit]) -> list[Unit]:
    """Explanations for others: a campaign stands for its members, they not beside it."""
    spoken = spoken_for(case, [u for u in units if u[0] == "campaign"], units)
    return [unit for unit in units if unit not in spoken]


def spoken_for(case: Case, campaigns: list[Unit], units: list[Unit]) -> dict[Unit, int]:
    """Senders among the units most of whose mail near the points is one campaign's, and whose."""
    out: dict[Unit, int] = {}
    for campaign in campaigns:
        members = set(case.members(campaign).tolist())
        whole = case.mass(campaign)[0].sum()
        for unit in units:
            if unit[0] == "sender" and unit[1] in members:
                apart = case.mass(campaign, case.members(unit))[0].sum()
                if whole - apart >= 0.5 * case.mass(unit)[0].sum():
                    out[unit] = campaign[1]
    return out


def _second_look(
    case: Case, units: list[Unit], solids: list[Unit], own: list[Array]
) -> dict[Unit, float]:
    columns = [case.column(u) for u in solids]
    common = _rest(case, columns)
    sets = [set(case.members(u).tolist()) for u in solids]
    # How late the evidence of each comes, and how much of it a message brings.
    fits = [_share(values) for values in own]
    whole = sum(fits, np.exp(draws.EVEN))
    out: dict[Unit, float] = {}
    for unit in units:
        touched = _touched(case, unit, solids, sets)
        if touched:
            found = _apart(case, unit, solids, columns, touched)
        else:
            found = log_e(case, unit, common, _NOBODY)
        others = whole - sum((fits[place] for place in touched), np.zeros(len(whole)))
        several = len(solids) - len(touched) >= _SEVERAL
        out[unit] = _mixed(found, np.log(others / others.sum()) if several else draws.EVEN)
    return out


def _mixed(values: Array, log_weight: Array) -> float:
    """ln of the mean of e-values. Weights may come from the others' draws, never from its own."""
    return float(np.logaddexp.reduce(values + log_weight))


def _share(values: Array) -> Array:
    """How likely each lag and rate is, from one unit's draws."""
    value = values + draws.EVEN
    return np.asarray(np.exp(value - np.logaddexp.reduce(value)), dtype=np.float64)


def _touched(case: Case, unit: Unit, solids: list[Unit], sets: list[set[int]]) -> list[int]:
    """The explanations in which some of the unit's own mail is counted."""
    own = {unit[1]} if unit[0] == "sender" else set(case.members(unit).tolist())
    return [place for place, members in enumerate(sets) if solids[place] == unit or members & own]


def _apart(
    case: Case,
    unit: Unit,
    solids: list[Unit],
    columns: list[Column],
    touched: list[int],
) -> Array:
    """The e-values with the rest fitted without any mail of the unit."""
    own = case.members(unit)
    found: list[Column] = []
    apart: list[Index] = [_NOBODY]
    for place, solid in enumerate(solids):
        if place not in touched:
            found.append(columns[place])
        elif solid[0] == "sender" or solid == unit:
            # Itself, or a member who stands for itself: neither for nor against its group.
            if solid[0] == "sender" and unit[0] == "tenant":
                apart.append(case.members(solid))
        else:
            found.append(case.column(solid, own))
    return log_e(case, unit, _rest(case, found), np.concatenate(apart))


def _rest(case: Case, columns: list[Column]) -> Array:
    """What explains each point beside the unit on trial. The background stays what it was before
    the fit: where culprits explain nearly all, what is left would else count for nothing, and one
    late report would speak for a culprit as loudly as five listings against it."""
    rest = case.ground.copy()
    for column, rate in zip(columns, case.fitted(columns).rate, strict=True):
        rest += column.mass * rate
        rest[case.in_doubt] += case.ranged[case.in_doubt] * column.even * rate
    return rest


def log_e(case: Case, unit: Unit, rest: Array, apart: Index) -> Array:
    """ln of one unit's e-values, for evidence that comes at once, within a day, or late, and for
    each rate; groups lose their loudest members and those that stand apart."""
    rows, source = case.rows(unit), case.table(unit)
    if len(apart):
        rows = rows[~np.isin(source.sender[rows], apart)]
    if not len(rows):
        return np.zeros(len(draws.EVEN))
    x, buckets = case.exposures, case.points.buckets
    cell = source.address[rows].astype(np.int64) * buckets + source.bucket[rows]
    when = np.unique(source.bucket[rows]).astype(np.int64)
    np.add.at(case.scratch, cell, source.messages[rows].astype(np.float64))
    even = draws.evenly(case.scratch, x, buckets, when)
    epoch, group = draws.epoch_buckets(x), unit[0] != "sender"
    product = draws.per_group if group else draws.per_unit
    seen = draws.sight(case.points, x, when)
    lags = (case.points.soon(), case.points, case.points.late())
    besides = [draws.foreseen(one, case.scratch, even, x, epoch, group=group) for one in lags]
    case.scratch[cell] = 0.0
    out: list[float] = []
    for points, beside in zip(lags, besides, strict=True):
        for rate in draws.RATES:
            table = draws.stakes(points, rest[:, None] + rate * beside, x, seen)
            bets = draws.bets_by(x, source, table, rows)
            bets = draws.Bets(np.zeros_like(bets.unit), bets.member, bets.drawn, bets.even)
            out.append(float(product(bets, 1, rate)[0]))
    return np.array(out)
