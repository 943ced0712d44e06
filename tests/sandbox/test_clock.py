"""The stepping clock across real processes and real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unlisted_sandbox.clock import ClockFailure, Coordinator

PLATFORM = Path(__file__).with_name("clock_platform.py")
START = 1_700_000_000.0


def chance(*what: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(what).encode(), digest_size=4).digest(), "big") % 100


def free_port(address: str) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


class World:
    """Submits to each platform, receives from each, with greylisting, tarpits and hangs."""

    def __init__(
        self,
        folder: Path,
        names: list[str],
        *,
        messages: int = 40,
        spread_s: int = 600,
        speed: float | None = None,
        early: bool = False,
        **options: object,
    ):
        self.folder = folder
        self.names = names
        self.variant = "early" if early else "right"
        self.reports: list[str] = []
        self.clock = Coordinator(
            folder / "clock",
            START,
            names,
            speed,
            remote=names,
            report=self.reports.append,
            **options,  # type: ignore[arg-type]
        )
        self.loop = self.clock.new_event_loop()
        self.log: list[tuple[float, str, str, str]] = []
        self.address = {name: f"127.0.7.{n + 1}" for n, name in enumerate(names)}
        self.lane = {address: name for name, address in self.address.items()}
        self.port = {name: free_port(self.address[name]) for name in names}
        self.receiver = free_port("127.0.0.1")
        self.process: dict[str, subprocess.Popen[str]] = {}
        self.open: dict[str, set[str]] = {name: set() for name in names}
        self.tasks: set[asyncio.Task[None]] = set()
        for name in names:
            for n in range(messages):
                ident = f"m{n}"
                self.open[name].add(ident)
                when = START + chance("when", n) * spread_s // 100
                self.at(when, name, ident)

    def at(self, when: float, name: str, ident: str) -> None:
        def start() -> None:
            task = self.loop.create_task(self.submit(name, ident))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        self.clock.call_at(when, name, start)

    def start(self, name: str) -> None:
        self.process[name] = subprocess.Popen(
            [
                *(sys.executable, str(PLATFORM), self.clock.path, name, self.address[name]),
                *(str(self.port[name]), str(self.receiver)),
                *(str(self.journal(name)), self.variant),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )

    def journal(self, name: str) -> Path:
        return self.folder / f"{name}.journal"

    def note(self, name: str, kind: str, what: str) -> None:
        self.log.append((self.clock.now(), name, kind, what))

    async def submit(self, name: str, ident: str) -> None:
        with self.clock.hold(f"submit {ident}"):
            writer = None
            try:
                reader, writer = await asyncio.open_connection(self.address[name], self.port[name])
                sent = self.clock.stamp()
                writer.write(f"SUBMIT {ident}\r\n".encode())
                reply = await reader.readline()
                self.clock.check(sent, f"reply to {ident}")
                if not reply:
                    raise ConnectionError
                writer.write(b"QUIT\r\n")
                await reader.readline()
            except ConnectionError:  # it was killed
                self.note(name, "again", ident)
                self.at(self.clock.now() + 60, name, ident)
                return
            finally:
                if writer is not None:
                    writer.close()
            self.note(name, "submitted", ident)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")
        name, label = self.lane[host], f"{host}:{port}"
        try:
            sent = self.clock.stamp()
            writer.write(b"220 toy\r\n")
            while line := (await reader.readline()).decode().split():
                self.clock.check(sent, f"{line} of {name}")
                if line[0] == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                _mail, ident, attempt, when = line
                if when != f"{self.clock.now():.3f}":
                    self.clock.check(-1.0, f"{line} of {name} at {self.clock.now()}")
                draw = chance("receiver", name, ident, attempt)
                self.note(name, "mail", f"{ident} {attempt}")
                if draw < 5:  # hang: the patience of the platform ends it
                    with self.clock.parked(label):
                        gone = asyncio.ensure_future(reader.read(1))
                        nap = asyncio.ensure_future(self.clock.sleep(name, 3600))
                        await asyncio.wait((gone, nap), return_when=asyncio.FIRST_COMPLETED)
                        gone.cancel()
                        nap.cancel()
                    self.note(name, "hung", ident)
                    break
                if draw < 15:
                    with self.clock.parked(label):
                        await self.clock.sleep(name, 20)
                reply = "450 later" if draw % 2 and draw < 60 else "250 ok"
                if reply[0] == "2" or attempt == "6":
                    self.open[name].discard(ident)
                sent = self.clock.stamp()
                writer.write(f"{reply}\r\n".encode())
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main(self, until: Callable[[], bool]) -> None:
        with self.clock.hold("set-up"):
            server = await asyncio.start_server(self.receive, "127.0.0.1", self.receiver)
            for name in self.names:
                self.start(name)
        try:
            await self.clock.until(until)
        finally:
            server.close()

    def run(self, until: Callable[[], bool] | None = None) -> None:
        everything_ended = until or (
            lambda: not any(self.open.values()) and self.clock.now() >= START + 40_000
        )
        try:
            if until is None:
                for name in self.names:
                    self.clock.call_at(START + 40_000, name, lambda: None)
            self.loop.run_until_complete(self.main(everything_ended))
        finally:
            self.end()

    def end(self) -> None:
        self.clock.close()
        for process in self.process.values():
            process.send_signal(signal.SIGCONT)
            try:
                self.stderr = process.communicate(timeout=10)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()

    def facts(self) -> dict[str, str]:
        return {name: self.journal(name).read_text() for name in self.names}


@contextlib.contextmanager
def stalls(world: World, seed: int) -> Iterator[list[float]]:
    """SIGSTOP a platform for 0.3 s at random moments."""
    over = threading.Event()
    done: list[float] = []
    draw = random.Random(seed)

    def disturb() -> None:
        while not over.wait(draw.uniform(0.05, 0.4)):
            process = world.process.get(draw.choice(world.names))
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGSTOP)
            done.append(time.monotonic())
            over.wait(0.3)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def test_a_run_with_stalls_tells_the_same_story_as_one_without(tmp_path: Path) -> None:
    (tmp_path / "quiet").mkdir()
    (tmp_path / "stalled").mkdir()
    quiet = World(tmp_path / "quiet", ["left", "right"])
    quiet.run()
    stalled = World(tmp_path / "stalled", ["left", "right"])
    with stalls(stalled, 1) as done:
        stalled.run()
    assert done
    assert (quiet.clock.late, stalled.clock.late) == (0, 0), stalled.clock.late_examples
    assert quiet.facts() == stalled.facts()
    assert sorted(quiet.log) == sorted(stalled.log)
    facts = quiet.facts()["left"]
    assert facts.count("Reception") == 40
    assert "timeout" in facts and "450" in facts


def test_an_initiator_that_lets_go_before_the_reply_is_caught(tmp_path: Path) -> None:
    world = World(tmp_path, ["left", "right"], early=True)
    with stalls(world, 2):
        world.run()
    assert world.clock.late > 0
    assert world.clock.late_examples


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.07])
def test_a_platform_killed_and_restarted_in_mid_run_ends_without_deadlock(
    tmp_path: Path, moment: float
) -> None:
    world = World(tmp_path, ["left", "right"])
    restarted: list[str] = []

    def kill() -> None:
        time.sleep(moment)
        world.process["left"].kill()
        world.process["left"].communicate(timeout=10)
        restarted.append(world.journal("left").read_text())
        world.start("left")

    killer = threading.Thread(target=kill)
    world.clock.call_at(START + 200.5, "left", killer.start)
    world.run(until=lambda: world.clock.now() >= START + 1000 and not killer.is_alive())
    killer.join()
    before, after = restarted[0], world.facts()["left"]
    assert after.startswith(before)
    assert after[len(before) :].count("Reception") >= 5
    assert world.facts()["right"].count("Reception") == 40
    assert world.clock.failure is None


def test_a_parked_hang_lets_time_go_and_patience_ends_it_at_the_exact_instant(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, ["left"], messages=60)
    world.run()
    began = {(what.split()[0], what.split()[1]): at for at, _, k, what in world.log if k == "mail"}
    hangs = 0
    for line in world.facts()["left"].splitlines():
        at, kind, ident, *rest = line.split()
        if kind == "Outcome" and rest[1] == "timeout":
            hangs += 1
            assert float(at) - began[ident, rest[0]] == 300.0
        if kind == "Outcome" and rest[1] == "250":
            assert float(at) - began[ident, rest[0]] in (0.0, 20.0)
    assert hangs >= 2
    hung_up = [at for at, _, kind, _ in world.log if kind == "hung"]
    assert len(hung_up) == hangs  # seen by the server at once, not at its own hour's end


@pytest.mark.parametrize(
    ("before_s", "named"), [(0, "left: busy"), (1, "world holds submit m3"), (1, "left: idle")]
)
def test_the_watchdog_names_a_stopped_process_and_who_waits_for_it(
    tmp_path: Path, before_s: int, named: str
) -> None:
    world = World(tmp_path, ["left", "right"], messages=10)

    def stop() -> None:
        world.process["left"].send_signal(signal.SIGSTOP)
        threading.Timer(2.6, lambda: world.process["left"].send_signal(signal.SIGCONT)).start()

    # At 0 it has just taken m3 and is told to deliver it; at 1 it idles when m3 comes.
    world.clock.call_at(START + chance("when", 3) * 6 - before_s, "left", stop)
    world.run()
    assert any(named in line and "process state T" in line for line in world.reports)
    assert not any("right: " in line for line in world.reports)
    assert world.clock.late == 0


def test_a_platform_tells_the_watchdog_what_it_holds(tmp_path: Path) -> None:
    world = World(tmp_path, ["left"], messages=3)
    platforms = world.clock.platforms

    def who() -> None:
        platforms.tell(platforms.here["left"], "who")

    world.clock.call_at(START + 700, "left", who)
    world.run()
    assert "clock: left holds nothing" in world.reports


COORDINATOR = """
import sys
from unlisted_sandbox.clock import Coordinator
clock = Coordinator(sys.argv[1], 0.0, ["left"], 1.0, remote=["left"])
loop = clock.new_event_loop()
for n in range(60):
    clock.call_at(float(n), "left", lambda: print("tick", flush=True))
loop.run_forever()
"""


def test_a_platform_whose_coordinator_dies_ends_with_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    coordinator = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(path)], stdout=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        platform = subprocess.Popen(
            [
                *(sys.executable, str(PLATFORM), str(path), "left", "127.0.7.1"),
                *(str(free_port("127.0.7.1")), "1", str(tmp_path / "journal"), "right"),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert coordinator.stdout is not None
        assert coordinator.stdout.readline() == b"tick\n"  # it has joined, else time stands
    finally:
        coordinator.kill()
        coordinator.communicate()
    _out, told = platform.communicate(timeout=10)
    assert platform.returncode == 0
    assert told == (
        f"unlisted: the coordinator of the clock {path} has gone away; without time we end\n"
    )


@contextlib.contextmanager
def world_of(
    folder: Path, lanes: list[str], speed: float | None = None, **options: object
) -> Iterator[tuple[Coordinator, asyncio.AbstractEventLoop, list[str]]]:
    reports: list[str] = []
    clock = Coordinator(folder / "clock", START, lanes, speed, report=reports.append, **options)  # type: ignore[arg-type]
    loop = clock.new_event_loop()
    try:
        yield clock, loop, reports
    finally:
        clock.close()
        loop.close()


def test_a_lane_releases_one_timer_at_a_time_and_the_world_goes_first(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare", "usual"]) as (clock, loop, _reports):
        at_work = {"bare": 0, "usual": 0}
        order: dict[str, list[str]] = {"bare": [], "usual": []}
        together = 0
        tasks = []

        async def work(lane: str, what: str) -> None:
            nonlocal together
            with clock.hold(what):
                assert at_work[lane] == 0
                at_work[lane] += 1
                together = max(together, sum(at_work.values()))
                order[lane].append(what)
                await asyncio.sleep(0.003)  # real: work that takes a while
                at_work[lane] -= 1

        def begin(lane: str, what: str) -> Callable[[], None]:
            return lambda: tasks.append(loop.create_task(work(lane, what)))

        for lane in ("bare", "usual"):
            platform = clock.lane_clock(lane)
            for n in range(4):
                platform.call_at(START + 5, begin(lane, f"platform {n}"))
            for n in range(4):
                clock.call_at(START + 5, lane, begin(lane, f"world {n}"))
            platform.call_at(START + 4, begin(lane, "earlier"))
            platform.call_at(START + 5, lambda: pytest.fail("cancelled")).cancel()
        loop.run_until_complete(clock.until(lambda: clock.now() >= START + 5 and len(tasks) == 18))
        expected = ["earlier", *(f"{who} {n}" for who in ("world", "platform") for n in range(4))]
        assert order == {"bare": expected, "usual": expected}
        assert together == 2  # lanes do not wait for each other within a release


def test_acts_of_a_lane_take_turns_and_a_parked_act_gives_its_turn_away(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare"]) as (clock, loop, _reports):
        platform = clock.lane_clock("bare")
        story: list[tuple[float, str]] = []

        async def act(name: str, slow: bool) -> None:
            async with platform.turn():
                with platform.hold(name):
                    story.append((clock.now() - START, f"{name} begins"))
                    if slow:
                        peer = asyncio.get_running_loop().create_future()
                        clock.park(name)

                        def reply() -> None:
                            clock.unpark(name)
                            peer.set_result(None)

                        clock.call_at(START + 7, "bare", reply)
                        await peer
                    await asyncio.sleep(0.002)
                    story.append((clock.now() - START, f"{name} ends"))

        async def everybody() -> None:
            await asyncio.gather(*(act(name, name == "b") for name in "abc"))

        loop.run_until_complete(everybody())
        assert story == [
            *((0.0, "a begins"), (0.0, "a ends"), (0.0, "b begins")),
            *((0.0, "c begins"), (0.0, "c ends"), (7.0, "b ends")),
        ]


def test_patience_in_process_fires_at_its_instant_and_holds_count_again(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare"]) as (clock, loop, _reports):
        platform = clock.lane_clock("bare")

        async def wait() -> float:
            with platform.hold("10.0.0.1:1"):
                clock.park("10.0.0.1:1")
                with pytest.raises(TimeoutError):
                    async with platform.patience(300):
                        await asyncio.Event().wait()
                clock.call_at(START + 301, "bare", lambda: None)
                await asyncio.sleep(0.02)  # time must not move: the hold is no longer parked
                return clock.now()

        assert loop.run_until_complete(wait()) == START + 300


def test_a_label_parked_before_its_hold_has_it_counts_once_it_does(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare"]) as (clock, loop, _reports):

        async def late_label() -> float:
            clock.park("127.0.0.1:99")
            with clock.hold("connecting") as hold:
                hold.relabel("127.0.0.1:99")
                reply = asyncio.get_running_loop().create_future()
                clock.call_at(START + 3, "bare", lambda: reply.set_result(clock.now()))
                return float(await reply)

        assert loop.run_until_complete(late_label()) == START + 3


def test_time_keeps_to_the_speed_and_does_not_catch_up_a_long_slip(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare"], 100.0) as (clock, loop, _reports):

        async def slip() -> tuple[float, float]:
            began = time.monotonic()
            await clock.sleep("bare", 30)
            first = time.monotonic() - began
            with clock.hold("slow machine"):
                await asyncio.sleep(1.5)
            await clock.sleep("bare", 1)
            began = time.monotonic()
            await clock.sleep("bare", 30)
            return first, time.monotonic() - began

        first, after = loop.run_until_complete(slip())
        assert first >= 0.3
        assert after >= 0.3  # at full speed to catch up it would be none


def test_the_absent_make_time_stand_and_past_the_limit_fail_by_name(tmp_path: Path) -> None:
    with world_of(tmp_path, ["left"], remote=["left"], absence_limit_s=2.2) as (clock, loop, said):
        clock.call_at(START + 1, "left", lambda: pytest.fail("time moved"))
        with pytest.raises(ClockFailure, match="left has been absent"):
            loop.run_until_complete(clock.until(lambda: False))
        assert clock.now() == START
        assert any("left: absent" in line for line in said)


def test_waiting_for_what_no_timer_can_bring_is_a_failure(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare"]) as (clock, loop, _reports):
        clock.call_at(START + 1, "bare", lambda: None)
        with pytest.raises(ClockFailure, match="no timer is left"):
            loop.run_until_complete(clock.until(lambda: False))
        assert clock.now() == START + 1


def test_a_stall_past_its_limit_fails_and_names_the_hold(tmp_path: Path) -> None:
    with world_of(tmp_path, ["bare"], stall_limit_s=2.0) as (clock, loop, reports):

        async def forget() -> None:
            with clock.hold("forgotten"):
                await clock.until(lambda: False)

        with pytest.raises(ClockFailure, match="world holds forgotten"):
            loop.run_until_complete(forget())
        assert any("world holds forgotten" in line for line in reports)


def strangers(path: str, *messages: bytes) -> list[bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(5)
        sock.connect(path)
        answers = []
        for message in messages:
            with contextlib.suppress(OSError):
                sock.send(message)
                answers.append(sock.recv(65536))
        return answers


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b'{"op":"hello","name":"other","pid":1}', b"no lane for 'other'; expected: left"),
        (b'{"op":"hello","name":"bare","pid":1}', b"no lane for 'bare'; expected: left"),
        (b'{"op":"busy"}', b"the first word is hello"),
        (b"\xff\x00", b""),
        (b'{"op":1}', b""),
    ],
)
def test_a_stranger_is_refused_with_a_reason(tmp_path: Path, message: bytes, answer: bytes) -> None:
    with world_of(tmp_path, ["bare", "left"], remote=["left"]) as (clock, loop, _reports):

        async def ask() -> list[bytes]:
            return await asyncio.to_thread(strangers, clock.path, message)

        answers = loop.run_until_complete(ask())
        assert len(answers) <= 1
        assert answer in b"".join(answers)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4))
def test_no_bytes_of_a_platform_break_the_world(tmp_path: Path, messages: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        hello = b'{"op":"hello","name":"left","pid":1}'
        with world_of(Path(folder), ["left"], remote=["left"]) as (clock, loop, _reports):

            async def shout() -> float:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                    sock.connect(clock.path)
                    for message in (hello, *messages):
                        with contextlib.suppress(OSError):
                            sock.send(message)
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.005)
                return clock.now()

            assert loop.run_until_complete(shout()) == START
