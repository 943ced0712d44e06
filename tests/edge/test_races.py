"""Two and many acts at once on the wall clock, which the demo never exercises.

Rows are put in as facts and commands are asked for as a station would, so that a test decides what
is at hand at once; the receivers are slow enough for acts to overlap.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.edge.scripted import (
    DROP,
    SECRET,
    client,
    journaled,
    letter,
    receiving,
    relay,
    until,
)

from unlisted import commands
from unlisted.commands import Deliver
from unlisted.edge.delivery_paths import MAX_CONNECTIONS
from unlisted.edge.journal import JournalError
from unlisted.edge.service import Service, open_runner
from unlisted.facts import (
    Bounce,
    Delivery,
    NotAttempted,
    Outcome,
    PathTested,
    Reception,
    Refusal,
    Settled,
    TransientFailure,
)
from unlisted.loop import deliver

OUTCOMES: tuple[type[Outcome], ...] = (Delivery, TransientFailure, Bounce, NotAttempted)
BLOCKED = "550 5.7.1 Client host [127.0.3.1] blocked using list.example"


async def submit(port: int, count: int, domain: str = "there.example", each: int = 1) -> list[str]:
    """So many messages by four clients at once; the ids we were told."""

    async def some(first: int) -> list[str]:
        told = []
        async with client(port) as us:
            for i in range(first, count, 4):
                to = [f"u{i}.{j}@{domain}" for j in range(each)]
                said = await us.send(letter(f"message {i}"), to)
                assert said.startswith("250"), said
                told.append(said.rsplit(" ", 1)[1])
        return told

    parts = await asyncio.gather(*(some(first) for first in range(min(4, count))))
    return [name for part in parts for name in part]


def done(service: Service) -> list[Any]:
    return journaled(service.runner, *OUTCOMES)


@pytest.mark.parametrize("count", [2, 3, 60])
def test_a_path_has_two_connections_at_most_and_loses_no_outcome(
    tmp_path: Path, count: int
) -> None:
    async def run() -> None:
        async with (
            receiving(delay_s=0.01) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            told = await submit(port, count)
            await until(lambda: len(done(service)) == count)
            assert there.most_open["127.0.3.1"] == min(count, MAX_CONNECTIONS)
            assert len(there.messages) == count
            outcomes = journaled(service.runner, Delivery)
            assert sorted(one.row.message for one in outcomes) == sorted(told)
            await until(lambda: not service.runner.journal.outbox())
            assert len(journaled(service.runner, Settled)) == count

    asyncio.run(run())


def test_paths_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            receiving(delay_s=30) as slow,
            receiving() as quick,
            relay(tmp_path, {"slow.example": slow.port, "quick.example": quick.port}) as (
                service,
                port,
            ),
        ):
            await submit(port, 20, "slow.example")
            await submit(port, 20, "quick.example")
            await until(lambda: len(quick.messages) == 20)
            assert slow.most_open["127.0.3.1"] == 2
            kill(service)

    asyncio.run(run())


def test_after_a_refusal_one_transaction_at_a_time(tmp_path: Path) -> None:
    async def run() -> None:
        # A refusal that blames nobody (greylisting) leaves the path open but makes it careful.
        mail = ["450 4.2.0 greylisted"] * 4 + ["250 ok"]
        async with (
            receiving(mail=mail, delay_s=0.01) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            await submit(port, 2)
            await until(lambda: len(done(service)) == 2)
            there.most_transactions.clear()
            there.transactions_now.clear()
            await submit(port, 2)
            await until(lambda: len(done(service)) == 4)
            assert there.most_transactions["127.0.3.1"] <= 2  # MAIL is counted, never taken back
            there.most_transactions.clear()
            there.transactions_now.clear()
            assert service.performer._paths._paths[("127.0.3.1", "there.example")].careful
            await submit(port, 6)
            await until(lambda: len(done(service)) == 10)
            assert len(there.messages) == 6

    asyncio.run(run())


@pytest.mark.parametrize("count", [2, 40])
def test_a_block_is_met_by_no_more_than_the_two_already_under_way(
    tmp_path: Path, count: int
) -> None:
    async def run() -> None:
        async with (
            receiving(eod=BLOCKED, delay_s=0.05) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            await submit(port, count)
            await until(lambda: len(done(service)) >= min(count, 2))
            await until(lambda: not service.performer.in_hand)
            assert there.commands("DATA") <= MAX_CONNECTIONS
            refused = journaled(service.runner, Bounce)
            skipped = journaled(service.runner, NotAttempted)
            assert 1 <= len(refused) <= MAX_CONNECTIONS
            assert {one.text for one in skipped} <= {"path rests"}
            assert len(journaled(service.runner, Refusal)) == len(refused)
            rows = service.runner.journal.database.execute("select state from queue").fetchall()
            assert len(rows) == count and {state for (state,) in rows} == {"wait"}

    asyncio.run(run())


def test_an_act_whose_sender_was_closed_meanwhile_is_not_attempted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(
        deliver, "closed", lambda states, row, address: "held h1" if closed else None
    )
    # Whatever the reason, a station would place the row anew; here it may rest where it is.
    monkeypatch.setattr(deliver, "place", lambda *args, **kwargs: iter(()), raising=True)

    async def run() -> None:
        async with (
            receiving(delay_s=0.1) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, _),
        ):
            runner = service.runner
            for n in range(5):
                await add(service, f"u{n}@there.example")
            rows = [one for one in journaled(runner, Reception)]
            commands = [ask(one) for one in rows]
            for command in commands:
                service.performer._take(command)
            await until(lambda: there.commands("DATA") == 2)
            closed.append("now")
            await until(lambda: len(done(service)) == 5)
            assert len(journaled(runner, Delivery)) == 2, "those under way end as they end"
            skipped = journaled(runner, NotAttempted)
            assert [one.text for one in skipped] == ["held h1"] * 3
            assert {one.done for one in done(service)} == {one.key for one in commands}

    asyncio.run(run())


def kill(service: Service) -> None:
    """As a kill would: no outcome is recorded, nothing begins any more."""
    performer = service.performer
    performer._stopping = performer._paths.stopped = True
    for task in list(performer._tasks):
        task.cancel()


async def add(service: Service, address: str) -> None:
    from unlisted.edge.intake import Submitter

    submitter = Submitter(service.people.host("client"), "books", "host", "client")
    said = await service.intake.take(submitter, "ann@ours.example", [address], letter())
    assert said.startswith("250")


def ask(reception: Reception, *, cautious: bool = False) -> Deliver:
    from unlisted.facts import Row

    row = Row(
        key=f"{reception.id}.0",
        message=reception.id,
        sender=reception.sender,
        tenant=reception.tenant,
        recipient=reception.recipients[0].person,
        domain=reception.recipients[0].domain,
        first_at=reception.at,
        state="out",
        address="127.0.3.1",
    )
    return Deliver(
        key=f"{row.key}/0", row=row, address="127.0.3.1", helo="out.ours.example", cautious=cautious
    )


def test_a_cautious_act_has_its_path_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "place", lambda *args, **kwargs: iter(()))

    async def run() -> None:
        async with (
            receiving(delay_s=0.05) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, _),
        ):
            for n in range(3):
                await add(service, f"u{n}@there.example")
            first, second, third = journaled(service.runner, Reception)
            service.performer._take(ask(first))
            service.performer._take(ask(second, cautious=True))
            service.performer._take(ask(third))
            service.performer._take(
                commands.TestPath(
                    key="t", address="127.0.3.1", helo="out", receiver="there.example"
                )
            )
            await until(lambda: len(done(service)) == 3 and journaled(service.runner, PathTested))
            assert there.most_open["127.0.3.1"] == 1
            (tested,) = journaled(service.runner, PathTested)
            assert (tested.code, tested.stage, tested.done) == (250, "rcpt", "t")
            assert "RCPT TO:<postmaster@there.example>" in there.sessions[-1].lines

    asyncio.run(run())


def test_outcomes_outlive_a_journal_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlisted.edge.performer.AGAIN_S", 0.02)

    async def run() -> None:
        async with (
            receiving(delay_s=0.01) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            journal = service.runner.journal
            commit = journal.commit
            told = await submit(port, 10)
            failures = iter(range(7))

            def full() -> None:
                if next(failures, None) is not None:
                    raise JournalError("disk full")
                commit()

            monkeypatch.setattr(journal, "commit", full)
            await until(lambda: len(journaled(service.runner, Delivery)) == 10)
            assert len(there.messages) == 10, "and nothing is sent twice for it"
            found = [one.row.message for one in journaled(service.runner, Delivery)]
            assert sorted(found) == sorted(told)

    asyncio.run(run())


def test_a_restart_takes_up_the_outbox_and_repeats_only_what_had_no_outcome(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with (
            receiving(delay_s=3600) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            told = await submit(port, 3)
            await until(lambda: there.commands("DATA") == 2)
            kill(service)
        runner = open_runner(tmp_path, SECRET)
        assert len(runner.journal.outbox()) == 3
        runner.journal.close()
        async with (
            receiving() as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            await until(lambda: len(journaled(service.runner, Delivery)) == 3)
            found = [one.row.message for one in journaled(service.runner, Delivery)]
            assert sorted(found) == sorted(told)
            assert not service.runner.journal.outbox()

    asyncio.run(run())


def test_a_connection_dropped_in_the_last_reply_is_tried_again_later(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            receiving(eod=[DROP, "250 ok"]) as there,
            relay(tmp_path, {"there.example": there.port}) as (service, port),
        ):
            await submit(port, 1)
            await until(lambda: journaled(service.runner, TransientFailure))
            (failure,) = journaled(service.runner, TransientFailure)
            assert (failure.stage, failure.code) == ("eod", 0)
            ((state,),) = service.runner.journal.database.execute("select state from queue")
            assert state == "due"

    asyncio.run(run())
