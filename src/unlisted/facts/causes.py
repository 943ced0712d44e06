"""Who caused an episode, as far as the evidence goes."""

from __future__ import annotations

import msgspec

from unlisted.facts.fact import Fact


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One sender's expected share of the evidence behind an episode, with its interval.

    `standing`: guilty, probable, open, cleared. `by`: what its standing rests on: answers, draws,
    both. `kind`: sender, or campaign where its campaign stands for it. `log_e`: ln of how much
    likelier its draws are had it caused listings. `episodes_for`, `episodes_against`: those it
    likely caused, and those that came while it mailed by another address only.
    """

    sender: str
    tenant: str
    share: float
    low: float
    high: float
    reasons: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    messages: int = 0
    guilty: bool = False
    standing: str = ""
    by: str = ""
    kind: str = "sender"
    probability: float | None = None
    log_e: float | None = None
    episodes_for: tuple[str, ...] = ()
    episodes_against: tuple[str, ...] = ()


class CausesRanked(Fact, frozen=True, tag=True):
    """explain: who caused the episode. `verdict`: guilty, probable, not enough evidence,
    nobody here. `named`: senders called guilty. `need`: what would settle it, in words.

    `drawn`: our own routing drew the address. `rival`: what explains this episode without a sender
    of ours, range, list error or unknown, and how likely the first two are. `weighed`: listings that
    were weighed together; `nobody_odds`: how much likelier their draws are if nobody here caused a
    tenth of them; `episodes_needed`: about how many more would name the likeliest. None: not known.
    """

    episode: str
    verdict: str
    named: tuple[str, ...]
    shares: tuple[Share, ...]
    window_s: float
    need: str = ""
    because: tuple[int, ...] = ()
    drawn: bool = True
    rival: str = ""
    range_probability: float | None = None
    error_probability: float | None = None
    nobody_odds: float | None = None
    others_share: float | None = None
    weighed: int = 0
    episodes_needed: int | None = None
    reason: str = ""
