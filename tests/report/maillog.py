"""Postfix logs for the report's tests: a scenario says what was tried, this writes the lines."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

START = datetime(2026, 11, 16, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

SPAMCOP = (
    "554 5.7.1 Service unavailable; Client host [{ip}] blocked using bl.spamcop.net; "
    "Blocked - see https://www.spamcop.net/bl.shtml?{ip}"
)
UNKNOWN = "550 5.1.1 <{to}>: Recipient address rejected: User unknown in local recipient table"


class MailLog:
    """Lines in the order of their times, written as Postfix writes them."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, int, str]] = []
        self._count = 0

    def _line(self, at: float, program: str, text: str) -> None:
        stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
        line = f"{stamp} mx postfix/{program}[{100 + self._count % 7}]: {text}"
        self._lines.append((at, len(self._lines), line))

    def mail(
        self,
        at: float,
        to: str,
        sender: str | None = "anna",
        reply: str | None = None,
        *,
        mx: str | None = None,
        transport: str = "smtp",
        status: str | None = None,
        message_id: str | None = None,
        queue_id: str | None = None,
        said: str | None = None,
        relay_ip: str = "198.51.100.25",
        removed: bool = True,
    ) -> str:
        """One message to one recipient, tried once; its queue id. `reply` None: delivered."""
        self._count += 1
        new = queue_id is None
        queue_id = queue_id or f"A{self._count:09X}"
        mx = mx or f"mx.{to.rpartition('@')[2]}"
        if new:
            login = f", sasl_method=LOGIN, sasl_username={sender}" if sender else ""
            if sender:
                self._line(
                    at - 0.3, "submission/smtpd", f"{queue_id}: client=pc[203.0.113.9]{login}"
                )
            mid = message_id or f"m{self._count}@example.org"
            self._line(at - 0.2, "cleanup", f"{queue_id}: message-id=<{mid}>")
            path = f"{sender or 'www'}@example.org"
            self._line(
                at - 0.1, "qmgr", f"{queue_id}: from=<{path}>, size=1234, nrcpt=1 (queue active)"
            )
        program = transport if transport == "smtp" else f"{transport}/smtp"
        where = f"relay={mx}[{relay_ip}]:25"
        ends = "delay=0.4, delays=0.1/0/0.1/0.2"
        if reply is None and said is None:
            text = "status=sent (250 2.0.0 Ok: queued as 12345)"
            dsn = "2.0.0"
        else:
            words = said or f"host {mx}[{relay_ip}] said: {reply} (in reply to RCPT TO command)"
            code = (reply or "4").split()[0]
            status = status or ("bounced" if code.startswith("5") else "deferred")
            dsn = "5.7.1" if status == "bounced" else "4.7.1"
            text = f"status={status} ({words})"
        self._line(at, program, f"{queue_id}: to=<{to}>, {where}, {ends}, dsn={dsn}, {text}")
        if removed and not text.startswith("status=deferred"):
            self._line(at + 0.01, "qmgr", f"{queue_id}: removed")
        return queue_id

    def lines(self) -> Iterator[str]:
        for _, _, line in sorted(self._lines):
            yield line

    def write(self, path: Path) -> Path:
        path.write_text("".join(line + "\n" for line in self.lines()), "utf-8")
        return path
