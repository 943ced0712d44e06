"""Another MTA's mail, read from its log: judged like ours, and nothing is ever ordered about it."""

from __future__ import annotations

import pytest

from unlisted import facts as kinds
from unlisted.commands import Command, Probe, SetTimer
from unlisted.facts import (
    Bounce,
    Carried,
    CausesRanked,
    Configured,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    FeedHeard,
    FeedSilent,
    IncidentClosed,
    IncidentOpened,
    ListTerm,
    Observed,
    PathRested,
    Pool,
    ProbeAnswered,
    Queued,
    Reception,
    Recipient,
    Refusal,
    Row,
    SenderHeld,
    Settled,
    TimerFired,
    TransientFailure,
)
from unlisted.loop._fixpoint import Fault, States, follow, quarantine

A, B = "192.0.2.1", "192.0.2.2"
ZONE = "l.example"
NAMED = f"host mx said: 554 5.7.1 Service unavailable; Client host [{A}] blocked using {ZONE}"
START = 1_795_000_000.0


class Log:
    """A watched site: facts in, everything that followed kept."""

    def __init__(self, *, lookups: bool = False, term_s: float | None = None) -> None:
        self.states = States(b"k" * 32)
        self.n = 0
        self.at = START
        self.derived: list[Fact] = []
        self.commands: list[Command] = []
        self.due: dict[str, float | None] = {}
        pool = Pool(name="mta", addresses=(A, B), helo="mta.example", watched=True)
        lists = (ListTerm(zone=ZONE, term_s=term_s),)
        self.put(Configured(at=self.at, hostname="h", pools=(pool,), lists=lists, lookups=lookups))

    def put(self, fact: Observed) -> None:
        self.n += 1
        followed = follow(self.states, fact, self.n)
        self.n += len(followed.facts)
        self.derived += [one for _, one, _ in followed.facts]
        self.commands += followed.commands
        for one in followed.timers:
            self.due[one.key] = one.due if isinstance(one, SetTimer) else None

    def row(self, number: int, sender: str) -> Row:
        return Row(
            key=f"Q{number}.p", message=f"Q{number}", sender=sender, tenant="",
            recipient=f"p{number}", domain="far.example", first_at=self.at, address=A, watched=True,
        )  # fmt: skip

    def refuse(self, count: int, receiver: str = "far.example", text: str = NAMED) -> None:
        for i in range(count):
            self.at += 7
            row = self.row(int(self.at), f"s{i % 5}")
            self.put(
                Bounce(at=self.at, row=row, address=A, receiver=receiver, code=554,
                       enhanced="5.7.1", text=text, stage="rcpt")
            )  # fmt: skip

    def watch(self, hours: float = 2) -> None:
        """Time passes, and the band of each open episode is looked at."""
        self.at += hours * 3600
        for episode in sorted(self.states.verify.checks):
            self.put(TimerFired(at=self.at, key=f"band|{episode}"))

    def take(self, count: int, address: str = A, receiver: str = "far.example") -> None:
        self.at += 60
        senders = tuple((f"s{i}", count // 5 + (i < count % 5)) for i in range(5))
        self.put(Carried(at=self.at, address=address, receiver=receiver, senders=senders))


def found(log: Log, kind: type[Fact]) -> list[Fact]:
    return [one for one in log.derived if isinstance(one, kind)]


@pytest.mark.parametrize("lookups", [False, True])
def test_nothing_is_queued_held_or_sent_whatever_the_log_tells(lookups: bool) -> None:
    log = Log(lookups=lookups)
    log.take(50)
    log.refuse(30)
    if lookups:
        probe = next(one for one in log.commands if isinstance(one, Probe))
        log.put(ProbeAnswered(at=log.at, done=probe.key, zone=ZONE, address=A, state="listed"))
    for key in ("explain", "stopped", "sample", "news", "post", "calm"):
        log.put(TimerFired(at=log.at + 900, key=key))
    log.take(50)
    assert found(log, EpisodeOpened)
    for kind in (Queued, Settled, PathRested, SenderHeld):
        assert not found(log, kind)
    assert {type(one) for one in log.commands} <= {Probe}


def test_words_of_several_open_an_episode_where_no_list_is_asked() -> None:
    log = Log()
    log.take(50)
    log.refuse(2)
    assert not found(log, EpisodeOpened)
    log.refuse(2)
    (opened,) = found(log, EpisodeOpened)
    assert isinstance(opened, EpisodeOpened)
    assert (opened.address, opened.zone, opened.basis) == (A, ZONE, "replies")
    log.refuse(40, "other.example")
    assert len(found(log, EpisodeOpened)) == 1
    assert len(found(log, IncidentOpened)) == 1


def test_where_the_log_tells_no_senders_several_recipients_are_enough() -> None:
    log = Log()
    for number in range(3):
        log.at += 7
        row = log.row(number, "")
        log.put(
            Bounce(at=log.at, row=row, address=A, receiver="far.example", code=554,
                   enhanced="5.7.1", text=NAMED, stage="rcpt")
        )  # fmt: skip
    assert len(found(log, EpisodeOpened)) == 1


def test_one_sender_refused_at_one_receiver_is_no_episode_by_words() -> None:
    log = Log()
    for number in range(6):
        log.at += 7
        log.put(
            Bounce(at=log.at, row=log.row(number, "s1"), address=A, receiver="far.example",
                   code=554, enhanced="5.7.1", text=NAMED, stage="rcpt")
        )  # fmt: skip
    assert not found(log, EpisodeOpened)


def test_an_unknown_user_is_no_refusal() -> None:
    log = Log()
    log.take(50)
    log.refuse(20, text="host mx said: 550 5.1.1 <x@far.example>: User unknown")
    assert not found(log, Refusal) and not found(log, EpisodeOpened)


def test_the_episode_ends_when_each_receiver_takes_ten_in_a_row() -> None:
    log = Log()
    log.take(50)
    log.refuse(5)
    log.refuse(5, "other.example")
    log.take(9)
    log.refuse(1)
    log.take(20)
    assert not found(log, EpisodeClosed)
    log.take(20, receiver="other.example")
    assert not found(log, EpisodeClosed)
    log.watch()
    (closed,) = found(log, EpisodeClosed)
    assert isinstance(closed, EpisodeClosed)
    assert closed.how == "the receivers accept again, the list was not asked"
    log.put(TimerFired(at=log.at + 3 * 3600, key="calm"))
    assert found(log, IncidentClosed)


def test_mail_by_another_address_proves_nothing() -> None:
    log = Log()
    log.take(50)
    log.refuse(5)
    log.take(500, address=B)
    assert not found(log, EpisodeClosed)


def test_a_silent_feed_suspends_recovery_until_it_speaks_again() -> None:
    log = Log()
    log.take(50)
    log.refuse(5)
    log.put(FeedSilent(at=log.at, feed="mail.log", last_at=log.at - 900, usual_s=300))
    log.take(30)
    log.watch(13)
    assert not found(log, EpisodeClosed)
    log.put(FeedHeard(at=log.at + 60, feed="mail.log", silent_s=900))
    assert not found(log, EpisodeClosed), "it heard nothing of the hours that count"
    log.take(30)
    log.watch()
    assert found(log, EpisodeClosed)


def test_an_incident_is_not_closed_while_a_feed_is_silent() -> None:
    log = Log()
    log.take(50)
    log.refuse(5)
    log.take(30)
    log.watch()
    assert found(log, EpisodeClosed)
    log.put(FeedSilent(at=log.at, feed="mail.log", last_at=log.at - 900, usual_s=300))
    log.put(TimerFired(at=log.at + 9 * 3600, key="calm"))
    assert not found(log, IncidentClosed)
    log.put(FeedHeard(at=log.at + 9 * 3600, feed="mail.log", silent_s=9e3))
    log.put(TimerFired(at=log.at + 12 * 3600, key="calm"))
    assert found(log, IncidentClosed)


def test_without_a_draw_nobody_is_named_and_nobody_is_cleared() -> None:
    log = Log()
    for _ in range(20):
        log.take(100)
    log.refuse(30)
    log.put(TimerFired(at=log.at + 600, key="explain"))
    ranked = found(log, CausesRanked)
    assert ranked
    for one in ranked:
        assert isinstance(one, CausesRanked)
        assert one.verdict == "not enough evidence" and not one.named
        assert "no draw" in one.need


def test_what_no_station_can_take_leaves_the_queue_alone() -> None:
    log = Log()
    row = log.row(1, "s")
    for kind in (Bounce, TransientFailure):
        fact = kind(at=START, row=row, address=A, receiver="far.example", code=450)
        told = quarantine(fact, 7, Fault("sense", "x"))
        assert [type(one).__name__ for _, one, _ in told] == ["StationFault"]


def test_a_relay_beside_the_watched_mta_sends_by_its_own_addresses_only() -> None:
    log = Log()
    own = Pool(name="own", addresses=("192.0.2.9",), helo="own.example")
    watched = Pool(name="mta", addresses=(A, B), helo="mta.example", watched=True)
    log.put(Configured(at=START, hostname="h", pools=(watched, own)))
    log.put(
        Reception(
            at=START, id="m9", sender="s", tenant="t", origin="login", reverse_path="s@our.example",
            recipients=(Recipient("p", "far.example"),), size=1, digest="d", fingerprint="",
        )
    )  # fmt: skip
    sent = [one for one in log.commands if type(one).__name__ == "Deliver"]
    assert [getattr(one, "address", "") for one in sent] == ["192.0.2.9"]


def test_old_rows_and_pools_are_written_as_before() -> None:
    row = Row(key="k", message="m", sender="s", tenant="", recipient="p", domain="d", first_at=1.0)
    assert b"watched" not in kinds.encode(Queued(at=1.0, row=row))


def idle(log: Log, days: float) -> None:
    """Time passes in which nobody writes to that receiver."""
    end = log.at + days * 86_400
    (key,) = (f"idle|{episode}" for episode in log.states.verify.checks)
    while (due := log.due[key]) is not None and due <= end:
        log.due[key] = None
        log.put(TimerFired(at=due, key=key))
    log.at = end


def test_where_nobody_writes_any_more_an_episode_ends_by_its_list_s_term_and_says_inferred() -> (
    None
):
    log = Log(term_s=86_400.0)
    log.take(50)
    log.refuse(5)
    last = log.at
    idle(log, 1.9)
    assert not found(log, EpisodeClosed)
    idle(log, 0.2)
    (over,) = found(log, EpisodeClosed)
    assert isinstance(over, EpisodeClosed)
    assert over.how == "inferred: the list's term is over, nothing refused since"
    assert over.at == last + 2 * 86_400


def test_a_refusal_in_between_begins_the_term_anew() -> None:
    log = Log(term_s=86_400.0)
    log.take(50)
    log.refuse(5)
    idle(log, 1.9)
    log.refuse(1)
    idle(log, 1.9)
    assert not found(log, EpisodeClosed)
    idle(log, 0.2)
    assert found(log, EpisodeClosed)


def test_of_a_list_without_a_known_term_two_weeks_without_a_refusal_are_waited_for() -> None:
    log = Log()
    log.take(50)
    log.refuse(5)
    idle(log, 14)
    assert not found(log, EpisodeClosed)
    idle(log, 1.5)
    assert found(log, EpisodeClosed)


def test_a_list_that_is_asked_and_still_lists_ends_nothing_however_long_nobody_writes() -> None:
    log = Log(lookups=True, term_s=86_400.0)
    log.take(50)
    log.refuse(5)
    for probe in [one for one in log.commands if isinstance(one, Probe)]:
        log.put(ProbeAnswered(at=log.at, done=probe.key, zone=ZONE, address=A, state="listed"))
    idle(log, 30)
    assert found(log, EpisodeOpened) and not found(log, EpisodeClosed)


def test_a_silent_feed_ends_no_episode_by_its_term() -> None:
    log = Log(term_s=86_400.0)
    log.take(50)
    log.refuse(5)
    log.put(FeedSilent(at=log.at, feed="mail.log", last_at=log.at - 900, usual_s=300))
    idle(log, 30)
    assert not found(log, EpisodeClosed)
