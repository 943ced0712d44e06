"""Where a row goes next: an address now, or the condition that ends its wait (DESIGN section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from unlisted.commands import Deliver
from unlisted.facts import Pool, Queued, Routed, Row
from unlisted.loop._resting import campaign_key, path_key
from unlisted.routing.draw import draw, epoch_of

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States


def place(states: States, row: Row, at: float, n: int, why: str) -> Iterator[Out]:
    """Decide where a row goes next: an address now, or the condition it waits for."""
    hold = states.contain.covers(row)
    if hold is not None:
        no_canary(states, row)
        until = _at_most(row, states.contain.holds[hold].expires_at)
        held = replaced(row, state="held", waits_for=f"hold:{hold}", until=until)
        yield Queued(at=at, row=held, why=f"held: {hold}", because=(n,))
        return
    rule = states.prevent.covers(row)
    if rule is not None:
        no_canary(states, row)
        until = _at_most(row, at + states.accept.policy.hold_s)
        held = replaced(row, state="held", waits_for=f"rule:{rule}", until=until)
        yield Queued(at=at, row=held, why=f"held by rule {rule}", because=(n,))
        return
    pool = _pool(states, row)
    if pool is None:
        states.deliver.poolless = True
        wait = replaced(row, state="wait", waits_for="pool", until=give_up(states, row))
        yield Queued(at=at, row=wait, why="no pool is configured", because=(n,))
        return
    if why in ("sample", "canary"):  # a canary is a sample too, or path and sender wait in turn
        states.deliver.samples.add(row.key)
    elif states.explain.sampled(row):
        no_canary(states, row)
        until = give_up(states, row)
        wait = replaced(row, state="wait", waits_for=f"sender:{row.sender}", until=until)
        yield Queued(at=at, row=wait, why="its sender may have caused a listing", because=(n,))
        return
    epoch = epoch_of(at, pool.epoch_s)
    if row.address not in states.deliver.pool_of and not row.refused:
        no_canary(states, row)
        row = replaced(row, drawn="", address="")  # never drawn, or its address was taken away
    if not row.drawn:
        first = draw(states.key, row.sender, epoch, pool.addresses)
        row = replaced(row, drawn=first.address, address=first.address)
        if _open(states, row, first.address):
            yield _routed(row, pool, first.address, first.probability, epoch, "draw", at)
            yield from _send(row, pool, first.address, at, n)
            return
    elif _open(states, row, row.address):
        yield _routed(row, pool, row.address, 1.0, epoch, "kept", at, among=1)
        yield from _send(row, pool, row.address, at, n, cautious=why == "canary")
        return
    yield from _elsewhere(states, row, pool, epoch, at, n)


def other_addresses(states: States, row: Row, pool: Pool, at: float) -> list[str]:
    """Addresses whose path is open and that have room for one more refused message today."""
    rests = states.deliver.rests
    others = [a for a in pool.addresses if states.deliver.path(row, a) not in rests]
    if row.refused:
        others = [a for a in others if states.deliver.carried(a, at).room(at) > 0]
    return others


def may_move(states: States, row: Row, at: float) -> bool:
    """Whether a refused row may leave by another address now (DESIGN section 8)."""
    pool = _pool(states, row)
    if row.moved or pool is None or not _sender_cleared(states, row):
        return False
    if not other_addresses(states, row, pool, at):
        return False
    return states.explain.judged(states, row, at)[0] == "clean"


def _elsewhere(
    states: States, row: Row, pool: Pool, epoch: int, at: float, n: int
) -> Iterator[Out]:
    """The row's path rests: another address if DESIGN section 8 allows, else wait."""
    verdict, reasons = states.explain.judged(states, row, at)
    others = other_addresses(states, row, pool, at)
    may = verdict == "clean" and not row.moved and _sender_cleared(states, row)
    if may and others:
        without = [a for a in pool.addresses if a not in others]
        again = draw(states.key, row.sender, epoch, pool.addresses, without=without)
        moved = replaced(row, address=again.address, moved=row.refused > 0)
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
    wait = replaced(row, state="wait", waits_for=condition, until=give_up(states, row))
    why = "path rests; " + (reasons or ("no other address has room" if may else verdict))
    yield Queued(at=at, row=wait, why=why, because=(n,))


def _may_clear(states: States, campaign: str, at: float) -> bool:
    """Whether answers to near-duplicates can still change the verdict on one of them."""
    if states.accept.index.members(campaign) < 2:
        return False
    return not states.explain.campaign_clean(states, campaign, at)


def _send(
    row: Row, pool: Pool, address: str, at: float, n: int, *, cautious: bool = False
) -> Iterator[Out]:
    out = replaced(row, state="out", address=address, waits_for="", until=None, due=None)
    yield Queued(at=at, row=out, because=(n,))
    yield Deliver(
        key=f"{row.key}/{row.attempts}.{n}",
        row=out,
        address=address,
        helo=pool.helo,
        cautious=cautious,
    )


def no_canary(states: States, row: Row) -> None:
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


def give_up(states: States, row: Row) -> float:
    """When a row is given up; one without a sender after a day, for nobody waits for its NDR; a
    re-send with the end of its time in the books."""
    if row.again:
        return row.again
    return row.first_at + (86400.0 if row.null_sender else states.accept.policy.give_up_s)


def _at_most(row: Row, until: float) -> float:
    """A bounced letter's body is kept no longer for being held."""
    return min(until, row.again) if row.again else until


def replaced(row: Row, **changes: object) -> Row:
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
