"""A thousand messages whose lines are shuffled, lost, cut or run together: what is told of a
message is true or missing, never another's; and within the hold nothing is missing."""

import random

import pytest
from tests.logs.test_postfix import read

COUNT = 400


def traffic() -> list[list[str]]:
    """Each message's lines, one message a second, four messages under way at a time."""
    messages = []
    for n in range(COUNT):
        stamp = f"Nov  3 10:{n // 60 % 60:02d}:{n % 60:02d} mx1 postfix"
        queue_id = f"4Xk2{n:06d}zz"
        messages.append(
            [
                f"{stamp}/smtpd[1]: {queue_id}: client=c[198.51.100.{n % 250}], sasl_method=PLAIN, sasl_username=u{n}@x",
                f"{stamp}/cleanup[2]: {queue_id}: message-id=<m{n}@example.org>",
                f"{stamp}/qmgr[3]: {queue_id}: from=<s{n}@example.org>, size={1000 + n}, nrcpt=1 (queue active)",
                f"{stamp}/smtp[4]: {queue_id}: to=<r{n}@example.com>, relay=mx[192.0.2.25]:25, delay=1, delays=0/0/0/1, dsn=5.7.1, status=bounced (host mx[192.0.2.25] said: 554 5.7.1 no{n} (see x) (in reply to RCPT TO command))",
                f"{stamp}/qmgr[3]: {queue_id}: removed",
            ]
        )  # fmt: skip
    return messages


def interleaved(chance: random.Random, within: int) -> list[str]:
    lines = [line for message in traffic() for line in message]
    order = sorted(range(len(lines)), key=lambda at: at + chance.uniform(0, within))
    return [lines[at] for at in order]


def wrong(lines: list[str]) -> tuple[int, int]:
    """(rows, attributes missing); fails on a value of another message or of none."""
    attempts, _, _ = read(lines)
    missing = 0
    for attempt in attempts:
        n = int(attempt.queue_id[4:10])
        assert attempt.recipient == f"r{n}@example.com"
        assert (attempt.code, attempt.stage, attempt.relay_ip) == (554, "rcpt", "192.0.2.25")
        told = {
            attempt.sender: f"login:u{n}@x",
            attempt.message_id: f"m{n}@example.org",
            attempt.mail_from: f"s{n}@example.org",
            attempt.size: 1000 + n,
        }
        for value, truth in told.items():
            assert value in (None, truth)
        missing += sum(
            value is None
            for value in (attempt.sender, attempt.message_id, attempt.mail_from, attempt.size)
        )
    return len(attempts), missing


def test_lines_shuffled_within_the_hold_lose_nothing() -> None:
    assert wrong(interleaved(random.Random(1), 12)) == (COUNT, 0)


@pytest.mark.parametrize("within", [40, 400])
def test_lines_shuffled_beyond_it_may_lose_but_never_mix(within: int) -> None:
    rows, missing = wrong(interleaved(random.Random(2), within))
    assert rows == COUNT and missing < COUNT * 4


def test_lost_lines_lose_what_they_told_and_nothing_else() -> None:
    chance = random.Random(3)
    lines = [line for line in interleaved(chance, 6) if chance.random() > 0.05]
    rows, missing = wrong(lines)
    assert 0.9 * COUNT < rows < COUNT and missing < 0.08 * 4 * COUNT


def test_cut_lines_give_no_field() -> None:
    """A client line is cut before its login: an unfinished login is no line's fault to see."""
    chance = random.Random(4)
    lines = []
    for line in interleaved(chance, 6):
        if chance.random() < 0.15:
            end = line.find(", sasl_username=") if "client=" in line else len(line) - 1
            line = line[: chance.randrange(10, end)]
        lines.append(line)
    client = [line for line in lines if line.endswith("]") and "client=" in line]
    assert client == []
    rows, _ = wrong(lines)
    assert 0.7 * COUNT < rows < COUNT


def test_lines_run_together_give_no_field_of_the_first() -> None:
    chance = random.Random(5)
    lines: list[str] = []
    for line in interleaved(chance, 3):
        if lines and chance.random() < 0.1:
            before = lines.pop()
            line = before[: chance.randrange(20, len(before))] + line
        lines.append(line)
    rows, _ = wrong(lines)
    assert 0.7 * COUNT < rows < COUNT
