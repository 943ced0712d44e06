"""Counting for explain: each fact about mail goes into the books of its sender and its campaign.

What left by which address in which hour with which recorded draw, and how it was answered: unknown
users, complaints, contents. Nothing is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlisted.causes.book import NOT_DRAWN
from unlisted.causes.profile import profile
from unlisted.facts import (
    Carried,
    Delisted,
    Delivery,
    Fact,
    Failed,
    FeedbackReceived,
    HoldReleased,
    ProbeAnswered,
    Reception,
    Relisted,
    Routed,
    Row,
    SenderHeld,
    SenderHistory,
    Settled,
)
from unlisted.loop._ledger import HOURS_KEPT, Ledger

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

MESSAGES_KEPT = 200_000
CAMPAIGNS_PER_SENDER = 200
COMPLAINTS = ("abuse", "fraud", "virus", "other")  # RFC 5965 section 7.3; not RFC 6591's kinds
CONTENT = ("spamdetected", "policyviolation", "contenterror", "virusdetected")


def count(states: States, fact: Fact, n: int) -> None:
    """Take in one fact, whose number is `n`."""
    state = states.explain
    if isinstance(fact, Reception):
        _received(states, fact)
    elif isinstance(fact, Routed):
        _routed(states, fact)
    elif isinstance(fact, Settled):
        state.drawn.pop(fact.key, None)
    elif isinstance(fact, Delivery):
        _answered(states, fact.row, fact.at, unknown=False)
        _left(states, fact.row, fact.address, fact.at)
    elif isinstance(fact, Carried):
        _carried(states, fact)
    elif isinstance(fact, Failed):
        _failed(states, fact, n)
    elif isinstance(fact, FeedbackReceived):
        _complained(states, fact, n)
    elif isinstance(fact, SenderHistory):
        state.sender(fact.sender, fact.tenant).profile = profile(fact.days)
    elif isinstance(fact, ProbeAnswered) and fact.state == "clean":
        state.clean_at[fact.address, fact.zone] = fact.at
    elif isinstance(fact, Delisted):
        state.released[fact.episode] = (fact.low, fact.high)
    elif isinstance(fact, Relisted):
        state.released.pop(fact.episode, None)
    elif isinstance(fact, SenderHeld):
        sender = state.sender(fact.sender, fact.tenant)
        state.book.part(fact.sender, sender.unusual_since(fact.at))
        sender.held()
    elif isinstance(fact, HoldReleased) and fact.sender in state.senders:
        state.senders[fact.sender].begin_anew()


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
    strangers = sum(
        not known[place] and sender.new_to(one.person, fact.at)
        for place, one in enumerate(fact.recipients)
    )
    state.sweep(fact.at)
    if campaign in state.campaigns:
        state.campaigns.move_to_end(campaign)
    else:
        state.campaigns[campaign] = Ledger()
    if campaign not in sender.campaigns:
        sender.campaigns[campaign] = Ledger()
        while len(sender.campaigns) > CAMPAIGNS_PER_SENDER:
            del sender.campaigns[next(iter(sender.campaigns))]
    for ledger in _parts(states, fact.sender, campaign, strangers > 0):
        if ledger is sender.strangers:
            ledger.add(fact.at, 1, strangers, strangers)
        else:
            ledger.add(fact.at, 1, len(known), strangers)
    day, hour = sender.day(fact.at), int(fact.at // 3600) % 24
    day.messages += 1
    day.recipients += len(known)
    day.strangers += strangers
    if strangers and len(day.hours) < HOURS_KEPT:
        day.hours.append(hour)
    elif not strangers:
        state.people[hour] += 1
    state.messages[fact.id] = (fact.sender, campaign, strangers > 0)
    if len(state.messages) > MESSAGES_KEPT:
        state.messages.popitem(last=False)
    if len(state.campaigns) > MESSAGES_KEPT:
        state.campaigns.popitem(last=False)


def _answered(states: States, row: Row, at: float, *, unknown: bool) -> None:
    sender = states.explain.senders.get(row.sender)
    if sender is not None and unknown and not sender.first_no(row.recipient, at):
        return  # whoever writes to a dead address again has made one mistake
    for ledger in _parts(states, row.sender, row.campaign, not row.known):
        ledger.add(at, 0, 0, 0, 1, int(unknown))
    if sender is not None:
        day = sender.day(at)
        day.answered += 1
        day.unknown += int(unknown)


def _failed(states: States, fact: Failed, n: int) -> None:
    state, row = states.explain, fact.row
    if row.watched and row.sender:
        state.sender(row.sender, row.tenant)
    if fact.temporary:
        return
    if fact.reason == "userunknown":
        _answered(states, row, fact.at, unknown=True)
        state.fresh += 1
        state.grounds.against(row.sender, n)
    elif fact.reason in CONTENT and row.sender in state.senders:
        sender = state.senders[row.sender]
        if sender.first_no(row.recipient, fact.at):
            sender.day(fact.at).content += 1
        state.grounds.against(row.sender, n)


def _routed(states: States, fact: Routed) -> None:
    """Only a first draw that is acted on in its own epoch is part of the experiment: what waited,
    was drawn again or moved left when the listings let it."""
    state = states.explain
    pool = states.deliver.pool_of.get(fact.address)
    if fact.why == "draw" and pool is not None:
        until = (fact.epoch + 1) * pool.epoch_s
        state.drawn[fact.key] = (fact.address, fact.probability, until)
    elif fact.why != "kept":
        state.drawn.pop(fact.key, None)


def _left(states: States, row: Row, address: str, at: float) -> None:
    state = states.explain
    pool = states.deliver.pool_of.get(address)
    drawn = address == row.drawn and pool is not None
    probability = 1.0 / len(pool.addresses) if pool is not None and drawn else 1.0
    for ledger in _parts(states, row.sender, row.campaign, not row.known):
        if ledger is not state.campaigns.get(row.campaign):
            ledger.leave(at, address, probability, not row.known)
    if row.sender and not row.null_sender:
        where, chance, until = state.drawn.get(row.key, ("", NOT_DRAWN, 0.0))
        if where != address or at >= until:
            chance = NOT_DRAWN
        state.book.left(at, row.sender, row.tenant, address, chance, row.campaign)
        state.carried = True


def _carried(states: States, fact: Carried) -> None:
    """Watched mail that was taken: a log tells no campaign and not whom its sender knew."""
    state = states.explain
    for name, count in fact.senders:
        if name:
            sender = state.sender(name, "")
            sender.all.add(fact.at, count, count, 0, count)
            sender.all.leave(fact.at, fact.address, 1.0, False, count)
            day = sender.day(fact.at)
            day.messages += count
            day.recipients += count
            day.answered += count
            state.book.left(fact.at, name, "", fact.address, NOT_DRAWN, "", count)
            state.carried = True


def _complained(states: States, fact: FeedbackReceived, n: int) -> None:
    if fact.feedback_type not in COMPLAINTS or fact.message is None:
        return
    found = states.explain.messages.get(fact.message)
    if found is None:
        return
    sender, campaign, strangers = found
    states.explain.fresh += 1
    states.explain.grounds.against(sender, n)
    for ledger in _parts(states, sender, campaign, strangers):
        ledger.add(fact.at, 0, 0, 0, 0, 0, 1)
    if sender in states.explain.senders:
        states.explain.senders[sender].day(fact.at).complaints += 1
