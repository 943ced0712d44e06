"""`unlisted serve` as a user would run it: a process of its own, met by SMTP, DNS, HTTP and a file.

Writes its configuration, its users and the history of its senders into a folder, starts it, waits
until it says it is ready, and starts it again when it dies: time stands meanwhile. The only thing
shared besides is the clock's socket.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

from unlisted_sandbox import chance
from unlisted_sandbox.product_files import Setup

READY_REAL_S = 60.0
RESTARTS_MAX = 50


class ProductError(Exception):
    """The product does not start."""


class Product:
    """One supervised process."""

    def __init__(self, setup: Setup, serve: tuple[str, ...] = ()) -> None:
        self.setup = setup
        self.restarts = -1
        self.kills = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._command = serve or (sys.executable, "-m", "unlisted")
        self._stopping = False
        self._killed = False
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, wait until it is ready, and watch it from then on."""
        self.setup.write()
        ready = self.setup.state / "ready.json"
        ready.unlink(missing_ok=True)
        self._spawn()
        deadline = time.monotonic() + READY_REAL_S
        while not ready.exists():
            if self.process is None or self.process.poll() is not None:
                raise ProductError(f"unlisted serve ended at once:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProductError(f"unlisted serve is not ready:\n{self.tail()}")
            await asyncio.sleep(0.02)
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def _spawn(self) -> None:
        self.restarts += 1
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHASHSEED",)}
        with (self.setup.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "serve", "--config", str(self.setup.config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=self.setup.folder,
            )

    async def _watch(self) -> None:
        while not self._stopping:
            await asyncio.sleep(0.1)
            process = self.process
            if process is None or process.poll() is None or self._stopping:
                continue
            if self._killed:
                self._killed = False
            else:
                self.setup.lane.faults.append(f"unlisted serve ended with {process.returncode}")
            if self.restarts >= RESTARTS_MAX:
                return
            self._spawn()

    def kill(self) -> None:
        """kill -9, as a test of its restart."""
        process = self.process
        if process is not None and process.poll() is None:
            self._killed = True
            self.kills += 1
            process.kill()
            # Until it is gone the clock takes it for idle and would let others speak to it.
            process.wait()

    def token(self) -> str:
        return (self.setup.state / "operator.token").read_text().strip()

    def tail(self) -> str:
        try:
            lines = (self.setup.folder / "serve.log").read_text(errors="replace").splitlines()
        except OSError:
            return "(no output)"
        return "\n".join(lines[-25:])

    async def stall(self, seed: int, stop: asyncio.Event) -> None:
        """Stop it for 0.3 real seconds at random moments; figures must not care."""
        n = 0
        while not stop.is_set():
            n += 1
            await asyncio.sleep(0.4 + 1.2 * chance.uniform(seed, "stall", n))
            process = self.process
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.3)
                process.send_signal(signal.SIGCONT)

    async def kill_often(self, seed: int, times: int, stop: asyncio.Event) -> None:
        """kill -9 at random real moments, whatever it is in the middle of."""
        for n in range(times):
            await asyncio.sleep(0.3 + 0.9 * chance.uniform(seed, "kill", n))
            if stop.is_set():
                return
            self.kill()

    async def stop(self) -> None:
        """SIGTERM, and if that is not enough SIGKILL."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        deadline = time.monotonic() + 10
        while process.poll() is None:
            if time.monotonic() > deadline:
                self.setup.lane.faults.append("unlisted serve did not stop on SIGTERM within 10 s")
                process.kill()
                process.wait()
                return
            await asyncio.sleep(0.02)
        if process.returncode not in (0, -signal.SIGTERM):
            self.setup.lane.faults.append(f"unlisted serve stopped with {process.returncode}")
