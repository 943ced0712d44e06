"""The clock of a listing: when it ends if nothing new is seen, and what its end says.

Unknown is a value: a list without a known term gives no release, only the bound that it is
listed now.
"""

import math

import msgspec

Interval = tuple[float, float]


class Release(msgspec.Struct, frozen=True):
    """at: the best single guess; low and high: never before, never after if nothing new comes."""

    at: float | None
    low: float | None
    high: float | None
    basis: str


def predict_release(
    term_s: float | None, last_evidence: Interval | None, listed_seen: float
) -> Release:
    """listed_seen: the last moment at which the list was seen to list the address."""
    if term_s is None:
        return Release(None, None, None, "the list's term is unknown")
    if not math.isfinite(term_s) or term_s < 0:
        raise ValueError("a term is finite and not negative")
    # Listed at that moment, so some evidence lay at most one term before it, and none known after.
    latest = listed_seen + term_s
    if last_evidence is None:
        return Release(
            None,
            listed_seen,
            latest,
            "term from last evidence; its moment is unknown, the last sight of the listing bounds it",
        )
    low = max(last_evidence[0] + term_s, listed_seen)
    high = last_evidence[1] + term_s
    if last_evidence[0] > last_evidence[1]:
        raise ValueError("an interval runs from early to late")
    if high < low:
        return Release(
            None, listed_seen, latest, "still listed after the predicted end: later evidence exists"
        )
    return Release((low + high) / 2, low, high, "term from last evidence")
