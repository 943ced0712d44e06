"""The stepping clock: simulated time moves only when nobody has work in hand (docs/clock.md).

The coordinator lives in the world's own event loop, whose selector is wrapped: where the loop
would block with no hold open, every platform idle and nothing on any socket, time jumps to the
earliest timer anybody holds, `speed` permitting, and each lane with a timer due releases exactly
one. A lane is one platform with the world's timers for it. Platforms in processes of their own
join by a UNIX SEQPACKET socket; platforms in the world's process use a `LaneClock`.
A process that is stopped or gone makes time stand; the watchdog names who.
Refuses a platform whose name is not a lane meant for it.
"""

from __future__ import annotations

import asyncio
import heapq
import mmap
import os
import selectors
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

import msgspec

from unlisted_sandbox.clock_acts import Hold, Holds, Timer, Turns, patience, sleep

WORLD, PLATFORM = 0, 1  # at one instant the world's timers of a lane go first
MAX_MESSAGE_BYTES = 65536
WATCHDOG_S = 2.0
RESTING_S = 3600.0
SLIP_S = 1.0  # a longer slip against the speed limit is not caught up
MAX_LATE_EXAMPLES = 20


class ClockFailure(Exception):
    """Time can never move again; the text names who or what stopped it."""


class Report(msgspec.Struct, frozen=True):
    """What a platform says."""

    op: str
    name: str = ""
    pid: int = 0
    seq: int = 0
    next: float | None = None
    label: str = ""
    held: list[tuple[str, float]] = []


class _Lane:
    """The timers of one platform in the world's process, and the world's timers for it."""

    def __init__(self, name: str, remote: bool, holds: Holds):
        self.name = name
        self.remote = remote
        self.turns = Turns(holds.acts)
        self.heap: list[tuple[float, int, int, Timer]] = []
        self.numbers = [0, 0]

    def add(self, when: float, kind: int, timer: Timer) -> None:
        self.numbers[kind] += 1
        heapq.heappush(self.heap, (when, kind, self.numbers[kind], timer))

    def first(self) -> tuple[float, int, int, Timer] | None:
        heap = self.heap
        while heap and heap[0][3].callback is None:
            heapq.heappop(heap)
        return heap[0] if heap else None


class _Participant:
    """One platform in a process of its own, or a connection that has not said hello."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.lane: _Lane | None = None
        self.pid = 0
        self.told = 0  # number of the last command sent
        self.idle = False
        self.next: float | None = None
        self.since = time.monotonic()  # of its last change between idle and busy
        self.parked: dict[str, None] = {}


class Statistics(msgspec.Struct):
    """What the clock did, for the report of a run."""

    steps: int = 0
    releases: int = 0
    messages: int = 0


class Coordinator:
    """Leads simulated time. Everything here belongs to the thread of the world's loop."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        start: float,
        lanes: Sequence[str],
        speed: float | None = None,
        *,
        remote: Sequence[str] = (),
        absence_limit_s: float = 60.0,
        stall_limit_s: float | None = None,
        report: Callable[[str], None] | None = None,
    ):
        """`remote`: the lanes whose platform is a process of its own; until it says hello, and
        again after it dies, time stands, at most `absence_limit_s` real seconds.
        `stall_limit_s`: real seconds after which time that stands for any reason is a failure.
        """
        if speed is not None and not speed > 0:
            raise ValueError("speed must be positive")
        unknown = sorted(set(remote) - set(lanes))
        if unknown or len(set(lanes)) != len(lanes):
            raise ValueError(f"lanes must be distinct and hold every remote one: {unknown}")
        self.path = os.fspath(path)
        self.late = 0
        self.late_examples: list[str] = []
        self.statistics = Statistics()
        self.failure: str | None = None
        self.absence_limit_s = absence_limit_s
        self.stall_limit_s = stall_limit_s
        self.resting = False  # time stands on purpose: the watchdog sleeps
        self._report = report or _to_stderr
        self.speed = speed
        self._holds = Holds()
        self._lanes = {name: _Lane(name, name in remote, self._holds) for name in lanes}
        self._participants: dict[str, _Participant] = {}
        self._parked_elsewhere: dict[str, None] = {}  # labels no hold of this process had
        self._absent_since = {name: time.monotonic() for name in remote}
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._decoder = msgspec.json.Decoder(Report)
        self._anchor: tuple[float, float] | None = None  # (real, simulated) of the speed limit
        self._stands_since = time.monotonic()
        self._warn_after_s = WATCHDOG_S
        self._now = start
        self._selector = _Selector(self)
        descriptor = os.memfd_create("unlisted-clock")
        os.ftruncate(descriptor, mmap.PAGESIZE)
        self._time_descriptor = descriptor
        self._time = memoryview(mmap.mmap(descriptor, 8)).cast("d")
        self._time[0] = start
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._listener.bind(self.path)
        except OSError as error:
            raise ClockFailure(f"the clock cannot listen at {self.path}: {error}") from error
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._selector.inner.register(self._listener, selectors.EVENT_READ, _LISTENER)

    # For the world

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """The one loop of the world; time moves only while it runs."""
        if self._loop is not None:
            raise RuntimeError("the world has one loop")
        self._loop = asyncio.SelectorEventLoop(self._selector)
        return self._loop

    def now(self) -> float:
        return self._now

    def call_at(
        self, when: float, lane: str, callback: Callable[[], None], *, label: str = ""
    ) -> Timer:
        """A timer of the world in that lane."""
        return self._add(when, lane, WORLD, callback, label)

    def hold(self, label: str) -> Hold:
        """Time stands while it is open: from before the first byte of a transaction begun by
        someone in this process until its last reply is read and what follows is done."""
        return Hold(self._holds, label)

    def park(self, label: str) -> None:
        """The initiator `ip:port` is made to wait on simulated time by a server of ours."""
        self._park(label, None)

    def unpark(self, label: str) -> None:
        """The wait is over; call it before the reply is written or the connection closed."""
        self._unpark(label, None)

    @contextmanager
    def parked(self, label: str) -> Iterator[None]:
        self.park(label)
        try:
            yield
        finally:
            self.unpark(label)

    async def sleep(self, lane: str, seconds: float) -> None:
        await sleep(_LaneScheduler(self, lane, WORLD), self._holds, seconds)

    def patience(self, lane: str, seconds: float) -> AbstractAsyncContextManager[None]:
        return patience(_LaneScheduler(self, lane, WORLD), self._holds, seconds)

    def lane_clock(self, lane: str) -> LaneClock:
        """The clock of a platform that lives in the world's process."""
        if self._lanes[lane].remote:
            raise ValueError(f"lane {lane!r} belongs to a process of its own")
        return LaneClock(self, lane)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until the predicate holds, asked only while everybody is idle.

        ClockFailure if no timer is left that could make it true, or when time can never move
        again."""
        if self.failure is not None:
            raise ClockFailure(self.failure)
        met: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((predicate, met))
        await met

    def stamp(self) -> float:
        """The instant at which a message is sent; hand it to `check` where it is seen."""
        return self._now

    def check(self, stamp: float, what: str) -> bool:
        """Count the message as late if it is seen at another instant than it was sent at."""
        if stamp == self._now:
            return True
        self.late += 1
        if len(self.late_examples) < MAX_LATE_EXAMPLES:
            self.late_examples.append(f"{what}: sent at {stamp}, seen at {self._now}")
        return False

    def dismiss(self, name: str) -> None:
        """That platform is not needed any more: its absence no longer makes time stand."""
        self._lanes[name].remote = False
        self._absent_since.pop(name, None)
        participant = self._participants.pop(name, None)
        if participant is not None:
            self._drop(participant)

    def close(self) -> None:
        """The end of time: platforms still connected are told by the end of their socket."""
        for participant in list(self._participants.values()):
            self._drop(participant)
        self._participants.clear()
        self._absent_since.clear()
        if self._listener.fileno() >= 0:
            self._selector.forget(self._listener)
            self._listener.close()
            os.close(self._time_descriptor)
            with suppress(FileNotFoundError):
                os.unlink(self.path)

    # Timers

    def _add(
        self, when: float, lane: str, kind: int, callback: Callable[[], None], label: str
    ) -> Timer:
        if when != when:
            raise ValueError("a timer needs a time, not NaN")
        timer = Timer(when, callback, label)
        self._lanes[lane].add(when, kind, timer)
        return timer

    # Platforms

    def _tell(self, participant: _Participant, op: str, label: str = "") -> None:
        participant.told += 1
        if participant.idle:
            participant.idle = False
            participant.since = time.monotonic()
        self._send(participant, {"op": op, "seq": participant.told, "label": label})

    def _park(self, label: str, by: _Participant | None) -> None:
        # A hold costs no message, so nobody knows whose the label is; there are few to ask.
        if not self._holds.park(label):
            self._parked_elsewhere[label] = None
            for participant in self._participants.values():
                if participant is not by:
                    self._tell(participant, "park", label)

    def _unpark(self, label: str, by: _Participant | None) -> None:
        self._holds.unpark(label)
        if label in self._parked_elsewhere:
            del self._parked_elsewhere[label]
            for participant in self._participants.values():
                if participant is not by:
                    self._tell(participant, "unpark", label)

    def _send(self, participant: _Participant, message: Mapping[str, Any]) -> None:
        self.statistics.messages += 1
        with suppress(OSError):  # its end is read where everything it said before is read
            participant.sock.send(msgspec.json.encode(message))

    def _accept(self) -> None:
        try:
            sock, _address = self._listener.accept()
        except OSError:
            return
        sock.setblocking(True)
        self._selector.inner.register(sock, selectors.EVENT_READ, _Participant(sock))

    def _read(self, participant: _Participant) -> None:
        self.statistics.messages += 1
        try:
            message = participant.sock.recv(MAX_MESSAGE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._lost(participant)
            return
        try:
            report = self._decoder.decode(message)
        except msgspec.DecodeError as error:
            self._report(f"clock: {_name(participant)} says what is no message: {error}")
            self._lost(participant)
            return
        if participant.lane is None:
            self._welcome(participant, report)
            return
        match report.op:
            case "busy":
                self._set_idle(participant, False)
            case "idle":
                # An older number crossed a command of ours: it is busy with that.
                if report.seq == participant.told:
                    participant.next = report.next
                    self._set_idle(participant, True)
            case "park":
                participant.parked[report.label] = None
                self._park(report.label, participant)
            case "unpark":
                participant.parked.pop(report.label, None)
                self._unpark(report.label, participant)
            case "held":
                held = ", ".join(f"{label} {age:.1f} s" for label, age in report.held)
                self._report(f"clock: {_name(participant)} holds {held or 'nothing'}")
            case _:
                self._report(f"clock: {_name(participant)} says {report.op!r}: not understood")

    def _set_idle(self, participant: _Participant, idle: bool) -> None:
        if participant.idle != idle:
            participant.idle = idle
            participant.since = time.monotonic()

    def _welcome(self, participant: _Participant, report: Report) -> None:
        lane = self._lanes.get(report.name)
        refusal = ""
        if report.op != "hello":
            refusal = "the first word is hello"
        elif lane is None or not lane.remote:
            expected = ", ".join(sorted(n for n, known in self._lanes.items() if known.remote))
            refusal = f"no lane for {report.name!r}; expected: {expected or 'nobody'}"
        else:
            before = self._participants.get(report.name)
            if before is not None:
                # Killed and started again at once: the end of the old is there to be read.
                while self._participants.get(report.name) is before and _readable(before.sock):
                    self._read(before)
                if self._participants.get(report.name) is before:
                    refusal = f"{report.name!r} is here already, process {before.pid}"
        if refusal or lane is None:
            self._send(participant, {"op": "refused", "reason": refusal})
            self._drop(participant)
            return
        participant.lane = lane
        participant.pid = report.pid
        participant.since = time.monotonic()
        self._participants[lane.name] = participant
        self._absent_since.pop(lane.name, None)
        with suppress(OSError):
            socket.send_fds(participant.sock, [b'{"op":"welcome"}'], [self._time_descriptor])

    def _lost(self, participant: _Participant) -> None:
        lane = participant.lane
        if lane is not None and self._participants.get(lane.name) is participant:
            del self._participants[lane.name]
            if lane.remote:
                self._absent_since[lane.name] = time.monotonic()
            for label in participant.parked:
                self._unpark(label, participant)
        self._drop(participant)

    def _drop(self, participant: _Participant) -> None:
        self._selector.forget(participant.sock)
        participant.sock.close()

    # The step

    def sift(self, ready: list[_Event]) -> list[_Event]:
        """Read what platforms say; what remains is the loop's."""
        others: list[_Event] = []
        for event in ready:
            data = event[0].data
            if data is _LISTENER:
                self._accept()
            elif isinstance(data, _Participant):
                if data.sock.fileno() >= 0:
                    self._read(data)
            else:
                others.append(event)
        return others

    def all_idle(self) -> bool:
        """With nothing on any socket and the own loop dry, nobody has work in hand."""
        if self._holds.count or self._absent_since or self.failure is not None:
            return False
        return all(participant.idle for participant in self._participants.values())

    def advance(self) -> tuple[bool, float | None]:
        """One step. (the loop has something to run, real seconds to wait at most)"""
        self._stands_since = time.monotonic()
        self._warn_after_s = WATCHDOG_S
        if self._waiters and self._ask_waiters():
            return True, None
        when = self._earliest()
        if when is None:
            if self._waiters:
                self._end_waiters("no timer is left, so what is waited for cannot come")
                return True, None
            return False, None
        when = max(when, self._now)
        wait = self._too_fast(when)
        if wait > 0:
            return False, wait
        if when != self._now:
            self.statistics.steps += 1
            self._now = when
            self._time[0] = when
        assert self._loop is not None
        called = False
        for lane in self._lanes.values():
            first = lane.first()
            participant = self._participants.get(lane.name)
            theirs = None if participant is None else participant.next
            if first is not None and (theirs is None or first[:2] <= (theirs, PLATFORM)):
                if first[0] <= when:
                    heapq.heappop(lane.heap)
                    timer = first[3]
                    callback, timer.callback = timer.callback, None
                    assert callback is not None
                    self._loop.call_soon(callback)
                    self.statistics.releases += 1
                    called = True
            elif participant is not None and theirs is not None and theirs <= when:
                participant.next = None
                self._tell(participant, "fire")
                self.statistics.releases += 1
        return called, 0.0

    def _earliest(self) -> float | None:
        earliest: float | None = None
        for lane in self._lanes.values():
            first = lane.first()
            if first is not None and (earliest is None or first[0] < earliest):
                earliest = first[0]
        for participant in self._participants.values():
            theirs = participant.next
            if theirs is not None and (earliest is None or theirs < earliest):
                earliest = theirs
        return earliest

    def _too_fast(self, when: float) -> float:
        """Real seconds until the speed limit permits that instant."""
        if self.speed is None:
            return 0.0
        real = time.monotonic()
        if self._anchor is None:
            self._anchor = (real, self._now)
        slip = real - (self._anchor[0] + (when - self._anchor[1]) / self.speed)
        if slip > SLIP_S:
            self._anchor = (real, when)
        return max(0.0, -slip)

    def _ask_waiters(self) -> bool:
        met = False
        for waiter in list(self._waiters):
            predicate, future = waiter
            if future.done():
                self._waiters.remove(waiter)
                continue
            try:
                holds = predicate()
            except Exception as error:
                future.set_exception(error)
                holds = True
            if holds:
                self._waiters.remove(waiter)
                if not future.done():
                    future.set_result(None)
                met = True
        return met

    def _end_waiters(self, why: str) -> None:
        for _predicate, future in self._waiters:
            if not future.done():
                future.set_exception(ClockFailure(why))
        self._waiters.clear()

    # The watchdog

    def watch_in(self) -> float:
        """Real seconds until the watchdog wants to look."""
        if self.resting:
            return RESTING_S
        look_at = self._stands_since + self._warn_after_s
        for since in self._absent_since.values():
            look_at = min(look_at, since + self.absence_limit_s)
        if self.stall_limit_s is not None:
            look_at = min(look_at, self._stands_since + self.stall_limit_s)
        return max(0.01, look_at - time.monotonic())

    def watch(self) -> bool:
        """Name who holds time, if it has stood too long; True if that is a failure."""
        now = time.monotonic()
        if self.failure is not None or self.resting:
            return False
        for name, since in sorted(self._absent_since.items()):
            if now - since > self.absence_limit_s:
                return self._fail(f"{name} has been absent for {now - since:.0f} s")
        stood = now - self._stands_since
        if self.stall_limit_s is not None and stood > self.stall_limit_s:
            return self._fail(f"time has stood for {stood:.0f} s: {'; '.join(self.holders())}")
        if stood < self._warn_after_s:
            return False
        self._warn_after_s = min(self._warn_after_s * 2, stood + 30.0)
        self._report(f"clock: time stands for {stood:.1f} s: {'; '.join(self.holders())}")
        for participant in self._participants.values():
            if not participant.idle:
                self._tell(participant, "who")
        return False

    def holders(self) -> list[str]:
        """Who makes time stand now: the world's holds, the absent, the busy."""
        now = time.monotonic()
        held = [f"world holds {label} {age:.1f} s" for label, age in self._holds.listing()]
        held += [f"{n}: absent {now - at:.1f} s" for n, at in sorted(self._absent_since.items())]
        for name, participant in sorted(self._participants.items()):
            state = _process_state(participant.pid)
            # One that was stopped while idle does not even know that it has been asked.
            if not participant.idle or state not in ("R", "S"):
                doing = "idle" if participant.idle else "busy"
                age = now - participant.since
                held.append(f"{name}: {doing} {age:.1f} s, process state {state}")
        return held or ["the world's own loop"]

    def _fail(self, why: str) -> bool:
        self.failure = why
        self._report(f"clock: time ends: {why}")
        self._end_waiters(why)
        return True


class LaneClock:
    """The clock of one platform that lives in the world's process: the product's contract."""

    stepping = True

    def __init__(self, coordinator: Coordinator, lane: str):
        self._coordinator = coordinator
        self._lane = lane
        self._scheduler = _LaneScheduler(coordinator, lane, PLATFORM)

    def now(self) -> float:
        return self._coordinator.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._scheduler.call_at(when, callback)

    def hold(self, label: str) -> Hold:
        return self._coordinator.hold(label)

    def park(self, label: str) -> None:
        self._coordinator.park(label)

    def unpark(self, label: str) -> None:
        self._coordinator.unpark(label)

    async def sleep(self, seconds: float) -> None:
        await sleep(self._scheduler, self._coordinator._holds, seconds)

    def patience(self, seconds: float) -> AbstractAsyncContextManager[None]:
        return patience(self._scheduler, self._coordinator._holds, seconds)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._coordinator._lanes[self._lane].turns.turn():
            yield


class _LaneScheduler:
    """Timers of one kind in one lane."""

    def __init__(self, coordinator: Coordinator, lane: str, kind: int):
        self._coordinator = coordinator
        self._lane = lane
        self._kind = kind

    def now(self) -> float:
        return self._coordinator.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return self._coordinator._add(when, self._lane, self._kind, callback, "")


_Event = tuple[selectors.SelectorKey, int]
_LISTENER = object()


class _Selector(selectors.BaseSelector):
    """The world's selector: where the loop would block, it steps the clock."""

    def __init__(self, coordinator: Coordinator):
        self.inner = selectors.DefaultSelector()
        self._coordinator = coordinator
        self._closed = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.modify(fileobj, events, data)

    def forget(self, sock: socket.socket) -> None:
        if not self._closed and sock.fileno() >= 0:
            self.inner.unregister(sock)

    def close(self) -> None:
        self._closed = True
        self.inner.close()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.inner.get_map()

    def select(self, timeout: float | None = None) -> list[_Event]:
        coordinator = self._coordinator
        if timeout is not None and timeout <= 0:
            return coordinator.sift(self.inner.select(0))
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            # An empty poll means that at one moment nothing lay unread on any socket, ours or a
            # platform's. Only with that is "all idle" true: a platform read as idle may have
            # been woken by another that was read as idle later, but its `busy` was then sent
            # before the other's `idle` and would have been in this poll.
            ready = self.inner.select(0)
            if ready:
                others = coordinator.sift(ready)
                if others:
                    return others
                continue
            wait: float | None
            if coordinator.all_idle():
                run, wait = coordinator.advance()
                if run:
                    return []
            else:
                wait = coordinator.watch_in()
            if end is not None:
                left = end - time.monotonic()
                if left <= 0:
                    return []
                wait = left if wait is None else min(wait, left)
            if wait == 0.0:
                continue
            ready = self.inner.select(wait)
            if ready:
                others = coordinator.sift(ready)
                if others:
                    return others
            elif not coordinator.all_idle() and coordinator.watch():
                return []


def _readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return False
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _name(participant: _Participant) -> str:
    return participant.lane.name if participant.lane is not None else "a stranger"


def _process_state(pid: int) -> str:
    """The letter of /proc/PID/stat: R runs, S sleeps, T is stopped, Z is dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "gone"


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
