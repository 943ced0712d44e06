"""The attempts of the messages told plainly in one block, as one record batch.

Fields of the delivery lines and, by the place of each telling line, those of the message.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unlisted.edge.attempts import SCHEMA
from unlisted.edge.byte_words import Places
from unlisted.edge.postfix_block import PostfixBlock, ranks
from unlisted.edge.postfix_columns import Fields, filled, words_of
from unlisted.edge.postfix_fields import SENT, STATUSES
from unlisted.edge.postfix_groups import Groups
from unlisted.logs.names import Names
from unlisted.logs.open_messages import Message
from unlisted.logs.origin import complete_sender, forwarder
from unlisted.logs.postfix_delivery import SUSPENDED, SUSPENDERS, relay_of

_RELAYS = 65_536
_SPACE, _DASH, _CLOSE = 32, 45, 41


class Rows:
    """Which delivery (its number in `block.delivery_lines`) with which lines of its message."""

    def __init__(self, block: PostfixBlock, which: Places) -> None:
        self._block = block
        self._which = which
        self._window = block.told.window
        self._lines = block.delivery_lines[which]
        self._sent = block.deliveries.status[which] == SENT

    def batch(
        self,
        file: int,
        first_line: int,
        named: "Named",
        groups: Groups,
        of: Places,
        senders: pa.Array,
        continued: dict[int, Message],
    ) -> pa.RecordBatch:
        """of: the group of each row; senders: by group; continued: groups whose message was told
        before this block."""
        carried = np.isin(of, np.array(list(continued), np.int64))
        before = [continued[place] for place in of[carried].tolist()]
        message_id, queued = groups.message_id[of], groups.queued[of]

        def joined(column: pa.Array, tell: Callable[[Message], object]) -> pa.Array:
            return filled(column, carried, [tell(message) for message in before])

        block, found, which = self._block, self._block.deliveries, self._which
        count = which.size
        codes = block.told.codes[self._lines]
        queue_id = Fields(
            self._window, block.told.ids[self._lines], block.told.colons[self._lines]
        ).column()
        relay, relay_ip = self._relays(named)
        code, stage, text = self._said()
        mail_from, size = block.queued.mail_from, block.queued.size
        columns = {
            "at": pa.array(block.at[which]),
            "file": pa.array(np.full(count, file, np.int32)),
            "line": pa.array(self._lines + first_line),
            "instance": named.by_code(codes, named.instance),
            "queue_id": queue_id,
            "status": words_of(STATUSES, found.status[which]),
            "recipient": self._field(found.to),
            "message_id": joined(
                _told_by(block, block.id_lines, block.message_ids, message_id),
                lambda message: message.message_id,
            ),
            "sender": joined(senders.take(pa.array(of)), complete_sender),
            "mail_from": joined(
                _told_by(block, block.queued_lines, mail_from, queued),
                lambda message: message.mail_from,
            ),
            "orig_to": self._orig_to(),
            "transport": named.by_code(codes, lambda code: named.names(code).transport),
            "pool": named.by_code(codes, lambda code: named.names(code).pool),
            "egress": named.by_code(codes, lambda code: named.names(code).egress),
            "relay": relay,
            "relay_ip": relay_ip,
            "code": code,
            "enhanced": words_of(block.enhanced, block.enhanced_of[which]),
            "stage": stage,
            "text": text,
            "delay_s": pa.array(block.delay_s[which].astype(np.float32)),
            "size": joined(
                _told_by(block, block.queued_lines, size, queued).cast(pa.int64()),
                lambda message: message.size,
            ),
            "repeats": self._repeats(codes, named),
        }
        columns["sender"] = _forwarded(columns)
        return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def _field(self, places: tuple[Places, Places]) -> pa.Array:
        begin, end = places
        return Fields(self._window, begin[self._which], end[self._which]).column()

    def _orig_to(self) -> pa.Array:
        begin, end = (places[self._which] for places in self._block.deliveries.orig_to)
        # An empty `orig_to=<>` is a telling too: only where there is none do both places agree
        # with the end of `to`.
        there = begin != self._block.deliveries.to[1][self._which]
        if not there.any():
            return pa.nulls(there.size, pa.string())
        rank = np.cumsum(there) - 1
        chosen = Fields(self._window, begin[there], end[there])
        return chosen.taken(np.where(there, rank, -1))

    def _relays(self, named: "Named") -> tuple[pa.Array, pa.Array]:
        encoded = self._field(self._block.deliveries.relay).dictionary_encode()
        told = [named.relay(text) for text in encoded.dictionary.to_pylist()]
        hosts = pa.array([host for host, _ in told], pa.string())
        addresses = pa.array([address for _, address in told], pa.string())
        return hosts.take(encoded.indices), addresses.take(encoded.indices)

    def _said(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Code, stage and text: of what was sent only the code its text begins with."""
        code = np.where(self._sent, self._leading_codes(), 0).astype(np.int16)
        stages: npt.NDArray[np.object_] = np.full(self._which.size, None, object)
        texts: npt.NDArray[np.object_] = np.full(self._which.size, None, object)
        refused = np.flatnonzero(~self._sent)
        for row, number in zip(refused.tolist(), self._which[refused].tolist(), strict=True):
            said = self._block.said[number]
            texts[row], code[row], stages[row] = said
        return pa.array(code), pa.array(stages, pa.string()), pa.array(texts, pa.string())

    def _leading_codes(self) -> Places:
        begin, end = (places[self._which] for places in self._block.deliveries.text)
        digits = [self._window.bytes[begin + place].astype(np.int64) - 48 for place in range(3)]
        good = (digits[0] >= 2) & (digits[0] <= 5) & (end - begin >= 3)
        for digit in digits[1:]:
            good &= (digit >= 0) & (digit <= 9)
        behind = self._window.bytes[begin + 3]
        good &= (behind == _SPACE) | (behind == _DASH) | (end - begin == 3)
        return np.where(good, digits[0] * 100 + digits[1] * 10 + digits[2], 0)

    def _repeats(self, codes: Places, named: "Named") -> pa.Array:
        repeats = np.zeros(codes.size, np.bool_)
        refused = np.flatnonzero(~self._sent)
        for row, number in zip(refused.tolist(), self._which[refused].tolist(), strict=True):
            by_error = named.names(int(codes[row])).program in SUSPENDERS
            repeats[row] = by_error and self._block.said[number].text.startswith(SUSPENDED)
        return pa.array(repeats)


def _told_by(
    block: PostfixBlock, lines: Places, places: tuple[Places, Places], wanted: Places
) -> pa.Array:
    return Fields(block.told.window, *places).taken(ranks(lines, wanted))


class Named:
    """What stays the same from block to block: names by code, relays by their text."""

    def __init__(self, names: Callable[[int], Names], instance: Callable[[int], str]) -> None:
        self.names = names
        self.instance = instance
        self._relay: dict[str, tuple[str | None, str | None]] = {}

    def by_code(self, codes: Places, tell: Callable[[int], str | None]) -> pa.Array:
        present = np.flatnonzero(np.bincount(codes))
        texts: list[str | None] = [None] * (int(present[-1]) + 1)
        for code in present.tolist():
            texts[code] = tell(code)
        return words_of(texts, codes)

    def relay(self, text: str) -> tuple[str | None, str | None]:
        known = self._relay.get(text)
        if known is None:
            if len(self._relay) >= _RELAYS:
                self._relay.clear()
            known = self._relay[text] = relay_of(text)
        return known


def _forwarded(columns: dict[str, pa.Array]) -> pa.Array:
    """The senders, where an alias sent a stranger's message on to another domain that alias."""
    sender, orig_to = columns["sender"], columns["orig_to"]
    if orig_to.null_count == len(orig_to):
        return sender
    asked = pc.and_(orig_to.is_valid(), pc.starts_with(sender, "host:")).fill_null(False)
    names = ("sender", "recipient", "orig_to", "relay_ip")
    rows = zip(*(columns[name].filter(asked).to_pylist() for name in names), strict=True)
    told = pa.array([forwarder(*row) for row in rows], pa.string())
    return pc.replace_with_mask(sender, asked, told) if len(told) else sender
