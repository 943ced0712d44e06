"""Everything that can happen: one frozen struct for each kind of fact.

Observed facts come from the edge and are authoritative; derived facts come from stations and
must be reproduced by a replay of the observed ones. A fact holds no real duration, ephemeral port,
batch size or wall-clock id. The kinds stand by topic in the modules of this package; everybody
imports them from here, where the whole of them is one union and has its version.

Evolution: fields are only added, with defaults; a name or tag is never reused. People appear as
keyed hashes (`person`); addresses live in the journal's table `personal` and can be erased.
Times are seconds since the Unix epoch, UTC. `done` names the command that a fact completes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from unlisted.facts.acts import (
    Acted,
    HoldReleased,
    RuleStepped,
    SenderHeld,
    SignInsRefused,
    SourceStopped,
)
from unlisted.facts.causes import CausesRanked, Share
from unlisted.facts.configuration import (
    EVENTS,
    NOTICES,
    Configured,
    ListTerm,
    Policy,
    Pool,
    Subscription,
)
from unlisted.facts.episodes import (
    Band,
    Contrasted,
    Delisted,
    DelistingAdvised,
    EpisodeClosed,
    EpisodeOpened,
    ListingDated,
    RecoveryWatched,
    Recurred,
    ReleasePredicted,
    Relisted,
    RelistingWatched,
)
from unlisted.facts.fact import Fact, Observed
from unlisted.facts.incidents import (
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
    MergeSubmitted,
    RecordImported,
    ReviewWritten,
    RevisionSubmitted,
    SplitSubmitted,
)
from unlisted.facts.mail import (
    Accepted,
    Bounce,
    Carried,
    Delivery,
    Departing,
    Due,
    FeedbackReceived,
    NotAttempted,
    Outcome,
    Queued,
    Reception,
    Recipient,
    Rejection,
    Routed,
    Row,
    SenderHistory,
    Settled,
    TransientFailure,
    Woken,
)
from unlisted.facts.notices import (
    NoticeLost,
    NoticeSent,
    WebhookAnswered,
    WebhookEnded,
    WebhookLost,
)
from unlisted.facts.paths import PathReopened, PathRested, PathTested, PathTried, ReceiverDropped
from unlisted.facts.posts import (
    DeadlineMissed,
    DeadlineMoved,
    DutyCalled,
    Figure,
    PostDrafted,
    Posted,
    PostPending,
    PostRefused,
    PostReturned,
    PostReviewed,
    PostSubmitted,
)
from unlisted.facts.replies import Failed, ProbeAnswered, Refusal, Suspicion
from unlisted.facts.resend import Booked, HandSent, NotResent, ResendOrdered, Resent
from unlisted.facts.service import FeedHeard, FeedSilent, StationFault, TimerFired

LOGIC = 3  # version of the stations' logic; derived facts are compared byte for byte within one


def _leaves(cls: type[Fact]) -> list[type[Fact]]:
    found: list[type[Fact]] = []
    for sub in cls.__subclasses__():
        found.extend(_leaves(sub) if sub.__subclasses__() else [sub])
    return found


KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in _leaves(Fact)}
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}


class FactError(ValueError):
    """A journal row that no kind of fact can read."""


def encode(fact: Fact) -> bytes:
    """The fact as JSON, keys in a fixed order, the kind under "kind"."""
    return _ENCODER.encode(fact)


def decode(kind: str, body: bytes | str) -> Fact:
    """The fact of a journal row. Raises FactError with what was wrong."""
    try:
        fact: Any = _DECODERS[kind].decode(body)
    except KeyError:
        raise FactError(f"unknown kind of fact {kind!r}") from None
    except msgspec.MsgspecError as exc:
        raise FactError(f"{kind}: {exc}") from None
    assert isinstance(fact, Fact)
    return fact


def kind_of(fact: Fact) -> str:
    """The fact's kind, as in the journal's column."""
    return type(fact).__name__


def message_of(fact: Fact) -> str | None:
    """The message a fact is about, for the journal's index; None: about none."""
    row = getattr(fact, "row", None)
    if row is not None:
        return str(row.message)
    if isinstance(fact, Reception):
        return fact.id
    message = getattr(fact, "message", None)
    return message if isinstance(message, str) else None
