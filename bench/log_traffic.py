"""Traffic for `./dev bench log`: letters given to Postfix, and receivers that refuse and record.

What is true of an attempt is what the receiver saw of it (recipient, what it answered, to which
command, from which address) and what the submitter knows (login, Message-ID). The log is not
asked. `COPY` stands in every address, Message-ID and case number where copies differ.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.postfix import Pool, Postfix

COPY = "zq00000"  # no such letters in what is hexadecimal
REFUSED_SHARE = 0.08
DEFERRED_SHARE = 0.07
SITES = ("alpha", "beta", "gamma", "delta")
HOME = "home.example"  # where our senders are: notices of failure go there
POOLS = [Pool(f"smtp-pool{n}", f"127.0.4.{n}") for n in (1, 2, 3)]
# What receivers say. {ip}: of ours as the receiver sees it; {case}: differs for each attempt, and
# so does {to}. One in `FRESH_SHARE` says something that nobody said before.
FRESH_SHARE = 0.28
REFUSALS = (
    "550 5.7.1 Service unavailable; Client host [{ip}] blocked using zen.spamhaus.org; "
    "https://www.spamhaus.org/query/ip/{ip}",
    "552 5.2.2 Mailbox full, quota exceeded",
    "550 SC-001 (COL004) Unfortunately, messages from {ip} weren't sent.",
    "550 5.7.606 Access denied, banned sending IP [{ip}]. To request removal visit the portal "
    "(AS16012609)",
)
FRESH_REFUSALS = (
    "554 5.7.1 Service unavailable; Client host [{ip}] blocked using bl.spamcop.net; Blocked - "
    "see https://www.spamcop.net/bl.shtml?{ip} case {case}",
    "550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table",
    "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n"
    "550 5.7.26 For more information go to the help page {case}",
    "554 5.7.1 Message rejected as spam by content filtering {case}",
)
DEFERRALS = (
    "451 4.7.1 Greylisting in action, please come back later",
    "451 4.3.2 System not accepting network messages",
    "452 4.2.2 Over quota",
    "451 4.7.650 The mail server [{ip}] has been temporarily rate limited (S775)",
)
FRESH_DEFERRALS = (
    "421 4.7.0 [TSS04] Messages from {ip} temporarily deferred due to user complaints {case}",
    "450 4.2.1 <{to}>: Recipient is receiving mail too quickly {case}",
)
_COMMANDS = {"rcpt": "RCPT TO", "eod": "end of DATA"}


@dataclass(frozen=True)
class Seen:
    """One attempt as the receiver saw it."""

    recipient: str
    mail_from: str
    pool: str
    status: str
    code: int
    enhanced: str
    stage: str | None
    text: str | None
    message_id: str | None


@dataclass
class Submitted:
    """What is known of a letter where it was given to Postfix, by its recipients."""

    sender: dict[str, str] = field(default_factory=dict)
    message_id: dict[str, str] = field(default_factory=dict)


class Receivers:
    """One port for all sites; answers by a keyed hash of the recipient, never by chance."""

    def __init__(self, seed: str) -> None:
        self.seen: list[Seen] = []
        self.port = 0
        self._seed = seed
        self._tries: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._session, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        pool = next((pool.name for pool in POOLS if pool.address == peer), "none")
        mail_from = recipient = ""
        writer.write(b"220 mx.example ESMTP\r\n")
        while line := (await reader.readline()).decode():
            verb = line[:4].upper()
            answer = "250 2.0.0 Ok"
            if verb == "MAIL":
                mail_from = line.partition("<")[2].partition(">")[0]
            elif verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                answer = self._answer(recipient, peer, "rcpt") or answer
                if answer[0] != "2":
                    self._note(recipient, mail_from, pool, "rcpt", answer, None)
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                letter = await reader.readuntil(b"\r\n.\r\n")
                found = re.search(rb"(?im)^message-id:\s*<([^>]*)>", letter)
                message_id = found[1].decode() if found else None
                number = hashlib.blake2b(recipient.encode(), digest_size=4).hexdigest()
                answer = self._answer(recipient, peer, "eod")
                answer = answer or f"250 2.0.0 Ok: queued as {number}{COPY}"
                self._note(recipient, mail_from, pool, "eod", answer, message_id)
            elif verb == "QUIT":
                answer = "221 2.0.0 Bye"
            writer.write(answer.replace("\n", "\r\n").encode() + b"\r\n")
            if verb == "QUIT":
                break
        writer.close()

    def _answer(self, recipient: str, peer: str, stage: str) -> str | None:
        """A refusal at this stage, if there is to be one."""
        if recipient.endswith(HOME):
            return None
        number = int.from_bytes(
            hashlib.blake2b(f"{self._seed} {recipient}".encode(), digest_size=8).digest(), "big"
        )
        share, more = (number % 10_000) / 10_000, number // 10_000
        if stage != ("eod" if more % 4 == 0 else "rcpt"):
            return None
        fresh = more // 4 % 1000 < 1000 * FRESH_SHARE
        texts = FRESH_REFUSALS if fresh else REFUSALS
        if share >= REFUSED_SHARE:
            tries = self._tries.get(recipient, 0)
            self._tries[recipient] = tries + 1
            if share >= REFUSED_SHARE + DEFERRED_SHARE or tries:
                return None
            texts = FRESH_DEFERRALS if fresh else DEFERRALS
        text = texts[more // 4000 % len(texts)]
        return text.format(ip=peer, to=recipient, case=f"{more % 10**9:09d}{COPY}")

    def _note(
        self,
        recipient: str,
        mail_from: str,
        pool: str,
        stage: str,
        answer: str,
        message_id: str | None,
    ) -> None:
        code = int(answer[:3])
        sent = code < 400
        told = re.match(r"\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b", answer)
        quoted = f"host 127.0.0.1[127.0.0.1] said: {answer.replace(chr(10), ' ')}"
        self.seen.append(
            Seen(
                recipient=recipient,
                mail_from=mail_from,
                pool=pool,
                status="sent" if sent else "deferred" if code < 500 else "bounced",
                code=code,
                enhanced=told[1] if told else f"{code // 100}.0.0",
                stage=None if sent else stage,
                text=None if sent else f"{quoted} (in reply to {_COMMANDS[stage]} command)",
                message_id=message_id,
            )
        )


def submit(postfix: Postfix, messages: int, seed: str) -> Submitted:
    """Give Postfix this many letters: most by login, some by relaying hosts, some by the local
    command."""
    known = Submitted()
    with ThreadPoolExecutor(6) as several:
        list(several.map(lambda number: _letter(postfix, known, number, seed), range(messages)))
    return known


def _letter(postfix: Postfix, known: Submitted, number: int, seed: str) -> None:
    digest = hashlib.blake2b(f"{seed} letter {number}".encode(), digest_size=8).digest()
    kind, host, user, count, site = digest[0], digest[1], digest[2], digest[3], digest[4]
    mail_from = f"u{user:03d}.{number:06d}{COPY}@{HOME}"
    message_id = f"{number:06d}.{digest.hex()}{COPY}@{HOME}"
    recipients = [
        f"r{number:06d}.{place}{COPY}@{SITES[(site + place) % len(SITES)]}.example"
        for place in range(1 if count > 30 else 2 + count % 3)
    ]
    letter = f"From: <{mail_from}>\r\nMessage-ID: <{message_id}>\r\n\r\nHello {number}.\r\n"
    address = f"198.51.100.{host}"
    sender = f"login:user{user:03d}@{HOME}" if kind > 70 else f"host:{address}"
    if kind < 12:
        recipients, sender = recipients[:1], "uid:0"
    for recipient in recipients:
        known.sender[recipient] = sender
        known.message_id[recipient] = message_id
    if kind < 12:
        postfix.sendmail(mail_from, recipients[0], letter.replace("\r", "").encode())
        return
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
        client.ehlo("client.example")
        login = f" LOGIN={sender[6:]}" if kind > 70 else ""
        client.docmd("XCLIENT", f"NAME=c{host}.example ADDR={address}{login}")
        client.ehlo("client.example")
        client.sendmail(mail_from, recipients, letter)
