"""What the names in a log tell: Postfix's instance, transport and program, the pool, the egress.

A process calls itself `postfix-out/smtp-pool3/smtp`: the instance, then what `-o syslog_name=`
adds in master.cf (the transport, if the operator named it there), then the program. Many operators
name a transport for the pool it sends by, or for the address it sends from. Gives None where a
name tells neither; guesses no pool from the plain names that every installation has.
"""

import ipaddress
import re
from typing import NamedTuple

from unlisted.remembered import remembered

LONGEST = 64  # an IPv6 address has 39 characters at most

# Words that decorate a transport's name and name no pool of their own.
_DECORATION_WORDS = (
    "smtp lmtp esmtp smtps relay remote local out outbound outgoing egress send sender deliver"
    " delivery mail mta postfix exim dkim ip ipv4 ipv6 via from transport slow error retry virtual"
    " pipe discard procmail maildrop dovecot router qmgr nqmgr oqmgr"
)
_LOCAL = frozenset(("local", "virtual", "pipe", "lmtp", "discard"))
_DECORATION = frozenset(_DECORATION_WORDS.split())
_SEPARATORS = re.compile(r"[-_.:/@ ]+")
_QUAD = re.compile(r"(?<!\d)(\d{1,3})[-_.](\d{1,3})[-_.](\d{1,3})[-_.](\d{1,3})(?!\d)")
_COLONED = re.compile(r"(?<![0-9a-z])[0-9a-f]{1,4}(?:[-_:]{1,2}[0-9a-f]{1,4}){2,7}(?![0-9a-z])")


class Names(NamedTuple):
    instance: str
    transport: str
    program: str
    pool: str | None
    egress: str | None


@remembered(4096, LONGEST)
def names_of(tag: str) -> Names | None:
    """Of a Postfix process; None when the tag is no such name (no `/`)."""
    instance, slash, rest = tag.partition("/")
    if not slash or not instance or not rest:
        return None
    between, _, program = rest.rpartition("/")
    transport = between or program
    # An instance for each address, as `postfix-192.0.2.7/smtp`, is another way to have a pool.
    local = program in _LOCAL
    egress = egress_in(transport) or (None if local else egress_in(instance))
    return Names(instance, transport, program, None if egress else pool_in(transport), egress)


@remembered(4096, LONGEST)
def pool_in(transport: str) -> str | None:
    """`smtp-pool3` is of "pool3", `relay` of none, `remote_smtp` of none."""
    words = [word for word in _SEPARATORS.split(transport) if word]
    telling = [word for word in words if word.lower() not in _DECORATION]
    if not telling:
        return None
    if all(word.isdigit() for word in telling):
        return transport  # "out-2": the number alone would be a poor name
    first = transport.index(telling[0])
    last = transport.rindex(telling[-1]) + len(telling[-1])
    return transport[first:last] if first < last else transport


@remembered(4096, LONGEST)
def egress_in(transport: str) -> str | None:
    """`out-192-0-2-7` and `smtp_192.0.2.7` spell an address, `out-2001-db8--7` too."""
    quad = _QUAD.search(transport)
    if quad and all(int(part) < 256 for part in quad.groups()):
        return ".".join(str(int(part)) for part in quad.groups())
    coloned = _COLONED.search(transport.lower())
    if coloned is None:
        return None
    spelled = re.sub("[-_]", ":", coloned[0])
    try:
        return str(ipaddress.IPv6Address(spelled))
    except ValueError:
        return None


@remembered(8192, LONGEST)
def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@remembered(8192, LONGEST)
def address_or_none(text: str) -> str | None:
    """An IP address as the log spells it, checked; None for "unknown", a path, a port."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("IPv6:")))
    except ValueError:
        return None
