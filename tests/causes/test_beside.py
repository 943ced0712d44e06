"""What speaks beside the draws: hijacks and honest crowds, each in the shapes they come in."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.causes.beside import Week, beside
from unlisted.causes.naming import LEAST_LOG_E
from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import Traffic

OFFICE = [0, 0, 0, 0, 0, 5, 20, 60, 90, 95, 90, 80, 60, 70, 80, 75, 70, 50, 30, 20, 10, 5, 2, 1]
USUAL = SenderProfile(
    days=60,
    clean_days=60,
    usual_max_recipients_per_day=9,
    usual_max_new_per_day=2,
    recipients=200,
    new_recipients=15,
)
LISTS = SenderProfile(
    days=60,
    clean_days=60,
    usual_max_recipients_per_day=900,
    usual_max_new_per_day=60,
    recipients=9000,
    new_recipients=600,
    bulk_habit=True,
)
NEW = SenderProfile(days=2, recipients=4, new_recipients=2)
ROUND = [2] * 24


def week(days, *, hours=None, unknown=0, complaints=0, content=0, alike=0, profile=USUAL, own=10):
    new = sum(days)

    def traffic(strangers, others, bad):
        return Traffic(
            messages=strangers + others,
            recipients=strangers + others,
            strangers=strangers,
            answered=strangers + others,
            unknown_users=bad,
            complaints=complaints,
            first_at=0.0,
            last_at=86400.0 * min(2, len(days)),
        )

    pairs = [sum(days[i : i + 2]) for i in range(max(1, len(days) - 1))]
    share = max(pairs) / max(1, new)
    return Week(
        total=traffic(new, own, unknown),
        crowd=traffic(max(pairs), own // 2, round(unknown * share)),
        profile=profile,
        new_per_day=tuple(days),
        clock=tuple(hours or [h * new // sum(OFFICE) for h in OFFICE]),
        alike=alike,
        content=content,
    )


HIJACKS = {
    "loud": week([200], unknown=30, alike=200),
    "slow, day and night": week([6, 12, 12, 12], hours=ROUND, unknown=3, alike=40),
    "in office hours, dead addresses": week([30, 40], unknown=8, alike=60),
    "texts vary, complaints": week([40, 45], hours=ROUND, unknown=5, complaints=3),
    "refused for its content": week([60], hours=ROUND, unknown=5, content=4, alike=60),
}
HONEST = {
    "a letter to the club's new members": week([80], unknown=1, alike=80),
    "a survey over two days": week([60, 60], unknown=2, alike=120),
    "nobody new": week([0, 1, 0, 2], unknown=1),
    "a newsletter's list is stale": week([40], unknown=30, profile=LISTS, own=900),
    "its day's new list": week([90], unknown=2, profile=LISTS, alike=90),
    "a new account greets everybody": week([25], unknown=1, alike=25, profile=NEW),
    "it mistypes": week([2, 1, 2, 2], unknown=4, own=30),
    "one complaint": week([1, 1], complaints=1),
    "a newsletter at night": week([300], hours=[100, 100, 100] + [0] * 21, unknown=3, alike=300),
}


@pytest.mark.parametrize("name", HIJACKS)
def test_a_hijack_is_spoken_against_by_two_kinds_at_least(name):
    found = beside(HIJACKS[name], OFFICE)
    assert found.kinds >= 2 and found.log_ratio >= LEAST_LOG_E + 2, found


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_sender_is_not_convicted_by_one_unusual_thing(name):
    found = beside(HONEST[name], OFFICE)
    assert found.kinds < 2 or found.log_ratio < LEAST_LOG_E, found


def test_each_kind_is_bounded():
    found = beside(HIJACKS["slow, day and night"], OFFICE)
    most = {"habit": 100.0, "lasting": 10.0, "clock": 10.0, "alike": 2.0}
    for kind, value in found.parts:
        assert value <= math.log(most.get(kind, 1e9)) + 1e-9
    assert found.reasons


COUNT = st.integers(0, 2000)


@given(
    st.lists(COUNT, max_size=8),
    st.lists(COUNT, min_size=24, max_size=24),
    st.lists(COUNT, min_size=24, max_size=24),
    COUNT,
    COUNT,
    COUNT,
    COUNT,
)
@settings(max_examples=150, deadline=None)
def test_any_counts_give_a_number(days, hours, people, unknown, complaints, content, alike):
    one = week(
        days or [0],
        hours=hours,
        unknown=unknown,
        complaints=complaints,
        content=content,
        alike=alike,
    )
    found = beside(one, people)
    assert math.isfinite(found.log_ratio) and found.kinds >= 0
