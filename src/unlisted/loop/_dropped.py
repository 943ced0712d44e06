"""Did this receiver drop the list? Fewer refusals at one site, the listing unchanged (DESIGN 7).

A receiver known to follow a list takes mail from an address that the list holds. Three witnesses
must agree before that is called by its name: its own takes in a row, the list's answer "listed" after
the first of them, and another follower of the list that refused the same address after it (the
control). A site whose look-ups failed for a moment, a list that is just letting go and caches that
are late each fail one of the three. Without a control receiver nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.commands import Probe, TestPath
from unlisted.facts import PathTried, ProbeAnswered, ReceiverDropped
from unlisted.loop._resting import Path

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States
    from unlisted.loop.sense import Episode

CONTROLS = 3  # receivers asked at a time, and named in the verdict
ASK_AGAIN_S = 3600.0
LATE_S = 7200.0  # a receiver's copy or cache of a list may be this much behind it
KEPT = 10_000  # paths whose last refusal is remembered


class Doubt:
    """A path whose receiver took mail although a list it follows holds the address."""

    __slots__ = ("asked_at", "episode", "facts", "listed", "since", "taken", "tested")

    def __init__(self, episode: str, since: float) -> None:
        self.episode = episode
        self.since = since
        self.taken = 0
        self.tested = 0  # transactions without mail that were accepted
        self.facts: tuple[int, ...] = ()  # the first and the newest that say so
        self.listed: tuple[float, int] | None = None  # the list's last answer since
        self.asked_at = since - ASK_AGAIN_S


class Doubts:
    """Open doubts, the last refusal of each path (when, fact), and of each receiver by a list."""

    def __init__(self) -> None:
        self.open: dict[Path, Doubt] = {}
        self.refused: dict[Path, tuple[float, int]] = {}
        self.followed: dict[tuple[str, str], float] = {}  # (receiver, zone)

    def refuse(self, path: Path, zone: str | None, at: float, n: int) -> None:
        """The receiver refused: whatever it took before, it follows the list."""
        self.open.pop(path, None)
        if zone is not None:
            self.followed[path[1], zone] = at
        self.refused.pop(path, None)
        self.refused[path] = (at, n)
        if len(self.refused) > KEPT:
            del self.refused[next(iter(self.refused))]


def listing(states: States, path: Path) -> Episode | None:
    """The open episode of a list that this receiver follows and that still holds the address. None
    where lists are not asked about our own mail: only the receivers' answers tell then."""
    address, receiver = path
    config = states.accept.config
    if config is not None and not config.lookups and not states.deliver.only_watched(address):
        return None
    for episode in states.sense.open_episodes():
        if episode.address == address and episode.zone is not None:
            clock = states.delist.clocks.get(episode.id)
            if clock is not None and not clock.delisted and states.sense.asks(receiver, clock.zone):
                return episode
    return None


def worth_asking(states: States, path: Path, episode: Episode, at: float) -> bool:
    """Whether this path should ask its receiver if it still follows the list: once in a while for
    each receiver and list, by whichever address; a refusal a while ago has answered it."""
    rest = states.deliver.rests[path]
    last = states.verify.doubts.followed.get((path[1], episode.zone or ""), rest.since)
    late = at - max(rest.since, episode.opened_at) >= LATE_S
    return late and not rest.trial and at - last >= states.accept.policy.drop_after_s


def asked(states: States, path: Path, episode: Episode, at: float, n: int) -> Iterator[Out]:
    """Ask a follower of the list whether it still is one: without mail, or where only mail tells,
    by one new letter (one that waits was refused before: it is not spent on a question). Once: until
    there is one, nothing more can be asked."""
    address, receiver = path
    pool = states.deliver.pool_of.get(address)
    if pool is None or pool.watched:
        return
    if not states.sense.needs_mail(receiver):
        key = f"drop/{address}/{receiver}/{n}"
        yield TestPath(key=key, address=address, helo=pool.helo, receiver=receiver)
    elif not states.deliver.rests[path].trial:
        yield _tried(states, path, episode.id, at, n, why="does it still follow the list?")


def took(
    states: States, path: Path, episode: Episode, at: float, n: int, *, letters: int
) -> Iterator[Out]:
    """The receiver took so many recipients (0: a transaction without mail) although listed."""
    doubts = states.verify.doubts
    doubt = doubts.open.get(path)
    if doubt is None or doubt.episode != episode.id:
        doubt = doubts.open[path] = Doubt(episode.id, at)
    doubt.taken += letters
    doubt.tested += not letters
    doubt.facts = (*doubt.facts[:1], n)
    yield from _witnesses(states, path, doubt, at, n)
    yield from judged(states, path, at)


def tried_on(states: States, path: Path, at: float, n: int) -> Iterator[Out]:
    """The next letter of a trial; nothing once enough were taken."""
    doubt = states.verify.doubts.open[path]
    if doubt.taken < states.accept.policy.trial_letters:
        why = "it takes mail although listed"
        yield _tried(states, path, doubt.episode, at, n, why=why, waiting=True)


def answered(states: States, fact: ProbeAnswered, n: int) -> Iterator[Out]:
    """The list was asked: "listed" is a witness, "clean" ends the doubts about its followers."""
    doubts = states.verify.doubts
    for path in sorted(p for p in doubts.open if p[0] == fact.address):
        doubt = doubts.open[path]
        if states.sense.episodes[doubt.episode].zone != fact.zone:
            continue
        if fact.state == "listed":
            doubt.listed = (fact.at, n)
            yield from judged(states, path, fact.at)
            if path in doubts.open and fact.at - doubt.asked_at >= ASK_AGAIN_S:
                yield from _witnesses(states, path, doubt, fact.at, n)
        elif fact.state == "clean":
            del doubts.open[path]


def judged(states: States, path: Path, at: float) -> Iterator[Out]:
    """The verdict, if the three witnesses agree."""
    doubts = states.verify.doubts
    doubt = doubts.open.get(path)
    if doubt is None or doubt.taken < states.accept.policy.trial_letters or doubt.listed is None:
        return
    episode = states.sense.episodes[doubt.episode]
    controls = [
        (receiver, *doubts.refused[path[0], receiver])
        for receiver in _followers(states, path, episode)
        if doubts.refused.get((path[0], receiver), (0.0, 0))[0] > doubt.since
    ][:CONTROLS]
    if not controls:
        return
    before = doubts.refused.get(path)
    del doubts.open[path]
    yield ReceiverDropped(
        at=at,
        episode=episode.id,
        address=path[0],
        receiver=path[1],
        zone=episode.zone or "",
        since=doubt.since,
        taken=doubt.taken,
        refused_at=before[0] if before else None,
        listed_at=doubt.listed[0],
        controls=tuple((receiver, when) for receiver, when, _ in controls),
        because=(*doubt.facts, doubt.listed[1], *(number for _, _, number in controls)),
    )


def ended(states: States, episode: str) -> None:
    """The list let go, or the episode is over: nothing is left to doubt."""
    doubts = states.verify.doubts.open
    for path in [p for p in doubts if doubts[p].episode == episode]:
        del doubts[path]


def words(states: States, path: Path) -> str:
    """Why a path opens although its list still holds the address."""
    doubt = states.verify.doubts.open.get(path)
    if doubt is None:
        return "it no longer follows the list"
    episode = states.sense.episodes[doubt.episode]
    said = f"{doubt.taken} letters taken one after another although {episode.zone} lists it"
    if not _followers(states, path, episode):
        said += "; no other receiver is known to follow that list, so nothing is concluded"
    return said


def _followers(states: States, path: Path, episode: Episode) -> list[str]:
    sense, zone = states.sense, episode.zone or ""
    every = {*sense.users.get(zone, ()), *sense.followers.get(zone, ())}
    return sorted(every - {path[1]})


def _witnesses(states: States, path: Path, doubt: Doubt, at: float, n: int) -> Iterator[Out]:
    """Ask the list, and the followers it is known by, those first that tell without mail."""
    if at - doubt.asked_at < ASK_AGAIN_S:
        return
    doubt.asked_at = at
    episode = states.sense.episodes[doubt.episode]
    config = states.accept.config
    if config is not None and config.lookups:
        key = f"dropped/{episode.id}/{path[1]}/{n}"
        yield Probe(key=key, zone=episode.zone or "", address=path[0])
    others = [
        one
        for one in _followers(states, path, episode)
        if (path[0], one) in states.deliver.rests
        and (path[0], one) not in states.verify.doubts.open
    ]
    others.sort(key=lambda one: (states.sense.needs_mail(one), one))
    for receiver in others[:CONTROLS]:
        yield from asked(states, (path[0], receiver), episode, at, n)


def _tried(
    states: States,
    path: Path,
    episode: str,
    at: float,
    n: int,
    *,
    why: str,
    waiting: bool = False,
) -> PathTried:
    doubt = states.verify.doubts.open.get(path)
    return PathTried(
        at=at,
        address=path[0],
        receiver=path[1],
        episode=episode,
        taken=doubt.taken if doubt else 0,
        wanted=states.accept.policy.trial_letters,
        why=why,
        waiting=waiting,
        because=(n,),
    )
