"""Commands carried out on simulated time: exact seconds, one act at a time, nothing forgotten.

The clock is the virtual one, over real sockets to receivers in the same loop: an act holds time while
it talks to them, so time moves exactly when nobody has work in hand.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.edge.scripted import SECRET, Receiver, journaled, letter, receiving, relay

from unlisted.commands import Probe, SendNdr, SetTimer, Sweep, Wake
from unlisted.edge import loader
from unlisted.edge.clock import VirtualClock
from unlisted.edge.intake import Submitter
from unlisted.edge.runner import Runner
from unlisted.edge.service import Service, open_runner
from unlisted.facts import (
    Delivery,
    Due,
    ProbeAnswered,
    Queued,
    Reception,
    Row,
    TimerFired,
    TransientFailure,
    Woken,
)
from unlisted.loop import _placing, deliver
from unlisted.loop._fixpoint import Followed

START = 1_772_409_600.0


def on_virtual_time(clock: VirtualClock, work: Coroutine[Any, Any, None]) -> None:
    loop = clock.new_event_loop()
    try:
        loop.run_until_complete(work)
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


async def submit(service: Service, *to: str, sender: str = "ann@ours.example") -> Reception:
    submitter = Submitter(service.people.host("client"), "books", "host", "client")
    said = await service.intake.take(submitter, sender, to, letter())
    assert said.startswith("250"), said
    found: Reception = journaled(service.runner, Reception)[-1]
    return found


def stored(runner: Runner) -> list[Row]:
    from unlisted.edge import queue

    return queue.rows(runner.journal.database)


def test_a_deferred_row_comes_due_at_its_very_second(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with (
            receiving(rcpt=["450 4.2.0 greylisted", "450 4.2.0 greylisted", "250 ok"]) as there,
            relay(tmp_path, {"there.example": there.port}, clock=clock) as (service, _),
        ):
            await submit(service, "bob@there.example")
            await clock.sleep(5 * 3600.0)
            assert len(there.messages) == 1
            queued = [one.row.due for one in journaled(service.runner, Queued) if one.row.due]
            dues = journaled(service.runner, Due)
            assert [one.at for one in dues] == queued and len(queued) == 2
            assert {one.why for one in dues} == {"due"}
            (delivery,) = journaled(service.runner, Delivery)
            assert delivery.at == queued[-1]
            assert not stored(service.runner)

    on_virtual_time(clock, run())


def test_while_rows_are_loaded_no_act_begins_so_their_order_is_no_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many turns of the loop an act needs until its outcome is the network's to say."""
    monkeypatch.setattr(loader, "CHUNK", 1)
    clock = VirtualClock(START)

    async def run() -> None:
        async with receiving(rcpt="450 4.2.0 greylisted") as there:
            routes = {"there.example": there.port}
            async with relay(tmp_path, routes, clock=clock) as (service, _):
                await submit(service, *(f"p{n}@there.example" for n in range(30)))
                await clock.sleep(10.0)
                assert len(journaled(service.runner, TransientFailure)) == 30
            await clock.sleep(3600.0)  # all come due while nobody is there to load them
            async with relay(tmp_path, routes, clock=clock) as (service, _):
                await clock.sleep(10.0)
                kinds = [line.kind for line in service.runner.journal.lines()]
                of_all = [kind for kind in kinds if kind in ("Due", "TransientFailure")]
                assert of_all == ["TransientFailure"] * 30 + ["Due"] * 30 + of_all[60:]
                assert len(of_all) == 90

    on_virtual_time(clock, run())


def test_a_kept_connection_says_quit_after_sixty_seconds(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with (
            receiving() as there,
            relay(tmp_path, {"there.example": there.port}, clock=clock) as (service, _),
        ):
            await submit(service, "bob@there.example")
            await clock.sleep(59)
            await submit(service, "bob@there.example")
            await clock.sleep(59.5)
            assert there.commands("QUIT") == 0 and len(there.sessions) == 1
            await clock.sleep(1)
            assert there.commands("QUIT") == 1
            await submit(service, "bob@there.example")
            await clock.sleep(1)
            assert len(there.sessions) == 2

    on_virtual_time(clock, run())


def test_while_stepping_one_act_at_a_time_in_the_order_of_the_commands(tmp_path: Path) -> None:
    clock = VirtualClock(START)
    order: list[str] = []
    now: list[str] = []

    def watching(name: str) -> Receiver:
        def mail(peer: str) -> str:
            order.append(name)
            now.append(name)
            assert len(now) == 1, "a second transaction began before the first had ended"
            return "250 ok"

        def eod(peer: str) -> str:
            now.remove(name)
            return "250 ok"

        return Receiver(mail=mail, eod=eod)

    async def run() -> None:
        sites = {name: watching(name) for name in ("a.example", "b.example", "c.example")}
        for site in sites.values():
            await site.start()
        routes = {name: site.port for name, site in sites.items()}
        async with relay(tmp_path, routes, clock=clock) as (service, _):
            await submit(service, "x@b.example", "x@a.example", "x@c.example", "y@a.example")
            await clock.sleep(1)
            assert order == ["b.example", "a.example", "c.example", "a.example"]
            await clock.sleep(100)
        for site in sites.values():
            await site.stop()

    on_virtual_time(clock, run())


def test_a_parked_act_gives_its_turn_away_and_time_goes_on(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        tarpit = await asyncio.start_server(lambda r, w: talk(r, w), "127.0.0.1", 0)
        ended = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            label = ":".join(str(part) for part in writer.get_extra_info("peername")[:2])
            clock.park(label)
            clock.call_at(clock.now() + 20.0, lambda: go(label, writer))
            while line := await reader.readline():
                verb = line[:4].upper()
                writer.write(b"354 go\r\n" if verb == b"DATA" else b"250 ok\r\n")
                if verb == b"DATA":
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 ok\r\n")
                if verb == b"QUIT":
                    break
            writer.transport.abort()
            ended.set()

        def go(label: str, writer: asyncio.StreamWriter) -> None:
            clock.unpark(label)
            writer.write(b"220 slow.example\r\n")

        slow = tarpit.sockets[0].getsockname()[1]
        async with (
            receiving() as quick,
            relay(tmp_path, {"slow.example": slow, "quick.example": quick.port}, clock=clock) as (
                service,
                _,
            ),
        ):
            await submit(service, "x@slow.example", "x@quick.example")
            await clock.sleep(100)
            found = {one.receiver: one.at for one in journaled(service.runner, Delivery)}
            assert found == {"quick.example": START, "slow.example": START + 20.0}
        await ended.wait()
        tarpit.close()

    on_virtual_time(clock, run())


def test_timers_fire_at_their_second_move_vanish_and_outlive_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with relay(tmp_path, {}, clock=clock) as (service, _):
            timers = (
                SetTimer(key="first", due=START + 10),
                SetTimer(key="first", due=START + 20),
                SetTimer(key="second", due=START + 15),
            )
            service.performer.on_commit(Followed((), (), timers))
            await clock.sleep(30)
            fired = [(one.key, one.at - START) for one in journaled(service.runner, TimerFired)]
            assert fired == [("second", 15.0), ("first", 20.0)]
            journal = service.runner.journal
            journal.database.execute("insert into timer values('kept', ?)", (START + 50,))
            journal.database.execute("insert into timer values('past', ?)", (START + 5,))
        async with relay(tmp_path, {}, clock=clock) as (service, _):
            await clock.sleep(30)
            fired = [(one.key, one.at - START) for one in journaled(service.runner, TimerFired)]
            assert fired[2:] == [("past", 30.0), ("kept", 50.0)]
            assert service.runner.journal.timers() == []

    on_virtual_time(clock, run())


def test_wake_and_sweep_bring_rows_oldest_first_and_say_how_many_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with relay(tmp_path, {"there.example": 9}, addresses=(), clock=clock) as (service, _):
            for n in range(5):  # no address in the pool: they wait on a condition
                await submit(service, f"u{n}@there.example")
            assert {row.waits_for for row in stored(service.runner)} == {"pool"}
            take = service.performer._take
            take(Wake(key="w", waits_for="pool", limit=3, why="test"))
            take(Wake(key="none", waits_for="nothing", limit=3, why="test"))
            take(Sweep(key="s", sender=service.people.host("client"), why="held"))
            await clock.sleep(1)
            woken = {one.done: (one.taken, one.left) for one in journaled(service.runner, Woken)}
            assert woken == {"w": (3, 2), "none": (0, 0), "s": (5, 0)}
            dues = journaled(service.runner, Due)
            assert [one.why for one in dues] == ["test"] * 3 + ["held"] * 5
            numbers = [int(one.row.message[1:]) for one in dues]
            assert numbers == numbers[3:6] + numbers[3:] and numbers[3:] == sorted(numbers[3:])

    monkeypatch.setattr(_placing, "_pool", lambda states, row: None)
    on_virtual_time(clock, run())


def test_a_row_no_station_can_take_is_left_alone_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(START)
    tried: list[float] = []
    real = deliver._due

    def broken(states: Any, fact: Due, n: int) -> Any:
        tried.append(fact.at - START)
        if fact.at < START + 2 * 3600:
            raise RuntimeError("no")
        return real(states, fact, n)

    monkeypatch.setattr(deliver, "_due", broken)

    async def run() -> None:
        async with (
            receiving(rcpt=["450 4.2.0 greylisted", "250 ok"]) as there,
            relay(tmp_path, {"there.example": there.port}, clock=clock) as (service, _),
        ):
            await submit(service, "bob@there.example")
            await clock.sleep(6 * 3600.0)
            assert len(there.messages) == 1
            # Each fault costs one Due and one replay of it, never a loop.
            assert len(tried) < 12

    on_virtual_time(clock, run())


def test_no_report_about_a_message_from_the_null_sender(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with relay(tmp_path, {"there.example": 9}, clock=clock) as (service, _):
            reception = await submit(service, "bob@there.example", sender="")
            (row,) = stored(service.runner)
            command = SendNdr(
                key=f"ndr/{row.key}/1",
                row=row,
                action="failed",
                code=550,
                enhanced="5.1.1",
                text="no",
                receiver="there.example",
            )
            service.performer._take(command)
            await clock.sleep(1)
            assert len(journaled(service.runner, Reception)) == 1
            assert reception.null_sender
            assert [one.done for one in journaled(service.runner, Woken)] == [command.key]

    on_virtual_time(clock, run())


def test_a_probe_without_a_resolver_is_unknown(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with relay(tmp_path, {}, clock=clock) as (service, _):
            service.performer._take(Probe(key="p", zone="list.example", address="127.0.3.1"))
            await clock.sleep(1)
            (answer,) = journaled(service.runner, ProbeAnswered)
            assert (answer.state, answer.why, answer.done) == ("unknown", "look-ups are off", "p")

    on_virtual_time(clock, run())


def test_an_erased_person_gets_no_mail_and_the_row_ends(tmp_path: Path) -> None:
    clock = VirtualClock(START)

    async def run() -> None:
        async with (
            receiving() as there,
            relay(tmp_path, {"there.example": there.port}, clock=clock) as (service, _),
        ):
            await service.performer.stop()
            reception = await submit(service, "bob@there.example")
            person = reception.recipients[0].person
            service.runner.journal.database.execute(
                "delete from personal where person=?", (person,)
            )
        async with relay(tmp_path, {"there.example": 9}, clock=clock) as (service, _):
            await clock.sleep(1)
            assert not service.runner.journal.outbox()
            assert not there.messages

    on_virtual_time(clock, run())


def test_our_own_fault_is_a_temporary_failure_and_not_a_stuck_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(START)

    async def broken(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    async def run() -> None:
        async with relay(tmp_path, {"there.example": 9}, clock=clock) as (service, _):
            monkeypatch.setattr(service.performer._courier, "deliver", broken)
            await submit(service, "bob@there.example")
            await clock.sleep(1)
            (failure,) = journaled(service.runner, TransientFailure)
            assert failure.text == "local error"

    on_virtual_time(clock, run())


def test_two_runs_of_the_same_input_have_the_same_facts(tmp_path: Path) -> None:
    def journal_of(folder: Path) -> list[tuple[Any, ...]]:
        clock = VirtualClock(START)
        lines: list[tuple[Any, ...]] = []

        async def run() -> None:
            async with (
                receiving(rcpt=["450 4.2.0 greylisted", "250 ok"]) as there,
                relay(folder, {"there.example": there.port}, clock=clock) as (service, _),
            ):
                for n in range(10):
                    await submit(service, f"u{n}@there.example", f"v{n}@there.example")
                await clock.sleep(3600)
                lines.extend(service.runner.journal.lines())

        on_virtual_time(clock, run())
        return lines

    first, second = journal_of(tmp_path / "1"), journal_of(tmp_path / "2")
    assert first == second and len(first) > 50
    runner = open_runner(tmp_path / "1", SECRET)
    assert isinstance(runner.journal.line(1), tuple)
    runner.journal.close()
