"""Addresses of a world: mailboxes, traps and nobody at its receivers, and where clients come from.

Whether an address is a mailbox, a trap or nobody is a keyed hash of the address itself, so it can be
asked of any address without a table and nothing in its spelling tells.
"""

from __future__ import annotations

from typing import Literal

from unlisted_sandbox import names
from unlisted_sandbox.chance import Draw, uniform
from unlisted_sandbox.world import World

# Submission clients live in 127.96.0.0/12; scripts' hosts in 127.112.0.0/16. Platforms and
# receivers must use other parts of 127/8.

AddressKind = Literal["mailbox", "unknown", "trap"]
_MAILBOX_BELOW = 0.30
_TRAP_BELOW = 0.33


def address_kind(seed: int, address: str) -> AddressKind:
    u = uniform(seed, "who", address)
    return "mailbox" if u < _MAILBOX_BELOW else "trap" if u < _TRAP_BELOW else "unknown"


def stranger(world: World, draw: Draw, kind: AddressKind = "mailbox") -> str:
    """An address of this kind at some receiver, drawn by the receivers' shares."""
    receiver = draw.weighted(world.receivers, [r.share for r in world.receivers])
    domain = draw.pick(receiver.domains)
    # Spelled first, then kept if its hash is of the kind wanted: so spelling cannot tell.
    while True:
        address = f"{names.local_part(draw)}@{domain}"
        if address_kind(world.seed, address) == kind:
            return address


def client_address(draw: Draw) -> str:
    return f"127.{96 + draw.below(16)}.{draw.below(256)}.{1 + draw.below(254)}"
