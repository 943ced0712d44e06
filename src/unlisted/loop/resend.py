"""9. What bounced for a block goes out again, once.

A message that bounced under suspicion stays in the books for 72 h. When the suspicion proves a
block (an episode on its path) or the path accepts again, it goes out once. A copy that the sender
sent by hand meanwhile (same recipient, same body) takes its place; a copy that comes after the
re-send was delivered is not sent a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import Wake
from unlisted.facts import (
    Booked,
    Delivery,
    Due,
    EpisodeOpened,
    Fact,
    HandSent,
    PathReopened,
    Reception,
    Resent,
    Row,
    Settled,
)

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

Same = tuple[str, str, str]  # sender, recipient, digest of the body


class State:
    """The books: what may go out again, and what did."""

    def __init__(self) -> None:
        self.books: dict[str, Row] = {}
        self.by_body: dict[Same, str] = {}
        self.resent: dict[str, Same] = {}
        self.delivered: dict[Same, float] = {}
        self.count = 0

    def already(self, row: Row, at: float) -> bool:
        """Whether this very body reached this recipient, or is on its way, by a re-send."""
        if _same(row) in self.resent.values():
            return True
        done = self.delivered.get((row.sender, row.recipient, row.digest))
        return done is not None and at - done <= 72 * 3600.0


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Keep the books."""
    state = states.resend
    if isinstance(fact, Booked):
        state.resent.pop(fact.row.key, None)
        yield from _superseded(state, fact.row, fact.at, n)
        state.books[fact.row.key] = fact.row
        state.by_body[_same(fact.row)] = fact.row.key
    elif isinstance(fact, Reception) and fact.origin != "ndr":
        yield from _by_hand(states, fact, n)
    elif isinstance(fact, EpisodeOpened | PathReopened) and states.deliver.only_watched(
        fact.address
    ):
        return  # its bounces are in the other MTA's hands
    elif isinstance(fact, EpisodeOpened):
        for receiver in states.sense.receivers_of(fact):
            yield _wake(f"{fact.address}|{receiver}", n)
    elif isinstance(fact, PathReopened):
        yield _wake(f"{fact.address}|{fact.receiver}", n)
    elif isinstance(fact, Due) and fact.why == "resend":
        yield from _again(states, fact, n)
    elif isinstance(fact, Delivery):
        if fact.row.key in state.resent:
            state.delivered[state.resent.pop(fact.row.key)] = fact.at
            state.count += 1
        yield from _superseded(state, fact.row, fact.at, n)
    elif isinstance(fact, Settled):
        _struck(state, fact.key)
        state.resent.pop(fact.key, None)


def _again(states: States, fact: Due, n: int) -> Iterator[Out]:
    row = states.resend.books.get(fact.row.key)
    if row is None:
        return
    _struck(states.resend, row.key)
    states.resend.resent[row.key] = _same(row)
    rest = states.deliver.rests.get(states.deliver.path(row, row.address))
    yield Resent(at=fact.at, row=fact.row, episode=rest.episode if rest else None, because=(n,))


def _by_hand(states: States, fact: Reception, n: int) -> Iterator[Out]:
    state = states.resend
    for index, recipient in enumerate(fact.recipients):
        same = (fact.sender, recipient.person, fact.digest)
        key = state.by_body.get(same)
        if key is not None:
            yield HandSent(
                at=fact.at,
                key=key,
                message=key.partition(".")[0],
                copy=f"{fact.id}.{index}",
                which="copy",
                because=(n,),
            )
        elif same in state.delivered or same in state.resent.values():
            waits = same in state.resent.values()
            yield HandSent(
                at=fact.at,
                key=f"{fact.id}.{index}",
                message=fact.id,
                copy=f"{fact.id}.{index}",
                which="original is on its way" if waits else "original was delivered",
                because=(n,),
            )


def _superseded(state: State, copy: Row, at: float, n: int) -> Iterator[Out]:
    """The same letter stands in the books; this copy, booked later or delivered, is the one."""
    key = state.by_body.get(_same(copy))
    if key is not None and key != copy.key:
        message = key.partition(".")[0]
        yield HandSent(at=at, key=key, message=message, copy=copy.key, which="copy", because=(n,))


def _struck(state: State, key: str) -> None:
    row = state.books.pop(key, None)
    if row is not None and state.by_body.get(_same(row)) == key:
        del state.by_body[_same(row)]


def _same(row: Row) -> Same:
    return (row.sender, row.recipient, row.digest)


def _wake(path: str, n: int) -> Wake:
    return Wake(key=f"resend/{path}/{n}", waits_for=f"book:{path}", limit=1000, why="resend")
