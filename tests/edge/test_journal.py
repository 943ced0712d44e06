"""The journal: all of an input or nothing of it, one writer, sealed bodies, erasable people."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from unlisted.commands import CancelTimer, Probe, SendNdr, SetTimer
from unlisted.edge.journal import LAYOUT, Journal, JournalError, lines, reader
from unlisted.facts import (
    Accepted,
    Fact,
    Queued,
    Reception,
    Recipient,
    Row,
    Settled,
    TimerFired,
)

SECRET = b"the site's secret"
AT = 1_790_000_000.0
PROBE = Probe(key="probe/1", zone="bl.list.test", address="127.0.1.1")


def reception(n: int) -> Reception:
    return Reception(
        at=AT,
        id=f"m{n}",
        sender="ann",
        tenant="t",
        origin="login",
        reverse_path="ann@platform.test",
        recipients=(Recipient("p1", "big.test"),),
        size=5,
        digest="d",
        fingerprint="",
    )


def settled(key: str) -> Settled:
    return Settled(at=AT, key=key, message=key.partition(".")[0], how="delivered")


def queued(n: int, key: str = "") -> Queued:
    row = Row(
        key=key or f"m{n}.0",
        message=f"m{n}",
        sender="ann",
        tenant="t",
        recipient="p1",
        domain="big.test",
        first_at=AT,
        due=AT,
    )
    return Queued(at=AT, row=row)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


def written(journal: Journal) -> None:
    """One reception and all that followed, as fact 1 to 3."""
    derived: list[tuple[int, Fact, int]] = [
        (2, Accepted(at=AT, message="m1", campaign="m1", size=1), 1),
        (3, queued(1), 1),
    ]
    journal.append(
        1,
        reception(1),
        derived,
        [PROBE],
        [SetTimer(key="post", due=AT + 5)],
        body=b"Subject: secret plans\r\n\r\nhello",
        personal={"p1": "bob@big.test"},
    )
    journal.commit()


def test_an_input_and_all_that_followed_read_back_after_a_restart(path: Path) -> None:
    journal = Journal(path, SECRET)
    written(journal)
    journal.close()
    again = Journal(path, SECRET)
    assert again.last == 3
    assert [(line.n, line.kind, line.cause) for line in again.lines()] == [
        (1, "Reception", None),
        (2, "Accepted", 1),
        (3, "Queued", 1),
    ]
    assert [line.fact() for line in again.lines(2)] == [queued(1)]
    assert again.outbox() == [PROBE]
    assert again.timers() == [("post", AT + 5)]
    assert again.person("p1") == "bob@big.test" and again.person("p2") is None
    assert again.body("m1") == b"Subject: secret plans\r\n\r\nhello"
    found = again.line(2)
    assert found is not None and found.kind == "Accepted" and again.line(9) is None
    again.close()


def test_nothing_of_an_open_transaction_survives_without_its_commit(path: Path) -> None:
    journal = Journal(path, SECRET)
    written(journal)
    journal.append(4, reception(4), [(5, queued(4), 4)], [], [], body=b"x")
    assert journal.last == 5
    journal.rollback()
    assert journal.last == 3
    assert journal.body("m4") is None
    assert journal.database.execute("select count(*) from queue").fetchone() == (1,)
    journal.append(4, TimerFired(at=AT, key="post"), [])
    journal.close()
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from fact").fetchone() == (4,)


def test_what_another_process_reads_is_only_what_was_committed(path: Path) -> None:
    journal = Journal(path, SECRET)
    written(journal)
    journal.append(4, reception(4), [])
    db = reader(path)
    assert [line.n for line in lines(db)] == [1, 2, 3]
    journal.commit()
    assert [line.n for line in lines(db, 3)] == [4]
    with pytest.raises(sqlite3.OperationalError):
        db.execute("delete from fact")
    db.close()
    journal.close()


def test_an_outcome_strikes_its_command_and_a_timer_that_fired_is_gone(path: Path) -> None:
    from unlisted.facts import ProbeAnswered

    journal = Journal(path, SECRET)
    written(journal)
    answer = ProbeAnswered(
        at=AT, done="probe/1", zone="bl.list.test", address="127.0.1.1", state="clean"
    )
    journal.append(4, answer, [])
    journal.append(5, TimerFired(at=AT + 5, key="post"), [])
    journal.commit()
    assert journal.outbox() == [] and journal.timers() == []
    journal.close()


def test_a_timer_is_moved_by_setting_it_again_and_forgotten_when_cancelled(path: Path) -> None:
    journal = Journal(path, SECRET)
    timers = [SetTimer(key="a", due=5.0), SetTimer(key="b", due=7.0), SetTimer(key="a", due=9.0)]
    journal.append(1, TimerFired(at=AT, key="x"), [], [], timers)
    assert journal.timers() == [("b", 7.0), ("a", 9.0)]
    journal.append(2, TimerFired(at=AT, key="y"), [], [], [CancelTimer(key="a")])
    journal.append(3, TimerFired(at=AT, key="z"), [], [], [CancelTimer(key="never there")])
    assert journal.timers() == [("b", 7.0)]
    journal.close()


def test_a_command_given_twice_stands_once(path: Path) -> None:
    journal = Journal(path, SECRET)
    journal.append(1, TimerFired(at=AT, key="x"), [], [PROBE, PROBE])
    assert journal.outbox() == [PROBE]
    journal.close()


def test_a_settled_message_leaves_no_body_behind(path: Path) -> None:
    journal = Journal(path, SECRET)
    written(journal)
    journal.append(4, TimerFired(at=AT, key="x"), [(5, settled("m1.0"), 4)])
    journal.commit()
    assert journal.body("m1") is None
    journal.close()


def test_the_body_goes_with_the_last_row_and_not_before_its_report_is_written(path: Path) -> None:
    journal = Journal(path, SECRET)
    journal.append(1, reception(1), [(2, queued(1), 1), (3, queued(1, key="m1.1"), 1)], body=b"x")
    journal.append(4, TimerFired(at=AT, key="x"), [(5, settled("m1.0"), 4)])
    assert journal.body("m1") == b"x"
    report = SendNdr(
        key="ndr/m1.1/6",
        row=queued(1, key="m1.1").row,
        action="failed",
        code=550,
        enhanced=None,
        text="User unknown",
        receiver="big.test",
    )
    journal.append(6, TimerFired(at=AT, key="y"), [(7, settled("m1.1"), 6)], [report])
    assert journal.body("m1") == b"x"
    journal.append(8, TimerFired(at=AT, key="z", done="ndr/m1.1/6"), [])
    journal.commit()
    assert journal.body("m1") is None
    journal.close()


def test_a_copied_file_shows_no_mail(path: Path) -> None:
    journal = Journal(path, SECRET)
    written(journal)
    journal.close()
    everything = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert b"secret plans" not in everything
    other = Journal(path, b"another secret")
    with pytest.raises(InvalidTag):
        other.body("m1")
    other.close()


def test_a_second_writer_is_refused_and_let_in_after_the_first(path: Path) -> None:
    journal = Journal(path, SECRET)
    with pytest.raises(JournalError, match="another process writes"):
        Journal(path, SECRET)
    journal.close()
    Journal(path, SECRET).close()


def test_a_newer_layout_is_refused(path: Path) -> None:
    journal = Journal(path, SECRET)
    journal.database.execute("update meta set value=? where name='layout'", (str(LAYOUT + 1),))
    journal.close()
    with pytest.raises(JournalError, match="layout"):
        Journal(path, SECRET)
    with pytest.raises(JournalError, match="layout"):
        reader(path)


def test_a_refused_journal_leaves_no_lock_behind(path: Path) -> None:
    journal = Journal(path, SECRET)
    journal.database.execute("update meta set value='99' where name='layout'")
    journal.close()
    for _ in range(2):
        with pytest.raises(JournalError, match="layout"):
            Journal(path, SECRET)


def test_a_file_that_is_no_journal_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is not a database, and it is long enough to be looked at" * 20)
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path, SECRET)
    with pytest.raises(JournalError, match="no journal there"):
        reader(tmp_path / "absent.sqlite")


def test_the_journal_is_durable_at_each_commit(path: Path) -> None:
    journal = Journal(path, SECRET)
    assert journal.database.execute("pragma synchronous").fetchone() == (2,)
    assert journal.database.execute("pragma journal_mode").fetchone() == ("wal",)
    journal.close()


def test_an_erased_person_is_unknown_and_the_facts_still_read(path: Path) -> None:
    journal = Journal(path, SECRET)
    written(journal)
    journal.database.execute("delete from personal where person='p1'")
    assert journal.person("p1") is None
    assert next(line.fact() for line in journal.lines()) == reception(1)
    journal.close()
