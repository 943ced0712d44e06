"""Who caused the listings: shares with intervals, and a verdict that may be "nobody here".

Each sender is weighed as a whole, by its mail to strangers, and by each of its campaigns; the
heaviest unit speaks for it, at the price of having chosen. Named "guilty" is only who

1. had mail by the listed address before a listing,
2. reaches `GUILTY` in all (more, if it had but a sliver of the mail at risk), and
3. is spoken against by two independent kinds, one of them the recipients' answers (unknown users,
   complaints), or else the draws of at least three listings.

Volume never suffices, nor does one listing's draw. Refuses to name anyone when no episode is given.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from unlisted.causes.evidence import (
    ANSWER_KINDS,
    Contribution,
    UnitEvidence,
    weigh,
    with_rests,
)
from unlisted.causes.lottery import Event, events_of
from unlisted.causes.nobody import Suspect
from unlisted.causes.traffic import Episode, SenderEvidence

Verdict = Literal["guilty", "probable", "not enough evidence", "nobody here"]
Standing = Literal["guilty", "probable", "open", "cleared"]

GUILTY = 7.5
PROBABLE = 5.0
# The answers' own weight without which nobody is named, and the draws' that may stand for it.
_ANSWERS, _DRAWS, _DRAWS_EVENTS = math.log(10.0), math.log(1000.0), 3
_SECOND = math.log(3.0)
_MIN_CAMPAIGN = 5
# Fewer unknown users and complaints than this are an accident at any rate.
_BAD = 3
_CLEARED = -math.log(20.0)
_NOBODY = 0.65
# Pieces of evidence one of a culprit's messages brings a list, for the shares.
_RATE = 0.03
_UNKNOWN_SOURCE = 0.1
_Z90 = 1.645
_LUCK = 0.05
# Less of the mail at risk than this needs more than `GUILTY`.
_PART = 0.005
_ROUNDS = 4
_AGAIN = math.log(2.0)


class Share(msgspec.Struct, frozen=True):
    """A sender's expected share of the listings, with a 90 % interval and what it rests on.

    `unit` is what spoke: "sender", "strangers" or a campaign's id; `campaigns` are the ones an act
    should reach, beside the mail to strangers.
    """

    sender: str
    tenant: str
    standing: Standing
    share: float
    low: float
    high: float
    probability: float
    evidence: float
    unit: str
    campaigns: tuple[str, ...]
    reasons: tuple[str, ...]
    contributions: tuple[Contribution, ...]


class Causes(msgspec.Struct, frozen=True):
    """The answer. `named` are the guilty; `others_share` is what no listed share explains."""

    verdict: Verdict
    named: tuple[str, ...]
    probable: tuple[str, ...]
    shares: tuple[Share, ...]
    others_share: float
    others_low: float
    others_high: float
    events: int
    # Further listings under rotation after which the likeliest could be named; None: not by draws.
    listings_needed: int | None
    reason: str
    # Everybody weighed, for the question about one listing (`nobody.py`).
    suspects: tuple[Suspect, ...] = ()


class _Weighed(msgspec.Struct):
    evidence: SenderEvidence
    best: UnitEvidence
    units: list[UnitEvidence]
    total: float
    at_risk: float
    exposed: bool
    standing: Standing = "open"


class Memory:
    """Who was weighed last, and how: of most senders nothing is new a few minutes later."""

    def __init__(self) -> None:
        self.events: tuple[Event, ...] = ()
        self.known: dict[str, tuple[SenderEvidence, tuple[UnitEvidence, ...], float]] = {}

    def weigh(self, senders: Sequence[SenderEvidence], events: tuple[Event, ...]) -> list[_Weighed]:
        """All of them, those anew that are not the very values of last time."""
        before = self.known if events == self.events else {}
        self.events, self.known, out = events, {}, []
        for one in senders:
            known = before.get(one.sender)
            if known is None or known[0] is not one:
                found = _weigh_sender(one, events)
                known = (one, tuple(found.units), found.at_risk)
            else:
                found = _chosen(one, list(known[1]), known[2])
            self.known[one.sender] = known
            out.append(found)
        return out


def _weigh_sender(sender: SenderEvidence, events: tuple[Event, ...]) -> _Weighed:
    usual = sender.profile
    units = [weigh("sender", sender.total, usual, events)]
    if sender.to_strangers is not None and sender.to_strangers.messages:
        units.append(weigh("strangers", sender.to_strangers, usual, events, whole=sender.total))
    for part in sorted(sender.campaigns, key=lambda c: c.campaign_id):
        # A few messages are no campaign, and choosing among many costs more than it brings.
        if part.traffic.messages >= _MIN_CAMPAIGN:
            units.append(weigh(part.campaign_id, part.traffic, usual, events, near_duplicates=True))
    heaviest = units[1] if len(units) > 1 and units[1].unit == "strangers" else units[0]
    at_risk = sum(
        lot.by_address + 0.1 * whole.by_address
        for lot, whole in zip(heaviest.lots, units[0].lots, strict=True)
    )
    return _chosen(sender, units, at_risk)


def _chosen(sender: SenderEvidence, units: list[UnitEvidence], at_risk: float) -> _Weighed:
    """The heaviest unit speaks, at the price of having been chosen."""
    best = max(units, key=lambda unit: (unit.total, unit.unit))
    exposed = any(lot.by_address > 0 for lot in best.lots)
    return _Weighed(sender, best, units, best.total - math.log(len(units)), at_risk, exposed)


def _standing(weighed: _Weighed, at_risk: float) -> Standing:
    """`at_risk` is the mail at risk of all whom nothing explains yet: a small part of it needs more
    evidence, as there are more such."""
    best = weighed.best
    answers = max(0.0, best.of("unknown_users")) + max(0.0, best.of("complaints"))
    draws = best.of("lottery")
    hits = sum(1 for lot in best.lots if lot.by_address > lot.expected)
    if weighed.exposed and weighed.total >= PROBABLE:
        others = max(0.0, draws) + max(0.0, best.of("habit")) + best.of("campaign")
        by_answers = best.of(*ANSWER_KINDS) >= _ANSWERS and best.bad >= _BAD and others >= _SECOND
        by_draws = (
            draws >= _DRAWS
            and hits >= _DRAWS_EVENTS
            and answers + max(0.0, best.of("habit")) >= _SECOND
        )
        part = max(weighed.at_risk / at_risk, 1e-9) if at_risk > 0 else 1.0
        enough = weighed.total >= GUILTY + max(0.0, math.log(_PART / part))
        if enough and (by_answers or by_draws):
            return "guilty"
        if by_answers or by_draws or weighed.total >= GUILTY:
            return "probable"
    # Without mail by a listed address it did not cause these listings; what else it does may differ.
    if weighed.total <= (_CLEARED if weighed.exposed else _SECOND):
        return "cleared"
    return "open"


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(x, -50.0), 50.0)))


def _pieces(weighed: _Weighed, place: int) -> float:
    lot = weighed.best.lots[place]
    return _RATE * lot.by_address


def _share_interval(share: float, low: float, high: float, pieces: int) -> tuple[float, float]:
    """Wilson's, over the pieces of evidence a list had, widened by the doubt about the sender. It
    reaches 0 or 1 where none or all of the pieces could have been the sender's by luck."""

    def wilson(p: float, sign: float) -> float:
        z2 = _Z90 * _Z90 / pieces
        middle = p + z2 / 2
        spread = math.sqrt(z2 * (p * (1 - p) + z2 / 4))
        return (middle + sign * spread) / (1 + z2)

    least = 0.0 if (1 - low) ** pieces >= _LUCK else max(0.0, min(share, wilson(low, -1.0)))
    most = 1.0 if high**pieces >= _LUCK else min(1.0, max(share, wilson(high, 1.0)))
    return least, most


def rank(
    episodes: Sequence[Episode],
    candidates: Sequence[SenderEvidence],
    *,
    most: int = 20,
    memory: Memory | None = None,
) -> Causes:
    """Weigh all candidates against all episodes so far; at most `most` shares are told, and
    those of all who are guilty or probable. `memory`: of the last time, to be faster."""
    events = events_of(episodes)
    if not events:
        return Causes(
            "not enough evidence", (), (), (), 1.0, 0.0, 1.0, 0, None, "no episode is known"
        )
    senders = sorted(candidates, key=lambda c: c.sender)
    weighed = (memory or Memory()).weigh(senders, events)
    everybody = sum(one.at_risk for one in weighed)
    for one in weighed:
        one.standing = _standing(one, everybody)
    # What the guilty explain speaks neither for nor against the others: their draws are weighed
    # again with it, until nobody new is named. Looking twice has its price.
    guilty: list[_Weighed] = []
    for _ in range(_ROUNDS):
        found = [one for one in weighed if one.standing == "guilty"]
        if len(found) == len(guilty):
            break
        guilty = found
        rests = {p: sum(_pieces(one, p) for one in guilty) for p in range(len(events))}
        unexplained = everybody - sum(one.at_risk for one in guilty)
        for place, one in enumerate(weighed):
            if one.exposed and one.standing != "guilty":
                units = [with_rests(unit, events, rests) for unit in one.units]
                again = _chosen(one.evidence, units, one.at_risk)
                again.total -= _AGAIN
                again.standing = _standing(again, unexplained)
                weighed[place] = again

    at_risk = sum(one.at_risk for one in weighed)

    def prior(one: _Weighed) -> float:
        return one.at_risk / at_risk if at_risk > 0 else 0.0

    # One source here or none, even odds; a source's place goes by the mail that was at risk.
    somebody = sum(prior(one) * math.exp(min(one.total, 40.0)) for one in weighed)
    nobody = 1.0 / (1.0 + somebody)

    def shares_at(shift: float) -> dict[str, float]:
        out = {one.evidence.sender: 0.0 for one in weighed}
        for place in range(len(events)):
            pull = {}
            for one in weighed:
                pieces = _pieces(one, place)
                if pieces > 0:
                    odds = math.log(max(prior(one), 1e-9)) + one.total
                    certain = one.standing == "guilty"
                    chance = 1.0 if certain else _sigmoid(odds + shift)
                    pull[one.evidence.sender] = chance * pieces
            whole = _UNKNOWN_SOURCE + sum(pull.values())
            for sender in sorted(pull):
                out[sender] += pull[sender] / whole / len(events)
        return out

    middle, timid, bold = shares_at(0.0), shares_at(-2.0), shares_at(2.0)
    pieces = 2 * len(events)
    shares = []
    ranked = sorted(
        weighed, key=lambda o: (-middle[o.evidence.sender], -o.total, o.evidence.sender)
    )
    room = most - sum(1 for one in ranked if one.standing in ("guilty", "probable"))
    for one in ranked:
        # Who is named is told of, however small the share.
        if one.standing not in ("guilty", "probable"):
            room -= 1
            if room < 0:
                continue
        sender = one.evidence.sender
        low, high = _share_interval(
            middle[sender],
            min(timid[sender], middle[sender]),
            max(bold[sender], middle[sender]),
            pieces,
        )
        if one.standing != "guilty" and one.total < PROBABLE:
            low = 0.0
        telling = sorted(one.best.contributions, key=lambda c: (-abs(c.log_ratio), c.kind))
        reached = tuple(
            unit.unit
            for unit in one.units
            if unit.unit not in ("sender", "strangers")
            and (unit.total >= PROBABLE or unit.unit == one.best.unit)
        )
        shares.append(
            Share(
                sender,
                one.evidence.tenant,
                one.standing,
                middle[sender],
                low,
                high,
                _sigmoid(math.log(max(prior(one), 1e-9)) + one.total),
                one.total,
                one.best.unit,
                reached,
                tuple(c.reason for c in telling if abs(c.log_ratio) >= 0.1),
                one.best.contributions,
            )
        )
    others = max(0.0, 1.0 - sum(share.share for share in shares))
    others_low, others_high = _share_interval(others, others, others, pieces)

    named = tuple(o.evidence.sender for o in weighed if o.standing == "guilty")
    probable = tuple(o.evidence.sender for o in weighed if o.standing == "probable")
    heaviest = max((one.total for one in weighed), default=0.0)
    pool = max(len(event.pool) for event in events)
    needed = (
        max(1, math.ceil((GUILTY - heaviest) / math.log(pool)))
        if pool > 1 and not named and heaviest > 0
        else None
    )
    verdict: Verdict
    if named:
        verdict, reason = "guilty", f"{len(named)} named for {len(events)} listings"
    elif probable:
        verdict, reason = "probable", f"{len(probable)} probable, nobody beyond doubt"
    elif weighed and nobody >= _NOBODY:
        verdict = "nobody here"
        reason = "the answers and draws of all who had sent by the listed addresses speak for them"
    else:
        verdict = "not enough evidence"
        reason = f"the likeliest sender's evidence is {heaviest:.1f}, {GUILTY:g} would name it"
    return Causes(
        verdict,
        named,
        probable,
        tuple(shares),
        others,
        others_low,
        others_high,
        len(events),
        needed,
        reason,
        tuple(Suspect(one.evidence, one.total - one.best.of("lottery")) for one in weighed),
    )
