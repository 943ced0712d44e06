"""Files named by people: a pipe is read like a file, one without a writer is refused in time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from unlisted.apps.cli import main
from unlisted.edge import pipe


@pytest.fixture
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pipe, "WAIT_MS", 300)
    os.mkfifo(tmp_path / "lonely")
    return tmp_path / "lonely"


@pytest.mark.parametrize(
    "command",
    [
        ("sender", "explain", "login:anna", "--config", "PIPE"),
        ("watch", "--once", "--config", "PIPE", "x.log"),
        ("health", "import", "PIPE"),
        ("health", "lint", "PIPE"),
        ("classify", "PIPE"),
    ],
)
def test_a_pipe_that_nobody_writes_into_is_a_sentence_and_exit_2(
    lonely: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    words = [str(lonely) if word == "PIPE" else word for word in command]
    assert main(words) == 2
    assert "nobody writes into this pipe" in capsys.readouterr().err


def test_replies_and_mails_through_a_pipe_are_answered(
    lonely: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, wanted in (
        (b"550 5.1.1 user unknown\n\n550 5.7.1 no\n", 3),
        (b"From: a@example.org\n\nhello\n", 1),
    ):
        writer = threading.Thread(target=lonely.write_bytes, args=(given,))
        writer.start()
        assert main(["classify", "--json", str(lonely)]) == 0
        writer.join()
        assert len(capsys.readouterr().out.splitlines()) == wanted


def test_a_pipe_gives_every_octet_once(lonely: Path) -> None:
    data = bytes(range(256)) * 5000
    writer = threading.Thread(target=lonely.write_bytes, args=(data,))
    writer.start()
    with pipe.opened_file(lonely) as file:
        assert file.read() == data
    writer.join()
