"""On virtual time, in one process and without sockets, a run says the same facts as over sockets."""

from __future__ import annotations

import contextlib
import io
import json
import socket
from pathlib import Path

import pytest

from unlisted.apps import virtual

from .runs import WORLD, Run, exported

pytestmark = pytest.mark.timeout(300)  # whole runs; another worker may make one first


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Journal and scoreboard of a run, as the command line makes them."""
    folder = tmp_path_factory.mktemp("virtual")
    arguments = ["--world", str(WORLD), "--seed", "1", "--state", str(folder / "kept")]
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()):
        for act in ("bind", "connect"):
            patched.setattr(socket.socket, act, only_unix(act))
        assert virtual.main([*arguments, "--json", str(folder / "kept" / "result.json")]) == 0
    return folder / "kept"


def only_unix(act: str) -> object:
    real = getattr(socket.socket, act)

    def guarded(self: socket.socket, address: object) -> object:
        assert self.family == socket.AF_UNIX, f"{act} {address}: virtual time has no sockets"
        return real(self, address)

    return guarded


def test_every_fact_is_the_same_byte_for_byte(quiet: Run, kept: Path) -> None:
    assert exported(kept / "unlisted.toml", kept) == quiet.facts()


def test_the_scoreboard_is_the_same(quiet: Run, kept: Path) -> None:
    over_sockets = json.loads(quiet.json())["platforms"]["unlisted"]
    assert json.loads((kept / "result.json").read_bytes())["platforms"]["unlisted"] == over_sockets


def test_a_folder_that_has_a_journal_is_refused(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        virtual.main(["--world", str(WORLD), "--state", str(kept)])
    assert stop.value.code == 2 and "has a journal already" in capsys.readouterr().err
