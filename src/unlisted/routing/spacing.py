"""When a deferred message is tried again (RFC 5321 section 4.5.4.1).

The first intervals are shorter than the RFC's 30 minutes, which it advises for a host that is down:
greylisting, the common case, ends after 5. From the third failure on they are its 30 minutes and
more, until the caller's limit (the RFC's "at least 4-5 days"). Refuses to plan before the first
attempt.
"""

MINUTE_S, HOUR_S = 60.0, 3600.0
WAITS_S = (5 * MINUTE_S, 15 * MINUTE_S, 30 * MINUTE_S, HOUR_S, 2 * HOUR_S, 4 * HOUR_S)


def retry_at(attempts: int, now: float, limit: float) -> float | None:
    """The time of the next attempt after `attempts` failed ones, or None: give up.

    `now` is the time of the last failure. The last attempt falls on the limit itself, so that a
    message is never given up hours early for want of a slot.
    """
    if attempts < 1:
        raise ValueError("no attempt has failed yet")
    if now >= limit:
        return None
    return min(now + WAITS_S[min(attempts, len(WAITS_S)) - 1], limit)
