import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.causes.evidence import complaints, habit, unknown_users
from unlisted.causes.lottery import events_of, log_e, lot_of
from unlisted.causes.profile import SenderProfile, profile
from unlisted.causes.rank import Causes, rank
from unlisted.causes.traffic import CampaignTraffic, Episode, Exposure, SenderEvidence, Traffic

HOUR = 3600.0
NOW = 100 * HOUR
POOL = tuple(f"127.0.0.{i}" for i in range(1, 9))
LISTING = Episode("e1", "127.0.0.1", NOW, None, POOL)
PERSON = profile([(5, 6, 1, 0, 0)] * 60)
NEWSLETTER = profile([(3, 3, 0, 0, 0)] * 50 + [(900, 900, 9, 9, 0)] * 10)


def traffic(n: int, unknown: int = 0, upset: int = 0, *, strangers: float = 1.0, **changes):
    first = changes.pop("first_at", NOW - 2 * HOUR)
    address = changes.pop("address", "127.0.0.1")
    return Traffic(
        messages=n,
        recipients=n,
        strangers=round(n * strangers),
        answered=n,
        unknown_users=unknown,
        complaints=upset,
        first_at=first,
        last_at=first + HOUR,
        exposures=(Exposure(address, first, first + HOUR, n, round(n * strangers), 1 / 8),),
        **changes,
    )


def sender(name: str, total: Traffic, usual: SenderProfile = PERSON, **changes) -> SenderEvidence:
    return SenderEvidence(name, "t1", usual, total, **changes)


HONEST = [
    sender(f"p{i}", traffic(6, strangers=0.2, address=POOL[i % 8], first_at=NOW - i * HOUR / 4))
    for i in range(24)
]


@pytest.mark.parametrize(
    "total, usual, named",
    [
        (traffic(150, 20, 2), PERSON, True),
        (traffic(25, 5, 1), PERSON, True),
        (traffic(150, 3), PERSON, False),  # a first-time school letter
        (traffic(900, 18, 0, strangers=0.01), NEWSLETTER, False),
        (traffic(5000, 60, 3), PERSON, False),  # size is no evidence
        (traffic(150, 20, 2, first_at=NOW + HOUR), PERSON, False),  # after the listing
        (traffic(150, 20, 2, address="127.0.0.2"), PERSON, False),  # by another address
        (traffic(2, 2, 0), PERSON, False),  # two dead addresses
    ],
)
def test_who_is_named(total, usual, named):
    causes = rank([LISTING], [*HONEST, sender("x", total, usual)])
    assert causes.named == (("x",) if named else ())
    assert (causes.verdict == "guilty") == named


def test_a_campaign_condemns_the_account_it_hides_in():
    spam = traffic(40, 9, 1)
    own = traffic(200, 2, strangers=0.1)
    mixed = msgspec.structs.replace(
        own, messages=240, recipients=240, strangers=60, answered=240, unknown_users=11
    )
    usual = profile([(150, 160, 24, 1, 0)] * 60)
    found = rank(
        [LISTING], [*HONEST, sender("m", mixed, usual, campaigns=(CampaignTraffic("c9", spam),))]
    )
    assert found.named == ("m",)
    share = found.shares[0]
    assert (share.sender, share.unit, share.campaigns) == ("m", "c9", ("c9",))
    assert share.low < share.share <= share.high
    assert any("do not exist" in reason for reason in share.reasons)


def test_the_shares_and_the_unknown_rest_make_one():
    found = rank([LISTING], [*HONEST, sender("x", traffic(150, 20, 2))], most=100)
    assert sum(s.share for s in found.shares) + found.others_share == pytest.approx(1.0)
    assert found.shares[0].share > 0.8
    assert found.others_low <= found.others_share <= found.others_high


def test_without_an_episode_or_a_sender_nothing_is_claimed():
    assert rank([], HONEST).verdict == "not enough evidence"
    assert rank([LISTING], []).verdict == "not enough evidence"
    assert rank([LISTING], []).others_share == 1.0


def test_honest_answers_of_all_exposed_say_nobody_here():
    bulk = [sender(f"b{i}", traffic(300, 3), PERSON) for i in range(3)]
    found = rank([LISTING], bulk)
    assert (found.verdict, found.named, found.probable) == ("nobody here", (), ())


def test_draws_alone_name_only_after_several_listings():
    def listings(n: int) -> list[Episode]:
        return [
            Episode(f"e{i}", POOL[i], NOW + 60 * HOUR * i, NOW + 60 * HOUR * i + 24 * HOUR, POOL)
            for i in range(n)
        ]

    def always_there(n: int) -> Traffic:
        rows = tuple(
            Exposure(POOL[i], e.opened_at - HOUR, e.opened_at, 30, 29, 1 / 8)
            for i, e in enumerate(listings(n))
        )
        return Traffic(30 * n, 30 * n, 29 * n, 0, 0, 0, NOW, NOW + 60 * HOUR * n, rows)

    assert rank(listings(2), [sender("x", always_there(2))]).named == ()
    assert rank(listings(2), [sender("x", always_there(2))]).listings_needed is not None
    assert rank(listings(6), [sender("x", always_there(6))]).named == ("x",)


def test_one_listing_told_by_two_receivers_is_one_event():
    twice = [LISTING, Episode("e2", "127.0.0.1", NOW + 600, None, POOL)]
    assert len(events_of(twice)) == 1
    again = Episode("e3", "127.0.0.1", NOW + 30 * HOUR, None, POOL)
    ended = Episode("e1", "127.0.0.1", NOW, NOW + 24 * HOUR, POOL)
    assert len(events_of([again, ended])) == 2


def test_where_nothing_was_drawn_the_lottery_says_nothing():
    sticky = Traffic(
        messages=50, exposures=(Exposure("127.0.0.1", NOW - HOUR, NOW, 50, probability=1.0),)
    )
    assert log_e([lot_of(sticky, e) for e in events_of([LISTING])]) == pytest.approx(0.0)


def test_the_lottery_is_fair_over_the_draws():
    # Over the eight equally likely draws its mean is 1: nobody is condemned by luck on average.
    event = events_of([LISTING])
    values = [log_e([lot_of(traffic(40, address=a), event[0])]) for a in POOL]
    assert sum(map(pow, [2.718281828459045] * 8, values)) / 8 == pytest.approx(1.0)


def test_each_kind_of_evidence_is_bounded():
    assert habit(traffic(5000), PERSON).log_ratio < 4.7
    assert habit(traffic(20), NEWSLETTER).log_ratio < 2.4
    assert habit(traffic(20), profile([])).log_ratio < 1.7
    assert complaints(traffic(5000)).log_ratio > -1
    assert unknown_users(Traffic()).log_ratio == 0.0
    assert unknown_users(traffic(700, 12)).log_ratio < -5


@pytest.mark.parametrize("day", [(1, 2, 3), (1, 2, 3, 4, -5)])
def test_a_day_that_is_none_is_refused(day):
    with pytest.raises(ValueError, match="five counts"):
        profile([day])


def test_the_profile_counts_clean_days_back_from_the_last():
    assert profile([(9, 9, 1, 0, 0)] * 20).clean_days == 20
    assert profile([(9, 9, 1, 0, 0), (90, 90, 90, 30, 4)] + [(9, 9, 1, 1, 0)] * 5).clean_days == 5
    assert profile([(9, 9, 1, 0, 0)] * 100).days == 60
    assert NEWSLETTER.bulk_habit and not PERSON.bulk_habit


N = st.integers(0, 5000)
EXPOSURES = st.lists(
    st.builds(
        Exposure,
        st.sampled_from(POOL),
        st.floats(0, 2 * NOW),
        st.floats(0, 2 * NOW),
        N,
        N,
        st.floats(0, 1),
    ),
    max_size=5,
).map(tuple)
TRAFFIC = st.builds(Traffic, N, N, N, N, N, N, st.floats(0, NOW), st.floats(0, NOW), EXPOSURES)
DAYS = st.lists(st.tuples(N, N, N, N, N), max_size=9)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(TRAFFIC, DAYS, TRAFFIC), max_size=4), st.lists(st.floats(0, NOW), max_size=4)
)
def test_any_counts_give_an_answer(rows, times):
    episodes = [Episode(f"e{i}", POOL[i % 8], at, None, POOL) for i, at in enumerate(times)]
    candidates = [
        SenderEvidence(f"s{i}", "t", profile(days), total, part, (CampaignTraffic("c", part),))
        for i, (total, days, part) in enumerate(rows)
    ]
    found = rank(episodes, candidates)
    assert all(0 <= s.low <= s.share <= s.high <= 1 for s in found.shares)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Causes) == found


def test_who_is_named_is_told_of_even_beyond_the_room_for_shares():
    found = rank([LISTING], [*HONEST, sender("x", traffic(150, 20, 2))], most=0)
    assert [s.sender for s in found.shares] == ["x"]
    assert len(rank([LISTING], HONEST, most=5).shares) == 5
