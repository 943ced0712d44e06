"""Which program wrote a log, told from its first lines.

Every line votes for what it can only be; plain system log lines are a weak vote for Postfix, as a
syslog may begin with a thousand lines of other programs. None when nothing is recognised.
"""

import re
from collections.abc import Iterable
from datetime import UTC

from unlisted.logs.names import names_of
from unlisted.logs.stamp import Calendar
from unlisted.logs.syslog import entry_of, in_container
from unlisted.mail.attempt import Format

FORMATS: tuple[Format, ...] = ("postfix", "exim", "kumomta", "m365")
_LINES = 400
_HEADER_CHARS = 4096
_HEADER_LINES = 6  # `#TYPE …` and `#Software: …` stand before a header
_PROGRAM_WORDS = (
    "smtp smtpd qmgr cleanup pickup local virtual pipe lmtp bounce error postscreen master anvil"
    " trivial-rewrite scache tlsproxy postfix-script submission discard verify nqmgr oqmgr"
)
_PROGRAMS = frozenset(_PROGRAM_WORDS.split())
_EXIM_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?(?: \[\d+\])? "
    r"(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{6}(?:[0-9A-Za-z]{5})?-[0-9A-Za-z]{2}(?:[0-9A-Za-z]{2})? "
    r"|cwd=|Start queue run|End queue run|exim |SMTP connection|no host name found|H=|TLS error)"
)
_KUMO = re.compile(
    r'"type" ?: ?"(?:Reception|Delivery|Bounce|TransientFailure|Expiration|AdminBounce|OOB|Feedback'
    r'|Delayed|DeferredInjectionRebind|AdminRebind|XferOut|XferIn|Rejection|Deferral)"'
)
# Header names of Microsoft's exports, small letters, without blanks and underscores.
_M365_WORDS = (
    "received senderaddress recipientaddress recipientstatus messageid networkmessageid"
    " messagetraceid originclientip originalclientip datetimeutc origintimestamputc fromip toip"
    " status eventid directionality connectorid messagesubject subject totalbytes size"
    " recipient recipients date dateutc"
)
_M365 = frozenset(_M365_WORDS.split())


def format_of(lines: Iterable[str]) -> Format | None:
    """The format most of the first lines speak for."""
    votes = dict.fromkeys(FORMATS, 0.0)
    calendar = Calendar(UTC, 4e9)
    for number, line in enumerate(lines):
        if number >= _LINES:
            break
        if number < _HEADER_LINES and is_m365_header(line):
            return "m365"
        vote = _vote(line, calendar)
        if vote is not None:
            votes[vote[0]] += vote[1]
    best = max(FORMATS, key=lambda name: votes[name])
    return best if votes[best] else None


def _vote(line: str, calendar: Calendar) -> tuple[Format, float] | None:
    if _EXIM_LINE.match(line) or _EXIM_LINE.match(in_container(line)[1]):
        return "exim", 1.0
    if line.startswith("{") and _KUMO.search(line, 0, 65_536):
        return "kumomta", 1.0
    entry = entry_of(line, calendar)
    if entry is None:
        return None
    if entry.tag.startswith("exim"):
        return "exim", 1.0
    names = names_of(entry.tag)
    if names is not None and names.program in _PROGRAMS:
        return "postfix", 1.0
    return "postfix", 0.001


def is_m365_header(line: str) -> bool:
    """Whether a line is the header of a message trace, by the names of its columns."""
    if "ender" not in line or len(line) > _HEADER_CHARS:  # every row is asked
        return False
    cells = [plain_name(cell) for cell in re.split("[,;\t]", line)]
    known = sum(1 for cell in cells if cell in _M365)
    return known >= 3 and "senderaddress" in cells


def plain_name(cell: str) -> str:
    """`Sender Address`, `sender_address` and `"SenderAddress"` are one column, and so are
    `Date (UTC)` and `date_utc`."""
    return re.sub(r"[\s_\"\ufeff()-]", "", cell).lower()
