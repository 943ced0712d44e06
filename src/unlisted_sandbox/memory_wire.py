"""A connection without a socket: two protocols, each the other's transport.

What one writes the other has before `write` returns, so a conversation needs no turn of the event
loop but those its own tasks take. A close is seen as TCP shows it: the bytes before it first, then
the end. Refuses nothing; a write after a close goes nowhere.
"""

from __future__ import annotations

import asyncio
from typing import Any

Address = tuple[str, int]


class End(asyncio.Transport):
    """One protocol's side of it."""

    def __init__(self, own: asyncio.Protocol, mine: Address, theirs: Address) -> None:
        super().__init__({"sockname": mine, "peername": theirs})
        self._own = own
        self._other: End | None = None
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        other = self._other
        if data and not self._closing and other is not None and not other._closing:
            other._own.data_received(bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._gone)

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def _gone(self) -> None:
        self._own.connection_lost(None)
        other, self._other = self._other, None
        if other is not None and not other._closing and not other._own.eof_received():
            other.close()


def joined(
    initiator: asyncio.Protocol, server: asyncio.Protocol, source: Address, to: Address
) -> asyncio.Transport:
    """Connect them; the initiator's transport."""
    here, there = End(initiator, source, to), End(server, to, source)
    here._other, there._other = there, here
    initiator.connection_made(here)
    server.connection_made(there)
    return here
