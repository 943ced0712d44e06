"""One listing by itself: nobody here, a culprit not known yet, or one of the guilty."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.causes.nobody import RATE, Suspect, near, single
from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import Episode, Exposure, SenderEvidence, Traffic

HOUR = 3600.0
NOW = 100 * HOUR
LISTING = Episode("e1", "127.0.0.1", NOW, None, ("127.0.0.1", "127.0.0.2"))


def suspect(name: str, mail: int, log_ratio: float, *, hours_ago: float = 1.0, **changes):
    at = NOW - hours_ago * HOUR
    traffic = Traffic(
        messages=mail,
        recipients=mail,
        strangers=mail,
        exposures=(Exposure(changes.pop("address", "127.0.0.1"), at, at + 600, mail, mail, 0.5),),
    )
    evidence = SenderEvidence(name, "t", SenderProfile(), traffic, traffic)
    return Suspect(msgspec.structs.replace(evidence, **changes), log_ratio)


PEOPLE = [suspect(f"p{i}", 2, -0.3) for i in range(40)]


@pytest.mark.parametrize(
    "others, guilty, low, high",
    [
        ([], (), 0.9, 1.0),  # forty people with two letters each
        ([suspect("x", 60, 7.0)], (), 0.0, 0.1),  # a culprit whom nobody named yet
        ([suspect("x", 60, -2.0)], (), 0.8, 1.0),  # a newsletter whose list is clean
        ([suspect("x", 60, 7.0)], ("x",), 0.0, 0.3),
        ([suspect("x", 60, 7.0, address="127.0.0.2")], ("x",), 0.9, 1.0),  # guilty elsewhere
        ([suspect("x", 60, 7.0, silent_from=NOW - 7 * HOUR)], ("x",), 0.9, 1.0),  # held before
        ([suspect("x", 60, 7.0, hours_ago=50)], ("x",), 0.9, 1.0),
    ],
)
def test_how_likely_nobody_brought_a_listing(others, guilty, low, high):
    found = single(LISTING, [*PEOPLE, *others], guilty)
    assert low <= found.nobody <= high, found


def test_of_several_guilty_it_is_told_whose_mail_it_was():
    both = [suspect("x", 60, 7.0), suspect("y", 20, 7.0)]
    found = single(LISTING, [*PEOPLE, *both], ("x", "y"))
    parts = dict(found.parts)
    assert found.culprits > 0.8 and parts["x"] == pytest.approx(0.75)
    assert sum(parts.values()) == pytest.approx(1.0)


def test_each_list_is_answered_for_itself():
    spam = suspect("x", 60, 7.0, hours_ago=1)
    later = msgspec.structs.replace(LISTING, episode_id="e2", opened_at=NOW + 47 * HOUR)
    first, second = (single(one, [*PEOPLE, spam], ("x",)) for one in (LISTING, later))
    assert first.culprits > 0.8 and second.culprits < first.culprits


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.floats(-50, 80), st.floats(-5, 60), st.booleans()),
        max_size=30,
    )
)
@settings(max_examples=100, deadline=None)
def test_whatever_was_sent_the_chances_are_chances(rows):
    suspects = [suspect(f"s{i}", n, r, hours_ago=h) for i, (n, r, h, _) in enumerate(rows)]
    guilty = {f"s{i}" for i, row in enumerate(rows) if row[3]}
    found = single(LISTING, suspects, guilty)
    assert 0.0 <= found.nobody <= 1.0 and 0.0 <= found.culprits <= 1.0
    assert found.nobody + found.culprits <= 1.0 + 1e-9
    assert {name for name, _ in found.parts} <= guilty
    assert all(near(one.evidence, LISTING) >= 0.0 for one in suspects) and RATE > 0
