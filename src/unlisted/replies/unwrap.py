"""Replies inside replies: what a relay quotes of the next server's answer.

Postfix ("host X said: …", "refused to talk to me: …"), Exim ("SMTP error from remote mail
server after …: …"), Exchange ("Remote Server returned '…'", "550 5.7.350 … -> 554 …"), sendmail
("<<< 554 …"). Peels at most four layers and never invents a code.
"""

import re

import msgspec

from unlisted.mail.reply import Reply, parse_reply

MAX_LAYERS = 4
MAX_TEXT = 4000

_SPACE = re.compile(r"\s+")
# Each ends where the quoted reply begins.
_WRAPPERS = (
    ("postfix", re.compile(r"\bhost \S{1,300} said: (?=\d{3}[ -])")),
    ("postfix-greeting", re.compile(r"\bhost \S{1,300} refused to talk to me: (?=\d{3}[ -])")),
    (
        "exim",
        re.compile(
            r"\bSMTP error from remote (?:mail server|mailer) after "
            r"(?:initial connection|[^:\d]{0,40}(?::<[^>]{0,320}>)?[^:]{0,60}): "
            r"(?:host \S{1,200} \[[^\]]{1,60}\]: )?(?=\d{3}[ -])"
        ),
    ),
    (
        "exchange",
        re.compile(r"\bRemote (?:host|server) (?:said|returned):? ?'?(?=[#<]?\d{3}[ -])", re.I),
    ),
    ("relay", re.compile(r" ?-> ?(?=\d{3}[ -])")),
    ("quoted", re.compile(r"(?:^| )<<< (?=\d{3}[ -])")),
)


class Unwrapped(msgspec.Struct, frozen=True):
    """inner: what the last server said; text: that on one line with single spaces, lower case.
    relayed: another server than ours was refused (Exchange's "->"), so an address in it, or the
    lack of one, says nothing about the address we sent from. greeting: it came before HELO."""

    inner: Reply
    text: str
    relayed: bool
    greeting: bool


def unwrap(reply: Reply) -> Unwrapped:
    relayed = False
    greeting = False
    for _ in range(MAX_LAYERS):
        flat = _SPACE.sub(" ", reply.text[:MAX_TEXT])
        best: tuple[int, str] | None = None
        for name, pattern in _WRAPPERS:
            found = pattern.search(flat)
            if found and (best is None or found.end() > best[0]):
                best = (found.end(), name)
        if best is None or best[0] >= len(flat):
            break
        relayed = relayed or best[1] == "relay"
        greeting = greeting or best[1] == "postfix-greeting"
        if "after initial connection" in flat[: best[0]]:
            greeting = True
        inner = parse_reply(flat[best[0] :].rstrip("' "))
        reply = Reply(
            code=inner.code or reply.code,
            enhanced=inner.enhanced or (reply.enhanced if not relayed else None),
            text=inner.text,
        )
    text = _SPACE.sub(" ", reply.text[:MAX_TEXT]).strip().lower()
    return Unwrapped(
        inner=reply,
        text=text.replace("\u2019", "'").replace("\u2018", "'"),
        relayed=relayed,
        greeting=greeting,
    )
