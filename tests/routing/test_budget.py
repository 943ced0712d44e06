import pytest

from unlisted.routing.budget import budget, usual_daily


@pytest.mark.parametrize(
    "days, usual",
    [([], None), ([5, 6], None), ([5, 900, 6], 6.0), ([1, 2, 3, 4], 2.5), ([9] * 40, 9.0)],
)
def test_the_usual_volume_is_the_median_day(days, usual):
    assert usual_daily(days) == usual


@pytest.mark.parametrize(
    "usual, used, left", [(400.0, 0, 80), (400.0, 79, 1), (400.0, 95, 0), (None, 3, 7), (3.0, 0, 0)]
)
def test_an_address_takes_over_a_fifth_of_its_usual_volume_at_most(usual, used, left):
    found = budget(usual, used)
    assert found.left == left
    assert found.reason


def test_counts_below_zero_are_refused():
    with pytest.raises(ValueError, match="below zero"):
        budget(-1.0, 0)
    with pytest.raises(ValueError, match="fewer than no"):
        usual_daily([1, -1, 2])
