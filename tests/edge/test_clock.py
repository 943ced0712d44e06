"""The clocks of the edge; the stepping one against a coordinator played by the test."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.edge.clock import (
    Clock,
    ClockError,
    SteppingClock,
    VirtualClock,
    WallClock,
    new_event_loop,
    open_clock,
)
from unlisted.edge.clock_simulated import Timers

# Virtual time


@given(st.lists(st.floats(0, 100), max_size=40), st.sets(st.integers(0, 39)))
def test_timers_fire_by_time_then_by_creation_and_cancelled_ones_do_not(
    times: list[float], cancelled: set[int]
) -> None:
    clock = VirtualClock()
    fired: list[tuple[float, int]] = []

    def note(n: int) -> Callable[[], None]:
        return lambda: fired.append((clock.now(), n))

    timers = [clock.call_at(when, note(n)) for n, when in enumerate(times)]
    for n in sorted(cancelled):
        if n < len(timers):
            timers[n].cancel()
            timers[n].cancel()
    clock.run()
    assert fired == sorted((when, n) for n, when in enumerate(times) if n not in cancelled)


def test_virtual_time_stops_at_the_limit_and_includes_it() -> None:
    clock = VirtualClock(10.0)
    fired: list[float] = []
    clock.call_at(20.0, lambda: clock.call_at(clock.now() + 5, lambda: fired.append(clock.now())))
    clock.call_at(26.0, lambda: fired.append(clock.now()))
    clock.run(until=25.0)
    assert fired == [25.0]
    assert clock.now() == 25.0
    clock.run()
    assert fired == [25.0, 26.0]
    assert not clock.advance_to_next()


def test_a_cancelled_timer_leaves_the_heap() -> None:
    timers = Timers()
    keep = timers.add(5.0, lambda: None)
    for _ in range(10_000):
        timers.add(300.0, lambda: None).cancel()
    assert len(timers._heap) < 200
    assert timers.next_deadline() == keep.when


def virtually(clock: VirtualClock, coroutine: Any) -> Any:
    with asyncio.Runner(loop_factory=clock.new_event_loop) as runner:
        return runner.run(coroutine)


def test_patience_runs_out_at_the_exact_instant_or_not_at_all() -> None:
    clock = VirtualClock(1000.0)

    async def wait() -> None:
        async with clock.patience(300):
            await clock.sleep(299.5)
        assert clock.now() == 1299.5
        with pytest.raises(TimeoutError):
            async with clock.patience(300):
                await asyncio.Event().wait()
        assert clock.now() == 1599.5

    virtually(clock, wait())


def test_time_stands_while_a_hold_is_open_and_goes_while_it_is_parked() -> None:
    clock = VirtualClock()

    async def work() -> None:
        clock.call_at(5, lambda: None)
        with clock.hold("outer") as outer, clock.hold("inner") as inner:
            await asyncio.sleep(0.01)
            assert clock.now() == 0
            outer.relabel("127.0.0.1:1")
            clock.park("127.0.0.1:1")
            await asyncio.sleep(0.01)
            assert clock.now() == 0  # inner still holds
            clock.park("127.0.0.1:2")  # before the hold has the label
            inner.relabel("127.0.0.1:2")
            await asyncio.sleep(0.01)
            assert clock.now() == 5
            clock.call_at(9, lambda: None)
            clock.unpark("127.0.0.1:1")
            await asyncio.sleep(0.01)
            assert clock.now() == 5
        await asyncio.sleep(0.01)
        assert clock.now() == 9

    virtually(clock, work())


def test_a_sleeper_parks_its_own_holds_and_gives_its_turn_away() -> None:
    clock = VirtualClock()
    story: list[tuple[float, str]] = []

    async def act(name: str, nap: float) -> None:
        async with clock.turn():
            with clock.hold(name):
                story.append((clock.now(), f"{name} begins"))
                if nap:
                    await clock.sleep(nap)
                await asyncio.sleep(0)
                story.append((clock.now(), f"{name} ends"))

    async def everybody() -> None:
        await asyncio.gather(act("a", 0), act("b", 7), act("c", 0), act("d", 3))

    virtually(clock, everybody())
    assert story == [
        *((0, "a begins"), (0, "a ends"), (0, "b begins"), (0, "c begins"), (0, "c ends")),
        *((0, "d begins"), (3, "d ends"), (7, "b ends")),
    ]


def test_a_hold_that_belongs_to_no_task_is_not_parked_by_a_sleep() -> None:
    clock = VirtualClock()

    async def work() -> None:
        commit = clock.hold("commit").open()
        asyncio.get_running_loop().call_later(0.03, commit.close)
        began = time.monotonic()
        await clock.sleep(1)
        assert time.monotonic() - began >= 0.025
        commit.close()

    virtually(clock, work())


def test_a_turn_that_is_cancelled_while_it_waits_or_acts_passes_on() -> None:
    clock = VirtualClock()
    order: list[str] = []

    async def act(name: str) -> None:
        async with clock.turn():
            order.append(name)
            await asyncio.sleep(0.005)

    async def everybody() -> None:
        tasks = [asyncio.create_task(act(name)) for name in "abcd"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[0].cancel()
        await asyncio.wait(tasks, timeout=5)
        assert all(task.done() for task in tasks)

    virtually(clock, everybody())
    assert order == ["a", "c", "d"]


def test_a_turn_inside_a_turn_is_an_error_and_not_a_deadlock() -> None:
    clock = VirtualClock()

    async def twice() -> None:
        async with clock.turn():
            with pytest.raises(RuntimeError, match="turn inside a turn"):
                async with clock.turn():
                    pass

    virtually(clock, twice())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["plain", "parked", "sleep", "fail"]), max_size=12))
def test_turns_are_taken_in_order_of_asking_and_never_two_at_once(kinds: list[str]) -> None:
    clock = VirtualClock()
    begun: list[int] = []
    active = 0

    async def act(n: int, kind: str) -> None:
        nonlocal active
        async with clock.turn():
            begun.append(n)
            assert active == 0
            active += 1
            with clock.hold(f"peer:{n}"):
                await asyncio.sleep(0)
                active -= 1
                if kind == "parked":
                    reply = asyncio.get_running_loop().create_future()

                    def answer() -> None:
                        clock.unpark(f"peer:{n}")
                        reply.set_result(None)

                    clock.call_at(clock.now() + 5 + n, answer)
                    clock.park(f"peer:{n}")
                    await reply
                elif kind == "sleep":
                    await clock.sleep(3 + n)
                elif kind == "fail":
                    raise ValueError
                assert active == 0

    async def everybody() -> None:
        acts = (act(n, kind) for n, kind in enumerate(kinds))
        for outcome in await asyncio.gather(*acts, return_exceptions=True):
            assert outcome is None or isinstance(outcome, ValueError)

    virtually(clock, everybody())
    assert begun == list(range(len(kinds)))
    assert clock._holds.count == 0
    assert clock._holds.turns._acting == 0


# The wall clock


def test_the_wall_clock_fires_in_order_and_its_holds_do_nothing() -> None:
    clock: Clock = WallClock()
    fired: list[str] = []

    async def work() -> None:
        now = clock.now()
        assert abs(now - time.time()) < 5
        clock.call_at(now + 0.02, lambda: fired.append("later"))
        for n in range(3):
            clock.call_at(now - 1, lambda n=n: fired.append(f"due {n}"))  # type: ignore[misc]
        clock.call_at(now, lambda: fired.append("cancelled")).cancel()
        clock.park("a")
        async with clock.turn():
            with clock.hold("a") as hold, pytest.raises(TimeoutError):
                hold.relabel("b")
                async with clock.patience(0.05):
                    await clock.sleep(5)
        clock.unpark("a")

    with asyncio.Runner(loop_factory=lambda: new_event_loop(clock)) as runner:
        runner.run(work())
    assert fired == ["due 0", "due 1", "due 2", "later"]


@pytest.mark.parametrize("setting", ["unix:", "tcp:1", "unix", "/tmp/x"])
def test_a_clock_setting_that_names_no_clock_is_refused(setting: str) -> None:
    with pytest.raises(ClockError, match="unix:PATH"):
        open_clock(setting, "unlisted")


def test_the_default_clock_is_the_wall(tmp_path: Path) -> None:
    assert isinstance(open_clock("", "unlisted"), WallClock)
    with pytest.raises(ClockError, match="cannot be joined"):
        open_clock(f"unix:{tmp_path}/none", "unlisted")


# The stepping clock


class Led:
    """A coordinator played by the test, and a platform whose loop runs in a thread."""

    def __init__(self, path: Path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(5)
        self.memory = os.memfd_create("test-clock")
        os.ftruncate(self.memory, 8)
        self.set_time(100.0)
        joined: list[Clock] = []
        joiner = threading.Thread(target=lambda: joined.append(open_clock(f"unix:{path}", "me")))
        joiner.start()
        self.sock, _ = listener.accept()
        listener.close()
        self.sock.settimeout(5)
        assert self.hear() == {"op": "hello", "name": "me", "pid": os.getpid()}
        socket.send_fds(self.sock, [b'{"op":"welcome"}'], [self.memory])
        joiner.join()
        assert isinstance(joined[0], SteppingClock)
        self.clock = joined[0]
        self.clock.on_lost(lambda: self.loop.stop())
        self.loop = self.clock.new_event_loop()
        self.seq = 0
        self.thread = threading.Thread(target=self.loop.run_forever)

    def set_time(self, now: float) -> None:
        os.pwrite(self.memory, struct.pack("d", now), 0)

    def hear(self) -> dict[str, Any]:
        return json.loads(self.sock.recv(65536))  # type: ignore[no-any-return]

    def silent(self) -> bool:
        self.sock.settimeout(0.05)
        try:
            self.sock.recv(65536, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(5)
        return False

    def tell(self, op: str, **more: object) -> None:
        self.seq += 1
        self.sock.send(json.dumps({"op": op, "seq": self.seq, **more}).encode())

    def do(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(callback)


@contextmanager
def led(path: Path) -> Iterator[Led]:
    platform = Led(path)
    platform.thread.start()
    try:
        yield platform
    finally:
        platform.sock.close()
        platform.thread.join(5)
        assert not platform.thread.is_alive()
        platform.loop.close()
        platform.clock.close()
        os.close(platform.memory)


def test_idle_is_found_and_busy_is_said_before_the_first_callback(tmp_path: Path) -> None:
    with led(tmp_path / "clock") as platform:
        assert platform.hear() == {"op": "idle", "seq": 0, "next": None}
        said: list[bool] = []
        go = threading.Event()

        def callback() -> None:
            go.wait(5)
            platform.clock.call_at(107.0, lambda: None)
            said.append(True)

        platform.do(callback)
        assert platform.hear() == {"op": "busy"}
        assert not said
        go.set()
        assert platform.hear() == {"op": "idle", "seq": 0, "next": 107.0}


def test_one_fire_fires_exactly_one_timer_and_idle_acknowledges_it(tmp_path: Path) -> None:
    with led(tmp_path / "clock") as platform:
        fired: list[tuple[float, str]] = []

        def set_timers() -> None:
            for name, when in (("b", 110.0), ("c", 110.0), ("a", 105.0)):
                platform.clock.call_at(
                    when, lambda name=name: fired.append((platform.clock.now(), name))
                )

        platform.do(set_timers)
        while (said := platform.hear()).get("next") is None:
            pass
        assert said == {"op": "idle", "seq": 0, "next": 105.0}
        platform.set_time(110.0)
        for seq, deadline in ((1, 110.0), (2, 110.0), (3, None), (4, None)):
            platform.tell("fire")
            # No `busy` between: who was told something is taken for busy.
            assert platform.hear() == {"op": "idle", "seq": seq, "next": deadline}
        assert fired == [(110.0, "a"), (110.0, "b"), (110.0, "c")]


def test_a_hold_costs_no_message_and_keeps_idle_back_until_it_is_parked(tmp_path: Path) -> None:
    with led(tmp_path / "clock") as platform:
        platform.hear()
        hold = platform.clock.hold("127.0.0.9:25")
        platform.do(hold.open)
        assert platform.hear() == {"op": "busy"}
        assert platform.silent()
        platform.do(lambda: None)
        assert platform.silent()
        platform.tell("who")
        said = platform.hear()
        assert said["op"] == "held" and said["held"][0][0] == "127.0.0.9:25"
        assert platform.silent()
        platform.tell("park", label="127.0.0.9:25")
        assert platform.hear() == {"op": "idle", "seq": 2, "next": None}
        platform.tell("unpark", label="127.0.0.9:25")
        assert platform.silent()
        platform.do(hold.close)
        assert platform.hear() == {"op": "idle", "seq": 3, "next": None}


def test_a_real_timer_neither_moves_time_nor_holds_it(tmp_path: Path) -> None:
    with led(tmp_path / "clock") as platform:
        platform.hear()
        platform.do(lambda: platform.loop.call_later(0.02, lambda: None))
        said = [platform.hear() for _ in range(4)]
        assert [message["op"] for message in said] == ["busy", "idle", "busy", "idle"]
        assert [message.get("next") for message in said] == [None] * 4


def test_a_server_that_makes_a_peer_wait_says_so(tmp_path: Path) -> None:
    with led(tmp_path / "clock") as platform:
        platform.hear()
        platform.do(lambda: platform.clock.park("127.0.0.3:4"))
        assert platform.hear() == {"op": "busy"}
        assert platform.hear() == {"op": "park", "label": "127.0.0.3:4"}
        assert platform.hear()["op"] == "idle"


def test_without_its_coordinator_a_platform_ends_with_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clock"
    with led(path) as platform:
        platform.hear()
        platform.clock.call_at(500.0, lambda: None)
    assert capfd.readouterr().err == (
        f"unlisted: the coordinator of the clock {path} has gone away; without time we end\n"
    )
    assert platform.clock.now() == 100.0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=100),
            st.sampled_from([b'{"op":"fire"}', b'{"op":"park"}', b'{"op":"later","x":[1]}', b"[]"]),
        ),
        max_size=5,
    )
)
def test_no_bytes_of_a_coordinator_end_a_platform_but_by_its_one_line(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes]
) -> None:
    faults: list[object] = []
    with led(tmp_path_factory.mktemp("clock") / "clock") as platform:
        platform.loop.set_exception_handler(lambda _loop, context: faults.append(context))
        for message in messages:
            try:
                platform.sock.send(message)
            except OSError:
                break
    assert platform.clock.lost is not None
    assert not faults
