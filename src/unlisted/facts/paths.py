"""The way from one egress address to one receiver: rested, tried, open again."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed


class PathTested(Observed, frozen=True, tag=True):
    """A transaction without mail (MAIL, RCPT postmaster, RSET) through one path was answered."""

    address: str
    receiver: str
    code: int
    enhanced: str | None = None
    text: str = ""
    stage: str = "rcpt"


class PathRested(Fact, frozen=True, tag=True):
    """deliver: mail from `address` to `receiver` waits: a refusal, or an episode (`why`)."""

    address: str
    receiver: str
    episode: str | None
    why: str


class PathReopened(Fact, frozen=True, tag=True):
    """verify: a receiver that refused `address` accepted from it again."""

    address: str
    receiver: str
    episode: str | None
    why: str
    because: tuple[int, ...] = ()


class PathTried(Fact, frozen=True, tag=True):
    """verify: a resting path may let the next letter through (`waiting`: one that waits for it; else
    a new one), to see whether the receiver still refuses. `taken` of `wanted` in a row so far.
    """

    address: str
    receiver: str
    episode: str
    taken: int
    wanted: int
    why: str
    waiting: bool = False
    because: tuple[int, ...] = ()


class ReceiverDropped(Fact, frozen=True, tag=True):
    """verify: a receiver no longer follows a list: it takes mail from a listed address while the
    list says listed and other receivers that ask it refuse. The listing's episode stays open.

    `taken` recipients in a row since `since`, the last refusal before at `refused_at`; `listed_at`:
    the list's last answer; `controls`: (receiver, when it refused that address).
    """

    episode: str
    address: str
    receiver: str
    zone: str
    since: float
    taken: int
    refused_at: float | None
    listed_at: float
    controls: tuple[tuple[str, float], ...]
    because: tuple[int, ...] = ()
