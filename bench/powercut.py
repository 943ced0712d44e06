"""A power cut, from the system calls: what was on the disk when each 250 left?

The relay runs under strace with all bytes it writes. Between each final dot read and its 250 there
must be an fdatasync of the journal's log that began after the log's last write before it (one sync may
serve many). Then the state folder is rebuilt at the moment of each 250 from only the bytes that
were synced by then, in a model stricter than any file system: a file's bytes count after fsync or
fdatasync of that file, its name after fsync of the folder. Every rebuilt journal must know
every message acknowledged by then; from a few of them, the last included, the relay is started again
and must deliver all that the receiver has not seen.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness import DataAbsent
from bench.relayed import Load, Receiver, Relay, free_port

RESTARTS = 3
DELIVERED_WITHIN_S = 30.0
CALLS = (
    "openat,close,write,pwrite64,fdatasync,fsync,ftruncate,rename,renameat,renameat2,unlink,"
    "unlinkat,recvfrom,sendto,writev,sendmsg"
)
LINE = re.compile(r"^(\d+) +(.*)$")
UNFINISHED = re.compile(r"^(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)(?:<([^>]*)>)?.*$", re.S)
DESCRIPTOR = re.compile(r"^(\d+)<((?:[^<>]|<[^<>]*>|->)*)>")
QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
ACCEPTED = re.compile(rb"250 2\.0\.0 Accepted as (m\d+)")


@dataclass(frozen=True)
class Event:
    """One system call that ended. `begun`: the place of its beginning among all lines."""

    call: str
    begun: int
    ended: int
    path: str
    data: bytes = b""
    offset: int = 0
    result: int = 0
    other: str = ""


@dataclass
class File:
    """What a file holds: as written, and as synced."""

    written: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


class Disk:
    """The state folder under the events."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.names: dict[str, File] = {}
        self.synced_names: dict[str, File] = {}
        self._places: dict[str, int] = {}

    def apply(self, event: Event) -> None:
        if event.call in ("fsync", "fdatasync") and event.path == self.folder:
            self.synced_names = dict(self.names)
            return
        if not event.path.startswith(self.folder + "/"):
            return
        name = event.path[len(self.folder) + 1 :]
        if event.call == "openat":
            self.names.setdefault(name, File())
            if event.other == "trunc":
                self.names[name].written.clear()
            self._places[name] = 0
            return
        if event.call in ("unlink", "unlinkat"):
            self.names.pop(name, None)
            return
        if event.call.startswith("rename"):
            moved = self.names.pop(name, None)
            if moved is not None and event.other.startswith(self.folder + "/"):
                self.names[event.other[len(self.folder) + 1 :]] = moved
            return
        file = self.names.get(name)
        if file is None:
            return
        if event.call in ("fsync", "fdatasync"):
            file.synced = bytes(file.written)
        elif event.call == "ftruncate":
            del file.written[event.offset :]
            file.written.extend(bytes(event.offset - len(file.written)))
        elif event.call in ("write", "pwrite64"):
            at = event.offset if event.call == "pwrite64" else self._places.get(name, 0)
            data = event.data[: event.result]
            if len(file.written) < at:
                file.written.extend(bytes(at - len(file.written)))
            file.written[at : at + len(data)] = data
            self._places[name] = at + len(data)

    def rebuild(self, folder: Path) -> None:
        """Write what a power cut would leave."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        for name, file in self.synced_names.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.synced)
            target.chmod(0o600)


@dataclass
class Cut:
    """What the power cut showed."""

    acknowledged: int
    syncs: int
    restarts: int
    failures: list[str]

    def words(self) -> str:
        return (
            f"power cut: {self.acknowledged} acknowledged on {self.syncs} syncs, "
            f"{self.restarts} restarts from synced bytes"
        )


async def measured(folder: Path, acks: int, clients: int, say: Callable[[str], None]) -> Cut:
    """The whole of it."""
    if shutil.which("strace") is None:
        raise DataAbsent("needs the program strace: apt install strace")
    trace = folder / "trace"
    receiver = Receiver()
    await receiver.start()
    traced = ["strace", "-f", "-y", "-xx", "-s", str(1 << 20), "-e", f"trace={CALLS}"]
    relay = Relay(
        folder / "first", free_port(), receiver.port, [*traced, "-o", str(trace), "-qq", "--"]
    )
    load = Load(relay.port, clients, pause_s=0.0)
    try:
        relay.folder.mkdir(parents=True)
        relay.start()
        pid = await relay.ready()
        await load.run(limit=max(1, acks // clients))
        # The relay alone: strace ends with it, and writes out what it still has in hand.
        os.kill(pid, signal.SIGKILL)
        assert relay.process is not None
        await asyncio.to_thread(relay.process.wait, 30)
    finally:
        relay.stop()
        await receiver.stop()
    token_of = {one.message: one.token for one in load.acknowledged}
    events = list(parsed(trace))
    failures = unsynced(events)
    disk = Disk(str(relay.state))
    seen: list[str] = []
    moments: list[str] = []
    again = folder / "again"
    restarts = 0
    total = sum(bool(ACCEPTED.search(event.data)) for event in events if event.call == "sendto")
    picked = {round((i + 1) * total / RESTARTS) for i in range(RESTARTS)}
    for event in events:
        disk.apply(event)
        found = ACCEPTED.search(event.data) if event.call == "sendto" else None
        if not found:
            continue
        seen.append(found[1].decode())
        disk.rebuild(again / "state")
        known = receptions(again / "state" / "journal.db")
        failures += [
            f"power cut after {found[1].decode()}: {message} is unknown"
            for message in seen
            if message not in known
        ]
        if len(seen) in picked:
            moments.append(seen[-1])
            missing = await restarted(again, seen, token_of)
            restarts += 1
            failures += [f"restart after {seen[-1]}: {message} is lost" for message in missing]
    if len(seen) != len(load.acknowledged):
        failures.append(f"the trace shows {len(seen)} of {len(load.acknowledged)} 250s")
    syncs = sum(is_sync(event) for event in events)
    say(f"power cut: {len(seen)} acknowledged, {syncs} syncs of the log, restarts at {moments}")
    return Cut(len(seen), syncs, restarts, failures)


def unsynced(events: list[Event]) -> list[str]:
    """Acknowledgements without a sync of the journal's log behind their final dot."""
    failures = []
    dots: dict[str, int] = {}
    written: list[Event] = []
    syncs: list[Event] = []
    for event in events:
        if event.call == "recvfrom" and event.data.endswith(b"\r\n.\r\n"):
            dots[event.path] = event.ended
        elif event.call == "pwrite64" and event.path.endswith("-wal"):
            written.append(event)
        elif is_sync(event):
            syncs.append(event)
        elif event.call == "sendto" and (found := ACCEPTED.search(event.data)):
            name = found[1].decode()
            dot = dots.pop(event.path, None)
            if dot is None:
                failures.append(f"{name}: no final dot was read on its connection")
                continue
            between = [w.ended for w in written if dot < w.begun and w.ended < event.begun]
            if not between:
                failures.append(f"{name}: nothing was written between its dot and its 250")
            elif not any(between[0] < s.begun and s.ended < event.begun for s in syncs):
                failures.append(f"{name}: no sync of the log between its dot and its 250")
    return failures


def is_sync(event: Event) -> bool:
    return event.call in ("fdatasync", "fsync") and event.path.endswith("-wal")


def receptions(journal: Path) -> set[str]:
    """The messages a rebuilt journal knows; none if it is no journal."""
    try:
        db = sqlite3.connect(journal)
        try:
            rows = db.execute("select message from fact where kind='Reception'").fetchall()
        finally:
            db.close()
    except sqlite3.Error:
        return set()
    return {message for (message,) in rows}


async def restarted(folder: Path, seen: list[str], token_of: dict[str, str]) -> list[str]:
    """Start the relay on a rebuilt folder. What it neither settled before nor delivers now."""
    copy = folder / "running"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "state", copy / "state")
    db = sqlite3.connect(copy / "state" / "journal.db")
    settled = {m for (m,) in db.execute("select message from fact where kind='Settled'")}
    db.close()
    receiver = Receiver()
    await receiver.start()
    relay = Relay(copy, free_port(), receiver.port)
    wanted = {token_of[message] for message in seen if message not in settled}
    try:
        relay.start()
        await relay.ready()
        loop = asyncio.get_running_loop()
        end = loop.time() + DELIVERED_WITHIN_S
        while not wanted <= receiver.tokens() and loop.time() < end:  # noqa: ASYNC110 — two ends to wait for
            await asyncio.sleep(0.05)
    finally:
        relay.stop()
        await receiver.stop()
    return sorted(wanted - receiver.tokens())


# ---------------------------------------------------------------- strace's words


def parsed(trace: Path) -> Iterator[Event]:
    """The calls that ended, in the order of their ends."""
    begun: dict[str, tuple[int, str]] = {}
    with trace.open("r", encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines):
            match = LINE.match(line.rstrip("\n"))
            if not match:
                continue
            pid, text = match[1], match[2]
            first = number
            if unfinished := UNFINISHED.match(text):
                begun[pid] = (number, f"{unfinished[1]}({unfinished[2]}")
                continue
            if resumed := RESUMED.match(text):
                if pid not in begun:
                    continue
                first, head = begun.pop(pid)
                text = head + resumed[2]
            event = _event(text, first, number)
            if event is not None:
                yield event


def _event(text: str, begun: int, ended: int) -> Event | None:
    match = CALL.match(text)
    if not match or int(match[3]) < 0:
        return None
    call, arguments, result = match[1], match[2], int(match[3])
    strings = [bytes.fromhex(one.replace("\\x", "")) for one in QUOTED.findall(arguments)]
    if call == "openat":
        if "O_CREAT" not in arguments and "O_TRUNC" not in arguments:
            return None
        trunc = "trunc" if "O_TRUNC" in arguments else ""
        path = _path(match[4] or "")
        return Event(call, begun, ended, path, other=trunc, result=result)
    if call in ("unlink", "unlinkat"):
        return Event(call, begun, ended, strings[0].decode()) if strings else None
    if call.startswith("rename"):
        if len(strings) < 2:
            return None
        return Event(call, begun, ended, strings[0].decode(), other=strings[1].decode())
    found = DESCRIPTOR.match(arguments)
    path = _path(found[2]) if found else ""
    offset = 0
    if call in ("pwrite64", "ftruncate"):
        offset = int(arguments.rsplit(",", 1)[1])
    data = b"".join(strings)
    return Event(call, begun, ended, path, data=data, offset=offset, result=result)


def _path(text: str) -> str:
    """strace -xx writes paths in hex too."""
    if "\\x" in text:
        return bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "replace")
    return text
