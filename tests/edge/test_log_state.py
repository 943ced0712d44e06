"""A parser thawed from its frozen memory goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.edge.log_plain import LineParser
from unlisted.edge.log_state import StateError, frozen, thaw
from unlisted.logs.exim import EximParser
from unlisted.logs.kumomta import KumoParser
from unlisted.logs.postfix import OPEN_LIMIT, PostfixParser
from unlisted.logs.stamp import Calendar
from unlisted.logs.tally import Tally

SKIP = ("_calendars", "_tallies")


def postfix_lines(count: int) -> list[str]:
    made = []
    for i in range(count):
        stamp, queue_id = f"Nov 22 10:{i // 60:02d}:{i % 60:02d} mx", f"{0xA0000000 + i:X}"
        old = f"{0xA0000000 + max(0, i - 7):X}"
        made += [
            f"{stamp} postfix/smtpd[1]: {queue_id}: client=c.a.example[192.0.2.7], sasl_method=PLAIN, sasl_username=u{i}@a.example",
            f"{stamp} postfix/cleanup[2]: {queue_id}: message-id=<{i // 2}@a.example>",
            f"{stamp} postfix/qmgr[3]: {queue_id}: from=<u{i}@a.example>, size=9, nrcpt=1 (queue active)",
            f"{stamp} postfix/smtp[4]: {old}: to=<x@b.example>, relay=mx.b.example[192.0.2.9]:25, "
            "delay=1, delays=0/0/0/1, dsn=4.7.1, status=deferred (host mx.b.example[192.0.2.9] said: 450 4.7.1 later (in reply to RCPT TO command))",
            f"{stamp} postfix/qmgr[3]: {old}: removed" if i % 3 else f"{stamp} kernel: noise",
        ]
    return made


def exim_lines(count: int) -> list[str]:
    made = []
    for i in range(count):
        at, name = (
            f"2026-11-22 10:{i // 60:02d}:{i % 60:02d}",
            f"1tAbC{i % 10}-0000{i // 10:02d}-AB",
        )
        made += [
            f"{at} {name} <= u{i}@a.example H=(c) [192.0.2.7] P=esmtpsa A=plain:u{i} S=900",
            f"{at} {name} == x@b.example R=dnslookup T=remote_smtp defer (-44): "
            "SMTP error from remote mail server after RCPT TO:<x@b.example>: 450 later",
        ]
    return made


def postfix() -> tuple[LineParser, Calendar]:
    calendar = Calendar(UTC, 1795400000.0)
    return PostfixParser([calendar], [Tally()]), calendar


def exim() -> tuple[LineParser, Calendar]:
    calendar = Calendar(UTC, 1795400000.0)
    return EximParser([calendar], [Tally()], open_limit=OPEN_LIMIT), calendar


@pytest.mark.parametrize(("make", "written"), [(postfix, postfix_lines), (exim, exim_lines)])
@given(cut=st.integers(0, 300))
@settings(max_examples=25, deadline=None)
def test_a_thawed_parser_gives_what_the_other_would_have_given(
    make: Callable[[], tuple[LineParser, Calendar]],
    written: Callable[[int], list[str]],
    cut: int,
) -> None:
    lines = written(60)
    whole, _ = make()
    first, calendar = make()
    cut = min(cut, len(lines))
    for number, line in enumerate(lines, start=1):
        whole.feed(line, 0, number)
    for number, line in enumerate(lines[:cut], start=1):
        first.feed(line, 0, number)
    told = first.take()
    data = msgspec.json.decode(
        msgspec.json.encode([frozen(first, SKIP), frozen(calendar, ("_zone",))])
    )
    later, calendar = make()
    thaw(later, data[0])
    thaw(calendar, data[1])
    for number, line in enumerate(lines[cut:], start=cut + 1):
        later.feed(line, 0, number)
    whole.finish()
    later.finish()
    told += later.take()
    assert told == whole.take()
    assert len(told) == 60


def test_a_memory_is_only_for_the_parser_it_came_from() -> None:
    first, _ = exim()
    other, _ = postfix()
    with pytest.raises(StateError):
        thaw(other, frozen(first, SKIP))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12)
    | st.sampled_from(["unlisted.logs.postfix:PostfixParser", "os:system", "list", "tuple"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["at", "x"]), inner, max_size=2),
    max_leaves=20,
)  # fmt: skip


@given(JSON, JSON)
def test_no_data_makes_anything_but_a_memory(head: object, rest: object) -> None:
    parser, _ = postfix()
    name = "unlisted.logs.postfix:PostfixParser"
    for data in (head, [head, rest], [[name, [["open", {"at": 1}]]], head], [[name, head], rest]):
        try:
            thaw(parser, data)
        except StateError:
            continue


@pytest.mark.parametrize("name", ["os:system", "unlisted.logs.stamp:datetime", "builtins:eval"])
def test_only_classes_of_the_parsers_are_made(name: str) -> None:
    parser, _ = postfix()
    top = ["unlisted.logs.postfix:PostfixParser", [["open", {"at": 1}]]]
    with pytest.raises(StateError):
        thaw(parser, [top, [name, []]])


def test_a_circle_stays_a_circle() -> None:
    parser, _ = postfix()
    assert isinstance(parser, PostfixParser)
    for number, line in enumerate(postfix_lines(3), start=1):
        parser.feed(line, 0, number)
    parser.take()
    found = next(iter(parser.open.under(("mx", "A0000001"))))
    found.parent = found
    later, _ = postfix()
    thaw(later, frozen(parser, SKIP))
    assert isinstance(later, PostfixParser)
    again = next(iter(later.open.under(("mx", "A0000001"))))
    assert again.parent is again


def test_kumomta_is_kept_too() -> None:
    parser = KumoParser([Tally()], open_limit=OPEN_LIMIT)
    thaw(KumoParser([Tally()], open_limit=OPEN_LIMIT), frozen(parser, SKIP))
