"""A feed's facts and its silence, by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.edge.watched_log import START, Traffic

from unlisted.apps.watching import WatchError, feeds_of, silence
from unlisted.config import Config, Watch
from unlisted.edge.log_feed import Feed
from unlisted.edge.people import People
from unlisted.facts import Bounce, Carried, FeedHeard, FeedSilent, Pool

REFUSED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "mail.log"


def config(*addresses: str, **told: str) -> Config:
    pool = Pool(name="p", addresses=addresses or ("192.0.2.1",), helo="h.example", watched=True)
    return Config(pools=(pool,), watch=Watch(addresses=told))


@pytest.fixture
def feed(log: Path) -> Iterator[Feed]:
    made = feeds_of([log], config(), People(b"k" * 32), lambda: START)[0]
    yield made
    made.close()


def add(log: Path, *lines: bytes) -> None:
    with log.open("ab") as file:
        file.writelines(lines)


def test_a_minute_of_deliveries_is_one_fact_told_when_it_is_over(log: Path, feed: Feed) -> None:
    traffic = Traffic()
    add(log, *(traffic.message("far.example", at=START + i) for i in range(5)))
    assert feed.poll(START + 10) == []
    assert feed.idle(START + 20) == []
    (told,) = feed.idle(START + 70)
    assert isinstance(told.fact, Carried)
    assert sum(count for _, count in told.fact.senders) == 5
    assert (told.fact.address, told.fact.receiver) == ("192.0.2.1", "far.example")
    assert sorted(told.personal.values()) == [f"login:u{i}" for i in range(1, 6)]


def test_what_was_taken_before_a_refusal_is_told_before_it(log: Path, feed: Feed) -> None:
    traffic = Traffic()
    add(
        log,
        traffic.message("far.example", at=START),
        traffic.message("near.example", at=START),
        traffic.message("far.example", REFUSED, at=START + 1),
        traffic.message("far.example", at=START + 2),
    )
    kinds = [type(one.fact) for one in feed.poll(START + 3)]
    assert kinds == [Carried, Bounce]


def test_the_address_is_the_logs_or_the_operators_word_or_the_only_one(log: Path) -> None:
    line = Traffic().message("far.example", "550 5.7.1 You are blocked", at=START)
    named = Traffic().message("far.example", REFUSED, at=START)  # 192.0.2.1
    cases = [
        (config("192.0.2.1", "192.0.2.2", smtp="192.0.2.2"), named, "192.0.2.1"),
        (config("192.0.2.2"), named, "192.0.2.2"),
        (config("192.0.2.1"), line, "192.0.2.1"),
        (config("192.0.2.1", "192.0.2.2"), line, "smtp"),
        (config("192.0.2.1", "192.0.2.2", smtp="192.0.2.2"), line, "192.0.2.2"),
    ]
    for made, text, address in cases:
        log.write_bytes(text)
        feed = feeds_of([log], made, People(b"k" * 32), lambda: START)[0]
        (told,) = feed.poll(START)
        feed.close()
        assert isinstance(told.fact, Bounce) and told.fact.address == address


def test_mail_that_stays_on_this_machine_is_not_counted(log: Path, feed: Feed) -> None:
    text = Traffic().message("far.example", at=START)
    for relay in (b"local", b"127.0.0.1[127.0.0.1]:10024", b"dovecot", b"none"):
        whole = text.replace(b"relay=mx.far.example[203.0.113.2]:25", b"relay=" + relay)
        assert whole != text
        add(log, whole)
    assert feed.poll(START) == [] and feed.idle(START + 100) == []


def test_silence_is_told_once_and_so_is_its_end(log: Path, feed: Feed) -> None:
    traffic = Traffic()
    add(log, traffic.message(at=START))
    feed.poll(START)
    assert silence(feed, False, START + 200) == []
    (told,) = silence(feed, False, START + 400)
    assert told.fact == FeedSilent(at=START + 400, feed=str(log), last_at=START, usual_s=300)
    assert silence(feed, True, START + 500) == []
    add(log, traffic.message(at=START + 600))
    feed.poll(START + 600)
    (told,) = silence(feed, True, START + 601)
    assert told.fact == FeedHeard(at=START + 601, feed=str(log), silent_s=600)


def test_a_backlog_teaches_the_rhythm_by_its_stamps(log: Path, feed: Feed) -> None:
    traffic = Traffic()
    add(log, *(traffic.message(at=START + 1000 * i) for i in range(5)))
    feed.poll(START + 4000)
    assert silence(feed, False, START + 4000 + 2900) == []
    assert silence(feed, False, START + 4000 + 3100) != []


def test_an_export_and_a_bad_zone_are_refused_in_a_sentence(log: Path, feed: Feed) -> None:
    log.write_text("Received,SenderAddress,RecipientAddress,Subject,Status,MessageId\n")
    with pytest.raises(WatchError, match="report"):
        feed.poll(START)
    made = Config(watch=Watch(zone="Nowhere/Land"))
    with pytest.raises(WatchError, match="zone"):
        feeds_of([log], made, People(b"k" * 32), lambda: START)


def test_a_damaged_checkpoint_is_said_and_the_log_read_anew(
    log: Path, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    add(log, Traffic().message("far.example", REFUSED, at=START))
    feed.restore(lambda name: "{" if "place" in name else "x", START)
    assert len(feed.poll(START)) == 1
    assert "no checkpoint" in caplog.text


def test_a_refusal_dated_into_the_far_future_is_left_out_and_said_once(
    log: Path, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    traffic, later = Traffic(), START + 72 * 365 * 86_400.0
    add(log, *(traffic.message("far.example", REFUSED, at=later + i) for i in range(3)))
    assert feed.poll(START) == []
    assert feed.last_at is None
    add(log, traffic.message("far.example", REFUSED, at=later), traffic.message("far.example", REFUSED, at=START))  # fmt: skip
    kept: dict[str, str] = {}
    assert [told.fact.at for told in feed.poll(START + 1)] == [START]
    feed.keep(kept.__setitem__, START + 1, whole=True)
    feed.restore(kept.get, START + 2)
    add(log, traffic.message("far.example", REFUSED, at=later))
    assert feed.poll(START + 2) == []
    assert caplog.text.count("more than a day ahead") == 1
