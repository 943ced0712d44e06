"""One block of Postfix's log taken apart: the fields of every line of the usual shape.

`odd` are the lines that the plain reader must see: of another shape, cut, with bytes beyond
ASCII, or with a value that is none. What a refusal says is read here with the plain reader's own
functions, text by text; everything else for all lines at once.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unlisted.edge.byte_words import Flags, Places
from unlisted.edge.postfix_columns import Fields, short
from unlisted.edge.postfix_fields import (
    DEFERRED,
    SENT,
    Commas,
    Deliveries,
    Origins,
    Queued,
    clients,
    deliveries,
    message_ids,
    pickups,
    queued,
)
from unlisted.edge.postfix_groups import Events
from unlisted.edge.postfix_lines import (
    CLIENT,
    DELIVERY,
    MESSAGE_ID,
    NOTHING,
    PICKED_UP,
    QUEUED,
    Told,
    told,
)
from unlisted.edge.postfix_stamps import instants
from unlisted.edge.postfix_tags import Tags
from unlisted.logs.postfix_attributes import is_queue_id
from unlisted.logs.postfix_delivery import is_cut, is_enhanced, reply_of
from unlisted.logs.stamp import Calendar
from unlisted.remembered import remembered

_SHORT_ID, _LONG_ID = 1, 2
_IN_IDS = np.zeros(256, np.uint8)
for _byte in range(256):
    _text = chr(_byte) * 10
    _IN_IDS[_byte] = (_SHORT_ID if is_queue_id(_text[:6]) else 0) | (
        _LONG_ID if is_queue_id(_text) else 0
    )
_LONGEST_TEXT = 16_384


class Said(NamedTuple):
    """Of a delivery that was not sent."""

    text: str
    code: int
    stage: str | None


class PostfixBlock:
    """The lines and their fields; every `…_lines` is in order."""

    def __init__(
        self, data: bytes, tags: Tags, calendar: Calendar, buffer: bytearray | None = None
    ) -> None:
        self.tags = tags
        self.told: Told = told(data, tags, buffer)
        self.odd: Flags = self.told.doubtful
        commas = Commas(self.told.window)
        self.delivery_lines = self._lines(DELIVERY)
        self.deliveries: Deliveries = deliveries(self.told, commas, self.delivery_lines)
        self.at = instants(self.told.window, self.told.heads, self.delivery_lines, calendar)
        self._check_deliveries(calendar.latest)
        self.client_lines = self._lines(CLIENT)
        self.clients: Origins = clients(self.told, commas, self.client_lines)
        self.pickup_lines = self._lines(PICKED_UP)
        self.pickups: Origins = pickups(self.told, self.pickup_lines)
        self.id_lines = self._lines(MESSAGE_ID)
        good, self.message_ids = message_ids(self.told, self.id_lines)
        self.queued_lines = self._lines(QUEUED)
        self.queued: Queued = queued(self.told, commas, self.queued_lines)
        for lines, whole in (
            (self.client_lines, self.clients.good),
            (self.pickup_lines, self.pickups.good),
            (self.id_lines, good),
            (self.queued_lines, self.queued.good),
        ):
            self.odd[lines[~whole]] = True

    def _lines(self, kind: int) -> Places:
        return np.flatnonzero((self.told.kinds == kind) & ~self.odd)

    def _check_deliveries(self, latest: float) -> None:
        """Values that must be numbers, ids that must be ids, texts that must be whole."""
        found, window = self.deliveries, self.told.window
        good = found.good & (self.at <= latest) & self._has_id(self.delivery_lines)
        for begin, end in (found.delay, found.dsn):
            good &= (end > begin) & (end - begin <= 8)
        good &= found.text[1] - found.text[0] <= _LONGEST_TEXT
        texts, self.enhanced_of = short(window, *_where(good, found.dsn))
        self.enhanced = [text.decode("latin-1") for text in texts]
        good &= np.array([is_enhanced(text) for text in self.enhanced], np.bool_)[self.enhanced_of]
        texts, which = short(window, *_where(good, found.delay))
        delays = np.array([_delay(text) for text in texts])
        self.delay_s: npt.NDArray[np.float64] = delays[which]
        good &= ~np.isnan(self.delay_s)
        self.said: dict[int, Said] = {}
        for row in np.flatnonzero(good & (found.status != SENT)).tolist():
            said = _said(window.between(found.text[0][row], found.text[1][row]))
            if said is None:
                good[row] = False
            else:
                self.said[row] = said
        self.odd[self.delivery_lines[~good]] = True

    def _has_id(self, lines: Places) -> Flags:
        """Short ids are upper-case hexadecimal, long ones have no vowel (`is_queue_id`)."""
        begin, length = self.told.ids[lines], self.told.colons[lines] - self.told.ids[lines]
        data = self.told.window.bytes
        both = np.full(lines.size, _SHORT_ID | _LONG_ID, np.uint8)
        for place in range(int(length.max(initial=0))):
            both &= np.where(place < length, _IN_IDS[data[begin + place]], 255)
        return ((both & _SHORT_ID) > 0) | (((both & _LONG_ID) > 0) & (length >= 10))

    def events(self) -> Events:
        """The lines that tell of a message."""
        told = self.told
        lines = np.flatnonzero(told.kinds != NOTHING)
        deferred = np.zeros(told.starts.size, np.bool_)
        deferred[self.delivery_lines] = self.deliveries.status == DEFERRED
        return Events(
            lines,
            told.kinds[lines],
            told.keys[lines],
            self.tags.instance[told.codes[lines]],
            self.odd[lines],
            deferred[lines],
        )

    def origins(self) -> tuple[Places, Places, Fields]:
        """The lines that tell where a message came from, of which kind it is, and its name."""
        lines = np.concatenate([self.client_lines, self.pickup_lines])
        order = np.argsort(lines, kind="stable")
        kinds = np.concatenate([self.clients.kind, self.pickups.kind])[order]
        begin, end = (
            np.concatenate([self.clients.value[side], self.pickups.value[side]])[order]
            for side in (0, 1)
        )
        return lines[order], kinds, Fields(self.told.window, begin, end)

    def text(self, field: tuple[Places, Places], place: int) -> str:
        """One field of one line."""
        return self.told.window.between(field[0][place], field[1][place]).decode("latin-1")

    def handed_on(self, line: int) -> str:
        """Who a filter on this machine says it had the message from; "" where it says nothing."""
        place = int(np.searchsorted(self.client_lines, line))
        return self.text(self.clients.value, place) if place < self.client_lines.size else ""

    def queue_id(self, line: int) -> str:
        told = self.told
        return told.window.between(told.ids[line], told.colons[line]).decode("latin-1")


def ranks(lines: Places, wanted: Places) -> Places:
    """The number of each wanted line among `lines`, -1 for none."""
    if not lines.size:
        return np.full(wanted.size, -1)
    found = np.minimum(np.searchsorted(lines, wanted), lines.size - 1)
    # A line that turned out odd is none of them, though its message names it.
    return np.where(lines[found] == wanted, found, -1)


@remembered(4096, 512)
def _said(text: bytes) -> Said | None:
    """None for a text that is cut."""
    told = text.decode("latin-1")
    return None if is_cut(told) else Said(told, *reply_of(told))


def _where(good: Flags, field: tuple[Places, Places]) -> tuple[Places, Places]:
    """The places of whole lines, nothing of the others."""
    return np.where(good, field[0], 0), np.where(good, field[1], 0)


def _delay(text: bytes) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return np.nan
    return seconds if 0 <= seconds < 1e9 else np.nan
