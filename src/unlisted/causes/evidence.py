"""What speaks for and against one sender, as log-likelihood ratios with reasons in words.

Five kinds, each bounded so that none condemns by its size alone:
- `lottery`: its draws against the listed addresses (`lottery.py`);
- `unknown_users`: "no such user" answers, a bought or harvested list's 4-30 % against the
  best-fitting honest rate up to 3 %, one honest list in 100 being stale up to 6 %;
- `complaints`: 0.5-5 % against an honest rate up to 0.2 %; their absence says little, for many
  receivers send none and people take hours;
- `habit`: strangers and their number against the sender's own history, JOINTLY capped at ln 100
  (one honest sender in 100 writes to a crowd of strangers for once), ln 2 with a bulk
  habit (ln 10 if it takes on far more new recipients than ever);
- `campaign`: near-duplicates to strangers, at most ln 2.

Refuses volume as such: a newsletter larger than any hijack is not evidence.
"""

import math
from typing import Literal

import msgspec

from unlisted.causes.lottery import Event, Lot, log_e, lot_of
from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import Traffic

Kind = Literal["lottery", "unknown_users", "complaints", "habit", "campaign"]

ANSWER_KINDS: tuple[Kind, ...] = ("unknown_users", "complaints")

# Even in the logarithm and from 4 %: what is seen of a 5 % list is often less.
_HIJACK_UNKNOWN = tuple(0.04 * 7.5 ** ((i + 0.5) / 14) for i in range(14))
_HONEST_UNKNOWN, _STALE_UNKNOWN, _STALE_PART = 0.03, 0.06, 0.01
_HIJACK_COMPLAINTS = tuple(0.005 * 10 ** ((i + 0.5) / 8) for i in range(8))
_HONEST_COMPLAINTS, _RESENTED_COMPLAINTS, _RESENTED_PART = 0.002, 0.006, 0.02
_NO_COMPLAINTS_FLOOR = 0.4
_BURST_PART, _BURST_PART_BULK, _BURST_PART_NEW_LIST, _BURST_PART_NEW_ACCOUNT = 0.01, 0.5, 0.1, 0.2
_YOUNG_DAYS = 7


class Contribution(msgspec.Struct, frozen=True):
    """One kind of evidence: positive speaks against the sender."""

    kind: Kind
    log_ratio: float
    reason: str


class UnitEvidence(msgspec.Struct, frozen=True):
    """A sender, its mail to strangers, or one of its campaigns, weighed."""

    unit: str
    contributions: tuple[Contribution, ...]
    total: float
    lots: tuple[Lot, ...]
    # Unknown users and complaints, counted.
    bad: int

    def of(self, *kinds: Kind) -> float:
        """The sum of some kinds."""
        return sum(c.log_ratio for c in self.contributions if c.kind in kinds)


def _log_binomial(k: int, n: int, p: float) -> float:
    """Without the coefficient, which cancels in every ratio."""
    return (k * math.log(p) if k else 0.0) + (n - k) * math.log1p(-p)


def _log_mean(values: list[float]) -> float:
    most = max(values)
    return most + math.log(sum(math.exp(v - most) for v in values) / len(values))


def _log_mix(part: float, rare: float, common: float) -> float:
    """ln((1 - part) e^common + part e^rare)"""
    most = max(rare, common)
    return most + math.log((1 - part) * math.exp(common - most) + part * math.exp(rare - most))


def _best(k: int, n: int, bound: float) -> float:
    """The best-fitting honest rate up to a bound, drawn towards one dead address in 200."""
    return min(bound, max(1e-4, (k + 0.5) / (n + 100.0), k / n))


def unknown_users(traffic: Traffic) -> Contribution:
    """The answers "no such user" against both kinds of list."""
    k, n = traffic.unknown_users, max(traffic.answered, traffic.unknown_users)
    if n == 0:
        return Contribution("unknown_users", 0.0, "no recipient's receiver has answered yet")
    hijack = _log_mean([_log_binomial(k, n, p) for p in _HIJACK_UNKNOWN])
    honest = _log_mix(
        _STALE_PART,
        _log_binomial(k, n, _best(k, n, _STALE_UNKNOWN)),
        _log_binomial(k, n, _best(k, n, _HONEST_UNKNOWN)),
    )
    return Contribution(
        "unknown_users",
        hijack - honest,
        f"{k} of {n} answered recipients do not exist ({k / n:.1%})",
    )


def complaints(traffic: Traffic) -> Contribution:
    """Feedback reports against what an honest list draws."""
    accepted = max(0, traffic.answered - traffic.unknown_users)
    k, n = traffic.complaints, max(accepted, traffic.complaints)
    if n == 0:
        return Contribution(
            "complaints", 0.0, "nothing was accepted yet that could be complained of"
        )
    reported = _log_mean([_log_binomial(k, n, p) for p in _HIJACK_COMPLAINTS])
    honest = _log_mix(
        _RESENTED_PART,
        _log_binomial(k, n, min(_RESENTED_COMPLAINTS, max(1e-5, k / n))),
        _log_binomial(k, n, min(_HONEST_COMPLAINTS, max(1e-5, k / n))),
    )
    ratio = reported - honest
    if k == 0:
        # Reports may be slow, or the receivers send none at all.
        ratio = math.log(_NO_COMPLAINTS_FLOOR + (1 - _NO_COMPLAINTS_FLOOR) * math.exp(ratio))
    return Contribution("complaints", ratio, f"{k} complaints on {n} accepted recipients")


def habit(traffic: Traffic, usual: SenderProfile) -> Contribution:
    """Strangers, their share and their number a day, against the sender's own history."""
    if traffic.recipients == 0:
        return Contribution("habit", 0.0, "no mail in the window")
    days = max(1.0, (traffic.last_at - traffic.first_at) / 86400.0)
    strangers, others = traffic.strangers, max(0, traffic.recipients - traffic.strangers)
    per_day = strangers / days
    # The history counts as 40 recipients at most: people change.
    scale = min(1.0, 40.0 / (usual.recipients + 1.0))
    a = 1.5 + usual.new_recipients * scale
    b = 10.5 + max(0, usual.recipients - usual.new_recipients) * scale
    # More than 100 recipients say no more about a share than 100.
    damp = min(1.0, 100.0 / traffic.recipients)
    s, o = strangers * damp, others * damp
    known = usual.usual_max_new_per_day + 4.0
    # A handful of strangers is nobody's burst, whatever their share.
    share = _log_beta_ratio(a, b, s, o) - _log_beta_ratio(19.6, 0.4, s, o)
    share *= min(1.0, per_day / known)
    # The number: a hijack's is about any, a person's tail beyond the known maximum falls steeply.
    number = 2.0 * math.log(known / per_day) if per_day > known else 0.0
    usual_enough = min(50.0, share + number)
    # A habit of writing to many known recipients covers a new list less well than new recipients.
    part = (
        _BURST_PART_BULK
        if usual.bulk_habit and per_day <= 2 * known
        else _BURST_PART_NEW_LIST
        if usual.bulk_habit
        else _BURST_PART_NEW_ACCOUNT
        if usual.days < _YOUNG_DAYS
        else _BURST_PART
    )
    ratio = max(-math.log(3.0), -math.log(part + (1 - part) * math.exp(usual_enough)))
    words = (
        f"{strangers} of {traffic.recipients} recipients new to it, {per_day:.0f} a day; "
        f"before, {usual.usual_new_share:.0%} and at most {usual.usual_max_new_per_day} a day"
    )
    if usual.bulk_habit:
        words += "; it often writes to many"
    return Contribution("habit", ratio, words)


def _log_beta_ratio(a: float, b: float, s: float, o: float) -> float:
    """ln of the Beta-Binomial marginal of s and o, without the coefficient."""
    return (
        math.lgamma(a + s)
        + math.lgamma(b + o)
        - math.lgamma(a + b + s + o)
        - math.lgamma(a)
        - math.lgamma(b)
        + math.lgamma(a + b)
    )


def campaign(traffic: Traffic, usual: SenderProfile) -> Contribution:
    """Near-duplicates to strangers: what hijacks do, and first-time letters too."""
    alike = (
        traffic.messages >= 10
        and traffic.strangers >= 0.8 * traffic.recipients
        and not usual.bulk_habit
    )
    return Contribution(
        "campaign",
        math.log(2.0) if alike else 0.0,
        f"{traffic.messages} near-duplicate messages, {traffic.strangers} to strangers",
    )


def lottery(
    lots: tuple[Lot, ...], events: tuple[Event, ...], rests: dict[int, float]
) -> Contribution:
    """The draws against the listings so far."""
    hit = sum(1 for lot in lots if lot.by_address > 0)
    words = f"it had sent by the listed address before {hit} of {len(events)} listings"
    expected = sum(min(1.0, lot.expected / lot.by_address) for lot in lots if lot.by_address > 0)
    if hit:
        words += f"; the draw would put {expected / hit:.0%} of that mail there by chance"
    return Contribution("lottery", log_e(lots, rests), words)


def weigh(
    unit: str,
    traffic: Traffic,
    usual: SenderProfile,
    events: tuple[Event, ...],
    *,
    near_duplicates: bool = False,
    whole: Traffic | None = None,
) -> UnitEvidence:
    """All kinds for one unit. `whole` is the mail whose habit counts, if not the unit's own: mail
    chosen for being to strangers must not be blamed for having strangers only."""
    lots = tuple(lot_of(traffic, event) for event in events)
    parts = [
        lottery(lots, events, {}),
        unknown_users(traffic),
        complaints(traffic),
        habit(whole or traffic, usual),
    ]
    if near_duplicates:
        parts.append(campaign(traffic, usual))
    bad = traffic.unknown_users + traffic.complaints
    return UnitEvidence(unit, tuple(parts), sum(p.log_ratio for p in parts), lots, bad)


def with_rests(
    found: UnitEvidence, events: tuple[Event, ...], rests: dict[int, float]
) -> UnitEvidence:
    """The same with its draws weighed again, now that others explain a part of the events."""
    parts = (lottery(found.lots, events, rests), *found.contributions[1:])
    return msgspec.structs.replace(
        found, contributions=parts, total=sum(p.log_ratio for p in parts)
    )
