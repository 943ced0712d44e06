"""The command line, as transcripts: what is typed, what comes back, the exit code."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.apps import cli, cli_commands
from unlisted.edge.journal import Journal
from unlisted.facts import Queued, Row

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsysbinary: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Types a command in an empty folder; (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def typed(*words: str | Path) -> tuple[int, str, str]:
        capsysbinary.readouterr()
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as exc:
            code = int(exc.code or 0)
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return typed


@pytest.fixture
def state(ended: Any) -> Path:
    """The state folder of the whole story."""
    path: Path = ended.journal.path.parent
    (path / "secret").write_text("00" * 32 + "\n")
    (path / "secret").chmod(0o600)
    return path


EVERY = [
    ("queue", "list"),
    ("queue", "check"),
    ("message", "explain", "m2"),
    ("episode", "list"),
    ("episode", "explain", "e1"),
    ("episode", "explain", "e2"),
    ("sender", "explain", "eve"),
    ("hold", "list"),
    ("hold", "list", "--all"),
]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_what_a_person_reads_fits_80_columns_and_cannot_move_the_cursor(
    run: Run, state: Path, words: tuple[str, ...]
) -> None:
    code, out, err = run(*words, "--state", state)
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out and "\r" not in out


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_json_is_json(run: Run, state: Path, words: tuple[str, ...]) -> None:
    code, out, _ = run(*words, "--state", state, "--json")
    assert code == 0
    json.loads(out)


def test_a_message_s_story_goes_from_reply_to_delivery_with_zones(run: Run, state: Path) -> None:
    _, out, _ = run("message", "explain", "m2.0", "--state", state)
    told = " ".join(out.split())
    order = [
        "2026-11-23 00:01:00 UTC",
        "Accepted from login:anna",
        "Leaves by 192.0.2.11",
        "554 5.7.1 Service unavailable",
        "blames our address 192.0.2.11, not the mail; it names the list list.example",
        "Waits until mx.example.net takes mail from 192.0.2.11 again",
        "Episode e1 opened: 192.0.2.11 is on the blocklist list.example",
        "Cause of e1: login:eve",
        "The source stopped",
        "list.example lists 192.0.2.11 no more",
        "Episode e1 closed: delisted",
        "250 2.0.0 Ok: queued",
        "Delivered.",
        "Nothing of it is in the queue any more.",
    ]
    places = [told.find(words) for words in order]
    assert -1 not in places and places == sorted(places)


def test_a_block_is_explained_with_cause_doubt_and_end(run: Run, state: Path) -> None:
    _, out, _ = run("episode", "explain", "e1", "--state", state)
    for words in ("first refusal", "Cause: guilty", "91% (80% to 97%)  login:eve  guilty",
                  "Hold h1 on login:eve", "closed: delisted"):  # fmt: skip
        assert words in out
    _, out, _ = run("episode", "explain", "e2", "--state", state)
    assert "not enough evidence" in out and "another 40 messages" in out


@pytest.mark.parametrize(
    "words",
    [("message", "explain", "m999"), ("message", "explain", "../x"), ("episode", "explain", "e9"),
     ("sender", "explain", "nobody")],
    ids=" ".join,
)  # fmt: skip
def test_what_does_not_exist_is_exit_3_and_one_sentence(
    run: Run, state: Path, words: tuple[str, ...]
) -> None:
    code, out, err = run(*words, "--state", state)
    assert code == 3 and out == "" and err.startswith("unlisted: ") and "Traceback" not in err


def test_an_export_holds_every_fact_in_order_with_its_body_as_an_object(
    run: Run, state: Path
) -> None:
    code, out, _ = run("journal", "export", "--state", state)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert all(list(line) == ["n", "at", "kind", "cause", "body"] for line in lines)
    assert lines[1]["body"]["kind"] == lines[1]["kind"] == "Reception"
    assert lines[0]["cause"] is None and lines[2]["cause"] == 2


def test_a_kept_journal_is_read_by_its_path_and_left_as_it_was(
    run: Run, state: Path, ended: Any, tmp_path: Path
) -> None:
    ended.journal.close()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "first.db").write_bytes((state / "journal.db").read_bytes())
    before = (kept / "first.db").read_bytes()
    for words in (("journal", "export"), ("queue", "check")):
        code, out, _ = run(*words, kept / "first.db")
        assert code == 0 and out
    assert [path.name for path in kept.iterdir()] == ["first.db"]
    assert (kept / "first.db").read_bytes() == before


def test_a_queue_that_is_not_what_the_journal_says_is_exit_1(
    run: Run, state: Path, ended: Any
) -> None:
    journal: Journal = ended.journal
    row = Row(
        key="m2.0", message="m2", sender="s", tenant="t", recipient="r", domain="d", first_at=0.0
    )
    from unlisted.edge import queue

    queue.project(journal.database, Queued(at=0.0, row=row))
    code, out, _ = run("queue", "check", "--state", state)
    assert code == 1 and "m2.0 differs" in out and "1 rows differ" in out


def test_a_replay_that_comes_out_otherwise_is_exit_1_and_shows_the_first_differences(
    run: Run, state: Path
) -> None:
    # The story's derived facts were made by hand: no station derives them so.
    code, out, _ = run("journal", "replay", "--state", state)
    assert code == 1 and "differs (from observed fact" in out and "facts differ" in out


def test_a_configuration_with_problems_is_exit_1_and_a_right_one_0(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "unlisted.toml"
    file.write_text('hostnam = "x"\n[smtp]\nlisten = ["x"]\n')
    code, out, _ = run("config", "check")
    assert code == 1
    assert out.splitlines()[0].endswith(
        "unlisted.toml:1: hostnam: unknown setting; did you mean hostname?"
    )
    assert out.splitlines()[-1] == "2 to mend"
    file.write_text('hostname = "mail.example.org"\n')
    code, out, _ = run("config", "check")
    assert code == 0 and "mail is taken and waits" in " ".join(out.split())


def test_a_users_file_with_bad_lines_is_named_by_the_check(run: Run, tmp_path: Path) -> None:
    (tmp_path / "unlisted.toml").write_text('[smtp]\nusers = "users.txt"\n')
    (tmp_path / "users.txt").write_text("anna:plain:t\n")
    code, out, _ = run("config", "check")
    assert code == 1 and "users.txt:1" in out


@pytest.mark.parametrize(
    "words",
    [("queue",), ("queue", "explode"), ("message", "explain"), ("hold", "release", "h1"), ("zzz",),
     ("queue", "list", "--in", "lost"), ("queue", "list", "--limit", "x")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_exit_2_and_points_at_help(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run(*words)
    assert code == 2 and out == "" and "--help" in err and len(err.splitlines()) == 2


@pytest.mark.parametrize("noun", [("queue",), ("journal", "export"), ("serve",), ()], ids=" ".join)
def test_help_teaches(run: Run, noun: tuple[str, ...]) -> None:
    code, out, _ = run(*noun, "--help")
    assert code == 0 and max(len(line) for line in out.splitlines()) <= 80
    if len(noun) == 2:
        assert "example: unlisted" in out


EVERY = [(), *((noun,) for noun in cli.NOUNS)]
EVERY += [(noun, verb) if verb else (noun,) for noun, verb, *_ in cli.COMMANDS]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_line_of_help_and_of_a_usage_error_fits_80_columns(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--help"], ["--nothing-of-this-name"], ["x" * 60, "y", "z", "q"], ["--config"]):
        with contextlib.suppress(SystemExit):  # some take any words: only their parser is asked
            cli.parser().parse_args([*words, *wrong])
        said = capsys.readouterr()
        assert [line for line in (said.out + said.err).splitlines() if len(line) > 80] == []
        assert wrong != ["--help"] or said.out


def test_every_command_s_example_is_a_command(run: Run) -> None:
    for noun, verb, _, example, _ in cli.COMMANDS:
        words = ["unlisted", noun, verb] if verb else ["unlisted", noun]
        assert example.split()[: len(words)] == words


def test_a_release_without_a_running_service_says_how_to_start_one(run: Run, state: Path) -> None:
    code, _, err = run("hold", "release", "h1", "--reason", "x", "--state", state)
    assert code == 1 and "unlisted serve" in err


def test_a_backup_and_a_restore_round_trip(run: Run, state: Path, tmp_path: Path) -> None:
    assert run("backup", tmp_path / "b.tar", "--state", state)[0] == 0
    assert run("backup", tmp_path / "b.tar", "--state", state)[0] == 1
    assert run("restore", tmp_path / "b.tar", "--state", tmp_path / "new")[0] == 0
    before = run("journal", "export", "--state", state)[1]
    assert run("journal", "export", "--state", tmp_path / "new")[1] == before
    code, _, err = run("restore", tmp_path / "b.tar", "--state", tmp_path / "new")
    assert code == 1 and "not empty" in err


def test_a_folder_without_a_journal_is_a_sentence(run: Run, tmp_path: Path) -> None:
    code, _, err = run("episode", "list", "--state", tmp_path)
    # 3, as --help promises for what is not there; a file that is no journal is a fault.
    assert code == 3 and "no journal there" in err and "Traceback" not in err
    code, _, err = run("history", "query", "select 1", "--state", tmp_path)
    assert code == 3 and "no history there" in err and "Traceback" not in err
    (tmp_path / "journal.db").write_bytes(b"x" * 5000)
    code, _, err = run("episode", "list", "--state", tmp_path)
    assert code == 1 and "not a journal" in err


def test_help_takes_less_than_0_3_cpu_seconds() -> None:
    import resource

    best = 9.0
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "unlisted", "--help"], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if best < 0.3:
            break
        time.sleep(0.1)
    assert best < 0.3


@given(st.text("ab.-@: /|", max_size=60), st.integers(1, 30))
def test_a_cell_is_folded_and_nothing_of_it_is_lost(text: str, size: int) -> None:
    lines = cli_commands._folded(text, size)
    assert all(len(line) <= size for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
