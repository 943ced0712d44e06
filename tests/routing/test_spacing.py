import pytest

from unlisted.routing.spacing import DAY_S, retry_at


def test_the_waits_grow_and_the_last_attempt_falls_on_the_fifth_day():
    at, waits = 1000.0, []
    attempts = 1
    while (following := retry_at(1000.0, attempts, at)) is not None:
        waits.append((following - at) / 60)
        at, attempts = following, attempts + 1
    assert waits[:8] == [5, 15, 30, 60, 120, 240, 240, 240]
    assert at == 1000.0 + 5 * DAY_S


def test_a_message_without_a_reverse_path_is_given_up_after_a_day():
    assert retry_at(0.0, 9, DAY_S - 60, null_sender=True) == DAY_S
    assert retry_at(0.0, 9, DAY_S, null_sender=True) is None
    assert retry_at(0.0, 9, DAY_S) is not None


def test_nothing_is_tried_again_before_it_was_tried():
    with pytest.raises(ValueError, match="no attempt"):
        retry_at(0.0, 0, 0.0)
