"""One line of Exim's main log: stamp, message id, flag, address, fields.

The Exim specification, chapter "Log files" (53): `<=` arrival, `=>` delivery, `->` another
recipient of the same delivery, `>>` cutthrough, `**` failed, `==` deferred, `Completed`; ids of
6-6-2 and, since 4.97, 6-11-4 characters; log selectors millisec, pid, outgoing_interface, and the
rest. Via syslog or in a container, too. Fields are read from the left, as what a remote site says
comes last; an unquoted value with a blank in it ends at the blank.
"""

import re
from typing import NamedTuple

from unlisted.logs.stamp import Calendar, rfc3339
from unlisted.logs.syslog import entry_of, in_container, local_stamp

_ADDRESS_LIMIT = 1024
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?(?: ([+-]\d{4}))? ")
_PID = re.compile(r"\[\d+\] ")
_ID = re.compile(
    r"([0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})) "
)
_FLAGS = frozenset(("<=", "=>", "->", ">>", "**", "=="))
_FIELD = re.compile(r" ([A-Za-z][A-Za-z0-9]{0,4})=")
# A star behind the address: the connection was used before.
_HOST = re.compile(
    r"(?:([^\s(\[](?:\S*[^\s:])?) ?)?(?:\([^)]{0,300}\) ?)?(?:\[([0-9A-Fa-f:.]{2,45})\]\*?(?::\d{1,5})?\*?)?"
)
_VALUE_END = re.compile(r" |: |:$")
_QUOTED = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"')
_DEFER = re.compile(r" defer \((-?\d{1,5})\)")
_COLON = re.compile(r" ?: ")
# The system's own words for an error stand before the host, what Exim adds stands behind it.
_HOST_BEHIND = re.compile(
    r"[^:]{1,100}? H=(\S{1,255}) \[([0-9A-Fa-f:.]{2,45})\]\*?(?::\d{1,5})?\*?(?:: |$)"
)


class EximLine(NamedTuple):
    """flag "" is a line without one; rest is what follows the id then."""

    at: float
    host: str
    id: str | None
    flag: str
    rest: str


def exim_line(line: str, calendar: Calendar) -> EximLine | None:
    """The frame; None when it is no line of this log."""
    host = ""
    stamped = _stamp(line, calendar) or _contained(line, calendar)
    if stamped is None:
        entry = entry_of(line, calendar)
        if entry is None or not entry.tag.startswith("exim"):
            return None
        host = entry.host
        # Exim stamps its lines itself, unless syslog_timestamp is off.
        stamped = _stamp(entry.text, calendar) or (entry.at, entry.text)
    at, rest = stamped
    if rest.startswith("[") and (pid := _PID.match(rest)):
        rest = rest[pid.end() :]
    named = _ID.match(rest)
    if named is None:
        return EximLine(at, host, None, "", rest)
    rest = rest[named.end() :]
    flag = rest[:2]
    if flag in _FLAGS and rest[2:3] == " ":
        return EximLine(at, host, named[1], flag, rest[3:].lstrip(" "))
    return EximLine(at, host, named[1], "", rest)


def _contained(line: str, calendar: Calendar) -> tuple[float, str] | None:
    """The runtime's stamp knows the zone."""
    at, inner = in_container(line)
    stamped = _stamp(inner, calendar) if inner != line else None
    return stamped if at is None or stamped is None else (at, stamped[1])


def _stamp(line: str, calendar: Calendar) -> tuple[float, str] | None:
    found = _STAMP.match(line)
    if found is None:
        return None
    fraction, offset = found.groups()
    if offset:
        at = rfc3339(line[:10] + "T" + line[11:19] + (fraction or "") + offset)
    else:
        at = local_stamp(line, calendar)
        if at is not None and fraction:
            at += float(f"0{fraction}")
    return None if at is None else (at, line[found.end() :])


class Fields(NamedTuple):
    """What stands behind an address: `K=value` in order of appearance, then what is left."""

    values: dict[str, str]
    host: str | None
    ip: str | None
    error: str  # behind the colon that ends the fields of ** and ==
    deferred: bool = False  # ` defer (-1)` stood there: what follows may be nothing


def addresses(rest: str) -> tuple[str, str | None, str] | None:
    """`addr <original> …`: the address, the original in its brackets, what follows."""
    if rest.startswith('"'):
        close = _close_quote(rest, 1)
        end = -1 if close < 0 else rest.find(" ", close)
    elif rest.startswith("|") or rest.startswith("/"):
        end = rest.find(" <")  # a pipe's command has blanks
    else:
        end = rest.find(" ")
    if end < 0:
        end = len(rest)
    address, rest = rest[:end], rest[end:]
    if address.endswith(":") and len(address) > 1 and not address.startswith(":"):
        address, rest = address[:-1], f":{rest}"  # `** bob@example.com: Unrouteable address`
    if rest.startswith(" (") and ")" in rest:  # log selector all_parents
        rest = rest[rest.index(")") + 1 :]
    original = None
    if rest.startswith(" <"):
        close = rest.find(">")
        if close < 0:
            return None
        original, rest = rest[2:close], rest[close + 1 :]
    if not address or len(address) > _ADDRESS_LIMIT or len(original or "") > _ADDRESS_LIMIT:
        return None
    return address, original, rest


def fields_of(rest: str) -> Fields:
    """From the first ` K=` on. Each step begins where the one before ended."""
    values: dict[str, str] = {}
    host = ip = None
    quotes = True  # until one is found that never closes: looking for its end again is quadratic
    at = 0
    deferred = False
    while at < len(rest):
        if colon := _COLON.match(rest, at):
            error = rest[colon.end() :]
            if ip is None and (behind := _HOST_BEHIND.match(error)):
                host, ip = behind[1], behind[2]
            return Fields(values, host, ip, error, deferred)
        deferred = deferred or _DEFER.match(rest, at) is not None
        found = _FIELD.match(rest, at)
        if found is None:
            skipped = _skip_word(rest, at)
            if skipped is None:
                break
            at = skipped
            continue
        name, start = found[1], found.end()
        if name == "H":
            named = _HOST.match(rest, start)
            if named is not None and named.end() > start:
                host, ip = named[1], named[2]
                at = named.end() - (rest[named.end() - 1] == " ")
                values["H"] = rest[start:at]
                continue
        value, at, quotes = _value(rest, start, quotes)
        values.setdefault(name, value)
    return Fields(values, host, ip, "", deferred)


def _skip_word(rest: str, at: int) -> int | None:
    """Over flags such as ` K`, ` L`, ` from <x>` and ` defer (-44)`; None where fields end."""
    defer = _DEFER.match(rest, at)
    if defer is not None:
        return defer.end()
    if rest[at] != " ":
        return None
    found = _VALUE_END.search(rest, at + 1)
    end = found.start() if found is not None else len(rest)
    return None if rest[at + 1 : end] in ("for", "") else end


def _value(rest: str, start: int, quotes: bool) -> tuple[str, int, bool]:
    if quotes and rest.startswith('"', start):
        close = _close_quote(rest, start + 1)
        if close >= 0:
            value = rest[start + 1 : close].replace('\\"', '"').replace("\\\\", "\\")
            return value, close + 1, True
        quotes = False
    end = _VALUE_END.search(rest, start)
    stop = end.start() if end is not None else len(rest)
    value = rest[start:stop]
    if value.startswith("<") and value.endswith(">"):
        value = value[1:-1]
    return value, stop, quotes


def _close_quote(text: str, at: int) -> int:
    found = _QUOTED.match(text, at)
    return found.end() - 1 if found is not None else -1
