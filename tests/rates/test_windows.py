import msgspec
from hypothesis import given
from hypothesis import strategies as st

from unlisted.rates.windows import SlidingCounts


def test_what_leaves_the_window_is_not_counted():
    counts = SlidingCounts(window_s=3 * 3600.0, bucket_s=3600.0)
    counts.add("a", 0.0, part=1)
    counts.add("a", 3600.0)
    assert counts.total("a", 3600.0) == (1, 2)
    assert counts.total("a", 3 * 3600.0) == (0, 1)
    assert counts.total("b", 0.0) == (0, 0)
    assert counts.series("a", 7200.0) == [(0.0, 1, 1), (3600.0, 0, 1)]


def test_the_key_touched_longest_ago_goes_first():
    counts = SlidingCounts(limit=2)
    for key in ("a", "b", "a", "c"):
        counts.add(key, 0.0)
    assert list(counts.rows) == ["a", "c"]


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=60))
def test_late_events_count_like_punctual_ones(events):
    counts = SlidingCounts(window_s=50.0, bucket_s=10.0)
    for at, refused in events:
        counts.add("k", float(at), part=int(refused))
    now = max((at for at, _ in events), default=0)
    inside = [refused for at, refused in events if at // 10 > now // 10 - 5]
    assert counts.total("k", float(now)) == (sum(inside), len(inside))
    assert len(counts.rows.get("k", [])) <= 5


def test_the_counts_survive_encoding():
    counts = SlidingCounts()
    counts.add("k", 1e9, part=1)
    again = msgspec.json.decode(msgspec.json.encode(counts), type=SlidingCounts)
    assert again.total("k", 1e9) == (1, 1)
