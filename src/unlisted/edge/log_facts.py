"""Attempts of a watched MTA as observed facts: what was taken is counted, the rest told singly.

Deterministic in the attempts alone: counts of a minute become facts when an attempt of a later
minute comes, or before a refusal on the same path, so that their order there stays true. Follow-on
lines of a dead site were no conversation and give none; nor does a message's expiry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from unlisted.edge.history_names import site_of
from unlisted.edge.log_addresses import TEXT_LIMIT, Addresses
from unlisted.edge.people import People
from unlisted.facts import Bounce, Carried, Observed, Row, TransientFailure
from unlisted.mail.attempt import Attempt

MINUTE_S = 60.0
SITES = 100_000
Path = tuple[str, str]
_HERE = frozenset(("127.0.0.1", "::1", "localhost", "localhost.localdomain"))


class Told(NamedTuple):
    """A fact and the names behind its keyed hashes, for the journal's table of people."""

    fact: Observed
    personal: dict[str, str]


class Facts:
    """One log's attempts in, facts out. `memory` and `remember` carry it over a restart."""

    def __init__(self, people: People, addresses: Addresses, *, loopback: bool = False) -> None:
        """`loopback`: what 127.0.0.1 takes is mail that left, not mail handed to a filter."""
        self._loopback = loopback
        self._people = people
        self.addresses = addresses
        self._minute = -1
        self._last_at = 0.0
        self._taken: dict[Path, dict[str, int]] = {}
        self._names: dict[str, str] = {}  # hash -> sender, of this minute
        self._sites: dict[str, str] = {}  # domain -> receiver as last seen

    def of(self, attempt: Attempt) -> Iterator[Told]:
        """What follows from one more attempt."""
        if attempt.repeats or attempt.status == "expired" or self._stays(attempt):
            return
        minute = int(attempt.at // MINUTE_S)
        if minute > self._minute:
            yield from self.flush()
            self._minute = minute
        self._last_at = max(self._last_at, attempt.at)
        path = (self.addresses.of(attempt), self._receiver(attempt))
        if attempt.status == "sent":
            sender = self._sender(attempt)
            counts = self._taken.setdefault(path, {})
            counts[sender] = counts.get(sender, 0) + 1
        else:
            yield from self._counted(path)
            yield self._refused(attempt, path)

    def survey(self, attempt: Attempt) -> None:
        """Learn its address only: a backlog is looked through before it is told, so that mail
        before the first refusal is counted to the address that refusals will name."""
        if not (attempt.repeats or attempt.status == "expired" or self._stays(attempt)):
            self.addresses.of(attempt)

    def flush(self) -> Iterator[Told]:
        """What is counted so far, in the order of the paths."""
        for path in sorted(self._taken):
            yield from self._counted(path)
        self._names.clear()

    @property
    def minute_ends(self) -> float | None:
        """When the minute that is being counted is over; None: nothing is."""
        return (self._minute + 1) * MINUTE_S if self._taken else None

    def _counted(self, path: Path) -> Iterator[Told]:
        counts = self._taken.pop(path, None)
        if counts:
            senders = tuple(sorted(counts.items()))
            personal = {one: self._names[one] for one, _ in senders if one in self._names}
            fact = Carried(at=self._last_at, address=path[0], receiver=path[1], senders=senders)
            yield Told(fact, personal)

    def _sender(self, attempt: Attempt) -> str:
        if not attempt.sender:
            return ""
        sender = self._people.person(attempt.sender)
        self._names[sender] = attempt.sender
        return sender

    def _stays(self, attempt: Attempt) -> bool:
        """Whether it went no further than this machine: a mailbox, a pipe, a content filter."""
        if attempt.relay is None:
            return attempt.status == "sent"
        host = attempt.relay.partition("[")[0].lower()
        if host in _HERE:
            return not self._loopback
        return "." not in host and ":" not in host

    def _receiver(self, attempt: Attempt) -> str:
        """The remote site; where none answered, the one that last did for this domain."""
        domain = attempt.recipient.rpartition("@")[2].lower() or "unknown"
        site = site_of(attempt.relay)
        if not site:
            return self._sites.get(domain, domain)
        if self._sites.get(domain) != site:
            if len(self._sites) >= SITES:
                del self._sites[next(iter(self._sites))]
            self._sites[domain] = site
        return site

    def _refused(self, attempt: Attempt, path: Path) -> Told:
        sender = self._sender(attempt)
        recipient = self._people.person(attempt.recipient)
        personal = {recipient: attempt.recipient}
        if attempt.sender:
            personal[sender] = attempt.sender
        back = self._people.person(attempt.mail_from) if attempt.mail_from else ""
        if attempt.mail_from:
            personal[back] = attempt.mail_from
        message_id = self._people.mark("message-id", attempt.message_id or "")
        if attempt.message_id:
            personal[message_id] = f"<{attempt.message_id}>"
        known = (attempt.recipient, attempt.orig_to or "", attempt.mail_from or "")
        row = Row(
            key=f"{attempt.queue_id}.{recipient}",
            message=attempt.queue_id,
            sender=sender,
            tenant="",
            recipient=recipient,
            domain=attempt.recipient.rpartition("@")[2].lower(),
            first_at=attempt.at - (attempt.delay_s or 0.0),
            address=path[0],
            null_sender=attempt.mail_from == "",
            watched=True,
            reverse_path=back,
            message_id=message_id,
        )
        kind = Bounce if attempt.status == "bounced" else TransientFailure
        fact = kind(
            at=attempt.at,
            row=row,
            address=path[0],
            receiver=path[1],
            code=attempt.code,
            enhanced=attempt.enhanced,
            text=self._people.redacted((attempt.text or "")[:TEXT_LIMIT], known),
            stage=attempt.stage or ("eod" if attempt.code else "connect"),
        )
        return Told(fact, personal)

    # ------------------------------------------------------------ over a restart

    def memory(self) -> dict[str, Any]:
        """All that a later process needs, as plain data."""
        taken = [[*path, sorted(counts.items())] for path, counts in sorted(self._taken.items())]
        return {
            "minute": self._minute,
            "last_at": self._last_at,
            "taken": taken,
            "names": self._names,
            "sites": self._sites,
            "addresses": self.addresses.memory(),
        }

    def remember(self, memory: dict[str, Any]) -> None:
        """Take up what `memory` gave. Raises ValueError, TypeError or KeyError."""
        self._minute = int(memory["minute"])
        self._last_at = float(memory["last_at"])
        self._taken = {
            (str(address), str(receiver)): {str(one): int(count) for one, count in counts}
            for address, receiver, counts in memory["taken"]
        }
        self._names = {str(key): str(one) for key, one in dict(memory["names"]).items()}
        self._sites = {str(key): str(one) for key, one in dict(memory["sites"]).items()}
        if "addresses" in memory:  # a memory of before has none
            self.addresses.remember(memory["addresses"])
