"""Lines of one message brought together, and which messages are told plainly within a block.

Sorted by the hash of (host, queue id), then by line. A message is plain when its lines come in
the order Postfix writes them (where from, message-id, queued, deliveries, removed), each that
comes once comes once, and one instance speaks. Everything else, however rare, is left to the
line-by-line reader, which knows what to make of it: the two must never differ.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlisted.edge.byte_words import Flags, Places, Words
from unlisted.edge.postfix_lines import (
    CLIENT,
    DELIVERY,
    MESSAGE_ID,
    PICKED_UP,
    QUEUED,
    REMOVED,
)

_PLACE_BITS = 18
_NEVER = np.int64(1 << 40)


@dataclass(frozen=True)
class Events:
    """What lines tell, in their order; odd: the plain reader must see this line; deferred: of a
    delivery."""

    lines: Places
    kinds: npt.NDArray[np.uint8]
    keys: Words
    instances: Places
    odd: Flags
    deferred: Flags


@dataclass(frozen=True)
class Groups:
    """By message: its key, the line of each telling (-1: none), and whether it is plain.

    lines: of the events, sorted; first: of each group, its place in `lines`; of: the group of
    each sorted event. tidy: nothing comes twice that comes once; ordered: and all in
    its order; plain: and nothing else is known of it, so that it is read in columns."""

    keys: Words
    lines: Places
    first: Places
    of: Places
    origin: Places
    message_id: Places
    queued: Places
    removed: Flags
    deferred: Flags
    tried: Flags
    tidy: Flags
    ordered: Flags
    plain: Flags

    @property
    def begin(self) -> Places:
        """The first line of each."""
        return self.lines[self.first]


def grouped(events: Events) -> Groups:
    order, keys = _sorted(events.keys)
    if not order.size:
        none, no = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Groups(events.keys, none, none, none, none, none, none, no, no, no, no, no, no)
    begins = np.empty(order.size, np.bool_)
    begins[0] = True
    begins[1:] = keys[1:] != keys[:-1]
    first = np.flatnonzero(begins)
    of = np.cumsum(begins) - 1
    kinds, lines, odd = events.kinds[order], events.lines[order], events.odd[order]

    def earliest(flags: Flags) -> Places:
        found: Places = np.minimum.reduceat(np.where(flags, lines, _NEVER), first)
        return found

    def count(flags: Flags) -> Places:
        found: Places = np.add.reduceat(flags.astype(np.int64), first)
        return found

    is_origin = (kinds == CLIENT) | (kinds == PICKED_UP)
    is_id, is_queued = kinds == MESSAGE_ID, kinds == QUEUED
    is_delivery, is_removed = kinds == DELIVERY, kinds == REMOVED
    origin, message_id, queued = earliest(is_origin), earliest(is_id), earliest(is_queued)
    delivery, removed = earliest(is_delivery), earliest(is_removed)
    last: Places = np.maximum.reduceat(lines, first)
    tidy = ~np.logical_or.reduceat(odd, first)
    tidy &= (count(is_origin) <= 1) & (count(is_id) <= 1) & (count(is_removed) <= 1)
    tidy &= (removed == _NEVER) | (removed == last)
    tidy &= _one_instance(events.instances[order], is_id | is_queued, first)
    ordered = tidy.copy()
    for told in (origin, message_id, queued):
        ordered &= (told == _NEVER) | (told < delivery)
    return Groups(
        keys[first],
        lines,
        first,
        of,
        np.where(origin == _NEVER, -1, origin),
        np.where(message_id == _NEVER, -1, message_id),
        np.where(queued == _NEVER, -1, queued),
        removed != _NEVER,
        np.logical_or.reduceat(events.deferred[order], first),
        delivery != _NEVER,
        tidy,
        ordered,
        ordered.copy(),
    )


def _sorted(keys: Words) -> tuple[Places, Words]:
    """By key, then by place: place and most of the key in one word sort twice as fast."""
    if keys.size < 1 << _PLACE_BITS:
        low = np.uint64((1 << _PLACE_BITS) - 1)
        packed = (keys & ~low) | np.arange(keys.size, dtype=np.uint64)
        packed.sort()
        order = (packed & low).astype(np.int64)
        found = keys[order]
        high = packed >> np.uint64(_PLACE_BITS)
        # Two keys that differ in their last bits only: one in a million blocks.
        if np.array_equal(found[1:] != found[:-1], high[1:] != high[:-1]):
            return order, found
    order = np.argsort(keys, kind="stable")
    return order, keys[order]


def _one_instance(instances: Places, speaks: Flags, first: Places) -> Flags:
    low = np.minimum.reduceat(np.where(speaks, instances, _NEVER), first)
    high = np.maximum.reduceat(np.where(speaks, instances, -1), first)
    found: Flags = (high < 0) | (low == high)
    return found
