"""6. The rule that would have stopped it: draft, shadow, enforced, and back.

One kind of rule: a near-duplicate of a named campaign, to somebody its sender never wrote to, is
held. A rule only counts in shadow, is enforced when the shadow touched no sender but the named
ones, and steps back to shadow the moment it would touch several others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import SetTimer, Wake
from unlisted.facts import (
    Acted,
    CausesRanked,
    Fact,
    HoldReleased,
    Reception,
    Row,
    RuleStepped,
    SenderHeld,
    TimerFired,
)

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

# Allowed steps of a rule; anything else is refused by `_stepped`.
STEPS = {
    ("draft", "shadow"),
    ("shadow", "enforced"),
    ("enforced", "shadow"),
    ("shadow", "retired"),
    ("enforced", "retired"),
}
OTHERS_LIMIT = 3  # other senders in shadow that keep a rule from being enforced
MEMBERS_MIN = 3  # a campaign of fewer messages is no pattern


class Rule:
    """One rule and its counts."""

    __slots__ = ("campaign", "id", "matched", "named", "others", "state")

    def __init__(self, name: str, campaign: str) -> None:
        self.id = name
        self.campaign = campaign
        self.state = "draft"
        self.matched = 0
        self.others: set[str] = set()
        self.named: set[str] = set()  # the held senders it was drafted from


class State:
    """Rules by the campaign they look for."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}

    def covers(self, row: Row) -> str | None:
        """The enforced rule this row falls under."""
        rule = self.rules.get(row.campaign)
        if rule is None or rule.state != "enforced" or row.known or row.null_sender:
            return None
        return rule.id


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Draft a rule from each named campaign, count its matches, step it."""
    state = states.prevent
    if isinstance(fact, SenderHeld):
        yield from _drafted(states, fact.sender, fact.campaigns, fact.at, n)
    elif isinstance(fact, CausesRanked):
        for share in fact.shares:
            if share.guilty:
                yield from _drafted(states, share.sender, share.campaigns, fact.at, n)
    elif isinstance(fact, Reception) and fact.origin != "ndr":
        yield from _matched(states, fact, n)
    elif isinstance(fact, TimerFired) and fact.key.startswith("rule|"):
        rule = state.rules.get(fact.key[5:])
        if rule is not None and rule.state == "shadow":
            yield from _judged(states, rule, fact.at, n)
    elif isinstance(fact, Acted) and fact.act == "retire_rule":
        for rule in state.rules.values():
            if rule.id == fact.target and rule.state in ("shadow", "enforced"):
                yield from _retired(rule, f"{fact.actor}: {fact.reason}", fact.at, n)
    elif isinstance(fact, HoldReleased) and fact.actor != "policy":
        # A person found the sender innocent; a rule that rests on it alone would hold on.
        for rule in state.rules.values():
            if fact.sender in rule.named:
                rule.named.discard(fact.sender)
                if not rule.named and rule.state in ("shadow", "enforced"):
                    why = f"{fact.actor} released the sender it was drafted from"
                    yield from _retired(rule, why, fact.at, n)


def _retired(rule: Rule, why: str, at: float, n: int) -> Iterator[Out]:
    yield _stepped(rule, "retired", why, at, n)
    yield Wake(
        key=f"retired/{rule.id}/{n}",
        waits_for=f"rule:{rule.id}",
        limit=1000,
        why="rule retired",
    )


def _drafted(
    states: States, sender: str, campaigns: tuple[str, ...], at: float, n: int
) -> Iterator[Out]:
    if sender in states.contain.released:
        return
    for campaign in campaigns:
        if campaign in states.prevent.rules:
            states.prevent.rules[campaign].named.add(sender)
            continue
        if states.accept.index.members(campaign) < MEMBERS_MIN:
            continue
        rule = states.prevent.rules[campaign] = Rule(f"r-{campaign}", campaign)
        rule.named.add(sender)
        why = "near-duplicates of a campaign its sender is held for"
        yield _stepped(rule, "shadow", why, at, n)
        yield SetTimer(key=f"rule|{campaign}", due=at + states.accept.policy.shadow_s)


def _matched(states: States, fact: Reception, n: int) -> Iterator[Out]:
    rule = states.prevent.rules.get(states.accept.campaign)
    if rule is None or rule.state == "retired":
        return
    strangers = [
        one for one in fact.recipients if not states.accept.knows(fact.sender, one.person, fact.at)
    ]
    if not strangers:
        return
    rule.matched += 1
    if states.contain.hold_of(fact.sender) is None:
        rule.others.add(fact.sender)
    if rule.state == "enforced" and len(rule.others) >= OTHERS_LIMIT:
        why = "it would touch senders nobody named"
        yield _stepped(rule, "shadow", why, fact.at, n)
        yield SetTimer(key=f"rule|{rule.campaign}", due=fact.at + states.accept.policy.shadow_s)
        yield Wake(
            key=f"back/{rule.id}/{n}",
            waits_for=f"rule:{rule.id}",
            limit=1000,
            why="rule stepped back",
        )


def _judged(states: States, rule: Rule, at: float, n: int) -> Iterator[Out]:
    if not rule.others:
        yield _stepped(rule, "enforced", "its shadow touched named senders only", at, n)
    else:
        yield _stepped(rule, "retired", "its shadow touched senders nobody named", at, n)


def _stepped(rule: Rule, new: str, why: str, at: float, n: int) -> RuleStepped:
    if (rule.state, new) not in STEPS:
        raise ValueError(f"rule {rule.id}: no step from {rule.state} to {new}")
    old, rule.state = rule.state, new
    return RuleStepped(
        at=at,
        rule=rule.id,
        campaign=rule.campaign,
        old=old,
        new=new,
        matched=rule.matched,
        other_senders=len(rule.others),
        why=why,
        because=(n,),
    )
