"""The runner: nothing leaves before the commit, a lost commit is undone, a fault is quarantined."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from unlisted.commands import Deliver, Notify
from unlisted.edge import queue
from unlisted.edge.journal import Journal, JournalError
from unlisted.edge.runner import Quarantined, Runner, replayed
from unlisted.facts import (
    Bounce,
    Configured,
    Delivery,
    Observed,
    Pool,
    Reception,
    Recipient,
    Row,
    StationFault,
    TimerFired,
)
from unlisted.loop import _fixpoint
from unlisted.loop._fixpoint import Followed, States

KEY = b"key"
AT = 1_790_000_000.0
POOL = Pool(name="shared", addresses=("127.0.1.1", "127.0.1.2"), helo="out.test")
CONFIGURED = Configured(at=AT, hostname="mx.test", pools=(POOL,))


def reception(n: int, recipient: str = "bob") -> Reception:
    return Reception(
        at=AT,
        id=f"m{n}",
        sender="ann",
        tenant="t",
        origin="login",
        reverse_path="ann@platform.test",
        recipients=(Recipient(recipient, "big.test"),),
        size=5,
        digest="d",
        fingerprint="",
    )


def delivered(command: Deliver) -> Delivery:
    return Delivery(
        at=AT,
        done=command.key,
        row=command.row,
        address=command.address,
        receiver="big.test",
        code=250,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite", b"secret", durable=False)
    yield made
    if made.database.in_transaction:
        made.rollback()
    made.close()


@pytest.fixture
def runner(journal: Journal) -> Runner:
    made = Runner(journal, KEY)
    made.record_now(CONFIGURED)
    return made


class Refusing:
    """A connection whose next commits fail as on a full disk."""

    def __init__(self, db: sqlite3.Connection, statement: str, times: int = 1) -> None:
        self._db = db
        self.statement = statement
        self.times = times

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if self.times and sql.startswith(self.statement):
            self.times -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.execute(sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def failing(journal: Journal, statement: str, times: int = 1) -> None:
    journal._db = Refusing(journal._db, statement, times)  # type: ignore[assignment]


def alike(one: States, other: States) -> bool:
    """Whether the next facts would be treated alike (states compare by what they derive)."""
    n = 10_000
    first = _fixpoint.follow(one, reception(n, "probe"), n)
    return first == _fixpoint.follow(other, reception(n, "probe"), n)


def check_queue(journal: Journal) -> None:
    derived = [line.fact() for line in journal.lines() if line.cause is not None]
    table = dict(journal.database.execute("select key, row from queue").fetchall())
    assert table == queue.rebuilt(derived)


def test_nothing_is_carried_out_and_nobody_answered_before_the_commit(
    runner: Runner, journal: Journal
) -> None:
    seen: list[bool] = []
    runner.on_commit = lambda _: seen.append(journal.database.in_transaction)

    async def go() -> None:
        future = runner.record(reception(runner.upcoming))
        assert journal.database.in_transaction and not seen and not future.done()
        await future
        assert seen == [False]

    asyncio.run(go())


def test_facts_of_one_turn_share_a_commit_and_keep_their_order(
    runner: Runner, journal: Journal
) -> None:
    commits: list[int] = []
    commit = journal.commit

    def counted() -> None:
        commits.append(journal.last)
        commit()

    journal.commit = counted  # type: ignore[method-assign]
    carried: list[Followed] = []
    runner.on_commit = carried.append

    async def go() -> list[int]:
        futures = [runner.record(reception(runner.upcoming)) for _ in range(5)]
        return [await one for one in futures]

    numbers = asyncio.run(go())
    assert numbers == sorted(set(numbers)) and len(commits) == 1
    keys = [c.row.message for one in carried for c in one.commands if isinstance(c, Deliver)]
    assert keys == [f"m{n}" for n in numbers]


def test_a_caller_that_gave_up_does_not_stop_the_others(runner: Runner) -> None:
    async def go() -> int:
        first = runner.record(reception(runner.upcoming))
        second = runner.record(reception(runner.upcoming))
        first.cancel()
        return await second

    assert asyncio.run(go()) > 1


def test_an_edge_that_raises_leaves_no_caller_without_an_answer(runner: Runner) -> None:
    def raises(_: Followed) -> None:
        raise RuntimeError("the edge is broken")

    runner.on_commit = raises

    async def go() -> list[int]:
        futures = [runner.record(reception(runner.upcoming)) for _ in range(2)]
        return list(await asyncio.wait_for(asyncio.gather(*futures), 5))

    assert len(asyncio.run(go())) == 2


@pytest.mark.parametrize("statement", ["commit", "insert into fact", "begin immediate"])
def test_after_a_failed_commit_the_states_are_those_of_the_disk(
    runner: Runner, journal: Journal, statement: str
) -> None:
    carried: list[Followed] = []
    runner.on_commit = carried.append
    before = journal.last

    async def go() -> None:
        failing(journal, statement)
        futures = [runner.record(reception(runner.upcoming, f"p{i}")) for i in range(3)]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert any(isinstance(one, JournalError) for one in results)
        durable = sum(1 for one in results if isinstance(one, int))
        assert len(carried) == durable
        assert sum(1 for one in journal.lines(before) if one.kind == "Reception") == durable
        assert await runner.record(reception(runner.upcoming, "later")) > before

    asyncio.run(go())
    assert alike(runner.states, replayed(journal, KEY))
    check_queue(journal)


def test_a_failed_commit_without_an_event_loop_is_undone_too(
    runner: Runner, journal: Journal
) -> None:
    before = journal.last
    failing(journal, "commit")
    with pytest.raises(JournalError):
        runner.record_now(reception(runner.upcoming))
    assert journal.last == before
    failing(journal, "insert into fact")
    with pytest.raises(JournalError):
        runner.record_now(reception(runner.upcoming))
    assert journal.last == before and not journal.database.in_transaction
    runner.record_now(reception(runner.upcoming))
    assert alike(runner.states, replayed(journal, KEY))


def test_a_restart_goes_on_where_the_disk_left_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, b"secret", durable=False)
    runner = Runner(journal, KEY)
    runner.record_now(CONFIGURED)
    for i in range(5):
        runner.record_now(reception(runner.upcoming, f"p{i}"))
    for command in journal.outbox()[:2]:
        assert isinstance(command, Deliver)
        runner.record_now(delivered(command))
    waiting = journal.outbox()
    journal.close()

    again = Journal(path, b"secret", durable=False)
    revived = Runner(again, KEY)
    assert again.outbox() == waiting and len(waiting) == 3
    assert alike(revived.states, runner.states)
    for command in waiting:
        assert isinstance(command, Deliver)
        revived.record_now(delivered(command))
    assert again.outbox() == [] and queue.rows(again.database) == []
    check_queue(again)
    again.close()


# ------------------------------------------------------------ faults


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A station that cannot bear a recipient called "poison" nor a timer of that name."""

    def step(states: States, fact: Any, n: int) -> tuple[()]:
        people = [one.person for one in getattr(fact, "recipients", ())]
        row = getattr(fact, "row", None)
        if "poison" in people or getattr(fact, "key", "") == "poison":
            raise ValueError("cannot bear it")
        if isinstance(row, Row) and row.recipient == "bitter" and isinstance(fact, Observed):
            raise ValueError("cannot bear it")
        return ()

    monkeypatch.setattr(_fixpoint, "_STEPS", (*_fixpoint._STEPS, ("weak", step)))


@pytest.mark.usefixtures("broken")
def test_a_fault_is_quarantined_its_caller_told_and_the_service_goes_on(
    runner: Runner, journal: Journal
) -> None:
    async def go() -> None:
        good = runner.record(reception(runner.upcoming))
        bad = runner.record(reception(runner.upcoming, "poison"))
        later = runner.record(reception(runner.upcoming))
        with pytest.raises(Quarantined, match="weak"):
            await bad
        assert await good < await later

    asyncio.run(go())
    assert runner.faults == 1
    (fault,) = [line for line in journal.lines() if line.kind == "StationFault"]
    fact = fault.fact()
    assert isinstance(fact, StationFault) and fact.because == (fault.cause,)
    assert alike(runner.states, replayed(journal, KEY))
    check_queue(journal)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("kind", [Delivery, Bounce])
def test_a_final_reply_that_met_a_fault_stays_final(
    runner: Runner, journal: Journal, kind: type[Delivery | Bounce]
) -> None:
    runner.record_now(reception(runner.upcoming, "bitter"))
    (command,) = journal.outbox()
    assert isinstance(command, Deliver)
    outcome = kind(
        at=AT,
        done=command.key,
        row=command.row,
        address=command.address,
        receiver="big.test",
        code=250,
    )
    runner.record_now(outcome)
    assert queue.rows(journal.database) == [] and journal.outbox() == []
    check_queue(journal)


@pytest.mark.usefixtures("broken")
def test_a_timer_that_met_a_fault_is_not_forgotten(runner: Runner, journal: Journal) -> None:
    runner.record_now(TimerFired(at=AT, key="poison"))
    assert [(key, due > AT) for key, due in journal.timers()] == [("poison", True)]


def test_a_fact_that_newer_stations_cannot_bear_does_not_keep_the_service_from_starting(
    runner: Runner, journal: Journal, request: pytest.FixtureRequest
) -> None:
    runner.record_now(reception(runner.upcoming, "poison"))
    runner.record_now(reception(runner.upcoming, "bob"))
    request.getfixturevalue("broken")
    again = Runner(journal, KEY)
    again.record_now(reception(again.upcoming, "eve"))
    assert again.states.accept.config == CONFIGURED


def test_a_fault_is_told_to_the_operators_people_once_an_hour_for_each_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(states: States, fact: Any, n: int) -> None:
        if isinstance(fact, Reception):
            raise ValueError("a word of somebody's mail")

    runner = Runner(Journal(tmp_path / "journal.db", bytes(32)), KEY)
    runner.record_now(msgspec.structs.replace(CONFIGURED, notices=("fault",)))
    monkeypatch.setattr(_fixpoint, "_STEPS", (*_fixpoint._STEPS, ("weak", step)))
    said = []
    for later in (0.0, 10.0, 3599.0, 3600.0):
        fact = msgspec.structs.replace(reception(runner.upcoming), at=AT + later)
        said.append(runner.record_now(fact).commands)
    assert [len(one) for one in said] == [1, 0, 0, 1]
    (notice,) = said[0]
    assert isinstance(notice, Notify) and "weak" in notice.title
    assert "mail" not in notice.title + notice.text
    assert [one.key for one in runner.journal.outbox()] == [said[0][0].key, said[3][0].key]
    runner.journal.close()
