"""Asks a blocklist about one of our addresses (RFC 5782): A, TXT, and the list's test points first.

One resolver, the configured one; without it, or with look-ups switched off, every answer is
unknown and says so. Test points are asked again after an hour of the service's time. The room
`watch` judges; this module only carries questions.
"""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Literal

import msgspec

from unlisted.commands import Probe
from unlisted.edge.clock import Clock, Hold
from unlisted.edge.dns_client import DnsClient, DnsError
from unlisted.facts import ProbeAnswered
from unlisted.watch import answers
from unlisted.watch.catalogue import ListRow, lookup
from unlisted.watch.query import QueryError, reverse_name, test_names

TEST_POINTS_KEPT_S = 3600.0


class Asked(msgspec.Struct, frozen=True):
    """What came of one question: data of type A or nothing, with the code."""

    records: tuple[str, ...] | None
    rcode: str


class DnsProber:
    """`client` None: look-ups are off."""

    def __init__(self, clock: Clock, client: DnsClient | None) -> None:
        self._clock = clock
        self._client = client
        self._tested: dict[tuple[str, str], tuple[float, bool | None, bool | None]] = {}

    async def answered(self, command: Probe, hold: Hold) -> ProbeAnswered:
        """The fact that the command ends in; never raises."""
        answer = await self.probe(command.zone, command.address, hold)
        return ProbeAnswered(
            at=self._clock.now(),
            done=command.key,
            zone=command.zone,
            address=command.address,
            state=answer.state,
            codes=answer.codes,
            texts=answer.texts,
            why=answer.why,
        )

    async def probe(self, zone: str, address: str, hold: Hold) -> answers.Answer:
        """The list's word about the address; never raises."""
        if self._client is None:
            return answers.Answer("unknown", (), (), "look-ups are off")
        row = lookup(zone)
        try:
            name = reverse_name(address, zone)
            family: Literal["ipv4", "ipv6"] = (
                "ipv4" if ipaddress.ip_address(address).version == 4 else "ipv6"
            )
            listed_ok, clean_ok = await self._test_points(self._client, zone, row, family, hold)
        except (QueryError, ValueError) as exc:
            return answers.Answer("unknown", (), (), str(exc))
        asked = await self._ask(self._client, name, hold)
        texts: tuple[str, ...] = ()
        if asked.records:
            with contextlib.suppress(DnsError):  # a listing without its words is a listing
                texts = tuple(sorted((await self._client.ask(name, "TXT", hold)).records))
        return answers.judge(
            row, asked.records, texts, asked.rcode, test_listed=listed_ok, test_clean=clean_ok
        )

    async def _test_points(
        self,
        client: DnsClient,
        zone: str,
        row: ListRow | None,
        family: Literal["ipv4", "ipv6"],
        hold: Hold,
    ) -> tuple[bool | None, bool | None]:
        kept = self._tested.get((zone, family))
        if kept is not None and self._clock.now() < kept[0]:
            return kept[1], kept[2]
        must, must_not = test_names(row if row is not None else zone, family)
        listed = _is_listed(await self._ask(client, must, hold))
        clean = _is_listed(await self._ask(client, must_not, hold))
        clean_ok = None if clean is None else not clean
        if listed is not None and clean is not None:
            until = self._clock.now() + TEST_POINTS_KEPT_S
            self._tested[zone, family] = (until, listed, clean_ok)
        return listed, clean_ok

    async def _ask(self, client: DnsClient, name: str, hold: Hold) -> Asked:
        try:
            answer = await client.ask(name, "A", hold)
        except DnsError as exc:
            return Asked(None, str(exc))
        return Asked(answer.records, answer.rcode)


def _is_listed(asked: Asked) -> bool | None:
    """Whether a test point is listed; None: no answer, which says nothing about the list."""
    return None if asked.records is None else bool(asked.records)
