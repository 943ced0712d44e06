"""What a delivery attempt looks like in the history: people as keyed hashes, and its own name.

A stored row is an attempt (`mail.attempt`) without its place in a log file, with what the reply
meant, the remote site, and `id`, by which the same log line is known again whichever file it is
read from: rotated, compressed, or grown since. It refuses rows whose time is no time.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unlisted.edge.attempts import CLASSIFIED
from unlisted.edge.history_names import site_of
from unlisted.edge.people import People, derived
from unlisted.mail.attempt import FIELDS, MEANING_FIELDS

KEPT = 100_000  # people remembered between batches
LATEST = 253_402_300_800.0  # the year 10000
_HIDDEN_KINDS = ("login", "forward", "list")
_LOCAL = re.compile(r"[^@]*@")

STORED = pa.schema(
    [
        pa.field("id", pa.uint64()),
        *(CLASSIFIED.field(name) for name, _ in FIELDS if name not in ("file", "line")),
        *(CLASSIFIED.field(name) for name, _ in MEANING_FIELDS),
        pa.field("recipient_domain", pa.string()),
        pa.field("mail_from_domain", pa.string()),
        pa.field("receiver", pa.string()),
    ]
)


class Stored:
    """Makes stored rows of attempts under one site's secret."""

    def __init__(self, secret: bytes) -> None:
        self._people = People(secret)
        self._key = derived(secret, "history")
        self._persons: dict[str, str] = {}
        self._organisations: dict[str, str] = {}

    def usable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that have a usable time."""
        at = batch["at"].to_numpy(zero_copy_only=False)
        good = (at >= 0.0) & (at < LATEST)  # NaN is neither
        return batch if good.all() else batch.filter(pa.array(good))

    def rows(self, batch: pa.RecordBatch, ids: npt.NDArray[np.uint64]) -> pa.Table:
        """The batch as stored rows; `ids` are its own."""
        columns: dict[str, pa.Array] = {
            name: batch[name] if name in batch.schema.names else pa.nulls(len(batch), kind)
            for name, kind in zip(CLASSIFIED.names, CLASSIFIED.types, strict=True)
        }
        columns["id"] = pa.array(ids)
        columns["receiver"] = self._receivers(batch)
        columns["text"] = self._texts(batch, batch["text"])
        columns["subject_value"] = self._texts(batch, columns["subject_value"])
        for name in ("recipient", "mail_from"):
            columns[f"{name}_domain"] = _mapped(batch[name], _domain)
        for name in ("recipient", "mail_from", "orig_to"):
            columns[name] = _mapped(batch[name], self.person)
        columns["sender"] = _mapped(batch["sender"], self.sender)
        return pa.table([columns[name] for name in STORED.names], schema=STORED)

    # ------------------------------------------------------------ people

    def person(self, address: str) -> str:
        """The keyed hash of an address; the null reverse-path stays what it is."""
        found = self._persons.get(address)
        if found is None:
            if len(self._persons) >= KEPT:
                self._persons.clear()
            found = self._people.person(address) if address else ""
            self._persons[address] = found
        return found

    def sender(self, sender: str) -> str:
        """A typed origin with the person in it hashed; hosts, uids and scripts stay readable."""
        kind, colon, name = sender.partition(":")
        if not colon or kind not in _HIDDEN_KINDS:
            return self._people.redacted(sender) if "@" in sender else sender
        # A login's hash is the one the journal knows it by.
        hidden = self._people.login(name) if kind == "login" else self.person(name)
        return f"{kind}:{hidden}"

    def _texts(self, batch: pa.RecordBatch, column: pa.Array) -> pa.Array:
        """Texts without people. Most rows were sent and have none."""
        places = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        if not len(places):
            return column
        few = pa.array(places)
        known = zip(
            *(batch[one].take(few).to_pylist() for one in ("recipient", "mail_from", "orig_to")),
            strict=True,
        )
        texts = column.take(few).to_pylist()
        clean = [self._clean(text, names) for text, names in zip(texts, known, strict=True)]
        mask = np.zeros(len(batch), dtype=bool)
        mask[places] = True
        return pc.replace_with_mask(column, pa.array(mask), pa.array(clean, pa.string()))

    def _clean(self, text: str, names: tuple[str | None, ...]) -> str:
        lowered = text.lower()
        # Each known address costs a pattern of its own: only for those that are there.
        known = [one for one in names if one and one.lower() in lowered]
        known = [one for one in known if _LOCAL.match(one)]
        return self._people.redacted(text, known) if known or "@" in text else text

    # ------------------------------------------------------------ names

    def ids(self, batch: pa.RecordBatch) -> npt.NDArray[np.uint64]:
        """64 bits of a keyed hash of what the delivery line itself says.

        Not the fields joined from other lines: a file that begins in the middle of a message
        lacks them. Not the instance: its name has the host in front or not, as the other files
        read with it decide. The address is in it, so it is keyed.
        """
        at = pc.cast(pc.round(pc.multiply(batch["at"], 1000.0)), pa.int64())
        columns = [
            batch["queue_id"], batch["recipient"], batch["orig_to"], pc.cast(at, pa.string()),
            batch["status"], batch["text"],
        ]  # fmt: skip
        joined = pc.binary_join_element_wise(
            *(column.cast(pa.binary()) for column in columns),
            b"\x1f",
            null_handling="replace",
            null_replacement=b"\x00",
        )
        hashed, key = hashlib.blake2b, self._key
        digests = b"".join(
            [hashed(one, digest_size=8, key=key).digest() for one in joined.to_pylist()]
        )
        return np.frombuffer(digests, dtype="<u8").astype(np.uint64, copy=False)

    def _receivers(self, batch: pa.RecordBatch) -> pa.Array:
        """The remote site: whose mail host answered, else the recipient's domain."""
        sites = _mapped(batch["relay"], self._site)
        return pc.coalesce(sites, _mapped(batch["recipient"], _domain))

    def _site(self, relay: str) -> str | None:
        found = self._organisations.get(relay)
        if found is None:
            if len(self._organisations) >= KEPT:
                self._organisations.clear()
            found = self._organisations[relay] = site_of(relay)
        return found or None


def _domain(address: str) -> str | None:
    return address.rpartition("@")[2].lower() or None


def _mapped(column: pa.Array, by: object) -> pa.Array:
    """The column with each distinct value mapped once."""
    coded = column.dictionary_encode()
    values = [by(one) for one in coded.dictionary.to_pylist()]  # type: ignore[operator]
    return pa.array(values, pa.string()).take(coded.indices)
