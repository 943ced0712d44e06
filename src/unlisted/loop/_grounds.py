"""The facts a verdict rests on, bounded: which opened each listing, which last spoke against whom.

The draws themselves are thousands of facts; for them stand the listings they tie to a sender. That
it was time to look again is no ground.
"""

from __future__ import annotations

from collections import OrderedDict

from unlisted.facts import CausesRanked

KEPT = 200_000  # senders
NAMED, EACH = 24, 4  # facts a verdict names; of one sender, of its listings


class Grounds:
    """Numbers of facts, by episode and by sender."""

    def __init__(self) -> None:
        self.opened: dict[str, int] = {}  # episode -> the fact that opened it
        self._against: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    def against(self, sender: str, n: int) -> None:
        """A fact that speaks against a sender: a complaint, a dead address, a refused content."""
        self._against[sender] = (*self._against.pop(sender, ())[1 - EACH :], n)
        if len(self._against) > KEPT:
            self._against.popitem(last=False)

    def of(self, told: CausesRanked, changed: int) -> tuple[int, ...]:
        """Of a verdict, oldest first: what changed the listings (0: nothing), the listing itself,
        what was last said of the named or else of the likeliest, the listings tied to them."""
        suspects = [one for one in told.shares if one.guilty] or list(told.shares[:1])
        found = [changed, self.opened.get(told.episode, 0)]
        for one in suspects:
            found += self._against.get(one.sender, ())
            found += (self.opened.get(tied, 0) for tied in one.episodes_for[-EACH:])
        return tuple(sorted([one for one in dict.fromkeys(found) if one][:NAMED]))
