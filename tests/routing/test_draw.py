from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.routing.draw import DrawError, draw, epoch_of

KEY = b"a secret of this platform"
POOL = [f"127.0.0.{i}" for i in range(1, 9)]


def test_the_draw_hangs_on_key_sender_and_epoch_only():
    one = draw(KEY, "anna@a.test", 7, POOL)
    assert one == draw(KEY, "anna@a.test", 7, list(reversed(POOL)))
    assert (one.probability, one.redraw, one.epoch) == (1 / 8, False, 7)
    assert one.among == tuple(sorted(POOL))
    drawn = {draw(KEY, "anna@a.test", epoch, POOL).address for epoch in range(100)}
    assert drawn == set(POOL)
    assert any(
        draw(b"another", "anna@a.test", e, POOL) != draw(KEY, "anna@a.test", e, POOL)
        for e in range(10)
    )


def test_every_address_is_as_likely_as_its_recorded_probability():
    counts = Counter(draw(KEY, f"s{i}", 1, POOL).address for i in range(8000))
    assert all(850 < counts[address] < 1150 for address in POOL)


def test_leaving_one_address_out_moves_only_its_own_senders():
    for i in range(300):
        before = draw(KEY, f"s{i}", 3, POOL)
        after = draw(KEY, f"s{i}", 3, POOL, without={"127.0.0.4"})
        assert after.address != "127.0.0.4"
        assert after.probability == 1 / 7
        assert after.redraw == (before.address == "127.0.0.4")
        if before.address != "127.0.0.4":
            assert after.address == before.address


def test_an_empty_pool_or_key_is_refused():
    with pytest.raises(DrawError, match="no address"):
        draw(KEY, "s", 1, POOL, without=POOL)
    with pytest.raises(DrawError, match="key"):
        draw(b"", "s", 1, POOL)
    with pytest.raises(DrawError, match="epoch"):
        epoch_of(0.0, 0.0)


def test_epochs_turn_by_the_clock():
    assert [epoch_of(at) for at in (0.0, 3599.9, 3600.0)] == [0, 0, 1]
    assert epoch_of(90000.0, 86400.0) == 1


@given(st.text(), st.integers(-(2**40), 2**40), st.lists(st.text(max_size=9), min_size=1))
def test_any_sender_draws_one_of_the_pool(sender, epoch, pool):
    assert draw(KEY, sender, epoch, pool).address in pool
