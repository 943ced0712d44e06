import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.rates.contrast import contrast

OTHERS = {f"127.0.0.{i}": (0, 15) for i in range(2, 9)}
LOUD = {f"127.0.0.{i}": (11, 15) for i in range(2, 9)}


def each(refused: int, passed: int, messages: int = 1) -> dict[str, tuple[int, int]]:
    out = {f"r{i}": (messages, messages) for i in range(refused)}
    return out | {f"p{i}": (0, messages) for i in range(passed)}


@pytest.mark.parametrize(
    "ours, others, kind",
    [
        (each(5, 0), OTHERS, "address"),
        (each(6, 1), OTHERS, "address"),
        (each(30, 3), OTHERS, "address"),
        (each(2, 0), OTHERS, "unclear"),
        (each(0, 20), OTHERS, "unclear"),
        (each(0, 0), OTHERS, "unclear"),
        (each(12, 4), LOUD, "all"),
        (each(6, 0), {}, "unclear"),
        ({"spammer": (30, 30)} | each(0, 10, 2), OTHERS, "one_sender"),
        # thirty refusals of one sender, with nobody else there to compare
        ({"spammer": (30, 30)}, OTHERS, "unclear"),
    ],
)
def test_the_likeliest_explanation_is_named_or_nothing(ours, others, kind):
    refused = sum(r for r, _ in ours.values())
    tried = sum(n for _, n in ours.values())
    found = contrast(others | {"127.0.0.1": (refused, tried)}, "127.0.0.1", ours)
    assert found.kind == kind, found
    assert sum(found.probabilities.values()) == pytest.approx(1.0)


COUNT = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda p: (p[0], p[0] + p[1]))


@given(st.dictionaries(st.text(max_size=3), COUNT), st.dictionaries(st.text(max_size=3), COUNT))
def test_any_counts_give_probabilities(counts, senders):
    found = contrast(counts, "a", senders)
    assert all(0.0 <= p <= 1.0 for p in found.probabilities.values())
    assert found.kind != "address" or found.refused_senders >= 3


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="no count"):
        contrast({"a": (2, 1)}, "a", {})
