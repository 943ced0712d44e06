"""Attempts get what their replies mean; what was sent gets nothing."""

import ipaddress

import pytest

from unlisted.edge import classified
from unlisted.edge.attempts import CLASSIFIED, batch_of
from unlisted.edge.classified import Meanings
from unlisted.mail.attempt import Attempt

BLOCKED = (
    "host mx.example.com[192.0.2.25] said: 554 5.7.1 Service unavailable; Client host "
    "[203.0.113.9] blocked using zen.spamhaus.org (in reply to RCPT TO command)"
)


def attempt(line: int, text: str | None) -> Attempt:
    return Attempt(
        at=1.0,
        file=0,
        line=line,
        instance="postfix",
        queue_id="4ABCDEF",
        status="bounced" if text else "sent",
        recipient="a@example.com",
        text=text,
    )


def test_a_refusal_is_told_and_what_was_sent_has_no_meaning() -> None:
    ours = (ipaddress.ip_network("203.0.113.0/24"),)
    batch = Meanings(ours).classified(
        batch_of([attempt(1, None), attempt(2, BLOCKED), attempt(3, "mailbox full")])
    )
    assert batch.schema == CLASSIFIED
    sent, refused, full = batch.to_pylist()
    assert (sent["refusal"], sent["reason"], sent["rule"]) == (None, None, None)
    assert (refused["refusal"], refused["ours"], refused["blames"]) == (
        "yes",
        "yes",
        "zen.spamhaus.org",
    )
    assert full["refusal"] == "no"


def test_an_empty_batch_stays_empty() -> None:
    assert len(Meanings().classified(batch_of([]))) == 0


def test_a_full_memory_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classified, "REMEMBERED", 2)
    meanings = Meanings()
    for line in range(6):
        (row,) = meanings.classified(batch_of([attempt(line, f"{BLOCKED} {line}")])).to_pylist()
        assert row["refusal"] == "yes"
