"""Tells the operator's people by apprise, in a process that is ended when it takes too long.

Not in a thread: a service that hangs could not be ended, and apprise with all it imports would stay
in the relay's memory. Drafts and calls go to whoever is on duty, all else to the common addresses,
and each kind to the other where its own is empty. What comes back is counts and kinds of service.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence

import msgspec

from unlisted.commands import Notify
from unlisted.edge.clock import RealSeconds
from unlisted.edge.rota import Rota

log = logging.getLogger("unlisted.notice")

TELL_S = RealSeconds(30.0)
FOR_DUTY = ("duty", "draft", "deadline")
KINDS = {"duty": "failure", "deadline": "failure", "fault": "failure", "draft": "info"}
MAX_OUTPUT = 4096


class Told(msgspec.Struct, frozen=True):
    """Whether each address was reached, in order: (its scheme, reached)."""

    services: tuple[tuple[str, bool], ...] = ()

    @property
    def reached(self) -> int:
        return sum(ok for _, ok in self.services)

    @property
    def failed(self) -> int:
        return len(self.services) - self.reached

    @property
    def why(self) -> str:
        """Which kinds of service failed; empty: none."""
        if not self.services:
            return "nobody to tell"
        kinds = sorted({scheme for scheme, ok in self.services if not ok})
        return "failed: " + ", ".join(kinds) if kinds else ""


class Board:
    """`common`: addresses for all notices; `people`: by name, those of the rota."""

    def __init__(
        self, common: Sequence[str], people: Mapping[str, Sequence[str]], rota: Rota
    ) -> None:
        self._common = tuple(common)
        self._people = {name: tuple(urls) for name, urls in people.items()}
        self._rota = rota

    def addresses(self, what: str, at: float) -> tuple[str, ...]:
        """Who is told of such a notice at that moment, each once."""
        on_duty = [url for name in self._rota.on_duty(at) for url in self._people.get(name, ())]
        if what in FOR_DUTY and on_duty:
            return tuple(dict.fromkeys(on_duty))
        return tuple(dict.fromkeys(self._common or on_duty))

    @property
    def everybody(self) -> tuple[str, ...]:
        """Every address there is, each once."""
        people = [url for urls in self._people.values() for url in urls]
        return tuple(dict.fromkeys([*self._common, *people]))

    async def tell(self, command: Notify, at: float) -> Told:
        """Hand it over; never raises but for its own cancellation."""
        kind = KINDS.get(command.what, "warning")
        return await told(self.addresses(command.what, at), command.title, command.text, kind)


async def told(urls: Sequence[str], title: str, text: str, kind: str = "info") -> Told:
    """One notice to these addresses, within `TELL_S` real seconds."""
    if not urls:
        return Told()
    given = json.dumps({"urls": list(urls), "title": title, "text": text, "kind": kind}).encode()
    ended: dict[int, bool] = {}
    try:
        await _run(given, ended)
    except (OSError, ValueError) as exc:
        log.error("a notice could not be handed over: %s", type(exc).__name__)
    return Told(tuple((scheme(url), ended.get(i, False)) for i, url in enumerate(urls)))


def scheme(url: str) -> str:
    """The kind of service, which is all of an address that may be shown."""
    return url.partition(":")[0].lower()[:20]


async def _run(given: bytes, ended: dict[int, bool]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "unlisted.edge.notice_worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=MAX_OUTPUT,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(TELL_S):
            with contextlib.suppress(ConnectionError):
                process.stdin.write(given)
                await process.stdin.drain()
                process.stdin.close()
            while line := await process.stdout.readline():
                found = re.fullmatch(rb"(\d{1,3}) (ok|failed)\s*", line)
                if found:
                    ended[int(found[1])] = found[2] == b"ok"
    except TimeoutError:
        log.warning("a notice took longer than %g s", TELL_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
