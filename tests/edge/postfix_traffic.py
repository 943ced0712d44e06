"""A Postfix log of made-up traffic: every kind of line that tells of a message, interleaved.

Seeded by a number, the same everywhere; times as Postfix writes them, in both forms.
"""

import random
import time
from dataclasses import dataclass, field

NOON = 1_793_707_200.0  # 2026-11-03 12:00 UTC
_BASE52 = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_TEXTS = (
    "host {host} said: 550 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using "
    "zen.spamhaus.org; case {n} (in reply to RCPT TO command)",
    "host {host} refused to talk to me: 554 5.7.1 no {n}",
    "connect to {host}:25: Connection timed out",
    "lost connection with {host} while sending RCPT TO",
    "host {host} said: 451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited "
    "(S775) {n} (in reply to end of DATA command)",
    "delivery temporarily suspended: host {host} refused to talk to me: 421 4.3.2 busy",
)
_AGENTS = (
    ("smtp", "smtp"),
    ("smtp-pool3/smtp", "smtp"),
    ("out-192-0-2-7/smtp", "smtp"),
    ("relay/smtp", "smtp"),
    ("lmtp", "lmtp"),
    ("error", "error"),
)


@dataclass
class Traffic:
    """What to make. shares: of deliveries deferred and bounced; reused: of queue ids taken again;
    filtered, forwarded: of messages that come in a second time."""

    messages: int
    seed: int = 1
    rate: float = 150.0
    hosts: tuple[str, ...] = ("mx1",)
    deferred: float = 0.06
    bounced: float = 0.05
    reused: float = 0.0
    filtered: float = 0.0
    forwarded: float = 0.02
    dated: bool = False
    _lines: list[tuple[float, str, str, str]] = field(default_factory=list)
    _free: list[tuple[float, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        chance = random.Random(self.seed)
        at = NOON
        for number in range(self.messages):
            at += chance.expovariate(self.rate)
            self._message(chance, at, number)
        self._lines.sort(key=lambda line: line[0])
        return [
            f"{self._stamp(at)} {host} {tag}[{chance.randrange(100, 99_999)}]: {text}"
            for at, host, tag, text in self._lines
        ]

    def _stamp(self, at: float) -> str:
        told = time.gmtime(at)
        if self.dated:
            return time.strftime("%Y-%m-%dT%H:%M:%S", told) + f".{int(at % 1 * 1e6):06d}+00:00"
        return time.strftime("%b ", told) + f"{told.tm_mday:2d} " + time.strftime("%X", told)

    def _queue_id(self, chance: random.Random, at: float) -> str:
        """Of a message that is gone, with `reused`; else one never seen."""
        if self._free and chance.random() < self.reused:
            place = chance.randrange(len(self._free))
            if self._free[place][0] + 8.0 < at:  # the microsecond of another second
                return self._free.pop(place)[1]
        if chance.random() < 0.3:
            made = f"{chance.randrange(1 << 40, 1 << 44):X}"
        else:
            made = "4" + "".join(chance.choice(_BASE52) for _ in range(13))
        return made

    def _message(self, chance: random.Random, at: float, number: int) -> None:
        host = chance.choice(self.hosts)
        instance = "postfix" if chance.random() < 0.7 else "postfix-out"
        queue_id = self._queue_id(chance, at)
        self._origin(chance, at, host, instance, queue_id, number)
        message_id = f"{number}.{queue_id}@example.com"
        if chance.random() < self.filtered:
            child = self._queue_id(chance, at)
            self._taken_in(at, host, instance, queue_id, message_id, number)
            self._tell(at + 0.2, host, f"{instance}/smtpd", f"{child}: client=localhost[127.0.0.1]")
            self._taken_in(at + 0.2, host, instance, child, message_id, number)
            self._tell(
                at + 0.3,
                host,
                f"{instance}/smtp",
                f"{queue_id}: to=<r{number}@example.net>, relay=127.0.0.1[127.0.0.1]:10024, "
                f"delay=0.3, delays=0.1/0/0.1/0.1, dsn=2.0.0, status=sent (250 2.0.0 from "
                f"MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as {child})",
            )
            self._tell(at + 0.31, host, f"{instance}/qmgr", f"{queue_id}: removed")
            queue_id, at = child, at + 0.25
        elif chance.random() < self.forwarded:
            child = self._queue_id(chance, at)
            self._taken_in(at, host, instance, queue_id, message_id, number)
            self._taken_in(at + 0.1, host, instance, child, message_id, number)
            self._tell(
                at + 0.15,
                host,
                f"{instance}/local",
                f"{queue_id}: to=<box{number}@example.com>, orig_to=<info@example.com>, "
                f"relay=local, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent "
                f"(forwarded as {child})",
            )
            self._tell(at + 0.16, host, f"{instance}/qmgr", f"{queue_id}: removed")
            queue_id, at = child, at + 0.2
        else:
            self._taken_in(at, host, instance, queue_id, message_id, number)
        end = at
        for recipient in range(1 if chance.random() < 0.85 else chance.randrange(2, 5)):
            done = self._deliver(chance, at, host, instance, queue_id, f"{number}.{recipient}")
            end = max(end, done)
        if chance.random() < 0.98:
            self._tell(end + 0.01, host, f"{instance}/qmgr", f"{queue_id}: removed")
            self._free.append((end, queue_id))

    def _origin(
        self,
        chance: random.Random,
        at: float,
        host: str,
        instance: str,
        queue_id: str,
        number: int,
    ) -> None:
        pick = chance.random()
        client = f"client=c.example[198.51.100.{chance.randrange(1, 255)}]"
        smtpd = f"{instance}/smtpd"
        self._tell(at - 0.01, host, smtpd, f"connect from {client[7:]}")
        if pick < 0.1:
            text = f"{queue_id}: uid={chance.randrange(2000)} from=<u{number}>"
            self._tell(at, host, f"{instance}/pickup", text)
        elif pick < 0.6:
            login = f"sasl_method=PLAIN, sasl_username=user{chance.randrange(50)}@example.com"
            self._tell(at, host, f"{instance}/submission/smtpd", f"{queue_id}: {client}, {login}")
        elif pick < 0.7:
            text = f"{queue_id}: client=v6.example[2001:db8::{chance.randrange(1, 999):x}]"
            self._tell(at, host, smtpd, text)
        elif pick < 0.95:
            self._tell(at, host, smtpd, f"{queue_id}: {client}")
        elif pick < 0.97:
            self._tell(at, host, smtpd, f"{queue_id}: client=unknown[unknown]")

    def _taken_in(
        self, at: float, host: str, instance: str, queue_id: str, message_id: str, number: int
    ) -> None:
        self._tell(
            at + 0.001, host, f"{instance}/cleanup", f"{queue_id}: message-id=<{message_id}>"
        )
        self._active(at + 0.002, host, instance, queue_id, number)

    def _active(self, at: float, host: str, instance: str, queue_id: str, number: int) -> None:
        text = f"from=<user{number}@example.com>, size={500 + number}, nrcpt=1 (queue active)"
        self._tell(at, host, f"{instance}/qmgr", f"{queue_id}: {text}")

    def _deliver(
        self, chance: random.Random, at: float, host: str, instance: str, queue_id: str, to: str
    ) -> float:
        begun = at
        for _ in range(5):
            at += chance.random() * 1.5
            outcome = chance.random()
            status, dsn = "sent", "2.0.0"
            text = f"250 2.0.0 Ok: queued as {chance.randrange(1 << 40):X}"
            remote = f"mx{chance.randrange(40)}.example.net[203.0.113.{chance.randrange(255)}]"
            if outcome < self.deferred + self.bounced:
                status = "deferred" if outcome < self.deferred else "bounced"
                dsn = "4.7.650" if status == "deferred" else "5.7.1"
                text = chance.choice(_TEXTS).format(host=remote, n=chance.randrange(10_000))
            agent, program = chance.choice(_AGENTS)
            relay = "none" if program == "error" else f"{remote}:25"
            original = f" orig_to=<alias{to}@example.com>," if chance.random() < 0.05 else ""
            used = f" conn_use={chance.randrange(2, 9)}," if chance.random() < 0.1 else ""
            self._tell(
                at,
                host,
                f"{instance}/{agent}",
                f"{queue_id}: to=<r{to}@example.net>,{original} relay={relay},{used} "
                f"delay={at - begun:.2g}, delays=0.1/0.01/0.3/0.1, dsn={dsn}, "
                f"status={status} ({text})",
            )
            if status != "deferred":
                break
            at += 300 * chance.random()
            self._active(at, host, instance, queue_id, int(to.partition(".")[0]))
        return at

    def _tell(self, at: float, host: str, tag: str, text: str) -> None:
        self._lines.append((at, host, tag, text))
