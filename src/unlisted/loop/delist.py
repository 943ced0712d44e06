"""7. The list's clock: predicted release, etiquette, and its own answer.

Asks the list about each open episode's address, predicts the release from the list's term and the
last possible evidence, and says what the list's etiquette allows. No request before SourceStopped,
none where the list asks not to be asked, none by a robot: this station only advises a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import CancelTimer, Probe, SetTimer
from unlisted.facts import (
    Delisted,
    DelistingAdvised,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    ListTerm,
    ProbeAnswered,
    ReleasePredicted,
    Relisted,
    SourceStopped,
    TimerFired,
)
from unlisted.watch.catalogue import lookup
from unlisted.watch.term import predict_release

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

LATE_EVIDENCE_S = 3600.0  # a report may reach the list this long after the mail


class Clock:
    """One listing as the list's answers show it."""

    __slots__ = (
        "address",
        "answered_at",
        "clean_at",
        "delisted",
        "listed_seen",
        "probes",
        "release",
        "stopped",
        "zone",
    )

    def __init__(self, address: str, zone: str, at: float) -> None:
        self.address = address
        self.zone = zone
        self.listed_seen = at  # last answer "listed"
        self.answered_at = at  # last answer that was one
        self.delisted = False
        self.clean_at: float | None = None  # first answer "clean" since
        self.probes = 0
        self.release: ReleasePredicted | None = None
        self.stopped: float | None = None


class State:
    """The clocks of open list episodes."""

    def __init__(self) -> None:
        self.clocks: dict[str, Clock] = {}

    def find(self, zone: str, address: str) -> str | None:
        """The open episode of this address on this list."""
        for episode in sorted(self.clocks):
            clock = self.clocks[episode]
            if (clock.zone, clock.address) == (zone, address):
                return episode
        return None


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Follow each listing from its episode's opening to its closing."""
    state = states.delist
    if isinstance(fact, EpisodeOpened) and fact.zone is not None:
        state.clocks[fact.episode] = Clock(fact.address, fact.zone, fact.at)
        yield from _predicted(states, fact.episode, fact.at, n)
        config = states.accept.config
        if config is not None and config.lookups:
            yield _timer(states, fact.episode, fact.at)
    elif isinstance(fact, TimerFired) and fact.key.startswith("listing|"):
        episode = fact.key.partition("|")[2]
        clock = state.clocks.get(episode)
        if clock is not None:
            clock.probes += 1
            key = f"listing/{episode}/{clock.probes}"
            yield Probe(key=key, zone=clock.zone, address=clock.address)
    elif isinstance(fact, ProbeAnswered):
        yield from _answered(states, fact, n)
    elif isinstance(fact, SourceStopped):
        for episode in sorted(state.clocks):
            yield from _stopped(states, episode, fact, n)
    elif isinstance(fact, EpisodeClosed) and fact.episode in state.clocks:
        del state.clocks[fact.episode]
        yield CancelTimer(key=f"listing|{fact.episode}")


def _answered(states: States, fact: ProbeAnswered, n: int) -> Iterator[Out]:
    episode = states.delist.find(fact.zone, fact.address)
    if episode is None:
        return
    clock = states.delist.clocks[episode]
    if fact.state != "unknown":
        clock.answered_at = fact.at
    if fact.state == "listed":
        clock.listed_seen = fact.at
        if clock.delisted:
            clock.delisted = False
            yield Relisted(at=fact.at, episode=episode, because=(n,))
    elif fact.state == "clean" and not clock.delisted:
        clock.delisted = True
        clock.clean_at = fact.at
        yield Delisted(
            at=fact.at, episode=episode, low=clock.listed_seen, high=fact.at, because=(n,)
        )
    yield _timer(states, episode, fact.at)


def _stopped(states: States, episode: str, fact: SourceStopped, n: int) -> Iterator[Out]:
    clock = states.delist.clocks[episode]
    if clock.delisted or clock.stopped is not None:
        return
    clock.stopped = fact.since
    yield from _predicted(states, episode, fact.at, n)
    requests = list_term(states, clock.zone).requests
    advice = {
        "never": "The list asks not to be asked: it lets go by itself. Nothing to do.",
        "owner": "A named person of the network's owner may ask, with cause and fix.",
        "anyone": "A named person may ask at the list's own page; say cause and fix.",
    }.get(requests, "The list's etiquette is not known here: read its page before asking.")
    yield DelistingAdvised(
        at=fact.at, episode=episode, requests=requests, advice=advice, because=(n,)
    )


def _predicted(states: States, episode: str, at: float, n: int) -> Iterator[Out]:
    clock = states.delist.clocks[episode]
    opened = states.sense.episodes[episode]
    latest = at if clock.stopped is None else clock.stopped + LATE_EVIDENCE_S
    evidence = (opened.since - LATE_EVIDENCE_S, max(latest, opened.since))
    release = predict_release(list_term(states, clock.zone).term_s, evidence, at)
    found = ReleasePredicted(
        at=at,
        episode=episode,
        release_at=release.at,
        low=release.low,
        high=release.high,
        basis=release.basis,
        because=(n,),
    )
    clock.release = found
    yield found


def list_term(states: States, zone: str) -> ListTerm:
    """What is known of a list: the operator's word first, then the catalogue."""
    config = states.accept.config
    for row in config.lists if config else ():
        if row.zone == zone:
            return row
    known = lookup(zone)
    if known is None:
        return ListTerm(zone=zone)
    return ListTerm(zone=zone, term_s=known.term_s, requests=known.requests)


def _timer(states: States, episode: str, at: float) -> SetTimer:
    return SetTimer(key=f"listing|{episode}", due=at + states.accept.policy.probe_every_s)
