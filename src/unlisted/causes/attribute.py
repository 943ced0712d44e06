"""Who caused the listings of some weeks: the whole question, from columns to a verdict.

`attribute` weighs every sender, campaign and tenant against all listings at once. Guilty is who the
draws alone convict (closed e-BH, at most 5 % wrong among the named); a range of a neighbour's and a list
in error are weighed beside them. Without draws nobody is guilty unless other evidence carries it.

Bounded: one pass over the exposure, and a few hundred units looked at twice. Refuses contradictory
columns and listings with `CausesError`.
"""

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from unlisted.causes import naming
from unlisted.causes.answer import Attribution, Cause, EpisodeCause, Rival
from unlisted.causes.case import Case, Unit
from unlisted.causes.draws import drawn
from unlisted.causes.exposure import (
    CampaignRows,
    CausesError,
    Exposures,
    Ints,
    Listing,
    OtherEvidence,
    check_listings,
)
from unlisted.causes.hazard import Fit
from unlisted.causes.others import convicts, with_other
from unlisted.causes.points import points_of
from unlisted.causes.rivals import address_excess, range_odds
from unlisted.causes.shares import interval
from unlisted.causes.trial import MOST_TRIALS, Odds, odds, spoken_for

Array = npt.NDArray[np.float64]
Table = TypeVar("Table", Exposures, CampaignRows)

_TOLD = 0.2  # an episode counts for a unit from this chance on
_STANDS = 0.0  # log odds from which a unit has a part in the shares
_NO_DRAW = "nothing was drawn: sticky routing or another's machines say nothing about a sender"


def attribute(
    exposures: Exposures,
    listings: Sequence[Listing],
    campaigns: CampaignRows | None = None,
    tenants: npt.NDArray[np.integer] | None = None,
    other: OtherEvidence | None = None,
    *,
    known: Collection[int] = (),
    most: int = 200,
) -> Attribution:
    """The answer for these listings; `most` causes are told, and all who are named. `known` senders
    are convicted already: they explain listings, and make it no easier to name another."""
    listings = sorted(listings, key=lambda one: (one.opened, one.address, one.episode_id))
    check_listings(listings, exposures.addresses)
    if not listings or not len(exposures.sender):
        what = "no episode is known" if not listings else "no mail is known"
        return Attribution("not enough evidence", what, (), (), 1.0, None, 1.0)
    case, errors = _case(exposures, listings, campaigns, tenants)
    known = _exposed(case, known)
    tried = odds(case, _also(case, other), known)
    log_prior, log_odds = tried.log_prior, tried.log_prior + tried.log_e
    if other is not None:
        log_prior, log_odds = with_other(tried, other)
    with np.errstate(invalid="ignore"):
        evidence = np.where(np.isfinite(log_odds), log_odds - log_prior, -np.inf)
    before = np.array([u[0] == "sender" and u[1] in known for u in tried.units], dtype=bool)
    guilty, bound = naming.named(log_prior, np.where(before, -np.inf, evidence))
    guilty &= evidence >= naming.LEAST_LOG_E
    guilty |= before
    has_part = guilty | (log_odds >= _STANDS)
    stands = [u for u, has in zip(tried.units, has_part, strict=True) if has]
    named = [u for u, g in zip(tried.units, guilty, strict=True) if g and u[0] == "campaign"]
    within = spoken_for(case, named, stands)
    solid = [u for u in stands if u not in within]
    fitted = case.fitted([case.column(u) for u in solid])
    causes = _causes(case, tried, log_odds, guilty, before, solid, fitted, within, listings, other)
    causes = causes[: max(most, int(guilty.sum()))]
    standing = {(c.kind, c.unit): c.standing for c in causes}
    episodes = _episodes(case, solid, fitted, standing, listings, errors)
    opening = fitted.part[case.points.opening]
    any_draw = _any_draw(case.exposures)
    nobody = math.exp(min(-tried.tenth, 700.0)) if any_draw else 1.0
    best = float(log_odds.max(initial=-math.inf))
    size = int(np.bincount(case.exposures.pool_of).max())
    needed = naming.episodes_needed(best, bound, size) if any_draw else None
    verdict, reason = _verdict(causes, episodes, nobody, any_draw)
    return Attribution(
        verdict,
        reason,
        tuple(causes),
        tuple(episodes),
        max(0.0, 1.0 - float(opening.sum()) / len(listings)),
        needed if verdict != "guilty" and math.isfinite(best) else None,
        nobody,
    )


def _case(
    exposures: Exposures,
    listings: Sequence[Listing],
    campaigns: CampaignRows | None,
    tenants: npt.NDArray[np.integer] | None,
) -> tuple[Case, Array]:
    none = np.zeros(0, dtype=np.int64)
    campaigns = campaigns or CampaignRows(0, none, none, none, none, none)
    tenants = none if tenants is None else tenants
    if len(tenants) not in (0, exposures.senders):
        raise CausesError("tenants: one for each sender")
    for column, bound, what in (
        (campaigns.sender, exposures.senders, "sender"),
        (campaigns.address, exposures.addresses, "address"),
        (campaigns.bucket, exposures.buckets, "bucket"),
    ):
        if len(column) and not 0 <= int(column.min()) <= int(column.max()) < bound:
            raise CausesError(f"campaigns: {what} out of range")
    exposures = _ordered(exposures, ("sender", "bucket", "address"))
    campaigns = _ordered(campaigns, ("campaign", "sender", "bucket", "address"))
    points = points_of(listings, exposures)
    ranges = range_odds(listings, exposures)
    # Only a draw treats all addresses alike; else the one listed often is the culprit's own.
    errors = np.zeros(len(listings))
    if _any_draw(exposures):
        errors = address_excess(listings, exposures) - 1.0
    factor, ranged = (1.0 + errors)[points.listing], ranges[points.listing]
    hours = exposures.addresses * exposures.buckets * exposures.bucket_s / 3600.0
    background = len(points) / hours
    return Case(exposures, campaigns, tenants, points, factor, ranged, background), errors


def _ordered(table: Table, by: tuple[str, ...]) -> Table:
    columns: list[Ints] = [getattr(table, name) for name in by]
    ordered = np.ones(max(0, len(columns[0]) - 1), dtype=bool)
    equal = ordered.copy()
    for column in columns:
        ordered &= ~equal | (column[1:] >= column[:-1])
        equal &= column[1:] == column[:-1]
    if ordered.all():
        return table
    order = np.lexsort([table.messages, *columns[::-1]])
    moved: dict[str, Any] = {
        f.name: value[order]
        for f in dataclasses.fields(table)
        if f.name != "pool_of" and isinstance(value := getattr(table, f.name), np.ndarray)
    }
    return dataclasses.replace(table, **moved)


def _any_draw(exposures: Exposures) -> bool:
    if int(np.bincount(exposures.pool_of).max()) < 2:
        return False
    rows = drawn(exposures, exposures.address, exposures.probability)
    return rows is None or bool(rows.any())


def _exposed(case: Case, senders: Collection[int]) -> set[int]:
    """Those of them with mail near a listing's moments by its address."""
    if any(not 0 <= one < case.exposures.senders for one in senders):
        raise CausesError("known: no such sender")
    return {one for one in sorted(senders) if case.mass(("sender", one))[0].sum() > 0}


def _also(case: Case, other: OtherEvidence | None) -> list[int]:
    """Senders of whom something else is known, and that had mail by a listed address in time."""
    if other is None:
        return []
    ratios = other.log_ratio
    if any(not 0 <= i < case.exposures.senders or math.isnan(v) for i, v in ratios.items()):
        raise CausesError("other evidence: no such sender, or no number")
    # Weak evidence changes no verdict; the strongest come first where there is much of it.
    known = sorted((i for i in ratios if ratios[i] >= 1.0), key=lambda i: (-ratios[i], i))
    return [i for i in known[: MOST_TRIALS // 2] if case.mass(("sender", i))[0].sum() > 0]


def _causes(
    case: Case,
    tried: Odds,
    log_odds: Array,
    guilty: npt.NDArray[np.bool_],
    before: npt.NDArray[np.bool_],
    solid: list[Unit],
    fitted: Fit,
    within: dict[Unit, int],
    listings: Sequence[Listing],
    other: OtherEvidence | None,
) -> list[Cause]:
    place_of = {unit: place for place, unit in enumerate(solid)}
    opening = np.flatnonzero(case.points.opening)
    by_range = fitted.range_part[opening]
    taken = by_range / np.maximum(1.0 - by_range, 1e-9)
    out = []
    for place in np.lexsort((np.arange(len(log_odds)), -log_odds)):
        unit = tried.units[place]
        value = float(log_odds[place])
        part = fitted.part[opening, place_of[unit]] if unit in place_of else np.zeros(0)
        whole = part
        if unit[0] == "tenant" and guilty[place] and len(part):
            # Its senders stand for themselves as well: what they brought, it brought.
            theirs = set(case.members(unit).tolist())
            stand = [u[0] == "sender" and u[1] in theirs for u in solid]
            whole = part + fitted.part[opening] @ np.array(stand, dtype=np.float64)
        ranged = float((whole * taken).sum()) if len(part) else 0.0
        share, low, high = interval(whole, len(listings), naming.probability(value), ranged)
        for_it, against = _episodes_of(case, unit, part, opening, listings)
        standing: naming.Standing = "open"
        enough = before[place] or len(for_it) >= naming.LEAST_EPISODES or convicts(unit, other)
        if guilty[place] and enough:
            standing = "guilty"
        elif guilty[place] or value >= math.log(naming.PROBABLE_ODDS):
            standing = "probable"
        told = other.reasons.get(unit[1], ()) if other and unit[0] == "sender" else ()
        reason = (
            f"its draws are {_times(float(tried.log_e[place]))} had it caused listings; "
            f"{len(for_it)} episode{'' if len(for_it) == 1 else 's'} for, {len(against)} against"
        )
        out.append(
            Cause(
                unit[0],
                unit[1],
                standing,
                naming.probability(value),
                value,
                float(tried.log_e[place]),
                share,
                low,
                high,
                for_it,
                against,
                tuple(case.members(unit).tolist()) if unit[0] != "sender" else (),
                within.get(unit),
                (reason, *told),
            )
        )
    return out


def _times(log_e: float) -> str:
    """A ratio in words that are right below one too."""
    ratio = math.exp(min(abs(log_e), 600.0))
    if f"{ratio:.3g}" == "1":
        return "as likely"
    return f"{ratio:.3g} times {'likelier' if log_e > 0 else 'less likely'}"


def _episodes_of(
    case: Case, unit: Unit, part: Array, opening: npt.NDArray[np.int64], listings: Sequence[Listing]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Episodes it likely caused; and those of its pools that came while it was mailing by another
    address only."""
    if not len(part):
        return (), ()
    found = tuple(listings[int(case.points.listing[p])].episode_id for p in opening[part >= _TOLD])
    rows, table = case.rows(unit), case.table(unit)
    pool_of = case.exposures.pool_of
    busy = np.zeros((int(pool_of.max()) + 1, case.points.buckets), dtype=bool)
    busy[pool_of[table.address[rows]], table.bucket[rows]] = True
    pool = pool_of[case.points.address[opening]]
    bucket = case.points.cell[opening] % max(1, case.points.buckets)
    # The last two buckets before the point: where its evidence would most likely have come from.
    was_busy = (busy[pool[:, None], bucket[:, :2]] & (case.points.near[opening][:, :2] > 0)).any(1)
    against = was_busy & (part < _TOLD)
    return found, tuple(listings[int(case.points.listing[p])].episode_id for p in opening[against])


def _episodes(
    case: Case,
    solid: list[Unit],
    fitted: Fit,
    standing: dict[Unit, naming.Standing],
    listings: Sequence[Listing],
    errors: Array,
) -> list[EpisodeCause]:
    out = []
    for point in np.flatnonzero(case.points.opening):
        place = int(case.points.listing[point])
        part, by_range = fitted.part[point], float(fitted.range_part[point])
        ground = max(0.0, 1.0 - float(part.sum()))
        by_error = (ground - by_range) * float(errors[place]) / (1.0 + float(errors[place]))
        culprits = sum(
            (float(p) for p, u in zip(part, solid, strict=True) if standing.get(u) == "guilty"), 0.0
        )
        best = int(part.argmax()) if len(part) else -1
        top = float(part[best]) if best >= 0 else 0.0
        rivals: list[tuple[float, Rival]] = [
            (by_range, "range"),
            (by_error, "list error"),
            (ground - by_range - by_error, "unknown"),
        ]
        most, rival = max(rivals)
        verdict: naming.Verdict = "not enough evidence"
        if top >= 0.5 and standing.get(solid[best], "open") != "open":
            verdict = "guilty" if standing[solid[best]] == "guilty" else "probable"
        elif by_range + by_error >= 0.8:
            verdict = "nobody here"
        out.append(
            EpisodeCause(
                listings[place].episode_id,
                verdict,
                solid[best] if top >= most else None,
                None if top >= most else rival,
                max(top, most),
                by_range,
                by_error,
                ground,
                culprits,
            )
        )
    return out


def _verdict(
    causes: list[Cause], episodes: list[EpisodeCause], nobody: float, any_draw: bool
) -> tuple[naming.Verdict, str]:
    named = [c for c in causes if c.standing == "guilty" and c.within is None]
    probable = [c for c in causes if c.standing == "probable" and c.within is None]
    if named:
        return "guilty", f"{len(named)} named for {len(episodes)} listings"
    if probable:
        return "probable", f"{len(probable)} probable, nobody beyond doubt"
    rival = sum(e.verdict == "nobody here" for e in episodes)
    if rival >= 0.8 * len(episodes):
        return "nobody here", f"{rival} of {len(episodes)} listings need no sender of ours"
    if not any_draw:
        return "not enough evidence", _NO_DRAW
    if len(episodes) >= naming.NOBODY_EPISODES and nobody >= naming.NOBODY_ODDS:
        return "nobody here", "the draws speak against any sender behind a tenth of these listings"
    return "not enough evidence", "no unit's draws reach the odds that naming takes"
