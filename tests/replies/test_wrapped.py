"""Replies as other programs quote them: the quoted server's words count, its stage is told."""

from ipaddress import ip_network

import pytest

from unlisted.mail.reply import parse_reply
from unlisted.replies import as_json, classify
from unlisted.replies.unwrap import unwrap

OURS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))

# (code, enhanced, subject value, ours, blames, text)
QUOTED = [
    (554, "5.7.1", "192.0.2.10", "yes", "zen.spamhaus.org", "host mx.b.example[198.51.100.1] said: 554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org (in reply to RCPT TO command)"),
    (554, None, "192.0.2.10", "yes", "bl.foo.example", "(host mx.b.example[198.51.100.1] refused to talk to me: 554-mx.b.example 554 192.0.2.10 blocked using bl.foo.example)"),
    (550, "5.7.1", "192.0.2.10", "yes", "spamhaus", "Remote Server returned '550 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using Spamhaus'"),
    (550, "5.7.1", "192.0.2.10", "yes", "spamhaus", "Remote Server returned &#39;550 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using Spamhaus&#39;"),
    (550, "5.7.1", "192.0.2.10", "yes", "bl.spamcop.net", "mx.b.example #550 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using bl.spamcop.net ##"),
    (550, "5.7.1", "192.0.2.10", "yes", "bl.spamcop.net", "mx.b.example #<mx.b.example #5.7.1 smtp;550 5.7.1 Client host [192.0.2.10] blocked using bl.spamcop.net> #SMTP#"),
    (550, "5.7.1", "192.0.2.10", "yes", "zen.spamhaus.org", "... while talking to mx.b.example.:\n>>> MAIL From:<a@b.example>\n<<< 550-5.7.1 Client host [192.0.2.10] blocked using\n<<< 550 5.7.1 zen.spamhaus.org\n554 5.0.0 Service unavailable"),
    (554, "5.7.1", "192.0.2.10", "yes", "b.barracudacentral.org", "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using b.barracudacentral.org"),
    (550, "5.7.1", "192.0.2.10", "yes", "rbl.foo.example", "The response from the remote server was:\n550 5.7.1 Client host [192.0.2.10] blocked using rbl.foo.example"),
    (550, "5.7.1", "192.0.2.10", "yes", "zen.spamhaus.org", "<html><p>550 5.7.1 Client host [192.0.2.10] <br>blocked using zen.spamhaus.org</p></html>"),
    (550, "5.7.350", "198.51.100.77", "no", "zen.spamhaus.org", "550 5.7.350 Remote server returned message detected as spam -> 554 5.7.1 Client host [198.51.100.77] blocked using zen.spamhaus.org"),
    (554, "5.7.1", "2001:db8::10", "yes", "bl.foo.example", "554 5.7.1 Service unavailable; Client host [IPv6:2001:DB8::10] blocked using bl.foo.example"),
    (554, "5.7.1", "192.0.2.10", "yes", "bl.foo.example", "554 mx.b.example filter 5.7.1 Client host [192.0.2.10] blocked using bl.foo.example"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "enhanced", "value", "ours", "blames", "text"), QUOTED)
def test_a_refusal_is_the_same_however_it_is_quoted(
    code: int, enhanced: str | None, value: str, ours: str, blames: str, text: str
) -> None:
    found = classify(text, ours=OURS)
    assert found.refusal == "yes"
    assert (found.code, found.enhanced) == (code, enhanced)
    assert (found.subject_value, found.ours, found.blames) == (value, ours, blames)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("rcpt", "host mx[198.51.100.1] said: 550 5.1.1 No (in reply to RCPT TO command)"),
        ("mail", "host mx[198.51.100.1] said: 550 No (in reply to MAIL FROM command)"),
        ("data", "host mx[198.51.100.1] said: 550 No (in reply to DATA command)"),
        ("eod", "host mx[198.51.100.1] said: 550 No (in reply to end of DATA command)"),
        ("ehlo", "host mx[198.51.100.1] said: 550 No (in reply to EHLO command)"),
        ("greeting", "host mx[198.51.100.1] refused to talk to me: 554 No"),
        ("greeting", "SMTP error from remote mail server after initial connection: 554 No"),
        ("mail", "host mx [198.51.100.1]: SMTP error from remote mail server after pipelined MAIL FROM:<x@y.example> SIZE=2048: 550 No"),
        ("eod", "SMTP error from remote mail server after end of data: 550 No"),
        ("greeting", "Connected to 198.51.100.1 but greeting failed.\nRemote host said: 554 No"),
        ("mail", "Connected to 198.51.100.1 but sender was rejected.\nRemote host said: 553 No"),
        ("rcpt", "198.51.100.1 does not like recipient.\nRemote host said: 550 No"),
        (None, "550 5.1.1 No"),
    ],
)  # fmt: skip
def test_the_wrapper_tells_the_stage(stage: str | None, text: str) -> None:
    assert unwrap(parse_reply(text)).stage == stage


def test_a_code_that_names_several_lists_says_them_all() -> None:
    text = "554 mx.comcast.net 192.0.2.10 found on one or more DNSBLs, see http://postmaster.comcast.net/smtp-error-codes.php#BL000111"
    found = classify(text, ours=OURS)
    assert (found.family, found.also) == ("senderscore", ("cloudmark", "spamhaus"))


def test_the_public_answer_has_the_public_names() -> None:
    answer = as_json(classify("554 5.7.1 Client host [192.0.2.10] blocked using bl.x.example"))
    assert list(answer) == [
        "code", "enhanced", "reason", "refusal", "subject", "subject_value", "ours", "blames",
        "family", "said_by", "retry", "temporary", "rule", "confidence", "also",
    ]  # fmt: skip
    assert answer["refusal"] is True and answer["family"] is None
    assert as_json(classify("550 5.1.1 User unknown"))["refusal"] is False
    assert as_json(classify("550 5.7.1 Message rejected"))["refusal"] == "suspicion"


def test_a_zone_as_it_was_asked_loses_the_address() -> None:
    found = classify("550 5.7.1 192.0.2.10 listed at 10.2.0.192.bl.foo.example", ours=OURS)
    assert (found.blames, found.subject_value) == ("bl.foo.example", "192.0.2.10")


@pytest.mark.parametrize("zone", ["dnsbl.foo.example", "rbl.foo.example", "dnsbl-3.foo.example"])
def test_a_zone_whose_name_begins_like_a_list_is_the_zone(zone: str) -> None:
    for before in ("Connection from [192.0.2.10] refused,", "192.0.2.10"):
        text = f"550 {before} listed at {zone}, see https://foo.example/"
        found = classify(text, ours=OURS)
        assert (found.refusal, found.blames, found.ours) == ("yes", zone, "yes"), text
