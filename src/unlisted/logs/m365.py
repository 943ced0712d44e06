"""Microsoft 365's message trace as CSV: the admin center's lists, the historical search's enhanced
summary and extended report, what `Get-MessageTrace(V2)` and `Get-MessageTraceDetail` export, and
Exchange Server's own tracking log, which has the extended report's columns.

Columns are found by name, not by place (Microsoft Learn, "Message trace in the modern EAC"). Times
are UTC. Only rows that say what became of a message are attempts; what a filter kept from our own
mailboxes is none. The trace names Microsoft's own address nowhere: egress and pool are None.
Refuses rows with fewer cells than the header: they are cut.
"""

import re
from collections.abc import Iterator, Sequence

from unlisted.logs.csv_records import CsvRecords, Record
from unlisted.logs.detect import is_m365_header, plain_name
from unlisted.logs.m365_cells import SlashDates, reason_of, site_of, when
from unlisted.logs.names import address_or_none, is_loopback
from unlisted.logs.stamp import IN_FUTURE, Calendar
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Attempt, Status

# Which columns, by their plain names, tell what; the first that has a value counts.
_COLUMNS = {
    "at": ("datetimeutc", "datetime", "origintimestamputc", "origintimestamp", "receivedutc",
           "received", "dateutc", "date", "startdate"),
    "sender": ("senderaddress", "sender"),
    "return_path": ("returnpath",),
    "recipient": ("recipientaddress", "recipients", "recipient"),
    "statuses": ("recipientstatus",),
    "status": ("status", "deliverystatus"),
    "event": ("eventid", "event"),
    "detail": ("detail", "details"),
    "message_id": ("messageid", "internetmessageid"),
    "id": ("networkmessageid", "messagetraceid"),
    "size": ("totalbytes", "size"),
    "from_ip": ("originalclientip", "fromip", "clientip"),
    "to_ip": ("toip", "serverip"),
    "to_host": ("serverhostname",),
    "direction": ("directionality",),
}  # fmt: skip
_SUMMARY: dict[str, Status] = {
    "delivered": "sent",
    "failed": "bounced",
    "pending": "deferred",
}
# Said of mail on its way or kept from our own mailboxes, and no attempts. The first five are the
# -Status values of Get-MessageTraceV2 (Microsoft Learn, 2025; None until October 2025), the others
# events of the same trace that some exports have in this column.
_NO_OUTCOME = frozenset(
    (
        "expanded", "filteredasspam", "quarantined", "gettingstatus", "none", "resolved",
        "transferred", "receive", "received", "redirected",
    )
)  # fmt: skip
# Words of `recipient_status` ("Receive, Send") and events, with blanks taken out.
_EVENTS: dict[str, Status] = {
    "send": "sent",
    "sendexternal": "sent",
    "deliver": "sent",
    "delivered": "sent",
    "fail": "bounced",
    "failed": "bounced",
    "defer": "deferred",
    "expired": "expired",
}
# One status each behind another: a semicolon outside of `[{…};{…}]`.
_BETWEEN = re.compile(r"(?<=\]);|;(?=\[)|;(?=[245]\d\d )")
_MAILBOX_LIMIT = 1024
_ENHANCED = re.compile(r"\b([245]\d\d)[ -]([245]\.\d{1,3}\.\d{1,3})?")


class M365Parser:
    """Feed it lines, take attempts out."""

    def __init__(self, tallies: Sequence[Tally], calendars: Sequence[Calendar] = ()) -> None:
        """calendars: of each file, for what its stamps may not lie after."""
        self._tallies = tallies
        self._calendars = calendars
        self._ready: list[Attempt] = []
        self._file = -1
        self._records = CsvRecords()
        self._header: dict[str, list[int]] | None = None
        self._width = 0
        self._dates = SlashDates()

    def feed(self, line: str, file: int, number: int) -> None:
        if file != self._file:
            self._end_file()
            self._file = file
        for record in self._records.feed(number, line):
            self._record(record)

    def take(self) -> list[Attempt]:
        ready, self._ready = self._ready, []
        return ready

    def finish(self) -> None:
        self._end_file()

    def _end_file(self) -> None:
        if self._file >= 0:
            for record in self._records.finish():
                self._tallies[self._file].miss(record.number, "quoted field cut", record.text)
        self._records, self._header, self._dates = CsvRecords(), None, SlashDates()

    def _record(self, record: Record) -> None:
        tally = self._tallies[self._file]
        if not record.text.strip("\0 \t\r"):
            return
        if record.text.startswith("#") and not record.text.startswith("#Fields:"):
            tally.other += 1  # `#TYPE …` of Export-Csv, `#Software:` of Exchange Server
            return
        if is_m365_header(record.text):
            self._begin(record)
            tally.other += 1
            return
        if self._header is None:
            tally.miss(record.number, "no header of a message trace before it", record.text)
            return
        cells = record.cells
        if cells is None or len(cells) < self._width:
            tally.miss(record.number, "a row that is cut or no CSV", record.text)
            return
        why = self._row(cells, record)
        if why is None:
            tally.other += 1
        elif why:
            tally.miss(record.number, why, record.text)

    def _begin(self, record: Record) -> None:
        text = record.text.removeprefix("\ufeff").removeprefix("#Fields:").strip()
        separator = max(",;\t", key=text.count)
        names = [plain_name(cell) for cell in text.split(separator)]
        self._header = {
            told: [names.index(name) for name in known if name in names]
            for told, known in _COLUMNS.items()
        }
        self._width = len(names)
        self._records = CsvRecords(separator)

    def _cell(self, cells: list[str], told: str) -> str:
        assert self._header is not None
        return next((cells[i].strip() for i in self._header[told] if cells[i].strip()), "")

    def _row(self, cells: list[str], record: Record) -> str | None:
        at = when(self._cell(cells, "at"), self._dates)
        if at is None:
            return "a row without a time"
        outcomes = list(self._outcomes(cells))
        if not outcomes:
            return self._unknown(cells)
        if self._calendars and not self._calendars[self._file].believes(at):
            return IN_FUTURE
        for recipient, status, detail in outcomes:
            if not recipient or len(recipient) > _MAILBOX_LIMIT:
                return "a row without a recipient"
            self._emit(cells, record, at, recipient, status, detail)
        return ""

    def _unknown(self, cells: list[str]) -> str | None:
        """A summary's status that is in no documentation of ours may be an outcome. Events have
        no end (hand-overs, rules, agents) and say by themselves that they are steps."""
        status = plain_name(self._cell(cells, "status"))
        if self._cell(cells, "event") or not status or status in _NO_OUTCOME:
            return None
        return "a status that is not known"

    def _outcomes(self, cells: list[str]) -> Iterator[tuple[str, Status, str]]:
        """(recipient, status, detail) of what is an outcome at all."""
        event = plain_name(self._cell(cells, "event"))
        recipients = self._cell(cells, "recipient")
        statuses = self._cell(cells, "statuses")
        detail = self._cell(cells, "detail")
        if event:
            status = _EVENTS.get(event)
            if status is None:
                return
            named = recipients.split(";")
            texts = _BETWEEN.split(statuses)
            for number, recipient in enumerate(named):
                text = texts[number] if len(texts) == len(named) else statuses
                yield recipient.strip(), status, detail or text
            return
        if "##" in statuses:  # the enhanced summary: several recipients in one cell
            for part in statuses.split(";"):
                recipient, _, words = part.strip().partition("##")
                status = _last_event(words)
                if recipient and status is not None:
                    yield recipient, status, detail
            return
        status = _SUMMARY.get(plain_name(self._cell(cells, "status")))
        if status is not None:
            for recipient in recipients.split(";"):
                yield recipient.strip(), status, detail

    def _emit(
        self,
        cells: list[str],
        record: Record,
        at: float,
        recipient: str,
        status: Status,
        detail: str,
    ) -> None:
        sent = status == "sent"
        text = reason_of(detail)
        site = site_of(detail)
        code, enhanced = _code(text)
        sender = self._cell(cells, "sender")
        returned = self._cell(cells, "return_path")
        message_id = self._cell(cells, "message_id").strip("<>")
        size = self._cell(cells, "size")
        to_ip = address_or_none(self._cell(cells, "to_ip"))
        host = self._cell(cells, "to_host") if to_ip else site[0]
        relay_ip = to_ip or address_or_none(site[1])
        self._tallies[self._file].attempts += 1
        self._ready.append(
            Attempt(
                at=at,
                file=self._file,
                line=record.number,
                instance="m365",
                queue_id=self._cell(cells, "id") or message_id,
                status=status,
                recipient=recipient,
                message_id=message_id or None,
                sender=self._origin(cells, sender),
                mail_from=_reverse_path(returned or sender),
                relay=host or relay_ip,
                relay_ip=relay_ip,
                code=code,
                enhanced=enhanced,
                stage=None,
                text=None if sent else text or None,
                size=int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
            )
        )

    def _origin(self, cells: list[str], sender: str) -> str | None:
        """Outgoing mail is of the mailbox it names; incoming mail of the host it came from."""
        direction = plain_name(self._cell(cells, "direction"))
        from_ip = address_or_none(self._cell(cells, "from_ip"))
        outgoing = direction in ("originating", "outbound", "2")
        if outgoing or (not direction and from_ip is None):
            return f"login:{sender}" if "@" in sender else None
        return f"host:{from_ip}" if from_ip is not None and not is_loopback(from_ip) else None


def _last_event(words: str) -> Status | None:
    """ "Receive, Send" was sent, "Receive, Fail" failed; the last word decides."""
    for word in reversed(words.split(",")):
        status = _EVENTS.get(plain_name(word))
        if status is not None:
            return status
    return None


def _reverse_path(address: str) -> str | None:
    return "" if address == "<>" else address.strip("<>") or None


def _code(text: str) -> tuple[int, str | None]:
    found = _ENHANCED.search(text)
    return (int(found[1]), found[2]) if found else (0, None)
