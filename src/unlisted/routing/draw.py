"""Keyed rotation: which egress address a sender's messages leave by during one epoch.

Rendezvous hashing (Thaler, Ravishankar 1998) of (sender, epoch) under a secret key: every address
gets a keyed score, the highest wins. So the draw is uniform, needs no state, and taking one address
away moves only the senders that had it. The draw and its probability go into the fact: this is a
randomised experiment, and `causes` reads it as one.

Refuses an empty pool and an empty key. Retries of a message must reuse its recorded draw.
"""

from collections.abc import Collection, Sequence
from hashlib import blake2b

import msgspec


class DrawError(ValueError):
    """No address is left to draw from, or the key is empty."""


class Draw(msgspec.Struct, frozen=True):
    """The address, the chance it had, and among which it was drawn.

    `redraw` says that the pool's own draw was an address left out, so this one is not part of the
    experiment's first round.
    """

    address: str
    probability: float
    epoch: int
    among: tuple[str, ...]
    redraw: bool


def epoch_of(at: float, epoch_s: float = 3600.0) -> int:
    """Epochs lie on multiples of their length since the Unix epoch: the clock alone turns them."""
    if epoch_s <= 0:
        raise DrawError(f"an epoch of {epoch_s} s")
    return int(at // epoch_s)


def draw(
    key: bytes,
    sender: str,
    epoch: int,
    addresses: Sequence[str],
    without: Collection[str] = (),
) -> Draw:
    """One address of the pool for this sender and epoch, never one of `without`."""
    if not key:
        raise DrawError("the rotation key is empty")
    everyone = sorted(set(addresses))
    among = tuple(address for address in everyone if address not in without)
    if not among:
        raise DrawError(f"no address left of {len(everyone)}")
    secret = blake2b(key).digest()
    # The sender's length goes in, so that no two (sender, epoch, address) read the same.
    name = sender.encode("utf-8", "surrogateescape")
    start = blake2b(b"%d:%s%d:" % (len(name), name, epoch), key=secret, digest_size=16)

    def score(address: str) -> tuple[bytes, str]:
        state = start.copy()
        state.update(address.encode("utf-8", "surrogateescape"))
        return state.digest(), address

    first = max(map(score, everyone))[1]
    chosen = first if first in among else max(map(score, among))[1]
    return Draw(chosen, 1.0 / len(among), epoch, among, chosen != first)
