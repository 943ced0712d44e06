"""A watch feeds the history: the rows that `history add` would keep, and none of them twice."""

from __future__ import annotations

import fcntl
import gzip
import json
import shutil
import subprocess
import sys
import time
from datetime import UTC
from pathlib import Path

import pytest
from tests.edge.watched_log import START, Traffic

from unlisted.apps.cli import main
from unlisted.edge.history import History

OURS = ("--ours", "192.0.2.1")
REFUSED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"


def watch(state: Path, *logs: Path) -> None:
    words = ["watch", "--once", "--history", *OURS, "--state", str(state), *map(str, logs)]
    assert main(words) == 0


def added(state: Path, capsys: pytest.CaptureFixture[str], *logs: Path) -> dict[str, int]:
    capsys.readouterr()
    assert main(["history", "add", "--json", *OURS, "--state", str(state), *map(str, logs)]) == 0
    counts: dict[str, int] = json.loads(capsys.readouterr().out)
    return counts


def rows(state: Path, table: str, columns: str = "*") -> list[object]:
    reader = History(state / "history").query(f"select {columns} from {table} order by all")
    return [row for batch in reader for row in batch.to_pylist()]


def test_what_was_watched_is_known_to_history_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, state = tmp_path / "mail.log", tmp_path / "state"
    log.write_bytes(Traffic().day())
    watch(state, log)
    assert added(state, capsys, log) == {"new": 0, "known": 1200, "lost": 0}
    watch(state, log)
    assert len(rows(state, "attempts")) == 1200


def test_the_rows_and_roll_ups_are_those_of_history_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, watched, read = tmp_path / "mail.log", tmp_path / "watched", tmp_path / "read"
    log.write_bytes(Traffic().day())
    watch(watched, log)
    read.mkdir()
    shutil.copy(watched / "secret", read / "secret")
    assert added(read, capsys, log)["new"] == 1200
    for table in ("attempts", "minutes", "exposure"):
        assert rows(watched, table) == rows(read, table)
    assert rows(watched, "minutes", "sum(refusals) as n") == [{"n": 75}]


def test_across_rotation_and_packing_every_line_is_kept_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, state = tmp_path / "mail.log", tmp_path / "state"
    traffic = Traffic()
    for turn in range(4):
        with log.open("ab") as file:
            file.writelines(traffic.message(text=REFUSED if i % 3 else "") for i in range(50))
        watch(state, log)
        if turn == 1:
            log.rename(tmp_path / "mail.log.1")
            log.touch()
        elif turn == 2:
            packed = gzip.compress((tmp_path / "mail.log.1").read_bytes())
            (tmp_path / "mail.log.1").unlink()
            (tmp_path / "mail.log.1.gz").write_bytes(packed)
    counts = added(state, capsys, log, tmp_path / "mail.log.1.gz")
    assert counts == {"new": 0, "known": 200, "lost": 0}


def test_a_live_watch_that_is_killed_loses_and_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, state = tmp_path / "mail.log", tmp_path / "state"
    traffic = Traffic()
    log.write_bytes(b"".join(traffic.message(at=START + i) for i in range(300)))
    words = ["watch", "--history", *OURS, "--state", str(state), str(log)]
    process = subprocess.Popen([sys.executable, "-m", "unlisted", *words])
    try:
        deadline = time.monotonic() + 60
        while not list(state.glob("history/attempts/*/*.parquet")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        with log.open("ab") as file:
            file.writelines(traffic.message(at=START + 300 + i) for i in range(100))
    finally:
        process.kill()
        process.wait()
    watch(state, log)
    assert added(state, capsys, log) == {"new": 0, "known": 400, "lost": 0}


def test_while_another_writes_the_history_the_rows_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from unlisted.edge.log_history import LogHistory
    from unlisted.logs.postfix import PostfixParser
    from unlisted.logs.stamp import Calendar
    from unlisted.logs.tally import Tally

    log = tmp_path / "mail.log"
    log.write_bytes(Traffic().message(at=START))
    watch(tmp_path / "state", log)
    root = tmp_path / "state" / "history"
    parser = PostfixParser([Calendar(UTC, START)], [Tally()])
    for number, line in enumerate(Traffic().message(at=START + 9).decode().splitlines(), start=1):
        parser.feed(line, 0, number)
    kept = LogHistory(root, (tmp_path / "state" / "secret").read_bytes())
    for attempt in parser.take():
        kept.add(attempt)
    with (root / "history.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept.flush()
    assert "1 rows wait" in caplog.text and len(rows(tmp_path / "state", "attempts")) == 1
    kept.flush()
    assert len(rows(tmp_path / "state", "attempts")) == 2


def test_a_query_is_a_table_on_a_terminal_and_tabs_in_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, state = tmp_path / "mail.log", tmp_path / "state"
    log.write_bytes(Traffic().day())
    watch(state, log)
    capsys.readouterr()
    asked = ["history", "query", "--state", str(state)]
    sql = "select receiver, count(*) as mails from attempts group by all order by all"
    assert main([*asked, sql]) == 0
    piped = capsys.readouterr().out.splitlines()
    assert piped[0] == "receiver\tmails" and piped[1] == "r0.example\t300"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main([*asked, sql]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split() for line in table] == [line.split("\t") for line in piped]
    assert "\t" not in "".join(table) and table[0].index("mails") == table[1].index("300")
    assert main([*asked, "select * from attempts limit 1"]) == 0
    record = capsys.readouterr().out
    assert "receiver: r" in record and "\t" not in record
    assert main([*asked, "select range as n from range(1200)"]) == 0
    many = capsys.readouterr().out.splitlines()
    assert len(many) == 1002 and many[-1].startswith("the first 1000 rows")
