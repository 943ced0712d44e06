"""Output of commands: files are replaced whole, everything else is written through."""

import os
import stat
import threading
from pathlib import Path

import pytest

from unlisted.apps.classify import Unreadable
from unlisted.apps.outlet import put


def test_a_file_is_replaced_whole_and_a_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    put(link, ("new",))
    assert link.is_symlink() and target.read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_a_new_private_file_is_its_owners(tmp_path: Path) -> None:
    put(tmp_path / "letters", ("x",), private=True)
    assert stat.S_IMODE((tmp_path / "letters").stat().st_mode) == 0o600


def test_a_fifo_is_written_through(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()), daemon=True)
    reader.start()
    put(fifo, ("said",))
    reader.join(10)
    assert got == ["said"] and stat.S_ISFIFO(fifo.stat().st_mode)


def test_an_open_file_is_written_through(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w+") as file:
        put(Path(f"/dev/fd/{file.fileno()}"), ("said",))
        assert file.read() == "said" and os.listdir(tmp_path) == ["open"]


@pytest.mark.parametrize("name", ["full", "none/file", "."])
def test_what_cannot_be_written_is_one_sentence(name: str, tmp_path: Path) -> None:
    # A link, so that a mistake of ours replaces the link and not the machine's device.
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(Unreadable, match="not written"):
        put(tmp_path / name, ("x",))
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
