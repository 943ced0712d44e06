"""What sites say, without sockets: wordings, stages, greylisting, caches, copies of lists."""

from __future__ import annotations

from email import message_from_bytes

import msgspec
import pytest

from unlisted_sandbox import tokens
from unlisted_sandbox.blocklist import ListState
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.eventlog import Log
from unlisted_sandbox.receiver import Complaint, Evidence, LaneState, Site, Visit
from unlisted_sandbox.replies import Ask, Reply, Said
from unlisted_sandbox.world import World
from unlisted_sandbox.world_sites import Receiver
from unlisted_sandbox.worldfile import shipped

WORLD = shipped("demo", 1)
IP = "127.21.0.3"
NOW = WORLD.start + 50_000.0


def a_site(receiver: Receiver, *, listed_from: float | None = None, world: World = WORLD) -> Site:
    entry = world.list_of(receiver)
    state = None if entry is None else ListState(entry)
    if state is not None and listed_from is not None:
        state.learn(IP, "trap", 9.0, listed_from - state.policy.listing_lag_s)
    lane = LaneState(Log("bare"), state, "abuse@platform.example")
    return Site(world, receiver, Directory(world), {"bare": lane})


def answered(site: Site, said: Said | Ask, now: float) -> bool:
    """Answer a site's question from the list itself; True if it had one."""
    if not isinstance(said, Ask):
        return False
    state = site.lanes["bare"].list
    assert state is not None
    answer = state.answer(IP, now)
    site.told("bare", IP, answer.code is not None, answer.ttl_s, now)
    return True


def address(receiver: Receiver, kind: str, start: int = 0) -> str:
    directory = Directory(WORLD)
    found = (f"someone{n}@{receiver.domains[0]}" for n in range(start, 100_000))
    return next(a for a in found if directory.kind(a) == kind)


def message(stream: str = "person", number: int = 0, name: str = "m1") -> bytes:
    token = tokens.mint(WORLD.seed, tokens.Origin(stream, number), name)  # type: ignore[arg-type]
    return (
        f"From: <a@b.example>\r\nMessage-ID: <{name}@b.example>\r\n\r\nHello {token}\r\n".encode()
    )


def converse(site: Site, recipient: str, content: bytes, now: float) -> list[tuple[str, Said]]:
    """A whole session, look-ups included, until something is refused."""
    visit = site.connect("bare", IP, now)
    said: list[tuple[str, Said]] = []
    for name, act in (
        ("greeting", lambda: visit.greeting(now)),
        ("ehlo", lambda: visit.ehlo("out.bare.example", now)),
        ("mail", lambda: visit.mail("a@b.example", now)),
        ("rcpt", lambda: visit.rcpt(recipient, now)),
        ("data", lambda: visit.data(content, now)),
    ):
        answer = act()
        if answered(site, answer, now):
            answer = act()
        assert isinstance(answer, Said)
        said.append((name, answer))
        if answer.reply.code >= 400:
            break
    return said


@pytest.mark.parametrize("receiver", WORLD.receivers, ids=lambda r: r.name)
def test_a_listed_address_is_refused_at_the_stage_and_in_the_words_of_the_world_file(
    receiver: Receiver,
) -> None:
    site = a_site(receiver, listed_from=NOW - 10_000)
    recipient = address(receiver, "mailbox")
    if receiver.greylist_s:
        converse(site, recipient, message(), NOW - receiver.greylist_s)
    stage, said = converse(site, recipient, message(), NOW)[-1]
    if receiver.access == "none":
        assert (stage, said.reply.code) == ("data", 250)
        return
    places = {
        "ip": IP, "zone": receiver.list, "helo": "out.bare.example", "recipient": recipient,
        "domain": receiver.domains[0], "host": receiver.name,
    }  # fmt: skip
    expected = receiver.wording
    for place, value in places.items():
        expected = expected.replace("{" + place + "}", value)
    assert stage == receiver.stage
    assert said.reply.wire().decode() == expected.replace("\n", "\r\n") + "\r\n"
    refused = site.lanes["bare"].log.last("refused", 9)
    assert len(refused) == 1 and refused[0].address == IP and refused[0].stage == stage


@pytest.mark.parametrize("receiver", WORLD.receivers, ids=lambda r: r.name)
def test_an_address_that_is_not_listed_gets_its_mail_through(receiver: Receiver) -> None:
    site = a_site(receiver)
    recipient = address(receiver, "mailbox")
    if receiver.greylist_s:
        stage, said = converse(site, recipient, message(), NOW - receiver.greylist_s)[-1]
        assert (stage, said.reply.code // 100) == ("rcpt", 4)
        early = converse(site, recipient, message(), NOW - 1)[-1][1]
        assert early.reply.code // 100 == 4
    stage, said = converse(site, recipient, message(), NOW)[-1]
    assert (stage, said.reply.code, said.keep) == ("data", 250, True)


@pytest.mark.parametrize("receiver", WORLD.receivers, ids=lambda r: r.name)
def test_unknown_users_are_told_so_and_no_list_is_blamed(receiver: Receiver) -> None:
    site = a_site(receiver)
    stage, said = converse(site, address(receiver, "unknown"), message(), NOW)[-1]
    assert (stage, said.reply.code // 100) == ("rcpt", 5)
    assert [e.kind for e in site.lanes["bare"].log.events] == ["unknown"]


def test_a_dns_answer_is_kept_for_its_ttl_and_no_longer() -> None:
    receiver = next(r for r in WORLD.receivers if r.access == "dns" and r.stage == "rcpt")
    site = a_site(receiver, listed_from=NOW + 10)
    visit = site.connect("bare", IP, NOW)
    assert answered(site, visit.rcpt(address(receiver, "mailbox"), NOW), NOW)
    entry = WORLD.list_of(receiver)
    assert entry is not None
    for later, asked, code in (
        (0.0, False, 250),
        (11.0, False, 250),  # listed now, but the answer is still in the cache
        (entry.negative_ttl_s, True, 554),
        (entry.negative_ttl_s + entry.ttl_s - 1, False, 554),
        (entry.negative_ttl_s + entry.ttl_s, True, 554),
    ):
        now = NOW + later
        said = visit.rcpt(address(receiver, "mailbox"), now)
        assert isinstance(said, Ask) == asked
        if answered(site, said, now):
            said = visit.rcpt(address(receiver, "mailbox"), now)
        assert isinstance(said, Said) and said.reply.code == code


def test_a_feed_is_as_old_as_its_last_copy() -> None:
    receiver = next(r for r in WORLD.receivers if r.access == "feed" and r.stage == "data")
    every = receiver.feed_every_s
    copied = WORLD.start + 100 * every
    site = a_site(receiver, listed_from=copied + 1)
    recipient = address(receiver, "mailbox")
    assert converse(site, recipient, message(), copied + every - 1)[-1][1].reply.code == 250
    assert converse(site, recipient, message(), copied + every)[-1][1].reply.code == 550


def test_a_site_that_drops_the_list_refuses_nobody_any_more() -> None:
    receiver = next(r for r in WORLD.receivers if r.access == "dns" and r.stage == "rcpt")
    receiver = msgspec.structs.replace(receiver, drops_list_h=10.0)
    world = msgspec.structs.replace(WORLD, receivers=(receiver,))
    site = a_site(receiver, listed_from=WORLD.start, world=world)
    recipient = address(receiver, "mailbox")
    before, after = WORLD.start + 9 * 3600, WORLD.start + 10 * 3600
    assert converse(site, recipient, message(), before)[-1][1].reply.code == 554
    assert converse(site, recipient, message(), after)[-1][1].reply.code == 250


def test_a_trap_is_evidence_against_the_address_that_delivered() -> None:
    receiver = WORLD.receivers[0]
    site = a_site(receiver)
    visit = site.connect("bare", IP, NOW)
    visit.mail("a@b.example", NOW)
    trap = address(receiver, "trap")
    if answered(site, visit.rcpt(trap, NOW), NOW):
        visit.rcpt(trap, NOW)
    assert visit.data(message(), NOW).keep  # type: ignore[union-attr]
    (piece,) = visit.keep(NOW)
    assert isinstance(piece, Evidence)
    assert (piece.kind, piece.address, piece.at > NOW) == ("trap", IP, True)
    assert visit.keep(NOW) == []


def complaint() -> Complaint:
    """What follows from a mail whose recipient is sure to complain."""
    receiver = next(r for r in WORLD.receivers if r.arf)
    receiver = msgspec.structs.replace(receiver, content_spam_share=0.0)
    hijack = msgspec.structs.replace(WORLD.hijacks[0], arf_share=1.0)
    world = msgspec.structs.replace(WORLD, hijacks=(hijack,), receivers=(receiver,))
    site = a_site(receiver, world=world)
    visit = site.connect("bare", IP, NOW)
    visit.mail("a@b.example", NOW)
    recipient = address(receiver, "mailbox")
    if answered(site, visit.rcpt(recipient, NOW), NOW):
        visit.rcpt(recipient, NOW)
    visit.data(message("hijack"), NOW)
    return next(x for x in visit.keep(NOW) if isinstance(x, Complaint))


def test_a_complaint_is_a_feedback_report_with_the_full_header_block() -> None:
    report = complaint()
    assert report.at > NOW
    parsed = message_from_bytes(report.data)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "feedback-report"
    assert parsed["To"] == "<abuse@platform.example>"
    text, machine, original = parsed.get_payload()  # type: ignore[misc]
    assert text.get_content_type() == "text/plain"  # type: ignore[union-attr]
    fields = machine.get_payload(0)  # type: ignore[union-attr]
    assert fields["Feedback-Type"] == "abuse" and fields["Version"] == "1"  # type: ignore[index]
    assert fields["Source-IP"] == IP and fields["User-Agent"]  # type: ignore[index]
    assert original.get_content_type() == "text/rfc822-headers"  # type: ignore[union-attr]
    assert b"Message-ID: <m1@b.example>\r\n" in report.data
    assert b"Hello" not in report.data


def test_replies_of_several_lines_keep_their_hyphens() -> None:
    assert Reply(550, ("a", "b", "c")).wire() == b"550-a\r\n550-b\r\n550 c\r\n"


def test_a_session_says_what_a_site_is() -> None:
    visit = a_site(WORLD.receivers[0]).connect("bare", IP, NOW)
    assert isinstance(visit, Visit)
    assert visit.ehlo("x", NOW).reply.lines[0] == WORLD.receivers[0].name
    assert visit.auth("a", "b", NOW).reply.code == 502
