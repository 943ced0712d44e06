"""Where a command's output goes: a file whole or not at all, a pipe or a device as it is.

A regular file, or a new one, is written beside its place and renamed into it, a symbolic link
followed first: a half-written list of letters must not be sent from. Anything else (fifo, device,
/dev/fd/N) is opened and written through, never replaced; `-` is standard output.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from unlisted.apps.classify import Unreadable


def is_output(path: Path | None) -> bool:
    """Whether this means standard output."""
    return path is not None and str(path) == "-"


def put(path: Path, parts: Iterable[str], private: bool = False) -> None:
    """The whole text, part by part; `private`: the file is for its owner only."""
    data = (part.encode("utf-8", "replace") for part in parts)
    try:
        if is_output(path):
            sys.stdout.flush()
            sys.stdout.buffer.writelines(data)
            sys.stdout.buffer.flush()
        elif _plain_file(path):
            _replaced(Path(os.path.realpath(path)), data, 0o600 if private else 0o666)
        else:
            # No O_CREAT: what was there a moment ago is not to come back as a file.
            with open(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb") as file:
                file.writelines(data)
    except BrokenPipeError:
        if is_output(path):
            raise
        raise Unreadable(f"{path}: its reader went away") from None
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise Unreadable(f"{path}: not written: {why}") from None


def _plain_file(path: Path) -> bool:
    """A regular file by its own name, or none yet. What a process has open (/dev/fd/1,
    /proc/self/fd/1) has no name to rename onto, even where it is a file."""
    parent = os.path.realpath(path.parent)
    if parent.startswith(("/proc/", "/dev/fd")) or str(path) in ("/dev/stdout", "/dev/stderr"):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def _replaced(path: Path, data: Iterable[bytes], mode: int) -> None:
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.writelines(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
