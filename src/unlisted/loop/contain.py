"""5. Hold the culprits, spare the rest, and prove that the source stopped.

Only senders that `explain` calls guilty are held, within a scope: the named campaigns, and mail to
people they never wrote to. What they write to those they know goes on. Each hold has a reason, an
expiry and an undo. The source has stopped when nothing of that scope left for a stated time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import SetTimer
from unlisted.facts import (
    Acted,
    CausesRanked,
    Delivery,
    EpisodeOpened,
    Fact,
    HoldReleased,
    Rejection,
    Row,
    SenderHeld,
    SourceStopped,
    TimerFired,
)
from unlisted.health.figures import counted

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States


class Hold:
    """A hold in force. `left`: last time mail of its scope was delivered all the same."""

    __slots__ = ("campaigns", "expires_at", "id", "left", "refused", "sender")

    def __init__(self, fact: SenderHeld) -> None:
        self.id = fact.hold
        self.sender = fact.sender
        self.campaigns = set(fact.campaigns)
        self.expires_at = fact.expires_at
        self.left = fact.at
        self.refused = 0


class State:
    """Holds in force; senders released by a person are not held again for the same evidence."""

    def __init__(self) -> None:
        self.holds: dict[str, Hold] = {}
        self.of_sender: dict[str, str] = {}
        self.released: dict[str, float] = {}
        self.named_at: dict[str, float] = {}
        self.named_campaigns: set[str] = set()

    def hold_of(self, sender: str) -> Hold | None:
        """The hold on a sender, if any."""
        return self.holds.get(self.of_sender.get(sender, ""))

    def covers(self, row: Row) -> str | None:
        """The hold whose scope this row falls in."""
        hold = self.hold_of(row.sender)
        if hold is None or row.null_sender:
            return None
        return hold.id if not row.known or row.campaign in hold.campaigns else None

    def culprits_held(self, states: States) -> bool:
        """Whether each open list episode has its culprits named and held."""
        episodes = [one for one in states.sense.open_episodes() if one.zone is not None]
        return bool(episodes) and all(one.id in self.named_at for one in episodes)


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Hold who is named, watch that nothing more leaves, let go at the end."""
    state = states.contain
    if isinstance(fact, CausesRanked):
        yield from _named(states, fact, n)
    elif isinstance(fact, SenderHeld):
        state.holds[fact.hold] = Hold(fact)
        state.of_sender[fact.sender] = fact.hold
        state.named_campaigns.update(fact.campaigns)
    elif isinstance(fact, Delivery):
        hold = state.hold_of(fact.row.sender)
        if hold is not None and state.covers(fact.row):
            hold.left = fact.at
    elif isinstance(fact, Rejection) and fact.hold in state.holds:
        state.holds[fact.hold].refused += fact.recipients
    elif isinstance(fact, EpisodeOpened):
        yield SetTimer(key="stopped", due=fact.at + states.accept.policy.stop_watch_s)
    elif isinstance(fact, TimerFired) and fact.key == "stopped":
        yield from _stopped(states, fact.at, n)
    elif isinstance(fact, TimerFired) and fact.key.startswith("hold|"):
        yield from _released(states, fact.key[5:], "policy", "its term ended", fact.at, n)
    elif isinstance(fact, Acted) and fact.act == "release_hold":
        yield from _released(states, fact.target, fact.actor, fact.reason, fact.at, n)
    elif isinstance(fact, HoldReleased):
        hold = state.holds.pop(fact.hold, None)
        if hold is not None:
            state.of_sender.pop(hold.sender, None)
            if fact.actor != "policy":
                state.released[hold.sender] = fact.at
                others = [one.campaigns for one in state.holds.values()]
                state.named_campaigns -= hold.campaigns.difference(*others)


def _named(states: States, fact: CausesRanked, n: int) -> Iterator[Out]:
    state = states.contain
    if fact.named:
        state.named_at.setdefault(fact.episode, fact.at)
    policy = states.accept.policy
    for share in fact.shares:
        if not share.guilty or share.sender in state.released:
            continue
        if not states.explain.submits(share.sender):
            continue  # known from another MTA's log only: we could hold nothing of it
        hold = state.hold_of(share.sender)
        if hold is not None:
            hold.campaigns.update(share.campaigns)
            state.named_campaigns.update(share.campaigns)
            continue
        name = f"h{n}-{share.sender[:6]}"
        if share.sender in state.of_sender:
            continue  # named for two episodes at once: one hold
        state.of_sender[share.sender] = name
        expires = fact.at + policy.hold_s
        yield SenderHeld(
            at=fact.at,
            hold=name,
            sender=share.sender,
            tenant=share.tenant,
            scope="the named campaigns, and mail to people it never wrote to",
            campaigns=share.campaigns,
            reason="; ".join(share.reasons)[:1000],
            expires_at=expires,
            episode=fact.episode,
            because=(n,),
        )
        yield SetTimer(key=f"hold|{name}", due=expires)
        yield SetTimer(key="stopped", due=fact.at + policy.stop_watch_s)


def _stopped(states: States, at: float, n: int) -> Iterator[Out]:
    """SourceStopped once every named culprit's scope was silent for the stated time."""
    state = states.contain
    watch = states.accept.policy.stop_watch_s
    episodes = [one for one in states.sense.open_episodes() if one.zone is not None]
    if not episodes:
        return
    named = [one.id for one in episodes if one.id in state.named_at]
    holds = sorted(state.holds.values(), key=lambda hold: hold.id)
    silent = bool(holds) and all(at - hold.left >= watch for hold in holds)
    new = [one for one in named if not states.verify.stopped(one)]
    if silent and new:
        refused = sum(hold.refused for hold in holds)
        minutes = round((at - max(hold.left for hold in holds)) / 60)
        yield SourceStopped(
            at=at,
            episodes=tuple(new),
            senders=tuple(hold.sender for hold in holds),
            since=max(hold.left for hold in holds),
            evidence=f"0 messages left in {minutes} min of what is held of {counted(len(holds), 'senders')}; "
            f"{counted(refused, 'submissions')} of theirs refused",
            because=(n,),
        )
    if len(named) < len(episodes) or not silent:
        yield SetTimer(key="stopped", due=at + watch)


def _released(states: States, name: str, actor: str, why: str, at: float, n: int) -> Iterator[Out]:
    hold = states.contain.holds.get(name)
    if hold is not None:
        yield HoldReleased(at=at, hold=name, sender=hold.sender, actor=actor, why=why, because=(n,))
