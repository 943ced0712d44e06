"""Whole runs of the small world, shared by the tests of this folder: each kind is run once."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from unlisted_sandbox.result import Options, Result
from unlisted_sandbox.run import run
from unlisted_sandbox.score import Score
from unlisted_sandbox.world import World
from unlisted_sandbox.worldfile import read

WORLD = Path(__file__).resolve().parent.parent / "worlds" / "small.toml"
STANDS_S = 60.0  # real seconds for which time may stand before a run has failed


class Said(Struct, frozen=True):
    """What a run says beside its files."""

    faults: tuple[str, ...]
    late: int


@dataclass(frozen=True)
class Run:
    """A run that is over: its folder holds logs, result.json and the product's own folder."""

    folder: Path
    said: Said

    def log(self, platform: str) -> bytes:
        """What the world saw of a platform, sorted within each instant."""
        return (self.folder / f"{platform}.log.jsonl").read_bytes()

    def json(self) -> bytes:
        """What `--json` writes."""
        return (self.folder / "result.json").read_bytes()

    def score(self, platform: str = "unlisted") -> Score:
        value = msgspec.json.decode(self.json())
        return msgspec.convert(value["platforms"][platform], Score)

    def facts(self) -> bytes:
        """What `unlisted journal export` prints."""
        place = self.folder / "unlisted"
        return exported(place / "unlisted.toml", place / "state")

    def unlisted(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """A command on the state that the product left."""
        place = self.folder / "unlisted"
        return unlisted(place / "unlisted.toml", place / "state", *command)


def unlisted(config: Path, state: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    """The command line, as a user calls it."""
    where = ("--config", str(config), "--state", str(state))
    return subprocess.run(
        [sys.executable, "-m", "unlisted", *command, *where],
        capture_output=True,
        timeout=60,
        check=False,
    )


def exported(config: Path, state: Path) -> bytes:
    """`unlisted journal export`."""
    done = unlisted(config, state, "journal", "export")
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def world() -> World:
    return read(WORLD, 1)


def made(folder: Path, options: Options) -> Run:
    """Run it now, into that folder."""
    chosen = msgspec.structs.replace(options, export=folder, stall_limit_s=STANDS_S)
    result: Result = run(world(), chosen)
    assert result.false_all_clear() == []
    return Run(folder, Said(result.faults, result.late))


def once(shared: Path, name: str, options: Options) -> Run:
    """Run it unless another worker of this test run has: a run costs more than all its tests."""
    folder, said = shared / name, shared / f"{name}.json"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_bytes(msgspec.json.encode(made(folder, options).said))
    return Run(folder, msgspec.json.decode(said.read_bytes(), type=Said))
