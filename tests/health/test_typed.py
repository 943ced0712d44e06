"""Typed numbers: what counts something is found however it is written, what counts nothing is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.facts import Figure
from unlisted.health import written
from unlisted.health.typed import unmeasured

FIGURES = (
    Figure(name="waiting", value=41.0, unit="messages", query="q", start=0, end=0, n=41),
    Figure(name="refused_share", value=0.1214, unit="share", query="q", start=0, end=0, n=140),
    Figure(name="gone", value=None, unit="share", query="q", start=0, end=0),
)


@pytest.mark.parametrize(
    "text",
    [
        "13 %", "12.5%", "13\u00a0percent", "13 per cent", "\uff11\uff13\uff05", "\u0661\u0662 messages", "\u00bd of it",
        "1\u200b2 messages", "about 1,204 messages", "1 204 mails", "3 affected users", "2.5k tenants",
        "5 of 16 addresses", "41", "41 users", "12.1 messages", "550 messages", "code 550 messages",
        "twelve messages", "Half of the messages", "hundreds of users", "a third of all mail addresses",
        "two dozen of our senders", "one in five", "99 out of 100", "three-quarters of deliveries",
        "ninety percent", "some percent", "per\u200bcent", "UL9 messages", "#7 messages", "1st 40 users",
        "in 2026 messages", "since 2026 %", "x=7", "3/4", "10^6", "0.3", "approx.41 things", "nearly 12.2%", "12.1 per mille", "12\u2030",
    ],
)  # fmt: skip
def test_a_number_that_nobody_measured_is_found(text: str) -> None:
    assert unmeasured(f"We see {text} now.", FIGURES), text


@pytest.mark.parametrize(
    "text",
    [
        "Monday, 23 November 2026, 14:05 UTC", "since 14:05 UTC messages wait", "23 November", "November 23, 2026",
        "in November 2026", "on 2026-11-23", "2026-11-23T14:05Z", "within 24 hours messages go out", "5 to 10 minutes",
        "a 24-hour listing", "two working days", "the reply 550 5.7.1", "5.7.1", "error 550", "port 25", "RFC 5321",
        "post 3", "update #4", "ticket 48213", "incident UL000001", "IPv6", "CVE-2026-1234",
        "https://status.example/incidents/41?x=12%", "help@desk24.example", "192.0.2.7", "192.0.2.0/24",
        "about 8 PM UTC", "TLS 1.3", "Office 365 users", "in 2026", "week 47",
        "one of our sending addresses", "a third-party list", "refused with 554", "24/7", "UTC+02:00",
        "the 2nd list", "no message is lost", "41 messages", "12.1%", "12 %", "12 percent",
    ],
)  # fmt: skip
def test_a_number_that_counts_nothing_or_is_measured_may_stand(text: str) -> None:
    assert unmeasured(f"We say {text}.", FIGURES) == [], text


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert all(isinstance(one, str) and one for one in unmeasured(text, FIGURES))


@given(st.text(), st.integers(0, 10**9))
def test_no_words_around_it_hide_a_percentage(text: str, number: int) -> None:
    assert unmeasured(f"{text} {number + 13}.77% {text}", FIGURES)


@pytest.mark.parametrize(
    "text", ["1" * 4000, "1 " * 2000, "{{" * 2000, "a-" * 2000, "two " * 1000, "1,2." * 1000,
             "A" * 4000, "Mon " * 1000, "1:" * 2000, "www." * 1000, "a@" * 2000, "1-1 to " * 570]
)  # fmt: skip
def test_hostile_text_is_judged_in_bounded_time(text: str) -> None:
    began = time.process_time()
    assert isinstance(written.refused((("Current status", text[:4000]),), FIGURES, ()), list)
    assert time.process_time() - began < 1.0


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_any_sections_are_refused_with_reasons_or_rendered(sections: list[tuple[str, str]]) -> None:
    given_ = tuple(sections)
    if not written.refused(given_, FIGURES, ("192.0.2.1",)):
        made, _ = written.rendered(given_, FIGURES)
        assert [label for label, _ in made] == [label for label, _ in given_]


@given(st.text(max_size=300))
def test_sections_read_again_are_the_same(text: str) -> None:
    once = written.read(text)
    assert written.read(written.shown(once)) == once
