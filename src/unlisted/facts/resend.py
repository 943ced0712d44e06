"""What bounced for a block and is sent again, once."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed
from unlisted.facts.mail import Row


class ResendOrdered(Observed, frozen=True, tag=True):
    """A person switched a re-send on: an operator for an episode, or a sender, by the link in its
    NDR, for one row (`key`). `unknown_outcome`: also what may have arrived already.
    """

    actor: str
    reason: str
    episode: str | None = None
    key: str | None = None
    unknown_outcome: bool = False


class Booked(Fact, frozen=True, tag=True):
    """resend: bounced for a suspicion; kept to be sent again should it prove a block."""

    row: Row
    until: float
    because: tuple[int, ...] = ()


class Resent(Fact, frozen=True, tag=True):
    """resend: a booked message goes out again, once. `by`: policy, or who switched it on."""

    row: Row
    episode: str | None
    because: tuple[int, ...] = ()
    by: str = "policy"


class NotResent(Fact, frozen=True, tag=True):
    """resend: a booked message is left out. `why`: culprit, doubtful, unknown outcome, copy (one that
    looks like it is on its way).
    """

    key: str
    message: str
    episode: str | None
    why: str
    because: tuple[int, ...] = ()


class HandSent(Fact, frozen=True, tag=True):
    """resend: the sender had sent the same to the same recipient again by hand: the same body, or,
    delivered meanwhile, a near-duplicate or the same subject or Message-ID.

    `key`: the row that is not sent. `which`: copy (it takes the place of the booked one), original
    is on its way, original was delivered.
    """

    key: str
    message: str
    copy: str
    which: str
    because: tuple[int, ...] = ()
