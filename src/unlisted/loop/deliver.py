"""2. Which address, when, and what a reply does to the queue.

A message leaves by the address that the keyed rotation drew for its sender and epoch (DESIGN
section 4); retries keep it. A path (address, receiver) rests after a refusal. Mail drawn to a
resting path draws again only if it is judged clean and its sender is cleared; refused mail moves
at most once, within the other address's budget (DESIGN section 8). Everything else waits on the
condition that ends its wait, never by polling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.commands import Deliver, SendNdr, SetTimer, Sweep, Wake
from unlisted.facts import (
    Booked,
    Configured,
    Delivery,
    Due,
    EpisodeOpened,
    Fact,
    Failed,
    HandSent,
    HoldReleased,
    NotAttempted,
    Outcome,
    PathReopened,
    PathRested,
    PathTried,
    Pool,
    Queued,
    Reception,
    Refusal,
    Resent,
    Routed,
    Row,
    SenderHeld,
    Settled,
    Suspicion,
    TimerFired,
    Woken,
)
from unlisted.routing.budget import budget, usual_daily
from unlisted.routing.draw import draw, epoch_of
from unlisted.routing.spacing import retry_at

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States

Path = tuple[str, str]  # egress address, receiver
# Wakes whose condition is over for good: what one batch leaves is woken by the next.
ENDED = {
    "release": "released",
    "suspicion": "episode",
    "resend": "resend",
    "retired": "rule retired",
    "back": "rule stepped back",
    "pool": "configured",
    "sender": "no longer probable",
    "clean": "its campaign is answered well",
}


class Rest:
    """Why a path rests. `canary`: the one row let through to see whether it is over.

    `trial`: nothing waits, so the next row that draws this path becomes the canary.
    """

    __slots__ = ("canary", "episode", "since", "trial")

    def __init__(self, since: float, episode: str | None) -> None:
        self.since = since
        self.episode = episode
        self.canary = ""
        self.trial = False


class Traffic:
    """Messages an address carried per day, newest last, and how many of today's it took over."""

    __slots__ = ("day", "days", "moved")

    def __init__(self) -> None:
        self.day = -1
        self.days: list[int] = []
        self.moved = 0

    def turn(self, at: float) -> None:
        """Begin a new day if `at` lies in one."""
        day = int(at // 86400)
        if self.day < 0:
            self.day, self.days = day, [0]
        while self.day < day:
            self.day += 1
            self.moved = 0
            self.days = [*self.days[-28:], 0]

    def room(self, at: float) -> int:
        """How many more refused messages this address may take over today."""
        self.turn(at)
        return budget(usual_daily(self.days[:-1]), self.moved).left


class State:
    """Pools, resting paths, and what each address usually carries."""

    def __init__(self) -> None:
        self.pools: tuple[Pool, ...] = ()
        self.pool_of: dict[str, Pool] = {}
        self.rests: dict[Path, Rest] = {}
        self.traffic: dict[str, Traffic] = {}
        self.campaign_waits: dict[str, set[Path]] = {}
        self.waking: dict[Path, list[str]] = {}  # conditions still to be woken, one after another
        self.samples: set[str] = set()  # rows let through although their sender is probable
        self.poolless = False  # something waits for a pool to be configured
        self.receivers: dict[str, str] = {}  # domain -> receiver, by route or as last seen

    def receiver_of(self, domain: str) -> str:
        """The remote site that takes a domain's mail; the domain itself while unknown."""
        return self.receivers.get(domain, domain)

    def path(self, row: Row, address: str) -> Path:
        """The path a row takes by an address."""
        return address, self.receiver_of(row.domain)

    def only_watched(self, address: str) -> bool:
        """Whether another MTA sends by this address, and we do not."""
        pool = self.pool_of.get(address)
        return pool is not None and pool.watched

    def carried(self, address: str, at: float) -> Traffic:
        """The address's traffic, its day turned."""
        traffic = self.traffic.setdefault(address, Traffic())
        traffic.turn(at)
        return traffic


def path_key(address: str, receiver: str) -> str:
    """The condition on which mail for a resting path waits."""
    return f"path:{address}|{receiver}"


def campaign_key(campaign: str, path: Path) -> str:
    """The condition on which near-duplicates wait: their answers, or the path."""
    return f"campaign:{campaign}|{path[0]}|{path[1]}"


def path_of(condition: str) -> Path:
    """The path in a condition's name."""
    head, _, receiver = condition.rpartition("|")
    return (head.rpartition("|")[2] if "|" in head else head.partition(":")[2]), receiver


def closed(states: States, row: Row, address: str) -> str | None:
    """Why the edge must not attempt this row now; None: go. Asked at the act's turn."""
    hold = states.contain.covers(row)
    if hold is not None:
        return f"held {hold}"
    rule = states.prevent.covers(row)
    if rule is not None:
        return f"rule {rule}"
    if states.explain.sampled(row) and row.key not in states.deliver.samples:
        return "its sender may have caused a listing"
    rest = states.deliver.rests.get(states.deliver.path(row, address))
    if rest is not None and rest.canary != row.key:
        return "path rests"
    return None


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Receptions and due rows are placed; replies, holds and paths move rows on."""
    if getattr(getattr(fact, "row", None), "watched", False):
        return  # another MTA's mail: its queue is not ours to move
    if isinstance(fact, Outcome):
        if fact.code:
            states.deliver.receivers[fact.row.domain] = fact.receiver
        states.deliver.samples.discard(fact.row.key)
    if isinstance(fact, Reception):
        yield from _received(states, fact, n)
    elif isinstance(fact, Due):
        yield from _due(states, fact, n)
    elif isinstance(fact, Delivery):
        states.deliver.carried(fact.address, fact.at).days[-1] += 1
        yield Settled(at=fact.at, key=fact.row.key, message=fact.row.message, how="delivered")
        yield from _campaign_cleared(states, fact.row.campaign, fact.at, n)
    elif isinstance(fact, NotAttempted):
        yield from _place(states, fact.row, fact.at, n, fact.text)
    elif isinstance(fact, Failed):
        yield from _failed(states, fact, n)
    elif isinstance(fact, Refusal):
        yield from _refused(states, fact, n)
    elif isinstance(fact, Suspicion):
        yield from _suspected(states, fact, n)
    elif isinstance(fact, EpisodeOpened):
        yield from _episode(states, fact, n)
    elif isinstance(fact, PathReopened):
        yield from _reopened(states, fact, n)
    elif isinstance(fact, PathTried):
        yield from _tried(states, fact, n)
    elif isinstance(fact, SenderHeld):
        yield Sweep(key=f"sweep/{fact.hold}", sender=fact.sender, why="held")
        yield from _cleared(states, n)
    elif isinstance(fact, HoldReleased) and fact.actor != "policy":
        # When a hold's term ends, its mail ends with it (`until`): nobody said it was innocent.
        yield Wake(key=f"release/{n}", waits_for=f"hold:{fact.hold}", limit=1000, why="released")
    elif isinstance(fact, Resent):
        yield from _place(states, fact.row, fact.at, n, "resent")
    elif isinstance(fact, HandSent) and fact.which == "copy":
        yield Settled(at=fact.at, key=fact.key, message=fact.message, how="superseded")
    elif isinstance(fact, Woken):
        kind = (fact.done or "").partition("/")[0]
        if kind == "canary" and not fact.taken:
            rest = states.deliver.rests.get(path_of(fact.waits_for))
            if rest is not None and states.sense.needs_mail(path_of(fact.waits_for)[1]):
                rest.trial = True
        elif kind == "reopen":
            yield from _woken(states, fact, n)
        elif kind in ENDED and fact.left and not _waits_again(states, fact.waits_for):
            key = f"{kind}/{fact.waits_for}/{n}"
            yield Wake(key=key, waits_for=fact.waits_for, limit=1000, why=ENDED[kind])
    elif isinstance(fact, TimerFired) and fact.key.startswith("wake|"):
        yield from _wake_next(states, path_of(fact.key), n)
    elif isinstance(fact, Configured):
        states.deliver.pools = tuple(pool for pool in fact.pools if not pool.watched)
        states.deliver.receivers.update(fact.receivers)
        states.deliver.pool_of = {a: pool for pool in fact.pools for a in pool.addresses}
        if states.deliver.pools and states.deliver.poolless:
            states.deliver.poolless = False
            yield Wake(key=f"pool/{n}", waits_for="pool", limit=1000, why="configured")


# ---------------------------------------------------------------- in


def _received(states: States, fact: Reception, n: int) -> Iterator[Out]:
    for index, recipient in enumerate(fact.recipients):
        row = Row(
            key=f"{fact.id}.{index}",
            message=fact.id,
            sender=fact.sender,
            tenant=fact.tenant,
            recipient=recipient.person,
            domain=recipient.domain,
            first_at=fact.at,
            campaign=states.accept.campaign,
            digest=fact.digest,
            known=states.accept.knows(fact.sender, recipient.person, fact.at),
            null_sender=fact.null_sender,
        )
        if states.resend.already(row, fact.at):
            yield Settled(at=fact.at, key=row.key, message=row.message, how="superseded")
        else:
            yield from _place(states, row, fact.at, n, "received")


def _due(states: States, fact: Due, n: int) -> Iterator[Out]:
    row = fact.row
    if fact.why == "until":
        yield from _patience_over(states, row, fact.at, n)
    elif fact.why == "canary":
        rest = states.deliver.rests.get(states.deliver.path(row, row.address))
        if rest is not None and not rest.canary:
            rest.canary = row.key
        yield from _place(states, row, fact.at, n, "canary")
    elif fact.why == "held" and states.contain.covers(row) is None:
        return  # swept, but not in the hold's scope: it stays where it is
    elif fact.why != "resend":  # the resend station answers those with Resent
        yield from _place(states, row, fact.at, n, fact.why)


def _patience_over(states: States, row: Row, at: float, n: int) -> Iterator[Out]:
    if row.state == "booked":
        yield Settled(at=at, key=row.key, message=row.message, how="bounced")
    elif row.waits_for.startswith("suspicion:") and not row.null_sender:
        until = at + states.accept.policy.books_s
        path = row.waits_for.removeprefix("suspicion:")
        booked = _replaced(row, state="booked", waits_for=f"book:{path}", until=until)
        yield Booked(at=at, row=booked, until=until, because=(n,))
        yield Queued(at=at, row=booked, why="suspicion outlasted its wait", because=(n,))
        yield _ndr(row, n, 550, "5.7.1", "the receiver refused it and did not say why", True)
    else:
        how = "discarded" if row.state == "held" else "expired"
        yield Settled(at=at, key=row.key, message=row.message, how=how)
        if not row.null_sender:
            text = "delivery time expired" if how == "expired" else "held until its term ended"
            yield _ndr(row, n, 550, "4.4.7" if how == "expired" else "5.7.1", text, False)


# ---------------------------------------------------------------- place


def _place(states: States, row: Row, at: float, n: int, why: str) -> Iterator[Out]:
    """Decide where a row goes next: an address now, or the condition it waits for."""
    hold = states.contain.covers(row)
    if hold is not None:
        _no_canary(states, row)
        until = states.contain.holds[hold].expires_at
        held = _replaced(row, state="held", waits_for=f"hold:{hold}", until=until)
        yield Queued(at=at, row=held, why=f"held: {hold}", because=(n,))
        return
    rule = states.prevent.covers(row)
    if rule is not None:
        _no_canary(states, row)
        until = at + states.accept.policy.hold_s
        held = _replaced(row, state="held", waits_for=f"rule:{rule}", until=until)
        yield Queued(at=at, row=held, why=f"held by rule {rule}", because=(n,))
        return
    pool = _pool(states, row)
    if pool is None:
        states.deliver.poolless = True
        wait = _replaced(row, state="wait", waits_for="pool", until=_give_up(states, row))
        yield Queued(at=at, row=wait, why="no pool is configured", because=(n,))
        return
    if why in ("sample", "canary"):  # a canary is a sample too, or path and sender wait in turn
        states.deliver.samples.add(row.key)
    elif states.explain.sampled(row):
        _no_canary(states, row)
        until = _give_up(states, row)
        wait = _replaced(row, state="wait", waits_for=f"sender:{row.sender}", until=until)
        yield Queued(at=at, row=wait, why="its sender may have caused a listing", because=(n,))
        return
    epoch = epoch_of(at, pool.epoch_s)
    if row.address not in states.deliver.pool_of and not row.refused:
        _no_canary(states, row)
        row = _replaced(row, drawn="", address="")  # never drawn, or its address was taken away
    if not row.drawn:
        first = draw(states.key, row.sender, epoch, pool.addresses)
        row = _replaced(row, drawn=first.address, address=first.address)
        if _open(states, row, first.address):
            yield _routed(row, pool, first.address, first.probability, epoch, "draw", at)
            yield from _send(row, pool, first.address, at, n)
            return
    elif _open(states, row, row.address):
        yield _routed(row, pool, row.address, 1.0, epoch, "kept", at, among=1)
        yield from _send(row, pool, row.address, at, n, cautious=why == "canary")
        return
    yield from _elsewhere(states, row, pool, epoch, at, n)


def _elsewhere(
    states: States, row: Row, pool: Pool, epoch: int, at: float, n: int
) -> Iterator[Out]:
    """The row's path rests: another address if DESIGN section 8 allows, else wait."""
    verdict, reasons = states.explain.judged(states, row, at)
    rests = states.deliver.rests
    others = [a for a in pool.addresses if states.deliver.path(row, a) not in rests]
    if row.refused:
        others = [a for a in others if states.deliver.carried(a, at).room(at) > 0]
    may = verdict == "clean" and not row.moved and _sender_cleared(states, row)
    if may and others:
        without = [a for a in pool.addresses if a not in others]
        again = draw(states.key, row.sender, epoch, pool.addresses, without=without)
        moved = _replaced(row, address=again.address, moved=row.refused > 0)
        reason = "moved" if row.refused else "redraw"
        if row.refused:
            states.deliver.carried(again.address, at).moved += 1
        yield _routed(
            moved, pool, again.address, again.probability, epoch, reason, at, among=len(others)
        )
        yield from _send(moved, pool, again.address, at, n)
        return
    path = states.deliver.path(row, row.address)
    condition = path_key(*path)
    if verdict == "unsure" and not row.refused and _may_clear(states, row.campaign, at):
        states.deliver.campaign_waits.setdefault(row.campaign, set()).add(path)
        condition = campaign_key(row.campaign, path)
    wait = _replaced(row, state="wait", waits_for=condition, until=_give_up(states, row))
    why = "path rests; " + (reasons or ("no other address has room" if may else verdict))
    yield Queued(at=at, row=wait, why=why, because=(n,))


def _send(
    row: Row, pool: Pool, address: str, at: float, n: int, *, cautious: bool = False
) -> Iterator[Out]:
    out = _replaced(row, state="out", address=address, waits_for="", until=None, due=None)
    yield Queued(at=at, row=out, because=(n,))
    yield Deliver(
        key=f"{row.key}/{row.attempts}.{n}",
        row=out,
        address=address,
        helo=pool.helo,
        cautious=cautious,
    )


def _no_canary(states: States, row: Row) -> None:
    """The row is no longer what its resting path is tried with; another may be."""
    rest = states.deliver.rests.get(states.deliver.path(row, row.address))
    if rest is not None and rest.canary == row.key:
        rest.canary = ""


def _open(states: States, row: Row, address: str) -> bool:
    rest = states.deliver.rests.get(states.deliver.path(row, address))
    if rest is not None and rest.trial and not rest.canary:
        rest.trial, rest.canary = False, row.key
    return rest is None or rest.canary == row.key


def _sender_cleared(states: States, row: Row) -> bool:
    """DESIGN section 8: culprits named and held, or 30 clean days."""
    if states.contain.hold_of(row.sender) is not None:
        return False
    return (
        states.contain.culprits_held(states)
        or states.explain.clean_days(row.sender) >= states.accept.policy.clean_days
    )


def _pool(states: States, row: Row) -> Pool | None:
    pools = states.deliver.pools
    if row.null_sender:
        for pool in pools:
            if pool.name == "null":
                return pool
    return pools[0] if pools else None


def _give_up(states: States, row: Row) -> float:
    """When a row is given up; one without a sender after a day, for nobody waits for its NDR."""
    return row.first_at + (86400.0 if row.null_sender else states.accept.policy.give_up_s)


# ---------------------------------------------------------------- replies


def _failed(states: States, fact: Failed, n: int) -> Iterator[Out]:
    _no_canary(states, fact.row)  # neither taken nor refused: the path is not answered for
    row = _replaced(fact.row, attempts=fact.row.attempts + 1)
    if fact.temporary:
        due = retry_at(row.attempts, fact.at, _give_up(states, row))
        if due is not None:
            later = _replaced(row, state="due", due=due, waits_for="", until=None)
            yield Queued(at=fact.at, row=later, why=f"{fact.code} {fact.reason}", because=(n,))
            return
    how = "expired" if fact.temporary else "bounced"
    yield Settled(at=fact.at, key=row.key, message=row.message, how=how, because=(n,))
    if not row.null_sender:
        yield _ndr(row, n, fact.code, fact.enhanced, fact.text, False)
    yield from _campaign_cleared(states, row.campaign, fact.at, n)


def _refused(states: States, fact: Refusal, n: int) -> Iterator[Out]:
    path = (fact.address, fact.receiver)
    rest = states.deliver.rests.get(path)
    if rest is None:
        episode = states.sense.episode_at(fact.address, fact.receiver, fact.zone)
        states.deliver.rests[path] = Rest(fact.at, episode)
        yield PathRested(
            at=fact.at,
            address=fact.address,
            receiver=fact.receiver,
            episode=episode,
            why=f"refused, {fact.zone or 'no list named'}",
        )
    elif rest.canary == fact.row.key:
        rest.canary = ""
    row = _replaced(fact.row, attempts=fact.row.attempts + 1, refused=fact.row.refused + 1)
    if fact.retry == "never" and fact.zone is None and row.moved:
        yield Settled(at=fact.at, key=row.key, message=row.message, how="bounced", because=(n,))
        if not row.null_sender:
            yield _ndr(row, n, fact.code, fact.enhanced, fact.text, True)
        return
    if fact.retry == "never":
        row = _replaced(row, moved=True)  # never by another address; it waits for its own
    yield from _place(states, row, fact.at, n, "refused")


def _suspected(states: States, fact: Suspicion, n: int) -> Iterator[Out]:
    _no_canary(states, fact.row)
    row = _replaced(fact.row, attempts=fact.row.attempts + 1, refused=fact.row.refused + 1)
    until = fact.at + states.accept.policy.suspicion_wait_s
    if row.moved or fact.row.refused:  # a second doubtful reply adds no patience
        until = min(until, row.first_at + 2 * states.accept.policy.suspicion_wait_s)
    wait = _replaced(
        row,
        state="wait",
        waits_for=f"suspicion:{fact.address}|{fact.receiver}",
        until=max(until, fact.at),
    )
    yield Queued(at=fact.at, row=wait, why="may be a refusal; waits to see", because=(n,))


def _episode(states: States, fact: EpisodeOpened, n: int) -> Iterator[Out]:
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


def _reopened(states: States, fact: PathReopened, n: int) -> Iterator[Out]:
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
    yield from _wake_next(states, path, n)


def _tried(states: States, fact: PathTried, n: int) -> Iterator[Out]:
    """The next letter by a resting path becomes its canary: a new one, or one that waits for it."""
    rest = states.deliver.rests.get((fact.address, fact.receiver))
    if rest is not None:
        rest.canary, rest.trial = "", True
        if fact.waiting:
            key = path_key(fact.address, fact.receiver)
            yield Wake(key=f"trial/{key}/{n}", waits_for=key, limit=1, why="canary")


def _wake_next(states: States, path: Path, n: int) -> Iterator[Out]:
    """The next batch, unless the path closed again: what is left goes on waiting for it."""
    waking = states.deliver.waking
    if path in states.deliver.rests or not waking.get(path):
        waking.pop(path, None)
        return
    condition = waking[path][0]
    limit = states.accept.policy.wake_batch
    yield Wake(key=f"reopen/{condition}/{n}", waits_for=condition, limit=limit, why="reopened")


def _woken(states: States, fact: Woken, n: int) -> Iterator[Out]:
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
        yield from _wake_next(states, path, n)


def _may_clear(states: States, campaign: str, at: float) -> bool:
    """Whether answers to near-duplicates can still change the verdict on one of them."""
    if states.accept.index.members(campaign) < 2:
        return False
    return not states.explain.campaign_clean(states, campaign, at)


def _waits_again(states: States, condition: str) -> bool:
    """What was woken waits for the same thing again (a campaign's answers turned worse, a sender
    is probable once more): another round at once would not end."""
    if condition.startswith("sender:"):
        return condition.removeprefix("sender:") in states.explain.doubted
    campaign = condition.removeprefix("campaign:").partition("|")[0]
    return path_of(condition) in states.deliver.campaign_waits.get(campaign, ())


def _campaign_cleared(states: States, campaign: str, at: float, n: int) -> Iterator[Out]:
    """Enough of a waiting campaign's answers came back clean: its mail may draw again."""
    waits = states.deliver.campaign_waits
    if campaign in waits and states.explain.campaign_clean(states, campaign, at):
        for path in sorted(waits.pop(campaign)):
            condition = campaign_key(campaign, path)
            why = ENDED["clean"]
            yield Wake(key=f"clean/{condition}/{n}", waits_for=condition, limit=1000, why=why)


def _cleared(states: States, n: int) -> Iterator[Out]:
    """A culprit was held: mail that waits on resting paths is looked at once more."""
    waits = states.deliver.campaign_waits
    names = [path_key(*path) for path in sorted(states.deliver.rests)]
    names += [campaign_key(one, path) for one in sorted(waits) for path in sorted(waits[one])]
    for name in names:
        yield Wake(key=f"cleared/{name}/{n}", waits_for=name, limit=500, why="cleared")


# ---------------------------------------------------------------- shapes


def _replaced(row: Row, **changes: object) -> Row:
    return msgspec.structs.replace(row, **changes)


def _routed(
    row: Row,
    pool: Pool,
    address: str,
    probability: float,
    epoch: int,
    why: str,
    at: float,
    *,
    among: int | None = None,
) -> Routed:
    return Routed(
        at=at,
        key=row.key,
        message=row.message,
        sender=row.sender,
        domain=row.domain,
        pool=pool.name,
        address=address,
        probability=probability,
        epoch=epoch,
        among=len(pool.addresses) if among is None else among,
        why=why,
    )


def _ndr(row: Row, n: int, code: int, enhanced: str | None, text: str, block: bool) -> SendNdr:
    return SendNdr(
        key=f"ndr/{row.key}/{n}",
        row=row,
        action="failed",
        code=code,
        enhanced=enhanced,
        text=text,
        receiver=row.domain,
        block=block,
    )
