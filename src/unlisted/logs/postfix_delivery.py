"""Postfix's delivery line after its queue id: `to=<…>, relay=…, delay=…, dsn=…, status=… (text)`.

As `log_adhoc(3)` of Postfix writes it for every delivery agent; `dsn=` since 2.3, `tls=` before it since 3.11, `SOFTBOUNCE` for
what `soft_bounce` keeps in the queue. Refuses a line that is cut
anywhere: every field must be closed by the one after it, the text by its parenthesis, the
reply of a remote site by the command it answered; of a cut line no field is taken.
"""

from typing import NamedTuple

TEXT_LIMIT = 16_384
_ADDRESS_LIMIT = 1024
_STATUSES = frozenset(("sent", "deferred", "bounced", "expired"))
_SOFT_BOUNCE = "SOFTBOUNCE"
PROBES = frozenset(("deliverable", "undeliverable"))
SUSPENDED = "delivery temporarily suspended: "
# Who defers what it does not try: `error`, and the queue manager itself before Postfix 2.4.
SUSPENDERS = frozenset(("error", "qmgr", "nqmgr", "oqmgr"))

# The last "(in reply to X command)" names what was answered; longer names first.
_IN_REPLY = (
    ("end of DATA", "eod"),
    ("sending message body", "data"),
    ("RCPT TO", "rcpt"),
    ("MAIL FROM", "mail"),
    ("DATA", "data"),
    ("EHLO", "ehlo"),
    ("HELO", "ehlo"),
    ("LHLO", "ehlo"),
    ("STARTTLS", "ehlo"),
    ("AUTH", "ehlo"),
)
# "lost connection with X while …" and "conversation with X timed out while …".
_WHILE = (
    ("receiving the initial server greeting", "greeting"),
    ("performing the EHLO handshake", "ehlo"),
    ("performing the HELO handshake", "ehlo"),
    ("performing the LHLO handshake", "ehlo"),
    ("sending end of data", "eod"),
    ("sending MAIL FROM", "mail"),
    ("sending RCPT TO", "rcpt"),
    ("sending DATA command", "data"),
    ("sending message body", "data"),
)
# The client's own words for what failed between EHLO and MAIL.
_BEFORE_MAIL = (
    "SASL authentication failed",
    "Cannot start TLS",
    "TLS is required",
    "Server certificate not ",
)


class Delivery(NamedTuple):
    recipient: str
    orig_to: str | None
    relay: str | None
    relay_ip: str | None
    delay_s: float
    enhanced: str
    status: str
    code: int
    stage: str | None
    text: str  # also of what was sent: it names the next queue id


def parse_delivery(rest: str) -> Delivery | None:
    """What `to=<…` begins; None for a line that is cut or no delivery line after all."""
    addressed = _addresses(rest)
    if addressed is None:
        return None
    recipient, orig_to, at = addressed
    fields, found, outcome = rest[at:].partition(", status=")
    if not found:
        return None
    told = _told(fields)
    status, space, text = outcome.partition(" ")
    if status == _SOFT_BOUNCE:
        status = "deferred"
    if told is None or not (status in _STATUSES or status in PROBES):
        return None
    if not space or len(text) < 2 or text[0] != "(" or text[-1] != ")" or len(text) > TEXT_LIMIT:
        return None
    text = text[1:-1]
    if status != "sent" and is_cut(text):
        return None
    relay, delay_s, enhanced = told
    code, stage = (leading_code(text), None) if status == "sent" else reply_of(text)
    host, ip = relay_of(relay)
    return Delivery(recipient, orig_to, host, ip, delay_s, enhanced, status, code, stage, text)


def _addresses(rest: str) -> tuple[str, str | None, int] | None:
    """recipient, orig_to, and where the fields begin. Linear: each search starts once."""
    relay = rest.find(">, relay=", 4)
    original = rest.find(">, orig_to=<", 4)
    if relay < 0:
        return None
    end = relay
    orig_to: str | None = None
    if 0 <= original < relay:
        end = original
        orig_to = rest[original + 12 : relay]
    recipient = rest[4:end]
    if len(recipient) > _ADDRESS_LIMIT or len(orig_to or "") > _ADDRESS_LIMIT:
        return None
    return recipient, orig_to, relay + 3


def _told(fields: str) -> tuple[str, float, str] | None:
    """`relay=…, [conn_use=…, ]delay=…, [delays=…, [tls=…, ]dsn=…]`, in this order and no other."""
    parts = fields.split(", ")
    if not 2 <= len(parts) <= 10 or not parts[0].startswith("relay="):
        return None
    named = {}
    for part in parts[1:]:
        name, equals, value = part.partition("=")
        if not equals or not value or name in named:
            return None
        named[name] = value
    try:
        delay_s = float(named["delay"])
    except (KeyError, ValueError):
        return None
    enhanced = named.get("dsn", "")
    if not is_enhanced(enhanced) and (enhanced or "delays" in named):
        return None
    if not 0 <= delay_s < 1e9:
        return None
    return parts[0][6:], delay_s, enhanced


def is_enhanced(text: str) -> bool:
    """RFC 3463 section 2: three numbers of at most three digits."""
    numbers = text.split(".")
    return len(numbers) == 3 and all(n.isascii() and n.isdigit() and len(n) < 4 for n in numbers)


def relay_of(relay: str) -> tuple[str | None, str | None]:
    """`host[192.0.2.1]:25` is two facts; `none` is none; `local`, a pipe's name: the name."""
    host, bracket, rest = relay.partition("[")
    if not bracket:
        return (None, None) if relay == "none" else (relay, None)
    ip = rest.partition("]")[0]
    if "/" in ip or not ip:  # a socket: `/run/dovecot/lmtp`, `private/dovecot-lmtp`
        return host or None, None
    return host or ip, ip


def is_cut(text: str) -> bool:
    """Whether the last parenthesis closes something inside and the line ends too early.

    Postfix ends a reply it quotes with the command answered; other texts close what they open.
    """
    core = text.removeprefix(SUSPENDED)
    if core.startswith("host ") and " said: " in core:
        return not (core.endswith(" command)") and "(in reply to " in core)
    return text.count("(") > text.count(")")


def leading_code(text: str) -> int:
    """250 of `250 2.0.0 Ok: queued as …`, 0 of `delivered to mailbox`."""
    head = text[:3]
    whole = head.isascii() and head.isdigit() and text[3:4] in (" ", "-", "")
    return int(head) if whole and "199" < head < "600" else 0


def reply_of(text: str) -> tuple[int, str | None]:
    """The reply's code and what it answered."""
    core = text.removeprefix(SUSPENDED)
    head, said, reply = core.partition(" said: ")
    if said and "(" not in head:
        code = leading_code(reply)
        return code, "ehlo" if core.startswith(_BEFORE_MAIL) else _answered(reply)
    _, refused, reply = core.partition(" refused to talk to me: ")
    if refused:
        return leading_code(reply), "greeting"
    if core.startswith("connect to "):
        return 0, "connect"
    if core.startswith(_BEFORE_MAIL):
        return 0, "ehlo"
    _, lost, doing = core.rpartition(" while ")
    if lost:
        return 0, next((stage for words, stage in _WHILE if doing.startswith(words)), None)
    return 0, None


def _answered(reply: str) -> str | None:
    command = reply.rpartition("(in reply to ")[2]
    return next((stage for words, stage in _IN_REPLY if command.startswith(words)), None)
