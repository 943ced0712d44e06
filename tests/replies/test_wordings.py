"""Wordings as mail servers write them, kept as tables: `y FAMILY TEXT` is a refusal that blames
FAMILY ("-" for nobody known), `n - TEXT` one that only looks like it. Addresses are 192.0.2.x
(ours), 198.51.100.x and 203.0.113.x (somebody else's)."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from unlisted.replies import classify

OURS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
_WRAPPED = re.compile(r"refused to talk to me: | said: | reason: (?=[45]\d\d)|\]: (?=[45]\d\d)")
TABLES = sorted(Path(__file__).with_name("wordings").glob("*.txt"))


def _rows(refusal: str) -> list[tuple[str, str]]:
    rows = []
    for table in TABLES:
        for line in table.read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                known, family, text = line.split(" ", 2)
                if known == refusal:
                    rows.append((family, text))
    return rows


def _whose(text: str) -> str:
    text = _WRAPPED.split(text)[-1]
    if "192.0.2." in text or "2001:db8" in text:
        return "yes"
    return "no" if re.search(r"198\.51\.100\.|203\.0\.113\.", text) else "unknown"


@pytest.mark.parametrize(("family", "text"), _rows("y"))
def test_a_refusal_of_an_address_is_found_with_the_list_it_blames(family: str, text: str) -> None:
    found = classify(text, ours=OURS)
    assert (found.refusal, found.family or "-", found.ours) == ("yes", family, _whose(text))


@pytest.mark.parametrize(("family", "text"), _rows("n"))
def test_what_only_looks_like_a_refusal_is_none(family: str, text: str) -> None:
    assert classify(text, ours=OURS).refusal != "yes"
