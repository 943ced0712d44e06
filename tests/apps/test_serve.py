"""`unlisted serve` as a process: ready, one message through it, stopped, refused."""

import base64
import hashlib
import json
import os
import signal
import smtplib
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "pw"


class Served:
    """One state folder and the processes started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "var"
        self.processes: list[subprocess.Popen[str]] = []
        salted = hashlib.sha256(PASSWORD.encode() + b"salt").digest() + b"salt"
        hashed = "{SSHA256}" + base64.b64encode(salted).decode()
        (folder / "users.txt").write_text(f"anna:{hashed}:school\n")
        history = {
            "sender": "login:anna",
            "tenant": "school",
            "until": "2026-11-23T00:00:00Z",
            "days": [[3, 4, 1, 0, 0]] * 40,
            "correspondents": ["bob@example.net"],
        }
        (folder / "history.jsonl").write_text(json.dumps(history) + "\n")
        self.configure()

    def configure(self, more: str = "") -> None:
        (self.folder / "unlisted.toml").write_text(
            'hostname = "mail.example.org"\n'
            '[smtp]\nlisten = ["127.0.0.1:0"]\nusers = "users.txt"\n'
            '[http]\npublic = "127.0.0.1:0"\noperator = "127.0.0.1:0"\n'
            '[history]\nimport = "history.jsonl"\n'
            '[[pools]]\nname = "main"\naddresses = ["127.0.3.1", "127.0.3.2"]\n'
            'helo = "out.example.org"\n' + more
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "unlisted", "serve", *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def ready(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        file = self.state / "ready.json"
        limit = time.monotonic() + 60
        while not file.exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < limit
            time.sleep(0.01)
        return dict(json.loads(file.read_text()))

    def typed(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "unlisted", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def stop(self, process: subprocess.Popen[str], how: int = signal.SIGTERM) -> tuple[int, str]:
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
        return process.returncode, err


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fetched(url: str) -> int:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return int(answer.status)


def test_a_message_goes_through_and_the_whole_stops_cleanly(
    served: Served, free_port: Callable[..., int]
) -> None:
    served.configure(f'[routes]\n"*" = "127.0.0.1:{free_port()}"\n')
    process = served.start()
    ready = served.ready(process)
    assert set(ready) >= {"smtp", "public", "operator"}
    for name in ("operator.token", "secret"):
        assert stat.S_IMODE((served.state / name).stat().st_mode) == 0o600
    assert fetched(ready["public"] + "/") == 200
    host, _, port = ready["smtp"][0].rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=30) as client:
        client.login("anna", PASSWORD)
        client.sendmail("anna@school.example", ["bob@example.net"], "Subject: hi\r\n\r\nhello\r\n")
    listed = json.loads(served.typed("queue", "list", "--json").stdout)
    assert listed[0]["sender"] == "login:anna"
    name = listed[0]["id"].partition(".")[0]
    story = served.typed("message", "explain", name)
    assert story.returncode == 0 and "Accepted from login:anna" in story.stdout
    missing = served.typed("hold", "release", "h1", "--reason", "x")
    assert (missing.returncode, missing.stdout.strip()) == (3, "There is no hold of this name.")
    link = served.typed("operator", "link").stdout.strip()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(link, timeout=30) as answer:
        assert b"No open episode." in answer.read()
    code, err = served.stop(process)
    assert code == 0 and "Traceback" not in err
    assert not (served.state / "ready.json").exists()
    for words in (("journal", "replay"), ("queue", "check")):
        checked = served.typed(*words)
        assert checked.returncode == 0, checked.stdout


def test_a_second_start_records_the_same_configuration_and_history_only_once(
    served: Served,
) -> None:
    for how in (signal.SIGTERM, signal.SIGINT):
        process = served.start()
        served.ready(process)
        assert served.stop(process, how)[0] == 0
    kinds = [
        json.loads(line)["kind"] for line in served.typed("journal", "export").stdout.splitlines()
    ]
    assert (kinds.count("Configured"), kinds.count("SenderHistory")) == (1, 1)
    token = (served.state / "operator.token").read_text()
    served.configure("epoch_s = 7200\n")
    process = served.start()
    served.ready(process)
    served.stop(process)
    kinds = [
        json.loads(line)["kind"] for line in served.typed("journal", "export").stdout.splitlines()
    ]
    assert (kinds.count("Configured"), kinds.count("SenderHistory")) == (2, 1)
    assert (served.state / "operator.token").read_text() == token
    # Names in the history became keyed hashes; none of them stands in a fact.
    assert "bob@example.net" not in served.typed("journal", "export").stdout


def test_a_history_is_imported_once_and_only_while_no_service_runs(served: Served) -> None:
    file = served.folder / "unlisted.toml"
    file.write_text(file.read_text().replace('[history]\nimport = "history.jsonl"\n', ""))
    process = served.start()
    served.ready(process)
    busy = served.typed("history", "import", "history.jsonl")
    assert busy.returncode == 1 and "another process writes this journal" in busy.stderr
    assert served.stop(process)[0] == 0
    done = served.typed("history", "import", "history.jsonl")
    assert (done.returncode, done.stdout) == (0, "history of 1 senders imported\n")
    again = served.typed("history", "import", "history.jsonl")
    assert again.returncode == 1 and "already" in again.stdout
    assert served.typed("sender", "explain", "login:anna").returncode == 0


def test_a_killed_service_starts_again(served: Served) -> None:
    process = served.start()
    served.ready(process)
    process.kill()
    process.communicate()
    (served.state / "ready.json").unlink()  # what a dead process leaves says nothing
    process = served.start()
    served.ready(process)
    assert served.stop(process)[0] == 0


def test_two_services_on_one_state_folder_are_refused(served: Served) -> None:
    first = served.start()
    served.ready(first)
    second = served.start()
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1 and "another process writes this journal" in err
    assert "Traceback" not in err
    assert (served.state / "ready.json").exists()  # the first one's word still stands
    assert served.stop(first)[0] == 0


def test_all_problems_of_the_configuration_are_told_before_anything_is_made(
    served: Served,
) -> None:
    (served.folder / "unlisted.toml").write_text(
        'hostnam = "x"\n[smtp]\nlisten = ["localhost:25"]\nusers = "none.txt"\n[dns]\nmx = true\n'
    )
    process = served.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == ""
    assert [line.split(":")[1] for line in err.splitlines()] == ["1", "3", "6"]
    assert not served.state.exists()


def test_an_address_that_is_taken_is_a_sentence(served: Served) -> None:
    first = served.start()
    port = served.ready(first)["public"].rpartition(":")[2]
    other = served.folder / "other.toml"
    other.write_text(f'state = "other"\n[http]\npublic = "127.0.0.1:{port}"\n')
    second = served.start("--config", str(other))
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1 and port in err and "Traceback" not in err


def test_a_token_others_may_read_is_refused(served: Served) -> None:
    process = served.start()
    served.ready(process)
    served.stop(process)
    os.chmod(served.state / "operator.token", 0o644)
    process = served.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "expected mode 0600" in err


def test_without_a_file_it_runs_on_loopback_and_says_that_mail_waits(
    served: Served, free_port: Callable[..., int]
) -> None:
    made = served.folder / "bare.toml"
    made.write_text(
        f'state = "bare"\n[smtp]\nlisten = ["127.0.0.1:{free_port()}"]\n'
        f'[http]\npublic = "127.0.0.1:0"\noperator = "127.0.0.1:0"\n'
    )
    served.state = served.folder / "bare"
    process = served.start("--config", str(made))
    served.ready(process)
    code, err = served.stop(process)
    assert code == 0 and "mail is taken and waits" in err


def test_it_is_ready_within_1_5_cpu_seconds(served: Served) -> None:
    process = served.start()
    served.ready(process)
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    assert ticks / os.sysconf("SC_CLK_TCK") <= 1.5
    served.stop(process)


def test_a_stop_keeps_the_states_and_a_start_takes_them_or_says_why_not(served: Served) -> None:
    history = json.loads((served.folder / "history.jsonl").read_text())
    lines = [json.dumps({**history, "sender": f"login:user{n}"}) for n in range(1100)]
    (served.folder / "history.jsonl").write_text("\n".join(lines) + "\n")

    def turn(*words: str) -> str:
        process = served.start(*words)
        served.ready(process)
        code, err = served.stop(process)
        assert code == 0, err
        return err

    turn("--no-snapshot")
    assert not list(served.state.glob("*.snapshot"))
    turn()
    (kept,) = served.state.glob("*.snapshot")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "snapshot" not in turn()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert "snapshot" not in turn("--no-snapshot")
    assert f"{kept.name} is not used: it is cut short" in turn()
    assert "snapshot" not in turn()  # a whole one took its place
    assert served.typed("journal", "replay").returncode == 0
