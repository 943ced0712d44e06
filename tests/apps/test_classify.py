"""`unlisted classify`, as a program: one answer per line, per recipient, in order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LISTED = "554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org"
BOUNCE = """\
From: MAILER-DAEMON@mx.example.net
To: sender@example.org
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; out.example.org

Final-Recipient: rfc822; one@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 <one@example.net>: user unknown

Final-Recipient: rfc822; two@example.net
Action: failed
Status: 5.7.1
Diagnostic-Code: smtp; 554 5.7.1 Service unavailable; Client host
 [192.0.2.10] blocked using bl.spamcop.net

--b
Content-Type: message/rfc822

Message-ID: <m1@example.org>
Subject: hello

--b--
"""
LETTER = "From: a@example.org\nTo: b@example.org\nSubject: lunch\n\nAt noon?\n"


def run(*args: str, given: str | bytes = "") -> subprocess.CompletedProcess[bytes]:
    raw = given.encode() if isinstance(given, str) else given
    return subprocess.run(
        [sys.executable, "-m", "unlisted", "classify", *args],
        input=raw, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def answers(*args: str, given: str | bytes = "") -> list[dict[str, Any]]:
    done = run(*args, "--json", given=given)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_each_line_gets_one_answer_in_order_and_an_empty_one_too() -> None:
    found = answers("--ours", "192.0.2.0/24", given=f"{LISTED}\n\n550 5.1.1 User unknown\n")
    assert [one["reason"] for one in found] == ["blocked", None, "userunknown"]
    assert found[0] | {"input": "", "rule": ""} == {
        "input": "", "code": 554, "enhanced": "5.7.1", "reason": "blocked", "refusal": True,
        "subject": "address", "subject_value": "192.0.2.10", "ours": "yes",
        "blames": "zen.spamhaus.org", "family": "spamhaus", "said_by": None,
        "retry": "after_delisting", "temporary": False, "rule": "", "confidence": "high", "also": [],
    }  # fmt: skip


def test_two_characters_stand_for_the_line_break_of_a_long_reply() -> None:
    text = LISTED.replace("unavailable; Client", "unavailable;\\n554 5.7.1 Client")
    (found,) = answers("--ours", "192.0.2.0/24", given=text.replace("554 ", "554-", 1))
    assert (found["refusal"], found["family"]) == (True, "spamhaus")


def test_an_address_outside_the_networks_given_is_not_ours() -> None:
    (found,) = answers("--ours", "198.51.100.0/24", "--ours", "2001:db8::/32", given=LISTED)
    assert (found["refusal"], found["ours"]) == (True, "no")


def test_a_mail_gives_one_answer_per_recipient(tmp_path: Path) -> None:
    mail = tmp_path / "bounce.eml"
    mail.write_text(BOUNCE)
    first, second = answers(str(mail), "--ours", "192.0.2.0/24")
    assert (first["recipient"], first["reason"]) == ("one@example.net", "userunknown")
    assert (second["recipient"], second["reason"]) == ("two@example.net", "blocked")
    assert (second["refusal"], second["family"], second["ours"]) == (True, "spamcop", "yes")
    assert {one["input"] for one in (first, second)} == {str(mail)}
    assert first["message_id"] == "m1@example.org"


def test_a_mail_that_is_no_bounce_has_no_reason(tmp_path: Path) -> None:
    mail = tmp_path / "letter.eml"
    mail.write_text(LETTER)
    (found,) = answers(str(mail))
    assert (found["reason"], found["recipient"], found["refusal"]) == (None, None, False)


def test_folders_and_mboxes_are_taken_apart(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "1700000000.M1.host:2,S").write_text(BOUNCE)
    (tmp_path / "notes.csv").write_text("a,b\n")
    box = tmp_path / "box"
    box.write_text(
        f"From x Mon Nov 23 00:00:00 2026\n{LETTER}\nFrom y Mon Nov 23 00:00:01 2026\n{BOUNCE}"
    )
    found = answers(str(tmp_path))
    assert [(Path(one["input"]).name, one["reason"]) for one in found] == [
        ("box#1", None), ("box#2", "userunknown"), ("box#2", "blocked"),
        ("1700000000.M1.host:2,S", "userunknown"), ("1700000000.M1.host:2,S", "blocked"),
    ]  # fmt: skip


def test_a_line_without_end_and_bytes_that_are_no_text_are_bounded() -> None:
    found = answers(given=b"550 " + b"x" * 300_000 + b"\n\xff\xfe\x00\n" + LISTED.encode())
    assert [one["refusal"] for one in found] == [False, False, True]


def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    for args, words in (
        (("--ours", "10.0.0.0/99"), b"expected an address or network"),
        ((str(tmp_path / "absent"),), b"No such file"),
    ):
        done = run(*args)
        assert done.returncode == 2
        assert words in done.stderr
        assert b"Traceback" not in done.stderr


def test_for_a_person_it_says_what_to_do_next() -> None:
    done = run("--ours", "192.0.2.0/24", given=LISTED)
    text = done.stdout.decode()
    assert "refused: address 192.0.2.10 (ours), by zen.spamhaus.org" in text
    assert "next: after delisting" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_mail_or_an_mbox_on_standard_input_is_read_as_one() -> None:
    reasons = [("one@example.net", "userunknown"), ("two@example.net", "blocked")]
    found = answers(given=BOUNCE)
    assert [(one["recipient"], one["reason"]) for one in found] == reasons
    line = "From MAILER-DAEMON Mon Nov 23 10:00:00 2026\n"
    found = answers(given=f"{line}{BOUNCE}\n{line}{LETTER}\n")
    assert [one["input"] for one in found] == ["-#1", "-#1", "-#2"]


def test_a_reply_that_begins_like_a_header_stays_a_reply() -> None:
    for text in ("From address refused", "Error: too many connections", "Message: rejected"):
        assert [one["input"] for one in answers(given=f"{text}\n{LISTED}\n")] == [text, LISTED]


def test_for_a_person_an_empty_line_is_no_question_and_a_deferral_says_to_try_again() -> None:
    text = run(
        given="421 4.7.0 closing\n\n550 5.7.1 rejected due to local policy\n"
    ).stdout.decode()
    assert text.count("not recognised") == 1
    assert "next: the same address, later" in text
    assert "suspicion: it may blame our address" in text
