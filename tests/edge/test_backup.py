"""A backup round-trips beside a running writer, and a hostile archive changes nothing."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge import backup as backups
from unlisted.edge import journal as journals
from unlisted.edge.backup import BackupError, backup, restore
from unlisted.edge.journal import Journal
from unlisted.facts import TimerFired

SECRET = bytes(32)


def state_of(folder: Path, count: int = 50) -> Journal:
    folder.mkdir()
    made = Journal(folder / "journal.db", SECRET, durable=False)
    (folder / "secret").write_text("00" * 32 + "\n")
    (folder / "operator.token").write_text("token\n")
    for n in range(1, count + 1):
        made.append(n, TimerFired(at=float(n), key=f"k{n}"), (), body=b"mail " * 100)
    made.commit()
    return made


def test_a_backup_made_beside_a_running_writer_restores_to_the_same_journal(tmp_path: Path) -> None:
    writer = state_of(tmp_path / "state")
    try:
        # An open transaction is not in it, and does not hold it up.
        writer.append(51, TimerFired(at=51.0, key="open"), ())
        manifest = backup(tmp_path / "state", tmp_path / "b.tar")
        writer.commit()
    finally:
        writer.close()
    assert manifest.facts == 50
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    restored = tmp_path / "new"
    restore(tmp_path / "b.tar", restored)
    assert sorted(path.name for path in restored.iterdir()) == [
        "journal.db",
        "operator.token",
        "secret",
    ]
    assert all(path.stat().st_mode & 0o077 == 0 for path in [restored, *restored.iterdir()])
    with_writer = Journal(restored / "journal.db", SECRET)
    assert [line.n for line in with_writer.lines()] == list(range(1, 51))
    assert with_writer.body("m7") == b"mail " * 100
    with_writer.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "new", "state"]


def test_any_tar_program_can_read_it(tmp_path: Path) -> None:
    state_of(tmp_path / "state").close()
    backup(tmp_path / "state", tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert tar.getnames() == ["manifest.json", "journal.db", "secret", "operator.token"]


def test_a_backup_replaces_no_file_and_a_restore_no_state(tmp_path: Path) -> None:
    state_of(tmp_path / "state").close()
    backup(tmp_path / "state", tmp_path / "b.tar")
    with pytest.raises(BackupError, match="already"):
        backup(tmp_path / "state", tmp_path / "b.tar")
    with pytest.raises(BackupError, match="not empty"):
        restore(tmp_path / "b.tar", tmp_path / "state")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "b.tar", tmp_path / "empty")


def test_without_a_journal_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(journals.JournalError, match="no journal"):
        backup(tmp_path / "none", tmp_path / "b.tar")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- hostile archives


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    state_of(folder / "state", 5).close()
    backup(folder / "state", folder / "b.tar")
    return (folder / "b.tar").read_bytes()


def made_of(*members: tuple[str, bytes], **fields: object) -> bytes:
    """An archive with this manifest and these members."""
    entries = [
        {"name": name, "size": len(data), "sha256": "0" * 64} | fields for name, data in members
    ]
    manifest = msgspec.json.encode({"format": 1, "facts": 5, "files": entries})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in (("manifest.json", manifest), *members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def linked(kind: bytes, target: str) -> Callable[[bytes], bytes]:
    def change(good: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            data = made_of(("journal.db", b""))[512:1024].rstrip(b"\0")
            info = tarfile.TarInfo("manifest.json")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            info = tarfile.TarInfo("journal.db")
            info.type, info.linkname = kind, target
            tar.addfile(info)
        return out.getvalue()

    return change


def pax(good: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("manifest.json")
        info.pax_headers = {"comment": "x" * 5000}
        tar.addfile(info, io.BytesIO(b""))
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda good: b"", "cut short"),
        (lambda good: b"\0" * 2048, "not a tar archive"),
        (lambda good: b"\x1f\x8b" + b"x" * 2000, "not a tar archive"),
        (lambda good: good[:700], "cut short"),
        (lambda good: good[: len(good) // 2], "cut short"),
        (lambda good: good.replace(b"k3", b"k9", 1), "damaged"),
        (lambda good: made_of(("../evil", b"x")), "may hold journal.db"),
        (lambda good: made_of(("/etc/cron.d/evil", b"x")), "may hold journal.db"),
        (lambda good: made_of(("journal.db", b"x"), ("journal.db", b"x")), "once each"),
        (lambda good: made_of(("secret", b"x")), "lacks journal.db"),
        (lambda good: made_of(("journal.db", b"x")), "damaged"),
        (lambda good: made_of(("journal.db", b"x"), size=1 << 60), "cut short"),
        (lambda good: made_of(("journal.db", b"x"), size=-1), "below 0"),
        (lambda good: made_of(("journal.db", b"x"), size=0), "says 'journal.db'"),
        (lambda good: made_of(), "lacks journal.db"),
        (lambda good: good.replace(b'"format": 1', b'"format": 9', 1), "format 9"),
        (lambda good: good.replace(b'"name": "j', b'"name": "\xff', 1), "manifest.json"),
        (lambda good: made_of(("journal.db", b"x"), mode=7), "manifest.json"),
        (linked(tarfile.SYMTYPE, "/etc/passwd"), "something else than plain files"),
        (linked(tarfile.LNKTYPE, "../secret"), "something else than plain files"),
        (pax, "something else than plain files"),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_exactly_ours_is_refused_and_changes_nothing(
    tmp_path: Path, good: bytes, change: Callable[[bytes], bytes], words: str
) -> None:
    file = tmp_path / "b.tar"
    file.write_bytes(change(good))
    with pytest.raises(BackupError, match=words):
        restore(file, tmp_path / "inner" / "state")
    assert [path.name for path in tmp_path.rglob("*")] in (["b.tar", "inner"], ["inner", "b.tar"])


def test_a_journal_that_sqlite_finds_damaged_is_refused_although_its_sum_is_right(
    tmp_path: Path,
) -> None:
    data = b"SQLite format 3\0" + os.urandom(5000)
    import hashlib

    file = tmp_path / "b.tar"
    file.write_bytes(made_of(("journal.db", data), sha256=hashlib.sha256(data).hexdigest()))
    with pytest.raises(BackupError, match="cannot be read"):
        restore(file, tmp_path / "state")
    assert not (tmp_path / "state").exists()


@given(st.binary(max_size=3000))
def test_any_bytes_are_refused_with_an_error_of_our_own(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "b.tar"
        file.write_bytes(data)
        with pytest.raises(BackupError):
            restore(file, Path(folder) / "state")
        assert backups.MANIFEST not in os.listdir(folder)
