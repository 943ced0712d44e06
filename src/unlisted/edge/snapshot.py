"""Snapshots: the stations' states as of one fact, so that a start follows only what came after.

A file beside the journal: a line that names the format, a header (fact, code, journal), an
HMAC-SHA256 over the header and the states, and the states (pickle, protocol 5). Nothing is
unpickled before the HMAC is right; its key is derived from the site's secret, so it is bytes of
our own. A snapshot is refused unless it was made by the same code (every file of the package, the
logic's number, Python, the installed packages), of the same journal (its first fact and the last
ones before the snapshot), and whole. A refused file costs a log line and the replay of all.
Only inputs are authoritative: whoever deletes the snapshots loses time, and nothing else.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import hmac
import logging
import os
import pickle
import platform
import re
import signal
import warnings
from itertools import takewhile
from pathlib import Path

import msgspec

import unlisted
from unlisted import facts
from unlisted.edge.journal import Journal
from unlisted.edge.people import derived
from unlisted.loop._fixpoint import States

log = logging.getLogger("unlisted.snapshot")

EVERY = 20_000  # inputs, while running: about ten seconds of replay
WORTH = 1_000  # inputs, at a stop: fewer are followed in the time that a file costs
KEPT = 2
TAIL = 1_000  # facts before the snapshot that must be the journal's
PATIENCE_S = 600  # for a child that writes
FIRST = b"unlisted snapshot 1\n"
MAX_HEADER = 4096
SUM = 32
_PARTS = tuple(name for name in States.__slots__ if name != "key")


class SnapshotError(Exception):
    """Why a snapshot is not used."""


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`n`: the newest fact the states have seen. `size`: of the pickled states."""

    n: int
    code: str
    journal: str
    size: int


class Snapshots:
    """The snapshots of one journal. `key`: of the keyed draws. `every`: inputs after which one is
    made while running; None: only when asked."""

    def __init__(self, journal: Journal, key: bytes, every: int | None = None) -> None:
        self._journal = journal
        self._key = key
        self._seal = derived(key, "snapshot")
        # Now, not when one is written: by then another version may have been installed.
        self._code = code_digest()
        self.every = every
        self._unusable: set[Path] = set()
        self._child = 0

    # ------------------------------------------------------------ reading

    def newest(self) -> tuple[int, States] | None:
        """The newest usable one: its fact's number, and the states."""
        self._unusable.clear()
        for path in _files(self._journal.path):
            try:
                return self._read(path)
            except (SnapshotError, OSError, MemoryError) as exc:
                log.warning("%s is not used: %s", path.name, exc or type(exc).__name__)
                self._unusable.add(path)
        return None

    def _read(self, path: Path) -> tuple[int, States]:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if file.readline(len(FIRST)) != FIRST:
                raise SnapshotError("it is no snapshot of this format")
            raw = file.readline(MAX_HEADER)
            header = self._checked(raw, os.fstat(file.fileno()).st_size)
            seal = file.read(SUM)
            content = file.read(header.size)
        if not hmac.compare_digest(seal, self._sealed(raw, content)):
            raise SnapshotError("it is damaged, or not of this site")
        states = States(self._key)
        collecting = gc.isenabled()
        gc.disable()  # a million new objects, none of them garbage: looked through again and again
        try:
            for name, part in zip(_PARTS, pickle.loads(content), strict=True):
                setattr(states, name, part)
        except Exception as exc:
            raise SnapshotError(f"its states cannot be read: {type(exc).__name__}") from exc
        finally:
            if collecting:
                gc.enable()
        return header.n, states

    def _checked(self, raw: bytes, size: int) -> _Header:
        try:
            header = msgspec.json.decode(raw, type=_Header)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise SnapshotError("its header is damaged") from None
        if len(FIRST) + len(raw) + SUM + header.size != size:
            raise SnapshotError("it is cut short, or longer than it says")
        if header.code != self._code:
            raise SnapshotError("another version made it")
        if not 0 < header.n <= self._journal.last:
            raise SnapshotError(f"it is of fact {header.n}, and the journal ends before")
        if header.journal != journal_digest(self._journal, header.n):
            raise SnapshotError("it is of another journal")
        return header

    # ------------------------------------------------------------ writing

    def write(self, states: States, n: int) -> bool:
        """Make one of the states as of fact `n`, all of it durable; whether it could be made."""
        self._stop_child()
        try:
            self._write(states, n, journal_digest(self._journal, n))
        except Exception as exc:
            log.warning("no snapshot of fact %d: %s: %s", n, type(exc).__name__, exc)
            return False
        return True

    def write_aside(self, states: States, n: int) -> bool:
        """The same in a child, whose memory is a copy of this moment; whether one was begun."""
        if self.reap():
            return False  # the last one is still being written
        # A signal must not reach the child while it has the parent's handlers, or the byte that
        # they write into the loop's pipe would stop the parent.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            journal = journal_digest(self._journal, n)
            with warnings.catch_warnings():
                # That other threads are not in the child is no harm: it takes none of their locks.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                self._in_child(states, n, journal, before)
            self._child = pid
        except Exception as exc:  # whoever waits for this commit must get its answer
            log.warning("no snapshot of fact %d: %s: %s", n, type(exc).__name__, exc)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return bool(self._child)

    def reap(self, wait: bool = False) -> bool:
        """Whether the child is still writing; one that ended is laid to rest."""
        if not self._child:
            return False
        try:
            pid, status = os.waitpid(self._child, 0 if wait else os.WNOHANG)
        except ChildProcessError:
            pid, status = self._child, 0
        if pid == 0:
            return True
        self._child = 0
        if status:
            log.warning("a snapshot could not be written (status %d)", status)
        return False

    def _stop_child(self) -> None:
        if self.reap():
            os.kill(self._child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._child, 0)
            self._child = 0

    def _in_child(
        self, states: States, n: int, journal: str, mask: set[signal.Signals | int]
    ) -> None:
        """Never returns: no handler, no loop, no connection of the parent is used or closed."""
        status = 1
        try:
            gc.disable()  # a collection would write to every page that is shared
            signal.set_wakeup_fd(-1)
            for one in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(one, signal.SIG_DFL)
            # The listeners, the journal's lock and the peers' connections end with the parent.
            os.closerange(0, os.sysconf("SC_OPEN_MAX"))
            for _ in range(3):
                os.open(os.devnull, os.O_RDWR)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.alarm(PATIENCE_S)
            os.nice(10)
            self._write(states, n, journal)
            status = 0
        finally:
            os._exit(status)

    def _write(self, states: States, n: int, journal: str) -> None:
        content = pickle.dumps([getattr(states, name) for name in _PARTS], protocol=5)
        raw = msgspec.json.encode(_Header(n, self._code, journal, len(content))) + b"\n"
        path = _file(self._journal.path, n)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines((FIRST, raw, self._sealed(raw, content), content))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)  # a full disk is what it would stay full of
            raise
        self._unusable.discard(path)
        self._prune()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _prune(self) -> None:
        """Two stay: the newest, and one more if that should be damaged."""
        usable = [path for path in _files(self._journal.path) if path not in self._unusable]
        parts = _files(self._journal.path, r"\.\d+\.part")
        for path in (*usable[KEPT:], *self._unusable, *parts):
            path.unlink(missing_ok=True)

    def _sealed(self, raw: bytes, content: bytes) -> bytes:
        seal = hmac.new(self._seal, FIRST, hashlib.sha256)
        seal.update(raw)
        seal.update(content)
        return seal.digest()


def _file(journal: Path, n: int) -> Path:
    return journal.with_name(f"{journal.stem}.{n:012d}.snapshot")


def _files(journal: Path, ending: str = "") -> list[Path]:
    """Newest first."""
    name = re.compile(re.escape(journal.stem) + r"\.\d{12}\.snapshot" + ending)
    return sorted(
        (one for one in journal.parent.iterdir() if name.fullmatch(one.name)), reverse=True
    )


def journal_digest(journal: Journal, n: int) -> str:
    """Which journal it is up to fact `n`: its first fact, and the last ones. Their times are read
    from a clock to the microsecond, so that no two journals agree in a thousand of them."""
    found = hashlib.sha256()
    found.update(f"{journal.line(1)!r}\n".encode())
    for line in takewhile(lambda one: one.n <= n, journal.lines(max(0, n - TAIL))):
        found.update(f"{line!r}\n".encode())
    return found.hexdigest()


def code_digest() -> str:
    """Of all that decides how a state comes about and what it looks like."""
    found = hashlib.sha256(f"{platform.python_version()} {facts.LOGIC}\0".encode())
    package = Path(unlisted.__file__).parent
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(one for one in folders if one != "__pycache__")
        for name in sorted(names):
            path = Path(folder, name)
            content = path.read_bytes()
            found.update(f"{path.relative_to(package)}\0{len(content)}\0".encode())
            found.update(content)
    # numpy and the rest by their versions: the folders' names say them, and cost no import.
    site = Path(msgspec.__file__).parent.parent
    found.update("\0".join(sorted(one.name for one in site.glob("*.dist-info"))).encode())
    return found.hexdigest()
