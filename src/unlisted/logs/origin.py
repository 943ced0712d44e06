"""Who put a message in, where a line about another message tells it.

A content filter hands a message back on this machine under a new id but with the same Message-ID;
a script's header names the script. Typed origins as `mail.attempt` lists them; None where nothing
tells. Refuses to follow more than `_STEPS` hand-overs.
"""

from collections import OrderedDict

from unlisted.logs.open_messages import Message

_REMEMBERED = 50_000  # message ids: a filter hands a message back within minutes
_STEPS = 8
_SCRIPT_LIMIT = 1024


class Origins:
    """Which message bore a Message-ID first."""

    def __init__(self) -> None:
        self._first: OrderedDict[str, Message] = OrderedDict()

    def first(self, message_id: str) -> Message | None:
        """The message that bore it first, as far as remembered."""
        return self._first.get(message_id)

    def remember(self, message_id: str, message: Message) -> None:
        """A second message with the same id and no origin of its own descends from the first."""
        first = self._first.get(message_id)
        if first is not None and first is not message:
            if message.sender is None and message.parent is None:
                message.parent = first
            return
        self._first[message_id] = message
        if len(self._first) > _REMEMBERED:
            self._first.popitem(last=False)


def complete_sender(message: Message) -> str | None:
    """Its own origin or, for what was put in again on this machine, that of the one before."""
    step: Message | None = message
    for _ in range(_STEPS):
        if step is None:
            return None
        if step.script is not None and not (step.sender or "").startswith("login:"):
            return step.script
        if step.sender is not None:
            return step.sender
        step = step.parent
    return None


def forwarder(
    sender: str | None, recipient: str, orig_to: str | None, relay_ip: str | None
) -> str | None:
    """The sender of one attempt: an alias of ours that sends a stranger's message on to another
    domain is who puts it out, not the host that brought it. What a login or script put in stays
    theirs, and an alias within one domain forwards nothing to anybody else's server."""
    if not orig_to or relay_ip is None or not (sender or "").startswith("host:"):
        return sender
    other = orig_to.rpartition("@")[2].lower() != recipient.rpartition("@")[2].lower()
    return f"forward:{orig_to}" if other else sender


def script_of(header: str) -> str | None:
    """`X-PHP-Originating-Script: 1001:mailer.php`, `X-PHP-Script: host/path for 192.0.2.1`."""
    name, colon, value = header.partition(": ")
    value = value.strip()
    if not colon or not value or len(value) > _SCRIPT_LIMIT:
        return None
    if name.lower() == "x-php-originating-script":
        uid, colon, path = value.partition(":")
        return f"script:{uid}:{path}" if colon and uid.isdigit() and path else None
    if name.lower() == "x-php-script":
        return f"script::{value.partition(' for ')[0]}"
    return None
