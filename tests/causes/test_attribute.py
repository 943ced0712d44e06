import math
from collections import Counter
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_platform import HOUR, START, Platform, hijack, listing

from unlisted.causes.attribute import _times, attribute
from unlisted.causes.exposure import (
    CampaignRows,
    CausesError,
    Exposures,
    Listing,
    OtherEvidence,
)

CAUGHT = [101, 104, 106, 109, 112, 115, 118, 121]


def named(answer) -> set[tuple[str, int]]:
    return {(cause.kind, cause.unit) for cause in answer.named()}


def test_a_hijack_that_was_caught_again_and_again_is_named_alone():
    platform = Platform()
    listings = hijack(platform, 7, list(range(100, 124)), CAUGHT)
    answer = attribute(platform.exposures(), listings)
    assert (answer.verdict, named(answer)) == ("guilty", {("sender", 7)})
    (cause,) = answer.named()
    assert set(cause.episodes_for) == {one.episode_id for one in listings}
    assert cause.low <= 1.0 <= cause.high + 1e-9 and cause.low > 0.5
    assert {e.unit for e in answer.episodes} == {("sender", 7)}


def test_a_hijack_whose_evidence_comes_hours_late_is_named_and_nobody_beside_it():
    found, chance = Counter(), Random("late")
    for seed in range(10):
        platform = Platform(seed=seed)
        hijack(platform, 7, list(range(60, 180)), [])
        late = [
            listing(n, platform.address(7, sent), sent + chance.uniform(5, 11), 0.1)
            for n, sent in enumerate(range(62, 168, 5))
        ]
        answer = attribute(platform.exposures(), _apart(late))
        found.update(named(answer))
    assert set(found) == {("sender", 7)} and found["sender", 7] >= 6


def test_one_listing_is_not_enough_and_the_answer_says_how_many_more():
    platform = Platform()
    listings = hijack(platform, 7, list(range(100, 124)), CAUGHT[:1])
    answer = attribute(platform.exposures(), listings)
    assert answer.verdict == "not enough evidence"
    assert answer.episodes_needed is not None and 1 <= answer.episodes_needed <= 8


def test_without_an_episode_nobody_is_named():
    answer = attribute(Platform().exposures(), [])
    assert (answer.verdict, answer.causes) == ("not enough evidence", ())


def test_where_nothing_was_drawn_nobody_is_named_and_the_answer_says_so():
    platform = Platform(sticky=True)
    listings = hijack(platform, 7, list(range(100, 124)), CAUGHT)
    answer = attribute(platform.exposures(), listings)
    assert (answer.verdict, named(answer)) == ("not enough evidence", set())
    assert "nothing was drawn" in answer.reason and answer.episodes_needed is None


@pytest.mark.parametrize(
    "ratio, kinds, verdict",
    [
        (14.0, 2, "guilty"),
        (14.0, 1, "not enough evidence"),  # one kind alone carries a factor of ten
        (1.0, 2, "not enough evidence"),
    ],
)
def test_without_a_draw_a_verdict_carries_what_the_other_evidence_carries(ratio, kinds, verdict):
    platform = Platform(sticky=True)
    listings = hijack(platform, 7, list(range(100, 124)), CAUGHT)
    other = OtherEvidence({7: ratio}, {7: kinds}, {7: ("30 complaints on 900 recipients",)})
    answer = attribute(platform.exposures(), listings, other=other)
    assert answer.verdict == verdict
    told = [c for c in answer.causes if c.unit == 7]
    assert told and "30 complaints on 900 recipients" in told[0].reasons


def test_other_evidence_counts_for_nothing_without_mail_by_a_listed_address():
    platform = Platform(sticky=True)
    elsewhere = next(a for a in range(16) if a != platform.address(7, 0))
    other = OtherEvidence({7: 40.0}, {7: 3})
    answer = attribute(platform.exposures(), [listing(0, elsewhere, 120)], other=other)
    assert answer.verdict == "not enough evidence"


def test_a_campaign_over_many_senders_is_named_as_one():
    platform, chance = Platform(senders=800, hours=300), Random("campaign")
    members = {m: [100 + chance.randrange(120)] for m in range(100, 300)}
    rows = platform.campaign(members, 15)
    caught = chance.sample(sorted(members), 60)
    listings = [
        listing(n, platform.address(m, members[m][0]), members[m][0] + 0.6, 0.1)
        for n, m in enumerate(caught)
    ]
    answer = attribute(platform.exposures(), _apart(listings), rows)
    assert named(answer) == {("campaign", 0)}
    (cause,) = answer.named()
    assert set(cause.members) == set(members)


def test_a_tenant_whose_many_senders_spam_is_named_and_one_bad_sender_does_not_condemn_it():
    tenants = np.arange(400) // 20
    platform, chance = Platform(), Random("tenant")
    visits = [(m, chance.randrange(20, 230)) for m in range(100, 120) for _ in range(6)]
    for member, hour in visits:
        platform.send(member, hour, 12)
    caught = [
        listing(n, platform.address(m, h), h + 0.6, 0.1)
        for n, (m, h) in enumerate(chance.sample(visits, 24))
    ]
    answer = attribute(platform.exposures(), _apart(caught), tenants=tenants)
    assert ("tenant", 5) in named(answer)
    (tenant,) = [cause for cause in answer.named() if cause.kind == "tenant"]
    assert tenant.low <= 1.0 <= tenant.high + 1e-9
    alone = Platform()
    listings = hijack(alone, 107, list(range(100, 124)), CAUGHT)
    answer = attribute(alone.exposures(), listings, tenants=tenants)
    assert named(answer) == {("sender", 107)}


def _apart(listings: list[Listing]) -> list[Listing]:
    """An address is on a list once at a time."""
    out: list[Listing] = []
    for one in sorted(listings, key=lambda x: x.opened):
        if all(x.address != one.address or x.released[1] < one.opened[0] for x in out):
            out.append(one)
    return out


def test_a_neighbours_range_and_a_list_in_error_name_nobody():
    chance = Random("rivals")
    for seed in range(8):
        platform = Platform(seed=seed, addresses=64, senders=600)
        first = 8 * chance.randrange(5)
        ranged = [listing(n, first + n, 100 + 0.02 * n, 12) for n in range(24)]
        errors = [
            listing(100 + n, chance.choice((3, 9)), 10 + 30 * n, 0.1 * chance.random())
            for n in range(7)
        ]
        answer = attribute(platform.exposures(), ranged + errors)
        assert named(answer) == set()
        assert answer.verdict in ("nobody here", "not enough evidence")
        found = {e.episode_id: e for e in answer.episodes}
        rivals = Counter(found[one.episode_id].rival for one in ranged)
        assert rivals["range"] >= 20


def test_a_culprit_is_found_beside_a_range():
    platform = Platform(addresses=64, senders=600)
    listings = hijack(platform, 8, list(range(100, 124)), CAUGHT)
    ranged = [listing(50 + n, 24 + n, 110 + 0.02 * n, 12) for n in range(24)]
    assert named(attribute(platform.exposures(), listings + ranged)) == {("sender", 8)}


def test_a_range_over_a_whole_pool_is_told_though_a_culprit_was_convicted_in_it():
    platform = Platform()
    listings = hijack(platform, 7, list(range(100, 124)), CAUGHT)
    ranged = [
        msgspec.structs.replace(listing(50 + n, n, 180 + 0.001 * n, 40), list_name="networks")
        for n in range(16)
    ]
    answer = attribute(platform.exposures(), listings + ranged, known=[7])
    of = {one.episode_id: one for one in answer.episodes}
    assert all(of[one.episode_id].verdict == "nobody here" for one in ranged)
    assert all(of[one.episode_id].range_probability > 0.8 for one in ranged)
    assert named(answer) == {("sender", 7)}


def test_who_is_convicted_already_explains_listings_and_makes_no_other_easier_to_name():
    platform = Platform()
    mine = hijack(platform, 7, list(range(100, 110)), [101])
    (alone,) = attribute(platform.exposures(), mine).episodes
    (known,) = attribute(platform.exposures(), mine, known=[7]).episodes
    assert alone.culprits == 0.0 and known.culprits > 0.3 and known.unit == ("sender", 7)
    with pytest.raises(CausesError, match="known"):
        attribute(platform.exposures(), mine, known=[400])


def test_an_episode_that_several_lists_tell_of_is_one_witness():
    platform = Platform()
    listings = hijack(platform, 7, list(range(100, 110)), [101])
    again = [
        msgspec.structs.replace(one, episode_id=f"{one.episode_id}/{n}", list_name=f"list{n}")
        for one in listings
        for n in range(12)
    ]
    once, often = (attribute(platform.exposures(), x) for x in (listings, again))
    assert named(often) == named(once) == set()


def shuffled(x: Exposures, order: np.ndarray) -> Exposures:
    return Exposures(
        start=x.start,
        senders=x.senders,
        pool_of=x.pool_of,
        sender=x.sender[order],
        address=x.address[order],
        bucket=x.bucket[order],
        messages=x.messages[order],
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_listings_changes_nothing(seed):
    chance = Random(seed)
    platform = Platform(senders=120)
    listings = hijack(platform, 7, list(range(100, 124)), CAUGHT)
    x = platform.exposures()
    order = list(range(len(x.sender)))
    chance.shuffle(order)
    mixed = list(listings)
    chance.shuffle(mixed)
    assert attribute(shuffled(x, np.array(order)), mixed) == attribute(x, listings)


COLUMN = st.lists(st.integers(-1, 9), min_size=0, max_size=12)
TIME = st.floats(-1e10, 1e10) | st.sampled_from([START, START + 5 * HOUR, float("nan")])
LISTINGS = st.lists(
    st.builds(
        lambda n, a, lo, w, rel, term: Listing(f"e{n}", "l", a, (lo, lo + w), rel, term),
        st.integers(0, 5),
        st.integers(-1, 8),
        TIME,
        st.floats(-10, 1e6),
        st.none() | st.tuples(TIME, TIME),
        st.none() | st.floats(-10, 1e6),
    ),
    max_size=6,
)


@given(COLUMN, COLUMN, COLUMN, COLUMN, LISTINGS, st.integers(0, 10), st.floats(0.5, 1e5))
@settings(max_examples=150, deadline=None)
def test_arbitrary_columns_give_an_answer_or_their_own_error(
    sender, address, bucket, messages, listings, senders, epoch
):
    size = min(map(len, (sender, address, bucket, messages)))
    try:
        x = Exposures(
            start=START,
            senders=senders,
            pool_of=np.array([0, 0, 0, 1, 1, 2]),
            sender=np.array(sender[:size], dtype=np.int64),
            address=np.array(address[:size], dtype=np.int64),
            bucket=np.array(bucket[:size], dtype=np.int64),
            messages=np.array(messages[:size], dtype=np.int64),
            epoch_s=epoch,
        )
        answer = attribute(x, listings, tenants=np.zeros(senders, dtype=np.int64))
    except CausesError:
        return
    assert all(0.0 <= c.low <= c.share + 1e-9 and c.high <= 1.0 + 1e-9 for c in answer.causes)
    assert not listings or len(answer.episodes) in (0, len(listings))


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"sender": np.array([0, 1])}, "unequal"),
        ({"sender": np.array([9])}, "sender"),
        ({"address": np.array([2])}, "address"),
        ({"messages": np.array([-1])}, "messages"),
        ({"probability": np.array([1.5])}, "probability"),
        ({"epoch_s": 1.0}, "epoch"),
    ],
)
def test_contradictory_columns_are_refused_by_name(changes, word):
    one = np.zeros(1, dtype=np.int64)
    columns = {"sender": one, "address": one, "bucket": one, "messages": one}
    with pytest.raises(CausesError, match=word):
        Exposures(start=START, senders=2, pool_of=np.array([0, 0]), **(columns | changes))


@pytest.mark.parametrize("ratio", [{400: 1.0}, {-1: 1.0}, {0: float("nan")}])
def test_other_evidence_that_is_none_is_refused(ratio):
    with pytest.raises(CausesError, match="other evidence"):
        attribute(Platform().exposures(), [listing(0, 0, 5)], other=OtherEvidence(ratio))


def test_campaign_rows_out_of_range_are_refused():
    platform, one = Platform(senders=5), np.array([9], dtype=np.int64)
    zero = np.zeros(1, dtype=np.int64)
    rows = CampaignRows(1, zero, one, zero, zero, zero)
    with pytest.raises(CausesError, match="sender"):
        attribute(platform.exposures(), [listing(0, 0, 5)], rows)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(4.0, "4 times likelier"), (0.25, "4 times less likely"), (1.0, "as likely"),
     (0.9999, "as likely"), (0.872, "1.15 times less likely")],
)  # fmt: skip
def test_a_ratio_below_one_is_said_as_less_likely(ratio: float, said: str) -> None:
    assert _times(math.log(ratio)) == said
