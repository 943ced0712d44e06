"""Replay: the observed facts followed again, every derived fact compared byte for byte.

Within one version of the logic any difference is a fault; facts of another version are followed
but not compared. Inputs that a station failed on were quarantined and are left out, as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from unlisted import facts
from unlisted.edge.journal import Line
from unlisted.loop._fixpoint import Fault, States, follow

KEPT = 100


class Difference(msgspec.Struct, frozen=True):
    """One derived fact that came out otherwise; "" where one side has none."""

    n: int
    cause: int
    was: str
    is_now: str


class Replayed(msgspec.Struct, frozen=True):
    """What a replay found. `differences`: the first of `different`."""

    observed: int
    compared: int
    quarantined: int
    other_logic: int
    different: int
    differences: tuple[Difference, ...]


def inputs(lines: Iterable[Line]) -> Iterator[tuple[Line, list[Line]]]:
    """Each observed line with the lines derived from it."""
    head: Line | None = None
    derived: list[Line] = []
    for line in lines:
        if line.cause is not None:
            derived.append(line)
            continue
        if head is not None:
            yield head, derived
        head, derived = line, []
    if head is not None:
        yield head, derived


def replay(lines: Iterable[Line], key: bytes) -> Replayed:
    """Follow all again. `key`: of the keyed draws."""
    states = States(key)
    observed = compared = quarantined = other = different = 0
    kept: list[Difference] = []
    for line, derived in inputs(lines):
        observed += 1
        if any(one.kind == "StationFault" for one in derived):
            quarantined += 1
            continue
        try:
            found = follow(states, line.fact(), line.n).facts
        except Fault as fault:
            kept.append(Difference(line.n, line.n, "no fault", str(fault)))
            different += 1
            break  # the states are half stepped: what follows would say nothing
        if line.logic != facts.LOGIC:
            other += len(derived)
            continue
        was = [_said(one.n, one.kind, one.cause or 0, one.body) for one in derived]
        now = [
            _said(n, facts.kind_of(fact), cause, facts.encode(fact).decode())
            for n, fact, cause in found
        ]
        compared += len(was)
        for i in range(max(len(was), len(now))):
            old = was[i] if i < len(was) else ""
            new = now[i] if i < len(now) else ""
            if old != new:
                different += 1
                if len(kept) < KEPT:
                    kept.append(Difference(line.n + 1 + i, line.n, old, new))
    return Replayed(observed, compared, quarantined, other, different, tuple(kept))


def _said(n: int, kind: str, cause: int, body: str) -> str:
    return f"{n} {kind} cause {cause} {body}"
