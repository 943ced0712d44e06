"""3. What was refused: reply to refusal, suspicion or failure; when it is an episode.

An episode opens on a refusal or suspicion whose list confirms the listing by DNS, or on a shift:
replies at one receiver turn against one address and not the others (e-detector, then contrast).
Where another MTA's log is only watched and no list is asked, it opens on the words of several.
Replies are counted per address x receiver; which receivers ask which list is learned from what
they name. A failed look-up is unknown, never clean and never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from unlisted.commands import Probe, SetTimer
from unlisted.facts import (
    Bounce,
    Carried,
    Configured,
    Delisted,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    Failed,
    Outcome,
    ProbeAnswered,
    ReceiverDropped,
    Refusal,
    Relisted,
    Row,
    Suspicion,
    TimerFired,
    TransientFailure,
)
from unlisted.mail.reply import Reply
from unlisted.rates.contrast import contrast
from unlisted.rates.edetector import EDetector, threshold
from unlisted.rates.windows import SlidingCounts
from unlisted.replies.classify import Meaning, classify
from unlisted.watch.catalogue import shipped

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

ALPHA = 1e-3  # of one false alarm per stream and mean run length; split over the streams in use
BASE_RATE = 0.02  # upper bound of the ordinary share of refusals and suspicions
RECENT_S = 2 * 3600.0
ASK_AGAIN_S = 60.0
TRIES = 5
WORDS_ENOUGH = 3
STAGES = {"connect": 0, "greeting": 1, "ehlo": 2, "mail": 3, "rcpt": 4, "data": 5, "eod": 6}
CALM_ENOUGH = 1000
ZONES_LIMIT = 256  # names of lists learned from replies: more is somebody making them up


class Episode:
    """One listing of one address on one list, or one block at one receiver."""

    __slots__ = (
        "address",
        "closed_at",
        "delisted_at",
        "id",
        "opened_at",
        "parent",
        "receiver",
        "since",
        "zone",
    )

    def __init__(self, fact: EpisodeOpened) -> None:
        self.id = fact.episode
        self.address = fact.address
        self.zone = fact.zone
        self.receiver = fact.receiver
        self.parent = fact.parent
        self.since = fact.since
        self.opened_at = fact.at
        self.closed_at: float | None = None
        self.delisted_at: float | None = None  # its list let go, so far as is known


class State:
    """Counts, detectors, what is known of lists, and the episodes."""

    def __init__(self) -> None:
        self.ours: tuple[IPv4Network | IPv6Network, ...] = ()
        self.zones: tuple[str, ...] = ()
        self.users: dict[str, set[str]] = {}  # zone -> receivers that named it
        self.followers: dict[str, set[str]] = {}  # zone -> receivers that refuse while it lists
        self.blamed: dict[str, list[float]] = {}  # address -> recent refusals and suspicions
        self.blamed_at: dict[tuple[str, str], float] = {}  # path -> last of them
        self.stages: dict[str, str] = {}  # receiver -> where in the session it refuses
        self.counts = SlidingCounts(window_s=6 * 3600.0)
        self.by_sender = SlidingCounts(window_s=6 * 3600.0)
        self.hour = SlidingCounts(window_s=3600.0, bucket_s=60.0)
        self.senders: dict[tuple[str, str], dict[str, float]] = {}
        self.detectors: dict[tuple[str, str], EDetector] = {}
        self.said: dict[tuple[str, str], list[tuple[float, str, str]]] = {}  # see _by_words
        self.asked: dict[tuple[str, str], float] = {}
        self.tries: dict[tuple[str, str], int] = {}
        self.episodes: dict[str, Episode] = {}
        self.open: dict[tuple[str, str], str] = {}  # (address, zone or "@"receiver) -> episode

    def episode_at(self, address: str, receiver: str, zone: str | None) -> str | None:
        """The open episode that a refusal of `address` at `receiver` belongs to."""
        own = self.open.get((address, f"@{receiver}"))
        if own is not None:
            return own
        if zone is not None:
            return self.open.get((address, zone))
        zones = [one for where, one in sorted(self.open) if where == address and one[0] != "@"]
        asked = [one for one in zones if self.asks(receiver, one)] or zones
        return self.open[address, asked[0]] if asked else None

    def needs_mail(self, receiver: str) -> bool:
        """Whether only a whole message shows if a receiver accepts again: it refuses late."""
        return self.stages.get(receiver) in ("data", "eod")

    def asks(self, receiver: str, zone: str) -> bool:
        """Whether a receiver is known to refuse what this list lists."""
        return receiver in self.users.get(zone, ()) or receiver in self.followers.get(zone, ())

    def receivers_of(self, fact: EpisodeOpened) -> list[str]:
        """The receivers an episode closes paths to: the one, or all that ask the list and all
        that blamed the address just now."""
        if fact.receiver is not None:
            return [fact.receiver]
        zone = fact.zone or ""
        just = {
            receiver
            for (address, receiver), at in self.blamed_at.items()
            if address == fact.address and fact.at - at <= RECENT_S
        }
        return sorted(just | self.users.get(zone, set()) | self.followers.get(zone, set()))

    def open_episodes(self) -> list[Episode]:
        """Episodes not closed, oldest first."""
        return [one for one in self.episodes.values() if one.closed_at is None]


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Classify each reply, keep the counts, ask the lists, open and close episodes."""
    state = states.sense
    if isinstance(fact, TransientFailure | Bounce):
        yield from _reply(states, fact, n)
    elif isinstance(fact, Refusal):
        _followed(states, fact)
    elif isinstance(fact, Delivery):
        yield from _counted(states, fact, False, n)
    elif isinstance(fact, Carried):
        _carried(states, fact)
    elif isinstance(fact, ProbeAnswered):
        yield from _answered(states, fact, n)
    elif isinstance(fact, TimerFired) and fact.key.startswith("ask|"):
        _, zone, address = fact.key.split("|")
        yield _probe(zone, address, n)
    elif isinstance(fact, EpisodeOpened):
        state.episodes[fact.episode] = Episode(fact)
        state.open[fact.address, fact.zone or f"@{fact.receiver}"] = fact.episode
    elif isinstance(fact, EpisodeClosed):
        episode = state.episodes[fact.episode]
        episode.closed_at = fact.at
        state.open.pop((episode.address, episode.zone or f"@{episode.receiver}"), None)
        for path in [p for p in state.detectors if p[0] == episode.address]:
            del state.detectors[path]
    elif isinstance(fact, Delisted):
        state.episodes[fact.episode].delisted_at = fact.high
    elif isinstance(fact, Relisted):
        state.episodes[fact.episode].delisted_at = None
    elif isinstance(fact, ReceiverDropped):
        for known in (state.users, state.followers):  # until it refuses by that list again
            known.get(fact.zone, set()).discard(fact.receiver)
    elif isinstance(fact, Configured):
        addresses = [a for pool in fact.pools for a in pool.addresses]
        state.ours = tuple(ip_network(one) for one in addresses if _is_ip(one))
        state.zones = tuple(one.zone for one in fact.lists) if fact.lookups else ()


# ---------------------------------------------------------------- replies


def _reply(states: States, fact: Outcome, n: int) -> Iterator[Out]:
    state = states.sense
    temporary = isinstance(fact, TransientFailure)
    reply = Reply(code=fact.code, enhanced=fact.enhanced, text=fact.text)
    source = fact.address if _is_ip(fact.address) else None
    meaning = classify(reply, ours=state.ours, source=source, stage=fact.stage)
    common: dict[str, Any] = {
        "at": fact.at,
        "row": fact.row,
        "address": fact.address,
        "receiver": fact.receiver,
        "code": fact.code,
        "enhanced": fact.enhanced,
        "text": fact.text[:500],
        "rule": meaning.rule or "",
    }
    blames = meaning.blames_us
    doubt = meaning.refusal == "suspicion" and not temporary
    rest = states.deliver.rests.get((fact.address, fact.receiver))
    retry = meaning.retry
    if not blames and doubt and rest is not None and _blocked_now(states, fact, rest.episode):
        # This path's block is known: the words need not say it again, nor do they rule a retry out.
        blames, retry = True, "after_delisting"
    zone = _zone(meaning) if blames else None
    if zone is not None and (zone in state.users or len(state.users) < ZONES_LIMIT):
        state.users.setdefault(zone, set()).add(fact.receiver)
    if blames or doubt:
        earlier = state.stages.get(fact.receiver, fact.stage)
        state.stages[fact.receiver] = min(
            earlier, fact.stage, key=lambda one: STAGES.get(one, len(STAGES))
        )
    told = list(_by_words(states, fact, zone, n)) if blames else []
    for out in _counted(states, fact, blames or doubt, n):
        if not (told and isinstance(out, EpisodeOpened)):
            yield out
    yield from told
    if blames:
        yield Refusal(**common, zone=zone, retry=retry, temporary=temporary, stage=fact.stage)
    elif doubt:
        yield Suspicion(**common, temporary=temporary, stage=fact.stage)
    else:
        yield Failed(**common, reason=meaning.reason or "undefined", temporary=temporary)
    if blames or doubt:
        yield from _ask(states, fact, zone, n)


def _by_words(states: States, fact: Outcome, zone: str | None, n: int) -> Iterator[Out]:
    """Watched mail where no list is asked: several refusals whose words blame the address, of more
    than one sender or receiver, are an episode, though no neighbour can be compared with it."""
    state, config = states.sense, states.accept.config
    if not fact.row.watched or config is None or config.lookups:
        return
    where = zone or f"@{fact.receiver}"
    if (fact.address, where) in state.open or (fact.address, f"@{fact.receiver}") in state.open:
        return
    said = [one for one in state.said.get((fact.address, where), ()) if fact.at - one[0] < RECENT_S]
    # Where the log cannot tell the senders, recipients stand for them: letters, at least, differ.
    said = [*said[-49:], (fact.at, fact.row.sender or fact.row.recipient, fact.receiver)]
    state.said[fact.address, where] = said
    several = len({one[1] for one in said}) > 1 or len({one[2] for one in said}) > 1
    if len(said) < WORDS_ENOUGH or not several:
        return
    del state.said[fact.address, where]
    attempts = state.counts.total(fact.address, fact.at)[1] + 1
    yield EpisodeOpened(
        at=fact.at,
        episode=f"e{n}w",
        address=fact.address,
        zone=zone,
        receiver=None if zone else fact.receiver,
        basis="replies",
        since=said[0][0],
        refusals=len(said),
        attempts=max(attempts, len(said)),
        because=(n,),
    )


def _followed(states: States, fact: Refusal) -> None:
    """A receiver that names no list but goes on refusing while one holds the address, follows it."""
    rest = states.deliver.rests.get((fact.address, fact.receiver))
    if fact.zone is None and rest is not None and rest.episode is not None and rest.since < fact.at:
        episode = states.sense.episodes.get(rest.episode)
        if episode is not None and episode.parent is not None:
            episode = states.sense.episodes.get(episode.parent)
        if episode is not None and episode.zone is not None and episode.closed_at is None:
            states.sense.followers.setdefault(episode.zone, set()).add(fact.receiver)


def _blocked_now(states: States, fact: Outcome, episode: str | None) -> bool:
    """Whether the path's block still stands, as far as is known: a list holds the address, or no
    list is known and this letter was not refused twice. After a delisting, doubtful words speak of
    the letter again; else one letter refused for its content would keep its path closed for ever."""
    if episode is None:
        return False
    address = fact.address
    lists = [one for one in states.sense.open_episodes() if one.address == address and one.zone]
    if not lists:
        return fact.row.refused < 2
    clocks = [states.delist.clocks.get(one.id) for one in lists]
    return any(clock is None or not clock.delisted for clock in clocks)


def _zone(meaning: Meaning) -> str | None:
    """The DNS zone a refusal names, or the main one of the list family it names ("blocked using
    Spamhaus"); a site's own list has none."""
    if meaning.blames and "." in meaning.blames:
        return meaning.blames
    rows = [row for row in shipped().of_family(meaning.family or "") if row.alive]
    return rows[0].zone if rows else None


def _ask(states: States, fact: Outcome, zone: str | None, n: int) -> Iterator[Out]:
    """Ask the named list, or every list known, about the address; not twice a minute."""
    state = states.sense
    config = states.accept.config
    if config is None or not config.lookups or not _is_ip(fact.address):
        return
    zones = [zone] if zone else sorted({*state.zones, *state.users})
    for one in zones[:64]:
        last = state.asked.get((one, fact.address))
        if (fact.address, one) not in state.open and (
            last is None or fact.at - last >= ASK_AGAIN_S
        ):
            state.asked[one, fact.address] = fact.at
            state.tries[one, fact.address] = 0
            yield _probe(one, fact.address, n)


def _is_ip(address: str) -> bool:
    """Whether it is an address at all: a log that does not say it has only a transport's name."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def _probe(zone: str, address: str, n: int) -> Probe:
    return Probe(key=f"probe/{zone}/{address}/{n}", zone=zone, address=address)


def _answered(states: States, fact: ProbeAnswered, n: int) -> Iterator[Out]:
    state = states.sense
    path = (fact.zone, fact.address)
    if (fact.address, fact.zone) in state.open:
        return
    blamed = [at for at in state.blamed.get(fact.address, ()) if fact.at - at <= RECENT_S]
    if fact.state == "listed" and blamed:
        attempts = max(state.counts.total(fact.address, fact.at)[1], len(blamed))
        yield EpisodeOpened(
            at=fact.at,
            episode=f"e{n}",
            address=fact.address,
            zone=fact.zone,
            receiver=None,
            basis="reply+dns",
            since=blamed[0],
            refusals=len(blamed),
            attempts=attempts,
            because=(n,),
        )
    elif fact.state != "listed" and blamed:
        # unknown: ask again soon; clean: the receiver may know earlier than the zone's caches
        tries = state.tries.get(path, 0) + 1
        state.tries[path] = tries
        if tries <= TRIES:
            yield SetTimer(key=f"ask|{fact.zone}|{fact.address}", due=fact.at + ASK_AGAIN_S * tries)


# ---------------------------------------------------------------- shifts


def _counted(states: States, fact: Outcome, blamed: bool, n: int) -> Iterator[Out]:
    """Count one reply; open an episode when one address shifts against the others."""
    state = states.sense
    address, receiver, at = fact.address, fact.receiver, fact.at
    _tallied(state, address, receiver, fact.row.sender, at, part=int(blamed), whole=1)
    if blamed:
        recent = [t for t in state.blamed.get(address, ()) if at - t <= RECENT_S]
        state.blamed[address] = [*recent[-199:], at]
        state.blamed_at[address, receiver] = at
    log_e = _detector(state, address, receiver).update(blamed)
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


def _detector(state: State, address: str, receiver: str) -> EDetector:
    found = state.detectors.get((address, receiver))
    if found is None:
        found = state.detectors[address, receiver] = EDetector(p0=BASE_RATE)
    return found


def _carried(states: States, fact: Carried) -> None:
    """A minute's mail that a receiver took: no alarm comes of it."""
    state = states.sense
    detector = _detector(state, fact.address, fact.receiver)
    for sender, count in fact.senders:
        _tallied(state, fact.address, fact.receiver, sender, fact.at, part=0, whole=count)
    # After some hundred takes the detector stands at its floor: more change nothing.
    for _ in range(min(sum(count for _, count in fact.senders), CALM_ENOUGH)):
        detector.update(False)


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
