"""`unlisted-sandbox`: run a world and print what it was worth to each platform.

Exit 0 it ran, 1 a false all-clear or a fault of the run, 2 usage or a world file with problems.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from unlisted_sandbox.clock import ClockFailure
from unlisted_sandbox.product import ProductError
from unlisted_sandbox.result import PLATFORMS, Options, Result
from unlisted_sandbox.run import run
from unlisted_sandbox.score import table
from unlisted_sandbox.stage import StageError, StageServer, show
from unlisted_sandbox.worldfile import WorldError, named, read

SOCKETS_ONLY = ("speed", "only", "stop_at", "export", "stall", "kill_at")  # what virtual time lacks
WATCHED_SPEED = 900.0  # four days in six and a half minutes: time enough to read what happens


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="unlisted-sandbox",
        description="A small internet on loopback.",
        epilog="example: ./dev demo --world tests/worlds/mirror.toml --seed 2 --once",
    )
    parser.add_argument(
        "--world",
        metavar="FILE",
        default="demo",
        help="docs/world.md, or the name of one that ships: demo, month (demo)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="another draw of the same world")
    parser.add_argument(
        "--speed",
        type=float,
        metavar="N",
        help="simulated seconds per real second at most; unless given, "
        f"{WATCHED_SPEED:.0f} when somebody stays to watch, no limit with --once or --headless",
    )
    parser.add_argument("--once", action="store_true", help="exit at the end")
    parser.add_argument("--headless", action="store_true", help="no stage page")
    parser.add_argument("--json", metavar="FILE", help="write the scoreboard there")
    parser.add_argument("--only", metavar="PLATFORM,…", help="run these platforms only")
    parser.add_argument(
        "--stop-at", type=float, metavar="HOURS", help="stop after so many simulated hours"
    )
    parser.add_argument("--export", metavar="DIR", help="keep states, journals and logs there")
    parser.add_argument("--stall", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--kill-at", type=float, metavar="HOURS", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    platforms = tuple(given.only.split(",")) if given.only else PLATFORMS
    if unknown := sorted(set(platforms) - set(PLATFORMS)):
        parser.error(f"--only: no platform {', '.join(unknown)}; known: {', '.join(PLATFORMS)}")
    if given.speed is not None and not given.speed > 0:
        parser.error("--speed must be positive")
    file = named(given.world)
    try:
        world = read(file, given.seed)
    except WorldError as error:
        print(error, file=sys.stderr)
        return 2
    if world.world.time == "virtual":
        if wrong := [
            f"--{name.replace('_', '-')}" for name in SOCKETS_ONLY if getattr(given, name)
        ]:
            parser.error(f"{', '.join(wrong)}: not on virtual time, which {file.name} is made for")
        return _on_virtual_time(file, world.seed, given.json)
    watched = not given.headless and not given.once
    stage = None if given.headless else StageServer()

    def ended(result: Result) -> None:
        print(f"world {result.world}, seed {result.seed}, {result.real_s:.0f} s")
        print(table(result.platforms))
        if given.json:
            Path(given.json).write_bytes(result.json())
        for line in problems(result):
            print(f"fault: {line}", file=sys.stderr)
        if watched and stage is not None:
            print(f"The pages stay: {stage.url}   (Ctrl-C ends them)", flush=True)

    options = Options(
        platforms=platforms,
        speed=given.speed or (WATCHED_SPEED if watched else None),
        rush_end=given.speed is None,
        stop_at=None if given.stop_at is None else given.stop_at * 3600,
        export=None if given.export is None else Path(given.export),
        stall=given.stall,
        kill_at=None if given.kill_at is None else given.kill_at * 3600,
        progress=True,
        stage=stage,
        stay=watched,
        ended=ended,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        if stage is not None:
            show(stage.start())
        result = run(world, options)
    except KeyboardInterrupt:
        return 130
    except (ClockFailure, ProductError, StageError) as error:
        print(f"unlisted-sandbox: {error}", file=sys.stderr)
        return 1
    finally:
        if stage is not None:
            stage.stop()
    return 1 if problems(result) else 0


def _on_virtual_time(file: Path, seed: int, json: str | None) -> int:
    """The product wires itself into such a world; whoever stands outside starts it as a program."""
    what = f"{file.name}, seed {seed}: on virtual time, one process, no pages; all mail is written first"
    print(what, file=sys.stderr, flush=True)
    command = [sys.executable, "-P", "-m", "unlisted.apps.virtual", "--progress"]
    command += ["--world", str(file), "--seed", str(seed), *(["--json", json] if json else [])]
    os.execv(sys.executable, command)


def problems(result: Result) -> list[str]:
    """What makes a run worthless."""
    return [*result.faults, *(f"false all-clear: {x}" for x in result.false_all_clear())]


if __name__ == "__main__":
    sys.exit(main())
