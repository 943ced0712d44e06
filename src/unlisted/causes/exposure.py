"""What the causes of many listings are found from: weeks of exposure in columns, and the listings.

Plain columns that a history fills: who sent how much by which address in which bucket of time, and
with what recorded chance. Bounded: 24 bytes a row at most; rows of 200,000 senders over 28 days are
a few million. Times are seconds since the Unix epoch.

Refuses columns of unequal length, indices out of range, counts below zero, bounds that run
backwards: `CausesError`, never a traceback out of an array library.
"""

from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]

Bounds = tuple[float, float]


class CausesError(ValueError):
    """Exposure or listings that contradict themselves; the text says which column and why."""


class Listing(msgspec.Struct, frozen=True):
    """One listing of one egress address on one list, with what is known of its ends.

    `opened` and `released` are bounds: the last look at which it was not (no longer) so and the
    first at which it was. `term_s` is how long the list keeps an address after the last evidence,
    None where the list does not say.
    """

    episode_id: str
    list_name: str
    address: int
    opened: Bounds
    released: Bounds | None = None
    term_s: float | None = None


@dataclass(frozen=True)
class Pools:
    """Which addresses lie together: the pool `of` each address, what `order` brings those of a pool
    together (None: they are), and where each then `begins`, with its `size`."""

    of: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64] | None
    begins: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Exposures:
    """Messages by sender, address and bucket; one row may stand for many messages.

    `pool_of` names each address's pool. `probability` is the recorded chance of the row's draw; a
    row counts as drawn where it is 1 in the size of the pool. Rested, warmed up, capped or forced
    addresses have another chance, and their rows say nothing about anybody. None: all were drawn.
    `epoch_s` is for how long one draw holds. `rests_listed`: while an address is listed, whoever
    drew it waits or draws again; so the rows that count were drawn among the others.
    """

    start: float
    senders: int
    pool_of: Ints
    sender: Ints
    address: Ints
    bucket: Ints
    messages: Ints
    probability: Floats | None = None
    bucket_s: float = 3600.0
    epoch_s: float = 3600.0
    rests_listed: bool = False

    def __post_init__(self) -> None:
        if not (self.bucket_s > 0 and self.epoch_s >= self.bucket_s and np.isfinite(self.start)):
            raise CausesError("a bucket lasts longer than nothing and no longer than an epoch")
        _same_length(self.sender, self.address, self.bucket, self.messages, self.probability)
        _within("sender", self.sender, self.senders)
        _within("address", self.address, len(self.pool_of))
        _within("bucket", self.bucket, MOST_BUCKETS)
        _within("messages", self.messages, 2**31)
        _within("pool_of", self.pool_of, max(1, len(self.pool_of)))
        if self.probability is not None and not np.all(
            (self.probability >= 0) & (self.probability <= 1)
        ):
            raise CausesError("probability: a chance lies between 0 and 1")

    @property
    def addresses(self) -> int:
        """How many egress addresses there are."""
        return len(self.pool_of)

    @cached_property
    def pools(self) -> Pools:
        """Worked out once: every e-value asks for means over pools, many times."""
        of = self.pool_of.astype(np.int64)
        order = np.argsort(of, kind="stable")
        begins = np.searchsorted(of[order], np.arange(int(of.max()) + 1))
        together = not np.any(order[1:] < order[:-1])
        return Pools(of, None if together else order, begins, np.diff(begins, append=len(of)))

    @property
    def buckets(self) -> int:
        """How many buckets the rows reach over."""
        return int(self.bucket.max()) + 1 if len(self.bucket) else 0


@dataclass(frozen=True)
class CampaignRows:
    """The part of the exposure that belongs to near-duplicate campaigns of several senders."""

    campaigns: int
    campaign: Ints
    sender: Ints
    address: Ints
    bucket: Ints
    messages: Ints
    probability: Floats | None = None

    def __post_init__(self) -> None:
        _same_length(
            self.campaign,
            self.sender,
            self.address,
            self.bucket,
            self.messages,
            self.probability,
        )
        _within("campaign", self.campaign, self.campaigns)


@dataclass(frozen=True)
class OtherEvidence:
    """What else speaks against units, as log-likelihood ratios: reports, unknown users, habit.

    Each bounded by whoever weighs it (`evidence.py`, `beside.py`); `kinds` counts the independent
    kinds. `log_prior` are weights to judge it by, which sum to one at most over all senders and rest
    on nothing that the ratio rests on; a unit without one is judged by the draws' own weight.
    """

    log_ratio: dict[int, float] = field(default_factory=dict)
    kinds: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, tuple[str, ...]] = field(default_factory=dict)
    log_prior: dict[int, float] = field(default_factory=dict)


# Ten years of hours; more is a mistaken clock.
MOST_BUCKETS = 24 * 3660


def check_listings(listings: "list[Listing] | tuple[Listing, ...]", addresses: int) -> None:
    """Refuse listings that cannot be."""
    seen: set[str] = set()
    for one in listings:
        if one.episode_id in seen:
            raise CausesError(f"listing {one.episode_id} is given twice")
        seen.add(one.episode_id)
        if not 0 <= one.address < addresses:
            raise CausesError(f"listing {one.episode_id}: no address {one.address}")
        for name, bounds in (("opened", one.opened), ("released", one.released)):
            if bounds is not None and not (
                np.isfinite(bounds[0]) and np.isfinite(bounds[1]) and bounds[0] <= bounds[1]
            ):
                raise CausesError(f"listing {one.episode_id}: {name} runs backwards")
        if one.term_s is not None and not (np.isfinite(one.term_s) and one.term_s >= 0):
            raise CausesError(f"listing {one.episode_id}: a term is finite and not negative")


def _same_length(*columns: Ints | Floats | None) -> None:
    lengths = {len(column) for column in columns if column is not None}
    if len(lengths) > 1:
        raise CausesError(f"columns of unequal length: {sorted(lengths)}")


def _within(name: str, column: Ints, bound: int) -> None:
    if len(column) and not (int(column.min()) >= 0 and int(column.max()) < bound):
        raise CausesError(f"{name}: an index or count out of range")
