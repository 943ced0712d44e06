"""The service on virtual time: stations, journal, queue and SMTP in a world's process, no sockets.

`python -m unlisted.apps.virtual --world FILE --seed N [--state DIR] [--json FILE] [--progress]`

Everything is what `unlisted serve` is made of but for the two seams to the network: connections are
joined in memory, DNS questions are answered by a call. A run says the same facts as over sockets.
The journal is not synced: it lives no longer than the run, or as long as DIR is kept.
Exit codes: 0 it ran, 1 a fault of the run or a false all-clear, 2 usage, or a world with problems.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import dns.message

from unlisted.apps import serve
from unlisted.apps.operator import Operator
from unlisted.apps.public import Public
from unlisted.apps.settings import load, read_history
from unlisted.edge.clock import Clock, Hold
from unlisted.edge.dns_client import DnsClient, DnsError
from unlisted.edge.journal import Journal
from unlisted.edge.people import People, derived
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.routes import Hop
from unlisted.edge.runner import Runner
from unlisted.edge.service import Service
from unlisted.edge.smtp_client import MAX_LINE, Streams
from unlisted_sandbox import virtual

TOKEN = "virtual"


class _Names(DnsClient):
    """A resolver that is asked by a call."""

    def __init__(self, net: virtual.Net) -> None:
        super().__init__("127.0.0.1")
        self._net = net

    async def exchange(
        self, query: dns.message.Message, wire: bytes, hold: Hold
    ) -> dns.message.Message:
        answer = self._net.ask(wire)
        if answer is None:
            raise DnsError("no answer")
        return dns.message.from_wire(answer, ignore_trailing=True)


class Platform:
    """The whole service, wired for a world in this process."""

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self._service: Service | None = None
        self._model: ReadModel | None = None
        self._faces: dict[bool, Any] = {}

    async def start(self, clock: virtual.LaneClock, config: Path, net: virtual.Net) -> None:
        """As `unlisted serve` does: what it was configured with, the history, then mail."""
        mine = cast(Clock, clock)  # the same contract, written twice: the sandbox imports nothing
        settings = load(config)
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = serve.site_secret(settings)
        journal = Journal(settings.journal, secret, durable=False)
        runner = self.runner = Runner(journal, derived(secret, "draw"))

        async def dial(source: str, hop: Hop, bound: Callable[[str], None]) -> Streams:
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader(limit=MAX_LINE, loop=loop)
            protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
            transport = net.connect(source, (hop.host, hop.port), protocol, bound)
            return reader, asyncio.StreamWriter(
                cast(asyncio.WriteTransport, transport), protocol, reader, loop
            )

        service = self._service = Service(
            serve.relay_settings(settings), mine, runner, secret, dial=dial, client=_Names(net)
        )
        with mine.hold("start"):
            await serve.record_configured(runner, settings.config, mine.now())
            if settings.config.history.import_:
                histories = read_history(settings.beside(settings.config.history.import_))
                await serve.record_histories(runner, People(secret), histories, mine.now())
        self._model = ReadModel(settings.journal, live=True)
        name = settings.config.hostname
        self._faces = {
            True: Public(self._model, name).app,
            False: Operator(self._model, TOKEN, _nobody_acts, mine.now, name=name).app,
        }
        service.performer.start()

    def session(self) -> asyncio.Protocol:
        """A session at the submission port."""
        assert self._service is not None
        return self._service.server.session()

    async def get(self, public: bool, path: str) -> tuple[int, bytes]:
        """A page, asked for as an ASGI server would (the operator's with the token)."""
        headers = [(b"host", b"127.0.0.1")]
        if not public:
            headers.append((b"authorization", b"Bearer " + TOKEN.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        await self._faces[public](scope, receive, send)
        return said[0]["status"], b"".join(one.get("body", b"") for one in said[1:])

    async def stop(self) -> None:
        """As on SIGTERM."""
        try:
            if self._service is not None:
                await self._service.stop()
        finally:
            if self._model is not None:
                self._model.close()
            if self.runner is not None:
                self.runner.journal.close()


async def _nobody_acts(actor: str, what: str, target: str, reason: str, role: str) -> None:
    raise AssertionError("on virtual time nobody sits at the page")


def run(world: virtual.World, folder: Path | None = None, progress: bool = False) -> virtual.Result:
    """A world to its end. `folder` (empty, or not there yet) keeps journal and configuration."""
    return virtual.run(world, Platform(), folder, progress)


def main(argv: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m unlisted.apps.virtual",
        description="The service in a world without sockets.",
    )
    parser.add_argument(
        "--world",
        metavar="FILE",
        required=True,
        help="docs/world.md; or the name of one that ships",
    )
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument("--state", metavar="DIR", type=Path, help="keep the journal there")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the scoreboard there")
    parser.add_argument("--progress", action="store_true", help="say how far it is, on stderr")
    given = parser.parse_args(argv)
    if given.state is not None and (given.state / "journal.db").exists():
        parser.error(f"--state: {given.state} has a journal already; a run begins with none")
    try:
        world = virtual.read(virtual.named(given.world), given.seed)
    except virtual.WorldError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    began = time.monotonic()
    result = run(world, given.state, given.progress)
    real_s = time.monotonic() - began
    if given.json is not None:
        given.json.write_bytes(result.json())
    days = result.simulated_s / 86400
    print(f"world {result.world}, seed {result.seed}: {days:.1f} days in {real_s:.0f} s")
    print(virtual.table(result.platforms))
    wrong = [*result.faults, *(f"false all-clear: {x}" for x in result.false_all_clear())]
    for line in wrong:
        print(f"fault: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
