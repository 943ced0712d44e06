"""Postfix's log, line by line: attempts joined by queue id with what other lines told of them.

The plain reader: the oracle of the fast one, and the reader of live tails. Lines as Postfix 2.0 to
3.11 write them (`smtpd`, `pickup`, `cleanup`, `qmgr`, the delivery agents). Lines arrive out of
order by seconds, so an attempt waits until its message is known, at most `HOLD_S` seconds and
`HOLD_LINES` lines; attempts come out in the order of their lines.
Refuses a cut line: it is counted, and no field of it is used.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from unlisted.logs.names import Names, is_loopback, names_of
from unlisted.logs.open_messages import Message, OpenMessages
from unlisted.logs.origin import Origins, complete_sender, forwarder, script_of
from unlisted.logs.postfix_attributes import GLUED, bounded, client_of, is_queue_id
from unlisted.logs.postfix_delivery import PROBES, SUSPENDED, SUSPENDERS, Delivery, parse_delivery
from unlisted.logs.stamp import IN_FUTURE, Calendar
from unlisted.logs.syslog import Entry, entry_of
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Attempt, Status

HOLD_S = 5.0
HOLD_LINES = 4096
OPEN_LIMIT = 200_000
_TIDY_LINES = 1024
# qmgr's last word, of `postsuper -f` too (3.5 and later: "status=force-expired").
RETURNED = "expired, returned to sender"
_GIVEN_UP = Delivery("", None, None, None, 0.0, "", "expired", 0, None, RETURNED)


class _Held(NamedTuple):
    fed: int  # how many lines had been fed: what waits is bounded by lines too
    at: float
    file: int
    line: int
    host: str
    names: Names
    delivery: Delivery
    message: Message


class PostfixParser:
    """Feed it lines in the order of the log, take attempts out."""

    def __init__(
        self,
        calendars: Sequence[Calendar],
        tallies: Sequence[Tally],
        *,
        several_hosts: bool = False,
        open_limit: int = OPEN_LIMIT,
    ) -> None:
        self._calendars = calendars
        self._tallies = tallies
        self._several = several_hosts
        self._home: str | None = None
        self._held: deque[_Held] = deque()
        self._ready: list[Attempt] = []
        self.origins = Origins()
        self._fed = 0
        self._now = 0.0
        self.open = OpenMessages(open_limit)

    def feed(self, line: str, file: int, number: int) -> None:
        """One line without its end."""
        tally = self._tallies[file]
        entry = entry_of(line, self._calendars[file])
        if entry is None:
            if line.strip("\0 \t\r"):
                tally.miss(number, "no stamp, host and program", line)
            return
        self.feed_entry(entry, line, file, number)

    def feed_entry(self, entry: Entry, line: str, file: int, number: int) -> None:
        """One line whose stamp, host and program are known already."""
        tally = self._tallies[file]
        if not self._calendars[file].believes(entry.at):
            if _tells_outcome(entry):
                tally.miss(number, IN_FUTURE, line)
                return
            entry = entry._replace(at=self._now)  # what it says of a message is true all the same
        self._fed += 1
        self.expire(entry.at)  # first: who sees only some of the lines must come to the same
        self._now = entry.at
        why = self._told(entry, file, number)
        if why is None:
            tally.other += 1
        elif why:
            tally.miss(number, why, line)
        self._release()
        if self._fed % _TIDY_LINES == 0:
            self.open.tidy(entry.at)

    def adopt(self, message: Message) -> None:
        """A message that somebody else read the lines of, and that is still open."""
        self.told_more(message)
        self.open.add(message)
        if message.deferred:
            self.open.mark_deferred(message)

    def told_more(self, message: Message) -> None:
        """Somebody else read a line of a message and set what it tells."""
        if message.message_id is not None:
            self.origins.remember(message.message_id, message)
        _complete(message)

    def take(self) -> list[Attempt]:
        """The attempts that are known well enough, in the order of their lines."""
        ready, self._ready = self._ready, []
        return ready

    @property
    def waits_from(self) -> tuple[int, int] | None:
        """File and line of the first attempt that waits for what other lines tell."""
        return (self._held[0].file, self._held[0].line) if self._held else None

    def expire(self, at: float) -> None:
        """For a live tail: nothing that was logged `HOLD_S` before `at` waits any longer."""
        while self._held and self._held[0].at < at - HOLD_S:
            self._emit(self._held.popleft())

    def finish(self) -> None:
        """The log ends here: what waits is given as it is."""
        while self._held:
            self._emit(self._held.popleft())

    # --- one line: "" when it told something, None when it is about something else, else why not ---

    def _told(self, entry: Entry, file: int, number: int) -> str | None:
        names = names_of(entry.tag)
        if names is None:
            return None
        queue_id, colon, rest = entry.text.partition(": ")
        if not colon or not is_queue_id(queue_id):
            return None
        if "]: " in rest and GLUED.search(rest):
            return "two lines run together"
        key = (entry.host, queue_id)
        if rest.startswith("to=<"):
            return self._delivery(entry, names, key, rest, file, number)
        if rest.startswith("client="):
            return self._client(entry.at, names, key, rest)
        if rest.startswith("message-id="):
            return self._message_id(entry.at, names, key, rest)
        if rest.startswith("from=<"):
            if rest.endswith(RETURNED):
                return self._returned(entry, names, key, file, number)
            return self._queued(entry.at, names, key, rest)
        if rest.startswith("uid="):
            return self._picked_up(entry.at, names, key, rest)
        if rest == "removed":
            return self._removed(entry.at, names, key)
        if rest.startswith(("warning: header X-PHP-", "info: header X-PHP-")):
            return self._script(entry.at, names, key, rest)
        return None

    def _delivery(
        self, entry: Entry, names: Names, key: tuple[str, str], rest: str, file: int, number: int
    ) -> str | None:
        delivery = parse_delivery(rest)
        if delivery is None:
            return "delivery line cut or malformed"
        if delivery.status in PROBES:
            return None
        message = self._find(key, names, entry.at)
        message.tried = True
        if delivery.status == "deferred" and not message.deferred:
            self.open.mark_deferred(message)
        self._link_child(entry, names, message, delivery)
        self._held.append(
            _Held(self._fed, entry.at, file, number, entry.host, names, delivery, message)
        )
        return ""

    def _link_child(self, entry: Entry, names: Names, parent: Message, delivery: Delivery) -> None:
        """A local forward, or a content filter on this machine, put it in again."""
        if delivery.status != "sent":
            return
        text = delivery.text
        forward = text.startswith("forwarded as ")
        if forward:
            child_id = text[13:]
        elif delivery.relay_ip is not None and is_loopback(delivery.relay_ip):
            child_id = text.rpartition("queued as ")[2].partition(" ")[0].rstrip(")")
        else:
            return
        if not is_queue_id(child_id):
            return
        key = (entry.host, child_id)
        child = self._known(key, names)
        if forward:
            if child is None or child.origin:
                child = self._add(key, entry.at)
            child.origin = True
            child.sender = f"forward:{delivery.orig_to or delivery.recipient}"
        elif child is not None and child.parent is None and child is not parent:
            child.parent = parent
        if child is not None:
            _complete(child)

    # --- what other programs tell of a message ---

    def _client(self, at: float, names: Names, key: tuple[str, str], rest: str) -> str:
        fields = client_of(rest)
        if fields is None:
            return "client cut or malformed"
        message = self._new(key, names, at)
        message.origin = True
        if fields.parent_id is not None:
            message.parent = self._known((key[0], fields.parent_id), names)
        if fields.login:
            message.sender = f"login:{fields.login}"
        elif fields.client is not None:
            message.sender = f"host:{fields.client}"
        elif message.parent is None and fields.orig_client is not None:
            message.sender = f"host:{fields.orig_client}"
        _complete(message)
        return ""

    def _returned(
        self, entry: Entry, names: Names, key: tuple[str, str], file: int, number: int
    ) -> str:
        """The queue manager gave the message up: it returned whatever still waited of it."""
        message = self._find(key, names, entry.at)
        self._held.append(
            _Held(self._fed, entry.at, file, number, entry.host, names, _GIVEN_UP, message)
        )
        return ""

    def _picked_up(self, at: float, names: Names, key: tuple[str, str], rest: str) -> str:
        uid, _, after = rest[4:].partition(" ")
        _, closed, orig = after.rpartition(">")
        if not (uid.isascii() and uid.isdigit() and after.startswith("from=<") and closed):
            return "pickup line cut or malformed"
        message = self._new(key, names, at)
        message.origin = True
        if orig.startswith(" orig_id="):  # put into the queue again by `postsuper -r`
            message.parent = self._known((key[0], orig[9:]), names)
        if message.parent is None:
            message.sender = f"uid:{uid}"
        _complete(message)
        return ""

    def _message_id(self, at: float, names: Names, key: tuple[str, str], rest: str) -> str | None:
        value = rest[11:]
        if not value.startswith("<"):
            # Without brackets nothing closes it: whole or cut cannot be told apart.
            return None
        inside, closed, _ = value[1:].rpartition(">")  # what stands behind is the sender's
        if not closed:
            return "message-id cut"
        message_id = bounded(inside) or None
        message = self._owned(key, names, at, "message_id", message_id)
        if message_id is not None:
            self.origins.remember(message_id, message)
        _complete(message)
        return ""

    def _queued(self, at: float, names: Names, key: tuple[str, str], rest: str) -> str | None:
        head, closed, tail = rest.rpartition(">, size=")
        if not closed:
            return None if ">, status=" in rest else "queue line cut or malformed"
        size, comma, count = tail.partition(", nrcpt=")
        if not (size.isascii() and size.isdigit() and comma and count.endswith(")")):
            return "queue line cut or malformed"
        message = self._owned(key, names, at, "mail_from", bounded(head[6:]))
        message.size = int(size) if len(size) < 18 else None
        _complete(message)
        return ""

    def _removed(self, at: float, names: Names, key: tuple[str, str]) -> str:
        message = self._known(key, names)
        if message is not None:
            self.open.close(message, at)
        return ""

    def _script(self, at: float, names: Names, key: tuple[str, str], rest: str) -> str | None:
        header = rest.partition(": header ")[2]
        value, closed, _ = header.rpartition("; from=<")
        value = value.rpartition(" from ")[0]
        script = script_of(value)
        if not closed or script is None:
            return None
        self._owned(key, names, at, "script", script)
        return ""

    # --- finding the message a line is about ---

    def _known(self, key: tuple[str, str], names: Names) -> Message | None:
        """The newest open one under the key whose instance does not contradict."""
        there = self.open.under(key)
        if not there:
            return None
        may = [m for m in there if m.owner in (None, names.instance)] or there
        return next((m for m in reversed(may) if m.closed_at is None), may[-1])

    def _add(self, key: tuple[str, str], at: float) -> Message:
        message = Message(key, at)
        self.open.add(message)
        return message

    def _find(self, key: tuple[str, str], names: Names, at: float) -> Message:
        return self._known(key, names) or self._add(key, at)

    def _new(self, key: tuple[str, str], names: Names, at: float) -> Message:
        """Who takes a message in begins it, unless the line is late by seconds."""
        message = self._known(key, names)
        if message is None or message.origin:
            return self._add(key, at)
        gone = message.closed_at is not None and at - message.closed_at > HOLD_S
        return self._add(key, at) if gone else message

    def _owned(
        self, key: tuple[str, str], names: Names, at: float, told: str, value: str | None
    ) -> Message:
        """cleanup and qmgr bear the instance's own name. A message that was tried or removed and
        was told another value before is not this one: the id is in use again."""
        message = self._known(key, names)
        if message is not None:
            before = getattr(message, told)
            other = message.owner not in (None, names.instance)
            over = message.tried or message.closed_at is not None
            if other or (over and before is not None and before != value):
                message = None
        if message is None:
            message = self._add(key, at)
        message.owner = names.instance
        if getattr(message, told) is None:
            setattr(message, told, value)
        return message

    # --- giving attempts out ---

    def _release(self) -> None:
        held = self._held
        while held:
            first = held[0]
            waited = self._now - first.at > HOLD_S or self._fed - first.fed >= HOLD_LINES
            if not (first.message.complete or waited):
                return
            self._emit(held.popleft())

    def _emit(self, held: _Held) -> None:
        delivery, message, names = held.delivery, held.message, held.names
        self._tallies[held.file].attempts += 1
        status: Status = delivery.status  # type: ignore[assignment]
        sent, whole = status == "sent", delivery is _GIVEN_UP
        self._ready.append(
            Attempt(
                at=held.at,
                file=held.file,
                line=held.line,
                instance=self.instance_of(held.host, names.instance),
                queue_id=message.key[1],
                status=status,
                recipient=delivery.recipient,
                message_id=message.message_id,
                sender=forwarder(
                    complete_sender(message),
                    delivery.recipient,
                    delivery.orig_to,
                    delivery.relay_ip,
                ),
                mail_from=message.mail_from,
                orig_to=delivery.orig_to,
                transport=None if whole else names.transport,
                pool=None if whole else names.pool,
                egress=names.egress,
                relay=delivery.relay,
                relay_ip=delivery.relay_ip,
                code=delivery.code,
                enhanced=delivery.enhanced or None,
                stage=delivery.stage,
                text=None if sent else delivery.text,
                delay_s=None if whole else delivery.delay_s,
                size=message.size,
                repeats=names.program in SUSPENDERS and delivery.text.startswith(SUSPENDED),
            )
        )

    def instance_of(self, host: str, instance: str) -> str:
        """The host in front where several are in the log; where it was not known beforehand, the
        first one met goes without."""
        if not host:
            return instance
        if self._home is None:
            self._home = host
        return f"{host}/{instance}" if self._several or host != self._home else instance


def _tells_outcome(entry: Entry) -> bool:
    rest = entry.text.partition(": ")[2]
    return "/" in entry.tag and (rest.startswith("to=<") or rest.endswith(RETURNED))


def _complete(message: Message) -> None:
    message.complete = (
        message.origin
        and message.message_id is not None
        and message.size is not None
        and (message.sender is not None or message.parent is not None)
    )
