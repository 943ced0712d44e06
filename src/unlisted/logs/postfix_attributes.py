"""What Postfix's lines about a message tell before it is delivered: queue ids, the client.

`smtpd` and `cleanup` of Postfix 2.0 to 3.11. Refuses a client line that is cut anywhere it shows:
a login has no end mark of its own, so one cut in its middle at the very end of a line does not.
"""

import re
from typing import NamedTuple

from unlisted.logs.names import address_or_none, is_loopback

_ADDRESS_LIMIT = 1024
_HEX = frozenset("0123456789ABCDEF")
_BASE52 = frozenset("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz")
# The beginning of another line inside of one: a full disk or a killed logger cut the first.
GLUED = re.compile(r"/[\w-]{1,40}\[\d{1,10}\]: [0-9A-Za-z]{6,30}: ")


def is_queue_id(text: str) -> bool:
    """Short ids are upper-case hex, long ones (3.x `enable_long_queue_ids`) have no vowel."""
    if not 6 <= len(text) <= 30:
        return False
    letters = set(text)
    return letters <= _HEX or (len(text) >= 10 and letters <= _BASE52)


class Client(NamedTuple):
    client: str | None  # None on this machine: a filter or a program, not a relaying host
    login: str | None
    parent_id: str | None
    orig_client: str | None


def client_of(rest: str) -> Client | None:
    """smtpd's line: `client=host[ip], sasl_method=, sasl_username=, orig_queue_id=, orig_client=`."""
    first, *others = rest[7:].split(", ")
    host, closed, port = first.rpartition("]")
    if not closed or "[" not in host or (port and not (port[0] == ":" and port[1:].isdigit())):
        return None  # the port stands there with smtpd_client_port_logging
    named = {}
    for part in others:
        name, equals, value = part.partition("=")
        if not equals or not value:
            return None
        named[name] = value
    if ("sasl_method" in named) is not ("sasl_username" in named):
        return None  # Postfix tells both or neither
    login, before = named.get("sasl_username"), named.get("orig_client", "")
    return Client(
        _remote(f"{host}]"),
        bounded(login) if login else None,
        named.get("orig_queue_id"),
        _remote(before) if before.endswith("]") else None,
    )


def _remote(host: str) -> str | None:
    """The address of `name[address]` unless it is this machine."""
    address = address_or_none(host[host.rfind("[") + 1 : -1])
    return None if address is None or is_loopback(address) else address


def bounded(text: str) -> str | None:
    return text if len(text) <= _ADDRESS_LIMIT else None
