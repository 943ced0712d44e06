"""What is usual for a sender: read from its days, before anything is suspected.

A day is (messages, recipients, new recipients, unknown users, complaints), oldest first, the
incident's own days left out. Refuses days with impossible counts.
"""

from collections.abc import Sequence

import msgspec

HISTORY_DAYS = 60
# A day that would be remarkable for a person is ordinary for whoever has had four such in 60.
BULK_RECIPIENTS = 60
BULK_NEW = 25
BULK_DAYS = 4


class SenderProfile(msgspec.Struct, frozen=True):
    """A sender's usual, and how far back it is known."""

    days: int = 0
    clean_days: int = 0
    usual_max_recipients_per_day: int = 0
    usual_max_new_per_day: int = 0
    recipients: int = 0
    new_recipients: int = 0
    bulk_habit: bool = False

    @property
    def usual_new_share(self) -> float:
        """The share of new recipients, drawn towards one in eight as long as little is known."""
        return (self.new_recipients + 1.5) / (self.recipients + 12.0)


def _unclean(recipients: int, unknown: int, complaints: int) -> bool:
    # One complaint or a few dead addresses happen to everybody; a rate does not.
    return (complaints >= 2 and complaints > 0.003 * recipients) or (
        unknown >= 3 and unknown > 0.05 * recipients
    )


def profile(days: Sequence[Sequence[int]]) -> SenderProfile:
    """The profile of up to 60 days, the newest last."""
    rows = [tuple(day) for day in days[-HISTORY_DAYS:]]
    for day in rows:
        if len(day) != 5 or min(day) < 0:
            raise ValueError(f"a day is five counts, not {day!r}")
    clean = 0
    for _, recipients, _, unknown, complaints in reversed(rows):
        if _unclean(recipients, unknown, complaints):
            break
        clean += 1
    bulk_days = sum(1 for day in rows if day[1] >= BULK_RECIPIENTS or day[2] >= BULK_NEW)
    return SenderProfile(
        days=len(rows),
        clean_days=clean,
        usual_max_recipients_per_day=max((day[1] for day in rows), default=0),
        usual_max_new_per_day=max((day[2] for day in rows), default=0),
        recipients=sum(day[1] for day in rows),
        new_recipients=sum(day[2] for day in rows),
        bulk_habit=bulk_days >= BULK_DAYS,
    )
