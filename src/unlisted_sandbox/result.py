"""How to run a world, and what a run came to: scores by platform, and the faults that make them
worthless.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from unlisted_sandbox.score import Score
from unlisted_sandbox.stage import StageServer

PLATFORMS = ("bare", "usual", "unlisted")


class Options(Struct, frozen=True, kw_only=True):
    """How to run a world."""

    platforms: tuple[str, ...] = PLATFORMS
    speed: float | None = None
    rush_end: bool = False  # the speed limit ends with the scripted days
    stop_at: float | None = None  # simulated seconds after the start
    export: Path | None = None
    stall: bool = False
    kill_at: float | None = None  # kill -9 the product, simulated seconds after the start
    kills: int = 0  # and so often at random real moments, whatever it is doing
    progress: bool = False
    serve: tuple[str, ...] = ()  # another command than this Python's `unlisted`
    stall_limit_s: float | None = 120.0
    stage: StageServer | None = None
    stay: bool = False  # the pages remain after the end, until SIGINT or SIGTERM
    ended: Callable[[Result], None] | None = None  # told at the end, before staying


class Result(Struct, frozen=True, kw_only=True):
    """What a run came to."""

    world: str
    seed: int
    platforms: dict[str, Score]
    faults: tuple[str, ...] = ()
    late: int = 0
    logs: dict[str, bytes] = {}
    real_s: float = 0.0
    simulated_s: float = 0.0
    clock: dict[str, int] = {}

    def json(self) -> bytes:
        """The shape of `--json`: nothing in it depends on the machine."""
        value = {"world": self.world, "seed": self.seed, "platforms": self.platforms}
        return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

    def false_all_clear(self) -> list[str]:
        found = []
        for name, s in self.platforms.items():
            if s.resolved_s is not None and (s.recovered_s is None or s.resolved_s < s.recovered_s):
                found.append(f"{name}: closed at {s.resolved_s}, recovered at {s.recovered_s}")
        return found
