"""What speaks against a sender beside the draws, over a week: as `attribute` takes it.

To what `evidence.py` weighs in a burst (habit, unknown users, complaints) this adds what shows only
over days, each bounded by how often an honest sender would show it:
- `lasting`: it writes to more strangers than on any of sixty days, on one day after another. Two
  honest crowds in five go on on a second day, one in ten on a third;
- `clock`: its mail to strangers keeps other hours than people's mail here does. One honest crowd in
  ten is sent by a program that does not mind the hour;
- `content`: receivers that refuse a letter for its content: 1-10 % of spam against 0.3 % of a
  mailing, at most one honest sender in ten.

A kind that is not above an even chance of three to one does not count as a kind. Refuses volume.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from unlisted.causes.evidence import complaints, habit, unknown_users
from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import Traffic

Kind = Literal["habit", "unknown_users", "complaints", "lasting", "clock", "content", "alike"]

HOURS = 24
_LASTING = (1.0, 1.0, 0.4, 0.1)  # the part of honest crowds by days
_MARGIN = 2
_PROGRAM_PART, _OFFICE_FLOOR = 0.1, 0.5
_CLOCK_LEAST = 10
_CONTENT = tuple(0.01 * 10 ** ((i + 0.5) / 6) for i in range(6))
_HONEST_CONTENT, _CONTENT_PART, _NO_CONTENT_FLOOR = 0.003, 0.1, 0.6
_ALIKE, _ALIKE_PART, _ALIKE_LEAST = 0.8, 0.5, 10
_KIND = math.log(3.0)


class Week(msgspec.Struct, frozen=True):
    """A sender's last days. `crowd`: the two of them with the most strangers. `new_per_day`: recipients new to it, one number a day it mailed.
    `clock`: its mail to strangers by hour of the day (UTC); `alike`: the largest part of that mail
    that is one near-duplicate campaign; `content`: letters refused for their content."""

    total: Traffic
    crowd: Traffic
    profile: SenderProfile
    new_per_day: tuple[int, ...] = ()
    clock: tuple[int, ...] = ()
    alike: int = 0
    content: int = 0


class Weighed(msgspec.Struct, frozen=True):
    """The sum, how many independent kinds it rests on, and the reasons, heaviest first."""

    log_ratio: float
    kinds: int
    parts: tuple[tuple[Kind, float], ...]
    reasons: tuple[str, ...]


def beside(week: Week, people: Sequence[int]) -> Weighed:
    """All kinds for one sender; `people` is the platform's mail to acquaintances by hour."""
    unknown, bad = unknown_users(week.total), complaints(week.total)
    usual = habit(week.crowd, week.profile)
    parts: list[tuple[Kind, float, str]] = [
        ("habit", usual.log_ratio, usual.reason),
        ("unknown_users", unknown.log_ratio, unknown.reason),
        ("complaints", bad.log_ratio, bad.reason),
        ("content", *content(week)),
    ]
    # What a crowd looks like is asked only where there is one.
    if usual.log_ratio >= _KIND and not week.profile.bulk_habit:
        parts += [
            ("lasting", *lasting(week)),
            ("clock", *clock(week, people)),
            ("alike", *alike(week)),
        ]
    # The looks of one crowd are one kind; what its recipients and their sites say, one each.
    answers = sum(1 for kind, value, _ in parts if kind in _ANSWERS and value >= _KIND)
    crowd = sum(value for kind, value, _ in parts if kind not in _ANSWERS)
    told = sorted((p for p in parts if abs(p[1]) >= 0.1), key=lambda p: (-abs(p[1]), p[0]))
    return Weighed(
        sum(value for _, value, _ in parts),
        answers + (1 if crowd >= _KIND else 0) + (1 if crowd >= _TWICE else 0),
        tuple((kind, value) for kind, value, _ in parts),
        tuple(reason for _, _, reason in told),
    )


_ANSWERS = ("unknown_users", "complaints", "content")
# A crowd that is unusual in its number and in its ways as well.
_TWICE = math.log(100.0) + math.log(5.0)


def lasting(week: Week) -> tuple[float, str]:
    """Strangers beyond any day before, on one day after another."""
    usual = week.profile.usual_max_new_per_day + _MARGIN
    days = sum(1 for count in week.new_per_day if count > usual)
    value = -math.log(_LASTING[min(days, len(_LASTING) - 1)])
    return value, f"on {days} of its last days it wrote to more than {usual} strangers"


def clock(week: Week, people: Sequence[int]) -> tuple[float, str]:
    """The hours of its mail to strangers against those at which people write here."""
    sent, known = sum(week.clock), sum(people)
    if sent < _CLOCK_LEAST or known < 10 * HOURS:
        return 0.0, "too little mail to tell its hours"
    log, quiet = 0.0, 0
    # A day of mail by one sender goes together: fifty letters say no more than fifty.
    damp = min(1.0, 50.0 / sent)
    for hour in range(HOURS):
        # Drawn towards an even day, so that an hour nobody mails in is rare and not impossible.
        usual = (people[hour] + 0.005 * known) / (known * 1.12)
        other = 0.5 / HOURS + 0.5 * usual
        log += damp * week.clock[hour] * math.log(other / usual)
        quiet += week.clock[hour] if usual < 0.3 / HOURS else 0
    program = _PROGRAM_PART + (1 - _PROGRAM_PART) * math.exp(-min(log, 50.0))
    value = max(math.log(_OFFICE_FLOOR), -math.log(program))
    return value, f"{quiet} of {sent} letters to strangers left at hours when hardly anybody writes"


def alike(week: Week) -> tuple[float, str]:
    """Nearly all its mail to strangers is one letter."""
    strangers = week.total.strangers
    one = week.alike >= max(_ALIKE_LEAST, _ALIKE * strangers)
    value = -math.log(_ALIKE_PART) if one else 0.0
    return value, f"{week.alike} of {strangers} letters to strangers are near-duplicates"


def content(week: Week) -> tuple[float, str]:
    """Letters refused for their content against what mailings draw."""
    n = max(week.total.answered, week.content)
    k = week.content
    if not n:
        return 0.0, "no answer yet"
    spam = [_log_binomial(k, n, p) for p in _CONTENT]
    most = max(spam)
    mean = most + math.log(sum(math.exp(v - most) for v in spam) / len(spam))
    honest = _log_binomial(k, n, min(_HONEST_CONTENT, max(3e-4, k / n)))
    ratio = mean - honest
    if k == 0:  # many receivers never say it
        ratio = math.log(_NO_CONTENT_FLOOR + (1 - _NO_CONTENT_FLOOR) * math.exp(ratio))
    ratio = -math.log(_CONTENT_PART + (1 - _CONTENT_PART) * math.exp(-min(ratio, 50.0)))
    return ratio, f"{k} of {n} letters were refused for their content"


def _log_binomial(k: int, n: int, p: float) -> float:
    return (k * math.log(p) if k else 0.0) + (n - k) * math.log1p(-p)
