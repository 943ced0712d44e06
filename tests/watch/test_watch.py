import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.replies import family_of
from unlisted.watch.answers import judge
from unlisted.watch.catalogue import (
    Catalogue,
    CatalogueError,
    ListRow,
    lookup,
    parse_rows,
    shipped,
)
from unlisted.watch.query import QueryError, reverse_name, test_names
from unlisted.watch.term import predict_release


# --- catalogue ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ("bl.spamcop.net", "bl.spamcop.net"),
        ("BL.SpamCop.net.", "bl.spamcop.net"),
        ("spamcop.net", "bl.spamcop.net"),
        ("spamhaus.org", "zen.spamhaus.org"),
        ("abc123.zen.spamhaus.org", "zen.spamhaus.org"),
        ("key.combined.mail.abusix.zone", "combined.mail.abusix.zone"),
        ("bl.nobody-knows.example", None),
        ("net", None),
        ("", None),
    ],
)
def test_a_list_is_found_under_its_parents_and_children(zone: str, found: str | None) -> None:
    row = lookup(zone)
    assert (row.zone if row else None) == found


def test_every_row_has_source_date_advice_and_the_family_replies_use() -> None:
    for row in shipped():
        assert row.source and row.date and row.how, row.zone
        assert family_of(row.zone) == row.family, row.zone


def test_spamcop_lasts_a_day_and_asks_not_to_be_asked() -> None:
    row = lookup("bl.spamcop.net")
    assert row is not None and (row.term_s, row.requests) == (86400, "never")
    assert row.lookup_page("192.0.2.1") == "https://www.spamcop.net/bl.shtml?192.0.2.1"


@pytest.mark.parametrize(
    "row",
    [
        ListRow(zone="", family="x"),
        ListRow(zone="a..b", family="x"),
        ListRow(zone="a.b", family="x", codes={"10.0.0.1": "x"}),
        ListRow(zone="a.b", family="x", codes={"127.255.255.254": "x"}),
        ListRow(zone="a.b", family="x", term_s=0.0),
    ],
)
def test_a_row_that_cannot_be_trusted_is_refused(row: ListRow) -> None:
    with pytest.raises(CatalogueError):
        Catalogue([row])


@pytest.mark.parametrize(
    "text", ["[[list]]\nzone = 1", "[[list", '[[list]]\nzone="a"\nfamily="b"\nx=1']
)
def test_a_broken_file_names_its_problem(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_rows(text)


# --- query -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "1.2.0.192.bl.example"),
        ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.example"),
        ("::ffff:7f00:2", "2.0.0.0.0.0.f.7.f.f.f.f." + "0." * 20 + "bl.example"),
    ],
)
def test_the_name_asked_is_the_address_reversed(address: str, name: str) -> None:
    assert reverse_name(address, "BL.example.") == name


@pytest.mark.parametrize(
    ("address", "zone"),
    [("x", "bl.example"), ("192.0.2.1", ""), ("192.0.2.1", "a." * 130), ("fe80::1%e", "b.c")],
)
def test_no_query_is_made_of_what_is_no_address_or_too_long(address: str, zone: str) -> None:
    with pytest.raises(QueryError):
        reverse_name(address, zone)


@given(st.ip_addresses())
def test_a_reversed_name_reverses_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    labels = reverse_name(address, "z.example").removesuffix(".z.example").split(".")[::-1]
    if address.version == 4:
        assert ".".join(labels) == str(address)
    else:
        assert int("".join(labels), 16) == int(address)


def test_test_points_are_those_of_rfc_5782() -> None:
    assert test_names("bl.example", "ipv4") == ("2.0.0.127.bl.example", "1.0.0.127.bl.example")
    listed, clean = test_names("bl.example", "ipv6")
    assert listed == reverse_name("::ffff:7f00:2", "bl.example")
    assert clean == reverse_name("::ffff:7f00:1", "bl.example")
    assert test_names("dbl.example", "domain") == ("test.dbl.example", "invalid.dbl.example")
    own = ListRow(zone="bl.example", family="x", test_listed="127.0.0.9")
    assert test_names(own, "ipv4")[0] == "9.0.0.127.bl.example"


# --- answers -----------------------------------------------------------------------------------
ROW = ListRow(zone="bl.example", family="x", codes={"127.0.0.2": "seen", "127.0.0.9": "drop"})
DEAD = ListRow(zone="bl.example", family="x", alive=False)


@pytest.mark.parametrize(
    ("row", "records", "rcode", "test_listed", "test_clean", "state"),
    [
        (ROW, ["127.0.0.2"], "NOERROR", True, True, "listed"),
        (ROW, ["127.0.0.9", "127.0.0.2"], "NOERROR", True, True, "listed"),
        (ROW, ["127.0.0.9", "127.0.0.77"], "NOERROR", True, True, "listed"),
        (None, ["127.0.0.77"], "NOERROR", None, None, "listed"),
        (ROW, [], "NXDOMAIN", True, True, "clean"),
        (ROW, [], "NOERROR", True, True, "clean"),
        (ROW, [], "nxdomain", None, None, "clean"),
        (ROW, ["127.0.0.77"], "NOERROR", True, True, "unknown"),
        (ROW, ["127.0.0.2"], "NOERROR", False, True, "unknown"),
        (ROW, ["127.0.0.2"], "NOERROR", True, False, "unknown"),
        (ROW, [], "NXDOMAIN", False, True, "unknown"),
        (ROW, [], "NXDOMAIN", True, False, "unknown"),
        (ROW, ["203.0.113.7"], "NOERROR", True, True, "unknown"),
        (ROW, ["127.0.0.2", "203.0.113.7"], "NOERROR", True, True, "unknown"),
        (ROW, ["127.255.255.254"], "NOERROR", True, True, "unknown"),
        (ROW, ["127.255.255.252"], "NOERROR", None, None, "unknown"),
        (None, ["127.0.0.1"], "NOERROR", None, None, "unknown"),
        (None, ["127.0.1.255"], "NOERROR", None, None, "unknown"),
        (None, ["rubbish"], "NOERROR", None, None, "unknown"),
        (ROW, [], "SERVFAIL", True, True, "unknown"),
        (ROW, [], "REFUSED", True, True, "unknown"),
        (ROW, None, "TIMEOUT", True, True, "unknown"),
        (ROW, None, "NXDOMAIN", True, True, "unknown"),
        (ROW, ["127.0.0.2"], "NXDOMAIN", True, True, "unknown"),
        (DEAD, ["127.0.0.2"], "NOERROR", True, True, "unknown"),
        (DEAD, [], "NXDOMAIN", True, True, "unknown"),
    ],
)
def test_an_answer_is_listed_clean_or_unknown_and_never_clean_on_failure(
    row: ListRow | None,
    records: list[str] | None,
    rcode: str,
    test_listed: bool | None,
    test_clean: bool | None,
    state: str,
) -> None:
    found = judge(row, records, ["why"], rcode, test_listed=test_listed, test_clean=test_clean)
    assert found.state == state and found.why


@given(
    st.none() | st.lists(st.text(max_size=20) | st.ip_addresses(v=4).map(str), max_size=5),
    st.text(max_size=12) | st.sampled_from(["NOERROR", "NXDOMAIN", "SERVFAIL"]),
    st.none() | st.booleans(),
    st.none() | st.booleans(),
)
def test_clean_needs_an_answer_that_says_so(
    records: list[str] | None, rcode: str, listed: bool | None, clean: bool | None
) -> None:
    found = judge(ROW, records, [], rcode, test_listed=listed, test_clean=clean)
    if found.state == "clean":
        assert records == [] and rcode.upper() in ("NOERROR", "NXDOMAIN")
    if found.state != "unknown":
        assert listed is not False and clean is not False
    if found.state == "listed":
        assert set(found.codes) & set(ROW.codes)


# --- term --------------------------------------------------------------------------------------
DAY = 86400.0


@pytest.mark.parametrize(
    ("term_s", "evidence", "seen", "want"),
    [
        (DAY, (100.0, 200.0), 150.0, (DAY + 150, DAY + 100, DAY + 200)),
        (DAY, (100.0, 100.0), 100.0, (DAY + 100, DAY + 100, DAY + 100)),
        (DAY, (100.0, 200.0), DAY + 150.0, (DAY + 175, DAY + 150, DAY + 200)),
        (DAY, None, 500.0, (None, 500.0, DAY + 500)),
        (DAY, (0.0, 10.0), 2 * DAY, (None, 2 * DAY, 3 * DAY)),
        (None, (0.0, 10.0), 5.0, (None, None, None)),
    ],
)
def test_a_release_is_predicted_with_its_doubt(
    term_s: float | None,
    evidence: tuple[float, float] | None,
    seen: float,
    want: tuple[float | None, float | None, float | None],
) -> None:
    found = predict_release(term_s, evidence, seen)
    assert (found.at, found.low, found.high) == want and found.basis


def test_an_interval_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="early to late"):
        predict_release(DAY, (2.0, 1.0), 0.0)


_T = st.integers(0, 10**9).map(float)


@given(_T, st.integers(0, 10**6).map(float), st.none() | st.integers(1, 10**7).map(float), _T)
def test_the_guess_lies_within_its_bounds(
    start: float, width: float, term_s: float | None, seen: float
) -> None:
    found = predict_release(term_s, (start, start + width), seen)
    if found.low is not None and found.high is not None:
        assert found.low <= found.high
        assert found.at is None or found.low <= found.at <= found.high
