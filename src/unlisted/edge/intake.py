"""What becomes of a message between its final dot and our reply.

A submission becomes a Reception, or a Rejection when a hold covers it; a message to the abuse
mailbox is read by `returned` and not queued. 250 only after the commit; a journal that
cannot be written is 451, and the client keeps the message (RFC 5321 section 4.2.5).
Refuses a mail loop (section 6.3) and a message to the abuse mailbox that is no report.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from unlisted.campaigns.fingerprint import fingerprint
from unlisted.edge.clock import Clock
from unlisted.edge.journal import JournalError
from unlisted.edge.people import People
from unlisted.edge.returned import Returned
from unlisted.edge.runner import Quarantined, Runner
from unlisted.facts import Observed, Reception, Recipient, Rejection
from unlisted.loop import accept
from unlisted.mail.envelope import domain_of
from unlisted.mail.message import (
    MAX_HEADERS,
    bare_subject,
    body_digest,
    body_text,
    header,
    split,
)

log = logging.getLogger("unlisted.intake")

MAX_HOPS = 100  # RFC 5321 section 6.3: "large, normally at least 100"
LATER = "451 4.3.0 Cannot take this message now, try again later"


class Submitter(msgspec.Struct, frozen=True):
    """Who hands a message in. `origin`: login, host, unknown; `name`: as the operator knows it."""

    sender: str
    tenant: str
    origin: str
    name: str


class Intake:
    """Takes whole messages. Knows no sockets."""

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        people: People,
        *,
        trace_key: bytes,
        abuse: Sequence[str] = (),
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._people = people
        self._returned = Returned(runner.journal, people, trace_key)
        self._abuse = frozenset(address.lower() for address in abuse)

    def is_abuse(self, address: str) -> bool:
        """Whether mail to this address is feedback."""
        return address.lower() in self._abuse

    async def take(
        self,
        submitter: Submitter,
        reverse_path: str,
        recipients: Sequence[str],
        content: bytes,
    ) -> str:
        """The SMTP reply to the final dot. `reverse_path` "" is the null sender."""
        if _hops(content) > MAX_HOPS:
            return "554 5.4.6 Routing loop detected"
        reply = ""
        wanted = [one for one in recipients if not self.is_abuse(one)]
        if len(wanted) < len(recipients):
            reply = await self.report(reverse_path, content)
        if wanted and not reply.startswith(("4", "5")):
            reply = await self._submission(submitter, reverse_path, wanted, content)
        return reply

    async def _submission(
        self, submitter: Submitter, reverse_path: str, addresses: Sequence[str], content: bytes
    ) -> str:
        people = self._people
        personal = {submitter.sender: f"{submitter.origin}:{submitter.name}"}
        recipients: dict[str, Recipient] = {}
        for address in addresses:
            person = people.person(address)
            recipients[person] = Recipient(person, domain_of(address))
            personal[person] = address
        back = ""
        if reverse_path:
            back = people.person(reverse_path)
            personal[back] = reverse_path
        text = body_text(content)
        marks = fingerprint(text)
        digest = body_digest(content, text).hex()
        now = self._clock.now()
        refused = accept.refuses(
            self._runner.states, submitter.sender, tuple(recipients), marks, now
        )
        if refused is not None:
            hold, text = refused
            rejection = Rejection(
                at=now,
                sender=submitter.sender,
                tenant=submitter.tenant,
                hold=hold,
                recipients=len(recipients),
            )
            personal = {submitter.sender: personal[submitter.sender]}
            taken = await self._recorded(rejection, personal=personal)
            return f"550 5.7.1 {text}" if taken else LATER
        # No await between the number and its recording: nobody else may take it.
        name = f"m{self._runner.upcoming}"
        reception = Reception(
            at=now,
            id=name,
            sender=submitter.sender,
            tenant=submitter.tenant,
            origin=submitter.origin,
            reverse_path=back,
            recipients=tuple(recipients.values()),
            size=len(content),
            digest=digest,
            fingerprint=marks,
            null_sender=not reverse_path,
            subject=people.mark("subject", bare_subject(content)),
            message_id=people.mark("message-id", (header(content, "Message-ID") or "").strip()),
        )
        if not await self._recorded(reception, body=content, personal=personal):
            return LATER
        return f"250 2.0.0 Accepted as {name}"

    async def report(self, reverse_path: str, content: bytes) -> str:
        """The SMTP reply to a report: feedback, a bounce mail, an automatic answer."""
        found = self._returned.facts(content, reverse_path, self._clock.now())
        if found is None:
            return "554 5.6.0 This mailbox takes feedback reports and bounce mails only"
        for fact in found:
            if not await self._recorded(fact):
                return LATER
        return f"250 2.0.0 Thank you, {len(found)} noted"

    async def _recorded(
        self, fact: Observed, *, body: bytes | None = None, personal: dict[str, str] | None = None
    ) -> bool:
        try:
            await self._runner.record(fact, body=body, personal=personal)
        except (JournalError, Quarantined) as exc:
            log.error("%s not taken: %s", type(fact).__name__, exc)
            return False
        return True


def _hops(content: bytes) -> int:
    head = b"\n" + split(content[:MAX_HEADERS])[0].lower()
    return head.count(b"\nreceived:")
