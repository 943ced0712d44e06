"""How much mail an address may take over from a listed neighbour.

DESIGN section 8: refused mail may leave by another address only within 20 % of that address's usual
volume, so that a listing is never answered by spreading. The usual volume is the median of its last
days; an address whose usual volume is not known yet gets a small allowance. Refuses negative counts.
"""

from collections.abc import Sequence

import msgspec

SHARE = 0.2
MIN_DAYS = 3
UNKNOWN_ALLOWANCE = 10
_MOST_DAYS = 28


class Budget(msgspec.Struct, frozen=True):
    """What one address may take over today, and why."""

    allowed: int
    used: int
    left: int
    reason: str


def usual_daily(days: Sequence[int]) -> float | None:
    """The median of the last 28 whole days, None with fewer than three. Newest last."""
    last = sorted(days[-_MOST_DAYS:])
    if any(count < 0 for count in last):
        raise ValueError("a day cannot have fewer than no messages")
    if len(last) < MIN_DAYS:
        return None
    middle = len(last) // 2
    return float(last[middle]) if len(last) % 2 else (last[middle - 1] + last[middle]) / 2


def budget(usual: float | None, used_today: int) -> Budget:
    """The rest of today's allowance of an address that usually sends `usual` messages a day."""
    if used_today < 0 or (usual is not None and usual < 0):
        raise ValueError("a count below zero")
    if usual is None:
        allowed = UNKNOWN_ALLOWANCE
        reason = f"usual volume not known yet: {allowed} messages a day"
    else:
        allowed = int(usual * SHARE)
        reason = f"{SHARE:.0%} of its usual {usual:g} messages a day"
    return Budget(allowed, used_today, max(0, allowed - used_today), reason)
