"""The answer to "who caused the listings": units with standing and share, episodes with a cause."""

from typing import Literal

import msgspec

from unlisted.causes.naming import Standing, Verdict

UnitKind = Literal["sender", "campaign", "tenant"]
Rival = Literal["range", "list error", "unknown"]


class Cause(msgspec.Struct, frozen=True):
    """One unit. `share` is the expected share of the listings, were the lists' luck drawn again;
    `low` and `high` are 95 %. `within` names the campaign that speaks for this sender."""

    kind: UnitKind
    unit: int
    standing: Standing
    probability: float
    log_odds: float
    log_e: float
    share: float
    low: float
    high: float
    episodes_for: tuple[str, ...]
    episodes_against: tuple[str, ...]
    members: tuple[int, ...] = ()
    within: int | None = None
    reasons: tuple[str, ...] = ()


class EpisodeCause(msgspec.Struct, frozen=True):
    """One episode: the likeliest cause, a unit or a rival, and how likely each kind is: `ground`,
    that no unit in doubt brought it, and `culprits`, that one of the guilty did."""

    episode_id: str
    verdict: Verdict
    unit: tuple[UnitKind, int] | None
    rival: Rival | None
    probability: float
    range_probability: float
    error_probability: float
    ground: float = 1.0
    culprits: float = 0.0


class Attribution(msgspec.Struct, frozen=True):
    """`causes` are told in order of their odds; named are those whose standing is guilty.
    `episodes_needed` more listings would name the likeliest, None where nothing is drawn."""

    verdict: Verdict
    reason: str
    causes: tuple[Cause, ...]
    episodes: tuple[EpisodeCause, ...]
    others_share: float
    episodes_needed: int | None
    nobody_odds: float

    def named(self) -> tuple[Cause, ...]:
        """The guilty, campaigns' members not once more beside their campaign."""
        return tuple(c for c in self.causes if c.standing == "guilty" and c.within is None)
