"""One attempt: the message put together, the connection found or made, the answer made fit to keep.

Adds the trace field and our Received field (RFC 5321 section 4.4). Tries the addresses of a route in
order while nobody has answered for good. A connection that was kept and died meanwhile is no answer:
the attempt is made once more on a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

from unlisted.commands import Deliver, TestPath
from unlisted.edge.clock import Clock, Hold
from unlisted.edge.journal import Journal
from unlisted.edge.people import People
from unlisted.edge.routes import Hop, NoRoute, Routes
from unlisted.edge.smtp_client import (
    Answer,
    Connection,
    Departs,
    Dial,
    Refused,
    dial_tcp,
    open_connection,
)
from unlisted.facts import Reception, Row
from unlisted.mail.message import add_header
from unlisted.mail.trace import TRACE_HEADER, seal

MAX_TEXT = 4096


class Attempt(msgspec.Struct, frozen=True):
    """`answer` None: not attempted. `connection`: still open, to be kept or not."""

    answer: Answer | None
    connection: Connection | None

    @property
    def went_well(self) -> bool | None:
        """None: nothing was learned about the path."""
        return None if self.answer is None else self.answer.positive


class Envelope(msgspec.Struct, frozen=True):
    """What one attempt hands over."""

    reverse_path: str
    recipient: str
    content: bytes


class Courier:
    """Delivers one message, tests one path."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        people: People,
        routes: Routes,
        *,
        hostname: str,
        trace_key: bytes,
        dial: Dial = dial_tcp,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._people = people
        self._routes = routes
        self._hostname = hostname
        self._trace_key = trace_key
        self._dial = dial

    async def deliver(
        self,
        hold: Hold,
        command: Deliver,
        kept: Connection | None,
        departs: Departs | None = None,
    ) -> Attempt:
        """Hand the row's message over. `kept`: an idle connection of its path; `departs`: awaited
        before its content leaves."""
        envelope = self._envelope(command.row)
        if isinstance(envelope, Answer):
            return Attempt(envelope, kept)
        try:
            route = await self._routes.find(command.row.domain, hold)
        except NoRoute as exc:
            return Attempt(Answer("connect", exc.code, exc.enhanced, str(exc)), kept)
        if kept is not None and (command.cautious or kept.helo != command.helo):
            # A canary must meet the receiver's greeting too: that may be where it refuses.
            hold.relabel(kept.label)
            await kept.quit()
            kept = None
        known = (envelope.reverse_path, envelope.recipient)
        if kept is not None:
            hold.relabel(kept.label)
            answer = await _hand_over(kept, envelope, departs)
            if not (answer.code in (0, 421) and answer.stage == "mail"):
                return Attempt(self._fit(answer, known), kept)
            kept.close()
        try:
            connection = await self._connect(hold, command.address, command.helo, route.hops)
        except Refused as exc:
            return Attempt(self._fit(exc.answer, known), None)
        answer = await _hand_over(connection, envelope, departs)
        return Attempt(self._fit(answer, known), connection)

    async def test(self, hold: Hold, command: TestPath, kept: Connection | None) -> Attempt:
        """Ask a receiver without mail, on a new connection."""
        if kept is not None:
            hold.relabel(kept.label)
            await kept.quit()
        try:
            domain, route = await self._routes.find_receiver(command.receiver, hold)
            connection = await self._connect(hold, command.address, command.helo, route.hops)
        except NoRoute as exc:
            return Attempt(Answer("connect", exc.code, exc.enhanced, str(exc)), None)
        except Refused as exc:
            return Attempt(self._fit(exc.answer, ()), None)
        try:
            answer = await connection.test(f"postmaster@{domain}")
        except BaseException:
            connection.close()
            raise
        return Attempt(self._fit(answer, ()), connection)

    async def _connect(
        self, hold: Hold, address: str, helo: str, hops: Sequence[Hop]
    ) -> Connection:
        refused = Refused(Answer("connect", 0, None, "no address to try"))
        for hop in hops:
            if (":" in hop.host) != (":" in address):
                refused = Refused(Answer("connect", 0, None, "no address of our family"))
                continue
            try:
                return await open_connection(self._clock, hold, address, helo, hop, self._dial)
            except Refused as exc:
                refused = exc
                if exc.answer.code >= 500:  # an answer for good: another host says the same
                    raise
        raise refused

    def _envelope(self, row: Row) -> Envelope | Answer:
        """The message of a row as it goes out, or why there is none."""
        line = self._journal.line(int(row.message[1:]))
        reception = line.fact() if line is not None else None
        body = self._journal.body(row.message)
        recipient = self._journal.person(row.recipient)
        if not isinstance(reception, Reception) or body is None:
            return Answer("connect", 554, "5.3.0", "the message was erased here")
        reverse_path = ""
        if reception.reverse_path:
            reverse_path = self._journal.person(reception.reverse_path) or ""
        if recipient is None or bool(reception.reverse_path) != bool(reverse_path):
            return Answer("connect", 554, "5.3.0", "a person of this message was erased here")
        # No "for" and no client: a copy must not tell recipients of each other, nor a stranger
        # where our users sit.
        received = f"by {self._hostname} id {row.message}; {_date(row.first_at)}"
        content = add_header(body, "Received", received)
        trace = seal(self._trace_key, int(row.message[1:]))
        return Envelope(reverse_path, recipient, add_header(content, TRACE_HEADER, trace))

    def _fit(self, answer: Answer, known: Sequence[str]) -> Answer:
        """The answer without people's addresses, bounded."""
        text = self._people.redacted(answer.text[:MAX_TEXT], known)[:MAX_TEXT]
        return msgspec.structs.replace(answer, text=text)


async def _hand_over(connection: Connection, envelope: Envelope, departs: Departs | None) -> Answer:
    try:
        return await connection.deliver(
            envelope.reverse_path, envelope.recipient, envelope.content, departs
        )
    except BaseException:
        connection.close()
        raise


def _date(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC))
