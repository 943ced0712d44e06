"""Where the fields of Postfix's lines begin and end, for all lines of a kind at once.

Each function takes the lines of one kind and gives places, and which lines have exactly the
shape expected; the others go to the plain reader. Every field must be closed by the one after it
and the line by its own end, so that nothing is taken of a line that was cut.
"""

from dataclasses import dataclass

import numpy as np

from unlisted.edge.byte_words import Flags, Places, Window, Words, index_of, word
from unlisted.edge.postfix_lines import Told
from unlisted.logs.names import address_or_none, is_loopback

_ORIG_TO, _RELAY = word(b", orig_t"), word(b", relay=")
_CONN_USE, _DELAY, _DELAYS = word(b", conn_u"), word(b", delay="), word(b", delays")
_TLS, _DSN, _STATUS, _SIZE, _NRCPT = (
    word(text) for text in (b", tls=", b", dsn=", b", status", b", size=", b", nrcpt=")
)
_SASL_METHOD, _SASL_NAME, _SASL_REST = word(b", sasl_m"), word(b", sasl_u"), word(b"sername=")
_ORIG_ID, _ORIG_CLIENT = word(b", orig_q"), word(b", orig_c")
_PICKED_FROM = word(b" from=<")
SENT, DEFERRED, BOUNCED, EXPIRED = range(4)
STATUSES = ("sent", "deferred", "bounced", "expired")
_OUTCOMES = (b"=sent (", b"=deferred", b"=bounced ", b"=expired ")
_FORWARDED = word(b"forwarde")
ADDRESS_LIMIT = 1024
_GREATER, _OPEN, _CLOSE, _COMMA = 62, 40, 41, 44
_BRACKET, _CLOSED_BRACKET = 91, 93


class Commas:
    """All commas of a block, and what stands behind each."""

    def __init__(self, window: Window) -> None:
        places = window.places(_COMMA)
        # Behind the last line: so that the next one of any line is always there.
        self.places = np.concatenate([places, np.full(8, window.size)])
        self.words: Words = window.words[self.places]
        self.lines = np.cumsum((self.words == _STATUS) | ((self.words & _mask(8)) == _NRCPT))

    def next(self, at: Places) -> Places:
        """Which comma is the first at or behind each place."""
        return np.searchsorted(self.places, at)


def _only(good: Flags, begin: Places, end: Places, otherwise: Places) -> tuple[Places, Places]:
    """Empty for lines that are not whole, so that places stay in the order of the lines."""
    return np.where(good, begin, otherwise), np.where(good, end, otherwise)


def _mask(length: int) -> np.uint64:
    return np.uint64((1 << (8 * length)) - 1)


@dataclass(frozen=True)
class Deliveries:
    """`good`: those of the lines asked for that are whole; the rest has nothing for the others."""

    good: Flags
    to: tuple[Places, Places]
    orig_to: tuple[Places, Places]
    relay: tuple[Places, Places]
    delay: tuple[Places, Places]
    dsn: tuple[Places, Places]
    status: Places
    text: tuple[Places, Places]
    forwards: Flags


def deliveries(told: Told, commas: Commas, lines: Places) -> Deliveries:
    window, ends = told.window, told.ends[lines]
    data = window.bytes
    begin = told.colons[lines] + 6
    first = commas.next(begin)
    to_end = commas.places[first] - 1
    has_orig = commas.words[first] == _ORIG_TO
    orig_begin = commas.places[first] + 11
    first = first + has_orig
    orig_end = commas.places[first] - 1
    relay_end = commas.places[first + 1]
    good = (commas.words[first] == _RELAY) & (data[orig_end] == _GREATER)
    good &= ~has_orig | (data[to_end] == _GREATER)
    relay = (commas.places[first] + 8, relay_end)
    second = first + 1 + (commas.words[first + 1] == _CONN_USE)
    good &= (commas.words[second] == _DELAY) & (commas.words[second + 1] == _DELAYS)
    delay_end = commas.places[second + 1]
    # Postfix 3.11 tells there how the connection was secured.
    third = second + 2 + ((commas.words[second + 2] & _mask(6)) == _TLS)
    good &= (commas.words[third] & _mask(6)) == _DSN
    last = third + 1
    at = commas.places[last] + 8
    good &= (commas.words[last] == _STATUS) & (at < ends)
    # Another line run into this one, or a reply that tells of statuses: not for quick eyes.
    before = commas.lines[np.maximum(first - 1, 0)]
    good &= commas.lines[commas.next(ends) - 1] == before + 1
    status, text_begin = _outcome(window, at)
    good &= (status >= 0) & (data[text_begin - 1] == _OPEN) & (data[ends - 1] == _CLOSE)
    good &= (text_begin < ends) & (orig_end - begin <= ADDRESS_LIMIT)
    at = told.starts[lines]
    orig_to = (np.where(has_orig, orig_begin, to_end), np.where(has_orig, orig_end, to_end))
    return Deliveries(
        good,
        _only(good, begin, to_end, at),
        _only(good, *orig_to, at),
        _only(good, *relay, at),
        _only(good, commas.places[second] + 8, delay_end, at),
        _only(good, commas.places[third] + 6, commas.places[last], at),
        status,
        _only(good, text_begin, ends - 1, at),
        good & (window.words[np.minimum(text_begin, window.size)] == _FORWARDED),
    )


def _outcome(window: Window, at: Places) -> tuple[Places, Places]:
    """Which status stands at `=`, -1 for others, and where its text begins behind ` (`."""
    near = np.minimum(at, window.size)
    words, behind = window.words[near], window.words[near + 8]
    status = np.full(at.size, -1)
    status[(words & _mask(7)) == word(_OUTCOMES[SENT])] = SENT
    deferred = (words == word(_OUTCOMES[DEFERRED][:8])) & ((behind & _mask(3)) == word(b"d ("))
    status[deferred] = DEFERRED
    for number in (BOUNCED, EXPIRED):
        opened = (behind & _mask(2)) == word(b" (")
        status[(words == word(_OUTCOMES[number][:8])) & opened] = number
    length = np.array([7, 11, 10, 10])[status]
    return status, np.where(status >= 0, near + length, near)


# Where a message came from, by the line that tells it.
HOST, LOGIN, UID, LOCAL = range(4)
PREFIXES = ("host:", "login:", "uid:", "")


@dataclass(frozen=True)
class Origins:
    """kind: one of HOST, LOGIN, UID, or LOCAL for a client on this machine; value: the name, of
    LOCAL the address that a filter says it had the message from."""

    good: Flags
    kind: Places
    value: tuple[Places, Places]


def clients(told: Told, commas: Commas, lines: Places) -> Origins:
    """`client=host[ip]`, `client=host[ip], sasl_method=PLAIN, sasl_username=NAME`."""
    window, ends = told.window, told.ends[lines]
    begin = told.colons[lines] + 9
    comma = commas.next(begin)
    plain = commas.places[comma] >= ends
    close = np.where(plain, ends, commas.places[comma]) - 1
    opened = _last_bracket(window, begin, close)
    good = (window.bytes[close] == _CLOSED_BRACKET) & (opened >= 0)
    name = commas.places[comma + 1]
    login = (commas.words[comma] == _SASL_METHOD) & (commas.words[comma + 1] == _SASL_NAME)
    login &= (commas.places[comma + 2] >= ends) & (name + 16 < ends)
    login &= window.words[np.minimum(name + 8, window.size)] == _SASL_REST
    passed_on = (commas.words[comma] == _ORIG_ID) & (commas.words[comma + 1] == _ORIG_CLIENT)
    passed_on &= (commas.places[comma + 2] >= ends) & (name + 8 < ends)
    passed_on &= window.bytes[ends - 1] == _CLOSED_BRACKET
    before = _last_bracket(window, np.minimum(name, ends - 1), ends - 1) + 1
    passed_on &= before > 0
    good &= plain | login | passed_on
    address = np.maximum(opened, 0) + 1
    words = window.at(address, 4)
    local = ~login & ((words == word(b"127.")) | (words == word(b"::1]")))
    known = login | local | _is_quad(window, address, close)
    for place in np.flatnonzero(good & ~known).tolist():
        text = window.between(address[place], close[place]).decode("latin-1")
        known[place] = address_or_none(text) == text and not is_loopback(text)
    # Who handed it over is on this machine: what counts is who that had it from.
    passed_on &= good & local
    for place in np.flatnonzero(passed_on).tolist():
        text = window.between(before[place], ends[place] - 1).decode("latin-1")
        known[place] = address_or_none(text) == text and not is_loopback(text)
    good &= known & (plain | login | passed_on)
    value_begin = np.where(login, name + 16, np.where(passed_on, before, address))
    value_end = np.where(login, ends, np.where(passed_on, ends - 1, close))
    value_end = np.where(local & ~passed_on, value_begin, value_end)
    kind = np.where(login, LOGIN, np.where(local, LOCAL, HOST))
    return Origins(good, kind, _only(good, value_begin, value_end, told.starts[lines]))


def _last_bracket(window: Window, begin: Places, close: Places) -> Places:
    """The `[` of `host[ip]`, within the 48 bytes before the closing one; -1 beyond."""
    found = np.full(begin.size, -1)
    for backs in ((24, 16, 8), (48, 40, 32)):
        those = np.flatnonzero(found < 0)
        for back in backs if those.size else ():
            at = np.maximum(close[those] - back, 0)
            index = index_of(window.words[at], _BRACKET)
            place = at + index
            there = (index < 8) & (place >= begin[those]) & (place < close[those])
            found[those[there]] = place[there]
    return found


def _is_quad(window: Window, begin: Places, end: Places) -> Flags:
    """Digits and dots only, seven to fifteen of them, three dots: as the log spells IPv4."""
    length = end - begin
    good: Flags = (length >= 7) & (length <= 15)
    dots = np.zeros(begin.size, np.int64)
    for offset in range(15):
        byte = window.bytes[begin + offset]
        there = offset < length
        dot = byte == 46
        dots += there & dot
        good &= ~there | dot | ((byte >= 48) & (byte <= 57))
    good &= dots == 3
    return good


def pickups(told: Told, lines: Places) -> Origins:
    """`uid=33 from=<www-data>`."""
    window, ends = told.window, told.ends[lines]
    begin = told.colons[lines] + 6
    length = index_of(window.words[begin], 32)
    at = np.minimum(begin + length, window.size)
    good = (length > 0) & (length < 8) & (window.at(at, 7) == _PICKED_FROM)
    good &= (window.bytes[ends - 1] == _GREATER) & (at + 7 < ends)
    for offset in range(7):
        byte = window.bytes[begin + offset]
        good &= (offset >= length) | ((byte >= 48) & (byte <= 57))
    return Origins(good, np.full(lines.size, UID), _only(good, begin, at, told.starts[lines]))


def message_ids(told: Told, lines: Places) -> tuple[Flags, tuple[Places, Places]]:
    """`message-id=<…>`; an empty one is for the plain reader."""
    begin = told.colons[lines] + 14
    end = told.ends[lines] - 1
    good = (told.window.bytes[end] == _GREATER) & (begin < end) & (end - begin <= ADDRESS_LIMIT)
    return good, _only(good, begin, end, told.starts[lines])


@dataclass(frozen=True)
class Queued:
    """`from=<…>, size=1234, nrcpt=1 (queue active)`."""

    good: Flags
    mail_from: tuple[Places, Places]
    size: tuple[Places, Places]


def queued(told: Told, commas: Commas, lines: Places) -> Queued:
    window, ends = told.window, told.ends[lines]
    begin = told.colons[lines] + 8
    comma = commas.next(begin)
    end = commas.places[comma] - 1
    size_end = commas.places[comma + 1]
    good = ((commas.words[comma] & _mask(7)) == _SIZE) & (window.bytes[end] == _GREATER)
    good &= (commas.words[comma + 1] == _NRCPT) & (size_end + 8 < ends)
    good &= (commas.places[comma + 2] >= ends) & (window.bytes[ends - 1] == _CLOSE)
    size_begin = commas.places[comma] + 7
    good &= end - begin <= ADDRESS_LIMIT
    length = size_end - size_begin
    good &= (length > 0) & (length <= 8)
    for offset in range(8):
        byte = window.bytes[np.minimum(size_begin + offset, window.size)]
        good &= (offset >= length) | ((byte >= 48) & (byte <= 57))
    at = told.starts[lines]
    return Queued(good, _only(good, begin, end, at), _only(good, size_begin, size_end, at))
