"""What the service was started with: pools, lists, policy, and who is told what."""

from __future__ import annotations

import msgspec

from unlisted.facts.fact import Observed


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Egress addresses that share a name, a domain and a HELO; `epoch_s`: life of one draw.

    `watched`: another MTA sends by them and we read its log; nothing is sent by us.
    """

    name: str
    addresses: tuple[str, ...]
    helo: str
    epoch_s: float = 3600.0
    watched: bool = False


class ListTerm(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator knows of a blocklist. `requests`: never, owner, anyone, unknown."""

    zone: str
    term_s: float | None = None
    requests: str = "unknown"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Every figure the stations decide by (seconds unless the name says otherwise)."""

    suspicion_wait_s: float = 7200.0
    hold_s: float = 7 * 86400.0
    books_s: float = 72 * 3600.0
    give_up_s: float = 5 * 86400.0
    clean_days: int = 30
    explain_every_s: float = 120.0
    sample: int = 8
    sample_every_s: float = 300.0
    probe_every_s: float = 900.0
    stop_watch_s: float = 600.0
    shadow_s: float = 1800.0
    reopen_every_s: float = 900.0
    drop_after_s: float = 86400.0
    trial_letters: int = 5
    wake_batch: int = 25
    wake_every_s: float = 60.0
    calm_s: float = 7200.0
    band_s: float = 7200.0
    band_attempts: int = 11
    band_max_s: float = 6 * 3600.0
    relisting_watch_s: float = 45 * 86400.0
    relisting_ask_s: float = 86400.0
    update_first_s: float = 1800.0
    update_first_span_s: float = 7200.0
    update_then_s: float = 4 * 3600.0
    update_margin_s: float = 300.0
    posts_by: str = "policy"
    draft_margin_s: float = 1800.0
    duty_margin_s: float = 600.0
    approve_posts: bool = False
    approve_own_posts: bool = False
    incident_blocked_share: float = 0.5
    incident_refused_share: float = 0.25
    incident_waiting: int = 1000
    resend_by: str = "policy"
    resend_batch: int = 25
    resend_every_s: float = 60.0


# What may be told to webhooks, and to the operator's people.
EVENTS = (
    "incident.opened", "post.published", "post.corrected", "deadline.moved", "deadline.missed",
    "incident.revised", "incident.merged", "incident.split", "incident.closed", "review.published",
)  # fmt: skip
NOTICES = ("duty", "draft", "deadline", "episode", "feed", "fault", "webhook")


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook by its keyed hash (its address may hold a secret), and the events it is told."""

    hook: str
    events: tuple[str, ...]


class Configured(Observed, frozen=True, tag=True):
    """The service started with this configuration (recorded when it differs from the last).

    `receivers`: (domain, receiver) where static routes show that domains share one site.
    `webhooks`, `notices`: who is told what of events.
    """

    hostname: str
    pools: tuple[Pool, ...]
    lists: tuple[ListTerm, ...] = ()
    lookups: bool = False
    local_domains: tuple[str, ...] = ()
    receivers: tuple[tuple[str, str], ...] = ()
    policy: Policy = Policy()
    webhooks: tuple[Subscription, ...] = ()
    notices: tuple[str, ...] = ()
