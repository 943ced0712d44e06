import pytest

from unlisted.routing.spacing import retry_at

DAY_S = 86400.0


def test_the_waits_grow_and_the_last_attempt_falls_on_the_limit():
    at, waits, limit = 1000.0, [], 1000.0 + 5 * DAY_S
    attempts = 1
    while (following := retry_at(attempts, at, limit)) is not None:
        waits.append((following - at) / 60)
        at, attempts = following, attempts + 1
    assert waits[:8] == [5, 15, 30, 60, 120, 240, 240, 240]
    assert at == limit


def test_nothing_is_tried_again_after_the_limit_or_before_it_was_tried():
    assert retry_at(9, DAY_S - 60, DAY_S) == DAY_S
    assert retry_at(9, DAY_S, DAY_S) is None
    with pytest.raises(ValueError, match="no attempt"):
        retry_at(0, 0.0, DAY_S)
