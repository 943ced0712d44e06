"""Signing in on the operator's page: by name and password, by a link that works once, by the token.

Sign-ins are Acted facts, refused ones are counted (`SignInsRefused`), one fact a minute at most. A
name that is nobody's is never recorded: people type passwords into that field. Who is removed, or
gets another password, is signed out.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

import msgspec

from unlisted.apps.access import EVERY, Who
from unlisted.apps.attempts import Attempts
from unlisted.edge.staff import Person, Staff, StaffError
from unlisted.facts import Observed, SignInsRefused

log = logging.getLogger("unlisted.signing")

SESSION_S = 12 * 3600.0
MAX_SESSIONS = 64
COUNTED_S = 60.0  # refused sign-ins of this time are one fact
MAX_NAMES = 20
Record = Callable[[Observed], Awaitable[None]]


class Session(msgspec.Struct, frozen=True):
    """Somebody who signed in. Times are real: a session guards a browser, not mail. `stored`: the
    hash that the password was tried against; empty: signed in by token or link."""

    actor: str
    csrf: str
    until: float
    stored: str = ""


class Wait(Exception):
    """Too many tries; `seconds` until the next."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds:.0f} s")
        self.seconds = seconds


class Signing:
    """Sessions, and the only question: who is this?"""

    def __init__(self, staff: Staff | None, record: Record, now: Callable[[], float]) -> None:
        self.staff = staff
        self._record = record
        self._now = now
        self._sessions: dict[str, Session] = {}
        self._attempts = Attempts()
        self._one = asyncio.Lock()  # a hash takes 64 MiB: one at a time
        self._refused = 0
        self._since = 0.0
        self._names: dict[str, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ sessions

    def opened(self, actor: str, stored: str = "") -> str:
        """A new session's name, for the cookie."""
        now = time.monotonic()
        self._sessions = {k: s for k, s in self._sessions.items() if s.until > now}
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        name = secrets.token_urlsafe(32)
        self._sessions[name] = Session(actor, secrets.token_urlsafe(24), now + SESSION_S, stored)
        return name

    def closed(self, name: str) -> None:
        self._sessions.pop(name, None)

    def session(self, name: str) -> tuple[Session, Who] | None:
        """The session of a cookie and who it is, by the people file as it stands now."""
        session = self._sessions.get(name)
        if session is None or session.until <= time.monotonic():
            return None
        if not session.stored:
            return session, Who(session.actor, EVERY)
        person = self.people().get(session.actor)
        if person is None or not hmac.compare_digest(person.stored, session.stored):
            self.closed(name)
            return None
        return session, Who(person.name, person.roles)

    def people(self) -> dict[str, Person]:
        """By the file; a file that cannot be read lets nobody in."""
        try:
            return self.staff.people() if self.staff else {}
        except StaffError as exc:
            log.error("%s", exc)
            return {}

    # ------------------------------------------------------------ trying

    async def verified(self, name: str, password: str, client: str) -> Person | None:
        """Who signs in. Raises Wait, StaffError. Time tells nothing of which names there are."""
        keys = (("name", name[:40]), ("client", client[:64]), ("all", ""))
        wait = self._attempts.wait(keys, time.monotonic())
        if wait:
            self.refused(name)
            raise Wait(wait)
        person = None
        if self.staff is not None:
            async with self._one:
                person = await asyncio.to_thread(self.staff.verify, name[:100], password)
        if person is None:
            self.refused(name)
        else:
            self._attempts.give_back(keys, time.monotonic())
        return person

    # ------------------------------------------------------------ counting refusals

    def refused(self, name: str = "") -> None:
        """Count one; the first is written at once, what follows within a minute as one fact."""
        if not self._refused:
            self._since = self._now()
        self._refused += 1
        if name in self.people() and len(self._names) < MAX_NAMES:
            self._names[name] = None
        if self._timer is None:
            self._flush()

    def _flush(self) -> None:
        self._timer = None
        if self._refused:
            self._timer = asyncio.get_running_loop().call_later(COUNTED_S, self._flush)
            task = asyncio.ensure_future(self._written(self._taken()))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def _taken(self) -> SignInsRefused:
        fact = SignInsRefused(
            at=self._now(), since=self._since, count=self._refused, names=tuple(sorted(self._names))
        )
        self._refused, self._names = 0, {}
        return fact

    async def _written(self, fact: SignInsRefused) -> None:
        try:
            await self._record(fact)
        except Exception as exc:  # the runner has logged why; the count must not be lost with it
            log.error("%d refused sign-ins could not be recorded: %s", fact.count, exc)

    async def close(self) -> None:
        """Write down what is counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._refused:
            await self._written(self._taken())
        if self._writing:
            await asyncio.wait(self._writing)
