"""Which addresses may be called on behalf of a setting."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge.outward import permits, refusal

NOT = [
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200",
    "192.0.0.192", "168.63.129.16", "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1",
    "198.18.0.1", "192.0.2.1", "203.0.113.9",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:7f00:1::", "2001:4860:4860::8888%1",
]  # fmt: skip
MAY = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2001:4860:4860::8888", "2606:4700::1111",
       "64:ff9b::808:808", "::ffff:8.8.8.8"]  # fmt: skip


@pytest.mark.parametrize("text", NOT)
def test_addresses_that_are_not_public_are_refused(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), ()) != ""


@pytest.mark.parametrize("text", MAY)
def test_public_addresses_may_be_called(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), ()) == ""


def test_a_setting_allows_its_networks_and_no_other() -> None:
    allowed = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    for text in ("127.0.0.1", "::ffff:127.0.0.9", "fd12::1"):
        assert refusal(ipaddress.ip_address(text), allowed) == ""
    for text in ("10.0.0.1", "::1", "169.254.169.254", "fe80::1"):
        assert refusal(ipaddress.ip_address(text), allowed) != ""
    everything = (ipaddress.ip_network("0.0.0.0/0"),)
    assert refusal(ipaddress.ip_address("::1"), everything) != ""
    assert permits(ipaddress.ip_address("10.0.0.1"), everything)


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_clothes_is_refused_if_it_is_refused_naked(
    address: ipaddress.IPv4Address,
) -> None:
    if refusal(address, ()):
        number = int(address)
        clothes = (0xFFFF << 32 | number, (0x64FF9B << 96) | number, 0x2002 << 112 | number << 80)
        for one in clothes:
            assert refusal(ipaddress.IPv6Address(one), ()) != ""
