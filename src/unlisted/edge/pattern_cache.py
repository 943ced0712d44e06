"""What the patterns of replies/ ask of a text, kept in a file between starts.

A start from the file takes a tenth of a second, working it out three more. The file is never
trusted: one that is stale, damaged, or that others could have written, is made anew. Nothing here
is fatal; without a file `classify` works as well.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Literal

from unlisted.replies import shipped

NAME = "patterns.bin"

Outcome = Literal["cached", "made", "kept in memory only"]


def default_folder() -> Path:
    """systemd's CacheDirectory= where there is one, else by the XDG Base Directory Specification
    $XDG_CACHE_HOME, else ~/.cache."""
    given = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    if os.path.isabs(given):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~"), ".cache")
    return home / "unlisted"


def ready(folder: Path | None = None) -> Outcome:
    """Make `classify` ready for this process: from the file, else from the data files (it then
    writes the file if it can)."""
    path = (folder if folder is not None else default_folder()) / NAME
    wanted = shipped.fingerprint()
    if _installed(path, wanted):
        return "cached"
    made = shipped.serialised(wanted)
    shipped.install(made, wanted)
    return "made" if _write(path, made) else "kept in memory only"


def _installed(path: Path, wanted: str) -> bool:
    kept = _read(path)
    if kept is None:
        return False
    try:
        shipped.install(kept, wanted)
    except shipped.CacheError:
        return False  # made anew: why it was no good does not matter to anybody
    return True


def _read(path: Path) -> bytes | None:
    """None for what is not there, too large, or could be somebody else's."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            ours = about.st_uid == os.geteuid() and not about.st_mode & (
                stat.S_IWGRP | stat.S_IWOTH
            )
            if (
                not ours
                or not stat.S_ISREG(about.st_mode)
                or about.st_size > shipped.MAX_SERIALISED
            ):
                return None
            return file.read(shipped.MAX_SERIALISED)
    except OSError:
        return None


def _write(path: Path, made: bytes) -> bool:
    """Whole or not at all: another process may read at any moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=NAME)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made)
        os.replace(name, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        return False
    return True
