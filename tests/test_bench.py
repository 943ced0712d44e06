"""The bench harness: the goals bind, and the exit code says so."""

import json
import math
import socket
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest
from bench import harness, start
from bench.harness import DataAbsent, Figure, Goal, Options

HIGHER = Goal("b", "caught", "higher", 0.95, "share")
LOWER = Goal("b", "wrong", "lower", 0, "rows")


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (HIGHER, 0.95, True),
        (HIGHER, 0.94, False),
        (HIGHER, math.inf, True),
        (HIGHER, math.nan, False),
        (HIGHER, None, False),
        (LOWER, 0, True),
        (LOWER, 1, False),
        (LOWER, math.nan, False),
        (LOWER, None, False),
    ],
)
def test_a_goal_is_met_or_it_is_not(goal: Goal, value: float | None, met: bool) -> None:
    assert goal.is_met(value) is met


def test_every_goal_row_is_well_formed() -> None:
    rows = [goal for name in harness.bench_names() for goal in harness.goals_of(name)]
    assert len({(goal.bench, goal.name) for goal in rows}) == len(rows) > 40


@pytest.mark.parametrize("peer", ["", "other: 12 rows", "a peer with a very long story " * 6])
def test_no_table_is_wider_than_80_columns(peer: str) -> None:
    for name in harness.bench_names():
        goals = harness.goals_of(name)
        results = [(goal, Figure(goal.name, 123456.789, 10_000_000, peer)) for goal in goals]
        lines = harness.table(results).splitlines()
        assert max(map(len, lines)) <= 80
        assert all(any(line.startswith(goal.name) for line in lines) for goal in goals)
        assert not peer or peer.split()[-1] in lines[-1]


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """A bench named `start` whose figures the test sets."""
    module = types.ModuleType("bench.start")
    module.__spec__ = types.SimpleNamespace(name="bench.start")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "bench.start", module)
    monkeypatch.chdir(tmp_path)
    return module


MET = [Figure("help_cpu_s", 0.2, 5, "-"), Figure("serve_ready_s", 1.0, 5)]


def raising(error: Exception) -> object:
    def run(options: Options) -> list[Figure]:
        raise error

    return run


@pytest.mark.parametrize(
    ("figures", "code"),
    [(MET, 0), (MET[:1], 1), ([], 1), ([MET[0], Figure("serve_ready_s", 1.6, 5)], 1)],
)
def test_a_missing_figure_is_a_failed_one(
    measure: types.ModuleType, tmp_path: Path, figures: list[Figure], code: int
) -> None:
    measure.run = lambda options: figures  # type: ignore[attr-defined]
    assert harness.main(["start", "--json", "out.json"]) == code
    written = json.loads((tmp_path / "out.json").read_text())
    assert list(written) == ["bench", "machine", "versions", "figures"]
    assert [f["name"] for f in written["figures"]] == ["help_cpu_s", "serve_ready_s"]
    keys = ["name", "value", "unit", "goal", "better", "peer", "n"]
    assert all(list(figure) == keys for figure in written["figures"])


def test_a_bench_that_breaks_has_failed_every_figure(
    measure: types.ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure.run = raising(RuntimeError("broken"))  # type: ignore[attr-defined]
    assert harness.main(["start", "--json", "out.json"]) == 1
    assert "RuntimeError: broken" in capsys.readouterr().err
    written = json.loads((tmp_path / "out.json").read_text())
    assert [f["value"] for f in written["figures"]] == [None, None]


def test_absent_data_is_exit_2(
    measure: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    measure.run = raising(DataAbsent("no data at x"))  # type: ignore[attr-defined]
    assert harness.main(["start"]) == 2
    assert "no data at x" in capsys.readouterr().err


def test_a_figure_without_a_goal_is_a_mistake_in_the_bench(measure: types.ModuleType) -> None:
    measure.run = lambda options: [*MET, Figure("mood", 1, 1)]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="mood"):
        harness.main(["start"])


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nonsense"],
        ["start", "--data", "absent"],
        ["start", "--params", "absent"],
        ["start", "--json", "absent/out.json"],
        ["start", "extra"],
    ],
)
def test_usage_is_exit_2(measure: types.ModuleType, args: list[str]) -> None:
    measure.run = lambda options: MET  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as ended:
        harness.main(args)
    assert ended.value.code == 2


def test_paths_and_parameters_reach_the_bench(measure: types.ModuleType, tmp_path: Path) -> None:
    Path("p.toml").write_text("seeds = [1, 2]\n")
    Path("data").mkdir()
    seen: list[Options] = []

    def run(options: Options) -> list[Figure]:
        seen.append(options)
        return MET

    measure.run = run  # type: ignore[attr-defined]
    assert harness.main(["start", "--data", "data", "--params", "p.toml"]) == 0
    assert seen[0].data_or("elsewhere") == Path("data")
    assert seen[0].parameters() == {"seeds": [1, 2]}
    with pytest.raises(DataAbsent):
        Options().data_or("no/such/data")


class StandIn:
    """Answers as `unlisted serve` does: SMTP greets, HTTP says 200, ready.json names both."""

    def __init__(self, ready: Path, greeting: bytes) -> None:
        self.greeting = greeting
        self.smtp = socket.create_server(("127.0.0.1", 0))
        self.http = socket.create_server(("127.0.0.1", 0))
        for server, answer in ((self.smtp, self.greet), (self.http, self.page)):
            threading.Thread(target=answer, args=[server], daemon=True).start()
        where = {
            name: f"127.0.0.1:{getattr(self, name).getsockname()[1]}" for name in ("smtp", "http")
        }
        ready.write_text(json.dumps({"smtp": [where["smtp"]], "public": "http://" + where["http"]}))

    def greet(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.sendall(self.greeting)
        connection.close()

    def page(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.close()

    def poll(self) -> None:
        return None

    def close(self) -> None:
        self.smtp.close()
        self.http.close()


@pytest.mark.parametrize(
    ("greeting", "ready"), [(b"220 us ESMTP\r\n", True), (b"554 no\r\n", False)]
)
def test_a_service_is_ready_when_it_greets_and_shows_its_page(
    tmp_path: Path, greeting: bytes, ready: bool
) -> None:
    service: Any = StandIn(tmp_path / "ready.json", greeting)
    began = time.monotonic()
    try:
        if ready:
            assert began < start.answered(service, tmp_path / "ready.json", began)
        else:
            with pytest.raises(RuntimeError, match="554"):
                start.answered(service, tmp_path / "ready.json", began)
    finally:
        service.close()
