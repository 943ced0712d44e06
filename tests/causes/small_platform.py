"""Small platforms for the tests of `attribute`: who mails when, by which drawn address."""

from dataclasses import dataclass, field
from random import Random

import numpy as np

from unlisted.causes.exposure import CampaignRows, Exposures, Listing

HOUR = 3600.0
START = 1_700_006_400.0


@dataclass
class Platform:
    """Senders in one or more pools under hourly rotation, or without a draw."""

    senders: int = 400
    addresses: int = 16
    pool: int = 16
    hours: int = 240
    sticky: bool = False
    seed: int = 1
    rows: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = Random(f"honest {self.seed}")
        for sender in range(self.senders):
            for _ in range(int(chance.lognormvariate(2.0, 1.0)) + 1):
                self.send(sender, chance.randrange(self.hours), 1)

    def send(self, sender: int, hour: int, messages: int) -> None:
        key = (sender, hour)
        self.rows[key] = self.rows.get(key, 0) + messages

    def address(self, sender: int, hour: int) -> int:
        when = 0 if self.sticky else hour
        drawn = Random(f"draw {self.seed} {sender} {when}").randrange(self.pool)
        return sender % (self.addresses // self.pool) * self.pool + drawn

    def exposures(self) -> Exposures:
        keys = sorted(self.rows)
        sender = np.array([k[0] for k in keys], dtype=np.int32)
        bucket = np.array([k[1] for k in keys], dtype=np.int32)
        return Exposures(
            start=START,
            senders=self.senders,
            pool_of=np.arange(self.addresses) // self.pool,
            sender=sender,
            address=np.array([self.address(*k) for k in keys], dtype=np.int16),
            bucket=bucket,
            messages=np.array([self.rows[k] for k in keys], dtype=np.int32),
            probability=np.ones(len(keys)) if self.sticky else None,
        )

    def campaign(self, members: dict[int, list[int]], messages: int) -> CampaignRows:
        """One campaign: members with their hours; its mail is sent as well."""
        keys = [(m, h) for m in sorted(members) for h in members[m]]
        for member, hour in keys:
            self.send(member, hour, messages)
        return CampaignRows(
            campaigns=1,
            campaign=np.zeros(len(keys), dtype=np.int32),
            sender=np.array([k[0] for k in keys], dtype=np.int32),
            address=np.array([self.address(*k) for k in keys], dtype=np.int16),
            bucket=np.array([k[1] for k in keys], dtype=np.int32),
            messages=np.full(len(keys), messages, dtype=np.int32),
        )


def listing(number: int, address: int, hour: float, held_h: float = 1.0) -> Listing:
    """Seen to open within six minutes after `hour`; the last evidence `held_h` later, 24 h term."""
    opened, released = START + hour * HOUR, START + (hour + held_h + 24) * HOUR
    return Listing(
        f"e{number}",
        "zen",
        address,
        (opened, opened + 360.0),
        (released, released + 360.0),
        24 * HOUR,
    )


def hijack(platform: Platform, sender: int, hours: list[int], caught: list[int]) -> list[Listing]:
    """A hijacked sender; each caught hour lists the address it had then."""
    for hour in hours:
        platform.send(sender, hour, 40)
    return [
        listing(number, platform.address(sender, hour), hour + 0.5, 0.2)
        for number, hour in enumerate(caught)
    ]
