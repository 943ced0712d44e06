"""One remote site: what it says to whom, and what follows from a mail it took. Knows no sockets.

A `Site` keeps all its state per lane (platform), as plain method calls with the time as argument,
so that the same objects stand behind real sockets and in virtual time. A list asked over DNS is
asked by whoever runs the site: a method that needs an answer returns `Ask` and is called again
after `told`. Stages of a refusal, wordings, greylisting, caches and copies of lists follow the
world file. Every refusal for the list goes to the log, with what the site can see at that stage.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from unlisted_sandbox import chance, tokens, world_sites
from unlisted_sandbox.blocklist import ListState, reversed_name
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.eventlog import Log
from unlisted_sandbox.feedback import feedback_report
from unlisted_sandbox.home import message_id
from unlisted_sandbox.replies import Ask, Reply, Said, say, worded
from unlisted_sandbox.world import World

GREYLIST_KEPT_S = 35 * 86400.0
MAX_RECIPIENTS = 100  # RFC 5321 section 4.5.3.1.8


class Evidence(Struct, frozen=True):
    """A list will learn this of an address."""

    at: float
    zone: str
    address: str
    kind: Literal["trap", "report"]
    weight: float


class Complaint(Struct, frozen=True):
    """A feedback report will be sent to the platform's abuse mailbox."""

    at: float
    site: str
    data: bytes


Consequence = Evidence | Complaint


class LaneState:
    """What a site remembers of one platform."""

    __slots__ = ("abuse", "answers", "attempts", "greylist", "hangs", "list", "log")

    def __init__(self, log: Log, state: ListState | None, abuse: str) -> None:
        self.log = log
        self.list = state
        self.abuse = abuse  # where this platform takes complaints
        self.answers: dict[str, tuple[bool, float]] = {}  # address -> (listed, until)
        self.greylist: dict[tuple[str, str, str], float] = {}
        self.attempts: dict[tuple[str, str], int] = {}
        self.hangs: dict[str, int] = {}


class Site:
    """One receiver of the world, for all lanes."""

    def __init__(
        self,
        world: World,
        receiver: world_sites.Receiver,
        directory: Directory,
        lanes: dict[str, LaneState],
    ) -> None:
        self.world = world
        self.receiver = receiver
        self.directory = directory
        self.lanes = lanes
        self.policy = world.list_of(receiver)

    def connect(self, lane: str, address: str, now: float) -> Visit:
        return Visit(self, self.lanes[lane], address)

    def uses_list(self, now: float) -> bool:
        hours = self.receiver.drops_list_h
        dropped = hours >= 0 and now >= self.world.start + hours * 3600
        return self.receiver.access != "none" and self.policy is not None and not dropped

    def told(self, lane: str, address: str, listed: bool, ttl_s: float, now: float) -> None:
        """The answer to an `Ask`. Without a cache it holds for this instant."""
        until = now + ttl_s if self.receiver.cache and ttl_s > 0 else now
        self.lanes[lane].answers[address] = (listed, until)

    def blocked(self, state: LaneState, address: str, now: float) -> bool | Ask:
        if not self.uses_list(now) or self.policy is None or state.list is None:
            return False
        if self.receiver.access == "feed":
            # The copy it works from was fetched at the last multiple of its period.
            every = self.receiver.feed_every_s
            fetched = self.world.start + (now - self.world.start) // every * every
            return state.list.listed(address, fetched)
        known = state.answers.get(address)
        if known is not None and (now < known[1] or (now == known[1] and not self.receiver.cache)):
            return known[0]
        return Ask(reversed_name(address, self.policy.zone))


class Visit:
    """One session at a site. Methods answer one command each."""

    def __init__(self, site: Site, lane: LaneState, address: str) -> None:
        self.site = site
        self.lane = lane
        self.address = address
        self.helo = ""
        self.reverse_path: str | None = None
        self.recipients: list[str] = []
        self._accepted: bytes | None = None
        self._token = ""  # of what was accepted

    extensions = ("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")
    logins = False

    @property
    def host(self) -> str:
        return self.site.receiver.name

    def greeting(self, now: float) -> Said | Ask:
        if self.site.receiver.stage == "greeting":
            blocked = self.site.blocked(self.lane, self.address, now)
            if isinstance(blocked, Ask):
                return blocked
            if blocked:
                return self._refuse(now, "greeting", "", ())
        return say(220, f"{self.host} ESMTP")

    def ehlo(self, helo: str, now: float) -> Said:
        self.helo = helo
        return say(250, self.host, *self.extensions)

    def auth(self, login: str, password: str, now: float) -> Said:
        return say(502, "5.5.1 Command not implemented")

    def mail(self, reverse_path: str, now: float) -> Said | Ask:
        self.reverse_path = reverse_path
        self.recipients = []
        return say(250, "2.1.0 Ok")

    def rcpt(self, recipient: str, now: float) -> Said | Ask:
        receiver = self.site.receiver
        recipient = recipient.strip()
        _local, _, domain = recipient.lower().rpartition("@")
        wait_s = receiver.tarpit_s
        if domain not in receiver.domains:
            return say(554, f"5.7.1 <{recipient}>: Relay access denied", wait_s=wait_s)
        if len(self.recipients) >= MAX_RECIPIENTS:
            return say(452, "4.5.3 Too many recipients", wait_s=wait_s)
        if receiver.stage == "rcpt":
            blocked = self.site.blocked(self.lane, self.address, now)
            if isinstance(blocked, Ask):
                return blocked
            if blocked:
                return self._refuse(now, "rcpt", recipient, (recipient,), wait_s)
        if self.site.directory.kind(recipient) == "unknown":
            reply = self._worded(receiver.unknown_wording, recipient)
            self._log(now + wait_s, "unknown", reply, (recipient,))
            return Said(reply, wait_s)
        if receiver.greylist_s > 0 and self._greylisted(recipient, now):
            reply = self._worded(receiver.greylist_wording, recipient)
            self._log(now + wait_s, "deferred", reply, (recipient,))
            return Said(reply, wait_s)
        if receiver.tempfail_share > 0:
            key = (self.reverse_path or "", recipient.lower())
            attempt = self.lane.attempts[key] = self.lane.attempts.get(key, 0) + 1
            if chance.happens(
                receiver.tempfail_share,
                self.site.world.seed,
                "tempfail",
                receiver.name,
                *key,
                attempt,
            ):
                reply = self._worded(receiver.tempfail_wording, recipient)
                self._log(now + wait_s, "deferred", reply, (recipient,))
                return Said(reply, wait_s)
        self.recipients.append(recipient)
        return say(250, "2.1.5 Ok", wait_s=wait_s)

    def data(self, content: bytes, now: float) -> Said | Ask:
        receiver, seed = self.site.receiver, self.site.world.seed
        token = tokens.find(seed, content) or ""
        if receiver.stage == "data":
            blocked = self.site.blocked(self.lane, self.address, now)
            if isinstance(blocked, Ask):
                return blocked
            if blocked:
                return self._refuse(
                    now, "data", self.recipients[0], tuple(self.recipients), 0, token
                )
        if receiver.hang_share > 0 and token:
            attempt = self.lane.hangs[token] = self.lane.hangs.get(token, 0) + 1
            if chance.happens(receiver.hang_share, seed, "hang", receiver.name, token, attempt):
                self.lane.log.add(
                    now, "hung", site=receiver.name, address=self.address, token=token
                )
                return Said(Reply(421, ("4.4.2 closing",)), hang_s=receiver.hang_s)
        wait_s = 0.0
        if receiver.answer_s > 0:
            draw = chance.Draw(seed, "answer", receiver.name, token or len(content))
            wait_s = round(draw.lognormal(receiver.answer_s, 0.4), 3)
        if token and any(self.site.directory.content_refused(r, token) for r in self.recipients):
            reply = self._worded(receiver.content_wording, self.recipients[0])
            self._log(now + wait_s, "content", reply, tuple(self.recipients), token)
            return Said(reply, wait_s)
        self._accepted, self._token = content, token
        queued = chance.digest(
            seed, "queued as", receiver.name, token or len(content), size=5
        ).hex()
        return Said(Reply(250, (f"2.0.0 Ok: queued as {queued.upper()}",)), wait_s, keep=True)

    def keep(self, now: float) -> list[Consequence]:
        """The message is taken, the reply about to be written: it lies in its mailboxes."""
        content, self._accepted = self._accepted, None
        if content is None:
            return []
        site, seed, token = self.site, self.site.world.seed, self._token
        number = message_id(content)
        follows: list[Consequence] = []
        for mailbox in self.recipients:
            self.lane.log.add(
                now,
                "delivered",
                site=site.receiver.name,
                address=self.address,
                token=token,
                mailbox=mailbox.lower(),
                id=number,
            )
            if not token:
                continue
            for entry in site.world.lists:
                seen = site.directory.evidence(entry, mailbox, token, now)
                if seen is not None:
                    follows.append(
                        Evidence(seen.at, entry.zone, self.address, seen.kind, seen.weight)
                    )
            if site.receiver.arf and site.directory.complains(mailbox, token):
                at = round(now + site.directory.complaint_lag_s(mailbox, token), 3)
                report = feedback_report(
                    site=site.receiver.name,
                    to=self.lane.abuse,
                    at=at,
                    arrived=now,
                    source=self.address,
                    reverse_path=self.reverse_path or "",
                    original=content,
                    report_id=chance.digest(seed, "report id", mailbox, token, size=8).hex(),
                )
                follows.append(Complaint(at, site.receiver.name, report))
        return follows

    def _greylisted(self, recipient: str, now: float) -> bool:
        network = self.address.rpartition(".")[0]
        key = (network, (self.reverse_path or "").lower(), recipient.lower())
        first = self.lane.greylist.get(key)
        if first is None or now - first > GREYLIST_KEPT_S:
            self.lane.greylist[key] = now
            return True
        return now - first < self.site.receiver.greylist_s

    def _worded(self, wording: str, recipient: str) -> Reply:
        return worded(
            wording,
            ip=self.address,
            zone=self.site.policy.zone if self.site.policy else "",
            helo=self.helo,
            recipient=recipient,
            domain=recipient.rpartition("@")[2],
            host=self.host,
        )

    def _refuse(
        self,
        now: float,
        stage: Literal["greeting", "rcpt", "data"],
        recipient: str,
        recipients: tuple[str, ...],
        wait_s: float = 0.0,
        token: str = "",
    ) -> Said:
        reply = self._worded(self.site.receiver.wording, recipient)
        self.lane.log.add(
            now + wait_s,
            "refused",
            site=self.site.receiver.name,
            address=self.address,
            token=token,
            mailbox=" ".join(r.lower() for r in recipients),
            sender=self.reverse_path or "",
            stage=stage,
            text=f"{reply.code} {reply.text}",
        )
        return Said(reply, wait_s)

    def _log(
        self, at: float, kind: str, reply: Reply, recipients: tuple[str, ...], token: str = ""
    ) -> None:
        self.lane.log.add(
            at,
            kind,
            site=self.site.receiver.name,
            address=self.address,
            token=token,
            mailbox=" ".join(r.lower() for r in recipients),
            sender=self.reverse_path or "",
            text=f"{reply.code} {reply.text}",
        )
