"""Bad files, bad arguments and damaged journals at the command line: a sentence and an exit code."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.apps import settings, terminal
from unlisted.config_file import ConfigError, parse

EVIL = "\x1b[2J\x9b31m\u202e\u2028"


def typed(folder: Path, *words: str | bytes, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "unlisted", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        env={**os.environ, **env},
    )


@pytest.fixture
def state(ended: Any) -> Path:
    """The state folder of the whole story, free to be spoiled."""
    ended.journal.close()
    path: Path = ended.journal.path.parent
    (path / "secret").write_text("00" * 32 + "\n")
    (path / "secret").chmod(0o600)
    return path


SPOILT = {
    "a fact that is no UTF-8": "update fact set body=cast(x'7bff7d' as text) where n=2",
    "a fact that is a blob": "update fact set body=x'00' where n=2",
    "a fact that is no JSON": "update fact set body='{' where n=2",
    "a layout that is no number": "update meta set value='x'",
    "a command that is none": "insert into outbox values('x', 1, '{}')",
    "a timer without a time": "insert into timer values('x', 'soon')",
}


@pytest.mark.parametrize("sql", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_journal_is_a_sentence_to_every_program(state: Path, sql: str) -> None:
    with sqlite3.connect(state / "journal.db") as db:
        db.execute(sql)
    db.close()
    for words in (("journal", "replay"), ("queue", "list"), ("journal", "export")):
        done = typed(state, *words, "--state", ".")
        assert done.returncode in (0, 1) and b"Traceback" not in done.stderr
    served = typed(state, "serve", "--state", ".")
    assert served.returncode == 1 and b"Traceback" not in served.stderr, served.stderr
    assert served.stderr.splitlines()[-1].startswith(b"unlisted serve: ")


def test_a_journal_that_is_a_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    for words in ("queue", "list"), ("serve",), ("backup", "x.tar"):
        done = typed(tmp_path, *words, "--state", ".")
        assert done.returncode == 1 and b"Traceback" not in done.stderr


def test_a_state_folder_may_have_any_name(state: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a?b#c 50%20"
    odd.mkdir()
    for name in ("journal.db", "secret"):
        shutil.copy(state / name, odd / name)
    done = typed(tmp_path, "episode", "list", "--state", odd.name)
    assert done.returncode == 0 and b"list.example" in done.stdout


@pytest.mark.parametrize("limit", ["-1", "0", "x", "9" * 30, ""])
def test_a_limit_that_is_no_number_of_rows_is_usage(tmp_path: Path, limit: str) -> None:
    assert typed(tmp_path, "queue", "list", "--limit", limit).returncode == 2


def test_a_recipient_that_a_message_does_not_have_does_not_exist(state: Path) -> None:
    assert typed(state, "message", "explain", "m2.0", "--state", ".").returncode == 0
    assert typed(state, "message", "explain", "m2.9", "--state", ".").returncode == 3


def test_names_that_are_no_text_are_looked_for_and_not_found(state: Path) -> None:
    for noun in ("sender", "message", "episode"):
        done = typed(state, noun, "explain", b"\xff\xfe", "--state", ".")
        assert done.returncode == 3 and b"Traceback" not in done.stderr
    done = typed(state, "episode", "explain", EVIL, "--state", ".")
    assert done.returncode == 3 and b"\x1b" not in done.stderr


def test_a_terminal_without_utf_8_gets_its_answer(state: Path) -> None:
    done = typed(state, "config", "settings", PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0 and done.stdout.isascii()


def test_an_export_into_a_closed_pipe_ends_quietly(state: Path) -> None:
    pipe = f"{sys.executable} -m unlisted journal export --state . | head -c 10"
    done = subprocess.run(["bash", "-c", pipe], cwd=state, capture_output=True, timeout=60)
    assert len(done.stdout) == 10 and done.stderr == b""


@given(st.text())
def test_json_is_the_same_value_without_a_raw_control(text: str) -> None:
    text = text.encode("utf-8", "replace").decode() + EVIL
    shown = terminal.escaped(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text] and terminal.plain(shown) == shown


@given(st.text())
def test_what_is_said_has_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = terminal.plain(text + EVIL)
    assert all(ord(c) >= 32 or c == "\n" for c in shown)
    assert not set("\x7f\x9b\u202e\u2066\u2028\ud800") & set(shown)


def test_names_of_a_configuration_are_shown_tame_on_one_line_each(tmp_path: Path) -> None:
    quoted = "".join(f"\\u{ord(c):04x}" for c in EVIL + "\n")
    (tmp_path / "unlisted.toml").write_text(f'\n"{quoted}" = 1\nhostname = "{"x" * 7000}"\n')
    for words in ("config", "check"), ("serve",):
        done = typed(tmp_path, *words)
        lines = (done.stdout + done.stderr).decode().splitlines()
        assert [line[:16] for line in lines[:2]] == ["unlisted.toml:2:", "unlisted.toml:3:"]
        assert "\x1b" not in lines[0] and len(lines[1]) < 700


def test_a_byte_order_mark_in_front_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "unlisted.toml").write_bytes(b'\xef\xbb\xbfhostname = "mail.example.org"\r\n')
    assert settings.load(tmp_path / "unlisted.toml").config.hostname == "mail.example.org"


def test_a_configuration_without_end_is_refused_in_time(tmp_path: Path) -> None:
    done = typed(tmp_path, "config", "check", "--config", "/dev/zero")
    assert done.returncode == 1 and b"too large" in done.stdout


def test_a_state_folder_of_no_name_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="state"):
        parse('state = "a\\u0000b"\n')


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"sender":' + b"[" * 100_000, "nested too deep"),
        (b"\xff", "not UTF-8"),
        (b'{"sender":"login:\\ud800","tenant":"t","until":0,"days":[]}', "control"),
        (b'{"sender":"login:a\\u001b","tenant":"t","until":0,"days":[]}', "control"),
        (b'{"sender":"login:a","tenant":"t","until":NaN,"days":[]}', "until"),
        (b'{"sender":"login:a","tenant":"t","until":1e400,"days":[]}', "until"),
        (b'{"sender":"login:a","tenant":"t","until":0,"days":[[1e400,0,0,0,0]]}', "int"),
        (b'{"sender":"login:a","tenant":"t","until":0,"days":[[99999999999,0,0,0,0]]}', "counts"),
        (b"1" * 100_000, "digits"),
        (b" " * (settings.MAX_LINE + 1), "longer"),
    ],
    ids=range(10),
)
def test_a_bad_line_of_a_history_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    (tmp_path / "h.jsonl").write_bytes(b"\xef\xbb\xbf\n" + line + b"\n")
    with pytest.raises(ConfigError, match=words) as caught:
        settings.read_history(tmp_path / "h.jsonl")
    assert [problem.line for problem in caught.value.problems] == [2]
    assert len(str(caught.value)) < 600
