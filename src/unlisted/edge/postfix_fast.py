"""Postfix's log read in columns: messages told plainly within a block at once, the rest line by line.

Takes blocks of whole lines (edge.log_input), gives record batches of edge.attempts.SCHEMA. For a
message whose lines are all in one block and in Postfix's own order, fields are places in the
block and joining is sorting; every line about any other message, and every line whose shape is
not exactly the usual one, goes to `logs.postfix.PostfixParser`, which also keeps the messages
that are open between blocks. Rows come out in the order of their lines. Takes no field of a cut line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unlisted.edge.byte_words import PAD, Flags, Places, Window, Words, hashes
from unlisted.edge.log_input import Block
from unlisted.edge.log_plain import Reading, text_of
from unlisted.edge.postfix_bearers import Bearers
from unlisted.edge.postfix_block import PostfixBlock, ranks
from unlisted.edge.postfix_carry import Carry
from unlisted.edge.postfix_columns import filled, words_of
from unlisted.edge.postfix_fields import LOCAL, PREFIXES
from unlisted.edge.postfix_groups import Groups, grouped
from unlisted.edge.postfix_lines import DELIVERY, NOTHING, key_at
from unlisted.edge.postfix_rows import Named, Rows
from unlisted.edge.postfix_stamps import instants
from unlisted.edge.postfix_tags import Tag, Tags
from unlisted.edge.row_order import RowOrder
from unlisted.logs.names import Names
from unlisted.logs.open_messages import Message
from unlisted.logs.origin import complete_sender
from unlisted.logs.postfix import PostfixParser
from unlisted.logs.postfix_attributes import is_queue_id
from unlisted.logs.stamp import Calendar
from unlisted.logs.syslog import SHORTEST, Entry, entry_of
from unlisted.logs.tally import SAMPLES

_FORWARDED = "status=sent (forwarded as "
_BLANK = np.frombuffer(b"\0 \t\r", np.uint8)


@dataclass
class _Work:
    """One block on its way: its lines by message, and what is left to the plain reader.

    entries: lines of another shape that are Postfix's all the same; keys: of the messages they
    and local forwards name, by hash."""

    file: int
    first_line: int
    read: PostfixBlock
    groups: Groups
    calendar: Calendar
    entries: dict[int, Entry]
    keys: dict[int, tuple[str, str]]


class FastPostfix:
    """Blocks in, batches out; what is open is kept from block to block and file to file."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._parser = PostfixParser(
            reading.calendars,
            reading.tallies,
            several_hosts=reading.several_hosts,
            open_limit=reading.open_limit,
        )
        self._tags = Tags()
        self._named = Named(self._names, self._instance)
        self._carry = Carry(self._parser, self._tags)
        self._bearers = Bearers()
        self._buffer = bytearray()
        self._rows_out = RowOrder()

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """The attempts of one block."""
        calendar = self._reading.calendars[block.file]
        if len(self._buffer) < len(block.data) + PAD:
            self._buffer = bytearray(len(block.data) + PAD)
        read = PostfixBlock(block.data, self._tags, calendar, self._buffer)
        work = _Work(block.file, block.first_line, read, grouped(read.events()), calendar, {}, {})
        continued = self._choose(work)
        senders, message_keys = self._senders(work)
        self._line_by_line(work, continued)
        orphans = self._orphans(work, senders, message_keys)
        batch = self._rows(work, senders, orphans, continued)
        self._carry.hand_over(read, work.groups, orphans, calendar)
        self._rows_out.block((block.file, block.first_line + read.told.starts.size), batch)
        self._rows_out.late(self._parser.take())
        yield from self._rows_out.ready(self._parser.waits_from)

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The log ends here."""
        self._parser.finish()
        self._rows_out.late(self._parser.take())
        yield from self._rows_out.rest()
        dropped = self._reading.dropped
        dropped.never_deferred += self._parser.open.dropped
        dropped.deferred += self._parser.open.dropped_deferred

    # --- which messages are read in columns ---

    def _choose(self, work: _Work) -> dict[int, Message]:
        """Not those that a line of another shape tells of, not forwards; those that the parser
        knows only as far as they go on as usual."""
        read, groups = work.read, work.groups
        named = [*self._of_other_shape(work), *self._forwarded(work)]
        left = np.isin(groups.keys, np.array(named, np.uint64))
        groups.tidy[left] = groups.plain[left] = False
        known = self._carry.known(groups)
        groups.plain[known] = False
        return self._carry.continued(read, groups, known, work.calendar) if known.size else {}

    def _of_other_shape(self, work: _Work) -> list[int]:
        """The messages that lines without the usual head tell of."""
        told = work.read.told
        long_enough = told.ends - told.starts >= SHORTEST
        lines = np.flatnonzero(told.doubtful & (told.kinds == NOTHING) & long_enough)
        found: dict[tuple[str, str], None] = {}
        for line in lines.tolist():
            entry = entry_of(self._text(work, line), work.calendar)
            if entry is None:
                continue
            work.entries[line] = entry
            queue_id = entry.text.partition(": ")[0]
            if "/" in entry.tag and is_queue_id(queue_id):
                found[entry.host, queue_id] = None
                if child := _child(entry.text):
                    found[entry.host, child] = None
        return self._keyed(work, list(found))

    def _keyed(self, work: _Work, keys: list[tuple[str, str]]) -> list[int]:
        """The hashes that lines of these messages carry."""
        if not keys:
            return []
        data = b"".join(queue_id.encode("latin-1")[:32].ljust(32) for _, queue_id in keys)
        places = np.arange(0, len(data), 32)
        seeds = np.array([self._tags.seed_of(host) for host, _ in keys], np.uint64)
        found: list[int] = key_at(Window(data), places, seeds)[1].tolist()
        work.keys.update(zip(found, keys, strict=True))
        return found

    def _forwarded(self, work: _Work) -> list[int]:
        """Messages that a local forward put in again, and those it had them from."""
        read, told = work.read, work.read.told
        odd = np.flatnonzero(read.odd & (told.kinds == DELIVERY))
        found: list[int] = []
        keys = []
        for line in [*read.delivery_lines[read.deliveries.forwards].tolist(), *odd.tolist()]:
            if child := _child(self._text(work, line)):
                keys.append((self._tag(int(told.codes[line])).host, child))
                found.append(int(told.keys[line]))
        return found + self._keyed(work, keys)

    # --- who sent them ---

    def _senders(self, work: _Work) -> tuple[pa.Array, Words]:
        """Of each plain message its sender, null where it has no origin of its own, and the hash
        of its message id; both are remembered for messages that come in again."""
        read, groups = work.read, work.groups
        lines, kinds, names = read.origins()
        rank = ranks(lines, groups.origin)
        kind = np.full(rank.size, LOCAL)
        if lines.size:
            kind = np.where(rank >= 0, kinds[rank], LOCAL)
        value = names.taken(np.where(kind == LOCAL, -1, rank))
        senders = pc.binary_join_element_wise(words_of(PREFIXES, kind), value, "")
        begin, end = read.message_ids
        of_lines = hashes(read.told.window, begin, end - begin, np.zeros(begin.size, np.uint64))
        row = ranks(read.id_lines, groups.message_id)
        keys = np.where(row >= 0, of_lines[row] if of_lines.size else np.uint64(0), np.uint64(0))
        told = np.flatnonzero(groups.plain & (row >= 0))
        told = told[np.argsort(row[told])]
        self._bearers.add(keys[told], senders.take(pa.array(told)))
        return senders, keys

    def _orphans(self, work: _Work, senders: pa.Array, keys: Words) -> dict[int, str]:
        """The plain messages without an origin that bear the message id of another."""
        read, groups = work.read, work.groups
        without = np.asarray(senders.is_null()) & groups.plain
        places = np.flatnonzero(without & (groups.message_id >= 0))
        id_rows = ranks(read.id_lines, groups.message_id[places]).tolist()
        found = {}
        told = self._bearers.senders(keys[places])
        for place, row, sender in zip(places.tolist(), id_rows, told, strict=True):
            first = self._parser.origins.first(read.text(read.message_ids, row))
            if first is not None:
                sender = complete_sender(first) or sender
            if sender is not None:
                found[place] = sender
        for place in np.flatnonzero(without & (groups.origin >= 0)).tolist():
            if place not in found and (before := read.handed_on(int(groups.origin[place]))):
                found[place] = f"host:{before}"
        return found

    # --- rows ---

    def _rows(
        self,
        work: _Work,
        senders: pa.Array,
        orphans: dict[int, str],
        continued: dict[int, Message],
    ) -> pa.RecordBatch | None:
        read, groups = work.read, work.groups
        group = np.zeros(read.told.starts.size, np.int64)
        group[groups.lines] = groups.of
        mine = group[read.delivery_lines]
        chosen = groups.plain.copy()
        chosen[list(continued)] = True
        which = np.flatnonzero(chosen[mine] & ~read.odd[read.delivery_lines])
        if not which.size:
            return None
        self._instance(int(read.told.codes[read.delivery_lines[which[0]]]))  # the first host met
        of = mine[which]
        self._reading.tallies[work.file].attempts += which.size
        if orphans:
            places = np.array(sorted(orphans))
            flags = np.zeros(groups.keys.size, np.bool_)
            flags[places] = True
            senders = filled(senders, flags, [orphans[place] for place in places.tolist()])
        return Rows(read, which).batch(
            work.file, work.first_line, self._named, groups, of, senders, continued
        )

    # --- the others ---

    def _line_by_line(self, work: _Work, continued: dict[int, Message]) -> None:
        told, groups = work.read.told, work.groups
        left = ~groups.plain
        left[list(continued)] = False
        wanted = work.read.odd.copy()
        wanted[groups.lines[left[groups.of]]] = True
        self._reading.tallies[work.file].other += self._of_no_message(work, wanted)
        self._introduce(work, np.flatnonzero(left))
        self._reading.tallies[work.file].not_read += self._too_short(work, wanted)
        lines = np.flatnonzero(wanted)
        known = told.ids[lines] > 0
        at = np.full(lines.size, np.nan)
        at[known] = instants(told.window, told.heads, lines[known], work.calendar)
        for line, seen_at in zip(lines.tolist(), at.tolist(), strict=True):
            self._feed(work, line, seen_at)
        begin = groups.begin
        for place in np.flatnonzero(left).tolist():
            line = int(begin[place])
            key = (self._tag(int(told.codes[line])).host, work.read.queue_id(line))
            self._carry.keep(int(groups.keys[place]), key)
        for hashed, key in work.keys.items():
            self._carry.keep(hashed, key)

    def _feed(self, work: _Work, line: int, at: float) -> None:
        told = work.read.told
        text = self._text(work, line)
        entry = work.entries.get(line)
        if entry is None and at == at:
            tag = self._tag(int(told.codes[line]))
            rest = text[int(told.ids[line] - told.starts[line]) :]
            entry = Entry(at, tag.host, tag.tag, rest)
        if entry is None:
            self._parser.feed(text, work.file, work.first_line + line)
        else:
            self._parser.feed_entry(entry, text, work.file, work.first_line + line)

    def _introduce(self, work: _Work, places: Places) -> None:
        """The parser must know who bore a message id first where one of its own bears it too."""
        read = work.read
        places = places[work.groups.message_id[places] >= 0]
        rows = ranks(read.id_lines, work.groups.message_id[places])
        rows = rows[rows >= 0]  # an odd line has no fields here: the parser reads it itself
        begin, end = (side[rows] for side in read.message_ids)
        seeds = np.zeros(rows.size, np.uint64)
        told = self._bearers.senders(hashes(read.told.window, begin, end - begin, seeds))
        for row, sender in zip(rows.tolist(), told, strict=True):
            message_id = read.text(read.message_ids, row)
            if sender is None or self._parser.origins.first(message_id) is not None:
                continue
            first = Message(("", ""), 0.0)
            first.sender = sender
            self._parser.origins.remember(message_id, first)

    def _of_no_message(self, work: _Work, wanted: Flags) -> int:
        told = work.read.told
        return int(np.count_nonzero((told.ends > told.starts) & ~wanted & (told.kinds == NOTHING)))

    def _too_short(self, work: _Work, wanted: Flags) -> int:
        """How many lines hold no stamp, host and program, whatever is in them. A file may be full of
        them; the parser sees those of which a sample is kept."""
        told = work.read.told
        short = np.flatnonzero(wanted & (told.ends - told.starts < SHORTEST))
        if short.size <= SAMPLES:
            return 0
        seen = np.cumsum(~np.isin(told.window.bytes[: told.window.size], _BLANK))
        seen = np.concatenate((np.zeros(1, seen.dtype), seen))
        wanted[short] = False
        short = short[seen[told.ends[short]] > seen[told.starts[short]]]
        wanted[short[:SAMPLES]] = True
        return max(0, short.size - SAMPLES)

    def _text(self, work: _Work, line: int) -> str:
        told = work.read.told
        return text_of(told.window.between(told.starts[line], told.ends[line])).rstrip("\r")

    def _tag(self, code: int) -> Tag:
        tag = self._tags.known[code]
        assert tag is not None  # codes of lines that tell something are Postfix's
        return tag

    def _names(self, code: int) -> Names:
        return self._tag(code).names

    def _instance(self, code: int) -> str:
        tag = self._tag(code)
        return self._parser.instance_of(tag.host, tag.names.instance)


def _child(text: str) -> str | None:
    """The queue id that a local forward gave."""
    queue_id = text.partition(_FORWARDED)[2].removesuffix(")")
    return queue_id if is_queue_id(queue_id) else None


def postfix_fast_batches(blocks: Iterable[Block], reading: Reading) -> Iterator[pa.RecordBatch]:
    """Takes the place of `log_plain.postfix_batches`."""
    reader = FastPostfix(reading)
    for block in blocks:
        yield from reader.read(block)
    yield from reader.finish()
