"""`usual`: the practice of a good mail provider today, built to be as good as that practice can be.

- At most `limit_per_hour` recipients an hour and account; more waits for the next hour.
- Mail refused for policy (5.7.x, a greeting, words of blocking, our address in the text; not an
  unknown user) is tried from the next address of the pool that the site has not refused within
  the last hour; when it refuses them all, from the one refused longest ago.
- Refusals are counted, but for addresses already dealt with; `alert_refusals` within
  `alert_window_s` raise an alert. `postmaster_delay_s` later the postmaster holds the sender with
  the most recipients in `volume_window_s`, for `hold_h`. By then he has spoken with the owner. A
  hijacked account gets a new password (its later spam is refused) and its queue is deleted, as
  nobody reads and sorts some hundred of a user's letters; an honest one's queue is sent.
It has no notion of shares, lists' terms or resending.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from unlisted_sandbox.clock_lanes import LaneClock
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.mta import Accounts, Entry, Mta, Route
from unlisted_sandbox.replies import Reply
from unlisted_sandbox.world import World

REST_S = 3600.0  # an address refused at a site is not the first choice there for so long
KNOWN_S = 86400.0  # a listing that was dealt with raises no alert for so long

_UNKNOWN_USER = re.compile(
    r"\b5\.1\.\d|\b5\.[24]\.[12]\b|unknown (user|recipient|in)|user unknown|no such|no mailbox"
    r"|does not exist|not found|unrouteable|unavailable$",
    re.IGNORECASE,
)
_POLICY = re.compile(
    r"\b5\.7\.\d|block|listed|blacklist|\brbl|dnsbl|reputation|spam|junk|policy|security|denied",
    re.IGNORECASE,
)


def blames_address(reply: Reply, address: str) -> bool:
    """What such a provider takes for a refusal of the address: generous, as trying again is cheap."""
    if address in reply.text:
        return True
    return not _UNKNOWN_USER.search(reply.text) and bool(_POLICY.search(reply.text))


class Usual(Mta):
    def __init__(
        self,
        lane: Lane,
        world: World,
        clock: LaneClock,
        accounts: Accounts,
        routes: dict[str, Route],
        looks_like_spam: Callable[[bytes], bool],
    ) -> None:
        """`looks_like_spam`: the postmaster's eyes on a held message, nothing a program has."""
        super().__init__(lane, world, clock, accounts, routes)
        self._looks_like_spam = looks_like_spam
        self._hour: dict[str, tuple[float, int]] = {}  # sender -> (since, recipients)
        self._recent: deque[tuple[float, str, int]] = deque()  # (at, sender, recipients)
        self._refused: dict[tuple[str, Route], float] = {}
        self._seen: deque[tuple[float, str]] = deque()  # refusals that count for the alert
        self._known: dict[str, float] = {}  # addresses known to be listed, until when
        self._called = False  # the postmaster is on his way
        self.held: dict[str, list[Entry]] = {}
        self.closed: set[str] = set()  # accounts whose spam is refused
        self.holds = 0

    def refuses(self, sender: str, content: bytes) -> Reply | None:
        if sender in self.closed and self._looks_like_spam(content):
            return Reply(550, ("5.7.1 This account is closed, ask your provider",))
        return None

    def take(self, entry: Entry) -> None:
        sender, now = entry.message.sender, self.clock.now()
        if not sender:
            self.start(entry)
            return
        if entry.attempts == 0 and not entry.tried:
            self._recent.append((now, sender, len(entry.recipients)))
        self._admit(entry)

    def _admit(self, entry: Entry) -> None:
        sender, now = entry.message.sender, self.clock.now()
        if sender in self.held:
            self.held[sender].append(entry)
            return
        if sender in self.closed and self._looks_like_spam(entry.message.content):
            self.waiting -= 1
            return
        if entry.attempts == 0 and not entry.tried:
            since, count = self._hour.get(sender, (now, 0))
            if now >= since + 3600:
                since, count = now, 0
            if count + len(entry.recipients) > self.world.usual.limit_per_hour and count:
                self.clock.call_at(since + 3600, lambda: self._admit(entry))
                return
            self._hour[sender] = (since, count + len(entry.recipients))
        self.start(entry)

    def choose(self, entry: Entry) -> str:
        now = self.clock.now()
        pool = self.lane.pool
        first = super().choose(entry)
        order = pool[pool.index(first) :] + pool[: pool.index(first)]
        fresh = [a for a in order if a not in entry.tried] or list(order)
        rested = [a for a in fresh if now - self._refused.get((a, entry.route), -REST_S) >= REST_S]
        return rested[0] if rested else min(fresh, key=lambda a: self._refused[(a, entry.route)])

    def failed(
        self, entry: Entry, address: str, permanent: tuple[tuple[str, Reply], ...]
    ) -> tuple[tuple[str, Reply], ...]:
        blamed = tuple((r, reply) for r, reply in permanent if blames_address(reply, address))
        if not blamed:
            return permanent
        now = self.clock.now()
        self._refused[(address, entry.route)] = now
        self._alert(address, now)
        tried = (*entry.tried, address)
        # Every address that this site has not refused within the hour; when it refuses all, the one
        # refused longest ago is tried too.
        left = [
            other
            for other in self.lane.pool
            if other not in tried
            and now - self._refused.get((other, entry.route), -REST_S) >= REST_S
        ]
        enough = not left and len(tried) >= 2
        if not self.world.usual.other_address or enough or len(tried) >= len(self.lane.pool):
            return permanent
        self.waiting += 1
        self._admit(
            Entry(entry.message, entry.route, tuple(r for r, _ in blamed), entry.attempts, tried)
        )
        return tuple((r, reply) for r, reply in permanent if (r, reply) not in blamed)

    def _alert(self, address: str, now: float) -> None:
        rules = self.world.usual
        if now < self._known.get(address, now):
            return  # it is known to be listed; that says nothing new
        self._seen.append((now, address))
        while self._seen and self._seen[0][0] <= now - rules.alert_window_s:
            self._seen.popleft()
        if len(self._seen) >= rules.alert_refusals and not self._called:
            self._called = True
            self.clock.call_at(now + rules.postmaster_delay_s, self._postmaster)

    def _postmaster(self) -> None:
        """The top sender by volume is held."""
        now = self.clock.now()
        self._called = False
        for _at, address in self._seen:
            self._known[address] = now + KNOWN_S
        self._seen.clear()
        while self._recent and self._recent[0][0] <= now - self.world.usual.volume_window_s:
            self._recent.popleft()
        volumes: dict[str, int] = {}
        for _at, sender, recipients in self._recent:
            if sender not in self.held and sender not in self.closed:
                volumes[sender] = volumes.get(sender, 0) + recipients
        if not volumes:
            return
        top = min(volumes, key=lambda s: (-volumes[s], s))
        self.held[top] = []
        self.holds += 1
        self.lane.log.add(now, "held", sender=top)
        self.clock.call_at(now + self.world.usual.hold_h * 3600, lambda: self._release(top))

    def _release(self, sender: str) -> None:
        entries = self.held.pop(sender)
        spam = [e for e in entries if self._looks_like_spam(e.message.content)]
        if spam:
            self.closed.add(sender)
        self.lane.log.add(
            self.clock.now(), "released", sender=sender, text="hijacked" if spam else "honest"
        )
        if spam:
            self.waiting -= len(entries)
            return
        for entry in entries:
            self._admit(entry)
