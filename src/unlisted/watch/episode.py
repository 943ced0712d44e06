"""When a listing began and ended, as far as anybody knows, and what that says of its evidence.

A list lets go a term after the last evidence, so its end dates that evidence: release minus term.
Each end is known (the list's own answers lie on both sides of it), inferred (from what receivers did)
or unknown. Refuses intervals that run backwards and terms that are no time.
"""

from __future__ import annotations

import math

import msgspec

KNOWN, INFERRED, UNKNOWN = "known", "inferred", "unknown"


class End(msgspec.Struct, frozen=True):
    """It lies between `low` and `high` (None: no bound is known). `how`: known, inferred, unknown."""

    low: float | None
    high: float | None
    how: str


NEVER_SEEN = End(None, None, UNKNOWN)


def began(first_refusal: float, clean_at: float | None, taken_at: float | None) -> End:
    """The listing's begin. `clean_at`: the list's last answer "clean" before; `taken_at`: the last mail
    that a receiver which follows the list took before."""
    clean = clean_at if clean_at is not None and clean_at <= first_refusal else None
    taken = taken_at if taken_at is not None and taken_at <= first_refusal else None
    if clean is not None:
        return End(max(clean, taken or clean), first_refusal, KNOWN)
    if taken is not None:
        return End(taken, first_refusal, INFERRED)
    return End(None, first_refusal, UNKNOWN)


def ended(
    listed_at: float | None,
    clean_at: float | None,
    refused_at: float | None,
    taken_at: float | None,
) -> End:
    """The listing's end, from the list's last "listed" and first "clean" answers, else from the last
    refusal and the first mail taken again."""
    if listed_at is not None and clean_at is not None and listed_at <= clean_at:
        return End(listed_at, clean_at, KNOWN)
    if refused_at is not None and taken_at is not None and refused_at <= taken_at:
        return End(refused_at, taken_at, INFERRED)
    return NEVER_SEEN


def last_evidence(end: End, term_s: float | None) -> End:
    """When the list saw the last evidence: as long before its end as its term."""
    if term_s is None or end.low is None or end.high is None:
        return NEVER_SEEN
    if not math.isfinite(term_s) or term_s < 0:
        raise ValueError("a term is finite and not negative")
    return End(end.low - term_s, end.high - term_s, INFERRED)
