"""A lock file that one process holds: who has it is the only one to write what lies beside it.

flock(2), which the kernel lets go of when the process dies, however it dies.
"""

import fcntl
from pathlib import Path
from typing import IO


class NotHeld(Exception):
    """Another process holds it, or the file cannot be written; the words say which."""


def only_writer(path: Path, what: str) -> IO[str]:
    """The handle that keeps the lock until it is closed. what: what is written, for the words."""
    try:
        handle = path.open("w")
    except OSError as exc:
        raise NotHeld(f"{path}: cannot be written: {exc.strerror}") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise NotHeld(f"{path}: another process writes this {what}") from None
    return handle
