"""9. What bounced for a block goes out again: once per recipient, without the culprits, in a pace.

A message that bounced under suspicion stays in the books for 72 h. When its path accepts again (or
DESIGN section 8 lets it leave by another address) it goes out, by policy or when a person switched
it on, a batch at a time for each path; a new refusal ends the pace until the path reopens. A copy
that the sender sent by hand meanwhile takes its place. What may have arrived already (no answer to
its last attempt, or a process that died over it) needs a person's word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, SetTimer
from unlisted.facts import (
    Booked,
    Delivery,
    Departing,
    Due,
    EpisodeOpened,
    Fact,
    HandSent,
    HoldReleased,
    NotResent,
    Outcome,
    PathReopened,
    Queued,
    Reception,
    Refusal,
    ResendOrdered,
    Resent,
    Row,
    SenderHeld,
    Settled,
    Suspicion,
    TimerFired,
)
from unlisted.loop import _books
from unlisted.loop._books import COPY, CULPRIT, DOUBTFUL, UNKNOWN, episode_of, left_out, same
from unlisted.loop._placing import may_move
from unlisted.loop._resting import Path, path_of

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

State = _books.State
LOOK = 400  # letters looked at for one batch; few facts may follow from one input
RECHECK_S = 1800.0  # until letters of doubtful senders are looked at again
MOST_DOUBTS = 7  # doublings of the pause
TOO_MANY = 10  # one in so many


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Keep the books, and send from them."""
    state = states.resend
    if isinstance(fact, Outcome) and not fact.row.watched:
        state.departing.pop(fact.row.key, None)
    if isinstance(fact, Booked):
        yield from _booked(states, fact, n)
    elif isinstance(fact, Queued):
        _under_way(states, fact.row)
    elif isinstance(fact, Reception) and fact.origin != "ndr":
        yield from _by_hand(states, fact, n)
    elif isinstance(fact, Delivery) and not fact.row.watched:
        yield from _delivered(states, fact, n)
    elif isinstance(fact, Settled):
        yield from _settled(states, fact, n)
    elif isinstance(fact, Departing):
        state.departing[fact.key] = fact.command
    elif isinstance(fact, Refusal | Suspicion):
        yield from _refused(states, fact)
    elif isinstance(fact, ResendOrdered):
        yield from _ordered(states, fact, n)
    elif isinstance(fact, Due) and fact.why == "resend":  # a wake of an earlier version
        yield from _one(states, fact.row.key, fact.at, n)
    elif isinstance(fact, EpisodeOpened):
        _books.opened(state, fact)
        for receiver in states.sense.receivers_of(fact):
            yield from _start(states, (fact.address, receiver), fact.at)
    elif isinstance(fact, PathReopened):
        yield from _start(states, (fact.address, fact.receiver), fact.at)
    elif isinstance(fact, TimerFired) and fact.key.startswith("resend|"):
        path = path_of(fact.key)
        if path in state.pacing:
            yield from _batch(states, path, fact.at, n)
        else:
            yield from _start(states, path, fact.at)
    elif isinstance(fact, SenderHeld | HoldReleased):
        yield from _held(states, fact, n)


# ---------------------------------------------------------------- pace


def _start(states: States, path: Path, at: float) -> Iterator[Out]:
    """Look through a path's books from the beginning, unless that is going on. Each path has an
    input of its own for it: many may start at once, and few facts may follow from one."""
    state = states.resend
    if path in state.shelves and path not in state.pacing:
        state.pacing[path] = deque(state.shelves[path])
        yield SetTimer(key=_timer(path), due=at)


def _batch(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
    """As many as the pace allows now; the timer brings the next."""
    state, policy = states.resend, states.accept.policy
    todo = state.pacing[path]
    _judged(state, path)
    room = policy.resend_batch - len(state.out.get(path, ()))
    looked = 0
    while todo and room > 0 and looked < LOOK:
        looked += 1
        row = state.books.get(todo.popleft())
        if row is not None and _may_go(states, row, path, at):
            why = left_out(states, row, at)
            if why:
                yield from _left(states, row, why, at, n)
            else:
                room -= 1
                yield _resent(states, row, at, n)
    if todo:
        wait = policy.resend_every_s * 2 ** state.doubts.get(path, 0)
        yield SetTimer(key=_timer(path), due=at + wait)
        return
    del state.pacing[path]
    if any(state.left.get(key) == DOUBTFUL for key in state.shelves.get(path, ())):
        yield SetTimer(key=_timer(path), due=at + RECHECK_S)


def _judged(state: State, path: Path) -> None:
    """Half as fast if of the answers since the last batch too many were doubtful; one letter
    among many may be refused for itself."""
    good, doubtful = state.answers.pop(path, (0, 0))
    if doubtful * TOO_MANY > good + doubtful:
        state.doubts[path] = min(state.doubts.get(path, 0) + 1, MOST_DOUBTS)
    elif good:
        state.doubts.pop(path, None)


def _may_go(states: States, row: Row, path: Path, at: float) -> bool:
    """Whether its time has come: switched on, and its path open or another one allowed."""
    policy = states.accept.policy
    if policy.resend_by != "policy" and row.key not in states.resend.ordered:
        return False
    return path not in states.deliver.rests or may_move(states, row, at)


def _resent(states: States, row: Row, at: float, n: int) -> Resent:
    state = states.resend
    episode = episode_of(states, row)
    by, order = state.ordered.get(row.key, ("policy", n))
    state.send(row, episode)
    because = (n,) if order == n else (n, order)
    return Resent(at=at, row=row, episode=episode, because=because, by=by)


def _left(states: States, row: Row, why: str, at: float, n: int) -> Iterator[Out]:
    state = states.resend
    if state.left.get(row.key) != why:
        state.left[row.key] = why
        yield NotResent(
            at=at,
            key=row.key,
            message=row.message,
            episode=episode_of(states, row),
            why=why,
            because=(n,),
        )


def _under_way(states: States, row: Row) -> None:
    """Count re-sends in the edge's hands, for the pace."""
    out = states.resend.out
    if not row.again:
        return
    path = states.deliver.path(row, row.address)
    if row.state == "out":
        out.setdefault(path, set()).add(row.key)
    else:
        _back(out, row.key)


def _back(out: dict[Path, set[str]], key: str) -> None:
    for path in [path for path, keys in out.items() if key in keys]:
        out[path].discard(key)
        if not out[path]:
            del out[path]


def _refused(states: States, fact: Refusal | Suspicion) -> Iterator[Out]:
    """A refusal ends the pace (its path rests); a doubtful answer to a re-send slows it down."""
    state, path = states.resend, (fact.address, fact.receiver)
    if fact.row.watched:
        if not fact.temporary and not fact.row.null_sender:
            zone = fact.zone if isinstance(fact, Refusal) else None
            episode = states.sense.episode_at(*path, zone)
            if episode is None:
                state.early.append((fact.at, *path, zone))
            state.tell(episode, path[1], "not kept")
    elif isinstance(fact, Refusal):
        if state.pacing.pop(path, None) is not None:
            yield CancelTimer(key=_timer(path))
    elif fact.row.again:
        state.answers.setdefault(path, [0, 0])[1] += 1


def _timer(path: Path) -> str:
    return f"resend|{path[0]}|{path[1]}"


# ---------------------------------------------------------------- people


def _ordered(states: States, fact: ResendOrdered, n: int) -> Iterator[Out]:
    state = states.resend
    if fact.key is not None:
        if fact.key in state.books:
            state.ordered[fact.key] = (fact.actor, n)
            yield from _one(states, fact.key, fact.at, n)
        return
    keys = [key for key, row in state.books.items() if episode_of(states, row) == fact.episode]
    for key in keys:
        state.ordered[key] = (fact.actor, n)
        if fact.unknown_outcome and state.books[key].unknown:
            state.permitted.add(key)
    for path in sorted({path_of(state.books[key].waits_for) for key in keys}):
        state.pacing.pop(path, None)  # from the beginning: what was passed over may go now
        yield from _start(states, path, fact.at)


def _one(states: States, key: str, at: float, n: int) -> Iterator[Out]:
    """One letter, now if it may; else it waits for its path like the others."""
    row = states.resend.books.get(key)
    if row is None:
        return
    why = left_out(states, row, at)
    if why:
        yield from _left(states, row, why, at, n)
    elif _may_go(states, row, path_of(row.waits_for), at):
        yield _resent(states, row, at, n)


def _held(states: States, fact: SenderHeld | HoldReleased, n: int) -> Iterator[Out]:
    """A culprit's letters never go, though its hold end; a person may say that it is none. Who
    else is cleared by it may leave by another address now."""
    state = states.resend
    if isinstance(fact, SenderHeld):
        state.culprits.add(fact.sender)
        paths = [path for path in sorted(state.shelves) if path in states.deliver.rests]
    elif fact.actor == "policy":
        return
    else:
        state.culprits.discard(fact.sender)
        paths = sorted(
            {path_of(state.books[k].waits_for) for k, w in state.left.items() if w == CULPRIT}
        )
    for path in paths:
        yield from _start(states, path, fact.at)


# ---------------------------------------------------------------- copies


def _booked(states: States, fact: Booked, n: int) -> Iterator[Out]:
    state = states.resend
    state.over(fact.row.key)
    yield from _superseded(state, fact.row, fact.at, n)
    state.book(fact.row)
    if fact.row.unknown:
        yield from _left(states, fact.row, UNKNOWN, fact.at, n)


def _by_hand(states: States, fact: Reception, n: int) -> Iterator[Out]:
    state = states.resend
    for index, recipient in enumerate(fact.recipients):
        body = (fact.sender, recipient.person, fact.digest)
        copy = f"{fact.id}.{index}"
        key = state.by_body.get(body)
        if key is not None:
            yield _hand_sent(key, copy, "copy", fact.at, n)
        elif body in state.delivered or body in state.on_its_way:
            waits = body in state.on_its_way
            which = "original is on its way" if waits else "original was delivered"
            yield _hand_sent(copy, copy, which, fact.at, n)
        elif (fact.sender, recipient.person) in state.by_pair:
            likely = state.likely_copy(
                fact.sender,
                recipient.person,
                states.accept.campaign,
                (fact.subject, fact.message_id),
            )
            if likely is not None:
                state.copy_begun(copy, likely)


def _delivered(states: States, fact: Delivery, n: int) -> Iterator[Out]:
    state, key = states.resend, fact.row.key
    if fact.row.again:
        state.answers.setdefault((fact.address, fact.receiver), [0, 0])[0] += 1
    sent = state.over(key)
    if sent is not None:
        state.arrived(sent[0], fact.at)
        state.tell(sent[1], fact.receiver, "sent again")
    yield from _superseded(state, fact.row, fact.at, n)
    original = state.copy_over(key)
    if original is not None:
        yield _hand_sent(original, key, "copy", fact.at, n)


def _superseded(state: State, copy: Row, at: float, n: int) -> Iterator[Out]:
    """The same letter stands in the books; this copy, booked later or delivered, is the one."""
    key = state.by_body.get(same(copy))
    if key is not None and key != copy.key:
        yield _hand_sent(key, copy.key, "copy", at, n)


def _hand_sent(key: str, copy: str, which: str, at: float, n: int) -> HandSent:
    message = key.partition(".")[0]
    return HandSent(at=at, key=key, message=message, copy=copy, which=which, because=(n,))


# ---------------------------------------------------------------- ends


def _settled(states: States, fact: Settled, n: int) -> Iterator[Out]:
    state = states.resend
    row = state.books.get(fact.key)
    if row is not None:
        how = "sent by hand" if fact.how == "superseded" else "too old"
        state.tell(episode_of(states, row), path_of(row.waits_for)[1], how)
        state.strike(fact.key)
    sent = state.over(fact.key)
    if sent is not None:
        state.tell(sent[1], "", "bounced again")
    _back(state.out, fact.key)
    original = state.copy_over(fact.key)
    if original is not None and state.left.get(original) == COPY:
        del state.left[original]  # its copy did not arrive: it counts again
        yield from _start(states, path_of(state.books[original].waits_for), fact.at)
