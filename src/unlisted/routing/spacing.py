"""When a deferred message is tried again (RFC 5321 section 4.5.4.1).

The first intervals are shorter than the RFC's 30 minutes, which it advises for a host that is down:
greylisting, the common case, ends after 5. From the third failure on they are its 30 minutes and
more; after 5 days ("at least 4-5 days") the message is given up, one with the null reverse-path
after one day, for nobody waits for its NDR. Refuses to plan before the first attempt.
"""

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
WAITS_S = (5 * MINUTE_S, 15 * MINUTE_S, 30 * MINUTE_S, HOUR_S, 2 * HOUR_S, 4 * HOUR_S)
GIVE_UP_S = 5 * DAY_S
GIVE_UP_NULL_S = DAY_S


def retry_at(
    first_at: float, attempts: int, now: float, *, null_sender: bool = False
) -> float | None:
    """The time of the next attempt after `attempts` failed ones, or None: give up.

    `now` is the time of the last failure. The last attempt falls on the limit itself, so that a
    message is never given up hours early for want of a slot.
    """
    if attempts < 1:
        raise ValueError("no attempt has failed yet")
    limit = first_at + (GIVE_UP_NULL_S if null_sender else GIVE_UP_S)
    if now >= limit:
        return None
    return min(now + WAITS_S[min(attempts, len(WAITS_S)) - 1], limit)
