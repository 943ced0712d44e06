import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.causes.columns import exposures_from
from unlisted.causes.exposure import CausesError

HOUR = 3600


def made(names=("10.0.0.10", "10.0.0.9", "pool:web"), pools=None, **changes):
    one = np.array([0, 1, 2])
    columns = {"sender": one, "senders": 3, "address": one, "messages": one + 1} | changes
    columns.setdefault("hour", np.array([3, 1, 2]) * HOUR + 86400 * 20000)
    pools = {"out": ["10.0.0.9", "10.0.0.10", "10.0.0.11"]} if pools is None else pools
    return exposures_from(address_names=names, pools=pools, **columns)


def test_addresses_lie_in_the_order_of_their_value_and_strangers_in_pools_of_their_own():
    exposures, names = made()
    assert names == ("10.0.0.9", "10.0.0.10", "10.0.0.11", "pool:web")
    assert exposures.pool_of.tolist() == [0, 0, 0, 1]
    assert exposures.address.tolist() == [1, 0, 3]
    assert (exposures.start, exposures.bucket.tolist()) == (86400.0 * 20000, [3, 1, 2])


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"pools": {"a": ["10.0.0.9"], "b": ["10.0.0.9"]}}, "two pools"),
        ({"hour": np.array([1, 2, 3])}, "bucket"),
        ({"address": np.array([0, 1, 3])}, "address"),
        ({"sender": np.array([0, 1, 3])}, "sender"),
    ],
)
def test_what_cannot_be_is_refused(changes, word):
    with pytest.raises(CausesError, match=word):
        made(**changes)


NAMES = st.lists(st.sampled_from(["10.0.0.1", "::1", "x", "pool:a", "10.0.0.2"]), max_size=5)


@given(NAMES, st.dictionaries(st.text(max_size=2), NAMES, max_size=3))
@settings(max_examples=80, deadline=None)
def test_any_names_and_pools_give_exposures_or_their_own_error(names, pools):
    none = np.zeros(0, dtype=np.int64)
    try:
        exposures, found = made(
            names, pools, sender=none, senders=0, address=none, messages=none, hour=none
        )
    except CausesError:
        return
    assert len(found) == exposures.addresses == len(set(found))
