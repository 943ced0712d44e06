"""Messages between their first line and `removed`: what is known of each, within a bound.

A queue id names a message on one host and in one instance only until it is reused, and process
names hide the instance (`-o syslog_name=`), so the key is (host, queue id) and messages under one
key are told apart by the instance whose queue manager spoke of them. When there are too many, the
oldest that was never deferred goes first: the deferred ones are those an operator asks about.
"""

from collections import OrderedDict, deque

# How long a message outlives its `removed`: lines arrive out of order by seconds.
LINGER_S = 60.0


class Message:
    """What is known of one message so far. Mutable: lines add to it while attempts wait."""

    __slots__ = (
        "at",
        "closed_at",
        "complete",
        "deferred",
        "key",
        "mail_from",
        "message_id",
        "origin",
        "owner",
        "parent",
        "script",
        "sender",
        "size",
        "tried",
    )

    def __init__(self, key: tuple[str, str], at: float) -> None:
        self.key = key
        self.at = at
        self.owner: str | None = None  # the instance, once cleanup or qmgr named it
        self.origin = False  # whether smtpd, pickup or a forward told where it came from
        self.sender: str | None = None
        self.script: str | None = None
        self.parent: Message | None = None
        self.mail_from: str | None = None
        self.message_id: str | None = None
        self.size: int | None = None
        self.tried = False
        self.deferred = False
        self.closed_at: float | None = None
        self.complete = False


class OpenMessages:
    """The table of open messages, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Ordered: taking the oldest of a plain dict walks over everything removed before it.
        self._fresh: OrderedDict[tuple[str, str], list[Message]] = OrderedDict()
        self._deferred: OrderedDict[tuple[str, str], list[Message]] = OrderedDict()
        self._closed: deque[Message] = deque()
        self.dropped = 0
        self.dropped_deferred = 0
        self.dropped_closed = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._deferred)

    def under(self, key: tuple[str, str]) -> list[Message]:
        """Those under a key, oldest first; usually one."""
        return self._fresh.get(key) or self._deferred.get(key) or []

    def add(self, message: Message) -> None:
        """A message under its key beside what is there; the oldest may have to go."""
        there = self.under(message.key)
        if there:
            there.append(message)
            del there[:-4]  # a queue id used five times within a minute is an attack
            return
        self._fresh[message.key] = [message]
        while len(self) > self._limit:
            self._evict()

    def _evict(self) -> None:
        table = self._fresh or self._deferred
        _, gone = table.popitem(last=False)
        if all(message.closed_at is not None for message in gone):
            self.dropped_closed += 1  # told all it had to tell
        elif table is self._deferred:
            self.dropped_deferred += 1
        else:
            self.dropped += 1

    def mark_deferred(self, message: Message) -> None:
        """From now on it is among those dropped last."""
        message.deferred = True
        there = self._fresh.pop(message.key, None)
        if there is not None:
            self._deferred[message.key] = there

    def close(self, message: Message, at: float) -> None:
        """`removed`: forgotten after a while."""
        if message.closed_at is None:
            message.closed_at = at
            self._closed.append(message)

    def tidy(self, at: float) -> None:
        """Forget what was removed long enough ago."""
        closed = self._closed
        while closed and (closed[0].closed_at or 0.0) < at - LINGER_S:
            self._forget(closed.popleft())

    def _forget(self, message: Message) -> None:
        for table in (self._fresh, self._deferred):
            there = table.get(message.key)
            if there and message in there:
                there.remove(message)
                if not there:
                    del table[message.key]
                return
