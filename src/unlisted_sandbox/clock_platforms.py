"""Platforms in processes of their own, as the stepping clock knows them (docs/clock.md).

They join by a UNIX SEQPACKET socket, get the time as a page of shared memory, and say when they
are busy, idle, or wait for whom. It refuses a platform whose name is not a lane meant for it, and
reports what it does not understand. One that is gone is absent, and time stands.
"""

from __future__ import annotations

import mmap
import os
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from unlisted_sandbox.clock_acts import Holds
from unlisted_sandbox.clock_lanes import Lane
from unlisted_sandbox.clock_selector import Event, SteppingSelector

MAX_MESSAGE_BYTES = 65536
_LISTENER = object()


class Report(msgspec.Struct, frozen=True):
    """What a platform says."""

    op: str
    name: str = ""
    pid: int = 0
    seq: int = 0
    next: float | None = None
    label: str = ""
    held: list[tuple[str, float]] = []


class Participant:
    """One platform in a process of its own, or a connection that has not said hello."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.lane: Lane | None = None
        self.pid = 0
        self.told = 0  # number of the last command sent
        self.idle = False
        self.next: float | None = None
        self.since = time.monotonic()  # of its last change between idle and busy
        self.parked: dict[str, None] = {}

    @property
    def name(self) -> str:
        return self.lane.name if self.lane is not None else "a stranger"

    def set_idle(self, idle: bool) -> None:
        if self.idle != idle:
            self.idle = idle
            self.since = time.monotonic()


class Platforms:
    """Who is `here`, who is absent and since when, what they say and what they are told."""

    def __init__(
        self,
        path: str,
        lanes: Mapping[str, Lane],
        holds: Holds,
        selector: SteppingSelector,
        report: Callable[[str], None],
    ):
        self.here: dict[str, Participant] = {}
        self.absent_since = {n: time.monotonic() for n, lane in lanes.items() if lane.remote}
        self.messages = 0
        self._path = path
        self._lanes = lanes
        self._holds = holds
        self._selector = selector
        self._report = report
        self._parked_elsewhere: dict[str, None] = {}  # labels no hold of this process had
        self._decoder = msgspec.json.Decoder(Report)
        descriptor = os.memfd_create("unlisted-clock")
        os.ftruncate(descriptor, mmap.PAGESIZE)
        self._time_descriptor = descriptor
        self._time = memoryview(mmap.mmap(descriptor, 8)).cast("d")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def listen(self) -> None:
        """From now on they may join. OSError where the path cannot be had."""
        self._listener.bind(self._path)
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, _LISTENER)

    def set_time(self, now: float) -> None:
        self._time[0] = now

    def sift(self, ready: list[Event]) -> list[Event]:
        """Read what platforms say; what remains is the loop's."""
        others: list[Event] = []
        for event in ready:
            data = event[0].data
            if data is _LISTENER:
                self._accept()
            elif isinstance(data, Participant):
                if data.sock.fileno() >= 0:
                    self._read(data)
            else:
                others.append(event)
        return others

    def all_idle(self) -> bool:
        """Whether nobody is absent and nobody has work in hand."""
        return not self.absent_since and all(one.idle for one in self.here.values())

    def dismiss(self, name: str) -> None:
        """That platform is not needed any more: its absence no longer makes time stand."""
        self._lanes[name].remote = False
        self.absent_since.pop(name, None)
        participant = self.here.pop(name, None)
        if participant is not None:
            self._drop(participant)

    def close(self) -> None:
        """Those still connected are told by the end of their socket."""
        for participant in list(self.here.values()):
            self._drop(participant)
        self.here.clear()
        self.absent_since.clear()
        if self._listener.fileno() >= 0:
            self._selector.forget(self._listener)
            self._listener.close()
            os.close(self._time_descriptor)
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    def tell(self, participant: Participant, op: str, label: str = "") -> None:
        participant.told += 1
        participant.set_idle(False)
        self._send(participant, {"op": op, "seq": participant.told, "label": label})

    def park(self, label: str, by: Participant | None = None) -> None:
        # A hold costs no message, so nobody knows whose the label is; there are few to ask.
        if not self._holds.park(label):
            self._parked_elsewhere[label] = None
            for participant in self.here.values():
                if participant is not by:
                    self.tell(participant, "park", label)

    def unpark(self, label: str, by: Participant | None = None) -> None:
        self._holds.unpark(label)
        if label in self._parked_elsewhere:
            del self._parked_elsewhere[label]
            for participant in self.here.values():
                if participant is not by:
                    self.tell(participant, "unpark", label)

    def _send(self, participant: Participant, message: Mapping[str, Any]) -> None:
        self.messages += 1
        with suppress(OSError):  # its end is read where everything it said before is read
            participant.sock.send(msgspec.json.encode(message))

    def _accept(self) -> None:
        try:
            sock, _address = self._listener.accept()
        except OSError:
            return
        sock.setblocking(True)
        self._selector.register(sock, selectors.EVENT_READ, Participant(sock))

    def _read(self, participant: Participant) -> None:
        self.messages += 1
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
            self._report(f"clock: {participant.name} says what is no message: {error}")
            self._lost(participant)
            return
        if participant.lane is None:
            self._welcome(participant, report)
            return
        match report.op:
            case "busy":
                participant.set_idle(False)
            case "idle":
                # An older number crossed a command of ours: it is busy with that.
                if report.seq == participant.told:
                    participant.next = report.next
                    participant.set_idle(True)
            case "park":
                participant.parked[report.label] = None
                self.park(report.label, participant)
            case "unpark":
                participant.parked.pop(report.label, None)
                self.unpark(report.label, participant)
            case "held":
                held = ", ".join(f"{label} {age:.1f} s" for label, age in report.held)
                self._report(f"clock: {participant.name} holds {held or 'nothing'}")
            case _:
                self._report(f"clock: {participant.name} says {report.op!r}: not understood")

    def _welcome(self, participant: Participant, report: Report) -> None:
        lane = self._lanes.get(report.name)
        refusal = ""
        if report.op != "hello":
            refusal = "the first word is hello"
        elif lane is None or not lane.remote:
            expected = ", ".join(sorted(n for n, known in self._lanes.items() if known.remote))
            refusal = f"no lane for {report.name!r}; expected: {expected or 'nobody'}"
        else:
            before = self.here.get(report.name)
            if before is not None:
                # Killed and started again at once: the end of the old is there to be read.
                while self.here.get(report.name) is before and _readable(before.sock):
                    self._read(before)
                if self.here.get(report.name) is before:
                    refusal = f"{report.name!r} is here already, process {before.pid}"
        if refusal or lane is None:
            self._send(participant, {"op": "refused", "reason": refusal})
            self._drop(participant)
            return
        participant.lane = lane
        participant.pid = report.pid
        participant.since = time.monotonic()
        self.here[lane.name] = participant
        self.absent_since.pop(lane.name, None)
        with suppress(OSError):
            socket.send_fds(participant.sock, [b'{"op":"welcome"}'], [self._time_descriptor])

    def _lost(self, participant: Participant) -> None:
        lane = participant.lane
        if lane is not None and self.here.get(lane.name) is participant:
            del self.here[lane.name]
            if lane.remote:
                self.absent_since[lane.name] = time.monotonic()
            for label in participant.parked:
                self.unpark(label, participant)
        self._drop(participant)

    def _drop(self, participant: Participant) -> None:
        self._selector.forget(participant.sock)
        participant.sock.close()


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
