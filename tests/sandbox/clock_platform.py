"""A toy platform for the tests of the stepping clock: takes lines, commits them, delivers them.

Run as a process: CLOCK NAME ADDRESS PORT RECEIVER_PORT JOURNAL VARIANT. Variant `early` lets go
of time while it still waits for the reply, which is the mistake the clock's check must catch.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable

from unlisted.edge.clock import SteppingClock, new_event_loop


class Platform:
    def __init__(
        self, clock: SteppingClock, address: str, receiver: int, journal: str, early: bool
    ):
        self.clock = clock
        self.address = address
        self.receiver = receiver
        self.early = early
        self.journal = open(journal, "a", encoding="ascii")  # noqa: SIM115
        self.tasks: set[asyncio.Task[None]] = set()

    async def record(self, *fact: object) -> None:
        """Commit in a thread, as the real journal does; the hold is the thread's."""
        line = " ".join(map(str, (f"{self.clock.now():.3f}", *fact)))
        with self.clock.hold("commit"):
            await asyncio.get_running_loop().run_in_executor(None, self._write, line)

    def _write(self, line: str) -> None:
        time.sleep(0.0003)  # a disk
        self.journal.write(line + "\n")
        self.journal.flush()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                word, _, ident = line.decode().strip().partition(" ")
                if word == "SUBMIT":
                    await self.record("Reception", ident)
                    self.later(0, ident, 1)
                    writer.write(b"250 ok\r\n")
                elif word == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()

    def later(self, seconds: float, ident: str, attempt: int) -> None:
        def start() -> None:
            task = asyncio.get_running_loop().create_task(self.deliver(ident, attempt))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        self.clock.call_at(self.clock.now() + seconds, start)

    async def deliver(self, ident: str, attempt: int) -> None:
        async with self.clock.turn():
            with self.clock.hold(f"deliver {ident}") as hold:
                writer = None
                try:
                    # A hang of an hour must end by patience, at the exact instant.
                    async with self.clock.patience(300):
                        reader, writer = await asyncio.open_connection(
                            "127.0.0.1", self.receiver, local_addr=(self.address, 0)
                        )
                        host, port = writer.get_extra_info("sockname")
                        hold.relabel(f"{host}:{port}")
                        await reader.readline()
                        writer.write(f"MAIL {ident} {attempt} {self.clock.now():.3f}\r\n".encode())
                        if self.early:
                            hold.close()
                        reply = (await reader.readline()).decode().strip() or "421 gone"
                        writer.write(b"QUIT\r\n")
                        await reader.readline()
                except TimeoutError:
                    reply = "timeout"
                except ConnectionError:
                    reply = "421 refused"
                finally:
                    hold.close()
                    hold.open()
                    if writer is not None:
                        writer.close()
                await self.record("Outcome", ident, attempt, reply)
                if reply[0] != "2" and attempt < 6:
                    self.later(300 * attempt, ident, attempt + 1)


async def main(clock: SteppingClock, address: str, port: int, platform: Platform) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await asyncio.start_server(platform.serve, address, port)
    await ended.wait()
    server.close()
    platform.journal.close()


if __name__ == "__main__":
    path, name, address, port, receiver, journal, variant = sys.argv[1:]
    stepping = SteppingClock.connect(path, name)
    platform = Platform(stepping, address, int(receiver), journal, variant == "early")
    on_loop: Callable[[SteppingClock], asyncio.AbstractEventLoop] = new_event_loop
    with asyncio.Runner(loop_factory=lambda: on_loop(stepping)) as runner:
        runner.run(main(stepping, address, int(port), platform))
    os._exit(0)
