"""Snapshots: the same facts follow as from the whole journal, or the file is not used."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import pickle
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.edge.test_runner import AT, CONFIGURED, KEY, reception

from unlisted.edge import backup, snapshot
from unlisted.edge.journal import Journal, JournalError
from unlisted.edge.people import derived, parse_secret
from unlisted.edge.runner import Runner, replayed
from unlisted.edge.snapshot import Snapshots
from unlisted.facts import Fact, Observed
from unlisted.loop import _fixpoint
from unlisted.loop._fixpoint import States, follow

JOURNALS = Path(__file__).parents[1] / "journals"


def opened(folder: Path) -> Journal:
    return Journal(folder / "journal.db", b"secret", durable=False)


def filled(folder: Path, count: int = 12, at: float = AT) -> Journal:
    journal = opened(folder)
    runner = Runner(journal, KEY)
    runner.record_now(CONFIGURED)
    grown(runner, count, at)
    return journal


def grown(runner: Runner, count: int, at: float = AT) -> None:
    for i in range(count):
        n = runner.upcoming
        fact = reception(n, f"bob{n}")
        runner.append(type(fact)(**{**_fields(fact), "at": at + i}))
    runner.commit()


def _fields(fact: Observed) -> dict[str, object]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


def kept(folder: Path, count: int = 12) -> tuple[Journal, Path]:
    """A journal and the snapshot of all of it."""
    journal = filled(folder, count)
    assert Snapshots(journal, KEY).write(replayed(journal, KEY), journal.last)
    (path,) = folder.glob("*.snapshot")
    return journal, path


def snapshots_of(journal: Journal) -> list[str]:
    return sorted(path.name for path in journal.path.parent.glob("*.snapshot*"))


def continued(states: States, n: int, count: int = 8) -> list[object]:
    """What follows from the same inputs."""
    found: list[object] = []
    for i in range(count):
        followed = follow(states, reception(n + 100 * i, f"carol{i % 3}"), n + 100 * i)
        found.append(followed)
    return found


# ---------------------------------------------------------------- the same as the whole journal


@pytest.mark.parametrize("share", [0.05, 0.31, 0.62, 0.93])
def test_after_a_snapshot_every_fact_of_an_incident_follows_as_it_does_from_all(
    share: float, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(gzip.decompress((JOURNALS / "0001.db.gz").read_bytes()))
    secret = parse_secret((JOURNALS / "0001.secret").read_text())
    journal = Journal(path, secret, durable=False)
    key = derived(secret, "draw")
    inputs: list[tuple[int, Fact]] = [
        (line.n, line.fact()) for line in journal.lines() if line.cause is None
    ]
    cut = int(len(inputs) * share)
    states = States(key)
    for n, fact in inputs[:cut]:
        follow(states, fact, n)
    last = inputs[cut][0] - 1
    assert Snapshots(journal, key).write(states, last)
    found = Snapshots(journal, key).newest()
    assert found is not None and found[0] == last
    for n, fact in inputs[cut:]:
        assert follow(found[1], fact, n) == follow(states, fact, n)
    journal.close()


def test_a_start_follows_only_what_came_after_and_goes_on_alike(tmp_path: Path) -> None:
    journal, _ = kept(tmp_path)
    grown(
        Runner(journal, KEY), 5
    )  # by somebody who makes no snapshots: an old one, a longer journal
    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    assert runner._since == 5
    n = runner.upcoming
    assert continued(runner.states, n) == continued(replayed(journal, KEY), n)
    journal.close()


def test_the_keyed_draws_keep_their_key_and_the_file_does_not_hold_it(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    key = b"a key that is long enough to be found"
    runner = Runner(journal, key)
    runner.record_now(CONFIGURED)
    Snapshots(journal, key).write(runner.states, journal.last)
    (path,) = tmp_path.glob("*.snapshot")
    assert key not in path.read_bytes()
    found = Snapshots(journal, key).newest()
    assert found is not None and found[1].key == key
    journal.close()


def test_what_a_station_fails_on_is_left_out_after_a_snapshot_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = kept(tmp_path)
    grown(Runner(journal, KEY), 3)
    bad = max(line.n for line in journal.lines() if line.cause is None)
    steps = _fixpoint._STEPS

    def raising(states: States, fact: Fact, n: int) -> None:
        if n == bad:
            raise ValueError("cannot")

    monkeypatch.setattr(_fixpoint, "_STEPS", (("accept", raising), *steps))
    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    assert runner._since == 2
    n = runner.upcoming
    assert continued(runner.states, n) == continued(replayed(journal, KEY), n)
    journal.close()


def test_a_lost_commit_takes_the_states_back_to_the_snapshot_and_what_followed(
    tmp_path: Path,
) -> None:
    journal, _ = kept(tmp_path)
    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    grown(runner, 2)
    n = runner.upcoming
    runner.append(reception(n, "lost"))
    runner._lost(JournalError("disk full"))
    assert runner.upcoming == n and runner._since == 2
    assert continued(runner.states, n) == continued(replayed(journal, KEY), n)
    journal.close()


# ---------------------------------------------------------------- not used


def _flipped(at: Callable[[bytes], int]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        raw[at(bytes(raw))] ^= 1
        path.write_bytes(raw)

    return change


def _instead(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _of_other_fact(path: Path) -> None:
    """A true one under another name and number: the seal covers the number."""
    first, header, rest = path.read_bytes().split(b"\n", 2)
    n = int(path.name.split(".")[1])
    path.write_bytes(b"\n".join((first, header.replace(b'"n":%d' % n, b'"n":%d' % (n - 1)), rest)))


def _evil(path: Path) -> None:
    """Somebody else's states under a header that fits."""
    first, header, rest = path.read_bytes().split(b"\n", 2)
    content = pickle.dumps(_Evil()).ljust(len(rest) - 32, b".")
    path.write_bytes(first + b"\n" + header + b"\n" + bytes(32) + content)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.abort, ()  # type: ignore[return-value]


DAMAGE: dict[str, Callable[[Path], None]] = {
    "nothing in it": _instead(lambda path: path.touch()),
    "cut short": lambda path: os.truncate(path, path.stat().st_size - 1),
    "cut in its header": lambda path: os.truncate(path, 40),
    "longer": lambda path: os.truncate(path, path.stat().st_size + 1),
    "first line": _flipped(lambda raw: 3),
    "header": _flipped(lambda raw: raw.index(b"{")),
    "journal's digest": _flipped(lambda raw: raw.index(b'"journal":"') + 15),
    "the seal": _flipped(lambda raw: raw.index(b"}\n") + 5),
    "first byte of the states": _flipped(lambda raw: raw.index(b"}\n") + 2 + 32),
    "last byte of the states": _flipped(lambda raw: len(raw) - 1),
    "another number": _of_other_fact,
    "foreign states": _evil,
    "a link": _instead(lambda path: path.symlink_to("/dev/zero")),
    "a folder": _instead(lambda path: path.mkdir()),
    "a pipe": _instead(lambda path: os.mkfifo(path)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_a_line_in_the_log_and_the_whole_journal_is_followed(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal, path = kept(tmp_path)
    damage(path)
    caplog.set_level(logging.WARNING)
    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    assert len(caplog.records) == 1 and "is not used" in caplog.text
    assert runner._since == 13
    n = runner.upcoming
    assert continued(runner.states, n) == continued(replayed(journal, KEY), n)
    journal.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=300), sealed=st.booleans())
def test_whatever_bytes_there_are_nothing_is_unpickled(
    content: bytes, sealed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpickled(_: object) -> None:
        raise AssertionError("unpickled")

    folder = tmp_path / os.urandom(8).hex()
    journal, path = kept(folder, 1)
    monkeypatch.setattr(snapshot.pickle, "loads", unpickled)  # type: ignore[attr-defined]
    head = path.read_bytes().split(b"}\n")[0] + b"}\n" if sealed else b""
    path.write_bytes(head + content)
    assert Snapshots(journal, KEY).newest() is None
    journal.close()


def test_another_version_does_not_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, _ = kept(tmp_path)
    monkeypatch.setattr(snapshot, "code_digest", lambda: "0" * 64)
    assert Snapshots(journal, KEY).newest() is None
    assert "another version" in caplog.text
    journal.close()


def test_the_code_is_every_file_of_the_package_the_logic_and_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "unlisted"
    (package / "loop").mkdir(parents=True)
    for name in ("__init__.py", "loop/rules.toml"):
        (package / name).write_text("a = 1\n")
    monkeypatch.setattr(snapshot.unlisted, "__file__", str(package / "__init__.py"))
    seen = [snapshot.code_digest()]
    (package / "loop/rules.toml").write_text("a = 2\n")
    seen.append(snapshot.code_digest())
    (package / "loop/rules.toml").rename(package / "loop/rule.toml")
    seen.append(snapshot.code_digest())
    monkeypatch.setattr(snapshot.facts, "LOGIC", -1)
    seen.append(snapshot.code_digest())
    monkeypatch.setattr(snapshot.platform, "python_version", lambda: "3.99.0")
    seen.append(snapshot.code_digest())
    assert len(set(seen)) == len(seen)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"")
    assert snapshot.code_digest() == seen[-1]


def test_another_key_does_not_use_it(tmp_path: Path) -> None:
    journal, _ = kept(tmp_path)
    assert Snapshots(journal, b"another").newest() is None
    journal.close()


def test_another_journal_of_the_same_shape_does_not_use_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal, path = kept(tmp_path / "one")
    journal.close()
    other = filled(tmp_path / "other", at=AT + 0.001)
    path.rename(tmp_path / "other" / path.name)
    assert Snapshots(other, KEY).newest() is None
    assert "another journal" in caplog.text
    other.close()


def test_one_of_more_than_a_restored_journal_holds_is_not_used_and_makes_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short = filled(tmp_path / "short", 4)
    journal, path = kept(tmp_path / "long")
    journal.close()
    path.rename(tmp_path / "short" / path.name)
    runner = Runner(short, KEY, Snapshots(short, KEY))
    assert "the journal ends before" in caplog.text and runner._since == 5
    grown(runner, 12, AT + 0.5)  # now it is longer than that snapshot, and says other things
    again = Snapshots(short, KEY)
    assert again.newest() is None and "another journal" in caplog.text
    assert again.write(runner.states, short.last)
    assert snapshots_of(short) == [f"journal.{short.last:012d}.snapshot"]
    short.close()


# ---------------------------------------------------------------- writing


def test_two_are_kept_whole_and_for_their_owner_only(tmp_path: Path) -> None:
    journal, _ = kept(tmp_path)
    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    numbers = [journal.last]
    for _ in range(3):
        grown(runner, 1)
        assert runner.snapshots is not None
        assert runner.snapshots.write(runner.states, journal.last)
        numbers.append(journal.last)
    assert snapshots_of(journal) == [f"journal.{n:012d}.snapshot" for n in numbers[-2:]]
    for name in snapshots_of(journal):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    (tmp_path / snapshots_of(journal)[1]).write_bytes(b"")
    assert (found := Snapshots(journal, KEY).newest()) and found[0] == numbers[-2]
    journal.close()


def test_a_disk_that_is_full_costs_the_snapshot_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, path = kept(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    grown(runner, 1)
    monkeypatch.setattr(snapshot.os, "fsync", full)
    assert runner.snapshots is not None
    assert not runner.snapshots.write(runner.states, journal.last)
    assert "No space left" in caplog.text
    assert snapshots_of(journal) == [path.name]
    journal.close()


def _waits(*_: object, **__: object) -> bytes:
    signal.pause()
    raise AssertionError


def test_a_child_killed_while_it_writes_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, path = kept(tmp_path)
    made = Snapshots(journal, KEY)
    runner = Runner(journal, KEY)
    grown(runner, 3)
    with monkeypatch.context() as patched:
        patched.setattr(snapshot.os, "fsync", _waits)
        assert made.write_aside(runner.states, journal.last)
    _until(lambda: len(snapshots_of(journal)) == 2)  # its bytes are there, under a name for now
    assert made.reap() and not made.write_aside(runner.states, journal.last)
    os.kill(made._child, signal.SIGKILL)
    _until(lambda: not made.reap())
    assert "could not be written" in caplog.text
    found = Snapshots(journal, KEY).newest()
    assert found is not None and found[0] == int(path.name.split(".")[1])
    assert made.write(runner.states, journal.last)
    assert len(snapshots_of(journal)) == 2 and not list(tmp_path.glob("*.part"))
    journal.close()


def test_a_child_that_outlives_its_parent_holds_neither_lock_nor_port_and_is_not_stopped_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = kept(tmp_path)
    made = Snapshots(journal, KEY)
    read, write = os.pipe()
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    states = replayed(journal, KEY)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(snapshot.pickle, "dumps", _waits)
            assert made.write_aside(states, journal.last)
        os.close(write)
        assert os.read(read, 1) == b""  # nobody else has the other end open any more
        journal.close()
        opened(tmp_path).close()
        assert made.reap()
        os.kill(made._child, signal.SIGTERM)  # a signal to the child is the child's end, not ours
        _until(lambda: not made.reap())
        assert not seen
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(read)


def test_a_stop_ends_a_child_that_still_writes_and_makes_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, _ = kept(tmp_path)
    made = Snapshots(journal, KEY)
    with monkeypatch.context() as patched:
        patched.setattr(snapshot.os, "fsync", _waits)
        assert made.write_aside(replayed(journal, KEY), journal.last)
    assert made.write(replayed(journal, KEY), journal.last)
    assert not made.reap() and not list(tmp_path.glob("*.part"))
    journal.close()


# ---------------------------------------------------------------- when


def test_while_running_one_is_made_after_so_many_inputs_and_the_facts_are_the_same(
    tmp_path: Path,
) -> None:
    def bodies(folder: Path, every: int | None) -> list[str]:
        journal = opened(folder)
        runner = Runner(journal, KEY, Snapshots(journal, KEY, every))

        async def run() -> None:
            await runner.record(CONFIGURED)
            for i in range(24):
                n = runner.upcoming
                await runner.record(reception(n, f"bob{i}"))
                if runner.snapshots is not None:
                    runner.snapshots.reap(wait=True)

        asyncio.run(run())
        found = [f"{line!r}" for line in journal.lines()]
        journal.close()
        return found

    assert bodies(tmp_path / "with", 10) == bodies(tmp_path / "without", None)
    journal = opened(tmp_path / "with")
    assert len(snapshots_of(journal)) == 2
    assert Runner(journal, KEY, Snapshots(journal, KEY))._since == 5
    assert not list((tmp_path / "without").glob("*.snapshot"))
    journal.close()


def test_where_no_child_can_be_made_the_fact_is_answered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none() -> int:
        raise OSError(11, "Resource temporarily unavailable")

    journal = opened(tmp_path)
    runner = Runner(journal, KEY, Snapshots(journal, KEY, 1))
    monkeypatch.setattr(snapshot.os, "fork", none)

    async def run() -> int:
        return await runner.record(CONFIGURED)

    assert asyncio.run(run()) == 1
    assert "no snapshot of fact 1" in caplog.text
    journal.close()


def test_a_stop_makes_one_unless_following_the_journal_costs_as_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    runner = Runner(journal, KEY, Snapshots(journal, KEY))
    runner.record_now(CONFIGURED)
    runner.snapshot()
    assert not snapshots_of(journal)
    monkeypatch.setattr("unlisted.edge.runner.WORTH", 10)
    grown(runner, 9)
    runner.append(reception(runner.upcoming))  # not durable yet: it is before the snapshot is
    runner.snapshot()
    assert snapshots_of(journal) == [f"journal.{journal.committed:012d}.snapshot"]
    (before,) = tmp_path.glob("*.snapshot")
    seen = before.stat().st_mtime_ns
    runner.snapshot()  # nothing came after
    assert before.stat().st_mtime_ns == seen
    journal.close()


def test_a_backup_holds_no_snapshot(tmp_path: Path) -> None:
    journal, path = kept(tmp_path / "state")
    manifest = backup.backup(tmp_path / "state", tmp_path / "kept.tar")
    assert [entry.name for entry in manifest.files] == ["journal.db"] and path.exists()
    backup.restore(tmp_path / "kept.tar", tmp_path / "again")
    assert [one.name for one in (tmp_path / "again").iterdir()] == ["journal.db"]
    journal.close()


def _until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s
        time.sleep(0.005)
