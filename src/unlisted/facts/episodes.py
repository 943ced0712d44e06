"""One listing of one address on one list: opened, its clock, delisted, closed, come back."""

from __future__ import annotations

import msgspec

from unlisted.facts.fact import Fact


class EpisodeOpened(Fact, frozen=True, tag=True):
    """sense: one address is blocked: on a list (`zone`) or at one receiver no list explains.

    `basis`: reply+dns, shift, replies (watched mail, no list asked). `since`: first refusal. `refusals` of `attempts`
    at that moment. `parent`: the list's episode that a nameless one belongs to. Where no list is
    named, `chances`, `settles` and `contrast` are as in Contrasted.
    """

    episode: str
    address: str
    zone: str | None
    receiver: str | None
    basis: str
    since: float
    refusals: int
    attempts: int
    parent: str | None = None
    because: tuple[int, ...] = ()
    chances: tuple[tuple[str, float], ...] = ()
    settles: str = ""
    contrast: str = ""


class Contrasted(Fact, frozen=True, tag=True):
    """sense: refusals at one receiver rose, no list explains them, and it need not be the address.

    `chances`: address (a list that several receivers ask), receiver (its own list), all (content or
    domain, whatever the address), one_sender, usual, likeliest first. `settles`: which observation
    tells the likeliest two apart. `contrast`: the counts it rests on.
    """

    address: str
    receiver: str
    refusals: int
    attempts: int
    chances: tuple[tuple[str, float], ...]
    settles: str
    contrast: str
    because: tuple[int, ...] = ()


class ReleasePredicted(Fact, frozen=True, tag=True):
    """delist: when the list should let go if nothing new is reported. None: not known."""

    episode: str
    release_at: float | None
    low: float | None
    high: float | None
    basis: str
    because: tuple[int, ...] = ()


class DelistingAdvised(Fact, frozen=True, tag=True):
    """delist: what the list's etiquette allows now, in words, after SourceStopped."""

    episode: str
    requests: str
    advice: str
    because: tuple[int, ...] = ()


class Delisted(Fact, frozen=True, tag=True):
    """delist: the list answers clean again; it let go between `low` and `high`."""

    episode: str
    low: float
    high: float
    because: tuple[int, ...] = ()


class Relisted(Fact, frozen=True, tag=True):
    """delist: the list lists the address again before the episode was closed."""

    episode: str
    because: tuple[int, ...] = ()


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """A path since it opened again, beside what was usual before: `refused` of `attempts` from `since`
    to `until`; `upper`: bound of the usual share (from `usual_refused` of `usual_attempts` of its
    own, drawn towards its pool); `missing`: attempts still needed to tell, 0 when it is back.
    """

    address: str
    receiver: str
    refused: int
    attempts: int
    since: float
    until: float
    upper: float
    usual_refused: int
    usual_attempts: int
    missing: int


class RecoveryWatched(Fact, frozen=True, tag=True):
    """verify: list, paths and control agree; what is left is that each path's refusals are as before
    the incident. It closes between `earliest` and `latest`. `paths`: those that are not yet back.
    """

    episode: str
    earliest: float
    latest: float
    paths: tuple[Band, ...]
    because: tuple[int, ...] = ()


class ListingDated(Fact, frozen=True, tag=True):
    """verify: when a listing began and ended, and so when its last evidence was: its end minus the
    list's term. Each in (low, high), None: no bound; `began`, `ended`: known, inferred, unknown.

    `predicted`: where its end was expected at last. `recurrence`: listings of this address on this
    list that ended within the relisting watch before this one began.
    """

    episode: str
    began: str
    began_low: float | None
    began_high: float | None
    ended: str
    ended_low: float | None
    ended_high: float | None
    evidence_low: float | None
    evidence_high: float | None
    predicted_low: float | None = None
    predicted_high: float | None = None
    recurrence: int = 0
    because: tuple[int, ...] = ()


class RelistingWatched(Fact, frozen=True, tag=True):
    """verify: the list is asked about the address now and then until `until`."""

    episode: str
    zone: str
    address: str
    until: float
    because: tuple[int, ...] = ()


class Recurred(Fact, frozen=True, tag=True):
    """verify: the address is on the list again within the relisting watch of `before`. `episode`: the
    new one; None: the list says so and nobody refused for it yet. `count`: times so far.
    """

    before: str
    episode: str | None
    zone: str
    address: str
    after_s: float
    count: int
    because: tuple[int, ...] = ()


class EpisodeClosed(Fact, frozen=True, tag=True):
    """verify: over. `how`: delisted (source stopped or not), or the receiver accepts again.

    `source`: stopped, going on (named and not stopped), unknown (nobody named). `dropped`: receivers
    that dropped the list meanwhile. `bands`: paths back in their band, or (`missing`) with too little
    mail to tell when the patience ended. What it cost in mail: `refused` replies, and recipients
    `deferred`, `bounced`, `resent`. `recurrence`: see ListingDated.
    """

    episode: str
    how: str
    evidence: str
    because: tuple[int, ...] = ()
    source: str = ""
    dropped: tuple[str, ...] = ()
    bands: tuple[Band, ...] = ()
    refused: int = 0
    deferred: int = 0
    bounced: int = 0
    resent: int = 0
    recurrence: int = 0
