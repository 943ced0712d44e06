"""A message from its reception to the end of its last queue row.

Delivery kinds take names and fields from KumoMTA's log record. A row stands for one recipient of
one message; what a station must know to decide about it is in it.
"""

from __future__ import annotations

import msgspec

from unlisted.facts.fact import Fact, Observed


class Recipient(msgspec.Struct, frozen=True):
    """One recipient of an envelope: keyed hash of the address, and its domain in clear."""

    person: str
    domain: str


class SenderHistory(Observed, frozen=True, tag=True):
    """What a sender did before the journal began.

    `days`: oldest first, each (messages, recipients, new recipients, unknown users, complaints).
    `correspondents`: keyed hashes of the addresses it wrote to.
    """

    sender: str
    tenant: str
    until: float
    days: tuple[tuple[int, int, int, int, int], ...]
    correspondents: tuple[str, ...] = ()


class Reception(Observed, frozen=True, tag=True):
    """A message was accepted (recorded and committed before the 250).

    `id`: "m" + the fact's number. `origin`: login, host, ndr, unknown. `digest`: of the
    normalised body, in hex. `fingerprint`: see campaigns. `null_sender`: MAIL FROM:<>.
    `subject`, `message_id`: keyed hashes of what the header says, "" where it says nothing.
    """

    id: str
    sender: str
    tenant: str
    origin: str
    reverse_path: str
    recipients: tuple[Recipient, ...]
    size: int
    digest: str
    fingerprint: str
    null_sender: bool = False
    subject: str = ""
    message_id: str = ""


class Rejection(Observed, frozen=True, tag=True):
    """A submission was refused at SMTP time because of a hold. `recipients`: how many."""

    sender: str
    tenant: str
    hold: str
    recipients: int = 1


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queue row: one recipient of one message, all a station needs to decide about it.

    `key`: message id "." recipient index. `state`: due (waits for a time), wait (for a
    condition), held, out (handed to the edge), booked (bounced, kept for a re-send).
    `drawn`: address of the first draw; `moved`: it was tried by another address after a refusal.
    `refused`: replies so far that blamed us. `watched`: read from another MTA's log, which alone
    acts on it: it is in no queue of ours, and nothing is ever ordered about it; only such a row has
    `reverse_path`. `again`: it bounced and is sent again, until then. `unknown`: it was handed over
    once and no answer came.
    """

    key: str
    message: str
    sender: str
    tenant: str
    recipient: str
    domain: str
    first_at: float
    state: str = "due"
    address: str = ""
    drawn: str = ""
    attempts: int = 0
    refused: int = 0
    moved: bool = False
    campaign: str = ""
    digest: str = ""
    known: bool = False
    null_sender: bool = False
    due: float | None = None
    waits_for: str = ""
    until: float | None = None
    watched: bool = False
    again: float = 0.0
    unknown: bool = False
    reverse_path: str = ""
    subject: str = ""
    message_id: str = ""


class Outcome(Observed, frozen=True, kw_only=True):
    """What came of one attempt. The row is the one the command carried, before the attempt.

    `receiver`: the remote site; `stage`: connect, greeting, ehlo, mail, rcpt, data, eod.
    `text`: diagnostic text, the people's addresses in it replaced by their keyed hashes.
    """

    row: Row
    address: str
    receiver: str
    code: int = 0
    enhanced: str | None = None
    text: str = ""
    stage: str = "eod"


class Delivery(Outcome, frozen=True, tag=True):
    """The receiver took the message: 2yz after the final dot."""


class TransientFailure(Outcome, frozen=True, tag=True):
    """4yz, or no usable conversation at all (code 0)."""


class Bounce(Outcome, frozen=True, tag=True):
    """5yz."""


class NotAttempted(Outcome, frozen=True, tag=True):
    """The path or the sender was closed between the command and its turn; `text` says why."""


class Departing(Observed, frozen=True, tag=True):
    """The content of a re-send is about to leave under `command`: should nothing more be heard of
    it, its outcome is unknown, and it is not sent once more by itself.
    """

    key: str
    message: str
    command: str


class Carried(Observed, frozen=True, tag=True):
    """What one receiver took from one address of a watched MTA within a minute, counted.

    `senders`: (sender, recipients); the sender "": the log does not say. Refusals and failures of
    watched mail are facts of their own, TransientFailure and Bounce of a watched row.
    """

    address: str
    receiver: str
    senders: tuple[tuple[str, int], ...]


class Due(Observed, frozen=True, tag=True):
    """The loader took this row from the queue: its time or its condition came (`why`)."""

    row: Row
    why: str


class Woken(Observed, frozen=True, tag=True):
    """A Wake command is done: so many rows were taken, so many still wait."""

    waits_for: str
    taken: int
    left: int


class FeedbackReceived(Observed, frozen=True, tag=True):
    """A feedback report (ARF). Unknown message or sender: None. `feedback_type`: abuse, …"""

    feedback_type: str
    message: str | None = None
    sender: str | None = None
    recipient: str | None = None
    reporter: str = ""


class Accepted(Fact, frozen=True, tag=True):
    """accept: what the message is near to. `size`: members of its campaign so far."""

    message: str
    campaign: str
    size: int


class Queued(Fact, frozen=True, tag=True):
    """deliver: the row's new content (the queue table is the projection of these)."""

    row: Row
    why: str = ""
    because: tuple[int, ...] = ()


class Routed(Fact, frozen=True, tag=True):
    """deliver: the draw of an egress address: address, its probability, among how many.

    `why`: draw (keyed rotation), redraw (the drawn address rests, the sender is cleared),
    moved (refused before, judged clean), kept (a retry by the same address).
    """

    key: str
    message: str
    sender: str
    domain: str
    pool: str
    address: str
    probability: float
    epoch: int
    among: int
    why: str


class Settled(Fact, frozen=True, tag=True):
    """deliver: the row is finished. `how`: delivered, bounced, expired, superseded, discarded."""

    key: str
    message: str
    how: str
    because: tuple[int, ...] = ()
