"""Facts round-trip; the fixpoint's bounds; a fault is quarantined and the queue stays true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playbook import KEY, START, Playbook, configured

from unlisted import commands, facts
from unlisted.facts import (
    Bounce,
    Delivery,
    Due,
    Fact,
    Observed,
    Posted,
    Queued,
    Row,
    Settled,
    StationFault,
    TimerFired,
    TransientFailure,
)
from unlisted.loop import _fixpoint
from unlisted.loop._fixpoint import Fault, States, follow, quarantine

ROW = Row(
    key="m2.0",
    message="m2",
    sender="ann",
    tenant="t",
    recipient="bob",
    domain="big.test",
    first_at=START,
    state="out",
    address="127.0.1.1",
)

times = st.floats(min_value=0, max_value=4e9, allow_nan=False)
words = st.text('ab é\u2028"\\|<\x00\n😀', max_size=8)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, whatever struct or tuple it is."""
    if kind is float:
        return times
    if kind is str:
        return words
    if kind is int:
        return st.integers(0, 2**53)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs(kind)
    return st.from_type(kind)


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Structs of a kind with every field drawn."""
    return st.builds(kind, **{f.name: field_values(f.type) for f in msgspec.structs.fields(kind)})


def field_values(kind: Any) -> st.SearchStrategy[Any]:
    found = msgspec.inspect.type_info(kind)
    return of_info(found)


def of_info(info: Any) -> st.SearchStrategy[Any]:
    i = msgspec.inspect
    if isinstance(info, i.StrType):
        return words
    if isinstance(info, i.FloatType):
        return times
    if isinstance(info, i.BoolType):
        return st.booleans()
    if isinstance(info, i.IntType):
        return st.integers(-(2**53), 2**53)
    if isinstance(info, i.NoneType):
        return st.none()
    if isinstance(info, i.UnionType):
        return st.one_of(*(of_info(one) for one in info.types))
    if isinstance(info, i.VarTupleType):
        return st.lists(of_info(info.item_type), max_size=2).map(tuple)
    if isinstance(info, i.TupleType):
        return st.tuples(*(of_info(one) for one in info.item_types))
    if isinstance(info, i.StructType):
        return structs(info.cls)
    raise AssertionError(f"a field's type that no fact has had so far: {info}")


@pytest.mark.parametrize("kind", sorted(facts.KINDS))
def test_every_kind_of_fact_reads_back_as_it_was_written(kind: str) -> None:
    @settings(max_examples=15)
    @given(structs(facts.KINDS[kind]))
    def check(fact: Fact) -> None:
        body = facts.encode(fact)
        again = facts.decode(kind, body)
        assert again == fact and facts.encode(again) == body
        assert facts.kind_of(again) == kind

    check()


@pytest.mark.parametrize("kind", sorted(c.__name__ for c in commands.Command.__subclasses__()))
def test_every_command_reads_back_as_it_was_written(kind: str) -> None:
    @settings(max_examples=15)
    @given(structs(getattr(commands, kind)))
    def check(command: commands.Command) -> None:
        assert commands.decode(commands.encode(command)) == command

    check()


@settings(max_examples=200)
@given(st.sampled_from([*sorted(facts.KINDS), "Nonsense"]), st.binary(max_size=200))
def test_no_bytes_in_a_journal_row_do_more_than_raise_a_fact_error(kind: str, body: bytes) -> None:
    try:
        fact = facts.decode(kind, body)
    except facts.FactError:
        return
    assert isinstance(fact, Fact)


def test_a_field_added_later_has_its_default_in_older_facts() -> None:
    fact = facts.decode("TimerFired", b'{"kind":"TimerFired","at":1.0,"key":"post"}')
    assert fact == TimerFired(at=1.0, key="post")


def test_observed_and_derived_kinds_are_told_apart() -> None:
    assert all(k.observed is issubclass(k, Observed) for k in facts.KINDS.values())
    with pytest.raises(AssertionError):
        follow(States(KEY), Settled(at=START, key="m1.0", message="m1", how="delivered"), 1)


# ------------------------------------------------------------ faults


class Broken:
    """A station that raises, or derives without end, on one kind of fact."""

    def __init__(self, kind: type[Fact], *, endless: bool = False) -> None:
        self.kind = kind
        self.endless = endless

    def step(self, states: States, fact: Fact, n: int) -> Iterator[Any]:
        if isinstance(fact, self.kind | StationFault if self.endless else self.kind):
            if not self.endless:
                raise ZeroDivisionError("a station that cannot count")
            yield StationFault(at=fact.at, station="x", error="and again")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a broken station at the end of the row."""

    def put(kind: type[Fact], **more: bool) -> None:
        steps = (*_fixpoint._STEPS, ("broken", Broken(kind, **more).step))
        monkeypatch.setattr(_fixpoint, "_STEPS", steps)

    return put


def test_a_station_that_raises_is_a_fault_that_names_it(broken: Callable[..., None]) -> None:
    broken(TimerFired)
    with pytest.raises(Fault) as raised:
        follow(States(KEY), TimerFired(at=START, key="post"), 1)
    assert raised.value.station == "broken" and "ZeroDivisionError" in raised.value.error


def test_facts_without_end_are_a_fault(broken: Callable[..., None]) -> None:
    broken(TimerFired, endless=True)
    with pytest.raises(Fault, match="more than 2000"):
        follow(States(KEY), TimerFired(at=START, key="post"), 1)


@pytest.mark.parametrize(
    ("kind", "left"),
    [(Delivery, "delivered"), (Bounce, "bounced"), (TransientFailure, "due")],
)
def test_a_quarantined_outcome_keeps_the_queue_true(kind: Any, left: str) -> None:
    outcome = kind(at=START, row=ROW, address="127.0.1.1", receiver="big.test", code=250)
    fault, last = (one for _, one, _ in quarantine(outcome, 7, Fault("sense", "no")))
    assert isinstance(fault, StationFault) and fault.because == (7,)
    if left == "due":
        assert isinstance(last, Queued) and last.row.state == "due"
        assert last.row.due is not None and last.row.due > START
    else:
        assert isinstance(last, Settled) and last.how == left


def test_a_quarantined_due_row_is_tried_again_later_and_not_at_once_for_ever() -> None:
    """The loader would take the same row again in the same instant, and again."""
    for why in ("due", "until", "canary"):
        row = msgspec.structs.replace(ROW, state="wait", waits_for="x", until=START)
        if why == "due":
            row = msgspec.structs.replace(ROW, state="due", due=START)
        due = Due(at=START, row=row, why=why)
        found = [one for _, one, _ in quarantine(due, 7, Fault("deliver", "no"))]
        (queued,) = [one for one in found if isinstance(one, Queued)]
        assert queued.row.state == row.state
        assert (queued.row.due or queued.row.until or 0.0) > START


# ------------------------------------------------------------ determinism


def test_the_same_facts_give_the_same_derived_facts_under_any_hash_seed(pb: Playbook) -> None:
    """Replays in two processes whose sets and dictionaries are ordered differently."""
    import hashlib
    import os
    import subprocess
    import sys
    from pathlib import Path

    from scenes import culprit, delisting

    culprit(pb)
    pb.wait(3 * 3600)
    delisting(pb)
    pb.wait(86400)
    assert pb.found(Posted)
    lines = "\n".join(
        f"{n}\t{facts.kind_of(fact)}\t{facts.encode(fact).decode()}" for n, fact, _ in pb.trace
    )
    here = hashlib.sha256(b"".join(out for _, _, out in pb.trace)).hexdigest()
    program = (
        "import sys, hashlib\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from playbook import KEY, printed, facts, States, follow\n"
        "states, out = States(KEY), hashlib.sha256()\n"
        "for line in sys.stdin.read().split('\\n'):\n"
        "    n, kind, body = line.split('\\t', 2)\n"
        "    out.update(printed(follow(states, facts.decode(kind, body), int(n))))\n"
        "print(out.hexdigest())\n"
    )
    for seed in ("1", "77"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            input=lines,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert run.stdout.strip() == here, run.stderr


def test_a_configuration_alone_derives_nothing() -> None:
    assert follow(States(KEY), configured(), 1).facts == ()
