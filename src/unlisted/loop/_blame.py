"""What a reply blames, and which list is asked about it: the reply side of station sense.

Replies of receivers are classified (`replies/`) into refusal, suspicion or failure. A named list, or
every list known, is asked about the address by DNS; a failed look-up is unknown, asked again soon.
Where no list is asked, the words of several are an episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from unlisted.commands import Probe, SetTimer
from unlisted.facts import (
    EpisodeOpened,
    Failed,
    Outcome,
    ProbeAnswered,
    Refusal,
    Suspicion,
    TransientFailure,
)
from unlisted.loop._shift import counted, located, told
from unlisted.mail.reply import Reply
from unlisted.replies.classify import Meaning, classify
from unlisted.watch.catalogue import shipped

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

RECENT_S = 2 * 3600.0
ASK_AGAIN_S = 60.0
TRIES = 5
WORDS_ENOUGH = 3
STAGES = {"connect": 0, "greeting": 1, "ehlo": 2, "mail": 3, "rcpt": 4, "data": 5, "eod": 6}
POOL_ASKED, LISTS_ASKED = 256, 64  # at once, when an address is found listed
OTHERS_S = 900.0  # what was asked so shortly before is not asked again for it
ZONES_LIMIT = 256  # names of lists learned from replies: more is somebody making them up


def replied(states: States, fact: Outcome, n: int) -> Iterator[Out]:
    state = states.sense
    temporary = isinstance(fact, TransientFailure)
    reply = Reply(code=fact.code, enhanced=fact.enhanced, text=fact.text)
    source = fact.address if is_ip(fact.address) else None
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
    for out in counted(states, fact, blames or doubt, n):
        if not (told and isinstance(out, EpisodeOpened)):
            yield out
    yield from told
    if blames:
        yield Refusal(**common, zone=zone, retry=retry, temporary=temporary, stage=fact.stage)
    elif doubt:
        yield Suspicion(**common, temporary=temporary, stage=fact.stage)
    else:
        stage = "" if fact.code else fact.stage
        reason = meaning.reason or "undefined"
        yield Failed(**common, reason=reason, temporary=temporary, stage=stage)
    if blames or doubt:
        yield from _ask(states, fact, zone, n)


def _by_words(states: States, fact: Outcome, zone: str | None, n: int) -> Iterator[Out]:
    """Where no list is asked: several refusals whose words blame the address, of more than one
    sender or receiver, are an episode. Where they name no list only of watched mail: of ours the
    replies' shift against the neighbours tells (`_shift`)."""
    state, config = states.sense, states.accept.config
    if config is None or config.lookups or not (fact.row.watched or zone):
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
        **({} if zone else told(located(states, fact.address, fact.receiver, fact.at))),
    )


def followed(states: States, fact: Refusal) -> None:
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
    if config is None or not config.lookups or not is_ip(fact.address):
        return
    zones = [zone] if zone else sorted({*state.zones, *state.users})
    for one in zones[:64]:
        last = state.asked.get((one, fact.address))
        if (fact.address, one) not in state.open and (
            last is None or fact.at - last >= ASK_AGAIN_S
        ):
            state.asked[one, fact.address] = fact.at
            state.tries[one, fact.address] = 0
            yield probe(one, fact.address, n)


def is_ip(address: str) -> bool:
    """Whether it is an address at all: a log that does not say it has only a transport's name."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def probe(zone: str, address: str, n: int) -> Probe:
    return Probe(key=f"probe/{zone}/{address}/{n}", zone=zone, address=address)


def others(states: States, fact: EpisodeOpened) -> Iterator[Out]:
    """Where one address is listed, the list is asked about the others of its pool, and the other
    lists about this one, within a minute: what was listed at once is then seen to be, and no letter
    is spent to learn it."""
    state, pool = states.sense, states.deliver.pool_of.get(fact.address)
    config = states.accept.config
    if fact.zone is None or pool is None or config is None or not config.lookups:
        return
    mates = [(fact.zone, one) for one in pool.addresses if one != fact.address]
    lists = [(one, fact.address) for one in sorted({*state.zones, *state.users})]
    wanted = [
        (zone, address)
        for zone, address in (*mates[:POOL_ASKED], *lists[:LISTS_ASKED])
        if is_ip(address)
        and (address, zone) not in state.open
        and fact.at - state.asked_beside.get((zone, address), -OTHERS_S) >= OTHERS_S
    ]
    for place, (zone, address) in enumerate(wanted):
        state.asked_beside[zone, address] = fact.at
        due = fact.at + ASK_AGAIN_S * (place + 1) / len(wanted)
        yield SetTimer(key=f"ask|{zone}|{address}", due=due)


def _beside(states: States, zone: str, address: str) -> bool:
    """Whether another address of its pool is on this list just now, so that it is no matter who
    meets a refusal first."""
    pool = states.deliver.pool_of.get(address)
    return pool is not None and any((one, zone) in states.sense.open for one in pool.addresses)


def answered(states: States, fact: ProbeAnswered, n: int) -> Iterator[Out]:
    state = states.sense
    path = (fact.zone, fact.address)
    if (fact.address, fact.zone) in state.open:
        return
    blamed = [at for at in state.blamed.get(fact.address, ()) if fact.at - at <= RECENT_S]
    if fact.state == "listed" and (blamed or _beside(states, fact.zone, fact.address)):
        attempts = max(state.counts.total(fact.address, fact.at)[1], len(blamed))
        yield EpisodeOpened(
            at=fact.at,
            episode=f"e{n}",
            address=fact.address,
            zone=fact.zone,
            receiver=None,
            basis="reply+dns" if blamed else "dns",
            since=blamed[0] if blamed else fact.at,
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
