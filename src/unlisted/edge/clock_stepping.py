"""The platform's end of a stepping clock: simulated time led by another process.

The setting `clock = "unix:PATH"` names a UNIX SEQPACKET socket; docs/clock.md has the protocol.
Idle is found, not declared: the event loop's selector is wrapped, `busy` goes out before the
first callback of a wake-up runs, `idle` when the loop is about to block with nothing ready and
no hold open. Time itself is 8 bytes in shared memory, there before the bytes it causes.
One `fire` fires exactly one timer. Real timers of the libraries neither hold nor move time.
Refuses: a coordinator that does not answer, or one that says no. When the coordinator goes away
there is no time any more, so the platform ends: one line, then `on_lost` or SIGTERM.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec

from unlisted.edge.clock_selector import DelegatingSelector
from unlisted.edge.clock_simulated import SimulatedClock

MAX_MESSAGE_BYTES = 65536
MAX_HELD_LISTED = 50


class ClockError(Exception):
    """The coordinator of the stepping clock cannot be used."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """What the coordinator says."""

    op: str
    seq: int = 0
    label: str = ""
    reason: str = ""


class SteppingClock(SimulatedClock):
    """Made by `connect`; runs with the loop of `new_event_loop`."""

    def __init__(self, path: str, sock: socket.socket, shared: mmap.mmap):
        super().__init__()
        self.path = path
        self.lost: str | None = None
        self._sock = sock
        self._time = memoryview(shared).cast("d")
        self._seq = 0
        self._on_lost: list[Callable[[], None]] = []
        self._decoder = msgspec.json.Decoder(Command)

    @classmethod
    def connect(cls, path: str, name: str, timeout_s: float = 10.0) -> SteppingClock:
        """Join the clock at `path` as platform `name`; blocks for `timeout_s` real seconds."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.settimeout(timeout_s)
            sock.connect(path)
            sock.send(msgspec.json.encode({"op": "hello", "name": name, "pid": os.getpid()}))
            reply, descriptors, _flags, _address = socket.recv_fds(sock, MAX_MESSAGE_BYTES, 1)
            answer = msgspec.json.decode(reply, type=Command) if reply else Command("refused")
            if answer.op != "welcome" or len(descriptors) != 1:
                for descriptor in descriptors:
                    os.close(descriptor)
                raise ClockError(f"clock {path} refuses {name!r}: {answer.reason or answer.op}")
            try:
                shared = mmap.mmap(descriptors[0], 8, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptors[0])
        except (OSError, msgspec.DecodeError, ValueError) as error:
            sock.close()
            raise ClockError(f"clock {path} cannot be joined: {error}") from error
        except ClockError:
            sock.close()
            raise
        # Sends stay blocking: a message that waits in a queue of ours would let time go on.
        sock.setblocking(True)
        return cls(path, sock, shared)

    def now(self) -> float:
        return self._time[0]

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Called in the loop when the coordinator is gone; instead of SIGTERM to ourselves."""
        self._on_lost.append(callback)

    def park(self, label: str) -> None:
        """We make the initiator of `label` (its `ip:port`) wait on simulated time."""
        self._send(msgspec.json.encode({"op": "park", "label": label}))

    def unpark(self, label: str) -> None:
        """The wait is over; before the reply is written."""
        self._send(msgspec.json.encode({"op": "unpark", "label": label}))

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(SteppingSelector(self))
        loop.add_reader(self._sock, self._obey, loop)
        return loop

    def close(self) -> None:
        self._sock.close()

    # What follows is for the selector and the loop.

    @property
    def still(self) -> bool:
        """Nothing here needs time to stand."""
        return self._holds.count == 0 and self.lost is None

    @property
    def descriptor(self) -> int:
        return self._sock.fileno()

    def send_busy(self) -> None:
        self._send(b'{"op":"busy"}')

    def send_idle(self) -> None:
        deadline = self._timers.next_deadline()
        self._send(msgspec.json.encode({"op": "idle", "seq": self._seq, "next": deadline}))

    def _send(self, message: bytes) -> None:
        if self.lost is None:
            with suppress(OSError):  # the end of the socket is read, and told, in _obey
                self._sock.send(message)

    def _obey(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            message = self._sock.recv(MAX_MESSAGE_BYTES)
            command = self._decoder.decode(message) if message else None
        except (OSError, msgspec.DecodeError) as error:
            self._lose(loop, f"is broken: {error}")
            return
        if command is None:
            self._lose(loop, "has gone away")
            return
        self._seq = command.seq
        match command.op:
            case "fire":
                callback = self._timers.pop_due(self.now())
                if callback is not None:
                    callback()
            case "park":
                self._holds.park(command.label)
            case "unpark":
                self._holds.unpark(command.label)
            case "who":
                held = self._holds.listing()[:MAX_HELD_LISTED]
                self._send(msgspec.json.encode({"op": "held", "held": held}))
            case _:
                pass  # a newer coordinator; its number is acknowledged with the next idle

    def _lose(self, loop: asyncio.AbstractEventLoop, why: str) -> None:
        loop.remove_reader(self._sock)
        self.lost = f"the coordinator of the clock {self.path} {why}; without time we end"
        sys.stderr.write(f"unlisted: {self.lost}\n")
        sys.stderr.flush()
        if not self._on_lost:
            signal.raise_signal(signal.SIGTERM)
        for callback in self._on_lost:
            callback()


class SteppingSelector(DelegatingSelector):
    """Finds idle."""

    def __init__(self, clock: SteppingClock):
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        clock = self._clock
        if (timeout is not None and timeout <= 0) or not clock.still:
            return self.inner.select(timeout)
        events = self.inner.select(0)
        if events:
            return events
        clock.send_idle()
        events = self.inner.select(timeout)
        # A command on its way makes the coordinator take us for busy until an idle that
        # acknowledges it, so then `busy` would say nothing new.
        descriptor = clock.descriptor
        for key, _mask in events:
            if key.fd == descriptor:
                return events
        clock.send_busy()
        return events
