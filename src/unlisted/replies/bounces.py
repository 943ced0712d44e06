"""Why a bounce came: a record and what `classify` makes of its text, as one of Sisimai's reasons.

In the order Sisimai documents: the kind of the report, the words of the reply, its status
(RFC 3463), what the human part says, the action, the command it answered. What has a text nobody
can read is "onhold", what has none "undefined". The words are the engine's; here is only how they
weigh against status and command.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from unlisted.mail.bounce import BounceRecord
from unlisted.mail.diagnostic import REPLY
from unlisted.replies.addresses import Network
from unlisted.replies.classify import Meaning, classify

MAX_TEXT = 1500


class Judged(msgspec.Struct, frozen=True):
    """reason: Sisimai's name. meaning: of the text the reason rests on, else of the diagnostic."""

    record: BounceRecord
    reason: str
    meaning: Meaning | None


# RFC 3463, RFC 7505, RFC 7372 in Sisimai's names; the longest key that fits counts. Class 4 and 5
# share a row: whether to try again is another question than why.
_STATUS = {
    "1.0": "userunknown", "1.1": "userunknown", "1.2": "hostunknown", "1.3": "userunknown",
    "1.4": "filtered", "1.5": "delivered", "1.6": "hasmoved", "1.7": "rejected", "1.8": "rejected",
    "1.9": "systemerror", "1.10": "notaccept",
    "2.0": "filtered", "2.1": "suspend", "2.2": "mailboxfull", "2.3": "exceedlimit",
    "2.4": "filtered",
    "3": "systemerror", "3.1": "systemfull", "3.2": "notaccept", "3.4": "mesgtoobig",
    "4": "networkerror", "4.1": "expired", "4.3": "systemerror", "4.4": "hostunknown",
    "4.5": "systemfull", "4.7": "expired",
    "5": "syntaxerror", "5.3": "toomanyconn",
    "6": "contenterror",
    "7": "securityerror", "7.13": "suspend", "7.15": "policyviolation", "7.16": "rejected",
    "7.17": "hasmoved", "7.20": "authfailure", "7.21": "authfailure", "7.22": "authfailure",
    "7.23": "authfailure", "7.24": "authfailure", "7.25": "requireptr", "7.26": "authfailure",
    "7.27": "notaccept", "7.28": "badreputation", "7.29": "authfailure",
}  # fmt: skip
# Says the address itself: beyond doubt even after DATA.
_ADDRESS_STATUS = frozenset({"1.0", "1.1", "1.3", "1.10", "2.1", "4.1", "5.0"})
# Exchange: the message expired, and this is what it was told each time.
_LAST_ERROR = re.compile(r"\bLED=([245]\d\d [^}]{1,600})")
# qmail's own sentence after the reply it quotes.
_BOILERPLATE = re.compile(r"I'm not going to try again|Giving up on|STARTTLS proto=")
_VAGUE = ("4.3.0", "5.3.0")
_CONNECTIONS = re.compile(r"connection|concurren|session|recipients|threads|too many|simultan")
_SPAM = re.compile(r"spam|\bub?e\b|unsolicited|junk|bulk", re.I)
_LINK = re.compile(r"\b(?:ur[il]s?|links?|web ?sites?|uribl|surbl)\b", re.I)
_SENDERS_FAULT = frozenset(
    {"hostunknown", "userunknown", "policyviolation", "securityerror", "filtered", "notaccept"}
)


def judge(record: BounceRecord, *, ours: Sequence[Network] = ()) -> Judged:
    """`ours`: as for `classify`."""
    if record.kind in ("feedback", "vacation", "delivered"):
        return Judged(record, record.kind, None)
    if record.code in (521, 556):
        return Judged(record, "notaccept", classify(record.diagnostic, ours=ours))  # RFC 7504
    weak: Meaning | None = None
    first: Meaning | None = None
    for text in _texts(record):
        if weak is not None and by_status(record.status) is not None:
            break  # the reply itself is vague and its status is not: words around it mislead
        meaning = classify(text, ours=ours)
        first = first or meaning
        if meaning.reason is None:
            continue
        if meaning.reason == "rejected" and meaning.refusal == "suspicion":
            weak = weak or meaning  # "rejected" alone: a status says more
            continue
        if meaning.confidence == "low" and meaning.refusal == "no":
            weak = weak or meaning
            continue
        return Judged(record, _weighed(record, meaning), meaning)
    reason = by_status(record.status)
    if reason == "networkerror" and record.kind == "delayed":
        reason = "expired"  # nothing is wrong yet but the time it takes
    if reason is None and weak is not None and weak.reason is not None:
        return Judged(record, _weighed(record, weak), weak)
    if record.diagnostic_type == "x-unix" and (reason is None or record.status in _VAGUE):
        reason = "mailererror"
    if reason is None:
        return Judged(record, _last_resort(record), weak or first)
    return Judged(record, _before_rcpt(record, reason), weak or first)


def _texts(record: BounceRecord) -> Iterator[str]:
    """From the exact to the vague: the reply within the diagnostic, all of it, the human part.
    The last only where the status says nothing: it quotes help texts and other people's words."""
    diagnostic = record.diagnostic[:MAX_TEXT]
    last_error = _LAST_ERROR.search(diagnostic)
    if last_error:
        yield last_error[1]
    reply = REPLY.search(diagnostic)
    if reply and reply.start(1) > 0:
        yield _BOILERPLATE.split(diagnostic[reply.start(1) :], maxsplit=1)[0]
    if diagnostic:
        yield diagnostic
    if by_status(record.status) is None:
        if record.text and record.text[:MAX_TEXT] != diagnostic:
            yield record.text[:MAX_TEXT]
        if record.subject:
            yield record.subject


def by_status(status: str | None) -> str | None:
    """The reason a status alone tells; None for x.0.0 and what RFC 3463 does not know."""
    if not status:
        return None
    _, subject, detail = status.split(".")
    return _STATUS.get(f"{subject}.{detail}") or _STATUS.get(subject)


def _weighed(record: BounceRecord, meaning: Meaning) -> str:
    """The reason of the words, where status and command do not say it better."""
    reason = meaning.reason or "onhold"
    status = (record.status or "").partition(".")[2]
    if reason in ("userunknown", "hasmoved") and (status == "1.6" or record.code == 551):
        return "hasmoved"  # RFC 5321 section 4.2.3: 551 is "user not local", try elsewhere
    if reason == "syntaxerror" and status in ("1.1", "1.3"):
        return "userunknown"  # the syntax of an address
    if reason == "contenterror" and meaning.said_by and not status.startswith("6."):
        return "spamdetected"  # an operator that denies the content judges it, not its form
    if reason == "spamdetected" and status.startswith("6.") and not _names_spam(record):
        return "contenterror"
    if reason in ("blocked", "contenterror") and (
        meaning.subject == "url"
        or (meaning.subject == "domain" and _LINK.search(record.diagnostic))
    ):
        return "spamdetected"  # a list of links judges the text, not the sender
    if meaning.subject == "domain" and (reason == "blocked" or _only_listed(record, reason)):
        return "rejected"  # the sender's domain; "blocked" is of our address or name
    if reason == "mesgtoobig" and status == "2.3":
        return "exceedlimit"
    if reason == "mesgtoobig" and status.startswith("6."):
        return "contenterror"
    if reason == "systemerror" and status == "3.1":
        return "systemfull"
    if reason == "systemerror" and record.diagnostic_type == "x-unix":
        return "mailererror"
    if reason == "userunknown":
        reason = _unknown(record, status)
    if reason == "ratelimited":
        reply = REPLY.search(record.diagnostic[:MAX_TEXT])
        text = record.diagnostic[reply.start(1) if reply else 0 : MAX_TEXT].lower()
        reason = "toomanyconn" if _CONNECTIONS.search(text) else "speeding"
    if reason == "exceedlimit" and meaning.subject in ("rate", "recipient"):
        reason = "speeding"
    return _before_rcpt(record, reason)


def _names_spam(record: BounceRecord) -> bool:
    return _SPAM.search(record.diagnostic) is not None


def _only_listed(record: BounceRecord, reason: str) -> bool:
    return reason == "badreputation" and "reputation" not in record.diagnostic.lower()


def _before_rcpt(record: BounceRecord, reason: str) -> str:
    """What was not known yet cannot be what is wrong."""
    if record.command == "mail" and reason in _SENDERS_FAULT:
        return "rejected"  # the only address said by then is the sender's
    if record.command in ("connect", "ehlo") and reason in _BEFORE_MAIL:
        return "blocked"  # nothing but our address and name was known by then
    return reason


_BEFORE_MAIL = frozenset(
    {"speeding", "rejected", "systemerror", "syntaxerror", "hostunknown", "policyviolation", "securityerror",
     "userunknown", "filtered", "notcompliantrfc"}
)  # fmt: skip


def _unknown(record: BounceRecord, status: str) -> str:
    """ "User unknown" after DATA is the site's filter speaking (Sisimai's "filtered"); so it is
    where a reply is quoted that nobody says was to RCPT and whose status is not of the address."""
    if status in _ADDRESS_STATUS or record.command == "rcpt":
        return "userunknown"
    if record.code == 0 and record.command is None:
        return "userunknown"  # the mailer's own words, not a reply
    return "filtered"


def _last_resort(record: BounceRecord) -> str:
    if record.kind == "delayed" or record.action in ("delayed", "expired"):
        return "expired"
    if record.command in ("connect", "ehlo"):
        return "blocked"
    if record.command == "mail":
        return "rejected"
    return "onhold" if record.diagnostic or record.text else "undefined"
