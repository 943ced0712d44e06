"""One delivery attempt of one message to one recipient, as a mail log tells it.

The one shape that every log reader yields (Postfix, Exim, KumoMTA, Microsoft 365) and that the
report, the history and the live watch take. A struct here for one attempt, and `FIELDS` as the
same thing in columns (name, type) for the readers that work on millions of them. What a log does
not say is None, never a guess. It refuses nothing: a reader that cannot fill the fields marked
required counts the line as not read.
"""

from typing import Literal

import msgspec

Format = Literal["postfix", "exim", "kumomta", "m365"]
Status = Literal["sent", "deferred", "bounced", "expired"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line's worth of truth.

    at: seconds since the Unix epoch, UTC. file, line: where it was read (index of the file in
    the order read, 1-based line number of the delivery line): the evidence behind every figure.
    instance: the MTA's own name in the log ("postfix-out"; host name for others), with the host
    in front when the log holds several ("mx1/postfix-out").
    queue_id, message_id: as logged, message_id without angle brackets.
    sender: typed origin of who put the message in: "login:NAME", "uid:NUMBER",
    "script:UID:PATH", "host:ADDRESS", "forward:ADDRESS" (the local address that forwards),
    "list:ADDRESS"; None where the log cannot tell. mail_from: reverse-path, "" for <>.
    recipient: as delivered to, "" for every recipient that still waited (the queue manager gave
    the message up: "expired"); orig_to: as addressed first, where it differs.
    transport: Postfix's transport ("smtp-pool3/smtp" in the syslog name), Exim's T=, KumoMTA's
    egress source; pool: the pool that the transport's name tells, by the reader's rule.
    egress: our own address that was used, where the log says so. relay, relay_ip: the remote site.
    code: SMTP reply code, 0 when none. enhanced: the status as logged. stage: as in the facts:
    connect, greeting, ehlo, mail, rcpt, data, eod. text: diagnostic text as logged, wrapper
    included, only for what was not sent. delay_s: since the message came in. repeats: True for
    a follow-on line (postfix/error after a site was found dead) which was no connection of its own.
    """

    at: float
    file: int
    line: int
    instance: str
    queue_id: str
    status: Status
    recipient: str
    message_id: str | None = None
    sender: str | None = None
    mail_from: str | None = None
    orig_to: str | None = None
    transport: str | None = None
    pool: str | None = None
    egress: str | None = None
    relay: str | None = None
    relay_ip: str | None = None
    code: int = 0
    enhanced: str | None = None
    stage: str | None = None
    text: str | None = None
    delay_s: float | None = None
    size: int | None = None
    repeats: bool = False


# Columns in order: (name, type); types are Arrow's names. Everything but the first seven may be
# null, and code and repeats are never.
FIELDS: tuple[tuple[str, str], ...] = (
    ("at", "float64"),
    ("file", "int32"),
    ("line", "int64"),
    ("instance", "string"),
    ("queue_id", "string"),
    ("status", "string"),
    ("recipient", "string"),
    ("message_id", "string"),
    ("sender", "string"),
    ("mail_from", "string"),
    ("orig_to", "string"),
    ("transport", "string"),
    ("pool", "string"),
    ("egress", "string"),
    ("relay", "string"),
    ("relay_ip", "string"),
    ("code", "int16"),
    ("enhanced", "string"),
    ("stage", "string"),
    ("text", "string"),
    ("delay_s", "float32"),
    ("size", "int64"),
    ("repeats", "bool"),
)

# What the replies room says of each attempt that was not sent; null for those sent.
MEANING_FIELDS: tuple[tuple[str, str], ...] = (
    ("reason", "string"),
    ("refusal", "string"),
    ("subject", "string"),
    ("subject_value", "string"),
    ("ours", "string"),
    ("blames", "string"),
    ("family", "string"),
    ("retry", "string"),
    ("rule", "string"),
)
