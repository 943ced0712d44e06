"""What the explain station has counted, put before `causes`: exposures, listings, other evidence.

Two answers come of it. The quick one (`causes.rank`) weighs a burst minutes after its first
listing; the whole one (`causes.attribute`) weighs four weeks of draws against all listings at once,
with what else is known of each sender beside them. Bounded: `SENDERS_WEIGHED` senders go before the
quick one, `SENDERS_BESIDE` are looked at for other evidence; who is left out has the least of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from unlisted.causes.beside import beside
from unlisted.causes.rank import Causes, rank
from unlisted.causes.traffic import CampaignTraffic, SenderEvidence
from unlisted.causes.traffic import Episode as Early
from unlisted.loop._ledger import WINDOW_S, Sender
from unlisted.loop.delist import list_term

if TYPE_CHECKING:
    from unlisted.causes.answer import Attribution
    from unlisted.causes.book import Weighable
    from unlisted.causes.exposure import Listing, OtherEvidence
    from unlisted.loop._fixpoint import States
    from unlisted.loop.sense import Episode

SENDERS_WEIGHED = 3000
SENDERS_BESIDE = 5000
LISTINGS_WEIGHED = 2000
NEW_ENOUGH, BAD_ENOUGH = 8, 2
# A crowd counts for so many strangers at most: volume is no evidence.
PRIOR_NEW = 50
OPENING_S = (
    3600.0  # an address nobody looked at was listed within this time before the first refusal
)
WEEKS_S = 28 * 86400.0
LETTERS = 5  # of one campaign, to be weighed apart


class Found(NamedTuple):
    """The whole answer and the names behind its numbers."""

    answer: Attribution
    senders: tuple[str, ...]
    campaigns: tuple[str, ...]
    ended: frozenset[int]  # of the senders: as they were until they were held


# ---------------------------------------------------------------- the quick answer


def quick(states: States, at: float) -> tuple[Causes | None, dict[str, SenderEvidence]]:
    """The early answer for the listings of the last two days; None: there are none."""
    state = states.explain
    pool_of = states.deliver.pool_of
    listings = [
        early(states, one)
        for one in states.sense.episodes.values()
        if one.parent is None and at - one.opened_at <= WINDOW_S and one.address in pool_of
    ]
    if not listings:
        return None, {}
    # Who had nothing by a listed address cannot have caused a listing and weighs nothing in it.
    addresses = {one.address for one in listings}
    found = [
        name
        for name in sorted(state.senders)
        if any(one.address in addresses for one in state.senders[name].all.left)
    ]
    if len(found) > SENDERS_WEIGHED:
        found.sort(key=lambda name: (-_telling(state.senders[name], at), name))
        found = sorted(found[:SENDERS_WEIGHED])
    evidence = {name: one for name in found if (one := _evidence(states, name, at)) is not None}
    return rank(listings, list(evidence.values()), memory=state.memory), evidence


def early(states: States, one: Episode) -> Early:
    """An episode as the quick answer wants it. It no longer holds when the list let go, or else
    when it was closed."""
    return Early(
        episode_id=one.id,
        address=one.address,
        opened_at=one.opened_at,
        ended_at=one.closed_at if one.delisted_at is None else one.delisted_at,
        pool=states.deliver.pool_of[one.address].addresses,
    )


def _telling(sender: Sender, at: float) -> int:
    """How much there is to say of a sender: what its recipients answered, then strangers."""
    sums = sender.all.total(at)
    return 100 * (sums[4] + sums[5]) + min(sums[2], 99)


def _evidence(states: States, name: str, at: float) -> SenderEvidence | None:
    sender, hold = states.explain.senders[name], states.contain.hold_of(name)
    total = sender.all.traffic(at)
    if not total.messages and not total.exposures:
        return None
    campaigns = [
        CampaignTraffic(campaign, ledger.traffic(at))
        for campaign, ledger in sorted(sender.campaigns.items())
        if ledger.lively(at, LETTERS) and ledger.total(at)[0] >= LETTERS
    ]
    campaigns.sort(key=lambda one: (-one.traffic.messages, one.campaign_id))
    found = SenderEvidence(
        sender=name,
        tenant=sender.tenant,
        profile=sender.profile,
        total=total,
        to_strangers=sender.strangers.traffic(at),
        campaigns=tuple(campaigns[:24]),
        silent_from=hold.left if hold is not None else None,
    )
    # The same as last time is told as the same, so that it need not be weighed again.
    before = sender.weighed
    if before is None or not _same(before, found):
        sender.weighed = before = found
    return before


def _same(one: SenderEvidence, other: SenderEvidence) -> bool:
    return (
        one.total is other.total
        and one.to_strangers is other.to_strangers
        and one.profile is other.profile
        and one.silent_from == other.silent_from
        and len(one.campaigns) == len(other.campaigns)
        and all(
            a.campaign_id == b.campaign_id and a.traffic is b.traffic
            for a, b in zip(one.campaigns, other.campaigns, strict=True)
        )
    )


# ---------------------------------------------------------------- the whole answer


def whole(states: States, at: float) -> Found | None:
    """Four weeks of draws against all listings; None: no listing, or no mail, to weigh."""
    from unlisted.causes.attribute import attribute

    state = states.explain
    pools = {pool.name: pool.addresses for pool in states.deliver.pools}
    episodes = [
        one
        for one in states.sense.episodes.values()
        if one.parent is None
        and at - one.opened_at <= WEEKS_S
        and one.address in states.deliver.pool_of
    ][-LISTINGS_WEIGHED:]
    if not episodes or not len(state.book):
        return None
    epoch_s = max((pool.epoch_s for pool in states.deliver.pools), default=3600.0)
    book = state.book.weighable(_once(pools), epoch_s, rests_listed=bool(pools))
    place = {name: number for number, name in enumerate(book.addresses)}
    listings = [
        _listing(states, one, place[one.address]) for one in episodes if one.address in place
    ]
    if not listings:
        return None
    answer = attribute(
        book.exposures,
        listings,
        book.campaigns,
        book.tenants,
        _others(states, book, at),
        # What a hold ended is convicted, unless a person said that it was none.
        known=[one for one in book.ended if book.senders[one] not in states.contain.released],
        most=50,
    )
    return Found(answer, book.senders, book.campaign_names, book.ended)


def _once(pools: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Each address in the first pool that has it: one for notices without a sender shares them."""
    seen: set[str] = set()
    out = {}
    for name, addresses in pools.items():
        out[name] = tuple(one for one in addresses if one not in seen)
        seen.update(addresses)
    return {name: addresses for name, addresses in out.items() if addresses}


def _listing(states: States, one: Episode, address: int) -> Listing:
    """The listing, with what the replies and the list's own answers tell of its ends."""
    from unlisted.causes.exposure import Listing

    begin = min(one.since, one.opened_at)
    clean = states.explain.clean_at.get((one.address, one.zone or f"@{one.receiver}"), -math.inf)
    low = clean if begin - OPENING_S < clean <= begin else begin - OPENING_S
    released = states.explain.released.get(one.id)
    return Listing(
        episode_id=one.id,
        list_name=one.zone or f"@{one.receiver}",
        address=address,
        opened=(low, begin),
        released=released if released is not None and released[0] >= begin else None,
        term_s=list_term(states, one.zone).term_s if one.zone is not None else None,
    )


def _others(states: States, book: Weighable, at: float) -> OtherEvidence:
    """What speaks against senders beside the draws, and what mail to strangers each had."""
    from unlisted.causes.exposure import OtherEvidence

    state = states.explain
    other = OtherEvidence()
    number = {n: place for place, n in enumerate(book.senders) if place not in book.ended}
    new = {name: state.senders[name].new(at) for name in sorted(state.senders) if name in number}
    all_new = sum(min(count, PRIOR_NEW) for count in new.values())
    told = [
        name
        for name, count in new.items()
        if count >= NEW_ENOUGH or _bad(state.senders[name]) >= BAD_ENOUGH
    ]
    told.sort(key=lambda name: (-_bad(state.senders[name]), -new[name], name))
    for name in sorted(told[:SENDERS_BESIDE]):
        found = beside(state.senders[name].week(at), state.people)
        place = number[name]
        other.log_ratio[place] = found.log_ratio
        other.kinds[place] = found.kinds
        other.reasons[place] = found.reasons
        other.log_prior[place] = math.log(max(1, min(new[name], PRIOR_NEW)) / max(1, all_new))
    return other


def _bad(sender: Sender) -> int:
    return sum(day.unknown + day.complaints + day.content for day in sender.days.values())
