"""What the causes are found from: a sender's counts around the listings, and the listings.

Plain values that a station fills from its counters. Times are seconds since the Unix epoch. The
window runs from some time before the first episode (48 h is enough) until now.
"""

import msgspec

from unlisted.causes.profile import SenderProfile


class Episode(msgspec.Struct, frozen=True):
    """One listing of one egress address on one list, as far as it is known."""

    episode_id: str
    address: str
    opened_at: float
    ended_at: float | None = None
    # The pool the address was drawn in, itself included.
    pool: tuple[str, ...] = ()


class Exposure(msgspec.Struct, frozen=True):
    """Messages that left by one address within one bucket of time (an hour, or less).

    `first_at` and `last_at` are of the messages, not of the bucket: what was sent after a listing
    did not cause it. `probability` is the recorded one of the draw, 1.0 where nothing was drawn.
    """

    address: str
    first_at: float
    last_at: float
    messages: int
    strangers: int = 0
    probability: float = 1.0


class Traffic(msgspec.Struct, frozen=True):
    """One sender's mail in the window, or one part of it.

    `strangers` are recipients this sender had never written to before. `answered` are recipients
    whose receiver said yes or "no such user"; refusals for reputation are neither.
    """

    messages: int = 0
    recipients: int = 0
    strangers: int = 0
    answered: int = 0
    unknown_users: int = 0
    complaints: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    exposures: tuple[Exposure, ...] = ()


class CampaignTraffic(msgspec.Struct, frozen=True):
    """The part of a sender's mail that is one near-duplicate campaign."""

    campaign_id: str
    traffic: Traffic


class SenderEvidence(msgspec.Struct, frozen=True):
    """Everything about one sender that the verdict may use.

    `to_strangers` is the mail to recipients never written to before: the part of a mixed account
    that its owner did not write. `campaigns` are its larger ones, at most a few dozen.
    """

    sender: str
    tenant: str
    profile: SenderProfile
    total: Traffic
    to_strangers: Traffic | None = None
    campaigns: tuple[CampaignTraffic, ...] = ()
    # Since when it is held: the last that left of what the hold is for.
    silent_from: float | None = None
