"""Whatever a log file is, reading it ends, says what it was, and stays within its bounds."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge.attempts import attempts_of
from unlisted.edge.log_input import LINE_LIMIT, LogInput, Source, sources_of
from unlisted.edge.log_reader import LogError, LogReport, read_logs
from unlisted.edge.unpack import DAMAGED, opened
from unlisted.mail.attempt import Attempt

NOW = 1_800_000_000.0


def line(
    number: int, *, stamp: str = "Nov  3 10:00:00", to: str = "b@example.com", host: str = "mx1"
) -> bytes:
    return (
        f"{stamp} {host} postfix/smtp[9]: 4Xk2Yz{number:06d}: to=<{to}>, relay=none, delay=1,"
        " delays=1/0/0/0, dsn=4.3.0, status=deferred (mail transport unavailable)\n"
    ).encode()


def read(*paths: Path | str, **options: Any) -> tuple[list[Attempt], LogReport]:
    reader = read_logs(list(paths), **{"zone": "UTC", "year": 2026, "now": NOW, **options})
    attempts = [attempt for batch in reader for attempt in attempts_of(batch)]
    return attempts, reader.report


def put(path: Path, data: bytes, written_at: float | None = None) -> Path:
    path.write_bytes(data)
    if written_at is not None:
        os.utime(path, (written_at, written_at))
    return path


MANY = b"".join(line(n) for n in range(20_000))
PACK = {
    "gzip": gzip.compress(MANY),
    "xz": lzma.compress(MANY),
    "bzip2": bz2.compress(MANY, 1),
    "zstd": pa.compress(MANY, "zstd", asbytes=True),
}


@pytest.mark.parametrize("packing", PACK)
def test_half_a_packed_file_gives_what_could_be_read_and_says_so(
    packing: str, tmp_path: Path
) -> None:
    half = PACK[packing][: len(PACK[packing]) // 2]
    attempts, report = read(put(tmp_path / "half", half))
    file = report.files[0]
    if packing != "xz":  # one block, of which half is nothing
        assert 1_000 < len(attempts) < 20_000
    assert file.problem is None and packing in str(file.damaged)
    assert len({a.queue_id for a in attempts}) == len(attempts)


@pytest.mark.parametrize("packing", PACK)
def test_a_damaged_packed_file_is_no_error(packing: str, tmp_path: Path) -> None:
    data = bytearray(PACK[packing])
    for at in range(len(data) // 3, 2 * len(data) // 3):
        data[at] = 0xFF
    _, report = read(put(tmp_path / "damaged", bytes(data)))
    assert report.files[0].damaged


@pytest.mark.parametrize("packing", PACK)
def test_a_damaged_packed_file_costs_no_memory_once_it_was_refused(packing: str) -> None:
    whole = PACK[packing]
    damaged = whole[: len(whole) // 9] + b"\xff" * 600

    def refused(times: int) -> None:
        for _ in range(times):
            with opened(io.BytesIO(damaged)) as plain, pytest.raises(DAMAGED):
                while plain.read(1 << 16):
                    pass

    refused(3)
    tracemalloc.start()
    try:
        refused(30)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", "empty"),
        (bytes(range(256)) * 40, "no text"),
        (b"\x7fELF" + b"\1\2\3" * 5000, "no text"),
        (b"PK\x03\x04" + b"abc\n" * 500, "no text"),
    ],
)
def test_what_is_no_log_is_said_in_a_sentence(data: bytes, problem: str, tmp_path: Path) -> None:
    attempts, report = read(put(tmp_path / "x", data))
    assert attempts == [] and problem in str(report.files[0].problem)
    assert any("not read" in said for said in report.words())


def test_a_tar_archive_is_named_as_such(tmp_path: Path) -> None:
    kept = put(tmp_path / "mail.log", line(1))
    with tarfile.open(tmp_path / "logs.tgz", "w:gz") as archive:
        archive.add(kept)
    _, report = read(tmp_path / "logs.tgz")
    assert "tar" in str(report.files[0].problem)


def test_what_is_not_there_and_what_may_not_be_read_are_problems_of_that_file(
    tmp_path: Path,
) -> None:
    good = put(tmp_path / "good", line(1))
    (tmp_path / "empty").mkdir()
    attempts, report = read(
        tmp_path / "none", good, good / "below", tmp_path / "empty", "/dev/null"
    )
    problems = {Path(f.name).name: f.problem for f in report.files}
    assert len(attempts) == 1
    assert problems["none"] == "no such file or directory"
    assert problems["below"] == "not a directory"
    assert problems["empty"] == "a folder without files"
    assert problems["null"] == "neither a file nor a folder nor a pipe"


def test_a_file_that_may_not_be_opened_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    path = put(tmp_path / "secret", line(1))
    real = builtins.open

    def refuse(name: Any, *args: Any, **more: Any) -> Any:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "open", refuse)
    _, report = read(path)
    assert report.files[0].problem == "permission denied"


def test_a_folder_of_rotated_files_is_read_in_the_order_of_its_stamps(tmp_path: Path) -> None:
    put(tmp_path / "mail.log", line(3, stamp="Nov  3 10:00:00"))
    put(tmp_path / "mail.log.1", line(2, stamp="Nov  2 10:00:00"))
    put(tmp_path / "mail.log.10.gz", gzip.compress(line(1, stamp="Oct 24 10:00:00")))
    put(tmp_path / ".hidden", line(9))
    attempts, report = read(tmp_path)
    assert [int(a.queue_id[6:]) for a in attempts] == [1, 2, 3]
    assert [a.file for a in attempts] == [0, 1, 2]
    assert [Path(f.name).name for f in report.files] == ["mail.log.10.gz", "mail.log.1", "mail.log"]


def test_a_message_is_joined_across_rotated_files(tmp_path: Path) -> None:
    begun = b"Nov  2 23:59:59 mx1 postfix/pickup[1]: 4Xk2Yz000003: uid=33 from=<w>\n"
    put(tmp_path / "mail.log", line(3))
    put(tmp_path / "mail.log.1", begun)
    attempts, _ = read(tmp_path)
    assert [a.sender for a in attempts] == ["uid:33"]


def test_a_named_pipe_is_read_and_one_without_a_writer_is_no_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlisted.edge.pipe.WAIT_MS", 100)
    lonely, fed = tmp_path / "lonely", tmp_path / "fed"
    os.mkfifo(lonely)
    os.mkfifo(fed)
    writer = threading.Thread(target=lambda: fed.write_bytes(line(1) + line(2)))
    writer.start()
    monkeypatch.setattr("unlisted.edge.pipe.WAIT_MS", 5_000)
    attempts, _ = read(fed)
    writer.join()
    monkeypatch.setattr("unlisted.edge.pipe.WAIT_MS", 100)
    _, report = read(lonely)
    assert len(attempts) == 2
    assert "nobody writes" in str(report.files[0].problem)


class Endless(io.RawIOBase):
    """A pipe that gives so many bytes of one line, then the rest."""

    def __init__(self, filler: int, rest: bytes) -> None:
        self.filler, self.rest = filler, rest

    def read(self, count: int = -1, /) -> bytes:  # type: ignore[override]
        if self.filler > 0:
            step = min(self.filler, count, 1 << 20)
            self.filler -= step
            return b"x" * step
        rest, self.rest = self.rest[:count], self.rest[count:]
        return rest


def test_a_line_of_200_megabytes_is_skipped_in_bounded_memory_and_counted() -> None:
    stdin = Endless(200 * 1024 * 1024, b"\n" + line(7))
    tracemalloc.start()
    attempts, report = read("-", stdin=stdin, format="postfix")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [a.line for a in attempts] == [2]
    assert (report.files[0].not_read, report.files[0].lines) == (1, 2)
    assert report.files[0].samples[0].line == 1
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize("name", ["mail.log", "mail.log.gz"])
def test_a_line_of_64_megabytes_in_a_file_is_skipped_in_bounded_memory(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    with gzip.open(path, "wb", 1) if name.endswith(".gz") else path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + line(7))
    tracemalloc.start()
    attempts, report = read(path, format="postfix")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [a.line for a in attempts] == [2] and report.files[0].not_read == 1
    assert peak < 32 << 20


@pytest.mark.parametrize("length", [LINE_LIMIT - 2, LINE_LIMIT - 1, LINE_LIMIT, LINE_LIMIT * 3])
def test_line_numbers_hold_across_long_lines_and_small_blocks(length: int, tmp_path: Path) -> None:
    data = line(1) + b"y" * length + b"\n" + line(2) + b"z" * length + b"\n" + line(3)
    path = put(tmp_path / "x", data)
    for size in (1000, LINE_LIMIT, 1 << 20):
        source = sources_of([path])
        blocks = list(LogInput(source, block_bytes=size).blocks(0))
        numbered = [
            (block.first_line + n, text)
            for block in blocks
            for n, text in enumerate(block.data.splitlines(keepends=True))
        ]
        assert [n for n, text in numbered if text.startswith(b"Nov")] == [1, 3, 5]
        assert source[0].lines == 5
        assert source[0].too_long in (0, 2)


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_blocks_give_back_every_byte_of_ordinary_text(data: bytes, size: int) -> None:
    source = Source("-", None, None)
    given_back = b""
    lines = 0
    text = b"plain text so that it is a log\n" * 40 + data.replace(b"\0", b"")
    for block in LogInput([source], block_bytes=size, stdin=io.BytesIO(text)).blocks(0):
        assert block.data.endswith(b"\n")
        assert block.first_line == lines + 1
        lines += block.data.count(b"\n")
        given_back += block.data
    assert given_back in (text, text + b"\n", b"") and (given_back or source.problem)


@given(st.binary(max_size=4000))
def test_arbitrary_bytes_are_no_error(data: bytes) -> None:
    attempts, report = read("-", stdin=io.BytesIO(data))
    assert len(attempts) == report.attempts


@given(st.sampled_from(sorted(PACK)), st.integers(0, 500), st.binary(min_size=1, max_size=20))
def test_packed_bytes_with_a_change_are_no_error(packing: str, at: int, put_in: bytes) -> None:
    data = PACK[packing][:600]
    data = data[:at] + put_in + data[at + len(put_in) :]
    read("-", stdin=io.BytesIO(data))


def test_latin_1_lines_among_utf_8_are_read_each_by_its_own(tmp_path: Path) -> None:
    data = line(1, to="jürgen@example.com") + line(2, to="x").replace(b"<x>", b"<j\xfcrgen@a.de>")
    attempts, _ = read(put(tmp_path / "x", data))
    assert [a.recipient for a in attempts] == ["jürgen@example.com", "jürgen@a.de"]


def test_nul_bytes_left_by_a_crash_cost_nothing_but_themselves(tmp_path: Path) -> None:
    attempts, report = read(put(tmp_path / "x", b"\0" * 5000 + line(1) + line(2)))
    assert (len(attempts), report.files[0].problem) == (2, None)


def test_a_last_line_without_its_end_is_taken_only_if_it_closes_itself(tmp_path: Path) -> None:
    login = b"Nov  3 10:00:00 mx1 postfix/smtpd[1]: 4Xk2Yz000001: client=a[192.0.2.1], sasl_meth"
    whole, _ = read(put(tmp_path / "whole", line(1).rstrip()))
    _, report = read(put(tmp_path / "cut", line(1) + login))
    assert len(whole) == 1
    assert report.files[0].not_read == 1


def test_the_year_turns_and_never_lies_ahead(tmp_path: Path) -> None:
    january_5 = 1_767_571_200.0  # 2026-01-05
    path = put(
        tmp_path / "x",
        line(1, stamp="Dec 31 23:59:58")
        + line(2, stamp="Jan  1 00:00:01")
        + line(3, stamp="Dec 31 23:59:59")  # late by seconds
        + line(4, stamp="Jan  5 00:00:00"),
        written_at=january_5,
    )
    attempts, report = read(path, year=None)
    new_year = 1_767_225_600.0
    assert [a.at - new_year for a in attempts] == [-2.0, 1.0, -1.0, 4 * 86_400.0]
    assert any("no year" in said and "2025" in said for said in report.files[0].assumptions)


def test_a_clock_that_goes_back_keeps_its_year_and_its_rows(tmp_path: Path) -> None:
    stamps = ["Nov  3 10:00:00", "Nov  3 09:00:00", "Oct 31 10:00:00", "Nov  3 11:00:00"]
    path = put(tmp_path / "x", b"".join(line(n, stamp=s) for n, s in enumerate(stamps)))
    attempts, _ = read(path)
    base = 1_793_700_000.0
    assert [a.at - base for a in attempts] == [0.0, -3600.0, -3 * 86_400.0, 3600.0]


def test_a_zone_is_told_or_assumed_and_said(tmp_path: Path) -> None:
    path = put(tmp_path / "x", line(1, stamp="Jul  3 10:00:00") + line(2, stamp="Dec  3 10:00:00"))
    attempts, report = read(path, zone="Europe/Berlin")
    summer, winter = (a.at for a in attempts)
    assert (summer, winter) == (1_783_065_600.0, 1_796_288_400.0)
    assert any("Europe/Berlin (UTC+02:00)" in said for said in report.files[0].assumptions)


def test_the_hour_told_twice_in_autumn_goes_on(tmp_path: Path) -> None:
    stamps = ["Oct 25 02:59:00", "Oct 25 02:01:00", "Oct 25 02:30:00", "Oct 25 03:00:00"]
    path = put(tmp_path / "x", b"".join(line(n, stamp=s) for n, s in enumerate(stamps)))
    attempts, _ = read(path, zone="Europe/Berlin")
    assert [a.at - attempts[0].at for a in attempts] == [0.0, 120.0, 1860.0, 3660.0]


def test_two_hosts_in_the_files_stand_in_front_of_the_instance(tmp_path: Path) -> None:
    put(tmp_path / "a", line(1))
    put(tmp_path / "b", line(2, stamp="Nov  3 11:00:00", host="mx2"))
    attempts, _ = read(tmp_path)
    assert [a.instance for a in attempts] == ["mx1/postfix", "mx2/postfix"]


def test_logs_of_several_programs_are_each_read_as_their_own(tmp_path: Path) -> None:
    exim = b"2026-11-03 10:00:00 1qzABC-0003oP-5i => b@example.com R=x T=remote_smtp H=mx [192.0.2.1]\n"
    put(tmp_path / "exim_mainlog", exim)
    put(tmp_path / "mail.log", line(1))
    _, report = read(tmp_path)
    assert {f.format for f in report.files} == {"exim", "postfix"} and report.attempts == 2


def test_progress_counts_packed_bytes_up_to_all_of_them(tmp_path: Path) -> None:
    put(tmp_path / "a.gz", PACK["gzip"])
    put(tmp_path / "b", line(1))
    told: list[tuple[int, int | None]] = []
    read(tmp_path, progress=lambda done, total: told.append((done, total)))
    size = len(PACK["gzip"]) + len(line(1))
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_request_that_makes_no_sense_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such time zone"):
        read_logs([tmp_path], zone="Mars/Olympus")
    with pytest.raises(LogError, match="no such log format"):
        read_logs([tmp_path], format="sendmail")  # type: ignore[arg-type]
