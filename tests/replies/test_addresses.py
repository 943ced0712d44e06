from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.replies.addresses import _V4, Pool, bind, in_text, single
from unlisted.replies.dotted import begins

OURS = Pool([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("host [192.0.2.1] blocked", ["192.0.2.1"]),
        ("see https://x.example/?ip=192.0.2.1&x=2", ["192.0.2.1"]),
        ("192.0.2.1.", ["192.0.2.1"]),
        ("range 192.0.2.0/24 listed", ["192.0.2.0/24"]),
        ("[ipv6:2001:db8::10] listed", ["2001:db8::10"]),
        ("2001:db8:1:2:3:4:5:6 listed", ["2001:db8:1:2:3:4:5:6"]),
        ("mx-192.0.2.1.example.org", []),
        ("version 1.2.3 at 12:30:45", []),
        ("999.1.1.1", []),
        ("2001:db8::1: listed", ["2001:db8::1"]),
        ("returned 127.0.0.2 for 192.0.2.1", ["192.0.2.1"]),
        ("192.0.2.1:24706 is listed", ["192.0.2.1"]),
        ("10.2.0.192.zen.spamhaus.org listed", ["192.0.2.10"]),
        ("192.0.2.1.static.example.org", []),
        ("https://x.example/l?ip%3d192.0.2.1%26x", ["192.0.2.1"]),
        ("https://x.example/l?ip=2001%3adb8%3a%3a10", ["2001:db8::10"]),
        ("[ipv6:fe80::1%eth0]", ["fe80::1"]),
        ("[::ffff:192.0.2.1]", ["192.0.2.1"]),
        (
            "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.org",
            ["2001:db8::10"],
        ),
        ("[your dns ip: 198.51.100.53]", []),
    ],
)
def test_addresses_are_found_by_their_form_and_place(text: str, want: list[str]) -> None:
    assert list(dict.fromkeys(n.text for n in in_text(text))) == want


@pytest.mark.parametrize(
    ("text", "source", "value", "ours"),
    [
        ("[192.0.2.7] blocked", None, "192.0.2.7", "yes"),
        ("[198.51.100.7] blocked", None, "198.51.100.7", "no"),
        ("[198.51.100.7] blocked", "198.51.100.7", "198.51.100.7", "yes"),
        ("198.51.100.7 relayed for 192.0.2.7", None, "192.0.2.7", "yes"),
        ("127.0.0.2 198.51.100.7", None, "198.51.100.7", "no"),
        ("192.0.0.0/16 blocked", None, "192.0.0.0/16", "yes"),
        ("blocked", None, None, "unknown"),
    ],
)
def test_the_subject_is_bound_to_our_pool(
    text: str, source: str | None, value: str | None, ours: str
) -> None:
    found, bound = bind(in_text(text), OURS, source)
    assert (found.text if found else None, bound) == (value, ours)


def test_without_pools_nothing_is_known() -> None:
    assert bind(in_text("[198.51.100.7] blocked"), Pool([]), None)[1] == "unknown"


@given(st.text(alphabet="0123456789abcdef:./[] x", max_size=200))
def test_any_text_gives_networks(text: str) -> None:
    for network in in_text(text):
        assert 0 <= network.first <= network.last < 1 << 128
    single(text)


@given(st.ip_addresses())
def test_every_address_written_plainly_is_found(address: IPv4Address | IPv6Address) -> None:
    plain = getattr(address, "ipv4_mapped", None) or address
    for text in (f"client [{address}] blocked", f"client [ipv6:{address}] blocked"):
        assert {n.text for n in in_text(text)} == {str(plain)}


@given(st.text(alphabet="0123456789a./[]- _é", max_size=60))
def test_an_address_is_found_from_its_dots_as_from_its_digits(text: str) -> None:
    found = [start for start in begins(text) if _V4.match(text, start)]
    assert found == [match.start() for match in _V4.finditer(text)]
