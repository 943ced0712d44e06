"""Who outside is told of what happens: webhooks of the public events, notices to the operator's people.

Each telling is a command in the outbox under one id for all its tries, so a receiver can tell a
repetition from news; a failed one is tried again with growing delays, for about a day. An answer 410
ends a webhook. Notices are bounded by the hour: what is more is counted, and told as one. A missed
deadline is noticed when it passes, not when the late update comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from unlisted.commands import CallWebhook, CancelTimer, Notify, SetTimer
from unlisted.facts import (
    Configured,
    DeadlineMissed,
    DeadlineMoved,
    DutyCalled,
    EpisodeOpened,
    Fact,
    FeedSilent,
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    NoticeLost,
    NoticeSent,
    PostDrafted,
    Posted,
    PostPending,
    ReviewWritten,
    Subscription,
    TimerFired,
    WebhookAnswered,
    WebhookEnded,
    WebhookLost,
    encode,
)
from unlisted.health import notices, webhook

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

# Pauses between tries. Standard Webhooks: growing, about a day in all (23.6 h here).
HOOK_DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 28800.0, 28800.0)
NOTICE_DELAYS_S = (60.0, 300.0, 900.0)
GONE = 410
HOUR_S = 3600.0
URGENT = ("duty", "deadline")
MOST = {True: 30, False: 10}  # notices within an hour: urgent ones, others
MOST_PENDING = 2000  # tellings without an end; the oldest give way, and a fact says so
MOST_KNOWN = 200  # incidents remembered by title
PREFIX = "tell/"
HELD, MISSED = PREFIX + "held", "missed"


HEARD: frozenset[type[Fact]] = frozenset(
    {
        *(Configured, DeadlineMissed, DeadlineMoved, DutyCalled, EpisodeOpened, FeedSilent),
        *(IncidentClosed, IncidentMerged, IncidentOpened, IncidentRevised, IncidentSplit),
        *(NoticeSent, PostDrafted, Posted, PostPending, ReviewWritten),
        *(TimerFired, WebhookAnswered, WebhookEnded, WebhookLost),
    }
)


class Pending(msgspec.Struct):
    """A telling under way, and how often it was tried."""

    command: CallWebhook | Notify
    tries: int = 0


class Telling:
    """Who is told, what is under way, and what was told of incidents."""

    def __init__(self) -> None:
        self.hooks: tuple[Subscription, ...] = ()
        self.notices: frozenset[str] = frozenset()
        self.ended: set[str] = set()
        self.pending: dict[str, Pending] = {}
        self.known: dict[str, webhook.Known] = {}
        self.missed: tuple[str, float] | None = None  # the last deadline that was called missed
        self.recent: deque[tuple[float, bool]] = deque()
        self.held: dict[str, int] = {}


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Tell of a fact of `HEARD` whoever is to be told."""
    telling = states.tell.telling
    match fact:
        case Configured():
            yield from _configured(telling, fact)
        case TimerFired(key=key):
            if key == MISSED:
                yield from _overdue(states, fact.at, n)
            elif key == HELD:
                yield from _held(telling, fact.at, n)
            elif key.startswith(PREFIX):
                yield from _again(telling, key.removeprefix(PREFIX))
        case WebhookAnswered():
            yield from _answered(telling, fact, n)
        case NoticeSent():
            yield from _sent(telling, fact, n)
        case Posted() | IncidentClosed():
            yield from _watched(states, fact.at)
    event = webhook.event_of(fact)
    if event is not None:
        yield from _published(states, fact, event, n)
    if telling.notices and (said := notices.words(fact)) is not None:
        yield from _noticed(telling, fact.at, n, said)


# ---------------------------------------------------------------- deadlines


def _watched(states: States, at: float) -> Iterator[Out]:
    """The promise that stands now is looked at when its time has passed."""
    incident = states.tell.incident
    judged = None if incident is None else incident.judged
    if incident is None or judged is None or states.tell.telling.missed == (incident.id, judged):
        yield CancelTimer(key=MISSED)
    else:
        yield SetTimer(
            key=MISSED, due=max(at, judged + 1.0)
        )  # an update at that very second keeps it


def _overdue(states: States, at: float, n: int) -> Iterator[Out]:
    incident, telling = states.tell.incident, states.tell.telling
    judged = None if incident is None else incident.judged
    if incident is None or judged is None or at <= judged:
        return
    if telling.missed != (incident.id, judged):
        telling.missed = (incident.id, judged)
        yield DeadlineMissed(at=at, incident=incident.id, deadline=judged, because=(n,))


# ---------------------------------------------------------------- webhooks


def _configured(telling: Telling, fact: Configured) -> Iterator[Out]:
    telling.hooks, telling.notices = fact.webhooks, frozenset(fact.notices)
    there = {one.hook for one in fact.webhooks}
    telling.ended &= there
    for name, one in list(telling.pending.items()):
        command = one.command
        if (
            command.hook not in there
            if isinstance(command, CallWebhook)
            else command.what not in telling.notices
        ):
            del telling.pending[name]
            yield CancelTimer(key=PREFIX + name)


def _published(states: States, fact: Fact, event: str, n: int) -> Iterator[Out]:
    telling = states.tell.telling
    incident = str(getattr(fact, "incident", ""))
    known = telling.known.setdefault(incident, webhook.Known(incident))
    known.learn(fact)
    while len(telling.known) > MOST_KNOWN:
        del telling.known[next(iter(telling.known))]
    wanted = [
        one.hook for one in telling.hooks if event in one.events and one.hook not in telling.ended
    ]
    if not wanted:
        return
    # Of the content too: after a restore from a backup the same number is another fact.
    content = blake2b(b"%d:" % n + encode(fact), key=states.key[:64], digest_size=12)
    delivery = "msg_" + content.hexdigest()
    data = webhook.data(fact, known)
    for hook in wanted:
        name = f"{delivery}/{hook}"
        command = CallWebhook(
            key=f"{PREFIX}{name}/1", hook=hook, delivery=delivery, event=event,
            occurred_at=fact.at, data=data, path=webhook.path(fact),
        )  # fmt: skip
        yield from _begun(telling, name, command, fact.at, n)


def _answered(telling: Telling, fact: WebhookAnswered, n: int) -> Iterator[Out]:
    name = f"{fact.delivery}/{fact.hook}"
    pending = telling.pending.get(name)
    if pending is None:
        return
    if 200 <= fact.code < 300:
        del telling.pending[name]
    elif fact.code == GONE:
        telling.ended.add(fact.hook)
        for other in [one for one in telling.pending if one.endswith("/" + fact.hook)]:
            del telling.pending[other]
            yield CancelTimer(key=PREFIX + other)
        yield WebhookEnded(at=fact.at, hook=fact.hook, because=(n,))
    else:
        why = fact.why or f"status {fact.code}"
        yield from _failed(telling, name, HOOK_DELAYS_S, fact.at, n, why)


# ---------------------------------------------------------------- notices


def _noticed(telling: Telling, at: float, n: int, said: notices.Words) -> Iterator[Out]:
    what = said[0]
    if what not in telling.notices:
        return
    urgent = what in URGENT
    recent = telling.recent
    while recent and recent[0][0] <= at - HOUR_S:
        recent.popleft()
    if sum(one[1] == urgent for one in recent) >= MOST[urgent]:
        if not telling.held:
            yield SetTimer(key=HELD, due=at + HOUR_S)
        telling.held[what] = telling.held.get(what, 0) + 1
        return
    recent.append((at, urgent))
    yield from _begun(telling, f"n{n}", notice(n, said), at, n)


def _held(telling: Telling, at: float, n: int) -> Iterator[Out]:
    counts, telling.held = telling.held, {}
    counts = {what: count for what, count in counts.items() if what in telling.notices}
    if counts:
        yield from _begun(telling, f"n{n}", notice(n, notices.held_back(counts)), at, n)


def notice(n: int, said: notices.Words) -> Notify:
    """The command of a notice about fact number `n`."""
    what, title, text = said
    return Notify(key=f"{PREFIX}n{n}/1", notice=f"n{n}", what=what, title=title, text=text)


def of_fault(states: States, n: int, station: str) -> tuple[Notify, ...]:
    """The notice of a quarantined input. It stands outside the states, which are rebuilt without it:
    the caller bounds how often."""
    if "fault" not in states.tell.telling.notices:
        return ()
    return (notice(n, notices.fault(station)),)


def _sent(telling: Telling, fact: NoticeSent, n: int) -> Iterator[Out]:
    if fact.notice not in telling.pending:
        return
    if fact.reached:
        del telling.pending[fact.notice]
    else:
        yield from _failed(telling, fact.notice, NOTICE_DELAYS_S, fact.at, n, fact.why)


# ---------------------------------------------------------------- tries


def _begun(
    telling: Telling, name: str, command: CallWebhook | Notify, at: float, n: int
) -> Iterator[Out]:
    telling.pending[name] = Pending(command)
    yield command
    while len(telling.pending) > MOST_PENDING:
        oldest = next(iter(telling.pending))
        yield CancelTimer(key=PREFIX + oldest)
        yield _lost(telling.pending.pop(oldest), at, n, "too many wait")


def _failed(
    telling: Telling, name: str, delays: tuple[float, ...], at: float, n: int, why: str
) -> Iterator[Out]:
    pending = telling.pending[name]
    if pending.tries < len(delays):
        yield SetTimer(key=PREFIX + name, due=at + delays[pending.tries])
        pending.tries += 1
        return
    del telling.pending[name]
    yield _lost(pending, at, n, why)


def _again(telling: Telling, name: str) -> Iterator[Out]:
    pending = telling.pending.get(name)
    if pending is not None:
        key = f"{PREFIX}{name}/{pending.tries + 1}"
        yield msgspec.structs.replace(pending.command, key=key)


def _lost(pending: Pending, at: float, n: int, why: str) -> Fact:
    command, attempts = pending.command, pending.tries + 1
    if isinstance(command, Notify):
        return NoticeLost(
            at=at,
            notice=command.notice,
            what=command.what,
            attempts=attempts,
            why=why,
            because=(n,),
        )
    return WebhookLost(
        at=at, hook=command.hook, delivery=command.delivery, event=command.event,
        attempts=attempts, why=why, because=(n,),
    )  # fmt: skip
