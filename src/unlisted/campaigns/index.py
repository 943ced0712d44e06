"""The index of near-duplicate messages: which campaign a message belongs to.

A campaign is named by its first member. Candidates come from 32 bands of 4 slots, the decision from
the estimated similarity to one of at most four samples: the first member, and members that are like
the first one. A later member is never a sample by being like a sample only, so a chain of small
changes cannot join two unlike letters.

Refuses to grow: a campaign not seen for `window_s` is forgotten, and past `limit` campaigns the one
seen longest ago goes first. The state is plain data; the bands are rebuilt from it.
"""

from bisect import bisect_right
from itertools import accumulate

import msgspec

from unlisted.campaigns.fingerprint import SLOTS, alike, body_of, similarity, slots_of

ROWS = 4
ALIKE = 0.42
_SAMPLES = 4
# One band's entry never needs more: the check of similarity costs more than a missed candidate.
_PER_BAND = 12


class CampaignSample(msgspec.Struct):
    """What the index keeps of one campaign."""

    campaign_id: str
    last_at: float
    samples: list[str]
    members: int = 1


class IndexState(msgspec.Struct):
    """All of it, encodable; campaigns in the order in which they were last seen."""

    window_s: float = 72 * 3600.0
    limit: int = 20_000
    campaigns: dict[str, CampaignSample] = msgspec.field(default_factory=dict)


class CampaignIndex:
    """Assigns messages to campaigns; same calls, same answers."""

    __slots__ = ("_bands", "_bodies", "state")

    def __init__(self, state: IndexState | None = None) -> None:
        self.state = state if state is not None else IndexState()
        self._bands: dict[bytes, list[str]] = {}
        self._bodies: dict[str, bytes] = {}  # of each campaign's samples, one after the other
        for campaign in self.state.campaigns.values():
            for sample in campaign.samples:
                self._enter(campaign.campaign_id, sample)

    def assign(self, message_id: str, fingerprint: str, at: float) -> str:
        """The campaign's id: that of its first member, which may be this message."""
        campaigns = self.state.campaigns
        self._forget(at)
        if not slots_of(fingerprint):
            return message_id
        best = self._nearest(fingerprint)
        if best is None:
            if message_id not in campaigns:
                campaigns[message_id] = CampaignSample(message_id, at, [fingerprint])
                self._enter(message_id, fingerprint)
            return message_id
        campaign_id, first_alike = best
        campaign = campaigns.pop(campaign_id)
        campaign.last_at = max(campaign.last_at, at)
        campaign.members += 1
        # A sample that is nearly the first one teaches nothing.
        if len(campaign.samples) < _SAMPLES and ALIKE <= first_alike < 0.8:
            campaign.samples.append(fingerprint)
            self._enter(campaign.campaign_id, fingerprint)
        campaigns[campaign.campaign_id] = campaign
        return campaign.campaign_id

    def find(self, fingerprint: str, at: float) -> str | None:
        """The campaign a message would belong to; changes nothing. None: it would be a new one."""
        best = self._nearest(fingerprint) if slots_of(fingerprint) else None
        if best is None or self.state.campaigns[best[0]].last_at < at - self.state.window_s:
            return None
        return best[0]

    def _nearest(self, fingerprint: str) -> tuple[str, float] | None:
        """The likest campaign and the likeness to its first member; None: none is alike."""
        best: tuple[tuple[float, str], float] | None = None
        for campaign_id in self._likely(fingerprint):
            samples = self.state.campaigns[campaign_id].samples
            likeness = [similarity(fingerprint, sample) for sample in samples]
            rank = (-max(likeness), campaign_id)
            if -rank[0] >= ALIKE and (best is None or rank < best[0]):
                best = (rank, likeness[0])
        return (best[0][1], best[1]) if best is not None else None

    def members(self, campaign_id: str) -> int:
        """How many messages were assigned to it, 0 if it is forgotten."""
        campaign = self.state.campaigns.get(campaign_id)
        return campaign.members if campaign else 0

    def _keys(self, fingerprint: str) -> list[bytes]:
        raw = slots_of(fingerprint)
        return [bytes((at // ROWS,)) + raw[at : at + ROWS] for at in range(0, SLOTS, ROWS)]

    def _likely(self, fingerprint: str) -> set[str]:
        """Of the dozens that share a band, the few whose bodies are not unlike: all looked at in
        one go, as this is done for each message."""
        found: set[str] = set()
        for key in self._keys(fingerprint):
            found.update(self._bands.get(key, ()))
        if not found:
            return found
        order = list(found)
        bodies = [self._bodies[campaign_id] for campaign_id in order]
        near = alike(body_of(fingerprint), b"".join(bodies), ALIKE)
        ends = list(accumulate(len(body) // SLOTS for body in bodies))
        return {order[bisect_right(ends, row)] for row in near}

    def _enter(self, campaign_id: str, fingerprint: str) -> None:
        self._bodies[campaign_id] = self._bodies.get(campaign_id, b"") + body_of(fingerprint)
        for key in self._keys(fingerprint):
            entry = self._bands.setdefault(key, [])
            if campaign_id not in entry:
                entry.append(campaign_id)
                del entry[:-_PER_BAND]

    def _forget(self, at: float) -> None:
        campaigns = self.state.campaigns
        while campaigns:
            oldest = next(iter(campaigns.values()))
            if len(campaigns) <= self.state.limit and oldest.last_at >= at - self.state.window_s:
                return
            del campaigns[oldest.campaign_id]
            del self._bodies[oldest.campaign_id]
            for sample in oldest.samples:
                for key in self._keys(sample):
                    entry = self._bands.get(key)
                    if entry and oldest.campaign_id in entry:
                        entry.remove(oldest.campaign_id)
                        if not entry:
                            del self._bands[key]
