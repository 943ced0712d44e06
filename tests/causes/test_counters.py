import msgspec
from hypothesis import given
from hypothesis import strategies as st

from unlisted.causes.counters import MOST_CAMPAIGNS, SenderCounter
from unlisted.causes.profile import SenderProfile

HOUR = 3600.0


def test_the_counters_tell_the_whole_the_strangers_and_the_campaign():
    counter = SenderCounter()
    for i in range(6):
        counter.sent(i * 900.0, "127.0.0.1", 1 / 8, campaign_id="c1", strangers=1)
        counter.answered(i * 900.0 + 2, campaign_id="c1", stranger=True, unknown_users=i % 2)
    counter.sent(7200.0, "127.0.0.2", 1 / 8, campaign_id="m7")
    counter.answered(9000.0, campaign_id="c1", stranger=True, recipients=0, complaints=1)
    found = counter.evidence("anna", "t1", SenderProfile(), 0.0, 10_000.0)
    assert (found.total.messages, found.total.strangers, found.total.answered) == (7, 6, 6)
    assert (found.total.unknown_users, found.total.complaints) == (3, 1)
    assert found.to_strangers is not None and found.to_strangers.messages == 6
    assert [(c.campaign_id, c.traffic.messages) for c in found.campaigns] == [("c1", 6)]
    assert [(x.address, x.messages, x.first_at, x.last_at) for x in found.total.exposures] == [
        ("127.0.0.1", 4, 0.0, 2700.0),
        ("127.0.0.1", 2, 3600.0, 4500.0),
        ("127.0.0.2", 1, 7200.0, 7200.0),
    ]
    assert counter.evidence("anna", "t1", SenderProfile(), 7200.0, 10_000.0).total.messages == 1


def test_a_campaign_is_not_pushed_out_by_single_letters():
    counter = SenderCounter()
    for i in range(200):
        counter.sent(i * 60.0, "a", 1.0, campaign_id=f"m{i}")
        counter.sent(i * 60.0, "a", 1.0, campaign_id="spam" if i % 50 < 2 else f"n{i}")
    assert "spam" in counter.campaigns
    assert len(counter.campaigns) == MOST_CAMPAIGNS


@given(st.lists(st.tuples(st.floats(0, 9e6), st.integers(0, 3)), max_size=50))
def test_the_counters_are_bounded_and_survive_encoding(events):
    counter = SenderCounter()
    for at, kind in events:
        counter.sent(at, f"a{kind}", 0.1, campaign_id=f"c{kind}", strangers=kind % 2)
        counter.answered(at, campaign_id=f"c{kind}", stranger=False)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(counter), type=SenderCounter)
    assert again == counter
    assert all(r.first_at <= r.last_at for r in counter.total.left)
