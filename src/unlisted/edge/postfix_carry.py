"""Messages that reach from one block into the next, kept in the plain reader's own table.

What is open at the end of a block is handed over to it; what it knows and what goes on in the
usual way (queued again, tried again, removed) is continued here without reading the lines one by
one. Whatever is not usual is left to it: `continued` says which messages it took care of.
"""

import numpy as np

from unlisted.edge.byte_words import Places
from unlisted.edge.postfix_block import PostfixBlock, ranks
from unlisted.edge.postfix_fields import LOCAL, PREFIXES
from unlisted.edge.postfix_groups import Groups
from unlisted.edge.postfix_stamps import instants
from unlisted.edge.postfix_tags import Tags
from unlisted.logs.open_messages import Message
from unlisted.logs.postfix import PostfixParser
from unlisted.logs.stamp import Calendar

_KEYS_AT_LEAST = 65_536


class Carry:
    """The parser's table by the hash that lines carry."""

    def __init__(self, parser: PostfixParser, tags: Tags) -> None:
        self._parser = parser
        self._tags = tags
        self._kept: dict[int, tuple[str, str]] = {}

    def known(self, groups: Groups) -> Places:
        """The groups whose message, or one before it under the same id, the parser knows."""
        kept, known = self._kept, self._parser.open
        found = []
        for place, key in enumerate(groups.keys.tolist()):
            if key in kept:
                if known.under(kept[key]):
                    found.append(place)
                else:
                    del kept[key]
        return np.array(found, np.int64)

    def keep(self, hashed: int, key: tuple[str, str]) -> None:
        """What the parser may know now."""
        if self._parser.open.under(key):
            self._kept[hashed] = key

    def continued(
        self, read: PostfixBlock, groups: Groups, places: Places, calendar: Calendar
    ) -> dict[int, Message]:
        """Of these groups those that go on in the usual way, with what is known of them."""
        found: dict[int, Message] = {}
        may = places[groups.tidy[places] & (groups.origin[places] < 0)]
        if not may.size:
            return found
        id_rows = ranks(read.id_lines, groups.message_id[may]).tolist()
        queued_rows = ranks(read.queued_lines, groups.queued[may]).tolist()
        told = np.maximum(groups.message_id[may], groups.queued[may])
        codes = np.where(told >= 0, read.told.codes[told], -1).tolist()
        ended = np.flatnonzero(groups.removed[may])
        ordered = groups.ordered[may].tolist()
        last = np.append(groups.first[1:], groups.lines.size) - 1
        ends = dict(
            zip(
                ended.tolist(),
                self._at(read, groups.lines[last[may[ended]]], calendar),
                strict=False,
            )
        )
        for row, place in enumerate(may.tolist()):
            (message, *others) = self._parser.open.under(self._kept[int(groups.keys[place])])
            at = ends.get(row)
            if others or (at is not None and at != at):
                continue
            new_id, new_queued = id_rows[row] >= 0, queued_rows[row] >= 0
            if not message.complete and not (
                ordered[row]
                and not message.tried
                and _would_be_complete(message, new_id, new_queued)
            ):
                continue  # its attempts wait for what lines of the next seconds may tell
            if not self._goes_on(read, message, id_rows[row], queued_rows[row], codes[row]):
                continue
            found[place] = message
            message.tried = message.tried or bool(groups.tried[place])
            if groups.deferred[place] and not message.deferred:
                self._parser.open.mark_deferred(message)
            if at is not None:
                self._parser.open.close(message, at)
        return found

    def _goes_on(
        self, read: PostfixBlock, message: Message, id_row: int, queued_row: int, code: int
    ) -> bool:
        """Whether the lines agree with what is known; then it is told what they add."""
        if message.closed_at is not None:
            return False
        owner = self._owner(code)
        if owner is not None and message.owner not in (None, owner):
            return False
        if id_row >= 0 and (message.message_id is not None or message.tried):
            return False
        if queued_row >= 0:
            mail_from = read.text(read.queued.mail_from, queued_row)
            if message.mail_from is not None and message.mail_from != mail_from:
                return False
            message.mail_from = mail_from
            message.size = int(read.text(read.queued.size, queued_row))
        message.owner = owner or message.owner
        if id_row >= 0:
            message.message_id = read.text(read.message_ids, id_row)
        if id_row >= 0 or queued_row >= 0:
            self._parser.told_more(message)
        return True

    def _owner(self, code: int) -> str | None:
        tag = self._tags.known[code] if code >= 0 else None
        return tag.names.instance if tag is not None else None

    def hand_over(
        self, read: PostfixBlock, groups: Groups, senders: dict[int, str], calendar: Calendar
    ) -> None:
        """Those read in columns that are still open. senders: of those without an origin."""
        places = np.flatnonzero(groups.plain & ~groups.removed)
        # In the order of the log: who bears a message id first is the sender of the others.
        places = places[np.argsort(groups.begin[places])]
        begin = groups.begin[places]
        id_rows = ranks(read.id_lines, groups.message_id[places]).tolist()
        queued_rows = ranks(read.queued_lines, groups.queued[places]).tolist()
        told = np.maximum(groups.message_id[places], groups.queued[places])
        codes = np.where(told >= 0, read.told.codes[told], -1).tolist()
        hosts = read.told.codes[begin].tolist()
        hashed = groups.keys[places].tolist()
        lines, kinds, names = read.origins()
        origin_rows = ranks(lines, groups.origin[places])
        texts = names.taken(origin_rows).to_pylist()
        kind = np.where(origin_rows >= 0, kinds[origin_rows] if kinds.size else 0, -1).tolist()
        flags = zip(groups.tried[places].tolist(), groups.deferred[places].tolist(), strict=True)
        at = self._at(read, begin, calendar)
        for row, (tried, deferred) in enumerate(flags):
            tag = self._tags.known[hosts[row]]
            if tag is None:
                continue
            message = Message((tag.host, read.queue_id(int(begin[row]))), at[row])
            message.tried, message.deferred = tried, deferred
            message.owner = self._owner(codes[row])
            message.origin = kind[row] >= 0
            if kind[row] in (LOCAL, -1):
                message.sender = senders.get(int(places[row]))
            else:
                message.sender = PREFIXES[kind[row]] + texts[row]
            if id_rows[row] >= 0:
                message.message_id = read.text(read.message_ids, id_rows[row])
            if queued_rows[row] >= 0:
                message.mail_from = read.text(read.queued.mail_from, queued_rows[row])
                message.size = int(read.text(read.queued.size, queued_rows[row]))
            self._parser.adopt(message)
            self._kept[hashed[row]] = message.key
        self._prune()

    def _at(self, read: PostfixBlock, lines: Places, calendar: Calendar) -> list[float]:
        order = np.argsort(lines, kind="stable")
        at = np.empty(lines.size)
        at[order] = instants(read.told.window, read.told.heads, lines[order], calendar)
        return at.tolist()

    def _prune(self) -> None:
        """Forget the keys of what the parser has forgotten."""
        known = self._parser.open
        if len(self._kept) > 2 * len(known) + _KEYS_AT_LEAST:
            self._kept = {k: key for k, key in self._kept.items() if known.under(key)}


def _would_be_complete(message: Message, new_id: bool, new_queued: bool) -> bool:
    return (
        message.origin
        and (new_id or message.message_id is not None)
        and (new_queued or message.size is not None)
        and (message.sender is not None or message.parent is not None)
    )
