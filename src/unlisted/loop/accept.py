"""1. What came in: which campaign a message belongs to, whom its sender knows.

A recipient is known to a sender when the imported history says it wrote to it, or when it first
wrote to it at least `KNOWN_AFTER_S` ago and the mail was taken: a burst to strangers does not
make them acquaintances.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.campaigns.index import CampaignIndex
from unlisted.facts import Accepted, Configured, Delivery, Fact, Policy, Reception, SenderHistory

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

KNOWN_AFTER_S = 7 * 86400.0
WRITTEN_LIMIT = 500_000


class State:
    """Configuration, campaigns, and who wrote to whom (keyed hashes)."""

    def __init__(self) -> None:
        self.config: Configured | None = None
        self.index = CampaignIndex()
        self.campaign = ""  # of the reception being stepped, for the stations after this one
        self.correspondents: dict[str, frozenset[str]] = {}
        self.written: dict[tuple[str, str], float] = {}

    @property
    def policy(self) -> Policy:
        """The figures in force."""
        return self.config.policy if self.config else Policy()

    def knows(self, sender: str, recipient: str, at: float) -> bool:
        """Whether the sender wrote to the recipient before, by this station's rule."""
        if recipient in self.correspondents.get(sender, ()):
            return True
        first = self.written.get((sender, recipient))
        return first is not None and at - first >= KNOWN_AFTER_S


def refuses(
    states: States, sender: str, recipients: tuple[str, ...], fingerprint: str, at: float
) -> tuple[str, str] | None:
    """(hold, public text) when a hold covers this submission; None: it may come in.

    Called by the edge before the 250; the refusal is recorded as a Rejection.
    """
    hold = states.contain.hold_of(sender)
    if hold is None:
        return None
    campaign = states.accept.index.find(fingerprint, at)
    known = all(states.accept.knows(sender, one, at) for one in recipients)
    if known and (campaign is None or campaign not in hold.campaigns):
        return None
    return hold.id, (
        f"Sending from this account is paused, reference {hold.id}. Mail to people you wrote to "
        "before still goes out. Contact your postmaster"
    )


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Configuration and history are kept; a reception gets its campaign."""
    state = states.accept
    if isinstance(fact, Reception):
        state.campaign = ""
        if fact.origin != "ndr":
            state.campaign = state.index.assign(fact.id, fact.fingerprint, fact.at)
            size = state.index.members(state.campaign)
            yield Accepted(at=fact.at, message=fact.id, campaign=state.campaign, size=size)
    elif isinstance(fact, Delivery):
        if len(state.written) < WRITTEN_LIMIT:
            state.written.setdefault((fact.row.sender, fact.row.recipient), fact.at)
    elif isinstance(fact, SenderHistory):
        state.correspondents[fact.sender] = frozenset(fact.correspondents)
    elif isinstance(fact, Configured):
        state.config = fact
