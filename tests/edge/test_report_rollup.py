"""The report's pass over attempts: its counts are the counts, its memory is bounded."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.edge import report_bounded
from unlisted.edge.attempts import batches_of
from unlisted.edge.report_bounded import Numbered, Pairs, Tally
from unlisted.edge.report_rollup import Rollup
from unlisted.mail.attempt import Attempt
from unlisted.replies.addresses import Network
from unlisted.report import cells as c
from unlisted.report.gathered import DEFERRED, Gathered
from unlisted.report.sections import build

BLOCK = "554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using bl.spamcop.net"
SOFT = "450 4.7.1 Greylisted, try again later"
DEAD = "550 5.1.1 <x@y>: Recipient address rejected: User unknown"


def attempt(at: float, number: int = 0, text: str | None = None, **more: object) -> Attempt:
    known: dict[str, object] = {
        "at": at,
        "file": 0,
        "line": number + 1,
        "instance": "postfix",
        "queue_id": f"Q{number}",
        "status": "sent" if text is None else "bounced" if text[0] == "5" else "deferred",
        "recipient": f"r{number % 7}@example.com",
        "message_id": f"m{number}@x",
        "sender": f"login:u{number % 5}",
        "mail_from": f"u{number % 5}@x",
        "transport": "smtp",
        "relay": "mx.example.com",
        "relay_ip": "198.51.100.1",
        "code": 250 if text is None else int(text[:3]),
        "text": text,
    }
    return Attempt(**{**known, **more})  # type: ignore[arg-type]


def gathered(attempts: list[Attempt], rows: int = 16, kept: int = 1000) -> Gathered:
    rollup = Rollup((), kept=kept)
    for batch in batches_of(attempts, rows):
        rollup.add(batch)
    return rollup.finish()


texts = st.one_of(st.none(), st.sampled_from([BLOCK, SOFT, DEAD, "550 no"]), st.text(max_size=40))
attempts = st.builds(
    Attempt,
    at=st.floats(-1e12, 1e12) | st.floats(1.7e9, 1.7e9 + 1e6),
    file=st.integers(0, 3),
    line=st.integers(1, 10**6),
    instance=st.sampled_from(["a", "b"]),
    queue_id=st.text(max_size=6),
    status=st.sampled_from(["sent", "deferred", "bounced", "expired"]),
    recipient=st.text(max_size=30),
    message_id=st.none() | st.text(max_size=8),
    sender=st.none() | st.text(max_size=8),
    mail_from=st.none() | st.text(max_size=8),
    transport=st.sampled_from([None, "smtp", "local", "x/smtp"]),
    pool=st.sampled_from([None, "p1"]),
    egress=st.sampled_from([None, "192.0.2.1", "2001:db8::1", "nonsense"]),
    relay=st.none() | st.text(max_size=20),
    relay_ip=st.sampled_from([None, "198.51.100.1", "2001:db8::2", "127.0.0.1"]),
    code=st.integers(0, 999),
    stage=st.sampled_from([None, "rcpt", "eod", "greeting"]),
    text=texts,
    size=st.none() | st.integers(0, 10**9),
    repeats=st.booleans(),
)


@settings(max_examples=60)
@given(st.lists(attempts, max_size=40), st.integers(1, 9))
def test_any_attempts_give_a_report_whose_counts_are_theirs(rows: list[Attempt], size: int) -> None:
    found = gathered(rows, size)
    rows = [r for r in rows if r.recipient or r.status != "expired"]  # no attempts, see `Attempt`
    assert found.attempts == len(rows)
    assert found.statuses == {**dict.fromkeys(found.statuses, 0), **Counter(r.status for r in rows)}
    counted = [r for r in rows if r.transport != "local" and not r.repeats]
    for cells in (found.tallies.paths, found.tallies.people, found.tallies.mixed):
        assert cells.total() == len(counted)
    report = build(found)
    for episode in report.episodes:
        assert 0 < episode.rate.successes <= episode.rate.trials
        assert episode.first_at <= episode.last_at


@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 3), st.booleans()), max_size=60))
def test_the_size_of_batches_changes_nothing(rows: list[tuple[float, int, bool]]) -> None:
    made = [
        attempt(at, number, BLOCK if bad else None, sender=f"login:{who}")
        for number, (at, who, bad) in enumerate(rows)
    ]
    one, two = gathered(made, 1), gathered(made, 50)
    assert build(one) == build(two)


def test_a_full_tally_widens_its_buckets_and_loses_no_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(report_bounded.CELLS, "paths", 50)
    monkeypatch.setattr(report_bounded, "BUFFERED", 100)
    made = [attempt(60.0 * number, number) for number in range(2000)]
    rollup = Rollup(())
    for batch in batches_of(made, 100):
        rollup.add(batch)
        rollup._flush()
    found = rollup.finish()
    assert len(found.tallies.paths) <= 150
    assert found.tallies.paths.total() == 2000
    assert found.tallies.paths_bucket_s == 60, "no receiver refused: only the quiet ones widened"


def test_a_receiver_that_refused_keeps_its_minutes_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(report_bounded.CELLS, "paths", 300)
    tally = Tally("paths")
    made = [attempt(60.0 * n, n, BLOCK if n == 3 else None) for n in range(100)]
    made += [attempt(60.0 * n, n, relay="mx.example.net") for n in range(1000)]
    rollup = Rollup(())
    rollup._tallies["paths"] = tally
    for batch in batches_of(made, 50):
        rollup.add(batch)
    cells = rollup.finish().tallies.paths
    loud = cells.receiver == cells.receiver[cells.answer >= c.WORDLESS][0]
    assert int(loud.sum()) == 100 and int((~loud).sum()) < 300


def test_names_beyond_the_limit_are_counted_together() -> None:
    table = Numbered(4)
    assert [table.number(name) for name in "abcdea"] == [0, 1, 2, 3, 3, 0]
    assert table.names == ["a", "b", "c", "(others)"] and table.refused == 2


def test_a_pair_is_new_once_and_a_full_memory_calls_nobody_new() -> None:
    pairs = Pairs(5)
    assert pairs.new(np.array([1, 2, 1], np.uint64)).tolist() == [True, True, False]
    assert pairs.new(np.array([2, 3], np.uint64)).tolist() == [False, True]
    assert pairs.new(np.array([7, 8, 9], np.uint64)).tolist() == [False, False, False]
    assert pairs.refused == 3


def test_when_too_many_rows_were_refused_deferred_ones_go_last() -> None:
    made = [attempt(float(n), n, BLOCK if n % 2 else "4" + BLOCK[1:]) for n in range(400)]
    found = gathered(made, rows=20, kept=150)
    assert found.dropped.refused_rows > 100 and found.dropped.deferred_rows > 0
    assert len(found.kept) <= 150
    first_gone = gathered(made[:180], rows=20, kept=150)
    assert first_gone.dropped.deferred_rows == 0 < first_gone.dropped.refused_rows
    assert int((first_gone.kept.status == DEFERRED).sum()) == 90
    (episode,) = build(found).episodes
    assert episode.refusals == 400, "what is not kept is counted all the same"


def test_mail_for_mailboxes_here_is_no_attempt_at_a_receiver() -> None:
    found = gathered([attempt(1.0, 1, transport="lmtp"), attempt(2.0, 2)])
    assert found.tallies.paths.total() == 1


def test_a_follow_on_line_is_no_attempt_of_its_own() -> None:
    made = [attempt(1.0, 1, BLOCK), attempt(2.0, 2, BLOCK, repeats=True)]
    (episode,) = build(gathered(made)).episodes
    assert (episode.refusals, episode.rate.trials) == (1, 1)
    assert len(gathered(made).kept) == 2, "its letter bounced all the same"


def test_our_own_address_in_the_log_is_known_and_text_of_others_is_nobody_s() -> None:
    ours: tuple[Network, ...] = ()
    rollup = Rollup(ours)
    made = [attempt(float(n), n, BLOCK if n > 3 else None, egress="192.0.2.10") for n in range(9)]
    for batch in batches_of(made):
        rollup.add(batch)
    (episode,) = build(rollup.finish()).episodes
    assert (episode.place.name, episode.place.known) == ("192.0.2.10", "known")
    assert episode.behind == ()
