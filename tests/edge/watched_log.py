"""Lines of a Postfix, a message every two seconds, for those who follow a log."""

from __future__ import annotations

import time

START = 1_795_341_600.0  # 2026-11-22T10:00:00Z


class Traffic:
    """Lines of a Postfix, a message every two seconds; some minutes one site refuses."""

    def __init__(self) -> None:
        self.number = 0

    def message(self, receiver: str = "", text: str = "", at: float | None = None) -> bytes:
        self.number += 1
        number = self.number
        moment = START + 2 * number if at is None else at
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(moment))
        queue_id = f"{0xA0000000 + number:X}"
        receiver = receiver or f"r{number % 4}.example"
        relay = f"mx.{receiver}[203.0.113.{number % 4 + 1}]"
        status = "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)"
        if text:
            status = f"dsn=5.7.1, status=bounced (host {relay} said: {text} (in reply to RCPT TO command))"
        told = (
            ("smtpd", f"client=c.a.example[192.0.2.70], sasl_method=PLAIN, sasl_username=u{number % 9}"),
            ("cleanup", f"message-id=<{number}@our.example>"),
            ("qmgr", f"from=<u{number % 9}@our.example>, size=900, nrcpt=1 (queue active)"),
            ("smtp", f"to=<p{number % 50}@{receiver}>, relay={relay}:25, delay=1, "
                     f"delays=0/0/0/1, {status}"),
            ("qmgr", "removed"),
        )  # fmt: skip
        lines = [f"{stamp} out postfix/{name}[7]: {queue_id}: {rest}" for name, rest in told]
        return "".join(f"{line}\n" for line in lines).encode()

    def day(self) -> bytes:
        refused = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using l.example"
        quiet = [self.message() for _ in range(400)]
        block = [self.message(text=refused if i % 4 == 1 else "") for i in range(300)]
        after = [self.message() for _ in range(500)]
        return b"".join(quiet + block + after)
