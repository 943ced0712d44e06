"""Receivers by the shape of a relay's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.report.sites import receiver_of, site_of


@pytest.mark.parametrize(
    ("relay", "site"),
    [
        ("gmail-smtp-in.l.google.com", "google.com"),
        ("example-com.mail.protection.outlook.com", "outlook.com"),
        ("MX03.Et.iCloud.com.", "icloud.com"),
        ("mx.service.ac.uk", "service.ac.uk"),
        ("mx1.firma.com.br", "firma.com.br"),
        ("mx.co", "mx.co"),
        ("co.uk", "co.uk"),
        ("localhost", None),
        ("192.0.2.7", None),
        ("[2001:db8::1]", None),
        ("private/dovecot-lmtp", None),
        ("", None),
        (None, None),
    ],
)
def test_a_relay_belongs_to_its_organisation(relay: str | None, site: str | None) -> None:
    assert site_of(relay) == site


def test_without_a_telling_relay_the_recipient_s_domain_is_the_receiver() -> None:
    assert receiver_of("127.0.0.1", "anna@Example.org") == "example.org"
    assert receiver_of(None, "postmaster") == "postmaster"
    assert receiver_of(None, "") == "unknown"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_gives_a_bounded_name(relay: str, recipient: str) -> None:
    assert 0 < len(receiver_of(relay, recipient)) <= 253
