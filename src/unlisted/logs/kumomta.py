"""KumoMTA's log records, one JSON object per line: Delivery, TransientFailure, Bounce, Expiration.

As its reference documents the log record ("Log Record", 2023 to 2026). Each record stands alone;
only who put a message in may have to be taken from its Reception, joined by id. `OOB`, `Feedback`,
`Rejection`, `Delayed` and the like are no attempts of ours. Refuses what is no JSON object with
type, recipient and time: a cut line is no JSON.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from unlisted.logs.names import address_or_none, is_loopback
from unlisted.logs.open_messages import Message, OpenMessages
from unlisted.logs.stamp import BEFORE, IN_FUTURE, Calendar, rfc3339
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Attempt, Status

_STATUS: dict[str, Status] = {
    "Delivery": "sent",
    "TransientFailure": "deferred",
    "Bounce": "bounced",
    "AdminBounce": "bounced",
    "Expiration": "expired",
}
_STAGES = (
    ("MAIL", "mail"),
    ("RCPT", "rcpt"),
    ("DATA", "data"),
    ("BDAT", "eod"),
    (".", "eod"),
    ("EHLO", "ehlo"),
    ("HELO", "ehlo"),
    ("LHLO", "ehlo"),
    ("STARTTLS", "ehlo"),
    ("AUTH", "ehlo"),
)
# Its own words in the place of a reply, with a code of its own making.
_OWN_WORDS = "KumoMTA internal"
_OWN_RECORDS = ("AdminBounce", "Expiration")
_SIZE_LIMIT = 1 << 62
_TIDY_LINES = 1024


class _Enhanced(msgspec.Struct):
    klass: int = msgspec.field(default=0, name="class")
    subject: int = 0
    detail: int = 0


class _Response(msgspec.Struct):
    code: int = 0
    enhanced_code: _Enhanced | None = None
    content: str = ""
    command: str | None = None


class _Peer(msgspec.Struct):
    name: str = ""
    addr: str = ""


class _SourceAddress(msgspec.Struct):
    address: str | None = None


class _Record(msgspec.Struct):
    type: str = ""
    id: str = ""
    sender: str | None = None
    recipient: str | list[str] | None = None
    queue: str | None = None
    size: int | None = None
    response: _Response | None = None
    peer_address: _Peer | None = None
    timestamp: int | float | str | None = None
    event_time: str | None = None
    created: int | float | str | None = None
    created_time: str | None = None
    egress_pool: str | None = None
    egress_source: str | None = None
    source_address: _SourceAddress | None = None
    meta: dict[str, Any] | None = None
    headers: dict[str, Any] | None = None
    nodeid: str | None = None


_RECORD = msgspec.json.Decoder(_Record)


class KumoParser:
    """Feed it lines, take attempts out."""

    def __init__(
        self, tallies: Sequence[Tally], *, open_limit: int, calendars: Sequence[Calendar] = ()
    ) -> None:
        """calendars: of each file, for what its stamps may not lie after."""
        self._tallies = tallies
        self._calendars = calendars
        self._ready: list[Attempt] = []
        self._fed = 0
        self.open = OpenMessages(open_limit)

    def feed(self, line: str, file: int, number: int) -> None:
        tally = self._tallies[file]
        if not line.strip("\0 \t\r"):
            return
        try:
            record = _RECORD.decode(line.encode("utf-8", "replace"))
        except (msgspec.DecodeError, RecursionError):
            tally.miss(number, "no JSON object, or cut", line)
            return
        at = _time(record.event_time, record.timestamp)
        believed = at is None or not self._calendars or self._calendars[file].believes(at)
        if record.type == "Reception":
            self._received(record, at if believed else None)
            return
        status = _STATUS.get(record.type)
        if status is None:
            tally.other += 1
            return
        recipients = [record.recipient] if isinstance(record.recipient, str) else record.recipient
        if not recipients and record.type in _OWN_RECORDS:
            recipients, status = [""], "expired"  # whoever still waited
        if at is None or not recipients:
            tally.miss(number, "a record without time or recipient", line)
            return
        if not believed:
            tally.miss(number, IN_FUTURE, line)
            return
        message = self._message(record, status, at)
        for recipient in recipients:
            tally.attempts += 1
            self._ready.append(_attempt(record, status, at, recipient, message, file, number))

    def take(self) -> list[Attempt]:
        ready, self._ready = self._ready, []
        return ready

    def finish(self) -> None:
        """Nothing waits: every record stands alone."""

    def _received(self, record: _Record, at: float | None) -> None:
        message = self._known(record)
        if message is None:
            message = Message(("", record.id), at or 0.0)
            self.open.add(message)
        peer = address_or_none(record.peer_address.addr) if record.peer_address else None
        host = f"host:{peer}" if peer is not None and not is_loopback(peer) else None
        message.sender = _sender(record) or host
        message.message_id = _message_id(record.headers)
        self._tidy(at)

    def _message(self, record: _Record, status: Status, at: float) -> Message | None:
        message = self._known(record)
        message_id = _message_id(record.headers)
        if message is None and status == "deferred" and message_id is not None:
            # Its last record may come without headers: an Expiration, say.
            message = Message(("", record.id), at)
            message.message_id = message_id
            self.open.add(message)
        if message is not None and status == "deferred":
            self.open.mark_deferred(message)
        elif message is not None:
            self.open.close(message, at)
        self._tidy(at)
        return message

    def _known(self, record: _Record) -> Message | None:
        there = self.open.under(("", record.id))
        return there[-1] if there else None

    def _tidy(self, at: float | None) -> None:
        self._fed += 1
        if at is not None and self._fed % _TIDY_LINES == 0:
            self.open.tidy(at)


def _attempt(
    record: _Record,
    status: Status,
    at: float,
    recipient: str,
    message: Message | None,
    file: int,
    number: int,
) -> Attempt:
    response = record.response or _Response()
    own = response.content.startswith(_OWN_WORDS) or record.type in _OWN_RECORDS
    enhanced = _enhanced(response)
    created = _time(record.created_time, record.created)
    peer = record.peer_address or _Peer()
    return Attempt(
        at=at,
        file=file,
        line=number,
        instance=record.nodeid or "kumomta",
        queue_id=record.id,
        status=status,
        recipient=recipient,
        message_id=_message_id(record.headers) or (message.message_id if message else None),
        sender=_sender(record) or (message.sender if message else None),
        mail_from=record.sender,
        transport=record.egress_source or None,
        pool=record.egress_pool or None,
        egress=_without_port(record.source_address.address if record.source_address else None),
        relay=peer.name.rstrip(".") or None,
        relay_ip=address_or_none(peer.addr),
        code=0 if own or not 200 <= response.code < 600 else response.code,
        enhanced=enhanced,
        stage=None if status == "sent" else _stage(response, own),
        text=None if status == "sent" else _text(response, enhanced, own),
        delay_s=max(0.0, at - created) if created is not None else None,
        size=record.size if record.size is not None and 0 <= record.size < _SIZE_LIMIT else None,
    )


def _time(written: str | None, stamp: int | float | str | None) -> float | None:
    """Newer versions write RFC 3339 with fractions beside the whole seconds."""
    if written:
        at = rfc3339(written)
        if at is not None:
            return at
    if isinstance(stamp, str):
        return rfc3339(stamp)
    return float(stamp) if stamp is not None and 0 < stamp < BEFORE else None


def _enhanced(response: _Response) -> str | None:
    code = response.enhanced_code
    return f"{code.klass}.{code.subject}.{code.detail}" if code is not None else None


def _text(response: _Response, enhanced: str | None, own: bool) -> str | None:
    """The reply as the remote site sent it: the record holds it in parts."""
    if not response.content and not response.code:
        return None
    parts = ["" if own else str(response.code or ""), "" if own else enhanced, response.content]
    return " ".join(part for part in parts if part)


def _stage(response: _Response, own: bool) -> str | None:
    command = (response.command or "").lstrip().upper()
    if command:
        return next((stage for word, stage in _STAGES if command.startswith(word)), None)
    if own:
        return "connect" if " connect" in response.content.lower() else None
    return "greeting" if response.code else None


def _sender(record: _Record) -> str | None:
    """The login; the tenant stands for it where the log has no login: both name an account."""
    meta = record.meta or {}
    for key in ("authn_id", "http_auth", "tenant"):
        value = meta.get(key)
        if isinstance(value, str) and value:
            return f"login:{value}"
    # queue: `campaign:tenant@domain`
    names, at, _ = (record.queue or "").rpartition("@")
    tenant = names.rpartition(":")[2]
    if at and tenant and not tenant.startswith("["):
        return f"login:{tenant}"
    received = meta.get("received_from")
    address = _without_port(received) if isinstance(received, str) else None
    return f"host:{address}" if address is not None and not is_loopback(address) else None


def _message_id(headers: dict[str, Any] | None) -> str | None:
    for name, value in (headers or {}).items():
        if name.lower() == "message-id":
            first = value[0] if isinstance(value, list) and value else value
            return first.strip().strip("<>") or None if isinstance(first, str) else None
    return None


def _without_port(address: str | None) -> str | None:
    """`192.0.2.7:53210`, `[2001:db8::7]:25`, or an address alone."""
    if not address:
        return None
    whole = address_or_none(address)
    if whole is not None:
        return whole
    host, _, _ = address.rpartition(":")
    return address_or_none(host.strip("[]"))
