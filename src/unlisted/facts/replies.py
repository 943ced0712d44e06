"""What a receiver's reply says about us, and what a list answers about our addresses."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed
from unlisted.facts.mail import Row


class ProbeAnswered(Observed, frozen=True, tag=True):
    """A blocklist's answer about one egress address. `state`: listed, clean, unknown (`why`)."""

    zone: str
    address: str
    state: str
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    why: str = ""


class Failed(Fact, frozen=True, tag=True):
    """sense: a reply that blames neither our addresses nor their network. `reason`: Sisimai's.
    `stage`: where the conversation ended without a reply.
    """

    row: Row
    address: str
    receiver: str
    reason: str
    temporary: bool
    code: int
    enhanced: str | None = None
    text: str = ""
    rule: str = ""
    stage: str = ""


class Refusal(Fact, frozen=True, tag=True):
    """sense: a reply that blames the reputation of the sending address or its network.

    `zone`: the list it names; None: it names none. `retry`: same_later, slow_down,
    other_address, after_delisting, never.
    """

    row: Row
    address: str
    receiver: str
    zone: str | None
    retry: str
    code: int
    enhanced: str | None = None
    text: str = ""
    rule: str = ""
    temporary: bool = False
    stage: str = ""


class Suspicion(Fact, frozen=True, tag=True):
    """sense: a reply that may be a refusal; its words do not tell."""

    row: Row
    address: str
    receiver: str
    code: int
    enhanced: str | None = None
    text: str = ""
    rule: str = ""
    temporary: bool = False
    stage: str = ""
