"""Exim's main log: attempts joined by message id with the arrival line.

The sender is the authenticated login (`A=`), the script where a header or `cwd=` line tells one,
the local user (`U=` with `P=local`), the relaying host (`H=`). A `defer` that made no connection
("retry time not reached") repeats an earlier one. Refuses lines whose frame or address is cut;
Exim's free text has no end mark, so a cut text cannot be told from a short one.
"""

import re
from collections.abc import Sequence

from unlisted.logs.exim_line import EximLine, Fields, addresses, exim_line, fields_of
from unlisted.logs.names import address_or_none, is_loopback, pool_in
from unlisted.logs.open_messages import Message, OpenMessages
from unlisted.logs.origin import Origins, complete_sender, script_of
from unlisted.logs.stamp import IN_FUTURE, Calendar
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Attempt, Status

_TIDY_LINES = 1024
_CWD = re.compile(r"cwd=(/[^ ]{1,500}) ")
_CWD_AGE_S = 5.0
_SYSTEM_DIRECTORIES = ("/var/spool", "/usr", "/etc", "/root", "/tmp")
_AFTER = re.compile(
    r"(?:SMTP (?:error|timeout) (?:from remote mail(?:er| server) )?after "
    r"|SMTP timeout while connected to \S{1,255} \[[^\]]{1,45}\] after "
    r"|closed connection in response to )(?:pipelined |sending )?"
    r"(initial connection|[A-Z]{4}(?: [A-Z]{2,4})?|end of data|data block|data)"
)
_STAGES = {
    "initial connection": "greeting",
    "EHLO": "ehlo",
    "HELO": "ehlo",
    "LHLO": "ehlo",
    "STARTTLS": "ehlo",
    "MAIL FROM": "mail",
    "MAIL": "mail",
    "RCPT TO": "rcpt",
    "RCPT": "rcpt",
    "DATA": "data",
    "BDAT": "eod",
    "data block": "data",
    "data": "data",
    "end of data": "eod",
}
_REPLY = re.compile(r"(?:^|: )([245]\d\d)[ -](?:([245]\.\d{1,3}\.\d{1,3})\b)?")
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_NO_CONNECTION = ("retry time not reached", "retry timeout exceeded", "host is serialized")


class EximParser:
    """Feed it lines in the order of the log, take attempts out."""

    def __init__(
        self, calendars: Sequence[Calendar], tallies: Sequence[Tally], *, open_limit: int
    ) -> None:
        self._calendars = calendars
        self._tallies = tallies
        self._ready: list[Attempt] = []
        self._fed = 0
        self._now = 0.0
        self._cwd: tuple[float, str] | None = None
        self._origins = Origins()
        self.open = OpenMessages(open_limit)

    def feed(self, line: str, file: int, number: int) -> None:
        tally = self._tallies[file]
        told = exim_line(line, self._calendars[file])
        if told is None:
            if line.strip("\0 \t\r"):
                tally.miss(number, "no line of Exim's main log", line)
            return
        if not self._calendars[file].believes(told.at):
            if told.flag and told.flag != "<=":
                tally.miss(number, IN_FUTURE, line)
                return
            told = told._replace(at=self._now)
        self._now = told.at
        why = self._told(told, file, number)
        if why is None:
            tally.other += 1
        elif why:
            tally.miss(number, why, line)
        self._fed += 1
        if self._fed % _TIDY_LINES == 0:
            self.open.tidy(told.at)

    def take(self) -> list[Attempt]:
        ready, self._ready = self._ready, []
        return ready

    def finish(self) -> None:
        """Nothing waits: an arrival is always logged before its deliveries."""

    def _told(self, line: EximLine, file: int, number: int) -> str | None:
        if line.id is None:
            found = _CWD.match(line.rest)
            if found and not found[1].startswith(_SYSTEM_DIRECTORIES):
                self._cwd = (line.at, found[1])
            return None
        if line.flag == "<=":
            return self._arrived(line)
        if line.flag:
            return self._delivery(line, file, number)
        if line.rest == "Completed" or line.rest.startswith("Completed "):
            message = self._known(line)
            if message is not None:
                self.open.close(message, line.at)
            return ""
        if "X-PHP-" in line.rest:
            script = script_of(line.rest[line.rest.index("X-PHP-") :])
            if script is not None:
                self._message(line).script = script
                return ""
        return None

    def _arrived(self, line: EximLine) -> str:
        address, _, rest = line.rest.partition(" ")
        # What follows ` id=` is the sender's to choose: no field is looked for behind it.
        told, _, message_id = f" {rest}".partition(" id=")
        fields = fields_of(told)
        message_id = message_id.partition(" ")[0]
        if not address or "P" not in fields.values:
            return "arrival cut or malformed"
        message = self._message(line)
        message.origin = True
        message.at = line.at
        message.mail_from = "" if address == "<>" else address
        size = fields.values.get("S", "")
        message.size = int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None
        message.sender = self._sender(line, fields, message)
        message.message_id = message_id or None
        if message_id:
            self._origins.remember(message_id, message)
        return ""

    def _sender(self, line: EximLine, fields: Fields, message: Message) -> str | None:
        values = fields.values
        login = values.get("A", "").partition(":")[2]
        if login:
            name, _, claimed = login.partition(":")  # selector smtp_mailauth: AUTH= of MAIL
            return f"login:{name if '@' in claimed else login}"
        if fields.ip is not None:
            ip = address_or_none(fields.ip)
            return f"host:{ip}" if ip is not None and not is_loopback(ip) else None
        user = values.get("U")
        if not user or "R" in values:  # R= names the message that this is a bounce of
            return None
        if self._cwd is not None and 0 <= line.at - self._cwd[0] <= _CWD_AGE_S:
            path = self._cwd[1]
            if f"/{user}/" in f"{path}/":
                message.script = message.script or f"script:{user}:{path}"
        return f"uid:{user}"

    def _delivery(self, line: EximLine, file: int, number: int) -> str | None:
        parts = addresses(line.rest)
        if parts is None:
            return "delivery line cut or malformed"
        address, original, rest = parts
        if line.flag in ("**", "==") and rest.startswith(": "):
            fields = Fields({}, None, None, rest[2:])
        else:
            fields = fields_of(rest)
        failed = line.flag in ("**", "==")
        if failed and not fields.error and not (line.flag == "==" and fields.deferred):
            return "delivery line cut or malformed"
        if not failed and not ("T" in fields.values or "R" in fields.values):
            return "delivery line cut or malformed"
        message = self._message(line)
        if line.flag == "==" and not message.deferred:
            self.open.mark_deferred(message)
        self._emit(line, file, number, message, address, original, fields)
        return ""

    def _emit(
        self,
        line: EximLine,
        file: int,
        number: int,
        message: Message,
        address: str,
        original: str | None,
        fields: Fields,
    ) -> None:
        values = fields.values
        local = "@" not in address and original is not None
        recipient = original if local and original is not None else address
        failed = line.flag in ("**", "==")
        status = _status(line.flag, fields)
        code, enhanced = _code(_reply(fields.error) if failed else values.get("C", ""))
        transport = values.get("T")
        egress = address_or_none(values.get("I", "").partition("]")[0].lstrip("["))
        host, ip = (fields.host, fields.ip) if fields.ip else _host_in(fields.error)
        host = host or fields.host
        self._tallies[file].attempts += 1
        self._ready.append(
            Attempt(
                at=line.at,
                file=file,
                line=number,
                instance=line.host or "exim",
                queue_id=line.id or "",
                status=status,
                recipient=recipient,
                message_id=message.message_id,
                sender=complete_sender(message),
                mail_from=message.mail_from,
                orig_to=None if local or original == address else original,
                transport=transport,
                pool=pool_in(transport) if transport and ip else None,
                egress=egress,
                relay=host or ip,
                relay_ip=ip,
                code=code,
                enhanced=enhanced,
                stage=_stage(fields.error) if failed else None,
                text=fields.error or None if failed else None,
                delay_s=_delay(values.get("QT"), line.at, message),
                size=message.size,
                repeats=status == "deferred" and fields.error.startswith(_NO_CONNECTION),
            )
        )

    def _known(self, line: EximLine) -> Message | None:
        there = self.open.under((line.host, line.id or ""))
        return there[-1] if there else None

    def _message(self, line: EximLine) -> Message:
        message = self._known(line)
        if message is None:
            message = Message((line.host, line.id or ""), line.at)
            self.open.add(message)
        return message


def _status(flag: str, fields: Fields) -> Status:
    if flag == "==":
        return "deferred"
    if flag == "**":
        return "expired" if "retry timeout exceeded" in fields.error else "bounced"
    return "sent"


def _reply(error: str) -> str:
    """Behind the words that say what it answered; a local error holds no reply."""
    after = _AFTER.search(error)
    return error[after.end() :] if after is not None else ""


def _code(reply: str) -> tuple[int, str | None]:
    found = _REPLY.search(reply)
    return (int(found[1]), found[2]) if found else (0, None)


def _stage(error: str) -> str | None:
    after = _AFTER.search(error)
    if after is not None:
        said = after[1]
        return _STAGES.get(said) or _STAGES.get(said[:4])
    if "onnection timed out" in error or "onnection refused" in error or "No route to" in error:
        return "connect"
    return None


_HOST_IN = re.compile(r"(?:host|connected to) (\S{1,255}) \[([0-9A-Fa-f:.]{2,45})\]")


def _host_in(error: str) -> tuple[str | None, str | None]:
    """`…: host mx.example.com [192.0.2.25]: 554 …`, where H= is not logged."""
    found = _HOST_IN.search(error)
    return (found[1], found[2]) if found else (None, None)


def _delay(queued: str | None, at: float, message: Message) -> float | None:
    if queued:
        found = _DURATION.fullmatch(queued)
        if found and any(found.groups()):
            units = (604_800, 86_400, 3_600, 60, 1)
            return sum(float(n or 0) * u for n, u in zip(found.groups(), units, strict=True))
    return max(0.0, at - message.at) if message.origin else None
