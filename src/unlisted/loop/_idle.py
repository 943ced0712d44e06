"""The end of an episode of watched mail at receivers to which nobody writes any more.

Nothing is sent by us there, so no path would ever be seen to accept again. A day after the listing must
be over the episode ends, and says that this was inferred: after the list's own answer where lists are
asked, else after its term; where the term is not known, or no list explains the refusals, after
`UNKNOWN_S` without one. Refuses to conclude anything while an input is silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import SetTimer
from unlisted.loop import _closing
from unlisted.loop.delist import list_term

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

IDLE_S = 24 * 3600.0
UNKNOWN_S = 14 * 24 * 3600.0


def opened(states: States, episode: str, at: float) -> Iterator[Out]:
    """The first look, if it is an episode of watched mail only."""
    if states.deliver.only_watched(states.sense.episodes[episode].address):
        yield SetTimer(key=f"idle|{episode}", due=at + IDLE_S)


def fired(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    """Close it, or look again when it could be over."""
    over, how = _over(states, episode)
    if states.verify.silent or over is None:
        yield SetTimer(key=f"idle|{episode}", due=at + IDLE_S)
    elif at < over + IDLE_S:
        yield SetTimer(key=f"idle|{episode}", due=over + IDLE_S)
    else:
        yield from _closing.close(states, episode, at, n, f"inferred: {how}, nothing refused since")


def _over(states: States, episode: str) -> tuple[float | None, str]:
    """When the listing must have been over, and by what; None: the list has not let go."""
    check, found = states.verify.checks[episode], states.sense.episodes[episode]
    last = check.refused_at or found.opened_at
    if found.zone is None:
        return last + UNKNOWN_S, "two weeks without a refusal"
    config = states.accept.config
    if config is not None and config.lookups:
        gone = check.delisted_at
        return (None if gone is None else max(gone, last)), "delisted"
    term_s = list_term(states, found.zone).term_s
    if term_s is None:
        return last + UNKNOWN_S, "two weeks without a refusal, the list's term is unknown"
    # Listed at the last refusal: the evidence behind it was no younger than that.
    return last + term_s, "the list's term is over"
