"""What is done about senders, by policy or by a person, and who did it."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed


class Acted(Observed, frozen=True, tag=True):
    """A person did something on the operator's page or by command.

    `act`: release_hold (of a hold), retire_rule (of a rule), sign_in, sign_out, add_person,
    change_person, remove_person; `target`: its name. `role`: the actor's roles; token: whoever
    holds the token of the state folder.
    """

    actor: str
    act: str
    target: str
    reason: str = ""
    role: str = ""


class SignInsRefused(Observed, frozen=True, tag=True):
    """So many sign-ins on the operator's page were refused from `since` to `at`. `names`: of the
    people that there are, those that were tried."""

    since: float
    count: int
    names: tuple[str, ...] = ()


class SenderHeld(Fact, frozen=True, tag=True):
    """contain: a sender's mail within `scope` is held until `expires_at` or its release."""

    hold: str
    sender: str
    tenant: str
    scope: str
    campaigns: tuple[str, ...]
    reason: str
    expires_at: float
    episode: str
    because: tuple[int, ...] = ()


class HoldReleased(Fact, frozen=True, tag=True):
    """contain: a hold ended: by a person (`actor`) or by its expiry."""

    hold: str
    sender: str
    actor: str
    why: str
    because: tuple[int, ...] = ()


class SourceStopped(Fact, frozen=True, tag=True):
    """contain: nothing of the named senders' scope left any more since `since`."""

    episodes: tuple[str, ...]
    senders: tuple[str, ...]
    since: float
    evidence: str
    because: tuple[int, ...] = ()


class RuleStepped(Fact, frozen=True, tag=True):
    """prevent: a rule moved: draft, shadow, enforced, retired; with its counts."""

    rule: str
    campaign: str
    old: str
    new: str
    matched: int
    other_senders: int
    why: str
    because: tuple[int, ...] = ()
