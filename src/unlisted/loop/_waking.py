"""What waited is woken by the fact that ends its wait, a batch at a time, never by polling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import SetTimer, Wake
from unlisted.facts import EpisodeOpened, PathReopened, PathRested, PathTried, Woken
from unlisted.loop._resting import Path, Rest, campaign_key, path_key, path_of

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

# Wakes whose condition is over for good: what one batch leaves is woken by the next.
ENDED = {
    "release": "released",
    "suspicion": "episode",
    "retired": "rule retired",
    "back": "rule stepped back",
    "pool": "configured",
    "sender": "no longer probable",
    "clean": "its campaign is answered well",
}


def episode_opened(states: States, fact: EpisodeOpened, n: int) -> Iterator[Out]:
    """Rest the paths the episode is about, and wake what waited under suspicion."""
    if states.deliver.only_watched(fact.address):
        return
    receivers = states.sense.receivers_of(fact)
    for receiver in receivers:
        path = (fact.address, receiver)
        rest = states.deliver.rests.get(path)
        if rest is None:
            states.deliver.rests[path] = Rest(fact.at, fact.episode)
            yield PathRested(
                at=fact.at,
                address=fact.address,
                receiver=receiver,
                episode=fact.episode,
                why=f"asks {fact.zone}" if fact.zone else "its replies shifted",
            )
        elif rest.episode is None:
            rest.episode = fact.episode
        name = f"{fact.address}|{receiver}"
        yield Wake(
            key=f"suspicion/{name}/{n}", waits_for=f"suspicion:{name}", limit=1000, why="episode"
        )


def reopened(states: States, fact: PathReopened, n: int) -> Iterator[Out]:
    """Wake what waited for the path, a batch at a time: the receiver has only just come back."""
    path = (fact.address, fact.receiver)
    if states.deliver.only_watched(fact.address):
        return
    waits = states.deliver.campaign_waits
    states.deliver.rests.pop(path, None)
    states.deliver.waking[path] = [
        path_key(*path),
        f"suspicion:{fact.address}|{fact.receiver}",
        *(campaign_key(one, path) for one in sorted(waits) if path in waits[one]),
    ]
    yield from wake_next(states, path, n)


def wake_next(states: States, path: Path, n: int) -> Iterator[Out]:
    """The next batch, unless the path closed again: what is left goes on waiting for it."""
    waking = states.deliver.waking
    if path in states.deliver.rests or not waking.get(path):
        waking.pop(path, None)
        return
    condition = waking[path][0]
    limit = states.accept.policy.wake_batch
    yield Wake(key=f"reopen/{condition}/{n}", waits_for=condition, limit=limit, why="reopened")


def woken(states: States, fact: Woken, n: int) -> Iterator[Out]:
    path = path_of(fact.waits_for)
    conditions = states.deliver.waking.get(path, [])
    if not fact.left:
        if fact.waits_for in conditions:
            conditions.remove(fact.waits_for)
        if fact.waits_for.startswith("campaign:") and path not in states.deliver.rests:
            campaign = fact.waits_for.removeprefix("campaign:").partition("|")[0]
            paths = states.deliver.campaign_waits.get(campaign, set())
            paths.discard(path)
            if not paths:
                states.deliver.campaign_waits.pop(campaign, None)
    if fact.taken and conditions:
        due = fact.at + states.accept.policy.wake_every_s
        yield SetTimer(key=f"wake|{path[0]}|{path[1]}", due=due)
    else:
        yield from wake_next(states, path, n)


def waits_again(states: States, condition: str) -> bool:
    """What was woken waits for the same thing again (a campaign's answers turned worse, a sender
    is probable once more): another round at once would not end."""
    if condition.startswith("sender:"):
        return condition.removeprefix("sender:") in states.explain.doubted
    campaign = condition.removeprefix("campaign:").partition("|")[0]
    return path_of(condition) in states.deliver.campaign_waits.get(campaign, ())


def campaign_cleared(states: States, campaign: str, at: float, n: int) -> Iterator[Out]:
    """Enough of a waiting campaign's answers came back clean: its mail may draw again."""
    waits = states.deliver.campaign_waits
    if campaign in waits and states.explain.campaign_clean(states, campaign, at):
        for path in sorted(waits.pop(campaign)):
            condition = campaign_key(campaign, path)
            why = ENDED["clean"]
            yield Wake(key=f"clean/{condition}/{n}", waits_for=condition, limit=1000, why=why)


def cleared(states: States, n: int) -> Iterator[Out]:
    """A culprit was held: mail that waits on resting paths is looked at once more."""
    waits = states.deliver.campaign_waits
    names = [path_key(*path) for path in sorted(states.deliver.rests)]
    names += [campaign_key(one, path) for one in sorted(waits) for path in sorted(waits[one])]
    for name in names:
        yield Wake(key=f"cleared/{name}/{n}", waits_for=name, limit=500, why="cleared")


def tried(states: States, fact: PathTried, n: int) -> Iterator[Out]:
    """The next letter by a resting path becomes its canary: a new one, or one that waits for it."""
    rest = states.deliver.rests.get((fact.address, fact.receiver))
    if rest is not None:
        rest.canary, rest.trial = "", True
        if fact.waiting:
            key = path_key(fact.address, fact.receiver)
            yield Wake(key=f"trial/{key}/{n}", waits_for=key, limit=1, why="canary")
