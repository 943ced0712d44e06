"""The quick and the whole answer made one: a verdict per episode, one standing per sender.

Whoever either names is named; the whole answer's shares, episodes and doubts are told where it has
any. Each listing is answered for itself, also where several lists list one address: who is guilty of
one need not be of another that errs. A listing that a named sender more likely brought than not is
its; else it is "nobody here" if a range, an error and the chance that nobody brought it (the whole
answer's, split by the quick one's) make four in five. Without a draw nothing speaks for anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.causes.nobody import Single, single
from unlisted.causes.rank import Causes, Standing
from unlisted.causes.traffic import SenderEvidence
from unlisted.facts import CausesRanked, Share
from unlisted.loop._ledger import WINDOW_S
from unlisted.loop._weighing import Found, early

if TYPE_CHECKING:
    from unlisted.causes.answer import Cause, EpisodeCause
    from unlisted.loop._fixpoint import States
    from unlisted.loop.sense import Episode

LONE = "the address has no neighbour to draw from: only reports or contents can tell"
NO_DRAW = "another MTA chose the address: there was no draw, only reports or contents can tell"
UNTIED = "no listing is tied to it by the draws: what else is known of it names it"
TOLD = 10
SMALL = 0.005
MEMBERS = 500
LIKELY = 0.5  # a listing is the guilty's from this chance on
PART = 0.2  # and one's of them whose mail is this much of theirs
NOBODY = 0.8
HEARD_S = 3600.0  # so long recipients take to answer: before, silence speaks for nobody


class Answer(msgspec.Struct):
    """Standings and shares by sender, and what is said of each episode."""

    standing: dict[str, Standing]
    evidence: dict[str, float]
    shares: dict[str, Share]
    quick: Causes | None
    found: Found | None
    early: dict[str, SenderEvidence]
    of_episode: dict[str, EpisodeCause]
    singles: dict[str, Single]
    for_it: dict[str, set[str]]  # sender -> episodes it likely caused


def answer(
    quick: Causes | None, early: dict[str, SenderEvidence], found: Found | None, states: States
) -> Answer:
    """Both made one. Who was guilty stays so for as long as a hold lasts, unless a person let it go:
    it is held, and what speaks against it grows no more."""
    out = Answer({}, {}, {}, quick, found, early, {}, {}, {})
    for one in quick.shares if quick is not None else ():
        out.standing[one.sender] = one.standing
        out.evidence[one.sender] = one.evidence
        out.shares[one.sender] = Share(
            sender=one.sender,
            tenant=one.tenant,
            share=round(one.share, 4),
            low=round(one.low, 4),
            high=round(one.high, 4),
            reasons=one.reasons,
            campaigns=one.campaigns,
            messages=_messages(states, one.sender),
            standing=one.standing,
            probability=round(one.probability, 4),
            by="answers",
        )
    if found is not None:
        out.of_episode = {one.episode_id: one for one in found.answer.episodes}
        for cause in found.answer.causes:
            for sender in _senders(found, cause):
                if cause.standing == "guilty":
                    out.for_it.setdefault(sender, set()).update(cause.episodes_for)
                # What it did before a hold that is over is told of the listings of that time only.
                if not _over(states, found, cause, sender):
                    _take(out, states, found, cause, sender)
    _convicted(states, out)
    return out


def _convicted(states: States, out: Answer) -> None:
    """Convictions kept and made; they last as long as a hold does."""
    convicted, at = states.explain.convicted, states.explain.weighed_at
    for sender in sorted({*convicted, *out.standing}):
        share, since = convicted.get(sender, (None, at))
        if sender in states.contain.released:
            convicted.pop(sender, None)
            if out.standing.get(sender) in ("guilty", "probable"):
                out.standing[sender] = "open"
        elif share is not None and at - since > states.accept.policy.hold_s:
            del convicted[sender]
        elif share is not None:
            out.standing[sender] = "guilty"
            known = out.shares.setdefault(sender, share)
            out.shares[sender] = msgspec.structs.replace(known, standing="guilty")
        elif out.standing[sender] == "guilty":
            convicted[sender] = (out.shares[sender], at)


def _over(states: States, found: Found, cause: Cause, sender: str) -> bool:
    before = cause.kind == "sender" and cause.unit in found.ended
    return before and sender not in states.explain.convicted


def _senders(found: Found, cause: Cause) -> list[str]:
    """Whom a cause is about: itself, or a campaign's members; a tenant is told, nobody of it held."""
    if cause.kind == "sender":
        return [found.senders[cause.unit]]
    if cause.kind == "campaign" and cause.standing != "open":
        return [found.senders[one] for one in cause.members[:MEMBERS]]
    return []


def _take(out: Answer, states: States, found: Found, cause: Cause, sender: str) -> None:
    """What the draws say of a sender, beside what the quick answer said."""
    before = out.shares.get(sender)
    standing = _heavier(out.standing.get(sender, "open"), cause.standing)
    if cause.standing == "open" and (cause.share < SMALL or before is not None):
        return  # the draws do not single it out
    campaigns = before.campaigns if before is not None else _campaigns(states, sender)
    if cause.kind == "campaign":
        campaigns = (found.campaigns[cause.unit],)
    untied = (UNTIED,) if cause.standing == "guilty" and not cause.episodes_for else ()
    both = cause.standing != "open" and before is not None and before.standing == cause.standing
    out.standing[sender] = standing
    out.shares[sender] = Share(
        sender=sender,
        tenant=states.explain.senders[sender].tenant if sender in states.explain.senders else "",
        share=round(cause.share, 4),
        low=round(cause.low, 4),
        high=round(cause.high, 4),
        reasons=(*(before.reasons if before is not None else ()), *_new(cause, before), *untied),
        campaigns=campaigns,
        messages=_messages(states, sender),
        standing=standing,
        probability=round(cause.probability, 4),
        log_e=round(cause.log_e, 3),
        by="both" if both else "draws" if standing == cause.standing else "answers",
        kind=cause.kind,
        episodes_for=cause.episodes_for[:50],
        episodes_against=cause.episodes_against[:50],
    )


def _new(cause: Cause, before: Share | None) -> tuple[str, ...]:
    """Reasons that were not told yet."""
    told = before.reasons if before is not None else ()
    return tuple(one for one in cause.reasons if one not in told)


def _heavier(one: Standing, other: Standing) -> Standing:
    order: tuple[Standing, ...] = ("guilty", "probable", "open", "cleared")
    return min(one, other, key=order.index)


def _campaigns(states: States, sender: str) -> tuple[str, ...]:
    """The near-duplicates to strangers that an act on a sender should reach."""
    known = states.explain.senders.get(sender)
    if known is None:
        return ()
    mostly = [
        (-ledger.strangers, name)
        for name, ledger in known.campaigns.items()
        if ledger.strangers >= 5
    ]
    return tuple(name for _, name in sorted(mostly)[:24])


def _messages(states: States, sender: str) -> int:
    known = states.explain.senders.get(sender)
    return known.all.total(states.explain.weighed_at)[0] if known is not None else 0


# ---------------------------------------------------------------- told


def verdicts(
    states: States, out: Answer, episodes: list[Episode], n: int
) -> Iterator[CausesRanked]:
    """What is to be said of each of these episodes now."""
    guilty = sorted(name for name, one in out.standing.items() if one == "guilty")
    caused = states.explain.caused
    _singled(states, out, guilty, episodes)
    for one in episodes:
        cause = out.of_episode.get(one.id)
        if cause is not None:
            likely = cause.culprits >= LIKELY
            caused[one.id] = {s for s in out.for_it if likely and one.id in out.for_it[s]}
    best = _best(states, out, guilty, episodes)
    for one in episodes:
        named = _named(states, out, guilty, one, best)
        yield _told(states, out, one, _verdict(states, out, one, named), named, n)


def _singled(states: States, out: Answer, guilty: list[str], episodes: list[Episode]) -> None:
    """Each listing by itself; of what is older than the quick answer's window, the last answer."""
    before = states.explain.singles
    states.explain.singles = out.singles
    for one in episodes:
        if out.quick is None or states.explain.weighed_at - one.opened_at > WINDOW_S:
            found = before.get(one.id)
        else:
            found = single(early(states, one), out.quick.suspects, guilty)
        if found is not None:
            out.singles[one.id] = found


def _best(
    states: States, out: Answer, guilty: list[str], episodes: list[Episode]
) -> dict[str, str]:
    """Of the guilty who are not held yet, the episode that their mail had the largest part in,
    unless a range brought it: what convicts them is more than one listing, and they must be told of
    to be held, though others may have had the larger part in each."""
    free = {name for name in guilty if _can_be_held(states, name)}
    found: dict[str, tuple[float, str]] = {}
    for one in episodes:
        single, cause = out.singles.get(one.id), out.of_episode.get(one.id)
        if single is None or (cause is not None and cause.range_probability >= LIKELY):
            continue
        for name, part in single.parts:
            if name in free:
                found[name] = max(found.get(name, (0.0, "")), (part * single.culprits, one.id))
    return {name: episode for name, (_, episode) in found.items()}


def _can_be_held(states: States, name: str) -> bool:
    return states.explain.submits(name) and states.contain.hold_of(name) is None


def _named(
    states: States, out: Answer, guilty: list[str], one: Episode, best: dict[str, str]
) -> tuple[str, ...]:
    """The guilty whom the draws tie to this one, and those tied to none whose mail likely brought
    it or that had no larger part in another: what else is known convicts them. If there is none,
    whom the quick answer names."""
    caused = states.explain.caused
    tied = set().union(*caused.values())
    sure = set(caused.get(one.id, ()))
    sure |= {name for name, episode in best.items() if episode == one.id and name not in tied}
    near = [name for name in _near(out, one) if name in guilty]
    sure |= {name for name in near if name not in tied}
    early = out.quick.named if out.quick is not None else ()
    return tuple(sorted(sure or [name for name in near if name in early]))


def _near(out: Answer, one: Episode) -> list[str]:
    """Whose mail to strangers by the address likely brought the listing, if not a range did."""
    single, cause = out.singles.get(one.id), out.of_episode.get(one.id)
    here = 1.0 - cause.range_probability if cause is not None else 1.0
    if single is None or single.culprits * here < LIKELY:
        return []
    return [name for name, part in single.parts if part >= PART]


def drawn(states: States, address: str) -> bool:
    """Whether our own routing draws among several addresses there."""
    pool = states.deliver.pool_of.get(address)
    return pool is not None and not pool.watched and len(pool.addresses) > 1


def _verdict(states: States, out: Answer, one: Episode, named: tuple[str, ...]) -> str:
    if named:
        return "guilty"
    by_draw, cause = drawn(states, one.address), out.of_episode.get(one.id)
    whole = out.found.answer.verdict if out.found is not None else "not enough evidence"
    if by_draw and (_nobody(states, out, one) >= NOBODY or whole == "nobody here"):
        return "nobody here"
    quick = out.quick.verdict if out.quick is not None else "not enough evidence"
    if quick == "probable" or (cause is not None and cause.verdict == "probable"):
        return "probable"
    return "not enough evidence"


def _nobody(states: States, out: Answer, one: Episode) -> float:
    """How likely it is that nobody here brought this listing: a range, an error, or, of what no
    unit in doubt explains, what is not a sender's whom nothing points at yet."""
    cause = out.of_episode.get(one.id)
    rival = cause.range_probability + cause.error_probability if cause is not None else 0.0
    if one.id not in out.singles or states.explain.weighed_at - one.opened_at < HEARD_S:
        return rival
    unknown = max(0.0, cause.ground - rival) if cause is not None else 1.0
    return rival + unknown * out.singles[one.id].nobody


def _told(
    states: States,
    out: Answer,
    episode: Episode,
    verdict: str,
    named: tuple[str, ...],
    n: int,
) -> CausesRanked:
    watched, by_draw = states.deliver.only_watched(episode.address), drawn(states, episode.address)
    one = out.of_episode.get(episode.id)
    whole = out.found.answer if out.found is not None else None
    ranked = sorted(out.shares.values(), key=lambda s: (s.sender not in named, -s.share, s.sender))
    kept = [s for s in ranked if s.share >= SMALL or s.sender in named]
    shares = tuple(
        msgspec.structs.replace(s, guilty=s.sender in named) for s in kept[: max(TOLD, len(named))]
    )
    return CausesRanked(
        at=states.explain.weighed_at,
        episode=episode.id,
        verdict=verdict,
        named=named,
        shares=shares,
        window_s=WINDOW_S,
        need="" if named else NO_DRAW if watched else _need(out) if by_draw else LONE,
        because=(n,),
        drawn=by_draw,
        rival=(one.rival or "") if one is not None and not named else "",
        range_probability=round(one.range_probability, 4) if one is not None else None,
        error_probability=round(one.error_probability, 4) if one is not None else None,
        nobody_odds=min(1e9, round(whole.nobody_odds, 3)) if whole is not None else None,
        others_share=round(whole.others_share, 4) if whole is not None else None,
        weighed=len(whole.episodes) if whole is not None else 0,
        episodes_needed=_needed(out),
        reason=whole.reason if whole is not None else "",
    )


def _needed(out: Answer) -> int | None:
    if out.found is not None and out.found.answer.episodes_needed is not None:
        return out.found.answer.episodes_needed
    return out.quick.listings_needed if out.quick is not None else None


def _need(out: Answer) -> str:
    words = out.quick.reason if out.quick is not None else ""
    if out.quick is None and out.found is not None:
        words = out.found.answer.reason
    needed = _needed(out)
    return words if needed is None else f"{words}; or about {needed} more listings under rotation"
