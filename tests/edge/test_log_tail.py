"""A tail gives every line once, in order, whatever is done to the file meanwhile."""

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.edge.log_input import LINE_LIMIT
from unlisted.edge.log_tail import Place, Tail, decoded


def stamped(number: int) -> bytes:
    return b"Nov 23 10:%02d:%02d line %d " % (number // 60 % 60, number % 60, number) + b"x" * 30


def add(path: Path, *numbers: int) -> None:
    with path.open("ab") as file:
        for number in numbers:
            file.write(stamped(number) + b"\n")


def drained(tail: Tail, limit: int = 1 << 20) -> list[bytes]:
    found: list[bytes] = []
    idle = 0
    while idle < 4 or not tail.at_end():
        lines = tail.read(limit)
        idle = 0 if lines else idle + 1
        found += [line.data for line in lines]
        assert idle < 2000
    return found


def lines(*numbers: int) -> list[bytes]:
    return [stamped(number) for number in numbers]


@pytest.fixture(autouse=True)
def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every tail made here lets go of its file at the end."""
    made: list[Tail] = []
    begin = Tail.__init__

    def noted(self: Tail, path: Path, place: Place | None = None) -> None:
        made.append(self)
        begin(self, path, place)

    monkeypatch.setattr(Tail, "__init__", noted)
    yield
    for tail in made:
        tail.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "mail.log"


def again(tail: Tail) -> Tail:
    """A later process, with what an earlier one wrote down."""
    tail.close()
    return Tail(tail.path, decoded(msgspec.json.encode(tail.place)))


def test_lines_come_once_as_they_are_written(log: Path) -> None:
    tail = Tail(log)
    assert tail.read() == []
    add(log, 1, 2)
    assert drained(tail) == lines(1, 2)
    add(log, 3)
    assert drained(tail) == lines(3)


def test_a_line_waits_for_its_end(log: Path) -> None:
    log.write_bytes(b"half")
    tail = Tail(log)
    assert drained(tail) == []
    with log.open("ab") as file:
        file.write(b" done\n")
    assert drained(tail) == [b"half done"]


def test_a_small_limit_changes_nothing(log: Path) -> None:
    add(log, *range(200))
    assert drained(Tail(log), limit=70) == lines(*range(200))


def test_rotation_by_renaming_loses_nothing_written_to_the_old_file_after_it(log: Path) -> None:
    add(log, 1)
    tail = Tail(log)
    with log.open("ab") as writer:
        assert drained(tail) == lines(1)
        log.rename(log.with_name("mail.log.1"))
        writer.write(stamped(2) + b"\n")
        writer.flush()
        assert drained(tail) == lines(2)
        log.touch()  # made anew, and the writer has not been told yet
        assert tail.read() == []
        writer.write(stamped(3) + b"\n")
        writer.flush()
        assert tail.read()[0].data == stamped(3)
    add(log, 4)
    assert drained(tail) == lines(4)
    assert tail.files == 1


def test_numbers_begin_anew_with_each_file(log: Path) -> None:
    add(log, 1, 2)
    tail = Tail(log)
    assert [line.number for line in tail.read()] == [1, 2]
    log.rename(log.with_name("mail.log.1"))
    add(log, 3)
    drained(tail)
    assert tail.place.line == 2


@pytest.mark.parametrize("live", [True, False])
def test_copytruncate_reads_the_rest_from_the_copy(log: Path, live: bool) -> None:
    add(log, *range(50))
    tail = Tail(log)
    assert drained(tail) == lines(*range(50))
    add(log, 50, 51)
    shutil.copy(log, log.with_name("mail.log.1"))
    os.truncate(log, 0)
    add(log, 52)
    assert drained(tail if live else again(tail)) == lines(50, 51, 52)


def test_a_truncated_file_that_grew_beyond_our_place_is_seen(log: Path) -> None:
    add(log, 1, 2)
    tail = Tail(log)
    drained(tail)
    log.write_bytes(b"")
    add(log, *range(100, 120))
    assert drained(tail) == lines(*range(100, 120))


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)]
)
def test_what_was_rotated_and_packed_while_we_were_down_is_read_on(
    log: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    add(log, *range(40))
    tail = Tail(log)
    tail.read(500)
    given_ = tail.place.line - 1
    log.with_name(f"mail.log.2.{ending}").write_bytes(pack(log.read_bytes()))
    os.utime(log.with_name(f"mail.log.2.{ending}"), (1e9, 1e9))
    log.unlink()
    add(log.with_name("mail.log.1"), *range(40, 45))
    os.utime(log.with_name("mail.log.1"), (2e9 - 10, 2e9 - 10))
    add(log, *range(45, 50))
    assert drained(again(tail), limit=300) == lines(*range(given_, 50))


def test_a_rotated_file_packed_after_it_was_read_is_not_read_twice(log: Path) -> None:
    add(log, *range(40))
    tail = Tail(log)
    drained(tail)
    log.rename(log.with_name("mail.log.1"))
    add(log, 40)
    assert drained(tail) == lines(40)
    packed = log.with_name("mail.log.1.gz")
    packed.write_bytes(gzip.compress(log.with_name("mail.log.1").read_bytes()))
    log.with_name("mail.log.1").unlink()
    os.utime(packed, (2e9, 2e9))
    log.rename(log.with_name("mail.log.0"))
    add(log, 41)
    assert drained(again(tail)) == lines(41)


def test_a_file_that_is_gone_is_said_to_be(log: Path) -> None:
    add(log, *range(40))
    tail = Tail(log)
    drained(tail)
    log.unlink()
    add(log, 41)
    later = again(tail)
    assert drained(later) == lines(41)
    assert later.lost


def test_an_endless_line_is_skipped_in_bounded_memory(log: Path) -> None:
    with log.open("wb") as file:
        file.write(stamped(1) + b"\n")
        for _ in range(100):
            file.write(b"y" * LINE_LIMIT)
        file.write(b"\n" + stamped(2) + b"\n")
    tail = Tail(log)
    assert drained(tail, limit=4096) == lines(1, 2)
    assert tail.skipped == 1
    assert tail.place.line == 4


@given(
    st.lists(
        st.sampled_from(["add", "rename", "copytruncate", "restart", "pack", "read"]), max_size=30
    )
)
@settings(max_examples=80, deadline=None)
def test_any_history_of_a_file_gives_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    log = tmp_path_factory.mktemp("tail") / "mail.log"
    log.touch()
    tail, found, number, age = Tail(log), [], 0, 1e9
    assert tail.read() == []  # begun: what was rotated away before is not ours
    rotated = 0
    for act in acts:
        age += 10
        if act == "add":
            add(log, number, number + 1)
            number += 2
        elif act == "read":
            found += [line.data for line in tail.read(150)]
        elif act == "restart":
            tail = again(tail)
        elif act in ("rename", "copytruncate") and log.stat().st_size:
            rotated += 1
            name = log.with_name(f"mail.log-{rotated:04d}")
            if act == "rename":
                log.rename(name)
                log.touch()
            else:
                found += drained(tail)  # its copy is one file: what came before it must be read
                shutil.copy(log, name)
                os.truncate(log, 0)
                found += drained(tail)
            os.utime(name, (age, age))
        elif act == "pack":
            # As logrotate's delaycompress does: the newest stays as it is for one turn.
            for name in sorted(log.parent.glob("mail.log-*[0-9]"))[:-1]:
                packed = name.with_name(f"{name.name}.gz")
                packed.write_bytes(gzip.compress(name.read_bytes()))
                os.utime(packed, (name.stat().st_mtime, name.stat().st_mtime))
                name.unlink()
    found += drained(tail)
    assert found == lines(*range(number))


@given(st.binary(max_size=200))
def test_any_checkpoint_is_a_place_or_refused(data: bytes) -> None:
    try:
        place = decoded(data)
    except ValueError:
        return
    assert place.offset >= 0


@given(st.builds(Place, offset=st.integers(0, 2**60), line=st.integers(1, 2**60)))
def test_a_place_written_down_is_the_same_place(place: Place) -> None:
    assert decoded(msgspec.json.encode(place)) == place
