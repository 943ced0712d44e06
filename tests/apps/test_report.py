"""`unlisted report`: logs are written as Postfix writes them, read by the command, and judged."""

import csv
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.report.maillog import DAY, HOUR, MINUTE, SPAMCOP, START, UNKNOWN, MailLog

from unlisted.apps import cli
from unlisted.apps.progress import Bar
from unlisted.apps.words import iso

Run = Callable[..., tuple[int, str, str]]
IP, OTHER_IP = "192.0.2.10", "192.0.2.11"
OURS = ("--ours", "192.0.2.0/24")
POLICY = "550 5.7.1 Message rejected due to security policies"


@pytest.fixture
def run(capsysbinary: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Types a command in an empty folder; (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def typed(*words: str | Path) -> tuple[int, str, str]:
        capsysbinary.readouterr()
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as exc:
            code = int(exc.code or 0)
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return typed


def told(run: Run, log: MailLog, *more: str, ours: bool = True) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a report on the log."""
    path = log.write(Path("mail.log"))
    code, out, err = run("report", path, *(OURS if ours else ()), "--json", "-", *more)
    assert err == ""
    return code, json.loads(out)


def usual(
    log: MailLog,
    start: float,
    end: float,
    listed: tuple[tuple[float, float], ...] = (),
    transport: str = "smtp",
    reply: str = SPAMCOP.format(ip=IP),
    every: float = 30 * MINUTE,
    site: str = "example.com",
    sender: str | None = "",
) -> list[float]:
    """One mail per half hour to one receiver by eight people; when it refused."""
    refused = []
    number = 0
    at = start
    while at < end:
        bad = any(low <= at < high for low, high in listed)
        who = f"user{number % 8}" if sender == "" else sender
        to = f"friend{number % 8}@{site}"
        log.mail(at, to, who, reply if bad else None, transport=transport)
        if bad:
            refused.append(at)
        number += 1
        at += every
    return refused


# ---------------------------------------------------------------- listings


def test_a_listing_that_ends_and_comes_back_is_two_episodes_with_its_clock(run: Run) -> None:
    log = MailLog()
    first = (START + 3 * DAY, START + 4 * DAY)
    second = (START + 6 * DAY, START + 6.5 * DAY)
    refused = usual(log, START, START + 6.5 * DAY, (first, second))
    code, found = told(run, log)
    assert code == cli.FOUND and found["blocked"]
    one, two = found["episodes"]
    assert (one["id"], one["number"], one["times"], one["why_new"]) == ("e1", 1, 2, "")
    assert (two["id"], two["number"], two["times"]) == ("e2", 2, 2)
    assert (one["first_at"], one["last_at"]) == (iso(refused[0]), iso(refused[47]))
    assert (two["first_at"], two["last_at"]) == (iso(refused[48]), iso(refused[-1]))
    assert one["rate"]["successes"] == one["rate"]["trials"] == one["refusals"] == 48
    assert 0.92 < one["rate"]["low"] < 0.93 and one["rate"]["high"] == 1
    assert one["place"] == {
        "name": IP,
        "known": "known",
        "how": "named by the replies, and ours",
    }
    assert one["blamed"]["name"] == "spamcop" and one["zones"] == ["bl.spamcop.net"]
    assert one["users_count"] == 8 and one["receivers"][0]["name"] == "example.com"
    assert one["ending"]["state"] == "over"
    assert (one["ending"]["low"], one["ending"]["high"]) == (iso(refused[47]), iso(first[1]))
    assert two["ending"]["state"] == "open"
    # Free 24 h after the last refusal at the latest; the last mail taken bounds the earliest.
    assert two["release"]["high"] == iso(refused[-1] + DAY)
    assert two["release"]["low"] == iso(second[0] - 30 * MINUTE - HOUR + DAY)


def test_a_listing_longer_than_its_term_says_the_source_went_on(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 3 * DAY, ((START + DAY, START + 3 * DAY),))
    _, found = told(run, log)
    (one,) = found["episodes"]
    assert one["longer_than_term"]
    _, out, _ = run("report", "mail.log", *OURS)
    assert "the source was still at work then" in " ".join(out.split())


def test_of_two_addresses_only_the_listed_one_is_told_of(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),), "smtp-out1")
    usual(log, START + 60, START + 2 * DAY, (), "smtp-out2")
    code, found = told(run, log)
    assert code == cli.FOUND
    (one,) = found["episodes"]
    assert one["place"]["name"] == IP
    assert one["rate"]["trials"] == 48, "the other address's mail is no attempt of this one"
    assert {place["name"] for place in found["coverage"]["places"]} == {
        IP,
        "the address behind transport smtp-out2",
    } or len(found["coverage"]["places"]) == 2


def test_an_ipv6_address_is_an_address(run: Run) -> None:
    ip = "2001:db8::25"
    reply = (
        f"550 5.7.1 Service unavailable, Client host [{ip}] blocked using Spamhaus. "
        "To request removal from this list see https://www.spamhaus.org/query/ip/"
    )
    log = MailLog()
    for number in range(12):
        log.mail(
            START + number * HOUR, f"f{number}@example.com", f"u{number}",
            reply if number >= 6 else None, relay_ip="2001:db8:1::1",
        )  # fmt: skip
        log.mail(START + number * HOUR + 60, f"g{number}@example.com", "zoe")
    code, found = told(run, log, "--ours", "2001:db8::/64")
    assert code == cli.FOUND
    (one,) = found["episodes"]
    assert (one["place"]["name"], one["blamed"]["name"]) == (ip, "spamhaus")
    assert (one["refusals"], one["rate"]["trials"]) == (6, 6), "IPv4 mail left by another address"


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 Service unavailable; Client host [{ip}] blocked using zen.spamhaus.org; "
        "Error: open resolver; https://www.spamhaus.org/returnc/pub/198.51.100.53",
        "550 5.7.1 Service unavailable; Client host [{ip}] blocked using multi.uribl.com; "
        "127.0.0.1 -> Query Refused. See http://uribl.com/refused.shtml for more information",
    ],
)
def test_a_receiver_s_own_query_error_is_no_listing(run: Run, reply: str) -> None:
    log = MailLog()
    usual(
        log, START, START + 2 * DAY, ((START + DAY, START + 1.5 * DAY),), reply=reply.format(ip=IP)
    )
    usual(log, START + 7, START + 2 * DAY, site="example.net")
    code, found = told(run, log)
    assert (code, found["episodes"], found["blocked"]) == (cli.OK, [], False)


def test_an_address_that_is_not_ours_is_nobody_s_episode(run: Run) -> None:
    log = MailLog()
    reply = SPAMCOP.format(ip="203.0.113.77")
    usual(log, START, START + DAY, ((START, START + DAY / 2),), reply=reply)
    code, found = told(run, log)
    assert (code, found["episodes"]) == (cli.FOUND, [])
    (one,) = found["outside"]
    assert one["name"] == "203.0.113.77" and one["refusals"] > 0
    _, out, _ = run("report", "mail.log", *OURS)
    assert f"named an address outside --ours: 203.0.113.77 ({one['refusals']})" in " ".join(
        out.split()
    )


def test_without_ours_an_address_in_the_replies_is_inferred_and_said_to_be(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + DAY, ((START + DAY / 2, START + DAY),))
    _, found = told(run, log, ours=False)
    (one,) = found["episodes"]
    assert (one["place"]["name"], one["place"]["known"]) == (IP, "inferred")
    assert any("--ours" in said for said in found["coverage"]["assumptions"])


# ---------------------------------------------------------------- no list named


def test_a_receiver_that_turns_against_one_address_is_a_block_without_a_list(run: Run) -> None:
    log = MailLog()
    turned = ((START + DAY, START + 2 * DAY),)
    refused = usual(log, START, START + 2 * DAY, turned, "smtp-out1", POLICY)
    usual(log, START + 60, START + 2 * DAY, (), "smtp-out2")
    usual(log, START + 120, START + 2 * DAY, (), "smtp-out1", site="example.net")
    code, found = told(run, log)
    assert (code, found["episodes"]) == (cli.FOUND, [])
    (one,) = found["shifts"]
    assert (one["kind"], one["receiver"]) == ("address", "example.com")
    assert one["place"]["known"] == "unknown" and "out1" in one["place"]["name"]
    assert one["rate"]["successes"] == one["rate"]["trials"] == len(refused) == 48
    assert one["elsewhere"]["successes"] == 0 and one["elsewhere"]["trials"] == 47
    assert one["before"]["successes"] == 0
    assert found["again"]["counts"]["resend"] == 48


def test_what_hits_all_addresses_alike_is_no_block_of_an_address(run: Run) -> None:
    log = MailLog()
    turned = ((START + DAY, START + 2 * DAY),)
    for number in (1, 2, 3):
        usual(log, START + 60 * number, START + 2 * DAY, turned, f"smtp-out{number}", POLICY)
    code, found = told(run, log)
    assert (code, found["episodes"], found["blocked"]) == (cli.OK, [], False)
    assert {one["kind"] for one in found["shifts"]} == {"all"}
    assert found["again"]["counts"]["resend"] == 0


def test_with_one_address_only_a_shift_is_a_suspicion(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),), reply=POLICY)
    code, found = told(run, log)
    assert code == cli.OK
    assert [one["kind"] for one in found["shifts"]] == ["suspected"]
    assert found["again"]["counts"]["resend"] == 0


def test_greylisting_in_words_that_no_rule_knows_is_no_block(run: Run) -> None:
    log = MailLog()
    usual(log, START + 60, START + 4 * DAY, (), "smtp-out2")
    for number in range(60):
        at, to = START + number * HOUR, f"new{number}@example.com"
        queue = log.mail(
            at, to, f"user{number % 9}", "451 4.3.9 Come back in a while, friend", transport="smtp-out1"
        )  # fmt: skip
        log.mail(at + 20 * MINUTE, to, f"user{number % 9}", transport="smtp-out1", queue_id=queue)
    code, found = told(run, log)
    assert (code, found["shifts"], found["again"]["counts"]["resend"]) == (cli.OK, [], 0)


def test_a_tenth_of_dead_addresses_in_unknown_words_is_no_block(run: Run) -> None:
    log = MailLog()
    usual(log, START + 60, START + 4 * DAY, (), "smtp-out2")
    for number in range(400):
        reply = "550 5.5.9 Niemand daheim" if number % 9 == 8 else None
        who = f"user{number * 7 % 11}"
        log.mail(START + number * 600, f"x{number}@example.com", who, reply, transport="smtp-out1")
    code, found = told(run, log)
    assert (code, found["blocked"]) == (cli.OK, False)
    assert {one["kind"] for one in found["shifts"]} <= {"suspected", "one_sender"}


def test_a_refusal_that_names_no_list_is_the_receiver_s_own_and_has_no_clock(run: Run) -> None:
    log = MailLog()
    reply = f"550 5.7.1 Your server's IP address [{IP}] is blocked by our local policy, contact us"
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),), reply=reply)
    log.write(Path("mail.log"))
    code, out, _ = run("report", "mail.log", *OURS)
    words = " ".join(out.split())
    assert code == cli.FOUND and f"{IP} refused by example.com itself" in words
    assert "No release can be predicted: example.com decides by its own rules" in words
    assert "names no public list: ask its postmaster" in words


def test_a_list_that_is_closed_is_a_matter_for_the_receiver(run: Run) -> None:
    log = MailLog()
    reply = f"554 5.7.1 Service unavailable; Client host [{IP}] blocked using dnsbl.sorbs.net"
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),), reply=reply)
    log.write(Path("mail.log"))
    _, out, _ = run("report", "mail.log", *OURS)
    assert "the list is closed; the receiver must drop it" in " ".join(out.split())


def test_where_asking_is_welcome_a_person_asks_after_the_source_is_stopped(run: Run) -> None:
    log = MailLog()
    reply = f"554 5.7.1 Client host [{IP}] blocked using b.barracudacentral.org"
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),), reply=reply)
    _, found = told(run, log)
    (advice,) = found["advice"]
    assert advice["steps"][1].startswith("Once the source is stopped, a named person asks")
    assert advice["page"].endswith(IP)


def test_doubtful_words_elsewhere_during_a_listing_are_likely_the_listing(run: Run) -> None:
    log = MailLog()
    listed = ((START + 2 * DAY, START + 3 * DAY),)
    usual(log, START, START + 4 * DAY, listed)
    usual(log, START + 60, START + 4 * DAY, listed, reply=POLICY, site="example.net")
    _, found = told(run, log)
    (one,) = found["shifts"]
    assert (one["kind"], one["beside"], one["receiver"]) == ("listed", "e1", "example.net")
    assert found["again"]["by_cause"]["s1"]["resend"] == 48
    assert found["again"]["by_cause"]["e1"]["resend"] == 48


def test_two_addresses_behind_one_transport_are_told_apart_by_the_refusals_only(run: Run) -> None:
    log = MailLog()
    for number in range(600):
        ip = (IP, OTHER_IP)[number % 2]
        at = START + number * 10 * MINUTE
        bad = ip == IP and START + 2 * DAY <= at < START + 3 * DAY
        bad = bad or (ip == OTHER_IP and START + 2.5 * DAY <= at < START + 3.5 * DAY)
        reply = SPAMCOP.format(ip=ip) if bad else None
        log.mail(at, f"f{number % 50}@example.com", f"u{number % 13}", reply)
    _, found = told(run, log)
    one, two = found["episodes"]
    assert (one["place"]["name"], one["place"]["known"]) == (IP, "known")
    assert two["place"]["name"] == OTHER_IP
    assert one["behind"] == ["the addresses behind transport smtp"]
    assert one["refusals"] == two["refusals"] == 72 < one["rate"]["trials"]
    assert one["ending"]["state"] == "over"
    assert "All mail of the addresses behind transport smtp" in found["rankings"][0]["words"]


# ---------------------------------------------------------------- who sent


def hijack(log: MailLog, start: float, count: int = 400, sender: str | None = "hans") -> None:
    for number in range(count):
        to = f"stranger{number}@site{number % 40}.example"
        reply = UNKNOWN.format(to=to) if number % 8 == 0 else None
        log.mail(start + 15 * number, to, sender, reply)


def test_a_hijacked_account_is_pointed_at_and_never_called_guilty(run: Run) -> None:
    log = MailLog()
    hijack(log, START + 5 * DAY - 2 * HOUR)
    usual(log, START, START + 6 * DAY, ((START + 5 * DAY, START + 6 * DAY),))
    _, found = told(run, log)
    (ranked,) = found["rankings"]
    assert ranked["verdict"] == "probable"
    first = ranked["suspects"][0]
    assert (first["sender"], first["standing"]) == ("login:hans", "probable")
    assert first["low"] < first["share"] < first["high"] <= 1 and first["share"] > 0.5
    assert (first["mail"], first["unknown_users"]) == (400, 50)
    assert (first["day"], first["usual_day"], first["sudden"]) == (400, 0, True)
    assert [one["sender"] for one in ranked["suspects"] if one["standing"] == "probable"] == [
        "login:hans"
    ]
    assert "guilty" not in json.dumps(found)
    _, out, _ = run("report", "mail.log", *OURS)
    assert "Look first at login:hans: probable, not proven" in " ".join(out.split())


def test_ordinary_mail_before_a_listing_names_nobody(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 6 * DAY, ((START + 5 * DAY, START + 6 * DAY),))
    _, found = told(run, log)
    (ranked,) = found["rankings"]
    assert ranked["verdict"] in ("not enough evidence", "nobody here")
    assert all(one["standing"] != "probable" for one in ranked["suspects"])


def test_a_log_without_senders_says_unknown(run: Run) -> None:
    log = MailLog()
    hijack(log, START + 2 * DAY - 2 * HOUR, sender=None)
    usual(log, START, START + 3 * DAY, ((START + 2 * DAY, START + 3 * DAY),), sender=None)
    code, found = told(run, log)
    assert code == cli.FOUND
    (one,) = found["episodes"]
    assert (one["users_count"], one["users_unknown"]) == (0, 48)
    (ranked,) = found["rankings"]
    assert (ranked["verdict"], ranked["suspects"]) == ("unknown", [])
    assert ranked["unknown_mail"] == ranked["mail"] > 400
    _, out, _ = run("report", "mail.log", *OURS)
    assert "does not say who sent" in " ".join(out.split())


# ---------------------------------------------------------------- send again


def letters(run: Run, log: MailLog) -> tuple[dict[str, int], list[dict[str, str]]]:
    _, found = told(run, log, "--resend", "letters.csv")
    with open("letters.csv", encoding="utf-8", newline="") as file:
        return found["again"]["counts"], list(csv.DictReader(file))


def test_letters_are_sent_again_once_and_only_those_that_did_not_arrive(run: Run) -> None:
    log = MailLog()
    block = SPAMCOP.format(ip=IP)
    soft = block.replace("554 5.7.1", "451 4.7.1")
    at = START + DAY
    usual(log, START, START + DAY)
    # bounced; bounced and delivered later; deferred and delivered; still deferred; lost after DATA
    log.mail(at, "a@example.com", "u1", block, message_id="bounced@x")
    log.mail(at + 60, "b@example.com", "u2", block, message_id="later@x")
    log.mail(at + 2 * HOUR, "b@example.com", "u2", message_id="later@x")
    queue = log.mail(at + 90, "c@example.com", "u3", soft, message_id="soft@x")
    log.mail(at + HOUR, "c@example.com", "u3", queue_id=queue)
    log.mail(at + 120, "d@example.com", "u4", soft, message_id="waits@x")
    queue = log.mail(
        at + 150, "e@example.com", "u5", message_id="lost@x", status="deferred",
        said="lost connection with mx.example.com[198.51.100.25] while sending end of data -- "
        "message may be sent more than once",
    )  # fmt: skip
    log.mail(at + 40 * MINUTE, "e@example.com", "u5", block, queue_id=queue)
    queue = log.mail(at + 180, "f@example.com", "u6", soft, message_id="dead@x")
    to = "f@example.com"
    log.mail(at + 50 * MINUTE, to, "u6", UNKNOWN.format(to=to), queue_id=queue)
    log.mail(at + 3 * HOUR, "a2@example.com", "u1", block, message_id="last@x")
    counts, rows = letters(run, log)
    assert counts == {
        "resend": 2, "unsure": 1, "queued": 1, "delivered": 2, "suspect": 0, "other": 1,
    }  # fmt: skip
    assert [(row["message_id"], row["recipient"], row["safe"]) for row in rows] == [
        ("bounced@x", "a@example.com", "yes"),
        ("lost@x", "e@example.com", "no"),
        ("last@x", "a2@example.com", "yes"),
    ]
    assert rows[0]["sender"] == "login:u1" and rows[0]["address"] == IP
    assert rows[0]["blamed"] == "spamcop" and rows[0]["file"] == "mail.log"
    assert (
        SPAMCOP.format(ip=IP) in Path("mail.log").read_text().splitlines()[int(rows[0]["line"]) - 1]
    )


def test_each_letter_stands_beside_the_reply_it_got_itself(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + DAY)
    for number in range(3):
        reply = f"{SPAMCOP.format(ip=IP)} (ticket {number})"
        log.mail(START + DAY + number, f"f{number}@example.com", "u1", reply)
    _, rows = letters(run, log)
    assert [f"(ticket {number})" in row["reply"] for number, row in enumerate(rows)] == [True] * 3


def test_the_same_log_packed_or_copied_counts_once_and_that_is_said(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 1.5 * DAY),))
    path = log.write(Path("mail.log"))
    whole = path.read_bytes()
    Path("mail.log.1.gz").write_bytes(gzip.compress(whole))
    Path("early.log").write_bytes(whole[: len(whole) // 2])
    Path("other.log").write_bytes(whole.replace(b"2026-11-16T", b"2026-11-26T", 1))
    once = json.loads(run("report", "mail.log", *OURS, "--json", "-")[1])
    _, out, _ = run("report", "early.log", "mail.log.1.gz", "mail.log", *OURS, "--json", "-")
    twice = json.loads(out)
    assert twice["again"]["counts"] == once["again"]["counts"]
    assert sorted(note for note in twice["coverage"]["assumptions"] if "left out" in note) == [
        "early.log: left out, all of it is in mail.log.1.gz.",
        "mail.log: left out, all of it is in mail.log.1.gz.",
    ]
    _, out, _ = run("report", "mail.log", "other.log", *OURS, "--json", "-")
    assert "left out" not in out


def test_suspects_letters_are_left_out(run: Run) -> None:
    log = MailLog()
    hijack(log, START + 5 * DAY - 2 * HOUR)
    usual(log, START, START + 6 * DAY, ((START + 5 * DAY, START + 6 * DAY),))
    log.mail(START + 5.5 * DAY, "x@example.com", "hans", SPAMCOP.format(ip=IP))
    counts, rows = letters(run, log)
    assert (counts["resend"], counts["suspect"]) == (48, 1)
    assert "login:hans" not in {row["sender"] for row in rows}


def test_a_spreadsheet_runs_nothing_that_a_sender_wrote(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + DAY)
    block = SPAMCOP.format(ip=IP)
    for number in range(4):
        log.mail(
            START + DAY + number, f"=cmd{number}@example.com", "u", block, message_id="@SUM(1)"
        )
    _, rows = letters(run, log)
    assert [row["recipient"] for row in rows] == [f"'=cmd{n}@example.com" for n in range(4)]
    assert rows[0]["message_id"] == "'@SUM(1)"


# ---------------------------------------------------------------- the page and the rest


def test_the_page_is_one_file_that_fetches_and_runs_nothing(run: Run) -> None:
    log = MailLog()
    hostile = SPAMCOP.format(ip=IP) + "<script>alert(1)</script><img src=//evil.example/x>"
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),), reply=hostile)
    log.write(Path("mail.log"))
    code, out, _ = run("report", "mail.log", *OURS, "--html", "r.html")
    assert code == cli.FOUND and "r.html" in out
    page = Path("r.html").read_text("utf-8")
    assert "<script" not in page and "<img" not in page and "&lt;script" in page
    assert not re.search(r"<[^>]*\ssrc=|<link|<iframe|@import|url\(", page)
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets and targets <= set(re.findall(r'id="([^"]+)"', page))
    assert page.count("<svg") >= 1 and "mail.log:" in page


def test_what_a_person_reads_fits_80_columns(run: Run) -> None:
    log = MailLog()
    hijack(log, START + 5 * DAY - 2 * HOUR)
    usual(log, START, START + 6 * DAY, ((START + 5 * DAY, START + 6 * DAY),))
    usual(log, START + 60, START + 6 * DAY, (), "smtp-out2")
    log.write(Path("mail.log"))
    code, out, err = run("report", "mail.log", *OURS)
    assert (code, err) == (cli.FOUND, "")
    assert max(len(line) for line in out.splitlines() if "://" not in line) <= 80
    assert "\x1b" not in out and "\r" not in out


def test_since_and_until_leave_out_the_rest(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 2 * DAY),))
    code, found = told(run, log, "--until", "2026-11-17", "--zone", "UTC")
    assert (code, found["coverage"]["attempts"]) == (cli.OK, 48)
    code, found = told(run, log, "--since", "2026-11-17T12:00Z")
    assert (code, found["coverage"]["attempts"]) == (cli.FOUND, 24)


def test_an_empty_log_says_that_nothing_can_be_said(run: Run) -> None:
    Path("empty.log").write_bytes(b"")
    code, out, _ = run("report", "empty.log")
    assert code == cli.OK and "nothing can be said" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.log",), "gone.log"),
        (("mail.log", "--ours", "nonsense"), "--ours nonsense: expected"),
        (("mail.log", "--since", "yesterday"), "--since yesterday: expected"),
        (("mail.log", "--zone", "Mars/Base"), "Mars/Base"),
        (("mail.log", "--html", "no/such/folder/r.html"), "no/such/folder/r.html"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Run, words: tuple[str, ...], said: str
) -> None:
    log = MailLog()
    usual(log, START, START + DAY)
    log.write(Path("mail.log"))
    code, _, err = run("report", *words)
    assert code == cli.USAGE and said in err and "Traceback" not in err


def test_a_clean_log_is_clean_with_a_bound(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 3 * DAY)
    log.write(Path("mail.log"))
    code, out, _ = run("report", "mail.log", *OURS)
    assert code == cli.OK
    assert "No refusal of an address of yours" in out and "2.1%" in out


def test_a_file_named_twice_counts_once(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + DAY)
    log.write(Path("mail.log"))
    Path("link.log").symlink_to("mail.log")
    _, out, _ = run("report", "mail.log", "./mail.log", "link.log", "--json", "-")
    assert json.loads(out)["coverage"]["attempts"] == 48


def test_several_files_are_named_with_the_lines_of_each(run: Run) -> None:
    one, two = MailLog(), MailLog()
    usual(one, START, START + DAY)
    usual(two, START + DAY, START + 2 * DAY, ((START + DAY, START + 1.5 * DAY),))
    one.write(Path("mail.log.1"))
    two.write(Path("mail.log"))
    _, out, _ = run("report", "mail.log", "mail.log.1", *OURS, "--json", "-")
    found = json.loads(out)
    (episode,) = found["episodes"]
    lines = Path("mail.log").read_text("utf-8").splitlines()
    for place in episode["evidence"]["lines"]:
        assert place["file"] == "mail.log" and "status=bounced" in lines[place["line"] - 1]
    assert episode["evidence"]["count"] == 24
    assert episode["release"]["high"] == iso(START + 2.5 * DAY - 30 * MINUTE) or (
        episode["ending"]["state"] == "over"
    )


@pytest.mark.parametrize(
    ("done", "total", "spent", "said"),
    [
        (500_000_000, 1_000_000_000, 10.0, ["50%", "500.0 MB of 1.0 GB", "50.0 MB/s", "10 s left"]),
        (1_000, None, 1.0, ["1.0 kB", "1.0 kB/s"]),
        (0, 10, 0.0, ["0%"]),
    ],
)
def test_the_bar_says_bytes_rate_and_time_left(
    done: int, total: int | None, spent: float, said: list[str]
) -> None:
    line = Bar.line(done, total, spent)
    assert all(part in line for part in said) and len(line) < 80


@pytest.mark.parametrize(("done", "spent"), [(6, 0.02), (6, 30.0), (500_000, 0.5)])
def test_the_bar_tells_no_time_left_before_it_knows_one(done: int, spent: float) -> None:
    assert "left" not in Bar.line(done, 1_000_000, spent)


def test_an_ended_listing_is_not_struck_through_on_the_page(run: Run) -> None:
    log = MailLog()
    usual(log, START, START + 2 * DAY, ((START + DAY, START + 1.2 * DAY),))
    _, page, _ = run("report", log.write(Path("mail.log")), *OURS, "--html", "-")
    assert 'class="over"' in page and "line-through" not in page


def test_a_listed_domain_is_told_of_and_is_no_address(run: Run) -> None:
    log = MailLog()
    reply = "554 5.7.1 Sender address [anna@example.org] blocked using dbl.spamhaus.org"
    usual(log, START, START + DAY, ((START, START + DAY / 2),), reply=reply)
    code, found = told(run, log)
    (one,) = found["domains"]
    assert (code, found["episodes"], found["outside"]) == (cli.OK, [], [])
    assert (one["kind"], one["name"], one["blames"]) == (
        "sender",
        "example.org",
        "dbl.spamhaus.org",
    )
    _, out, _ = run("report", "mail.log", *OURS, "--html", "r.html")
    said = "Not your addresses: a domain (example.org, of the sender) is listed on dbl.spamhaus.org"
    assert said in " ".join(out.split()) and said in Path("r.html").read_text()


@pytest.mark.parametrize(
    "words",
    [("--year", "26"), ("--year", "3000"), ("--since", "2026-11-20", "--until", "2026-11-19")],
)
def test_what_can_hold_nothing_is_refused_in_a_sentence(run: Run, words: tuple[str, ...]) -> None:
    log = MailLog()
    usual(log, START, START + DAY, ())
    log.write(Path("mail.log"))
    code, out, err = run("report", "mail.log", *words)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words[0] in err


def test_a_file_that_is_no_log_is_refused(run: Run) -> None:
    Path("x.csv").write_text("a,b\n1,2\n")
    code, out, err = run("report", "x.csv")
    assert (code, out) == (2, "") and "no delivery attempt" in err


def test_letters_that_the_queue_gave_up_are_to_be_sent_again(run: Run) -> None:
    """qmgr's last word names no recipient, and a transport may bear another name than it."""
    log = MailLog()
    at = START + DAY
    usual(log, START, START + DAY)
    soft = SPAMCOP.format(ip=IP).replace("554 5.7.1", "451 4.7.1")
    for number, word in enumerate(("expired", "force-expired")):
        queue = log.mail(
            at + number, f"a{number}@example.com", f"u{number}", soft, removed=False,
            message_id=f"{word}@x",
        )  # fmt: skip
        log.mail(
            at + 5 + number, f"b{number}@example.com", f"u{number}", queue_id=queue, removed=False
        )
        log._line(
            at + HOUR,
            "qmgr",
            f"{queue}: from=<u{number}@example.org>, status={word}, returned to sender",
        )
        log._line(at + HOUR + 1, "qmgr", f"{queue}: removed")
    log.mail(at + 120, "d@example.com", "u4", soft, message_id="waits@x")
    log.mail(at + 3 * HOUR, "a2@example.com", "u9", SPAMCOP.format(ip=IP), message_id="last@x")
    counts, rows = letters(run, log)
    assert [(row["message_id"], row["recipient"], row["safe"]) for row in rows] == [
        ("expired@x", "a0@example.com", "yes"),
        ("force-expired@x", "a1@example.com", "yes"),
        ("last@x", "a2@example.com", "yes"),
    ]
    assert (counts["queued"], counts["resend"]) == (1, 3)


@pytest.mark.parametrize("last", ["AdminBounce", "Expiration"])
@pytest.mark.parametrize("named", [True, False])
def test_letters_that_kumomta_gave_up_are_to_be_sent_again(
    run: Run, last: str, named: bool
) -> None:
    """Its last record has no headers, and by hand perhaps no recipient."""
    lines = []
    reply = SPAMCOP.format(ip=IP)
    for number in range(4):
        record: dict[str, object] = {
            "type": "TransientFailure", "id": f"id{number}", "sender": "u@example.org",
            "recipient": f"r{number}@example.com", "egress_source": "ip1",
            "source_address": {"address": f"{IP}:3000"}, "headers": {"Message-ID": f"<m{number}@x>"},
            "peer_address": {"name": "mx.example.com.", "addr": "198.51.100.25"},
            "timestamp": int(START) + number,
            "response": {"code": 451, "enhanced_code": {"class": 4, "subject": 7, "detail": 1},
                         "content": reply[10:], "command": "RCPT TO:<r>"},
        }  # fmt: skip
        lines.append(record)
    for number in range(3):
        gone = {
            "type": last, "id": f"id{number}", "sender": "u@example.org",
            "timestamp": int(START + HOUR) + number,
            "response": {"code": 551, "content": "KumoMTA internal: Next delivery time would be after it expires"},
        }  # fmt: skip
        lines.append(gone | ({"recipient": f"r{number}@example.com"} if named else {}))
    Path("mail.log").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    run("report", "mail.log", *OURS, "--format", "kumomta", "--resend", "letters.csv")
    with open("letters.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["message_id"], row["safe"]) for row in rows] == [
        (f"m{number}@x", "yes") for number in range(3)
    ]


def test_the_log_of_another_mail_server_is_refused_by_its_name(run: Run) -> None:
    told = (
        "m5UNQtuJ001414: to=<b@example.com>, mailer=esmtp, dsn=4.7.1, stat=Deferred: 450 4.7.1 no"
    )
    Path("maillog").write_text(f"Nov  3 10:00:00 mx1 sm-mta[9]: {told}\n" * 3)
    code, out, err = run("report", "maillog")
    assert (code, out) == (2, "") and "maillog looks like a log of Sendmail" in err
