"""Attempts in batches to counts in cells, in bounded memory: the report's one pass over the logs.

Sent rows become counts only; a refused row is also kept, up to a limit, because a re-send is
decided from it. When the limit is reached, rows that no list explains go first, then bounced ones,
oldest first, and deferred ones last; what went is counted. Rows of one batch cost a few array
operations; Python looks only at names not seen before and at rows that were not sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unlisted.edge.attempts import tried_and_given_up
from unlisted.edge.report_bounded import BUFFERED, CELLS, Numbered, Pairs, Tally
from unlisted.edge.report_columns import (
    RowHashes,
    codes,
    looked_up,
    mapped,
    mixed,
    numbers,
    truths,
)
from unlisted.edge.report_letters import KEPT, Letters
from unlisted.replies.addresses import Network, pool_of
from unlisted.replies.classify import Meaning, classify
from unlisted.report import cells as c
from unlisted.report.cells import Answer, Cells, Names, Route
from unlisted.report.gathered import DEFERRED, SENT_ROW, STATUSES, Dropped, Gathered
from unlisted.report.others import domain_in, list_in
from unlisted.report.sites import receiver_of, site_of

PAIRS = 6_000_000
REMEMBERED = 1 << 16
DOMAINS = 2000  # told apart; names in mail have no end
SHOWN = 400

# Postfix transports and Exim's usual names that put mail into a mailbox or nowhere.
_LOCAL = frozenset(
    [
        "local",
        "virtual",
        "lmtp",
        "pipe",
        "discard",
        "error",
        "retry",
        "maildrop",
        "dovecot",
        "cyrus",
        "local_delivery",
        "mail_spool",
        "virtual_userdelivery",
        "virtual_delivery",
        "local_mail",
        "dovecot_lmtp",
        "dovecot_virtual_delivery",
        "address_file",
        "address_pipe",
        "address_reply",
    ]
)
_VALUED = ("address", "network", "rate", "domain")
_UNSURE = re.compile(r"end of data|may be sent more than once|after (?:sending )?data\b")
_STATUS = {name: number for number, name in enumerate(STATUSES)}


class Rollup:
    """Takes batches of `edge.attempts.SCHEMA` in the order read; `finish` gives the rest."""

    def __init__(
        self,
        ours: Sequence[Network] = (),
        *,
        since: float | None = None,
        until: float | None = None,
        kept: int = KEPT,
    ) -> None:
        self.ours = tuple(ours)
        self._pool = pool_of(self.ours)
        self.since, self.until = since, until
        self.first: float | None = None
        self.last: float | None = None
        self.attempts = 0
        self.statuses = dict.fromkeys(STATUSES, 0)
        self._routes = Numbered(c.ROUTES, others=Route(None, instance="(others)"))
        self._receivers = Numbered(c.RECEIVERS)
        self._senders = Numbered(c.SENDERS, first=[""])
        self._answers = Numbered(
            c.ANSWERS,
            first=range(c.WORDLESS),
            others=Answer(
                "other", None, "none", None, "no", None, None, None, "never", None, False
            ),
        )
        self._said: list[Answer | None] = [None] * c.WORDLESS
        self._remembered: dict[_Key, int] = {}
        self._tallies = {name: Tally(name) for name in CELLS}
        self._buffer: list[Cells] = []
        self._buffered = 0
        self._pairs = Pairs(PAIRS)
        self._domains: set[str] = set()
        self._letters = Letters(kept)

    # ------------------------------------------------------------ one batch

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch; the order of rows is the order of reading."""
        batch, given_up = tried_and_given_up(self._within(batch))
        self._letters.returned(given_up)
        rows = batch.num_rows
        if not rows:
            return
        at = numbers(batch.column("at"), np.float64)
        status = mapped(batch.column("status"), _STATUS, DEFERRED)
        self.attempts += rows
        for number, name in enumerate(STATUSES):
            self.statuses[name] += int((status == number).sum())
        low, high = float(at.min()), float(at.max())
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)
        columns: dict[str, NDArray[Any]] = {
            "at": at,
            "status": status,
            "route": self._route(batch),
            "receiver": self._receiver(batch),
            "sender": looked_up(batch.column("sender"), self._senders.number, c.NOBODY),
            "answer": self._answered(batch, status),
        }
        hashes = RowHashes(batch)
        self._letters.add(batch, columns, hashes, self._said)
        self._count(batch, columns, hashes)

    def _within(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        at = numbers(batch.column("at"), np.float64)
        keep = np.isfinite(at)
        if self.since is not None:
            keep &= at >= self.since
        if self.until is not None:
            keep &= at < self.until
        return batch if keep.all() else batch.filter(pa.array(keep))

    def _count(
        self, batch: pa.RecordBatch, columns: dict[str, NDArray[Any]], hashes: RowHashes
    ) -> None:
        final = columns["status"] != DEFERRED
        new = np.zeros(batch.num_rows, np.bool_)
        known = np.flatnonzero(final & (columns["sender"] != c.NOBODY))
        if len(known):
            sender = columns["sender"][known].astype(np.uint64)
            new[known] = self._pairs.new(mixed(sender, hashes.recipient[known]))
        # A follow-on line was no attempt of its own, yet it may be a message's last word.
        real = ~truths(batch.column("repeats"))
        local = looked_up(batch.column("transport"), _local).astype(np.bool_)
        take = np.flatnonzero(~local & (real | final))
        at = columns["at"][take]
        more = Cells(
            **{name: columns[name][take] for name in ("route", "receiver", "sender", "answer")},
            bucket=np.zeros(len(take), np.int32),
            count=real[take].astype(np.int32),
            finals=final[take].astype(np.int32),
            new=new[take].astype(np.int32),
            first_at=at,
            last_at=at,
            file=numbers(batch.column("file"), np.int32)[take],
            line=numbers(batch.column("line"), np.int64)[take],
        )
        self._buffer.append(more)
        self._buffered += len(take)
        if self._buffered >= BUFFERED:
            self._flush()

    def _flush(self) -> None:
        more = c.joined(self._buffer)
        self._buffer, self._buffered = [], 0
        if not len(more):
            return
        nothing = np.zeros(len(more), np.int32)
        told = more.answer >= c.WORDLESS
        senders = np.where(told, more.sender, nothing)
        self._tallies["paths"].add(replace(more, sender=senders))
        self._tallies["people"].add(replace(more, receiver=nothing))
        self._tallies["mixed"].add(more)

    # ------------------------------------------------------------ names

    def _route(self, batch: pa.RecordBatch) -> NDArray[np.int32]:
        parts = [
            pc.dictionary_encode(batch.column(name))
            for name in ("egress", "instance", "transport", "pool")
        ]
        code = looked_up(batch.column("relay_ip"), _version).astype(np.int64)
        sizes = [len(part.dictionary) + 1 for part in parts]
        for part, size in zip(parts, sizes, strict=True):
            code = code * size + codes(part)
        unique, inverse = np.unique(code, return_inverse=True)
        tables = [[None, *part.dictionary.to_pylist()] for part in parts]
        found = [self._routes.number(_route_of(int(one), sizes, tables)) for one in unique]
        return np.array(found, np.int32)[inverse.reshape(-1)]

    def _receiver(self, batch: pa.RecordBatch) -> NDArray[np.int32]:
        found = looked_up(batch.column("relay"), self._site, -1)
        missing = np.flatnonzero(found < 0)
        if len(missing):
            recipients = batch.column("recipient").take(pa.array(missing))
            found[missing] = looked_up(
                recipients, lambda name: self._receivers.number(receiver_of(None, name))
            )
        return found

    def _site(self, relay: str) -> int:
        site = site_of(relay)
        return -1 if site is None else self._receivers.number(site)

    # ------------------------------------------------------------ answers

    def _answered(self, batch: pa.RecordBatch, status: NDArray[np.int32]) -> NDArray[np.int32]:
        answers = np.zeros(batch.num_rows, np.int32)
        bad = np.flatnonzero(status != SENT_ROW)
        if len(bad):
            rows = batch.select(["text", "code", "egress", "stage"]).take(pa.array(bad))
            lists = [rows.column(place).to_pylist() for place in range(4)]
            answers[bad] = [self._answer(key) for key in zip(*lists, strict=True)]
        return answers

    def _answer(self, key: _Key) -> int:
        known = self._remembered.get(key)
        if known is None:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            known = self._remembered[key] = self._meaning(*key)
        return known

    def _meaning(
        self, text: str | None, code: int | None, egress: str | None, stage: str | None
    ) -> int:
        text = text or ""
        if not text and not code:
            return c.NO_ANSWER
        if not code and (stage == "eod" or _UNSURE.search(text.lower())):
            return c.UNSURE
        found = classify(text, ours=self._pool, source=egress, stage=stage)
        if found.reason == "userunknown":
            return c.UNKNOWN_USER
        replied = bool(code or found.code)
        refusal: str = found.refusal
        if replied and found.reason == "blocked" and found.subject == "domain":
            listed = found.blames or list_in(text)
            if listed:
                return self._said_as(self._of_domain(found, listed), refusal, text)
        if refusal == "no":
            if found.rule is not None or not replied:
                return c.OTHER if replied else c.NO_ANSWER
            refusal = "unmatched"
        if found.ours == "no" and (refusal != "yes" or found.subject != "address"):
            return c.OTHER
        return self._said_as(found, refusal, text)

    def _of_domain(self, found: Meaning, listed: str) -> Meaning:
        """A refusal of a domain: no address of ours is meant."""
        name = domain_in(found.subject_value)
        if name is not None and name not in self._domains:
            if len(self._domains) < DOMAINS:
                self._domains.add(name)
            else:
                name = None
        return msgspec.structs.replace(found, ours="no", blames=listed, subject_value=name)

    def _said_as(self, found: Meaning, refusal: str, text: str) -> int:
        answer = Answer(
            refusal,
            found.reason,
            found.subject,
            # The value of a content rule is a name out of the message: no use, and no end of them.
            found.subject_value if found.subject in _VALUED else None,
            found.ours,
            found.blames,
            found.family,
            found.said_by,
            found.retry,
            found.rule,
            found.temporary,
        )
        number = self._answers.number(answer)
        while len(self._said) <= number:
            self._said.append(None)
        if self._said[number] is None:
            self._said[number] = msgspec.structs.replace(answer, text=text[:SHOWN])
        return number

    # ------------------------------------------------------------ the end

    def finish(self) -> Gathered:
        """What was gathered; the rollup is used up."""
        self._flush()
        kept = self._letters.finish()
        bounced, deferred, deliveries = self._letters.let_go
        tables = (self._routes, self._receivers, self._senders, self._answers)
        return Gathered(
            names=Names(
                tuple(self._routes.names),
                tuple(self._receivers.names),
                tuple(self._senders.names),
                tuple(self._said),
            ),
            tallies=self._counts(),
            kept=kept,
            attempts=self.attempts,
            statuses=self.statuses,
            since=self.first,
            until=self.last,
            ours=tuple(str(network) for network in self.ours),
            dropped=Dropped(
                refused_rows=bounced,
                deferred_rows=deferred,
                earlier_deliveries=deliveries,
                names=sum(table.refused for table in tables),
                pairs=self._pairs.refused,
            ),
            pairs_complete=not self._pairs.refused,
        )

    def _counts(self) -> c.Tallies:
        tallies = [self._tallies[name] for name in CELLS]
        paths, people, mixed_ = (tally.cells() for tally in tallies)
        return c.Tallies(paths, people, mixed_, *(tally.bucket_s for tally in tallies))


_Key = tuple[str | None, int | None, str | None, str | None]


def _local(transport: str) -> int:
    return int(transport.rpartition("/")[2].lower() in _LOCAL)


def _version(relay_ip: str) -> int:
    """How the remote address was reached: 1 plain IPv6, 2 this machine itself, else 0."""
    if relay_ip.startswith("127.") or relay_ip == "::1":
        return 2
    return int(":" in relay_ip)


def _route_of(code: int, sizes: Sequence[int], tables: Sequence[list[str | None]]) -> Route:
    parts: list[str | None] = []
    for size, table in zip(reversed(sizes), reversed(tables), strict=True):
        code, place = divmod(code, size)
        parts.insert(0, table[place])
    egress, instance, transport, pool = parts
    if egress is not None:
        return Route(egress)
    return Route(None, instance or "", transport or "", pool or "", ("", "6", "here")[min(code, 2)])
