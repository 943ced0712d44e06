"""The column reader says of every log what the line-by-line reader says of it."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.edge.postfix_traffic import NOON, Traffic

from unlisted.edge.log_input import Block
from unlisted.edge.log_plain import Reading, postfix_batches
from unlisted.edge.postfix_fast import postfix_fast_batches
from unlisted.logs.stamp import Calendar
from unlisted.logs.tally import Tally

Row = dict[str, Any]
Reader = Callable[..., Iterator[Any]]


def blocks_of(data: bytes, size: int, file: int = 0) -> Iterator[Block]:
    at, line = 0, 1
    while at < len(data):
        end = data.rfind(b"\n", at, at + size) + 1 or data.find(b"\n", at) + 1
        yield Block(file, line, data[at:end])
        line += data.count(b"\n", at, end)
        at = end


def rows_of(
    reader: Reader, data: bytes, size: int, zone: tzinfo = UTC, **options: Any
) -> tuple[list[Row], Tally]:
    tally = Tally()
    reading = Reading([Calendar(zone, NOON + 86_400.0)], [tally], **options)
    rows = [row for batch in reader(blocks_of(data, size), reading) for row in batch.to_pylist()]
    assert [row["line"] for row in rows] == sorted(row["line"] for row in rows)
    for row in rows:
        row["at"] = round(row["at"], 5)
    return rows, tally


def assert_same(data: bytes, size: int = 1 << 20, **options: Any) -> list[Row]:
    plain, plain_tally = rows_of(postfix_batches, data, size, **options)
    fast, fast_tally = rows_of(postfix_fast_batches, data, size, **options)
    for expected, found in zip(plain, fast, strict=False):
        assert found == expected
    assert len(fast) == len(plain)
    assert (fast_tally.attempts, fast_tally.not_read) == (len(plain), plain_tally.not_read)
    return fast


def log(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("dated", [False, True], ids=["syslog", "RFC 3339"])
@pytest.mark.parametrize("size", [8 << 20, 100_000, 5_000])
def test_ordinary_traffic_is_read_as_the_plain_reader_reads_it(size: int, dated: bool) -> None:
    lines = Traffic(1500, dated=dated, hosts=("mx1", "mx2")).lines()
    rows = assert_same(log(lines), size, several_hosts=True)
    assert {row["status"] for row in rows} == {"sent", "deferred", "bounced"}


@pytest.mark.parametrize("seed", range(4))
def test_queue_ids_used_again_give_no_message_to_another(seed: int) -> None:
    assert_same(log(Traffic(800, seed=seed, reused=0.5, rate=20).lines()), 60_000)


def test_lines_of_seconds_later_and_earlier_make_no_difference() -> None:
    chance = random.Random(7)
    lines = Traffic(800).lines()
    order = sorted(range(len(lines)), key=lambda place: place + chance.random() * 30)
    assert_same(log([lines[place] for place in order]))


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_of_a_cut_line_no_field_is_taken(share: float) -> None:
    chance = random.Random(11)
    whole = Traffic(800).lines()
    cut = [ln[: chance.randrange(len(ln))] if chance.random() < share else ln for ln in whole]
    known = {row["line"]: row for row in rows_of(postfix_batches, log(whole), 1 << 20)[0]}
    for row in assert_same(log(cut), 50_000):
        there = known[row["line"]]
        for name in ("recipient", "orig_to", "text", "relay", "enhanced", "queue_id"):
            assert row[name] == there[name]


def test_lost_lines_leave_gaps_and_nothing_else() -> None:
    chance = random.Random(5)
    lines = [line for line in Traffic(800).lines() if chance.random() > 0.05]
    assert_same(log(lines), 50_000)


def test_noise_between_the_lines_changes_nothing() -> None:
    chance = random.Random(3)
    data = []
    for line in Traffic(400).lines():
        data.append(line.encode() + chance.choice([b"\n", b"\n", b"\r\n"]))
        if chance.random() < 0.1:
            data.append(chance.randbytes(chance.randrange(200)).replace(b"\n", b"") + b"\n")
        if chance.random() < 0.1:
            data.append(b"Nov  3 12:00:00 mx1 kernel: [1.2] eth0: to=<x> status=sent\n\n")
        if chance.random() < 0.05:
            data.append(b"Nov  3 12:00:00 mx1 postfix/smtp: 4ABCDEF12345: removed\n")
    assert_same(b"".join(data), 50_000)


def test_replies_beyond_ascii_are_read_as_the_plain_reader_reads_them() -> None:
    lines = Traffic(300, bounced=0.5).lines()
    assert_same(log([line.replace("temporarily", "zeitweilig für") for line in lines]), 30_000)
    latin = log([line.replace("busy", "überlastet") for line in lines])
    assert_same(latin.decode().encode("latin-1"), 30_000)


@pytest.mark.parametrize("field", ["message-id=<", ": client=", "uid="])
def test_a_message_whose_every_line_of_a_kind_is_odd_is_read_plainly(field: str) -> None:
    assert_same(log([line.replace(field, f"{field}é") for line in SMALL]), 3_000)


def test_what_a_content_filter_hands_back_keeps_its_sender() -> None:
    rows = assert_same(log(Traffic(400, filtered=0.5, forwarded=0.1).lines()), 50_000)
    assert any(row["sender"] and row["sender"].startswith("forward:") for row in rows)


def test_the_hour_that_autumn_tells_twice_is_two_hours() -> None:
    lines = []
    for number, clock in enumerate(("01:50", "02:10", "02:50", "02:05", "02:55", "03:05")):
        text = f"AB{number}CD12345: to=<r@example.net>, relay=none, delay=1, delays=1/0/0/0, "
        text += "dsn=4.4.1, status=deferred (connect to mx[203.0.113.1]:25: Connection refused)"
        lines.append(f"Oct 25 {clock}:00 mx1 postfix/smtp[1]: {text}")
    rows = assert_same(log(lines), zone=ZoneInfo("Europe/Berlin"))
    assert [row["at"] - rows[0]["at"] for row in rows] == [0, 1200, 3600, 4500, 7500, 8100]


def test_december_is_before_january() -> None:
    ends = ["Dec 31 23:59:59", "Jan  1 00:00:01"]
    lines = [
        f"{stamp} mx1 postfix/smtp[1]: AB{number}CD12345: to=<r@example.net>, relay=none, "
        "delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 Ok)"
        for number, stamp in enumerate(ends)
    ]
    first, second = assert_same(log(lines))
    assert second["at"] - first["at"] == 2


@pytest.mark.parametrize("limit", [20, 200])
def test_with_too_many_open_the_never_deferred_go_first(limit: int) -> None:
    lines = [line for line in Traffic(1500).lines() if not line.endswith(": removed")]
    tally = Tally()
    reading = Reading([Calendar(UTC, NOON + 86_400.0)], [tally], open_limit=limit)
    list(postfix_fast_batches(blocks_of(log(lines), 100_000), reading))
    assert reading.dropped.never_deferred > 0
    assert limit < 200 or reading.dropped.deferred == 0


@given(
    place=st.integers(0, 10**6),
    old=st.sampled_from([":", ",", "<", ">", "=", "(", ")", "[", "]", " ", "4", "sent", "Nov"]),
    new=st.text("<>=,:()[] 09aZ\x00\r", max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_makes_no_difference_between_the_readers(
    place: int, old: str, new: str
) -> None:
    lines = list(SMALL)
    number = place % len(lines)
    parts = lines[number].split(old)
    at = 1 + place // len(lines) % max(1, len(parts) - 1)
    lines[number] = old.join(parts[:at]) + new + old.join(parts[at:])
    assert_same(log(lines))


@given(data=st.binary(max_size=400))
def test_bytes_of_any_kind_give_rows_or_nothing(data: bytes) -> None:
    assert_same(data + b"\n")


SMALL = Traffic(12, deferred=0.2, bounced=0.2, forwarded=0.3).lines()
