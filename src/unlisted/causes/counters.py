"""One sender's counters: what left, by which address, in which hour, and what was answered.

Fed fact by fact, read as `SenderEvidence` at any time, so that nothing here rescans messages.
Counted thrice: as a whole, to strangers only, and per campaign. Recipients are counted, and a
recipient is counted once per message; the caller leaves retries out and counts an unknown recipient
once, however often the sender tries it.

Refuses to grow: hours older than `KEEP_S` go, and of campaigns the `MOST_CAMPAIGNS` last seen stay.
"""

import msgspec

from unlisted.causes.profile import SenderProfile
from unlisted.causes.traffic import CampaignTraffic, Exposure, SenderEvidence, Traffic

HOUR_S = 3600.0
KEEP_S = 8 * 86400.0
MOST_CAMPAIGNS = 32


class Left(msgspec.Struct):
    """What left by one address in one hour."""

    hour: int
    address: str
    first_at: float
    last_at: float
    probability: float
    messages: int = 0
    recipients: int = 0
    strangers: int = 0


class Answered(msgspec.Struct):
    """What was answered in one hour."""

    hour: int
    answered: int = 0
    unknown_users: int = 0
    complaints: int = 0


class TrafficCounter(msgspec.Struct):
    """The counters of one unit, by hour, oldest first; encodable as they are."""

    left: list[Left] = msgspec.field(default_factory=list)
    answers: list[Answered] = msgspec.field(default_factory=list)
    last_at: float = 0.0

    def sent(
        self, at: float, address: str, probability: float, recipients: int, strangers: int
    ) -> None:
        """One message left by an address drawn with this probability."""
        hour = int(at // HOUR_S)
        row = next((r for r in reversed(self.left) if (r.hour, r.address) == (hour, address)), None)
        if row is None:
            row = Left(hour, address, at, at, probability)
            self.left.append(row)
        row.first_at, row.last_at = min(row.first_at, at), max(row.last_at, at)
        row.messages += 1
        row.recipients += recipients
        row.strangers += strangers
        self.last_at = max(self.last_at, at)
        oldest = (self.last_at - KEEP_S) // HOUR_S
        while self.left[0].hour < oldest:
            del self.left[0]

    def answered(
        self, at: float, recipients: int = 0, unknown_users: int = 0, complaints: int = 0
    ) -> None:
        """Receivers said yes or "no such user" (both are answers), or somebody complained."""
        hour = int(at // HOUR_S)
        row = next((r for r in reversed(self.answers) if r.hour == hour), None)
        if row is None:
            row = Answered(hour)
            self.answers.append(row)
        row.answered += recipients
        row.unknown_users += unknown_users
        row.complaints += complaints
        oldest = (max(at, self.last_at) - KEEP_S) // HOUR_S
        while self.answers and self.answers[0].hour < oldest:
            del self.answers[0]

    def traffic(self, since: float, now: float) -> Traffic:
        """The window, exact to the hour at its start."""
        start, end = int(since // HOUR_S), int(now // HOUR_S)
        rows = [r for r in self.left if start <= r.hour <= end]
        answers = [r for r in self.answers if start <= r.hour <= end]
        if not rows:
            return Traffic()
        return Traffic(
            messages=sum(r.messages for r in rows),
            recipients=sum(r.recipients for r in rows),
            strangers=sum(r.strangers for r in rows),
            answered=sum(r.answered for r in answers),
            unknown_users=sum(r.unknown_users for r in answers),
            complaints=sum(r.complaints for r in answers),
            first_at=min(r.first_at for r in rows),
            last_at=max(r.last_at for r in rows),
            exposures=tuple(
                Exposure(r.address, r.first_at, r.last_at, r.messages, r.strangers, r.probability)
                for r in rows
            ),
        )


class SenderCounter(msgspec.Struct):
    """A sender as a whole, its mail to strangers, and its campaigns; encodable as it is."""

    total: TrafficCounter = msgspec.field(default_factory=TrafficCounter)
    to_strangers: TrafficCounter = msgspec.field(default_factory=TrafficCounter)
    # in the order last seen
    campaigns: dict[str, TrafficCounter] = msgspec.field(default_factory=dict)

    def sent(
        self,
        at: float,
        address: str,
        probability: float,
        *,
        campaign_id: str,
        recipients: int = 1,
        strangers: int = 0,
    ) -> None:
        """One message left; `strangers` of its recipients were never written to before."""
        self.total.sent(at, address, probability, recipients, strangers)
        if strangers:
            self.to_strangers.sent(at, address, probability, strangers, strangers)
        part = self.campaigns.pop(campaign_id, None) or TrafficCounter()
        part.sent(at, address, probability, recipients, strangers)
        self.campaigns[campaign_id] = part
        while len(self.campaigns) > MOST_CAMPAIGNS:
            # A single letter makes room first; among campaigns the one seen longest ago.
            oldest = min(
                list(self.campaigns)[:-1],
                key=lambda c: sum(r.messages for r in self.campaigns[c].left) > 1,
            )
            del self.campaigns[oldest]

    def answered(
        self,
        at: float,
        *,
        campaign_id: str,
        stranger: bool,
        recipients: int = 1,
        unknown_users: int = 0,
        complaints: int = 0,
    ) -> None:
        """Answers or complaints to one message of this sender."""
        self.total.answered(at, recipients, unknown_users, complaints)
        if stranger:
            self.to_strangers.answered(at, recipients, unknown_users, complaints)
        part = self.campaigns.get(campaign_id)
        if part is not None:
            part.answered(at, recipients, unknown_users, complaints)

    def evidence(
        self, sender: str, tenant: str, usual: SenderProfile, since: float, now: float
    ) -> SenderEvidence:
        """What `rank` reads."""
        parts = [(c, self.campaigns[c].traffic(since, now)) for c in sorted(self.campaigns)]
        return SenderEvidence(
            sender,
            tenant,
            usual,
            self.total.traffic(since, now),
            self.to_strangers.traffic(since, now),
            tuple(CampaignTraffic(c, traffic) for c, traffic in parts if traffic.messages > 1),
        )
