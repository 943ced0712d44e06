"""The sentence's subject decides, not the list it names: an address on a list is a refusal, a
domain, URL, HELO name, file or person's address on the same list is none."""

from ipaddress import ip_network
from itertools import product

import pytest

from unlisted.replies import classify

OURS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
ADDRESSES = (
    "Client host [192.0.2.10]",
    "IP 192.0.2.10",
    "Your server (192.0.2.10)",
    "Sender IP address [192.0.2.10]",
    "Mail from 192.0.2.10",
    "host mx.example.com [192.0.2.10]",
    "SMTP client mx.example.com [IPv6:2001:db8::25]",
)
OTHERS = (
    "Sender domain example.com",
    "Sender address <joe@example.com>",
    "<mx.example.com>: Helo command",
    "Recipient address <u@example.net>",
    "The From header domain example.com",
    "URL http://example.com/x",
    "A link in your message",
    "Reply-To address joe@example.com",
    "Attachment file.exe",
    "The name server of example.com",
    "DKIM domain example.com",
    "Your e-mail address joe@example.com",
    "Website www.example.com",
)
VERBS = (
    "blocked using {}",
    "is listed in {}",
    "was rejected by {}",
    "is blacklisted by {}",
    "refused: listed on {}",
    "is on the {} blocklist",
    "denied, see {}",
)
LISTS = {
    "zen.spamhaus.org": "spamhaus",
    "SORBS": "sorbs",
    "Barracuda Reputation": "barracuda",
    "rbl.acme.example": None,
}
FRAMES = ("550 5.7.1 {}", "554 {}", "550 5.7.1 Service unavailable; {}")


def _texts(subject: str) -> list[tuple[str, str | None]]:
    sentences = product(VERBS, LISTS.items())
    return [
        (FRAMES[place % len(FRAMES)].format(f"{subject} {verb.format(name)}"), family)
        for place, (verb, (name, family)) in enumerate(sentences)
    ]


@pytest.mark.parametrize("subject", ADDRESSES)
def test_an_address_on_a_list_is_a_refusal_and_blames_that_list(subject: str) -> None:
    for text, family in _texts(subject):
        found = classify(text, ours=OURS)
        assert (found.refusal, found.family, found.ours) == ("yes", family, "yes"), text


@pytest.mark.parametrize("subject", OTHERS)
def test_something_else_on_the_same_list_is_no_refusal(subject: str) -> None:
    for text, _ in _texts(subject):
        assert classify(text, ours=OURS).refusal != "yes", text


def test_qmails_last_line_names_the_exchanger_and_not_the_address_refused() -> None:
    said = "Remote host said: 550 5.7.1 IP address blacklisted\\nGiving up on 198.51.100.7."
    found = classify(f"198.51.100.7 does not like recipient.\\n{said}", ours=OURS)
    assert (found.refusal, found.ours) == ("yes", "unknown")


def test_an_answer_to_the_server_that_checks_an_address_says_nothing_of_ours() -> None:
    quoted = "host mx.example.org[203.0.113.9] said: 550 blocked using zen.spamhaus.org"
    text = f"550 5.1.1 <u@example.net>: Recipient address rejected: unverified address: {quoted}"
    assert classify(text, ours=OURS).refusal == "no"
