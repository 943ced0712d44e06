"""What stations ask the edge to do: one frozen struct for each command.

Every command has an idempotency key; it stands in the outbox until an observed fact names the
key in `done`. Nothing is carried out before the transaction that holds the command committed.
Timers are not commands to the world: they are rows, and come back as TimerFired.
"""

from __future__ import annotations

from typing import Any

import msgspec

from unlisted.facts import Row


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command", omit_defaults=True):
    """`key`: idempotency key, unique for all time."""

    key: str


class Deliver(Command, frozen=True, tag=True):
    """Hand the row's message to its domain's receiver from `address`, as `helo`."""

    row: Row
    address: str
    helo: str
    cautious: bool = False


class TestPath(Command, frozen=True, tag=True):
    """Ask a receiver without mail: MAIL, RCPT postmaster, RSET, from `address`."""

    address: str
    helo: str
    receiver: str


class Probe(Command, frozen=True, tag=True):
    """Ask a blocklist about an egress address, its test points first."""

    zone: str
    address: str


class Wake(Command, frozen=True, tag=True):
    """Record Due for rows that wait for this condition, at most `limit`, oldest first."""

    waits_for: str
    limit: int
    why: str


class Sweep(Command, frozen=True, tag=True):
    """Record Due for every row of a sender that is not out: a hold began or ended."""

    sender: str
    why: str


class SendNdr(Command, frozen=True, tag=True):
    """Tell the sender (RFC 3464) about one recipient. `action`: failed or delayed.

    `block`: the reply may have blamed our address, not the message.
    """

    row: Row
    action: str
    code: int
    enhanced: str | None
    text: str
    receiver: str
    block: bool = False


class CallWebhook(Command, frozen=True, tag=True):
    """Tell a subscriber of an event (Standard Webhooks). `delivery`: its webhook-id, the same at
    each try; `data`: the event's public content as JSON; `path`: of its public page."""

    hook: str
    delivery: str
    event: str
    occurred_at: float
    data: str
    path: str = "/"


class Notify(Command, frozen=True, tag=True):
    """Tell the operator's people. `what`: duty and draft go to whoever is on duty."""

    notice: str
    what: str
    title: str
    text: str


class SetTimer(msgspec.Struct, frozen=True, kw_only=True):
    """Set or move a timer; it comes back as TimerFired(key)."""

    key: str
    due: float


class CancelTimer(msgspec.Struct, frozen=True, kw_only=True):
    """Forget a timer; unknown keys are fine."""

    key: str


AnyCommand = Deliver | TestPath | Probe | Wake | Sweep | SendNdr | CallWebhook | Notify
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyCommand)
_ENCODER = msgspec.json.Encoder(order="deterministic")


def encode(command: Command) -> bytes:
    """The command as JSON for the outbox."""
    return _ENCODER.encode(command)


def decode(body: bytes | str) -> Command:
    """The command of an outbox row. Raises msgspec.MsgspecError."""
    command = _DECODER.decode(body)
    assert isinstance(command, Command)
    return command
