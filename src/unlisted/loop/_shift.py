"""When one address shifts against the others: the counting side of station sense.

Replies are counted per address x receiver. A detector per path (e-detector, the false-alarm bound
split over the paths in use) measures them against what is usual there at this hour of the week, at
most: a seasonal baseline, learned hour by hour from addresses nothing is known against. An alarm is
an episode only if the contrast says that it is the address; what else it may be is told as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from unlisted.facts import Carried, Contrasted, EpisodeOpened, Outcome, Row
from unlisted.rates.contrast import contrast
from unlisted.rates.edetector import EDetector, threshold
from unlisted.rates.where import Where, where

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States
    from unlisted.loop.sense import State

ALPHA = 1e-3  # of one false alarm per stream and mean run length; split over the streams in use
RECENT_S = 2 * 3600.0
CALM_ENOUGH = 1000
UNSETTLED_EVERY_S = 3600.0
CELLS_LIMIT = 2000


def counted(states: States, fact: Outcome, blamed: bool, n: int) -> Iterator[Out]:
    """Count one reply; open an episode when one address shifts against the others."""
    state = states.sense
    address, receiver, at = fact.address, fact.receiver, fact.at
    _tallied(state, address, receiver, fact.row.sender, at, part=int(blamed), whole=1)
    if blamed:
        recent = [t for t in state.blamed.get(address, ()) if at - t <= RECENT_S]
        state.blamed[address] = [*recent[-199:], at]
        state.blamed_at[address, receiver] = at
    log_e = _measured(states, address, receiver, blamed, at)
    if not blamed or (address, f"@{receiver}") in state.open:
        return
    parent = _parent(state, address)
    if parent is not None and (
        (address, receiver) in states.deliver.rests
        or state.asks(receiver, state.episodes[parent].zone or "")
    ):
        return  # the list's own episode explains it
    if parent is not None:
        shifted = _against_one(states, fact.row, address, receiver, at)
    else:
        alarm = log_e >= threshold(ALPHA, max(1, len(state.detectors)))
        shifted = alarm and _contrasts(states, address, receiver, at)
        if alarm and not shifted:
            yield from _unsettled(states, address, receiver, at, n)
    if shifted:
        part, whole = state.counts.total(f"{address}|{receiver}", at)
        yield EpisodeOpened(
            at=at,
            episode=f"e{n}s",
            address=address,
            zone=None,
            receiver=receiver,
            basis="shift",
            since=_first_blamed(states, address, receiver, at),
            refusals=max(part, 1),
            attempts=max(whole, 1),
            parent=parent,
            because=(n,),
            **told(located(states, address, receiver, at)),
        )


def _tallied(
    state: State, address: str, receiver: str, sender: str, at: float, *, part: int, whole: int
) -> None:
    state.counts.add(address, at, part=part, whole=whole)
    state.counts.add(f"{address}|{receiver}", at, part=part, whole=whole)
    state.hour.add("all", at, part=part, whole=whole)
    state.by_sender.add(f"{address}|{receiver}|{sender}", at, part=part, whole=whole)
    senders = state.senders.setdefault((address, receiver), {})
    senders[sender] = at
    if len(senders) > 500:
        del senders[next(iter(senders))]


def _measured(states: States, address: str, receiver: str, blamed: bool, at: float) -> float:
    """The detector's value after a reply, against what is usual at most at this hour."""
    state = states.sense
    stream, pool = f"{address}|{receiver}", _pool(states, address)
    _learn(states, at)
    pending = state.pending.setdefault(stream, [0, 0])
    pending[0] += int(blamed)
    pending[1] += 1
    return _detector(state, address, receiver).update(
        blamed, state.baseline.upper(stream, pool, at)
    )


def _learn(states: States, at: float) -> None:
    """When an hour is over, what was usual in it: nothing of an address that was blocked in it."""
    state, hour = states.sense, int(at // 3600)
    if hour <= state.pending_hour:
        return
    noisy = state.noisy | {address for address, _ in state.open}
    noisy |= {address for address, _ in states.deliver.rests}
    for stream in sorted(state.pending):
        address = stream.partition("|")[0]
        if address not in noisy:
            refused, attempts = state.pending[stream]
            began = state.pending_hour * 3600.0
            state.baseline.learn(stream, _pool(states, address), began, refused, attempts)
    state.pending, state.noisy, state.pending_hour = {}, set(), hour


def _pool(states: States, address: str) -> str:
    pool = states.deliver.pool_of.get(address)
    return pool.name if pool is not None else ""


def _detector(state: State, address: str, receiver: str) -> EDetector:
    found = state.detectors.get((address, receiver))
    if found is None:
        found = state.detectors[address, receiver] = EDetector()
    return found


def carried(states: States, fact: Carried) -> None:
    """A minute's mail that a receiver took: no alarm comes of it."""
    state = states.sense
    detector = _detector(state, fact.address, fact.receiver)
    stream, taken = f"{fact.address}|{fact.receiver}", sum(count for _, count in fact.senders)
    _learn(states, fact.at)
    state.pending.setdefault(stream, [0, 0])[1] += taken
    usual = state.baseline.upper(stream, _pool(states, fact.address), fact.at)
    for sender, count in fact.senders:
        _tallied(state, fact.address, fact.receiver, sender, fact.at, part=0, whole=count)
    # After some hundred takes the detector stands at its floor: more change nothing.
    for _ in range(min(taken, CALM_ENOUGH)):
        detector.update(False, usual)


def _parent(state: State, address: str) -> str | None:
    for episode in state.open_episodes():
        if episode.address == address and episode.zone is not None:
            return episode.id
    return None


def _per_sender(
    states: States, address: str, receiver: str, at: float
) -> dict[str, tuple[int, int]]:
    state = states.sense
    senders = state.senders.get((address, receiver), {})
    found = {s: state.by_sender.total(f"{address}|{receiver}|{s}", at) for s in sorted(senders)}
    return {sender: pair for sender, pair in found.items() if pair[1]}


def _by_address(states: States, receiver: str, at: float) -> dict[str, tuple[int, int]]:
    state = states.sense
    return {
        address: state.counts.total(f"{address}|{receiver}", at)
        for address in sorted(states.deliver.pool_of)
    }


def _contrasts(states: States, address: str, receiver: str, at: float) -> bool:
    found = contrast(
        _by_address(states, receiver, at), address, _per_sender(states, address, receiver, at)
    )
    return found.kind == "address"


def located(states: States, address: str, receiver: str, at: float) -> Where:
    """How likely it is the address, the content or domain, the receiver's own list or one sender,
    with this address compared over all receivers and its neighbours at this one."""
    state = states.sense
    seen = {one for a, one in state.senders if a == address} | {receiver}
    cells = {
        (address, one): state.counts.total(f"{address}|{one}", at)
        for one in sorted(seen)[:CELLS_LIMIT]
    }
    for one, pair in _by_address(states, receiver, at).items():
        cells[one, receiver] = pair
    cells[address, receiver] = state.counts.total(f"{address}|{receiver}", at)
    return where(cells, address, receiver, _per_sender(states, address, receiver, at))


def told(found: Where) -> dict[str, Any]:
    """The explanations as a fact has them, likeliest first."""
    ranked = sorted(found.probabilities.items(), key=lambda one: (-one[1], one[0]))
    return {
        "chances": tuple((name, round(value, 4)) for name, value in ranked),
        "settles": found.settles,
        "contrast": found.reason,
    }


def _unsettled(states: States, address: str, receiver: str, at: float, n: int) -> Iterator[Out]:
    """Refusals rose, and it is not clearly the address: what it may be, at most once an hour."""
    last = states.sense.contrasted.get((address, receiver), -UNSETTLED_EVERY_S)
    if at - last < UNSETTLED_EVERY_S:
        return
    states.sense.contrasted[address, receiver] = at
    part, whole = states.sense.counts.total(f"{address}|{receiver}", at)
    yield Contrasted(
        at=at,
        address=address,
        receiver=receiver,
        refusals=max(part, 1),
        attempts=max(part, whole, 1),
        because=(n,),
        **told(located(states, address, receiver, at)),
    )


def _against_one(states: States, row: Row, address: str, receiver: str, at: float) -> bool:
    """A list's episode is open on this address, so the prior odds are no longer one in a thousand:
    one refused letter that nothing else speaks against is enough, or two senders refused, as long
    as the neighbours' mail is taken. If it was the content after all, the next letter shows it."""
    per_sender = _per_sender(states, address, receiver, at)
    refused = sum(1 for part, _ in per_sender.values() if part)
    others = [pair for a, pair in _by_address(states, receiver, at).items() if a != address]
    resting = {a for a, _ in states.deliver.rests}
    elsewhere = sum(
        pair[0]
        for a, pair in _by_address(states, receiver, at).items()
        if a != address and a not in resting
    )
    plain = (
        states.accept.index.members(row.campaign) < 3
        and states.explain.standing.get(row.sender, "open") in ("open", "cleared")
        and states.contain.hold_of(row.sender) is None
    )
    enough = refused >= (1 if plain else 2)
    return enough and elsewhere == 0 and sum(pair[1] for pair in others) > 0


def _first_blamed(states: States, address: str, receiver: str, at: float) -> float:
    series = states.sense.counts.series(f"{address}|{receiver}", at)
    first = next((start for start, part, _ in series if part), at)
    blamed = [t for t in states.sense.blamed.get(address, ()) if t >= first]
    return blamed[0] if blamed else at
