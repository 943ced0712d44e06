"""Of each listing: how likely is it that nobody here brought it, and that one of the guilty did?

Beforehand the chances are even that a sender not named yet brought it or that nobody did, and a
sender's part of the first goes by its mail to strangers by the address, near the listing. That mail
must have been enough: a culprit whose listings we see brought a list `_RATE` pieces of evidence a
message, so two letters rarely did it. Then what is known of the sender counts, less its draws, which
its mail by the address stands for. Who is guilty needs no such weighing: its mail against what
comes of unknown sources. Who was held before is neither.

Several listings of one address are asked about apart: a culprit on one list is none on another that
errs. Refuses nothing.
"""

import math
from collections.abc import Collection, Sequence

import msgspec

from unlisted.causes.lottery import before_event
from unlisted.causes.traffic import Episode, SenderEvidence, Traffic

# Pieces of evidence one of a culprit's messages brings a list, and unknown sources around a listing.
RATE = 0.03
UNKNOWN_SOURCE = 0.1
# Half the mail that brought a listing's evidence is expected to be this likely to bring some.
_TYPICAL = 0.5
# A sender that was held so long before did not bring it.
SILENT_S = 6 * 3600.0
_OTHERWISE = 0.1  # what mail to acquaintances counts for
_MOST = 40.0


class Single(msgspec.Struct, frozen=True):
    """One listing: the chances that nobody here brought it and that one of the guilty did; and of
    the guilty, whose mail it was by what part."""

    episode_id: str
    nobody: float
    culprits: float
    parts: tuple[tuple[str, float], ...] = ()


class Suspect(msgspec.Struct, frozen=True):
    """A sender, and what speaks against it beside its draws."""

    evidence: SenderEvidence
    log_ratio: float


def near(one: SenderEvidence, episode: Episode) -> float:
    """Its mail near the listing by the address: to strangers, and a little of the rest."""
    if one.silent_from is not None and episode.opened_at - one.silent_from > SILENT_S:
        return 0.0
    found = _OTHERWISE * _by_address(one.total, episode)
    return found + (0.0 if one.to_strangers is None else _by_address(one.to_strangers, episode))


def _by_address(traffic: Traffic, episode: Episode) -> float:
    return sum(
        before_event(x, episode.opened_at)[1]
        for x in traffic.exposures
        if x.address == episode.address
    )


def single(episode: Episode, suspects: Sequence[Suspect], guilty: Collection[str]) -> Single:
    """The answer for one listing, whatever the other listings of its address."""
    pieces: list[tuple[str, float]] = []
    whole = somebody = 0.0
    for one in suspects:
        mail = near(one.evidence, episode)
        if mail <= 0.0:
            continue
        if one.evidence.sender in guilty:
            pieces.append((one.evidence.sender, RATE * mail))
            continue
        enough = min(1.0, -math.expm1(-RATE * mail) / _TYPICAL)
        whole += mail
        somebody += mail * enough * math.exp(min(one.log_ratio, _MOST))
    brought = sum(amount for _, amount in pieces)
    culprits = brought / (brought + UNKNOWN_SOURCE)
    odds = somebody / whole if whole > 0 else 0.0
    return Single(
        episode.episode_id,
        (1.0 - culprits) / (1.0 + odds),
        culprits,
        tuple((name, amount / brought) for name, amount in sorted(pieces)),
    )
