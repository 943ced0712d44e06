"""Two protocols joined without a socket."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from unlisted_sandbox.memory_wire import joined


class Told(asyncio.Protocol):
    def __init__(self, stays: bool = False) -> None:
        self.heard: list[object] = []
        self.stays = stays

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.heard.append(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def eof_received(self) -> bool:
        self.heard.append("end")
        return self.stays

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append("lost")


def both(stays: bool, *written: bytes) -> tuple[Told, Told]:
    a, b = Told(), Told(stays)

    async def talk() -> None:
        end = joined(a, b, ("127.0.0.1", 7), ("127.0.0.2", 25))
        for data in written:
            end.write(data)
        end.close()
        end.close()
        end.write(b"too late")
        for _ in range(4):
            await asyncio.sleep(0)

    asyncio.run(talk())
    return a, b


@given(st.lists(st.binary(min_size=1)))
def test_bytes_come_whole_and_in_order_and_before_the_end(written: list[bytes]) -> None:
    a, b = both(False, *written)
    assert a.heard == [("127.0.0.2", 25), "lost"]
    assert b.heard == [("127.0.0.1", 7), *written, "end", "lost"]


def test_a_side_that_stays_after_the_end_is_not_closed() -> None:
    assert both(True)[1].heard == [("127.0.0.1", 7), "end"]
