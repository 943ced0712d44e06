"""Non-delivery reports as messages of our own: from a SendNdr command to a Reception (RFC 3464).

The stored body gives its header block, the table `personal` the addresses. Never a report about a
message with the null sender (RFC 5321 section 6.1), nor to somebody who was erased.
"""

from __future__ import annotations

import msgspec

from unlisted.commands import SendNdr
from unlisted.edge.journal import Journal
from unlisted.facts import Reception, Recipient, Row
from unlisted.mail.dsn import NDR, Cause, FailedRecipient, render_ndr
from unlisted.mail.envelope import domain_of
from unlisted.mail.link import seal_link
from unlisted.mail.message import body_digest, split

SENDER = "ndr"
LINK_S = 14 * 86400.0  # life of a report's link
_ADDRESS_CODES = ("5.1.", "4.1.")
_MESSAGE_CODES = ("5.6.", "5.3.4")


class Notice(msgspec.Struct, frozen=True):
    """A report that can be recorded; its id is known only then."""

    at: float
    done: str
    tenant: str
    to: Recipient
    content: bytes
    personal: dict[str, str]

    def reception(self, name: str) -> Reception:
        """The report as a message that came in."""
        return Reception(
            at=self.at,
            done=self.done,
            id=name,
            sender=SENDER,
            tenant=self.tenant,
            origin="ndr",
            reverse_path="",
            recipients=(self.to,),
            size=len(self.content),
            digest=body_digest(self.content).hex(),
            fingerprint="",
            null_sender=True,
        )


class Notices:
    """Writes reports. `base`: the public page's address, empty: there is none; with it, a report
    about a block carries a link that shows its reader what becomes of this one letter."""

    def __init__(
        self, journal: Journal, *, hostname: str, postmaster: str, base: str = "", key: bytes = b""
    ) -> None:
        self._journal = journal
        self._hostname = hostname
        self._postmaster = postmaster
        self._base = base.rstrip("/")
        self._key = key

    def of(self, command: SendNdr, at: float) -> Notice | None:
        """The report, or None when there is nobody to tell."""
        row = command.row
        line = self._journal.line(int(row.message[1:]))
        reception = line.fact() if line is not None else None
        if not isinstance(reception, Reception) or reception.null_sender or row.null_sender:
            return None
        person = reception.reverse_path
        to = self._journal.person(person) if person else None
        if to is None:
            return None
        recipient = self._journal.person(row.recipient) or row.recipient
        # The sender knows whom it wrote to; only our records do without the address.
        text = command.text.replace(row.recipient, recipient).replace(person, to)
        diagnostic = " ".join(
            part for part in (str(command.code or ""), command.enhanced or "", text) if part
        )
        failed = FailedRecipient(
            address=recipient,
            action="delayed" if command.action == "delayed" else "failed",
            status=command.enhanced or ("4.0.0" if command.action == "delayed" else "5.0.0"),
            diagnostic=diagnostic,
            remote_mta=command.receiver or None,
            last_attempt=at,
            cause=_cause(command),
        )
        content = render_ndr(
            NDR(
                id=row.key,
                at=at,
                reporting_mta=self._hostname,
                to=to,
                original_headers=split(self._journal.body(row.message) or b"")[0],
                arrival=reception.at,
                recipients=[failed],
                explanation="",
                postmaster=self._postmaster,
                link=self._link(row, at) if command.block else None,
            )
        )
        return Notice(
            at=at,
            done=command.key,
            tenant=row.tenant,
            to=Recipient(person, domain_of(to)),
            content=content,
            personal={SENDER: "ndr:reports", person: to},
        )

    def _link(self, row: Row, at: float) -> str | None:
        if not self._base:
            return None
        return f"{self._base}/mail/{seal_link(self._key, row.key, at + LINK_S)}"


def _cause(command: SendNdr) -> Cause:
    """Which words for people: by the enhanced code, where it says something (RFC 3463)."""
    code = command.enhanced or ""
    if command.block:
        return "blocked"
    if code == "4.4.7" or code.startswith("4."):
        return "expired"
    if code.startswith(_ADDRESS_CODES):
        return "address"
    if code.startswith(_MESSAGE_CODES):
        return "message"
    if code.startswith("5.7."):
        return "policy"
    return "unknown"
