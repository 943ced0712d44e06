"""One observed fact in, everything that follows from it out (DESIGN section 2).

Stations step in their order, breadth-first, until nothing new is derived. Pure: no socket, file,
clock or chance; the same facts give the same states, facts and commands for ever.
A station that raises, or an input that derives more than `LIMIT` facts, is a `Fault`: the caller
quarantines the input and rebuilds the states, because they may be half stepped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TypeAlias

import msgspec

from unlisted.commands import CancelTimer, Command, SetTimer
from unlisted.facts import (
    Bounce,
    Delivery,
    Due,
    Fact,
    Observed,
    Outcome,
    Queued,
    Settled,
    StationFault,
)
from unlisted.loop import (
    accept,
    contain,
    delist,
    deliver,
    explain,
    prevent,
    resend,
    sense,
    tell,
    verify,
)

LIMIT = 2000
LATER_S = 3600.0  # when what met a fault is tried again
STATIONS: tuple[ModuleType, ...] = (
    accept,
    deliver,
    sense,
    explain,
    contain,
    prevent,
    delist,
    verify,
    resend,
    tell,
)
Out: TypeAlias = Fact | Command | SetTimer | CancelTimer
Step: TypeAlias = Callable[["States", Fact, int], Iterable[Out] | None]


class States:
    """One part per station: written by it, read by all."""

    __slots__ = (  # the stations' order is STATIONS, not this
        "accept",
        "contain",
        "delist",
        "deliver",
        "explain",
        "key",
        "prevent",
        "resend",
        "sense",
        "tell",
        "verify",
    )

    def __init__(self, key: bytes) -> None:
        self.key = key  # of the keyed draws; not in the journal
        self.accept = accept.State()
        self.deliver = deliver.State()
        self.sense = sense.State()
        self.explain = explain.State()
        self.contain = contain.State()
        self.prevent = prevent.State()
        self.delist = delist.State()
        self.verify = verify.State()
        self.resend = resend.State()
        self.tell = tell.State()


class Fault(Exception):
    """A station could not take an input. `station` and `error` go into a StationFault."""

    def __init__(self, station: str, error: str) -> None:
        super().__init__(f"station {station}: {error}")
        self.station = station
        self.error = error


class Followed(msgspec.Struct, frozen=True):
    """What followed from one observed fact: derived facts (number, fact, cause), the rest."""

    facts: tuple[tuple[int, Fact, int], ...]
    commands: tuple[Command, ...]
    timers: tuple[SetTimer | CancelTimer, ...]


_STEPS: tuple[tuple[str, Step], ...] = tuple(
    (module.__name__.rpartition(".")[2], module.step) for module in STATIONS
)


def follow(states: States, fact: Fact, n: int) -> Followed:
    """Step all stations on observed fact number `n` to the fixpoint. Raises Fault."""
    assert isinstance(fact, Observed)
    facts: list[tuple[int, Fact, int]] = []
    commands: list[Command] = []
    timers: list[SetTimer | CancelTimer] = []
    pending: deque[tuple[Fact, int]] = deque([(fact, n)])
    while pending:
        current, number = pending.popleft()
        for name, step in _STEPS:
            try:
                for out in step(states, current, number) or ():
                    if isinstance(out, Fact):
                        derived = n + 1 + len(facts)
                        facts.append((derived, out, number))
                        pending.append((out, derived))
                    elif isinstance(out, Command):
                        commands.append(out)
                    else:
                        timers.append(out)
            except Exception as exc:
                raise Fault(name, f"{type(exc).__name__}: {exc}") from exc
            if len(facts) > LIMIT:
                raise Fault(name, f"more than {LIMIT} derived facts")
    return Followed(tuple(facts), tuple(commands), tuple(timers))


def quarantine(fact: Fact, n: int, fault: Fault) -> tuple[tuple[int, Fact, int], ...]:
    """What stands in the journal for an input that was quarantined: the fault, and for an
    outcome or a due row the least that keeps the queue true: a final reply stays final, else try
    later."""
    out: list[Fact] = [
        StationFault(at=fact.at, station=fault.station, error=fault.error[:500], because=(n,))
    ]
    if isinstance(fact, Outcome) and fact.row.watched:
        pass  # it is in no queue of ours
    elif isinstance(fact, Delivery | Bounce):
        how = "delivered" if isinstance(fact, Delivery) else "bounced"
        out.append(Settled(at=fact.at, key=fact.row.key, message=fact.row.message, how=how))
    elif isinstance(fact, Outcome):
        row = msgspec.structs.replace(fact.row, state="due", due=fact.at + LATER_S, waits_for="")
        out.append(Queued(at=fact.at, row=row, why="after a fault"))
    elif isinstance(fact, Due):  # or the loader would take it again in the same instant, and again
        later = fact.at + LATER_S
        if fact.row.state == "due":
            row = msgspec.structs.replace(fact.row, due=later)
        else:
            row = msgspec.structs.replace(fact.row, until=max(fact.row.until or 0.0, later))
        out.append(Queued(at=fact.at, row=row, why="after a fault"))
    return tuple((n + 1 + i, derived, n) for i, derived in enumerate(out))
