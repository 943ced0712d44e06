"""May this message leave by ANOTHER address than the one that was refused? (DESIGN section 8)

clean: the recipient is a known correspondent, or the sender's habit covers the message, or its
campaign has been answered well often enough; and nothing speaks against the sender. unsure: all the
rest, above all near-duplicates to strangers without answers and the first letters of anything; they
wait. suspect: a named campaign, a held sender's scope, or a campaign whose answers are a harvested
list's.

Refuses to call clean what merely has no bad news: no answer is not a good answer.
"""

import math
from typing import Literal

import msgspec

State = Literal["clean", "unsure", "suspect"]
Scope = Literal["", "campaign", "strangers", "all"]
Standing = Literal["guilty", "probable", "open", "cleared"]

CLEAN_DAYS = 30
MIN_ANSWERS = 30
# Usual is up to a fifth above the greatest of the sender's own days.
WITHIN = 1.2
_LIST_IS_BAD = 0.05
_COMPLAINTS_USUAL = 0.002
# The chance of so few unknown users from a 5 % list. This small because it is asked again and again.
_DOUBT = 0.005


class MessageFacts(msgspec.Struct, frozen=True):
    """What is known of one message to one recipient, its sender and its campaign.

    Campaign counts are over all its members from every sender; all zero for a message without
    near-duplicates. Today's counts are the sender's, this message included.
    """

    recipient_known: bool = False
    sender_clean_days: int = 0
    clean_days_wanted: int = CLEAN_DAYS
    sender_standing: Standing = "open"
    held_scope: Scope = ""
    campaign_named: bool = False
    # The sender's habit
    bulk_habit: bool = False
    usual_max_recipients_per_day: int = 0
    usual_max_new_per_day: int = 0
    recipients_today: int = 0
    new_today: int = 0
    # The campaign so far
    campaign_messages: int = 1
    campaign_strangers: int = 0
    campaign_answered: int = 0
    campaign_unknown_users: int = 0
    campaign_complaints: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """The state and the reasons for it, the deciding one first."""

    state: State
    reasons: tuple[str, ...]


def _at_most(k: int, n: int, p: float) -> float:
    """P(X <= k) of Binomial(n, p); far below the mean the first terms suffice."""
    if k >= n * p:
        return 1.0
    log_term = n * math.log1p(-p)
    total = math.exp(log_term)
    for i in range(1, k + 1):
        log_term += math.log((n - i + 1) / i) + math.log(p) - math.log1p(-p)
        total += math.exp(log_term)
    return min(1.0, total)


def _at_least(k: int, n: int, p: float) -> float:
    """P(X >= k) of Binomial(n, p), bounded by Chernoff's inequality above the mean."""
    if n <= 0 or k <= n * p:
        return 1.0
    rate = k / n
    if rate >= 1.0:
        return math.exp(n * math.log(p))
    distance = rate * math.log(rate / p) + (1 - rate) * math.log((1 - rate) / (1 - p))
    return math.exp(-n * distance)


def answered_well(answered: int, unknown_users: int, complaints: int) -> bool:
    """Enough answers, not those of a 5 % list, and no excess of complaints."""
    return (
        answered >= MIN_ANSWERS
        and unknown_users <= 0.03 * answered
        and _at_most(unknown_users, answered, _LIST_IS_BAD) <= _DOUBT
        and not _complained(answered, complaints)
    )


def answered_badly(answered: int, unknown_users: int, complaints: int) -> bool:
    """Answers that a list kept with care does not give."""
    return (
        unknown_users >= 3 and _at_least(unknown_users, answered, 0.03) <= 0.001
    ) or _complained(answered, complaints)


def _complained(answered: int, complaints: int) -> bool:
    accepted = max(answered, complaints)
    return complaints >= 2 and _at_least(complaints, accepted, _COMPLAINTS_USUAL) <= 0.01


def judge(facts: MessageFacts) -> Verdict:
    """Clean, unsure or suspect, with reasons."""
    answers = (
        f"{facts.campaign_unknown_users} unknown users and {facts.campaign_complaints} complaints"
        f" on {facts.campaign_answered} answers to its near-duplicates"
    )
    if facts.campaign_named:
        return Verdict("suspect", ("its near-duplicates are named as the cause of a listing",))
    if facts.held_scope == "all":
        return Verdict("suspect", ("all of this sender's mail is held",))
    if facts.held_scope in ("strangers", "campaign") and not facts.recipient_known:
        # The campaign's own members are caught above; a new wording of it goes to strangers too.
        return Verdict("suspect", ("this sender's mail to strangers is held",))
    if answered_badly(
        facts.campaign_answered, facts.campaign_unknown_users, facts.campaign_complaints
    ):
        return Verdict("suspect", (answers,))

    if facts.sender_standing in ("guilty", "probable"):
        return Verdict("unsure", ("the sender may have caused the listing",))
    if facts.sender_standing != "cleared" and facts.sender_clean_days < facts.clean_days_wanted:
        return Verdict(
            "unsure",
            (f"only {facts.sender_clean_days} clean days, and nothing has cleared the sender",),
        )

    if facts.recipient_known:
        return Verdict("clean", ("the recipient is a known correspondent of this sender",))
    if answered_well(
        facts.campaign_answered, facts.campaign_unknown_users, facts.campaign_complaints
    ):
        return Verdict("clean", (answers,))
    within = (
        facts.recipients_today <= WITHIN * facts.usual_max_recipients_per_day
        and facts.new_today <= WITHIN * facts.usual_max_new_per_day
    )
    if facts.bulk_habit and within:
        return Verdict(
            "clean",
            (
                f"it often writes to many: {facts.recipients_today} recipients today, "
                f"{facts.new_today} of them new, within its usual "
                f"{facts.usual_max_recipients_per_day} and {facts.usual_max_new_per_day}",
            ),
        )
    if facts.campaign_messages > 1:
        near = f"{facts.campaign_messages} near-duplicates to {facts.campaign_strangers} strangers"
        return Verdict("unsure", (near, answers))
    return Verdict("unsure", ("a first message to a stranger",))
