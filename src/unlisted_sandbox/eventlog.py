"""What the world saw at its own sockets, per platform: the only source of the scoreboard.

One event per thing that happened, with the simulated instant. Within one instant the order of two
events is not defined (a submitter may read its 250 before or after the receiver sees the delivery),
so an export is sorted. Holds nothing of another platform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct


class Event(Struct, frozen=True, omit_defaults=True, order=True):
    """`kind`: submitted, refused (for the list), unknown, deferred, content, hung, delivered,
    bounced (the sender was told), turned away (at submission), evidence, complaint, held and released
    (by the postmaster of `usual`), mail home, notice of nothing. `at` is the instant of the reply."""

    at: float
    kind: str
    site: str = ""
    address: str = ""  # egress address
    token: str = ""
    mailbox: str = ""
    sender: str = ""
    stage: str = ""
    id: str = ""
    text: str = ""


class Log:
    """The events of one lane, in order of arrival."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.events: list[Event] = []
        self.counts: dict[str, int] = {}
        self.watch: dict[str, Callable[[Event], None]] = {}  # called when a kind happens

    def add(
        self,
        at: float,
        kind: str,
        *,
        site: str = "",
        address: str = "",
        token: str = "",
        mailbox: str = "",
        sender: str = "",
        stage: str = "",
        id: str = "",
        text: str = "",
    ) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        event = Event(at, kind, site, address, token, mailbox, sender, stage, id, text)
        self.events.append(event)
        if kind in self.watch:
            self.watch[kind](event)

    def last(self, kind: str, n: int) -> list[Event]:
        """The newest of a kind, newest first."""
        found: list[Event] = []
        for event in reversed(self.events):
            if event.kind == kind:
                found.append(event)
                if len(found) == n:
                    break
        return found

    def export(self) -> Iterator[bytes]:
        """JSON lines, sorted within each instant."""
        for event in sorted(self.events):
            yield msgspec.json.encode(event) + b"\n"
