"""The scoreboard's arithmetic, and its documentation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from unlisted_sandbox.blocklist import Listing
from unlisted_sandbox.eventlog import Event, Log
from unlisted_sandbox.score import MEANINGS, Score, _moved, _relistings, attribute, percentile
from unlisted_sandbox.script import Submission

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scoreboard.md"


def test_every_key_is_documented_in_its_own_words() -> None:
    text = DOCS.read_text()
    assert list(MEANINGS) == list(Score.__struct_fields__)
    for key, meaning in MEANINGS.items():
        assert f"| `{key}` | {meaning} |" in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([1.0], 1.0),
        (list(range(1, 101)), 95.0),
        ([*range(1, 96), *[math.inf] * 5], 95.0),
        ([*range(1, 95), *[math.inf] * 6], None),
    ],
)
def test_the_undelivered_count_as_infinite(values: list[float], expected: float | None) -> None:
    assert percentile(values, 0.95) == expected


@pytest.mark.parametrize(
    ("contained", "with_api", "expected"),
    [(None, False, 2), (None, True, 0), (25.0, True, 1), (5.0, True, 2)],
)
def test_relistings_after_containment(
    contained: float | None, with_api: bool, expected: int
) -> None:
    listings = [
        Listing("a", 0, 10), Listing("b", 5, 15), Listing("a", 20, 30), Listing("b", 40, 50),
    ]  # fmt: skip
    assert _relistings(listings, contained, with_api) == expected


def submission(at: float, token: str, to: str = "r@r.example") -> Submission:
    return Submission(
        at=at, id=token, sender="login:s", tenant="t", login="s", password="p", client="127.96.0.1",
        reverse_path="s@t.example", recipients=(to,), data=b"", kind="spam", token=token,
    )  # fmt: skip


def refusal(at: float, address: str, token: str = "") -> Event:
    return Event(
        at, "refused", address=address, token=token, mailbox="r@r.example", sender="s@t.example"
    )


def delivery(at: float, address: str, token: str) -> Event:
    return Event(at, "delivered", address=address, token=token, mailbox="r@r.example")


def test_a_refusal_without_a_token_means_the_message_under_way() -> None:
    events = [
        refusal(10, "A"),
        delivery(20, "B", "one"),
        refusal(30, "A"),
        refusal(31, "B"),
    ]
    blamed = attribute(events, [submission(1, "one"), submission(25, "two")])
    assert [e.at for e in blamed[("one", "r@r.example")]] == [10]
    assert [e.at for e in blamed[("two", "r@r.example")]] == [30, 31]


@pytest.mark.parametrize(
    ("events", "moved"),
    [
        ([refusal(1, "A", "x")], 0),
        ([refusal(1, "A", "x"), refusal(2, "A", "x")], 0),
        ([refusal(1, "A", "x"), refusal(2, "B", "x")], 1),
        ([refusal(1, "A", "x"), delivery(2, "B", "x")], 1),
        ([refusal(1, "A", "x"), delivery(2, "A", "x")], 0),
        ([delivery(1, "B", "x")], 0),
    ],
)
def test_spam_that_was_moved_is_counted_once(events: list[Event], moved: int) -> None:
    blamed = attribute(events, [submission(0, "x")])
    assert _moved(events, blamed, {("x", "r@r.example")}) == moved


def test_a_log_is_exported_sorted_within_each_instant() -> None:
    one, other = Log("bare"), Log("bare")
    for log, order in ((one, ("b", "a")), (other, ("a", "b"))):
        for kind in order:
            log.add(1.0, kind)
    assert list(one.export()) == list(other.export())
