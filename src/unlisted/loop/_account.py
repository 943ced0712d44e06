"""An episode's account: when its listing began and ended, and what it cost in mail.

Replies and letters count for the open episode they belong to (`sense.episode_at`). A letter is counted
once in each column. What is remembered of letters ends with their episode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlisted.facts import (
    Booked,
    EpisodeOpened,
    Fact,
    ListingDated,
    Observed,
    ProbeAnswered,
    Queued,
    Refusal,
    Resent,
    Settled,
    Suspicion,
)
from unlisted.loop import delist
from unlisted.watch import episode as ends

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

LETTERS = 100_000  # remembered of all open episodes
ANSWERS = 10_000
PATHS = 20_000
EARLY = 200  # refused letters remembered for the episode that may open on them


class Cost:
    """What one episode cost: replies, and recipients."""

    __slots__ = (
        "bounced",
        "clean_at",
        "deferred",
        "opened_by",
        "refused",
        "refused_at",
        "resent",
        "taken_at",
    )

    def __init__(self, clean_at: float | None = None, opened_by: int = 0) -> None:
        self.clean_at = clean_at  # the list's last answer "clean" before it opened
        self.opened_by = opened_by  # the input; its own refusal is in the count it opened with
        self.refused = self.deferred = self.bounced = self.resent = 0
        self.refused_at: float | None = None  # last
        self.taken_at: float | None = None  # first path that opened again after the last refusal


class Accounts:
    """Costs of open episodes, the letters they touched, and what was known before them."""

    def __init__(self) -> None:
        self.costs: dict[str, Cost] = {}
        self.input = 0  # number of the observed fact that is being followed
        self.letters: dict[str, tuple[str, frozenset[str]]] = {}  # key -> episode, columns it is in
        self.early: dict[str, dict[str, tuple[float, str]]] = {}  # address -> refused letters
        self.clean: dict[tuple[str, str], float] = {}  # (zone, address) -> last answer "clean"
        self.taken: dict[tuple[str, str], float] = {}  # path -> last mail taken

    def open(self, fact: EpisodeOpened, clean_at: float | None) -> None:
        """An episode opened: the refusals it was opened on are its first."""
        cost = self.costs[fact.episode] = Cost(clean_at, self.input)
        cost.refused, cost.refused_at = fact.refusals, fact.at

        for key, (at, column) in self.early.pop(fact.address, {}).items():
            if at >= fact.since:
                self.touch(key, fact.episode)
                self.column(key, column)

    def refused_early(self, address: str, key: str, at: float, column: str) -> None:
        """A refusal that no episode explains yet."""
        early = self.early.setdefault(address, {})
        early[key] = (at, column)
        if len(early) > EARLY:
            del early[next(iter(early))]

    def opened_again(self, episode: str, at: float) -> None:
        """One of its receivers takes mail again."""
        cost = self.costs.get(episode)
        if cost is not None and cost.taken_at is None:
            cost.taken_at = at

    def touch(self, key: str, episode: str) -> None:
        """A letter belongs to the episode that touched it first."""
        if key not in self.letters:
            if len(self.letters) >= LETTERS:
                del self.letters[next(iter(self.letters))]
            self.letters[key] = (episode, frozenset())

    def column(self, key: str, column: str) -> None:
        """A letter of an episode enters one of its columns, once."""
        where, columns = self.letters.get(key, ("", frozenset[str]()))
        if where in self.costs and column not in columns:
            self.letters[key] = (where, columns | {column})
            cost = self.costs[where]
            setattr(cost, column, getattr(cost, column) + 1)

    def took(self, path: tuple[str, str], at: float) -> None:
        """A receiver took mail from an address."""
        self.taken.pop(path, None)
        self.taken[path] = at
        if len(self.taken) > PATHS:
            del self.taken[next(iter(self.taken))]

    def close(self, episode: str) -> Cost:
        """The account of an episode that is over."""
        for key in [key for key, (where, _) in self.letters.items() if where == episode]:
            del self.letters[key]
        return self.costs.pop(episode, None) or Cost()


def follow(states: States, fact: Fact, n: int) -> None:
    """Count what touches an open episode."""
    accounts = states.verify.accounts
    if isinstance(fact, Observed):
        accounts.input = n
    if isinstance(fact, Refusal | Suspicion):
        _refused(states, fact)
    elif isinstance(fact, Queued):
        if fact.row.state == "wait" and accounts.costs:
            _waits(states, fact)
    elif isinstance(fact, Settled):
        if fact.how in ("bounced", "expired"):
            accounts.column(fact.key, "bounced")
    elif isinstance(fact, Booked):
        accounts.column(fact.row.key, "bounced")
    elif isinstance(fact, Resent):
        if fact.episode is not None:
            accounts.touch(fact.row.key, fact.episode)
        accounts.column(fact.row.key, "resent")
    elif isinstance(fact, ProbeAnswered) and fact.state == "clean":
        accounts.clean.pop((fact.zone, fact.address), None)
        accounts.clean[fact.zone, fact.address] = fact.at
        if len(accounts.clean) > ANSWERS:
            del accounts.clean[next(iter(accounts.clean))]


def _refused(states: States, fact: Refusal | Suspicion) -> None:
    accounts, key = states.verify.accounts, fact.row.key
    # Another MTA answers a 5yz by a bounce and a 4yz by waiting; our own mail waits after both.
    column = "bounced" if fact.row.watched and not fact.temporary else "deferred"
    zone = fact.zone if isinstance(fact, Refusal) else None
    episode = states.sense.episode_at(fact.address, fact.receiver, zone)
    if episode is None or episode not in accounts.costs:
        accounts.refused_early(fact.address, key, fact.at, column)
        return
    cost = accounts.costs[episode]
    cost.refused += cost.opened_by != accounts.input
    cost.refused_at, cost.taken_at = fact.at, None
    accounts.touch(key, episode)
    accounts.column(key, column)


def _waits(states: States, fact: Queued) -> None:
    kind, _, _ = fact.row.waits_for.partition(":")
    if kind not in ("path", "campaign", "suspicion"):
        return
    path = states.deliver.path(fact.row, fact.row.address)
    rest = states.deliver.rests.get(path)
    if rest is not None and rest.episode is not None:
        states.verify.accounts.touch(fact.row.key, rest.episode)
    states.verify.accounts.column(fact.row.key, "deferred")


def dated(states: States, episode: str, at: float, n: int, recurrence: int) -> ListingDated:
    """What is known of a listing's ends now."""
    accounts = states.verify.accounts
    opened = states.sense.episodes[episode]
    zone = opened.zone or ""
    clock = states.delist.clocks.get(episode)
    cost = accounts.costs.get(episode) or Cost()
    followers = {*states.sense.users.get(zone, ()), *states.sense.followers.get(zone, ())}
    taken = [accounts.taken.get((opened.address, one), 0.0) for one in sorted(followers)]
    taken = [one for one in taken if one and one <= opened.since]
    start = ends.began(opened.since, cost.clean_at, max(taken, default=None))
    end = ends.ended(
        clock.listed_seen if clock is not None and clock.delisted else None,
        clock.clean_at if clock is not None and clock.delisted else None,
        cost.refused_at,
        cost.taken_at,
    )
    term = delist.list_term(states, zone).term_s if zone else None
    evidence = ends.last_evidence(end, term)
    release = clock.release if clock is not None else None
    return ListingDated(
        at=at,
        episode=episode,
        began=start.how,
        began_low=start.low,
        began_high=start.high,
        ended=end.how,
        ended_low=end.low,
        ended_high=end.high,
        evidence_low=evidence.low,
        evidence_high=evidence.high,
        predicted_low=release.low if release else None,
        predicted_high=release.high if release else None,
        recurrence=recurrence,
        because=(n,),
    )
