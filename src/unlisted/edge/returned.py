"""What comes back after delivery: feedback, bounce mails, answers by machines, as observed facts.

A bounce mail speaks of a message that some receiver had already taken. Our trace header, or the
original's Message-ID being one of ours, leads to the row as it left; then it is a Bounce or
TransientFailure of a watched row: sense reads it, and no queue is touched, for the row is settled.
A report that leads nowhere is counted as taken and otherwise left; nothing is guessed about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from unlisted.edge.journal import Journal
from unlisted.edge.people import People
from unlisted.facts import Bounce, Delivery, FeedbackReceived, Observed, Reception
from unlisted.facts import TransientFailure as Deferral
from unlisted.mail.bounce import BounceRecord, parse_bounce
from unlisted.mail.envelope import domain_of
from unlisted.mail.trace import open_trace

MAX_RECORDS = 100
MAX_TEXT = 2000
_STAGES = frozenset({"connect", "greeting", "ehlo", "mail", "rcpt", "data", "eod"})


class Returned:
    """Reads one mail into facts; knows the journal only to find what the mail speaks of."""

    def __init__(self, journal: Journal, people: People, trace_key: bytes) -> None:
        self._journal = journal
        self._people = people
        self._trace_key = trace_key

    def facts(self, content: bytes, reverse_path: str, at: float) -> list[Observed] | None:
        """The facts of a report, none for a delivery notice or an automatic answer, None for what
        is no report at all."""
        records = parse_bounce(content)[:MAX_RECORDS]
        if not records:
            return None
        return list(self._told(records, reverse_path, at))

    def _told(
        self, records: Iterable[BounceRecord], reverse_path: str, at: float
    ) -> Iterator[Observed]:
        for record in records:
            message = self._message(record.trace)
            if record.kind == "feedback":
                yield self._feedback(record, message, reverse_path, at)
            elif record.kind in ("bounce", "delayed") and message is not None:
                yield from self._bounced(record, message, at)

    def _message(self, trace: str | None) -> Reception | None:
        number = open_trace(self._trace_key, trace) if trace else None
        line = self._journal.line(number) if number is not None else None
        if line is None or line.kind != "Reception":
            return None
        fact = line.fact()
        return fact if isinstance(fact, Reception) else None

    def _feedback(
        self, record: BounceRecord, message: Reception | None, reverse_path: str, at: float
    ) -> FeedbackReceived:
        return FeedbackReceived(
            at=at,
            feedback_type=(record.feedback_type or "abuse")[:40],
            message=message.id if message else None,
            sender=message.sender if message else None,
            recipient=self._people.person(record.recipient) if record.recipient else None,
            reporter=(domain_of(reverse_path) or record.reporting_mta or "")[:200],
        )

    def _bounced(self, record: BounceRecord, message: Reception, at: float) -> Iterator[Observed]:
        left = self._left(message.id, record)
        if left is None:
            return
        kind = Deferral if record.kind == "delayed" or (record.status or "5")[0] == "4" else Bounce
        text = self._people.redacted(
            (record.diagnostic or record.text)[:MAX_TEXT],
            [one for one in (record.recipient, record.original_recipient) if one],
        )
        yield kind(
            at=at,
            row=replace(left.row, watched=True),
            address=left.address,
            receiver=left.receiver,
            code=record.code,
            enhanced=record.status,
            text=text,
            stage=record.command if record.command in _STAGES else "eod",
        )

    def _left(self, message: str, record: BounceRecord) -> Delivery | None:
        """How the recipient's row left; of a message with one recipient whatever the report says
        of the address, which forwarding may have changed."""
        found = list(self._deliveries(message))
        wanted = {
            self._people.person(one) for one in (record.original_recipient, record.recipient) if one
        }
        for fact in reversed(found):
            if fact.row.recipient in wanted:
                return fact
        rows: set[str] = {fact.row.key for fact in found}
        return found[-1] if len(rows) == 1 else None

    def _deliveries(self, message: str) -> Iterator[Delivery]:
        for line in self._journal.about(message):
            if line.kind == "Delivery":
                fact = line.fact()
                if isinstance(fact, Delivery):
                    yield fact
