"""4. Who caused it: shares, doubt, or nobody here.

Keeps, per sender and per near-duplicate campaign, what left by which address in which hour with
which recorded draw, and how it was answered (unknown users, complaints, contents; `_counting.py`).
`causes` decides, this station only counts: a quick answer whenever evidence has come in while an
episode is open, the whole one over four weeks of draws (`_weighing.py`) when a listing begins or
ends, and every hour while one is open or, for a day, undecided. `_verdict.py` makes one verdict of
both.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.causes.book import ExposureBook
from unlisted.causes.profile import SenderProfile
from unlisted.causes.rank import Memory
from unlisted.commands import CancelTimer, SetTimer, Wake
from unlisted.facts import EpisodeClosed, EpisodeOpened, Fact, Row, Share, TimerFired
from unlisted.filter.verdict import MessageFacts, Standing, answered_well, judge
from unlisted.loop._counting import count
from unlisted.loop._grounds import Grounds
from unlisted.loop._ledger import Ledger, Sender
from unlisted.loop._verdict import Answer, verdicts
from unlisted.loop._verdict import answer as answered
from unlisted.loop._weighing import Found, quick, whole

if TYPE_CHECKING:
    from unlisted.causes.nobody import Single
    from unlisted.loop._fixpoint import Out, States
    from unlisted.loop.sense import Episode

SWEPT = 2  # senders that a letter lets go of old counts of
DOUBT = 5.0  # evidence (log ratio) from which on a sender's mail to strangers is only sampled
WHOLE_EVERY_S = 3600.0
ROWS_AN_HOUR = 500_000
DECIDED = ("guilty", "nobody here")
RECENT_S = 24 * 3600.0  # so long after its end an episode is still weighed


class State:
    """Senders, campaigns over all senders, and the last answer."""

    def __init__(self) -> None:
        self.senders: dict[str, Sender] = {}
        # Those seen longest ago go first.
        self.campaigns: OrderedDict[str, Ledger] = OrderedDict()
        # Of each letter its sender, its campaign, and whether it went to strangers.
        self.messages: OrderedDict[str, tuple[str, str, bool]] = OrderedDict()
        self.rota: list[Sender] = []  # all senders; whose turn to be swept it is: `swept`
        self.swept = 0
        self.book = ExposureBook()
        self.drawn: dict[str, tuple[str, float, float]] = {}  # row -> address, chance, until
        self.people = [0] * 24  # mail to acquaintances, by hour of the day
        self.clean_at: dict[tuple[str, str], float] = {}  # (address, list): last known not listed
        self.released: dict[str, tuple[float, float]] = {}
        self.answer: Answer | None = None
        self.found: Found | None = None
        self.convicted: dict[str, tuple[Share, float]] = {}  # and since when
        self.memory = Memory()
        self.singles: dict[str, Single] = {}  # what was last found of each episode by itself
        self.caused: dict[str, set[str]] = {}  # episode -> the guilty whom the draws tie to it
        self.whole_at = self.weighed_at = 0.0
        self.standing: dict[str, Standing] = {}
        self.told: dict[str, tuple[str, tuple[str, ...], str]] = {}  # verdict, named, rival
        self.grounds = Grounds()
        self.fresh = 0  # pieces of evidence since the last ranking
        self.carried = False  # whether mail left since the last whole answer
        self.doubted: set[str] = set()  # probable: mail to strangers waits, a sample goes out

    def sender(self, sender: str, tenant: str) -> Sender:
        """The sender's books, opened at first sight."""
        found = self.senders.get(sender)
        if found is None:
            found = self.senders[sender] = Sender(tenant)
            self.rota.append(found)
        return found

    def sweep(self, at: float) -> None:
        """Let go of what is old of the next senders: as mail comes in, each has its turn."""
        for _ in range(SWEPT):
            self.swept = (self.swept + 1) % len(self.rota)
            self.rota[self.swept].sweep(at)

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
    if isinstance(fact, EpisodeOpened) and fact.parent is None:
        state.fresh += 1
        state.grounds.opened[fact.episode] = n
        yield from _ranked(states, fact.at, n, anew=True)
        yield SetTimer(key="explain", due=fact.at + states.accept.policy.explain_every_s)
    elif isinstance(fact, TimerFired) and fact.key == "explain":
        yield from _again(states, fact.at, n)
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
        if states.sense.episodes[fact.episode].parent is None:
            yield from _ranked(states, fact.at, n, anew=True)
        if not states.sense.open_episodes():
            state.standing = {}
            yield from _doubted(states, fact.at, n)
            if not _undecided(states, fact.at):
                yield CancelTimer(key="explain")
    else:
        count(states, fact, n)


def _again(states: States, at: float, n: int) -> Iterator[Out]:
    """Weigh again: soon while an episode is open and there is news, by the hour while one that
    ended within a day may still be decided."""
    state = states.explain
    if state.fresh or (state.carried and at - state.whole_at >= _whole_every(state)):
        yield from _ranked(states, at, n, anew=False)
    if states.sense.open_episodes():
        yield SetTimer(key="explain", due=at + states.accept.policy.explain_every_s)
    elif _undecided(states, at):
        yield SetTimer(key="explain", due=at + WHOLE_EVERY_S)


def _undecided(states: States, at: float) -> bool:
    """Whether of an episode of late it may still turn out who caused it."""
    told = states.explain.told
    return any(told.get(one.id, ("",))[0] not in DECIDED for one in recent(states, at))


def _whole_every(state: State) -> float:
    """By the hour; where there is so much mail that an answer takes seconds, less often."""
    return WHOLE_EVERY_S * max(1, len(state.book) // ROWS_AN_HOUR)


def recent(states: States, at: float) -> list[Episode]:
    """Episodes that are open or closed of late, those of a parent left out."""
    return [
        one
        for one in states.sense.episodes.values()
        if one.parent is None
        and one.address in states.deliver.pool_of
        and (one.closed_at is None or at - one.closed_at <= RECENT_S)
    ]


def _ranked(states: States, at: float, n: int, *, anew: bool) -> Iterator[Out]:
    """Weigh all senders against all recent listings; tell each episode what changed. `anew`: the
    listings are not what they were, so the whole answer is asked for, as it is every hour."""
    state = states.explain
    episodes = recent(states, at)
    if not episodes:
        return
    state.fresh, state.weighed_at = 0, at
    changed = n if anew else 0
    early, evidence = quick(states, at)
    # Whoever the quick answer names first changes what is left to explain.
    anew |= early is not None and any(one not in state.convicted for one in early.named)
    if anew or at - state.whole_at >= _whole_every(state):
        state.whole_at, state.carried = at, False
        state.found = whole(states, at)
    answer = state.answer = answered(early, evidence, state.found, states)
    if states.sense.open_episodes():
        state.standing = answer.standing
    yield from _doubted(states, at, n)
    for told in verdicts(states, answer, episodes, n):
        said = (told.verdict, told.named, told.rival)
        before = state.told.get(told.episode)
        ended = states.sense.episodes[told.episode].closed_at is not None
        # Of what is over only a new name is news.
        if before == said or (ended and set(told.named) <= set(before[1] if before else ())):
            continue
        state.told[told.episode] = said
        yield msgspec.structs.replace(told, because=state.grounds.of(told, changed))


def _doubted(states: States, at: float, n: int) -> Iterator[Out]:
    """Who is probable now, and who no longer is: the latter's mail goes on."""
    state = states.explain
    before = state.doubted
    evidence = state.answer.evidence if state.answer is not None else {}
    state.doubted = {
        sender
        for sender, standing in state.standing.items()
        if state.submits(sender)
        and (standing == "probable" or (standing == "open" and evidence.get(sender, 0.0) >= DOUBT))
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
