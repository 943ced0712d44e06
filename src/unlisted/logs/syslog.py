"""One line of a system log: when, which host, which program, what it says.

RFC 3164 §4.1 and RFC 5424 §6 as programs write them: `Nov  3 10:00:00 host tag[pid]: text` (the
traditional file, Postfix's own `maillog_file`, `journalctl`), the same with an RFC 3339 stamp
(rsyslog, syslog-ng, `journalctl -o short-iso`), `short-full` and `short-unix`, a leading `<PRI>`,
RFC 5424 itself, and the wrappings of containers: a stamp in front (`docker logs -t`), CRI's
`STAMP stdout F`, compose's `name | `, a system log's line around it, and JSON (`log_json`). With
what some loggers put beside the host (`host_and_tag`), or without a host.
Gives None for what has no such form.
"""

import re
from typing import NamedTuple

from unlisted.logs.log_json import is_json, record_of
from unlisted.logs.months import month_of
from unlisted.logs.stamp import MONTHS, Calendar, rfc3339


class Entry(NamedTuple):
    """tag: the program as it calls itself, without its process id ("postfix-out/smtp")."""

    at: float
    host: str
    tag: str
    text: str


_COMPOSE = re.compile(r"[\w.-]{1,80} +\| |\[[\w./-]{1,200}\] ")
_PRIORITY = re.compile(r"<\d{1,3}>")
_STREAM = re.compile(r"std(?:out|err) [FP] ")
_FULL = re.compile(
    r"[^\W\d_]{1,6}\.? (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,9})? ([A-Z]{2,5}|[+-]\d\d) "
)
_UNIX = re.compile(r"(\d{9,11}\.\d{1,9}) ")
_WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?=[A-Z][a-z]{2} [ \d]\d \d\d:)")
_FOREIGN_MONTH = re.compile(r"([^\W_]{2,7}\.?) {1,2}(\d{1,2}) (?=\d\d:\d\d:\d\d[ .])")
# `2026 Nov  3 10:00:00` of syslog-ng's $FULLDATE, `Nov  3 2026 10:00:00` of appliances.
_YEARLY = re.compile(
    r"(?:(\d{4}) ([A-Z][a-z]{2}) {1,2}(\d{1,2})|([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d{4}))"
    r" (\d\d:\d\d:\d\d)(?:\.\d{1,9})? "
)
_COLOUR = re.compile(r"\x1b\[[\d;]{0,16}m")
# `mail.log.1:Nov  3 10:00:00 …`, `mail.log:17:…`: what grep found in several files.
_GREPPED = re.compile(
    r"[\w./+@-]{1,255}:(?:\d{1,10}:)?(?=[A-Z][a-z]{2} [ \d]\d \d\d:|\d{4}-\d\d-\d\d[T ]\d\d:)"
)
_METALOG = re.compile(r"\[([\w./-]{1,200})\] ")
_SOLARIS = re.compile(r"\[ID \d+ [\w.]+\] ")
_STRUCTURED = re.compile(r"1 (\S+) (\S+) (\S+) \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?")
_MONTH_NAMES = tuple(MONTHS)
_PLAIN_STAMP = 15
_WRAPPINGS = 3
_LONGEST_TAG = 200
# FreeBSD's `syslogd -v` writes `<mail.info>`, BusyBox's `mail.info`, templates of containers `INFO`.
_FACILITIES = "kern|user|mail|daemon|auth|authpriv|syslog|cron|local[0-7]"
_LEVELS = "emerg|panic|alert|crit|critical|err|error|warn|warning|notice|info|debug"
_LEVEL = re.compile(
    rf"<?(?:(?:{_FACILITIES})\.)?(?:{_LEVELS})>?"
    r"|<\d{1,3}(?:\.\d)?>",
    re.IGNORECASE,
)
_NO_HOST = frozenset(
    [*_LEVELS.upper().split("|"), *(f"mail.{level}" for level in _LEVELS.split("|"))]
)
SHORTEST = 17  # `123456789.0 h t: `, the least with all parts: what is shorter has no such form


def entry_of(line: str, calendar: Calendar, wrappings: int = _WRAPPINGS) -> Entry | None:
    """The line's parts, or None. A line in more wrappings than that is nobody's log."""
    entry = _entry(line, calendar, wrappings)
    if entry is None or not wrappings or not _may_be_stamped(entry.text):
        return entry
    # A container's line in the host's system log: `… host name[9]: Nov  3 10:00:00 mx1 tag[1]: …`
    inner = entry_of(entry.text, calendar, wrappings - 1)
    if inner is None or "/" not in inner.tag:
        return entry
    return inner._replace(at=entry.at, host=inner.host or entry.host)


def _entry(line: str, calendar: Calendar, wrappings: int) -> Entry | None:
    if len(line) < SHORTEST:
        return None
    if line[9:10] == ":" and line[12:13] == ":" and line[15:16] in (" ", "."):
        if line[16:20].isdecimal() and line[20:21] == " ":
            at = _with_year(line, calendar)
            return _host_tag(at, line[21:]) if at is not None else None
        at = calendar.yearless(line[:_PLAIN_STAMP])
        if at is not None:
            return _after_stamp(at, line, _PLAIN_STAMP)
    if line[4:5] == "-" and line[13:14] == ":":
        return _dated(line, calendar, wrappings)
    return _wrapped(line, calendar, wrappings) if wrappings else None


def _may_be_stamped(text: str) -> bool:
    return text[9:10] == text[12:13] == ":" or (text[4:5] == "-" and text[13:14] == ":")


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


def _with_year(line: str, calendar: Calendar) -> float | None:
    """`Nov  3 10:00:00 2026 host …`, as ctime(3) has it."""
    month = MONTHS.get(line[:3])
    day = line[4:6].strip()
    if month is None or not day.isdecimal():
        return None
    return local_stamp(f"{line[16:20]}-{month:02d}-{day:0>2} {line[7:15]}", calendar)


def _yearly(line: str, found: re.Match[str], calendar: Calendar) -> Entry | None:
    year, month, day = found[1] or found[6], found[2] or found[4], found[3] or found[5]
    return _entry(f"{month} {day:>2} {found[7]} {year} {line[found.end() :]}", calendar, 0)


def _host_tag(at: float, rest: str) -> Entry | None:
    head, colon, text = rest.partition(": ")
    if head[:1] == "[" and (found := _METALOG.match(rest)):
        return Entry(at, "", found[1], rest[found.end() :])
    if not colon:
        return None
    # The process id; a host may be written in brackets itself.
    bracket = head.find("[", head.find(" ") + 1)
    named = host_and_tag(head if bracket < 0 else head[:bracket])
    if named is None or len(named[1]) > _LONGEST_TAG:
        return None
    close = head.find("] ", bracket) if bracket >= 0 else -1
    if close >= 0:  # `postfix/smtp[123] 4XK2…: to=<…`: a template without the colon
        text = rest[close + 2 :]
    if text.startswith("[ID "):
        text = _SOLARIS.sub("", text, count=1)
    return Entry(at, *named, text)


def host_and_tag(head: str) -> tuple[str, str] | None:
    """`mx1 postfix/smtp`: the host and the program. The host may be missing ("" then), and a word
    for how grave the line is may stand before, between or in place of it."""
    host, _, tag = head.partition(" ")
    if host and tag and " " not in tag and host not in _NO_HOST:
        return host, tag
    words = [word for word in head.split(" ") if word and not _LEVEL.fullmatch(word)]
    if len(words) == 1:
        return "", words[0]
    return (words[0], words[1]) if len(words) == 2 else None


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
    if is_json(line):
        return _json(line, calendar, wrappings)
    if _COLOUR.match(line):  # compose colours what it writes into files, too
        return _unwrapped(_COLOUR.sub("", line), calendar, wrappings, anything=True)
    if found := _GREPPED.match(line):
        return _unwrapped(line[found.end() :], calendar, wrappings)
    if found := _YEARLY.match(line):
        return _yearly(line, found, calendar)
    if found := _WEEKDAY.match(line):
        return _entry(line[found.end() :], calendar, 0)
    if line.startswith("<") and (found := _PRIORITY.match(line)):
        rest = line[found.end() :]
        return _structured(rest) if rest.startswith("1 ") else _unwrapped(rest, calendar, wrappings)
    if (found := _FOREIGN_MONTH.match(line)) and (month := month_of(found[1])):
        english = f"{_MONTH_NAMES[month - 1]} {found[2]:>2} {line[found.end() :]}"
        return _entry(english, calendar, 0)
    if found := _FULL.match(line):
        return _full(line, found, calendar)
    if found := _UNIX.match(line):
        return _host_tag(float(found[1]), line[found.end() :])
    if found := _COMPOSE.match(line):
        return _unwrapped(line[found.end() :], calendar, wrappings)
    return _unwrapped(line.lstrip("\0 "), calendar, wrappings) if line[:1] in ("\0", " ") else None


def _unwrapped(
    rest: str, calendar: Calendar, wrappings: int, *, anything: bool = False
) -> Entry | None:
    """What is inside, if it begins with a stamp (or whatever it is)."""
    stamped = anything or rest[9:10] == ":" or rest[4:5] == "-"
    return entry_of(rest, calendar, wrappings - 1) if stamped and wrappings else None


def in_container(line: str) -> tuple[float | None, str]:
    """The line of a program that stamps its lines itself, without what a container's runtime put
    around it, and when the runtime says it was written."""
    at = None
    for _ in range(_WRAPPINGS):
        stamp, _, rest = line.partition(" ")
        if is_json(line) and (record := record_of(line)):
            at, line = record.at or at, record.text
        elif line.startswith("\x1b"):
            line = _COLOUR.sub("", line)
        elif (found := _GREPPED.match(line)) or (found := _COMPOSE.match(line)):
            line = line[found.end() :]
        elif line[10:11] == "T" and (told := rfc3339(stamp)) is not None:
            stream = _STREAM.match(rest)
            at, line = told, rest[stream.end() :] if stream else rest
        else:
            break
    return at, line


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
    record = record_of(line)
    if record is None:
        return None
    inner = _unwrapped(record.text, calendar, wrappings)
    if inner is not None:
        return inner if record.at is None else inner._replace(at=record.at)
    if record.at is None or not record.tag:
        return None
    return Entry(record.at, record.host, record.tag, record.text)
