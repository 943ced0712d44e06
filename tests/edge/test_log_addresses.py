"""Which of our addresses an attempt left by: what a log says, what refusals name, what was told."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge.log_addresses import Addresses
from unlisted.mail.attempt import Attempt


def attempt(text: str | None = None, *, transport: str = "pool1", **more: Any) -> Attempt:
    return Attempt(
        at=1.0, file=0, line=1, instance="postfix", queue_id="A1", recipient="p@r.example",
        status="sent" if text is None else "bounced", code=0 if text is None else 554,
        enhanced=None if text is None else "5.7.1", text=text, transport=transport, **more,
    )  # fmt: skip


def blocked(address: str) -> str:
    return f"Service unavailable; Client host [{address}] blocked using l.example"


def made(*ours: str, **told: str) -> Addresses:
    return Addresses(told, [ip_network(one) for one in ours])


@pytest.mark.parametrize(
    ("ours", "named", "address", "later"),
    [
        ((), "192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ((), "2001:DB8::7", "2001:db8::7", "2001:db8::7"),
        (("192.0.2.0/24",), "192.0.2.7", "192.0.2.7", "192.0.2.7"),
        (("192.0.2.7",), "192.0.2.7", "192.0.2.7", "192.0.2.7"),
        (("192.0.2.7", "192.0.2.8"), "192.0.2.8", "192.0.2.8", "192.0.2.8"),
        # Somebody else's address says nothing of ours.
        (("192.0.2.0/24",), "203.0.113.9", "pool1", "pool1"),
        (("192.0.2.7",), "203.0.113.9", "192.0.2.7", "192.0.2.7"),
        ((), "127.0.0.2", "pool1", "pool1"),
    ],
)
def test_the_address_a_refusal_names_is_the_attempts_if_it_is_ours(
    ours: tuple[str, ...], named: str, address: str, later: str
) -> None:
    addresses = made(*ours)
    assert addresses.of(attempt(blocked(named))) == address
    assert addresses.of(attempt()) == later
    other = "192.0.2.7" if ours == ("192.0.2.7",) else "pool2"
    assert addresses.of(attempt(transport="pool2")) == other


def test_what_the_log_says_comes_first_and_its_addresses_are_ours() -> None:
    addresses = made("192.0.2.7")
    assert addresses.of(attempt(blocked("192.0.2.7"), egress="192.0.2.8")) == "192.0.2.8"
    assert addresses.of(attempt(blocked("192.0.2.8"))) == "192.0.2.8"


def test_what_a_refusal_names_is_believed_before_what_was_told_of_its_transport() -> None:
    addresses = made("192.0.2.0/24", pool1="192.0.2.1")
    assert addresses.of(attempt(blocked("192.0.2.2"))) == "192.0.2.2"
    assert addresses.of(attempt()) == "192.0.2.1"


def test_of_two_addresses_none_is_chosen_and_a_stray_is_none() -> None:
    addresses = made()
    for _ in range(30):
        addresses.of(attempt(blocked("192.0.2.7")))
    assert addresses.of(attempt(blocked("203.0.113.9"))) == "203.0.113.9"
    assert addresses.of(attempt()) == "192.0.2.7"
    for _ in range(10):
        addresses.of(attempt(blocked("192.0.2.8")))
    assert addresses.of(attempt()) == "pool1"


def test_strangers_are_counted() -> None:
    addresses = made("192.0.2.7")
    for _ in range(3):
        addresses.of(attempt(blocked("203.0.113.9")))
    assert addresses.strangers == {"203.0.113.9": 3}


@given(
    st.lists(st.text(max_size=60) | st.ip_addresses().map(lambda one: blocked(str(one)))),
    st.booleans(),
)
def test_any_text_gives_an_address_and_a_memory_that_goes_on_the_same(
    texts: list[str], bound: bool
) -> None:
    first, second = (made(*["192.0.2.0/25"] * bound) for _ in range(2))
    for text in texts:
        assert first.of(attempt(text))
    second.remember(json.loads(json.dumps(first.memory())))
    assert second.of(attempt()) == first.of(attempt())
    assert second.memory() == first.memory()
