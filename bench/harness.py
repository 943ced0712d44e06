"""Run one bench and hold its figures against their goals: ./dev bench NAME.

A bench is a module `bench/NAME.py` with `run(options: Options) -> list[Figure]`, and, when it
measures beside a peer program, `versions() -> dict[str, str]` naming that program's version.
Names and goals are the rows of figures.tsv and bind: a figure that is missing or not a number
has failed, a figure without a row is a mistake in the bench. Exit 0: all goals met; 1: a figure
fell short; 2: usage, or the data is absent.
"""

import argparse
import csv
import importlib
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import sqlite3
import sys
import textwrap
import tomllib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GOALS = Path(__file__).with_name("figures.tsv")
WIDTH = 80


class DataAbsent(Exception):
    """What the bench measures is not on this machine; the text says what and where from."""


@dataclass(frozen=True)
class Figure:
    """One measured value; `n` is what it rests on, `peer` what the peer did in the same run."""

    name: str
    value: float | None
    n: int
    peer: str = ""


@dataclass(frozen=True)
class Goal:
    """One row of figures.tsv."""

    bench: str
    name: str
    better: str
    goal: float
    unit: str

    def is_met(self, value: float | None) -> bool:
        if value is None or math.isnan(value):
            return False
        return value >= self.goal if self.better == "higher" else value <= self.goal

    def text(self) -> str:
        return ("≥ " if self.better == "higher" else "≤ ") + number(self.goal)


@dataclass(frozen=True)
class Options:
    """What the caller chose; a path is relative to the caller's folder."""

    data: Path | None = None
    params: Path | None = None

    def data_or(self, default: str) -> Path:
        """The data asked for, or the default, which is relative to the repository."""
        path = self.data if self.data is not None else ROOT / default
        if not path.exists():
            raise DataAbsent(f"no data at {path}; name it with --data PATH")
        return path

    def parameters(self) -> dict[str, Any]:
        """The TOML table in --params FILE, empty without one."""
        return tomllib.loads(self.params.read_text("utf-8")) if self.params is not None else {}


def goals_of(bench: str) -> list[Goal]:
    with GOALS.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["bench"] == bench]
    for row in rows:
        if row["better"] not in ("higher", "lower"):
            raise ValueError(f"{GOALS.name}: {row['figure']}: better is higher or lower")
    return [Goal(r["bench"], r["figure"], r["better"], float(r["goal"]), r["unit"]) for r in rows]


def bench_names() -> list[str]:
    with GOALS.open(encoding="utf-8", newline="") as file:
        return sorted({row["bench"] for row in csv.DictReader(file, delimiter="\t")})


def is_here(bench: str) -> bool:
    """Whether the bench exists already; its goals may come before it."""
    return importlib.util.find_spec("bench." + bench) is not None


def matched(goals: Sequence[Goal], figures: Sequence[Figure]) -> list[tuple[Goal, Figure]]:
    """Each goal with its figure; one that is missing gets a figure without a value."""
    measured = {figure.name: figure for figure in figures}
    unknown = sorted(measured.keys() - {goal.name for goal in goals})
    if unknown or len(measured) != len(figures):
        names = ", ".join(unknown) or "one of them twice"
        raise ValueError(f"figures without a row of their own in {GOALS.name}: {names}")
    return [(goal, measured.get(goal.name, Figure(goal.name, None, 0))) for goal in goals]


def number(value: float) -> str:
    if math.isfinite(value) and value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4g}"


def table(results: Sequence[tuple[Goal, Figure]]) -> str:
    """At most 80 columns; a peer's text that does not fit becomes a footnote."""
    rows = [["figure", "value", "unit", "goal", "verdict", "n"]]
    for goal, figure in results:
        value = "missing" if figure.value is None else number(figure.value)
        verdict = "met" if goal.is_met(figure.value) else "SHORT"
        rows.append([goal.name, value, goal.unit, goal.text(), verdict, str(figure.n)])
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    peer_width = max(4, WIDTH - sum(widths) - 6)
    notes: list[str] = []
    lines: list[str] = []
    for row, peer in zip(rows, ["peer", *(f.peer or "-" for _, f in results)], strict=True):
        if len(peer) > peer_width:
            notes.append(peer)
            peer = f"[{len(notes)}]"
        name, value, unit, goal_text, verdict, n = row
        cells = [
            name.ljust(widths[0]),
            value.rjust(widths[1]),
            unit.ljust(widths[2]),
            goal_text.ljust(widths[3]),
            verdict.ljust(widths[4]),
            peer.ljust(min(peer_width, max(len("peer"), *(len(f.peer) for _, f in results), 0))),
            n.rjust(widths[5]),
        ]
        lines.append(" ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    for i, note in enumerate(notes, 1):
        lines += textwrap.wrap(f"[{i}] {note}", WIDTH, subsequent_indent="    ")
    return "\n".join(lines)


def report(
    bench: str, results: Sequence[tuple[Goal, Figure]], versions: dict[str, str]
) -> dict[str, Any]:
    return {
        "bench": bench,
        "machine": machine(),
        "versions": versions,
        "figures": [
            {
                "name": goal.name,
                # JSON has no infinity and no NaN; neither is a measurement.
                "value": figure.value
                if figure.value is not None and math.isfinite(figure.value)
                else None,
                "unit": goal.unit,
                "goal": goal.goal,
                "better": goal.better,
                "peer": figure.peer or None,
                "n": figure.n,
            }
            for goal, figure in results
        ],
    }


def machine() -> dict[str, Any]:
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(
            (x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), model
        )
    except OSError:
        pass  # not Linux: the architecture's name is what there is
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    system = f"{platform.system()} {platform.release()}"
    return {"system": system, "cpu": model, "cpus": os.cpu_count(), "memory_mb": memory}


def installed() -> dict[str, str]:
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    own = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return own | {name: found[name] for name in sorted(found)}


def main(argv: Sequence[str]) -> int:
    names = bench_names()
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measure, compare with the goals. Exit 0: met; 1: a figure fell short; "
        "2: usage or data absent.",
        epilog="example: ./dev bench start --json start.json",
    )
    here = [name for name in names if is_here(name)]
    parser.add_argument("name", metavar="NAME", choices=names, help=", ".join(here))
    parser.add_argument("--data", type=Path, metavar="PATH", help="measure on this data")
    parser.add_argument("--params", type=Path, metavar="FILE", help="TOML; the bench says what")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    chosen = parser.parse_args(argv)
    for path in (chosen.data, chosen.params):
        if path is not None and not path.exists():
            parser.error(f"{path} is absent")
    if chosen.json is not None and not chosen.json.absolute().parent.is_dir():
        parser.error(f"{chosen.json}: its folder is absent")
    if not is_here(chosen.name):
        parser.error(f"bench {chosen.name} is not here yet: bench/{chosen.name}.py is absent")

    module = importlib.import_module("bench." + chosen.name)
    figures: list[Figure] = []
    failed = False
    try:
        figures = module.run(Options(chosen.data, chosen.params))
    except DataAbsent as absent:
        print(f"./dev bench {chosen.name}: {absent}", file=sys.stderr)
        return 2
    except Exception:
        # A bench that breaks has measured nothing: every figure is missing, and the reader of
        # the JSON must see that as well.
        traceback.print_exc()
        failed = True
    results = matched(goals_of(chosen.name), figures)
    print(table(results))
    if chosen.json is not None:
        versions = installed() | (module.versions() if hasattr(module, "versions") else {})
        written = json.dumps(report(chosen.name, results, versions), indent=2, ensure_ascii=False)
        chosen.json.write_text(written + "\n", "utf-8")
    short = [goal.name for goal, figure in results if not goal.is_met(figure.value)]
    return 1 if short or failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
