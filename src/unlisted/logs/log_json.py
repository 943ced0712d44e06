"""One log line inside a JSON object, as journald, container runtimes and log shippers write it.

`journalctl -o json` (also `json-sse` and `json-seq`, RFC 7464), Docker's json-file driver (`log`),
and the objects of rsyslog, syslog-ng, fluentd, Vector: a message with its time, host and program
under one of the names each of them uses. Gives None for what is no object with a message.
"""

from typing import Any, NamedTuple

import msgspec

from unlisted.logs.stamp import BEFORE, rfc3339

_TEXT = ("MESSAGE", "message", "msg", "log")
_TIME = ("time", "timestamp", "@timestamp", "timereported", "timegenerated", "TIMESTAMP")
_HOST = ("_HOSTNAME", "host", "hostname", "HOST")
_TAG = (
    "SYSLOG_IDENTIFIER", "program", "programname", "PROGRAM", "syslogtag", "syslog-tag", "tag",
    "appname", "app-name", "ident", "process",
)  # fmt: skip
_DECODER = msgspec.json.Decoder(dict[str, Any])
_MILLION = 1e6


class Record(NamedTuple):
    """What the object says of one line; "" and None for what it does not."""

    at: float | None
    host: str
    tag: str
    text: str


def is_json(line: str) -> bool:
    return line.startswith(("{", "data: {", "\x1e{"))


def record_of(line: str) -> Record | None:
    """`json-sse` puts `data: ` in front, `json-seq` a record separator."""
    try:
        told = _DECODER.decode(line.removeprefix("data: ").lstrip("\x1e"))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    text = next((found for name in _TEXT if (found := _text(told.get(name)))), "")
    if not text:
        return None
    tag = _first(told, _TAG).partition("[")[0].rstrip(":")
    return Record(_time(told), _first(told, _HOST), tag, text.rstrip("\r\n"))


def _text(value: object) -> str:
    """journald writes what is no UTF-8 as a list of its bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(type(one) is int and 0 <= one < 256 for one in value):
        data = bytes(value)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")
    return ""


def _first(told: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((value for name in names if isinstance(value := told.get(name), str) and value), "")


def _time(told: dict[str, Any]) -> float | None:
    journal = told.get("__REALTIME_TIMESTAMP")
    if isinstance(journal, str) and journal.isascii() and journal.isdigit() and len(journal) < 18:
        return int(journal) / _MILLION
    return next((at for name in _TIME if (at := _instant(told.get(name))) is not None), None)


def _instant(value: object) -> float | None:
    """RFC 3339, or seconds since the epoch: a number, or `${UNIXTIME}` of syslog-ng in quotes."""
    if isinstance(value, str):
        whole, _, part = value.partition(".")
        if not (value.isascii() and f"{whole}{part}".isdigit() and whole):
            return rfc3339(value)
        value = float(value)
    if isinstance(value, int | float) and value is not True and 0 < value < BEFORE:
        return float(value)
    return None
