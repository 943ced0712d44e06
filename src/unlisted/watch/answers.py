"""What an answer of a blocklist means (RFC 5782 sections 2 and 5): listed, clean or unknown.

A failure is unknown, never clean and never listed. Refuses to believe: a list that is dead or
fails its test points, an address outside 127/8 (an expired domain answers for everybody), the
refusal codes 127.255.255.x, 127.0.0.1, and codes the list does not document.
"""

import ipaddress
from collections.abc import Sequence
from typing import Literal

import msgspec

from unlisted.watch.catalogue import ListRow

MAX_TEXT = 500

State = Literal["listed", "clean", "unknown"]

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
_REFUSED = ipaddress.IPv4Network("127.255.255.0/24")
_REFUSALS = {
    "127.255.255.252": "the zone name is wrong",
    "127.255.255.254": "asked through a public or unnamed resolver",
    "127.255.255.255": "too many queries",
}


class Answer(msgspec.Struct, frozen=True):
    state: State
    codes: tuple[str, ...]
    texts: tuple[str, ...]
    why: str


def judge(
    row: ListRow | None,
    a_records: Sequence[str] | None,
    txt: Sequence[str],
    rcode: str,
    *,
    test_listed: bool | None,
    test_clean: bool | None,
) -> Answer:
    """One look-up. a_records None: no answer came. test_listed / test_clean: whether the list's
    test points were right at the last probe (True), wrong (False) or not asked (None)."""
    codes = tuple(sorted({str(code)[:40] for code in a_records or ()}))[:32]
    texts = tuple(text[:MAX_TEXT] for text in txt[:8])

    def unknown(why: str) -> Answer:
        return Answer("unknown", codes, texts, why)

    if row is not None and not row.alive:
        return unknown("the list is closed")
    if test_listed is False:
        return unknown("the list does not list its test point")
    if test_clean is False:
        return unknown("the list lists what it must not: everything")
    if a_records is None:
        return unknown(f"no answer ({rcode[:20] or 'time-out'})")
    rcode = rcode.upper()
    if rcode == "NXDOMAIN":
        if codes:
            return unknown("NXDOMAIN with an address in it")
        return Answer("clean", (), texts, "not listed (NXDOMAIN)")
    if rcode != "NOERROR":
        return unknown(f"the query failed ({rcode[:20]})")
    if not codes:
        return Answer("clean", (), texts, "not listed (no data)")
    for code in codes:
        try:
            address = ipaddress.IPv4Address(code)
        except ValueError:
            return unknown("not an IPv4 address in the answer")
        if address not in _LOOPBACK:
            return unknown(f"{code} is outside 127/8: the list is broken or its name was taken")
        if address in _REFUSED:
            return unknown(f"refused: {_REFUSALS.get(code, 'a code for errors')} ({code})")
        if code == "127.0.0.1":
            return unknown("127.0.0.1 is no listing")
        if code == "127.0.1.255":
            return unknown("an address was asked of a list of names (127.0.1.255)")
    if row is not None and row.codes:
        known = [code for code in codes if code in row.codes]
        if not known:
            return unknown(f"{', '.join(codes)}: not documented by the list")
        return Answer("listed", codes, texts, ", ".join(row.codes[code] for code in known))
    return Answer("listed", codes, texts, "listed")
