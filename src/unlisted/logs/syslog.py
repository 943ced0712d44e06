"""One line of a system log: when, which host, which program, what it says.

RFC 3164 §4.1 and RFC 5424 §6 as programs write them: `Nov  3 10:00:00 host tag[pid]: text` (the
traditional file, Postfix's own `maillog_file`, `journalctl`), the same with an RFC 3339 stamp
(rsyslog, syslog-ng, `journalctl -o short-iso`), `short-full` and `short-unix`, a leading `<PRI>`,
RFC 5424 itself, and the wrappings of containers: a stamp in front (`docker logs -t`), CRI's
`STAMP stdout F`, compose's `name | `, and JSON with `log` or journald's `MESSAGE`.
Gives None for what has no such form.
"""

import re
from typing import NamedTuple

import msgspec

from unlisted.logs.stamp import Calendar, rfc3339


class Entry(NamedTuple):
    """tag: the program as it calls itself, without its process id ("postfix-out/smtp")."""

    at: float
    host: str
    tag: str
    text: str


class _Wrapped(msgspec.Struct):
    """A line inside a JSON object: Docker's json-file driver, `journalctl -o json`."""

    log: str = ""
    time: str = ""
    MESSAGE: str = ""
    SYSLOG_IDENTIFIER: str = ""
    HOSTNAME: str = msgspec.field(default="", name="_HOSTNAME")
    REALTIME: str = msgspec.field(default="", name="__REALTIME_TIMESTAMP")


_WRAPPED = msgspec.json.Decoder(_Wrapped)
_COMPOSE = re.compile(r"[\w.-]{1,80} +\| |\[[\w./-]{1,200}\] ")
_PRIORITY = re.compile(r"<\d{1,3}>")
_STREAM = re.compile(r"std(?:out|err) [FP] ")
_FULL = re.compile(
    r"[A-Z][a-z]{2} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,9})? ([A-Z]{2,5}|[+-]\d\d) "
)
_UNIX = re.compile(r"(\d{9,11}\.\d{1,9}) ")
_SOLARIS = re.compile(r"\[ID \d+ [\w.]+\] ")
_STRUCTURED = re.compile(r"1 (\S+) (\S+) (\S+) \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?")
_PLAIN_STAMP = 15
_WRAPPINGS = 2
SHORTEST = 17  # `123456789.0 h t: `, the least with all parts: what is shorter has no such form


def entry_of(line: str, calendar: Calendar, wrappings: int = _WRAPPINGS) -> Entry | None:
    """The line's parts, or None. A line in more wrappings than that is nobody's log."""
    if len(line) < SHORTEST:
        return None
    if line[9:10] == ":" and line[12:13] == ":" and line[15:16] in (" ", "."):
        at = calendar.yearless(line[:_PLAIN_STAMP])
        if at is not None:
            return _after_stamp(at, line, _PLAIN_STAMP)
    if line[4:5] == "-" and line[13:14] == ":":
        return _dated(line, calendar, wrappings)
    return _wrapped(line, calendar, wrappings) if wrappings else None


def is_wrapped(line: str) -> bool:
    """Whether something stands around the line that the program itself wrote."""
    if line[9:10] == ":" and line[12:13] == ":":
        return False
    if line[4:5] != "-" or line[13:14] != ":":
        return True
    rest = line.partition(" ")[2]
    inner = rest[9:10] == rest[12:13] == ":" or (rest[4:5] == "-" and rest[:4].isdigit())
    return inner or _STREAM.match(rest) is not None


def _after_stamp(at: float, line: str, end: int) -> Entry | None:
    if line[end] == ".":  # fractions: `journalctl -o short-precise`
        fraction, _, _ = line[end : end + 12].partition(" ")
        if not fraction[1:].isdecimal():
            return None
        at += float(f"0{fraction}")
        end += len(fraction)
    return _host_tag(at, line[end + 1 :])


def _host_tag(at: float, rest: str) -> Entry | None:
    host, _, rest = rest.partition(" ")
    tag, colon, text = rest.partition(": ")
    if not colon or not host or len(tag) > 200:
        return None
    name, bracket, _ = tag.partition("[")
    if " " in name:
        return None
    if text.startswith("[ID "):
        text = _SOLARIS.sub("", text, count=1)
    return Entry(at, host, name if bracket else tag, text)


def _dated(line: str, calendar: Calendar, wrappings: int) -> Entry | None:
    stamp, _, rest = line.partition(" ")
    at = rfc3339(stamp)
    if at is None:
        return _dated_local(line, calendar)
    stream = _STREAM.match(rest)
    if stream:
        rest = rest[stream.end() :]
    # Two stamps: the container's runtime wrote the first one and knows year and zone.
    inner = _unwrapped(rest, calendar, wrappings)
    if inner is not None:
        return inner._replace(at=at)
    return _host_tag(at, rest)


def _dated_local(line: str, calendar: Calendar) -> Entry | None:
    """`2026-11-03 10:00:00 host tag: text`, `2026-11-03T10:00:00.123 host …`: no zone told."""
    at = local_stamp(line, calendar)
    if at is None:
        return None
    first, _, rest = line[19:].partition(" ")
    if first and not (first[0] in ".," and first[1:].isdecimal()):
        return None
    return _host_tag(at + (float(f"0.{first[1:]}") if first else 0.0), rest)


def local_stamp(line: str, calendar: Calendar) -> float | None:
    """The 19 characters `2026-11-03 10:00:00` at the beginning, by the calendar's zone."""
    if line[4:5] != "-" or line[7:8] != "-" or line[13:14] != ":" or line[16:17] != ":":
        return None
    try:
        return calendar.local(
            int(line[:4]),
            int(line[5:7]),
            int(line[8:10]),
            int(line[11:13]),
            int(line[14:16]),
            int(line[17:19]),
        )
    except (ValueError, OverflowError):
        return None


def _wrapped(line: str, calendar: Calendar, wrappings: int) -> Entry | None:
    if line.startswith("{"):
        return _json(line, calendar, wrappings)
    if line.startswith("<") and (found := _PRIORITY.match(line)):
        rest = line[found.end() :]
        return _structured(rest) if rest.startswith("1 ") else _unwrapped(rest, calendar, wrappings)
    if found := _FULL.match(line):
        return _full(line, found, calendar)
    if found := _UNIX.match(line):
        return _host_tag(float(found[1]), line[found.end() :])
    if found := _COMPOSE.match(line):
        return _unwrapped(line[found.end() :], calendar, wrappings)
    return _unwrapped(line.lstrip("\0 "), calendar, wrappings) if line[:1] in ("\0", " ") else None


def _unwrapped(rest: str, calendar: Calendar, wrappings: int) -> Entry | None:
    """What is inside, if it begins with a stamp."""
    stamped = rest[9:10] == ":" or rest[4:5] == "-"
    return entry_of(rest, calendar, wrappings - 1) if stamped and wrappings else None


def _structured(rest: str) -> Entry | None:
    found = _STRUCTURED.match(rest)
    at = rfc3339(found[1]) if found else None
    if found is None or at is None:
        return None
    return Entry(at, found[2], found[3], rest[found.end() :].lstrip("\ufeff"))


def _full(line: str, found: re.Match[str], calendar: Calendar) -> Entry | None:
    zone = found[3]
    offset = "Z" if zone in ("UTC", "GMT") else zone
    at = rfc3339(f"{found[1].replace(' ', 'T')}{found[2] or ''}{offset}")
    if at is None:  # an abbreviation such as CET is no offset: the calendar's zone is assumed
        at = local_stamp(found[1], calendar)
    return None if at is None else _host_tag(at, line[found.end() :])


def _json(line: str, calendar: Calendar, wrappings: int) -> Entry | None:
    try:
        wrapped = _WRAPPED.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    if wrapped.MESSAGE and wrapped.REALTIME.isdecimal() and len(wrapped.REALTIME) < 18:
        at = int(wrapped.REALTIME) / 1e6
        return Entry(at, wrapped.HOSTNAME, wrapped.SYSLOG_IDENTIFIER, wrapped.MESSAGE)
    inner = _unwrapped(wrapped.log.rstrip("\r\n"), calendar, wrappings) if wrapped.log else None
    outer = rfc3339(wrapped.time) if wrapped.time else None
    return inner if inner is None or outer is None else inner._replace(at=outer)
