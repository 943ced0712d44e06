"""Lanes of their own for webhooks and notices, and what they do to a clock that others lead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from unlisted.commands import CallWebhook, Notify
from unlisted.edge.clock import Clock, Hold, VirtualClock, WallClock
from unlisted.edge.messengers import AT_ONCE, Messengers
from unlisted.edge.notice_board import Board, Told
from unlisted.edge.rota import Rota
from unlisted.edge.webhook import Answered, Webhooks
from unlisted.facts import NoticeSent, Observed, WebhookAnswered


def call(i: int) -> CallWebhook:
    return CallWebhook(
        key=f"tell/msg_{i}/h1/1", hook="h1", delivery=f"msg_{i}", event="incident.opened",
        occurred_at=0.0, data="{}",
    )  # fmt: skip


NOTICE = Notify(key="tell/n1/1", notice="n1", what="duty", title="a", text="b")


class Slow(Webhooks):
    """Calls that end when they are let; `parked`: by a receiver, on the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__((), clock, None)
        self.clock = clock
        self.begun: list[str] = []
        self.go = asyncio.Event()
        self.held: list[bool] = []

    async def call(self, command: CallWebhook, hold: Hold) -> Answered:
        self.begun.append(command.delivery)
        if isinstance(self.clock, VirtualClock):
            self.held.append(self.clock.held)
            hold.relabel(f"127.0.0.1:{len(self.begun)}")
            self.clock.park(hold.label)
            self.held.append(self.clock.held)
            self.clock.unpark(hold.label)
        await self.go.wait()
        return Answered(204)


class Quick(Board):
    def __init__(self) -> None:
        super().__init__((), {}, Rota())

    async def tell(self, command: Notify, at: float) -> Told:
        return Told((("json", True),))


class Edge:
    """What the performer gives."""

    def __init__(self) -> None:
        self.recorded: list[Observed] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def record(self, make: Callable[[], Observed]) -> None:
        self.recorded.append(make())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def test_receivers_that_hang_keep_no_call_to_a_person_waiting() -> None:
    async def work() -> None:
        clock, edge = WallClock(), Edge()
        hooks = Slow(clock)
        messengers = Messengers(clock, hooks, Quick())
        for i in range(AT_ONCE[CallWebhook] + 5):
            messengers.take(call(i), edge.record, edge.spawn)
        messengers.take(NOTICE, edge.record, edge.spawn)
        await edge.settle()
        assert [type(one) for one in edge.recorded] == [NoticeSent]
        assert len(hooks.begun) == AT_ONCE[CallWebhook]
        hooks.go.set()
        await edge.settle()
        assert len(hooks.begun) == AT_ONCE[CallWebhook] + 5
        dones = [one.done for one in edge.recorded if isinstance(one, WebhookAnswered)]
        assert dones == [call(i).key for i in range(len(dones))]

    asyncio.run(work())


def test_on_a_led_clock_each_takes_its_turn_holds_time_and_frees_it_when_parked() -> None:
    clock = VirtualClock()
    loop = clock.new_event_loop()

    async def work() -> None:
        edge = Edge()
        hooks = Slow(clock)
        messengers = Messengers(clock, hooks, None)
        for i in range(3):
            messengers.take(call(i), edge.record, edge.spawn)
        await edge.settle()
        assert hooks.begun == ["msg_0"] and clock.held
        hooks.go.set()
        await edge.settle()
        assert hooks.begun == ["msg_0", "msg_1", "msg_2"] and not clock.held
        assert len(edge.recorded) == 3
        # Held at the beginning; while parked only those that wait for their turn hold it.
        assert hooks.held[-2:] == [True, False]

    try:
        loop.run_until_complete(work())
    finally:
        loop.close()


def test_after_a_stop_nothing_begins_and_what_was_begun_stays_to_be_repeated() -> None:
    async def work() -> None:
        clock, edge = WallClock(), Edge()
        messengers = Messengers(clock, Slow(clock), None)
        messengers.take(call(0), edge.record, edge.spawn)
        await edge.settle()
        messengers.stopped = True
        messengers.take(call(1), edge.record, edge.spawn)
        for task in edge.tasks:
            task.cancel()
        await asyncio.gather(*edge.tasks, return_exceptions=True)
        assert not edge.recorded and len(edge.tasks) == 1

    asyncio.run(work())


def test_what_is_not_configured_has_an_outcome_all_the_same() -> None:
    async def work() -> None:
        edge = Edge()
        messengers = Messengers(WallClock(), None, None)
        for command in (call(0), NOTICE):
            messengers.take(command, edge.record, edge.spawn)
        await edge.settle()
        answered, sent = edge.recorded
        assert isinstance(answered, WebhookAnswered) and answered.why == "not configured"
        assert isinstance(sent, NoticeSent) and (sent.reached, sent.why) == (0, "nobody to tell")

    asyncio.run(work())
