"""4. Who caused it: shares, doubt, or nobody here.

Keeps, per sender and per near-duplicate campaign, what left by which address in which hour, and
how it was answered (unknown users, complaints). While a list's episode is open the evidence is
weighed again whenever some has come in; `causes.rank` decides, this station only counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.causes.lottery import events_of, lot_of
from unlisted.causes.profile import SenderProfile, profile
from unlisted.causes.rank import Causes, rank
from unlisted.causes.traffic import CampaignTraffic, Exposure, SenderEvidence, Traffic
from unlisted.causes.traffic import Episode as Listing
from unlisted.commands import SetTimer, Wake
from unlisted.facts import (
    Carried,
    CausesRanked,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    Failed,
    FeedbackReceived,
    Reception,
    Row,
    SenderHistory,
    Share,
    TimerFired,
)
from unlisted.filter.verdict import MessageFacts, Standing, answered_well, judge

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

WINDOW_S = 48 * 3600.0
BUCKET_S = 900.0  # exposures: short against the hourly draw
KEPT_BUCKETS = int(WINDOW_S / BUCKET_S)
MESSAGES_KEPT = 200_000
CAMPAIGNS_PER_SENDER = 200
COMPLAINTS = ("abuse", "fraud", "virus", "other")  # RFC 5965 section 7.3; not RFC 6591's kinds
NO_DRAW = "another MTA chose the address: there was no draw, only reports or contents can tell"
DOUBT = 5.0  # evidence (log ratio) from which on a sender's mail to strangers is only sampled


class Ledger:
    """Counts of one sender, one part of its mail, or one campaign, in buckets of 15 minutes.

    A bucket: messages, recipients, strangers, answered, unknown users, complaints.
    `left`: (bucket, address, drawn with 1/n) to first time, last time, messages, strangers.
    """

    __slots__ = ("buckets", "first_at", "last_at", "left")

    def __init__(self) -> None:
        self.buckets: dict[int, list[int]] = {}
        self.left: dict[tuple[int, str, float], list[float]] = {}
        self.first_at = 0.0
        self.last_at = 0.0

    def add(self, at: float, *counts: int) -> None:
        """Add counts in a bucket's order (the rest are 0)."""
        bucket = int(at // BUCKET_S)
        row = self.buckets.get(bucket)
        if row is None:
            row = self.buckets[bucket] = [0] * 6
            oldest = bucket - KEPT_BUCKETS
            for old in [b for b in self.buckets if b < oldest]:
                del self.buckets[old]
            for key in [k for k in self.left if k[0] < oldest]:
                del self.left[key]
        for place, count in enumerate(counts):
            row[place] += count
        self.first_at = self.first_at or at
        self.last_at = at

    def leave(
        self, at: float, address: str, probability: float, stranger: bool, count: int = 1
    ) -> None:
        """A message left by an address; `probability` of that draw, 1.0: not drawn."""
        key = (int(at // BUCKET_S), address, probability)
        seen = self.left.setdefault(key, [at, at, 0.0, 0.0])
        seen[1] = at
        seen[2] += count
        seen[3] += count * int(stranger)

    def total(self, at: float, window_s: float = WINDOW_S) -> list[int]:
        """The counts of the window that ends now."""
        oldest = int((at - window_s) // BUCKET_S)
        sums = [0] * 6
        for bucket, row in self.buckets.items():
            if bucket >= oldest:
                for place in range(6):
                    sums[place] += row[place]
        return sums

    def traffic(self, at: float) -> Traffic:
        """The window as `causes` wants it."""
        oldest = int((at - WINDOW_S) // BUCKET_S)
        sums = self.total(at)
        first = min((b for b in self.buckets if b >= oldest), default=int(at // BUCKET_S))
        exposures = tuple(
            Exposure(
                address=address,
                first_at=seen[0],
                last_at=seen[1],
                messages=int(seen[2]),
                strangers=int(seen[3]),
                probability=probability,
            )
            for (bucket, address, probability), seen in sorted(self.left.items())
            if bucket >= oldest
        )
        return Traffic(
            messages=sums[0],
            recipients=sums[1],
            strangers=sums[2],
            answered=sums[3],
            unknown_users=sums[4],
            complaints=sums[5],
            first_at=max(self.first_at, first * BUCKET_S),
            last_at=self.last_at,
            exposures=exposures,
        )


class Sender:
    """One sender: its history, its mail, its mail to strangers, its campaigns.

    `ours`: it put mail in with us; else its mail is only known from another MTA's log.
    """

    __slots__ = ("all", "campaigns", "ours", "profile", "strangers", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.ours = False
        self.profile = SenderProfile()
        self.all = Ledger()
        self.strangers = Ledger()
        self.campaigns: dict[str, Ledger] = {}


class State:
    """Senders, campaigns over all senders, and the last answer."""

    def __init__(self) -> None:
        self.senders: dict[str, Sender] = {}
        self.campaigns: dict[str, Ledger] = {}
        self.messages: dict[str, tuple[str, str, bool]] = {}  # sender, campaign, to strangers
        self.causes: Causes | None = None
        self.standing: dict[str, Standing] = {}
        self.told: dict[str, tuple[str, tuple[str, ...]]] = {}  # episode -> verdict, named
        self.fresh = 0  # pieces of evidence since the last ranking
        self.doubted: set[str] = set()  # probable: mail to strangers waits, a sample goes out

    def sender(self, sender: str, tenant: str) -> Sender:
        """The sender's books, opened at first sight."""
        found = self.senders.get(sender)
        if found is None:
            found = self.senders[sender] = Sender(tenant)
        return found

    def submits(self, sender: str) -> bool:
        """Whether its mail passes through our hands, so that a hold would hold anything."""
        found = self.senders.get(sender)
        return found is not None and found.ours

    def clean_days(self, sender: str) -> int:
        """Days without a bad one, as far as the history goes."""
        found = self.senders.get(sender)
        return found.profile.clean_days if found else 0

    def sampled(self, row: Row) -> bool:
        """Whether a row waits because its sender is probable: only samples of its mail to
        strangers leave, until answers say more (DESIGN section 4, probe first)."""
        return row.sender in self.doubted and not row.known and not row.null_sender

    def campaign_clean(self, states: States, campaign: str, at: float) -> bool:
        """Whether a campaign's answers are those of an honest list."""
        ledger = self.campaigns.get(campaign)
        if ledger is None or campaign in states.contain.named_campaigns:
            return False
        sums = ledger.total(at)
        return answered_well(sums[3], sums[4], sums[5])

    def judged(self, states: States, row: Row, at: float) -> tuple[str, str]:
        """clean, unsure or suspect, and the deciding reason: may it leave by another address?"""
        sender = self.senders.get(row.sender)
        usual = sender.profile if sender else SenderProfile()
        today = sender.all.total(at, 86400.0) if sender else [0] * 6
        ledger = self.campaigns.get(row.campaign)
        near = ledger.total(at) if ledger else [1, 1, 0, 0, 0, 0]
        hold = states.contain.hold_of(row.sender)
        standing: Standing = self.standing.get(row.sender, "open")
        if standing == "open" and states.contain.culprits_held(states):
            standing = "cleared"
        verdict = judge(
            MessageFacts(
                recipient_known=row.known,
                sender_clean_days=usual.clean_days,
                clean_days_wanted=states.accept.policy.clean_days,
                sender_standing=standing,
                held_scope="strangers" if hold else "",
                campaign_named=row.campaign in states.contain.named_campaigns,
                bulk_habit=usual.bulk_habit,
                usual_max_recipients_per_day=usual.usual_max_recipients_per_day,
                usual_max_new_per_day=usual.usual_max_new_per_day,
                recipients_today=today[1],
                new_today=today[2],
                campaign_messages=near[0],
                campaign_strangers=near[2],
                campaign_answered=near[3],
                campaign_unknown_users=near[4],
                campaign_complaints=near[5],
            )
        )
        return verdict.state, verdict.reasons[0]


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Count, and rank while an episode wants explaining."""
    state = states.explain
    if isinstance(fact, Reception):
        _received(states, fact)
    elif isinstance(fact, Delivery):
        _answered(states, fact.row, fact.at, unknown=False)
        _left(states, fact.row, fact.address, fact.at)
    elif isinstance(fact, Carried):
        _carried(states, fact)
    elif isinstance(fact, Failed):
        if fact.row.watched and fact.row.sender:
            state.sender(fact.row.sender, fact.row.tenant)
        if fact.reason == "userunknown" and not fact.temporary:
            _answered(states, fact.row, fact.at, unknown=True)
            state.fresh += 1
    elif isinstance(fact, FeedbackReceived):
        _complained(states, fact)
    elif isinstance(fact, SenderHistory):
        state.sender(fact.sender, fact.tenant).profile = profile(fact.days)
    elif isinstance(fact, EpisodeOpened) and fact.parent is None:
        state.fresh += 1
        yield from _ranked(states, fact.at, n)
        yield SetTimer(key="explain", due=fact.at + states.accept.policy.explain_every_s)
    elif isinstance(fact, TimerFired) and fact.key == "explain":
        if states.sense.open_episodes():
            yield SetTimer(key="explain", due=fact.at + states.accept.policy.explain_every_s)
            if state.fresh:
                yield from _ranked(states, fact.at, n)
    elif isinstance(fact, TimerFired) and fact.key == "sample" and state.doubted:
        policy = states.accept.policy
        for sender in sorted(state.doubted):
            yield Wake(
                key=f"sample/{sender}/{n}",
                waits_for=f"sender:{sender}",
                limit=policy.sample,
                why="sample",
            )
        yield SetTimer(key="sample", due=fact.at + policy.sample_every_s)
    elif isinstance(fact, EpisodeClosed):
        state.told.pop(fact.episode, None)
        if not states.sense.open_episodes():
            state.standing = {}
            yield from _doubted(states, fact.at, n)


# ---------------------------------------------------------------- counting


def _parts(states: States, row_sender: str, campaign: str, stranger: bool) -> list[Ledger]:
    state = states.explain
    sender = state.senders.get(row_sender)
    if sender is None:
        return []
    parts = [sender.all]
    if stranger:
        parts.append(sender.strangers)
    for found in (sender.campaigns.get(campaign), state.campaigns.get(campaign)):
        if found is not None:
            parts.append(found)
    return parts


def _received(states: States, fact: Reception) -> None:
    if fact.origin == "ndr":
        return
    state = states.explain
    campaign = states.accept.campaign
    sender = state.sender(fact.sender, fact.tenant)
    sender.ours = True
    known = [states.accept.knows(fact.sender, one.person, fact.at) for one in fact.recipients]
    strangers = known.count(False)
    state.campaigns.setdefault(campaign, Ledger())
    sender.campaigns.setdefault(campaign, Ledger())
    for stale in list(sender.campaigns)[:-CAMPAIGNS_PER_SENDER]:
        del sender.campaigns[stale]
    for ledger in _parts(states, fact.sender, campaign, strangers > 0):
        if ledger is sender.strangers:
            ledger.add(fact.at, 1, strangers, strangers)
        else:
            ledger.add(fact.at, 1, len(known), strangers)
    state.messages[fact.id] = (fact.sender, campaign, strangers > 0)
    if len(state.messages) > MESSAGES_KEPT:
        del state.messages[next(iter(state.messages))]
    if len(state.campaigns) > MESSAGES_KEPT:
        del state.campaigns[next(iter(state.campaigns))]


def _answered(states: States, row: Row, at: float, *, unknown: bool) -> None:
    for ledger in _parts(states, row.sender, row.campaign, not row.known):
        ledger.add(at, 0, 0, 0, 1, int(unknown))


def _left(states: States, row: Row, address: str, at: float) -> None:
    pool = states.deliver.pool_of.get(address)
    drawn = address == row.drawn and pool is not None
    probability = 1.0 / len(pool.addresses) if pool is not None and drawn else 1.0
    for ledger in _parts(states, row.sender, row.campaign, not row.known):
        if ledger is not states.explain.campaigns.get(row.campaign):
            ledger.leave(at, address, probability, not row.known)


def _carried(states: States, fact: Carried) -> None:
    """Watched mail that was taken: a log tells no campaign and not whom its sender knew."""
    for name, count in fact.senders:
        if name:
            ledger = states.explain.sender(name, "").all
            ledger.add(fact.at, count, count, 0, count)
            ledger.leave(fact.at, fact.address, 1.0, False, count)


def _complained(states: States, fact: FeedbackReceived) -> None:
    if fact.feedback_type not in COMPLAINTS or fact.message is None:
        return
    found = states.explain.messages.get(fact.message)
    if found is None:
        return
    sender, campaign, strangers = found
    states.explain.fresh += 1
    for ledger in _parts(states, sender, campaign, strangers):
        ledger.add(fact.at, 0, 0, 0, 0, 0, 1)


# ---------------------------------------------------------------- ranking


def _evidence(states: States, name: str, sender: Sender, at: float) -> SenderEvidence | None:
    total = sender.all.traffic(at)
    if not total.messages and not total.exposures:
        return None
    campaigns = [
        CampaignTraffic(campaign, ledger.traffic(at))
        for campaign, ledger in sorted(sender.campaigns.items())
        if ledger.total(at)[0] >= 5
    ]
    campaigns.sort(key=lambda one: (-one.traffic.messages, one.campaign_id))
    return SenderEvidence(
        sender=name,
        tenant=sender.tenant,
        profile=sender.profile,
        total=total,
        to_strangers=sender.strangers.traffic(at),
        campaigns=tuple(campaigns[:24]),
    )


def _ranked(states: States, at: float, n: int) -> Iterator[Out]:
    """Weigh all senders against all recent listings; tell each open episode what changed."""
    state = states.explain
    state.fresh = 0
    found = [
        one
        for one in states.sense.episodes.values()
        if one.parent is None and at - one.opened_at <= WINDOW_S
    ]
    listings = [
        Listing(
            episode_id=one.id,
            address=one.address,
            opened_at=one.opened_at,
            ended_at=one.closed_at if one.delisted_at is None else one.delisted_at,
            pool=states.deliver.pool_of[one.address].addresses,
        )
        for one in found
        if one.address in states.deliver.pool_of
    ]
    if not listings:
        return
    # Who had nothing by a listed address cannot have caused a listing and weighs nothing in it.
    addresses = {one.address for one in listings}
    evidence = {
        name: one
        for name in sorted(state.senders)
        if any(address in addresses for _, address, _ in state.senders[name].all.left)
        and (one := _evidence(states, name, state.senders[name], at)) is not None
    }
    causes = state.causes = rank(listings, list(evidence.values()))
    state.standing = {share.sender: share.standing for share in causes.shares}
    yield from _doubted(states, at, n)
    for event in events_of(listings):
        episode = states.sense.episodes[event.episode_id]
        if episode.closed_at is not None:
            continue
        named = tuple(s for s in causes.named if lot_of(evidence[s].total, event).by_address > 0)
        verdict = causes.verdict
        drawn = not states.deliver.only_watched(episode.address)
        if (verdict == "guilty" and not named) or (verdict == "nobody here" and not drawn):
            verdict = "not enough evidence"  # without a draw nothing speaks for anybody either
        if state.told.get(episode.id) == (verdict, named):
            continue
        state.told[episode.id] = (verdict, named)
        yield _told(states, causes, episode.id, verdict, named, at, n)


def _doubted(states: States, at: float, n: int) -> Iterator[Out]:
    """Who is probable now, and who no longer is: the latter's mail goes on."""
    state = states.explain
    before = state.doubted
    shares = state.causes.shares if state.causes is not None and state.standing else ()
    state.doubted = {
        one.sender
        for one in shares
        if state.submits(one.sender)
        and (one.standing == "probable" or (one.standing == "open" and one.evidence >= DOUBT))
    }
    if state.doubted and not before:  # else it stands; a further sender must not put it off
        yield SetTimer(key="sample", due=at + states.accept.policy.sample_every_s)
    for sender in sorted(before - state.doubted):
        yield Wake(
            key=f"sender/{sender}/{n}",
            waits_for=f"sender:{sender}",
            limit=1000,
            why="no longer probable",
        )


def _told(
    states: States,
    causes: Causes,
    episode: str,
    verdict: str,
    named: tuple[str, ...],
    at: float,
    n: int,
) -> CausesRanked:
    address = states.sense.episodes[episode].address
    need = causes.reason
    if causes.listings_needed is not None:
        need += f"; or about {causes.listings_needed} more listings under rotation"
    shares = tuple(
        Share(
            sender=share.sender,
            tenant=share.tenant,
            share=round(share.share, 4),
            low=round(share.low, 4),
            high=round(share.high, 4),
            reasons=share.reasons,
            campaigns=share.campaigns,
            messages=states.explain.senders[share.sender].all.total(at)[0],
            guilty=share.sender in named,
        )
        for share in causes.shares[:10]
        if share.share >= 0.005 or share.sender in named
    )
    return CausesRanked(
        at=at,
        episode=episode,
        verdict=verdict,
        named=named,
        shares=shares,
        window_s=WINDOW_S,
        need="" if named else NO_DRAW if states.deliver.only_watched(address) else need,
        because=(n,),
    )
