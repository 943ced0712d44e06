"""The book of exposures: nothing lost but what it says, nothing made up."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.causes.book import NOT_DRAWN, ExposureBook

DAY, HOUR = 86400.0, 3600.0
START = 20_000 * DAY
POOLS = {"out": ("10.0.0.1", "10.0.0.2", "10.0.0.3")}


def weighed(book):
    return book.weighable(POOLS, 3600.0, rests_listed=True)


def test_mail_of_one_hour_adds_up_in_one_row_and_draws_are_kept_apart():
    book = ExposureBook()
    for minute in range(10):
        book.left(START + 60 * minute, "ann", "t", "10.0.0.2", 1 / 3)
    book.left(START + 700, "ann", "t", "10.0.0.2", NOT_DRAWN)
    book.left(START + HOUR, "bob", "", "10.0.0.9", NOT_DRAWN)
    found = weighed(book)
    x = found.exposures
    assert found.senders == ("ann", "bob")
    assert [found.addresses[a] for a in x.address] == ["10.0.0.2", "10.0.0.2", "10.0.0.9"]
    assert x.messages.tolist() == [1, 10, 1]
    assert [round(float(p), 3) for p in x.probability] == [1.0, 0.333, 1.0]
    assert x.bucket.tolist() == [0, 0, 1] and x.start == START
    assert [found.tenant_names[t] for t in found.tenants] == ["t", ""]


def test_only_campaigns_of_three_senders_are_weighed_and_outlive_two_days():
    book = ExposureBook()
    for number in range(4):
        book.left(START + number, f"s{number}", "", "10.0.0.1", 1 / 3, "shared")
    for number in range(50):
        book.left(START + number, "lone", "", "10.0.0.1", 1 / 3, f"own{number}")
    for day in range(6):
        book.left(START + day * DAY, "two", "", "10.0.0.2", 1 / 3)
    found = weighed(book)
    assert found.campaign_names == ("shared",)
    assert sorted(found.senders[s] for s in found.campaigns.sender) == ["s0", "s1", "s2", "s3"]
    assert "own1" not in book._campaigns and "shared" in book._campaigns


def test_days_past_the_term_go_and_so_do_names_without_mail():
    book = ExposureBook(keep_days=3)
    for number in range(30_000):
        book.left(START + number % 50, f"old{number}", "", "10.0.0.1", 1 / 3)
    for day in range(1, 6):
        book.left(START + day * DAY, "ann", "", "10.0.0.1", 1 / 3)
    found = weighed(book)
    assert found.senders == ("ann",) and found.exposures.messages.tolist() == [1, 1, 1]


def test_past_the_bound_of_a_day_mail_is_dropped_and_counted():
    book = ExposureBook(most_rows=5)
    for number in range(9):
        book.left(START, f"s{number}", "", "10.0.0.1", 1 / 3, messages=2)
    book.left(START + HOUR, "s1", "", "10.0.0.1", 1 / 3)
    assert book.dropped == 8
    assert weighed(book).exposures.messages.sum() == 11


def test_a_sender_that_was_parted_is_another_from_then_on():
    book = ExposureBook()
    book.left(START, "ann", "t", "10.0.0.1", 1 / 3, "", 3)
    book.left(START + 9 * HOUR, "ann", "t", "10.0.0.1", 1 / 3, "letter", 7)
    book.left(START + 10 * HOUR, "ann", "t", "10.0.0.2", 1 / 3, "letter", 8)
    book.part("ann", START + 5 * HOUR)
    book.left(START + 10 * HOUR, "ann", "t", "10.0.0.1", 1 / 3, "", 2)
    book.part("bob", START)
    book.left(START + 11 * HOUR, "bob", "", "10.0.0.2", 1 / 3)
    found = weighed(book)
    assert found.senders == ("ann", "ann", "ann", "bob") and found.ended == {1}
    rows = zip(found.exposures.sender.tolist(), found.exposures.messages.tolist(), strict=True)
    assert sorted(rows) == [(0, 3), (1, 7), (1, 8), (2, 2), (3, 1)]
    assert [found.tenant_names[t] for t in found.tenants] == ["t", "t", "t", ""]
    assert book.number("ann") == 2


MAIL = st.lists(
    st.tuples(
        st.integers(0, 10 * 24 * 3600),
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["10.0.0.1", "10.0.0.2", "x", "::1"]),
        st.sampled_from([1 / 3, 1.0, 0.5]),
        st.sampled_from(["", "k", "l"]),
        st.integers(1, 5),
    ),
    max_size=60,
)


@given(MAIL, st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_left_is_in_the_book_once(mail, in_order):
    book, kept = ExposureBook(keep_days=30), Counter()
    for offset, sender, address, chance, campaign, count in sorted(mail) if in_order else mail:
        book.left(START + offset, sender, "", address, chance, campaign, count)
        kept[sender, address] += count
    found = weighed(book)
    told = Counter()
    x = found.exposures
    for sender, address, messages in zip(x.sender, x.address, x.messages, strict=True):
        told[found.senders[sender], found.addresses[address]] += int(messages)
    assert told == kept and book.dropped == 0
    rows = list(zip(x.sender, x.bucket, x.address, x.probability, strict=True))
    assert len(set(rows)) == len(rows)
    assert found.campaigns.messages.sum() <= x.messages.sum()
