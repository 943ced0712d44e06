"""Every reader against changed lines of its corpus and lines made to be slow: a value or a count,
never an error, and never more than 50 ms of CPU for one line (with room for a busy machine)."""

import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge.attempts import attempts_of
from unlisted.edge.log_reader import read_logs
from unlisted.logs.m365 import M365Parser
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Format

CORPUS = Path(__file__).resolve().parent.parent / "corpus" / "logs"
FORMATS: tuple[Format, ...] = ("postfix", "exim", "kumomta", "m365")
LINES: dict[Format, list[bytes]] = {
    name: [
        line
        for path in sorted(CORPUS.glob(f"{name}*.log"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    for name in FORMATS
}


def read(data: bytes, name: Format) -> int:
    reader = read_logs(["-"], format=name, zone="UTC", year=2026, now=1.8e9, stdin=io.BytesIO(data))
    rows = sum(len(list(attempts_of(batch))) for batch in reader)
    assert rows == reader.report.attempts
    return rows


@pytest.mark.parametrize("name", FORMATS)
def test_changed_lines_give_values_or_counts(name: Format) -> None:
    @given(
        st.lists(
            st.tuples(
                st.integers(0, len(LINES[name]) - 1),
                st.integers(0, 300),
                st.integers(0, 6),
                st.one_of(st.binary(max_size=6), st.sampled_from([b'"', b">", b")", b"\\ud800"])),
            ),
            max_size=12,
        )
    )
    def check(changes: list[tuple[int, int, int, bytes]]) -> None:
        lines = list(LINES[name])
        for which, at, gone, put in changes:
            line = lines[which]
            lines[which] = line[:at] + put + line[at + gone :]
        read(b"".join(lines), name)

    check()


STAMP = b"Nov  3 10:00:00 mx1 postfix/smtp[9]: 4Xk2Yz000001: "
EXIM = b"2026-11-03 10:00:00 1qzABC-0003oP-5i "
SLOW: list[tuple[Format, bytes, bytes]] = [
    ("postfix", STAMP + b"to=<", b">, orig_to=<"),
    ("postfix", STAMP + b"to=<a>, relay=x, ", b"delay=1, "),
    ("postfix", STAMP + b"to=<a>, relay=x, delay=1, dsn=4.0.0, status=deferred (", b"(in reply to "),
    ("postfix", STAMP + b"client=", b"a[, "),
    ("postfix", b"<1>" * 3, b"<1>"),
    ("postfix", b'{"log":', b"["),
    ("postfix", b"x | ", b"x | "),
    ("postfix", b"2026-11-03T10:00:00Z ", b"2026-11-03T10:00:00Z "),
    ("postfix", b"<1>1 2026-11-03T10:00:00Z a b c d ", b"[x]"),
    ("postfix", b"Nov  3 10:00:00 ", b"info "),
    ("postfix", b"Nov  3 10:00:00 h t[1]: ", b"Nov  3 10:00:00 h t[1]: "),
    ("postfix", b"Nov  3 10:00:00 h t[1", b"] "),
    ("postfix", b'{"MESSAGE":[', b"1,"),
    ("postfix", b'{"eventType":"', b'"mail'),
    ("postfix", b"\x1b", b"\x1b[0m["),
    ("postfix", b"", b"\x1b[0m"),
    ("postfix", b"", b"a:1:"),
    ("postfix", b"", b"EventId,Recipients "),
    ("exim", EXIM + b"== a@b R=x defer (1): ", b"x H="),
    ("exim", EXIM + b"=> a@b H=", b":"),
    ("exim", b"x | ", b"2026-11-03T10:00:00Z "),
    ("exim", EXIM + b"=> a@b ", b' K="'),
    ("exim", EXIM + b"=> a@b ", b" H="),
    ("exim", EXIM + b"** a@b R=x: ", b"host x ["),
    ("exim", EXIM + b"** a@b R=x: ", b"SMTP error from remote mail server after "),
    ("exim", EXIM + b"<= a@b ", b" id="),
    ("exim", EXIM + b'=> "', b"\\"),
    ("exim", b"2026-11-03 10:00:00 cwd=", b"/home"),
    ("kumomta", b'{"meta":', b'{"a":'),
    ("kumomta", b'{"type":"Bounce","id":"', b"\\u0000"),
    ("m365", b"sender address,recipient address,status\n", b'"a,'),
    ("m365", b"sender address,recipient address,status,date,detail\na@b,c@d,failed,2026-11-03T10:00:00Z,", b"{LED="),
    ("m365", b"", b"sender,"),
]  # fmt: skip


@pytest.mark.parametrize("name, begin, again", SLOW)
def test_no_line_is_slow(name: Format, begin: bytes, again: bytes) -> None:
    line = begin + again * ((60_000 - len(begin)) // len(again)) + b"\n"
    read(line, name)  # what is built once does not count
    started = time.process_time()
    read(line, name)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    "line",
    [
        '{"__REALTIME_TIMESTAMP":"17937000055¹0000","MESSAGE":"x","SYSLOG_IDENTIFIER":"a/b"}',
        "Nov  3 10:00:00.¹12 mx postfix/smtp[1]: 4XK2: removed",
        "2026-11-03T10:00:00+0²:00 mx postfix/smtp[1]: 4XK2: removed",
    ],
)
def test_a_digit_that_is_no_number_is_no_stamp(line: str) -> None:
    """`isdigit` is true of a superscript, and `int` refuses it."""
    assert read(line.encode() + b"\n", "postfix") == 0


@pytest.mark.parametrize(
    "status, unread",
    [
        ("Delivered", 0),
        ("FilteredAsSpam", 0),
        ("Getting status", 0),
        ("Zugestellt", 1),
        ("Lost", 1),
    ],
)
def test_a_row_of_a_message_trace_with_a_status_nobody_knows_is_counted_and_sampled(
    status: str, unread: int
) -> None:
    tally = Tally()
    parser = M365Parser([tally])
    head = "Received,SenderAddress,RecipientAddress,Subject,Status,ToIP,FromIP,Size,MessageId"
    row = f"2026-11-03T10:00:00,a@x.example,b@y.example,s,{status},192.0.2.1,,100,<m@x>"
    for number, line in enumerate((head, row), start=1):
        parser.feed(line, 0, number)
    parser.finish()
    assert tally.not_read == len(tally.samples) == unread
