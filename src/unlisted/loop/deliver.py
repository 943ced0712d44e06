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

from unlisted.commands import SendNdr, Sweep, Wake
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
    Row,
    SenderHeld,
    Settled,
    Suspicion,
    TimerFired,
    Woken,
)
from unlisted.loop._placing import give_up, no_canary, place, replaced
from unlisted.loop._resting import Path, Rest, Traffic, path_of
from unlisted.loop._waking import (
    ENDED,
    campaign_cleared,
    cleared,
    episode_opened,
    reopened,
    tried,
    waits_again,
    wake_next,
    woken,
)
from unlisted.routing.spacing import retry_at

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States


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
        yield from campaign_cleared(states, fact.row.campaign, fact.at, n)
    elif isinstance(fact, NotAttempted):
        yield from place(states, fact.row, fact.at, n, fact.text)
    elif isinstance(fact, Failed):
        yield from _failed(states, fact, n)
    elif isinstance(fact, Refusal):
        yield from _refused(states, fact, n)
    elif isinstance(fact, Suspicion):
        yield from _suspected(states, fact, n)
    elif isinstance(fact, EpisodeOpened):
        yield from episode_opened(states, fact, n)
    elif isinstance(fact, PathReopened):
        yield from reopened(states, fact, n)
    elif isinstance(fact, PathTried):
        yield from tried(states, fact, n)
    elif isinstance(fact, SenderHeld):
        yield Sweep(key=f"sweep/{fact.hold}", sender=fact.sender, why="held")
        yield from cleared(states, n)
    elif isinstance(fact, HoldReleased) and fact.actor != "policy":
        # When a hold's term ends, its mail ends with it (`until`): nobody said it was innocent.
        yield Wake(key=f"release/{n}", waits_for=f"hold:{fact.hold}", limit=1000, why="released")
    elif isinstance(fact, Resent):
        again = replaced(fact.row, again=fact.row.until or fact.at)
        yield from place(states, again, fact.at, n, "resent")
    elif isinstance(fact, HandSent) and fact.which == "copy":
        yield Settled(at=fact.at, key=fact.key, message=fact.message, how="superseded")
    elif isinstance(fact, Woken):
        kind = (fact.done or "").partition("/")[0]
        if kind == "canary" and not fact.taken:
            rest = states.deliver.rests.get(path_of(fact.waits_for))
            if rest is not None and states.sense.needs_mail(path_of(fact.waits_for)[1]):
                rest.trial = True
        elif kind == "reopen":
            yield from woken(states, fact, n)
        elif kind in ENDED and fact.left and not waits_again(states, fact.waits_for):
            key = f"{kind}/{fact.waits_for}/{n}"
            yield Wake(key=key, waits_for=fact.waits_for, limit=1000, why=ENDED[kind])
    elif isinstance(fact, TimerFired) and fact.key.startswith("wake|"):
        yield from wake_next(states, path_of(fact.key), n)
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
            subject=fact.subject,
            message_id=fact.message_id,
        )
        if states.resend.already(row, fact.at):
            yield Settled(at=fact.at, key=row.key, message=row.message, how="superseded")
        else:
            yield from place(states, row, fact.at, n, "received")


def _due(states: States, fact: Due, n: int) -> Iterator[Out]:
    row = fact.row
    if fact.why == "until":
        yield from _patience_over(states, row, fact.at, n)
    elif fact.why == "canary":
        rest = states.deliver.rests.get(states.deliver.path(row, row.address))
        if rest is not None and not rest.canary:
            rest.canary = row.key
        yield from place(states, row, fact.at, n, "canary")
    elif fact.why == "held" and states.contain.covers(row) is None:
        return  # swept, but not in the hold's scope: it stays where it is
    elif fact.why != "resend":  # the resend station answers those with Resent
        yield from place(states, row, fact.at, n, fact.why)


def _patience_over(states: States, row: Row, at: float, n: int) -> Iterator[Out]:
    if row.state == "booked":
        yield Settled(at=at, key=row.key, message=row.message, how="bounced")
    elif row.waits_for.startswith("suspicion:") and not row.null_sender:
        text = "the receiver refused it and did not say why"
        why = "suspicion outlasted its wait"
        path = row.waits_for.removeprefix("suspicion:")
        yield from _bounced_for_block(
            states, row, path, at, n, _ndr(row, n, 550, "5.7.1", text, True), why
        )
    else:
        how = "discarded" if row.state == "held" else "expired"
        yield Settled(at=at, key=row.key, message=row.message, how=how)
        if not row.null_sender:
            text = "delivery time expired" if how == "expired" else "held until its term ended"
            yield _ndr(row, n, 550, "4.4.7" if how == "expired" else "5.7.1", text, False)


# ---------------------------------------------------------------- replies


def _failed(states: States, fact: Failed, n: int) -> Iterator[Out]:
    no_canary(states, fact.row)  # neither taken nor refused: the path is not answered for
    row = replaced(fact.row, attempts=fact.row.attempts + 1)
    if fact.stage == "eod":  # whole, and no answer: the receiver may have it
        row = replaced(row, unknown=True)
        if row.again:
            # SMTP tries again and may deliver twice (RFC 5321 section 4.5.4.1); a re-send does not.
            path = f"{fact.address}|{fact.receiver}"
            yield from _kept(row, path, row.again, fact.at, n, "whether it was taken is not known")
            return
    if fact.temporary:
        due = retry_at(row.attempts, fact.at, give_up(states, row))
        if due is not None:
            later = replaced(row, state="due", due=due, waits_for="", until=None)
            yield Queued(at=fact.at, row=later, why=f"{fact.code} {fact.reason}", because=(n,))
            return
    how = "expired" if fact.temporary else "bounced"
    yield Settled(at=fact.at, key=row.key, message=row.message, how=how, because=(n,))
    if not row.null_sender:
        yield _ndr(row, n, fact.code, fact.enhanced, fact.text, False)
    yield from campaign_cleared(states, row.campaign, fact.at, n)


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
    row = replaced(fact.row, attempts=fact.row.attempts + 1, refused=fact.row.refused + 1)
    if fact.retry == "never" and fact.zone is None and row.moved:
        report = _ndr(row, n, fact.code, fact.enhanced, fact.text, True)
        why = "refused for good"
        yield from _bounced_for_block(states, row, "|".join(path), fact.at, n, report, why)
        return
    if fact.retry == "never":
        row = replaced(row, moved=True)  # never by another address; it waits for its own
    yield from place(states, row, fact.at, n, "refused")


def _bounced_for_block(
    states: States, row: Row, path: str, at: float, n: int, report: SendNdr, why: str
) -> Iterator[Out]:
    """The sender is told; the letter is kept for a re-send, but not a second time."""
    if row.null_sender or row.again:
        yield Settled(at=at, key=row.key, message=row.message, how="bounced", because=(n,))
    else:
        until = at + states.accept.policy.books_s
        yield from _kept(row, path, until, at, n, why)
    if not row.null_sender:
        yield report


def _kept(row: Row, path: str, until: float, at: float, n: int, why: str) -> Iterator[Out]:
    booked = replaced(row, state="booked", waits_for=f"book:{path}", until=until, due=None)
    yield Booked(at=at, row=booked, until=until, because=(n,))
    yield Queued(at=at, row=booked, why=why, because=(n,))


def _suspected(states: States, fact: Suspicion, n: int) -> Iterator[Out]:
    no_canary(states, fact.row)
    row = replaced(fact.row, attempts=fact.row.attempts + 1, refused=fact.row.refused + 1)
    until = fact.at + states.accept.policy.suspicion_wait_s
    if row.moved or fact.row.refused:  # a second doubtful reply adds no patience
        until = min(until, row.first_at + 2 * states.accept.policy.suspicion_wait_s)
    wait = replaced(
        row,
        state="wait",
        waits_for=f"suspicion:{fact.address}|{fact.receiver}",
        until=max(until, fact.at),
    )
    yield Queued(at=fact.at, row=wait, why="may be a refusal; waits to see", because=(n,))


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
