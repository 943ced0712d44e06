"""Which of our addresses an attempt of a watched MTA left by.

The log's own field says it; else the address that a refusal names as blocked, when it is ours;
else the transport's as configured; else, for all mail of one transport, the only address its
refusals ever name; else the only one there is; else the transport's name stands for it. Refuses to
take an address for ours that is not, once anybody said which are; and to choose between two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unlisted.mail.attempt import Attempt
from unlisted.mail.reply import Reply
from unlisted.replies.addresses import Network, Pool, Range, single
from unlisted.replies.classify import classify

# A stray address in one refusal in twenty does not make a transport two-headed.
_STRAY = 0.05
_LIMIT = 256  # addresses remembered of each kind: what a text names is anybody's
TEXT_LIMIT = 2000
Counts = dict[str, int]


class Addresses:
    """`told`: of transports; `ours`: networks, none where nobody said which addresses are."""

    def __init__(self, told: Mapping[str, str], ours: Sequence[Network]) -> None:
        self._told = dict(told)
        self._bound = bool(ours)
        self._pool = Pool(ours)
        alone = ours[0] if len(ours) == 1 and ours[0].num_addresses == 1 else None
        self._only = str(alone.network_address) if alone else ""
        self._logged: set[str] = set()  # egress addresses as logged: ours, whoever said what
        self._named: dict[str, Counts] = {}  # transport -> addresses its refusals name
        self.strangers: Counts = {}  # named by refusals, and none of ours

    def of(self, attempt: Attempt) -> str:
        """The address, or a name that stands for it; what the attempt tells is remembered."""
        if attempt.egress:
            if len(self._logged) < _LIMIT:
                self._logged.add(attempt.egress)
            return attempt.egress
        names = [one for one in (attempt.transport, attempt.pool, attempt.instance) if one]
        behind = names[0] if names else "unknown"
        named = "" if attempt.status == "sent" else self._blocked(attempt)
        if named:
            _count(self._named.setdefault(behind, {}), named)
            return named
        for name in names:
            if name in self._told:
                return self._told[name]
        return self._usual(behind) or behind

    def _usual(self, behind: str) -> str:
        counts = self._named.get(behind, {})
        enough = _STRAY * sum(counts.values())
        likely = [one for one, count in counts.items() if count > enough]
        return likely[0] if len(likely) == 1 else "" if likely else self._only

    def _blocked(self, attempt: Attempt) -> str:
        """The one address of ours that a refusal names as its subject."""
        text = (attempt.text or "")[:TEXT_LIMIT]
        reply = Reply(code=attempt.code, enhanced=attempt.enhanced, text=text)
        said = classify(reply, ours=self._pool, stage=attempt.stage)
        if said.refusal == "no" or said.subject != "address" or not said.subject_value:
            return ""
        one = single(said.subject_value)
        if one is None or one.first != one.last or one.is_loopback:
            return ""
        if self._is_ours(one):
            return one.text
        _count(self.strangers, one.text)
        return ""

    def _is_ours(self, one: Range) -> bool:
        return not self._bound or self._pool.touches(one) or one.text in self._logged

    # ------------------------------------------------------------ over a restart

    def memory(self) -> dict[str, Any]:
        """What attempts told, as plain data."""
        return {
            "logged": sorted(self._logged),
            "named": self._named,
            "strangers": self.strangers,
        }

    def remember(self, memory: dict[str, Any]) -> None:
        """Take up what `memory` gave. Raises ValueError, TypeError or KeyError."""
        self._logged = {str(one) for one in memory["logged"]}
        self._named = {str(name): _counts(one) for name, one in dict(memory["named"]).items()}
        self.strangers = _counts(memory["strangers"])


def _count(counts: Counts, address: str) -> None:
    if address in counts or len(counts) < _LIMIT:
        counts[address] = counts.get(address, 0) + 1


def _counts(told: Any) -> Counts:
    return {str(one): int(count) for one, count in dict(told).items()}
