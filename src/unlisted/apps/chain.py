"""The chain of facts behind a verdict: from a fact back, through what it rests on, to what was seen.

A derived fact names its reasons (`because`), else the fact it followed from; a probe or a test of a path
names in its key the fact that asked for it. The walk ends at replies, log lines, reports, answers of
lists and acts of people. Each step has its time, what it says, figures with their n and window, and the
numbers of the facts it rests on. Bounded in length and in reading; what is left out is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from unlisted.apps import chain_words
from unlisted.edge.journal import Line
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import Fact, FactError, Observed, PathTested, ProbeAnswered

SHOWN = 24  # steps
READ = 400  # facts at most
_ASKED = re.compile(r"(?:probe|drop|dropped|control|test|relisting)/.*/(\d{1,18})")


class Step(msgspec.Struct, frozen=True):
    """One fact of a chain. `because`: numbers of the facts of this chain it rests on."""

    n: int
    at: float
    kind: str
    text: str
    because: tuple[int, ...]
    observed: bool


class Chain(msgspec.Struct, frozen=True):
    """The steps, newest first, and how many more there are."""

    steps: tuple[Step, ...]
    more: int = 0


def chain(model: ReadModel, start: Iterable[int], *, shown: int = SHOWN) -> Chain:
    """What the facts of these numbers rest on, themselves included."""
    found: dict[int, Step] = {}
    silent: set[int] = set()
    waiting = sorted(set(start), reverse=True)
    seen = set(waiting)
    while waiting and len(seen) <= READ:
        line = model.line(waiting.pop(0))
        fact = _fact(line)
        if line is None or fact is None:
            continue
        reasons = parents(fact, line.cause)
        text = chain_words.told(model, fact)
        if text:
            found[line.n] = Step(
                line.n, fact.at, line.kind, text, reasons, isinstance(fact, Observed)
            )
        else:
            silent.add(line.n)  # a look that was due is no reason
        fresh = [n for n in reasons if n not in seen]
        seen.update(fresh)
        waiting = sorted({*waiting, *fresh}, reverse=True)
    ordered = [
        msgspec.structs.replace(
            found[n], because=tuple(one for one in found[n].because if one not in silent)
        )
        for n in sorted(found, reverse=True)
    ]
    kept = _kept(ordered, shown)
    left = len(ordered) - len(kept) + len(waiting)
    return Chain(tuple(kept), left)


def parents(fact: Fact, cause: int | None) -> tuple[int, ...]:
    """The numbers of the facts that a fact rests on."""
    if isinstance(fact, ProbeAnswered | PathTested):
        asked = _ASKED.fullmatch(fact.done or "")
        return (int(asked[1]),) if asked else ()
    if isinstance(fact, Observed):
        return ()
    because: tuple[int, ...] = getattr(fact, "because", ())
    return because or ((cause,) if cause is not None else ())


def _fact(line: Line | None) -> Fact | None:
    try:
        return line.fact() if line is not None else None
    except FactError:
        return None  # of a later version: a chain with a gap is better than none


def _kept(steps: list[Step], shown: int) -> list[Step]:
    """The newest, and always some of what was observed: a chain without its ground is none."""
    if len(steps) <= shown:
        return steps
    seen = [step for step in steps if step.observed]
    ground = seen[max(0, len(seen) - shown // 3) :]
    rest = [step for step in steps if step not in ground][: shown - len(ground)]
    return sorted([*rest, *ground], key=lambda step: -step.n)
