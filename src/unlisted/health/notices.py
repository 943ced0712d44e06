"""What the operator's people are told, in words: a title for a small screen, and what to do.

No sender and no tenant: a notice goes over services of others. Times carry their zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from unlisted.facts import (
    DeadlineMissed,
    DutyCalled,
    EpisodeOpened,
    Fact,
    FeedSilent,
    PostDrafted,
    PostPending,
    WebhookEnded,
    WebhookLost,
)
from unlisted.health.figures import counted

MOST = 500  # of a text
Words = tuple[str, str, str]  # which of facts.NOTICES, title, text


def words(fact: Fact) -> Words | None:
    """The notice that a fact is worth; None: none."""
    match fact:
        case DutyCalled():
            left = (fact.deadline - fact.at) / 60
            due = f"is due in {left:.0f} min" if left > 0 else "is due now"
            return (
                "duty",
                f"{fact.incident}: update {due}, not posted",
                f"The update promised for {_when(fact.deadline)} {due} and nobody has posted it. "
                f"Post it on the operator's page, or: unlisted health post {fact.incident}",
            )
        case PostDrafted():
            return (
                "draft",
                f"{fact.incident}: a draft waits for you",
                f"An update is promised for {_when(fact.deadline)}. A draft with its figures stands "
                "on the operator's page.",
            )
        case PostPending():
            return (
                "draft",
                f"{fact.incident}: draft {fact.draft} waits for an approver",
                "It is on the operator's page, or: "
                f"unlisted health approve {fact.incident} {fact.draft}",
            )
        case DeadlineMissed():
            return (
                "deadline",
                f"{fact.incident}: deadline missed",
                f"The update promised for {_when(fact.deadline)} is not there; the public page "
                "says so. Post it now.",
            )
        case EpisodeOpened():
            where = f"listed on {fact.zone}" if fact.zone else f"refused by {fact.receiver}"
            return (
                "episode",
                f"{fact.address} is {where}"[:MOST],
                f"{fact.refusals:,} of {counted(fact.attempts, 'attempts')} refused since {_when(fact.since)}. "
                f"unlisted episode explain {fact.episode}",
            )
        case FeedSilent():
            return (
                "feed",
                f"no word from {fact.feed}"[:MOST],
                f"Silent since {_when(fact.last_at)}; usually it speaks within {fact.usual_s:.0f} s. "
                "What it would tell is unknown meanwhile, not well.",
            )
        case WebhookLost():
            return _webhook(fact.hook, f"not reached within a day: {fact.why}")
        case WebhookEnded():
            return _webhook(fact.hook, "answered 410 and is ended")
    return None


def _webhook(hook: str, how: str) -> Words:
    return "webhook", f"webhook {hook}: {how}"[:MOST], "See [[webhooks]] in the settings."


def fault(station: str) -> Words:
    """A station could not take an input. Its words stay in the journal: they may quote mail."""
    return (
        "fault",
        f"fault in station {station}",
        "One input is quarantined, the service goes on. unlisted journal export shows it "
        "(StationFault).",
    )


def held_back(counts: Mapping[str, int]) -> Words:
    """What was not told one by one because there was too much of it."""
    said = ", ".join(f"{count} of {what}" for what, count in sorted(counts.items()))
    first = min(counts)
    return (
        first,
        f"{counted(sum(counts.values()), 'more notices')} in an hour",
        f"Held back: {said}.",
    )


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
