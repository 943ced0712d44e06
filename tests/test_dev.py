"""The ./dev script in a clone of its own, with a stand-in for uv: no test here uses a network."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Answers as uv does where ./dev asks it something, and notes each installation.
UV = """#!/bin/sh
case "$1 $2" in
  "--version ") echo "uv {version} (stand-in)" ;;
  "pip sync") sleep 0.3; [ ! -e "{clone}/uv-fails" ] || exit 1; echo sync >> "{clone}/uv-log" ;;
  *) echo "$@" >> "{clone}/uv-log" ;;
esac
"""


class Clone:
    """A folder with the script, a lock that names nothing, and two programs to run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"  # the blank is part of the test
        for name in ("unlisted", "unlisted_sandbox"):
            package = self.root / "src" / name
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
            (package / "__main__.py").write_text(
                f"import os, sys\nprint({name!r}, sys.argv[1:], os.getcwd())\n"
                "if 'wait' in sys.argv:\n    import time\n"
                "    sys.stdout.flush()\n    time.sleep(60)\n"
                "sys.exit(len(sys.argv) if 'code' in sys.argv else 0)\n"
            )
        shutil.copy(ROOT / "dev", self.root / "dev")
        (self.root / "requirements.lock").touch()
        uv = self.root / ".tools" / "venv" / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.write_text(UV.format(version=pinned_uv(), clone=self.root))
        uv.chmod(0o755)

    def command(self, *args: str) -> list[str]:
        return [sys.executable, str(self.root / "dev"), *args]

    def dev(self, *args: str, **options: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            self.command(*args), capture_output=True, text=True, timeout=60, **options
        )

    def installations(self) -> int:
        log = self.root / "uv-log"
        return log.read_text().count("sync") if log.exists() else 0


def pinned_uv() -> str:
    found = re.search(r'^UV_VERSION = "(.+)"$', (ROOT / "dev").read_text(), re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.mark.parametrize(
    ("args", "program", "given"),
    [
        (["run"], "unlisted", ["serve"]),
        (["run", "message", "explain", "7"], "unlisted", ["message", "explain", "7"]),
        (["run", "--help"], "unlisted", ["--help"]),
        (["demo"], "unlisted_sandbox", []),
        (["demo", "--once", "--json", "a b"], "unlisted_sandbox", ["--once", "--json", "a b"]),
    ],
)
def test_a_verb_hands_its_arguments_on_and_keeps_the_callers_folder(
    clone: Clone, tmp_path: Path, args: list[str], program: str, given: list[str]
) -> None:
    done = clone.dev(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{program} {given} {tmp_path}\n"


def test_files_in_the_callers_folder_are_not_taken_for_modules(
    clone: Clone, tmp_path: Path
) -> None:
    for name in ("venv.py", "json.py", "unlisted.py", "ensurepip.py"):
        (tmp_path / name).write_text("raise SystemExit('taken for a module')")
    done = clone.dev("run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("unlisted ['serve']")


def test_only_the_first_start_sets_up_and_tells_it_on_standard_error(clone: Clone) -> None:
    first, second = clone.dev("run"), clone.dev("run")
    assert "3/3" in first.stderr
    assert "unlisted" in first.stdout and "3/3" not in first.stdout
    assert second.stderr == ""
    assert clone.installations() == 1


def test_a_changed_lock_makes_a_new_environment(clone: Clone) -> None:
    clone.dev("run")
    (clone.root / "requirements.lock").write_text("# changed\n")
    assert "lock has changed" in clone.dev("run").stderr
    assert clone.installations() == 2


def test_a_moved_clone_makes_a_new_environment(clone: Clone, tmp_path: Path) -> None:
    clone.dev("run")
    moved = tmp_path / "moved"
    clone.root.rename(moved)
    done = subprocess.run(
        [sys.executable, str(moved / "dev"), "run"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "setting up" in done.stderr


def test_two_first_starts_at_once_set_up_once(clone: Clone) -> None:
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(clone.command("run"), stdout=pipe, stderr=pipe, text=True)
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert clone.installations() == 1
    assert sum("waiting" in err for _, err in ended) == 2


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_set_up_recovers(clone: Clone, by: signal.Signals) -> None:
    first = subprocess.Popen(clone.command("run"), stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if "3/3" in line:
            break
    first.send_signal(by)
    first.communicate(timeout=60)
    assert first.returncode != 0
    again = clone.dev("run")
    assert again.returncode == 0, again.stderr
    assert "setting up" in again.stderr


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_program_itself(clone: Clone, by: signal.Signals) -> None:
    clone.dev("run")
    process = subprocess.Popen(
        clone.command("run", "wait"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("unlisted ['wait']")
    process.send_signal(by)
    process.communicate(timeout=20)
    assert process.returncode == -by


def test_the_environment_has_both_commands(clone: Clone, tmp_path: Path) -> None:
    clone.dev("run")
    for name in ("unlisted", "unlisted-sandbox"):
        link = tmp_path / name
        link.symlink_to(clone.root / ".venv" / "bin" / name)
        said = subprocess.run([link, "a b"], capture_output=True, text=True, timeout=20).stdout
        assert said.startswith(f"{name.replace('-', '_')} ['a b']")


def test_a_set_up_that_cannot_write_is_one_sentence(clone: Clone) -> None:
    (clone.root / ".tools" / "lock").mkdir()  # also stops root, whom permissions do not
    done = clone.dev("run")
    assert done.returncode == 1
    assert "set-up failed" in done.stderr and "Traceback" not in done.stderr


def test_the_exit_code_is_the_programs(clone: Clone) -> None:
    assert clone.dev("run", "code", "x", "y").returncode == 4


@pytest.mark.parametrize(("args", "stream"), [([], "stderr"), (["--help"], "stdout")])
def test_usage_names_every_verb(clone: Clone, args: list[str], stream: str) -> None:
    done = clone.dev(*args)
    for verb in ("run", "demo", "test", "check", "bench", "lock"):
        assert f"\n  {verb} " in getattr(done, stream)
    assert done.returncode == (0 if args else 2)


def test_an_unknown_verb_is_a_usage_error_and_sets_nothing_up(clone: Clone) -> None:
    done = clone.dev("fly")
    assert done.returncode == 2
    assert "no verb 'fly'" in done.stderr
    assert not (clone.root / ".venv").exists()


def test_a_missing_venv_module_is_one_sentence_saying_what_to_install(
    clone: Clone, tmp_path: Path
) -> None:
    stripped = tmp_path / "stripped" / "ensurepip"
    stripped.mkdir(parents=True)
    (stripped / "__init__.py").write_text("raise ImportError('as on a bare Debian')")
    done = clone.dev("run", env={**os.environ, "PYTHONPATH": str(stripped.parent)})
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_python_gets_one_sentence() -> None:
    # The lines up to the check, run under a Python that claims to be old.
    head = (ROOT / "dev").read_text().split("import os\n")[0]
    old = "import sys\nsys.version_info = (3, 9, 2)\nsys.version = '3.9.2 (old)'\n"
    done = subprocess.run(
        [sys.executable, "-c", old + head], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert done.stderr == "./dev: needs Python 3.11 or newer, this is Python 3.9.2\n"


def test_old_pythons_can_read_the_script_as_far_as_its_sentence() -> None:
    import ast

    ast.parse((ROOT / "dev").read_text(), feature_version=(3, 7))


def test_lock_asks_uv_for_hashes_and_no_addresses(clone: Clone, tmp_path: Path) -> None:
    done = clone.dev("lock", "--upgrade", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    asked = (clone.root / "uv-log").read_text().split()
    for option in ("--universal", "--generate-hashes", "--no-emit-index-url", "--upgrade"):
        assert option in asked
    assert not (clone.root / ".venv").exists()


def test_the_lock_holds_hashes_and_no_download_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)
    assert len(pins) > 30
    assert "://" not in text
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert not (ROOT / "uv.lock").exists()
