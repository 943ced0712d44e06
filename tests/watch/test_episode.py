"""A listing's ends and the evidence they date."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.watch.episode import NEVER_SEEN, End, began, ended, last_evidence


@pytest.mark.parametrize(
    ("clean", "taken", "expected"),
    [
        (None, None, End(None, 100.0, "unknown")),
        (50.0, None, End(50.0, 100.0, "known")),
        (None, 70.0, End(70.0, 100.0, "inferred")),
        (50.0, 70.0, End(70.0, 100.0, "known")),
        (70.0, 50.0, End(70.0, 100.0, "known")),
        (200.0, 300.0, End(None, 100.0, "unknown")),  # of a time after the first refusal
    ],
)
def test_a_begin_lies_after_the_last_word_that_it_was_clean(
    clean: float | None, taken: float | None, expected: End
) -> None:
    assert began(100.0, clean, taken) == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((10.0, 20.0, 5.0, 30.0), End(10.0, 20.0, "known")),
        ((10.0, None, 12.0, 30.0), End(12.0, 30.0, "inferred")),
        ((None, None, 12.0, 30.0), End(12.0, 30.0, "inferred")),
        ((None, None, None, 30.0), NEVER_SEEN),
        ((10.0, None, 40.0, 30.0), NEVER_SEEN),
    ],
)
def test_an_end_is_known_by_the_lists_answers_and_inferred_by_the_receivers(
    answers: tuple[float | None, float | None, float | None, float | None], expected: End
) -> None:
    assert ended(*answers) == expected


@given(st.floats(0, 1e10), st.floats(0, 1e6), st.floats(0, 1e7))
def test_the_last_evidence_lies_a_term_before_the_end(
    low: float, width: float, term: float
) -> None:
    end = End(low, low + width, "known")
    found = last_evidence(end, term)
    assert found.low is not None and found.high is not None
    assert found.low <= found.high <= low + width
    assert last_evidence(end, None) == NEVER_SEEN == last_evidence(NEVER_SEEN, term)


@pytest.mark.parametrize("term", [-1.0, float("nan"), float("inf")])
def test_a_term_is_a_time(term: float) -> None:
    with pytest.raises(ValueError, match="term"):
        last_evidence(End(1.0, 2.0, "known"), term)
