"""The crash bench judges rightly: what it must call lost, unexplained or unsynced."""

from pathlib import Path

import pytest
from bench import powercut
from bench.crash import Death, judged
from bench.powercut import Disk, Event, parsed, unsynced
from bench.relayed import Acknowledged, Copy

ACK = [Acknowledged("t", "m7", 1.0)]


@pytest.mark.parametrize(
    ("copies", "rows", "settled", "lost"),
    [
        ([Copy("t", 1.9, 2.0, 2.1)], set(), set(), 0),
        ([], {"m7"}, set(), 0),
        ([], set(), {"m7"}, 0),
        ([], set(), set(), 1),
        ([Copy("other", 1.9, 2.0, 2.1)], {"m8"}, {"m9"}, 1),
    ],
)
def test_lost_is_what_nobody_has(
    copies: list[Copy], rows: set[str], settled: set[str], lost: int
) -> None:
    assert len(judged(ACK, copies, [], rows, settled).lost) == lost


@pytest.mark.parametrize(
    ("replied_at", "death", "explained"),
    [
        (None, Death(2.2, frozenset({"m7.0"})), True),  # the final reply was in flight
        (2.1, Death(2.2, frozenset({"m7.0"})), True),  # read, perhaps, and not yet durable
        (2.1, Death(2.2, frozenset()), False),  # durable: it must not go out again
        (2.1, Death(9.0, frozenset({"m7.0"})), False),  # no kill between the copies
        (2.1, Death(1.9, frozenset({"m7.0"})), False),  # before its session began
        (2.1, Death(1.97, frozenset({"m7.0"})), True),  # its dot lay in the buffer at the kill
        (2.1, Death(3.9, frozenset({"m7.0"})), False),  # too long before the kill
        (2.1, None, False),
    ],
)
def test_a_second_copy_needs_proof_from_both_sides(
    replied_at: float | None, death: Death | None, explained: bool
) -> None:
    copies = [Copy("t", 1.95, 2.0, replied_at), Copy("t", 3.9, 4.0, 4.1)]
    verdict = judged(ACK, copies, [death] if death else [], set(), set())
    assert (verdict.duplicates, len(verdict.unexplained)) == (1, 0 if explained else 1)


def calls(*names: str) -> list[Event]:
    made = []
    for place, name in enumerate(names):
        call, path, data = {
            "dot": ("recvfrom", "socket:[1]", b"x\r\n.\r\n"),
            "other dot": ("recvfrom", "socket:[2]", b"x\r\n.\r\n"),
            "250": ("sendto", "socket:[1]", b"250 2.0.0 Accepted as m7\r\n"),
            "other 250": ("sendto", "socket:[2]", b"250 2.0.0 Accepted as m8\r\n"),
            "write": ("pwrite64", "/s/journal.db-wal", b"frames"),
            "sync": ("fdatasync", "/s/journal.db-wal", b""),
            "other sync": ("fdatasync", "/s/journal.db", b""),
        }[name]
        made.append(Event(call, place, place, path, data, result=len(data)))
    return made


@pytest.mark.parametrize(
    ("names", "failures"),
    [
        (("dot", "write", "sync", "250"), 0),
        (("dot", "other dot", "write", "write", "sync", "250", "other 250"), 0),
        (("dot", "write", "250"), 1),
        (("dot", "write", "250", "sync"), 1),
        (("dot", "sync", "write", "250"), 1),
        (("dot", "write", "other sync", "250"), 1),
        (("write", "sync", "dot", "250"), 1),
        (("write", "sync", "250"), 1),
        (("dot", "write", "sync", "250", "other dot", "other 250"), 1),
    ],
)
def test_a_250_needs_a_sync_of_the_log_behind_its_dot(
    names: tuple[str, ...], failures: int
) -> None:
    assert len(unsynced(calls(*names))) == failures


def test_a_rebuilt_folder_has_only_synced_bytes_and_synced_names(tmp_path: Path) -> None:
    disk = Disk("/s")

    def do(call: str, path: str, data: bytes = b"", offset: int = 0) -> None:
        disk.apply(Event(call, 0, 0, path, data, offset, len(data)))

    do("openat", "/s/a")
    do("pwrite64", "/s/a", b"hello")
    do("fdatasync", "/s/a")
    disk.rebuild(tmp_path / "1")
    assert list((tmp_path / "1").iterdir()) == [], "its name was not synced"
    do("fsync", "/s")
    do("pwrite64", "/s/a", b"HE", 0)
    do("pwrite64", "/s/a", b"!", 7)
    disk.rebuild(tmp_path / "2")
    assert (tmp_path / "2" / "a").read_bytes() == b"hello", "the last writes were not"
    do("fdatasync", "/s/a")
    do("ftruncate", "/s/a", b"", 4)
    disk.rebuild(tmp_path / "3")
    assert (tmp_path / "3" / "a").read_bytes() == b"HEllo\0\0!"
    do("unlink", "/s/a")
    disk.rebuild(tmp_path / "4")
    assert (tmp_path / "4" / "a").exists(), "nor was the unlinking"


def test_straces_lines_become_calls_split_ones_by_their_end(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        r"""1 openat(AT_FDCWD</s>, "\x2f\x73\x2f\x61", O_RDWR|O_CREAT, 0644) = 5</s/a>
1 pwrite64(5</s/a>, "\x68\x69", 2, 24 <unfinished ...>
2 recvfrom(7<socket:[99]>, "\x78\x0d\x0a\x2e\x0d\x0a", 262144, 0, NULL, NULL) = 6
1 <... pwrite64 resumed>) = 2
1 fdatasync(5<\x2f\x73\x2f\x61>) = 0
1 fdatasync(5</s/a>) = -1 EIO (Input/output error)
1 +++ killed by SIGKILL +++
"""
    )
    found = [(e.call, e.path, e.data, e.offset, e.begun, e.ended) for e in parsed(trace)]
    assert found == [
        ("openat", "/s/a", b"", 0, 0, 0),
        ("recvfrom", "socket:[99]", b"x\r\n.\r\n", 0, 2, 2),
        ("pwrite64", "/s/a", b"hi", 24, 1, 3),
        ("fdatasync", "/s/a", b"", 0, 4, 4),
    ]


def test_a_file_that_is_no_journal_knows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(b"not a database" * 100)
    assert powercut.receptions(file) == set()
