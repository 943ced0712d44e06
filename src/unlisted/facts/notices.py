"""Events told to webhooks, and notices to the operator's people: sent, answered, lost."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed


class WebhookAnswered(Observed, frozen=True, tag=True):
    """A webhook was called about one event (`delivery`: its webhook-id), or could not be: code 0,
    and `why`."""

    hook: str
    delivery: str
    event: str
    code: int = 0
    why: str = ""


class NoticeSent(Observed, frozen=True, tag=True):
    """A notice to the operator's people was handed to so many of their services; others failed.
    `why`: which kinds of service failed, no more."""

    notice: str
    what: str
    reached: int = 0
    failed: int = 0
    why: str = ""


class WebhookLost(Fact, frozen=True, tag=True):
    """tell: an event could not be told to a webhook within a day. `why`: its last answer."""

    hook: str
    delivery: str
    event: str
    attempts: int
    why: str
    because: tuple[int, ...] = ()


class WebhookEnded(Fact, frozen=True, tag=True):
    """tell: a webhook answered 410: it is called no more until it is configured anew."""

    hook: str
    because: tuple[int, ...] = ()


class NoticeLost(Fact, frozen=True, tag=True):
    """tell: a notice reached none of the operator's services."""

    notice: str
    what: str
    attempts: int
    why: str
    because: tuple[int, ...] = ()
