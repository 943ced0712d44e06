"""A re-send over which the process ended: what had begun to leave is not sent a second time."""

import asyncio
from pathlib import Path

from tests.edge.scripted import (
    DROP,
    HANG,
    SECRET,
    Receiver,
    journaled,
    letter,
    receiving,
    relay,
    until,
)

from unlisted.edge.intake import Submitter
from unlisted.edge.runner import Runner
from unlisted.edge.service import Service, open_runner
from unlisted.facts import (
    Booked,
    Configured,
    Delivery,
    Departing,
    NotResent,
    Policy,
    Pool,
    ResendOrdered,
    TransientFailure,
)

DOUBTFUL = "550 5.7.1 Message rejected due to policy restrictions"


async def booked(service: Service, there: Receiver, count: int = 1) -> list[Booked]:
    """Letters that bounced, in the books of a relay; the receiver takes mail again."""
    pool = Pool(name="main", addresses=("127.0.3.1",), helo="out.ours.example")
    policy = Policy(suspicion_wait_s=0.05)
    at = service.clock.now()
    await service.runner.record(
        Configured(at=at, hostname="ours.example", pools=(pool,), policy=policy)
    )
    who = Submitter(service.people.host("client"), "books", "host", "client")
    for n in range(count):
        to = [f"bob{n}@there.example"]
        await service.intake.take(who, "ann@ours.example", to, letter(f"the minutes {n}"))
    found = await until(lambda: _all(service.runner, count))
    there.scripts["rcpt"] = "250 ok"
    return found


def _all(runner: Runner, count: int) -> list[Booked]:
    found = journaled(runner, Booked)
    return found if len(found) == count else []


async def order(service: Service, row: Booked) -> None:
    await service.runner.record(
        ResendOrdered(at=service.clock.now(), actor="op", reason="x", key=row.row.key)
    )


def test_what_was_being_handed_over_at_the_end_waits_for_a_person(tmp_path: Path) -> None:
    async def run() -> None:
        async with receiving(rcpt=DOUBTFUL) as there, receiving() as home:
            routes = {"there.example": there.port, "ours.example": home.port}
            async with relay(tmp_path, routes) as (service, _):
                (one,) = await booked(service, there)
                there.scripts["eod"] = HANG
                await order(service, one)
                await until(lambda: journaled(service.runner, Departing))
            there.scripts["eod"] = "250 ok"
            async with relay(tmp_path, routes) as (service, _):
                (lost,) = await until(lambda: journaled(service.runner, TransientFailure))
                assert (lost.code, lost.stage, lost.row.key) == (0, "eod", one.row.key)
                await until(lambda: journaled(service.runner, NotResent))
                await order(service, one)  # an ordinary order is not enough
                await asyncio.sleep(0)
                assert journaled(service.runner, NotResent)[-1].why == "unknown outcome"
                assert not service.runner.journal.outbox() and not there.messages

    asyncio.run(run())


def test_what_had_not_begun_at_the_end_goes_at_the_next_start(tmp_path: Path) -> None:
    async def run() -> None:
        async with receiving(rcpt=DOUBTFUL) as there, receiving() as home:
            routes = {"there.example": there.port, "ours.example": home.port}
            async with relay(tmp_path, routes) as (service, _):
                (one,) = await booked(service, there)
            runner = open_runner(tmp_path, SECRET)  # ordered, and ended before the first byte
            runner.record_now(ResendOrdered(at=one.at + 1, actor="op", reason="x", key=one.row.key))
            assert [command.key for command in runner.journal.outbox()]
            runner.journal.close()
            async with relay(tmp_path, routes) as (service, _):
                await until(lambda: there.messages)
                await until(lambda: [d for d in journaled(service.runner, Delivery) if d.row.again])
            assert len(there.messages) == 1

    asyncio.run(run())


def test_a_connection_lost_at_the_final_dot_is_an_unknown_outcome(tmp_path: Path) -> None:
    async def run() -> None:
        async with receiving(rcpt=DOUBTFUL) as there, receiving() as home:
            routes = {"there.example": there.port, "ours.example": home.port}
            async with relay(tmp_path, routes) as (service, _):
                (one,) = await booked(service, there)
                there.scripts["eod"] = DROP
                await order(service, one)
                (left,) = await until(lambda: journaled(service.runner, NotResent))
                assert left.why == "unknown outcome"
                assert there.commands("DATA") == 1

    asyncio.run(run())
