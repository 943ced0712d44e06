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
from unlisted.replies.statuses import CODES, by_status

MAX_TEXT = 1500


class Judged(msgspec.Struct, frozen=True):
    """reason: Sisimai's name. meaning: of the text the reason rests on, else of the diagnostic."""

    record: BounceRecord
    reason: str
    meaning: Meaning | None


# What both words and status can say, in the order in which Sisimai asks: the first of the two wins.
_ASKED = (
    "mailboxfull", "mesgtoobig", "exceedlimit", "suspend", "hasmoved", "norelaying", "authfailure",
    "userunknown", "filtered", "requireptr", "notcompliantrfc", "badreputation", "contenterror",
    "rejected", "hostunknown", "spamdetected", "speeding", "toomanyconn", "blocked",
)  # fmt: skip
# A status that does not say enough for the words not to be asked.
_OPEN = frozenset({"systemerror", "securityerror", "networkerror", "expired"})
# Said beside "5.1.1" these are the cause, and the status is only where it showed.
_NOT_UNKNOWN = frozenset(
    {"norelaying", "blocked", "mailboxfull", "hasmoved", "rejected", "notaccept"}
)
# sysexits.h: unavailable, internal, operating system, file, output, protocol, permission, config.
_SYSTEM_EXITS = frozenset({"69", "70", "71", "72", "73", "74", "76", "77", "78"})
# Gmail's numbers for where a session was when it was refused; these are after DATA.
_STATE = re.compile(r"\(state (\d{1,2})\)")
_REFUSED_LATE = frozenset({"15", "17", "18"})
# Says the address itself: beyond doubt even after DATA.
_ADDRESS_STATUS = frozenset({"1.0", "1.1", "1.3", "1.10", "4.1", "5.0"})
# Operators whose "unknown" is about the address, whenever they say it.
_CHECK_ADDRESSES = (
    ".messagelabs.com", ".outlook.com", ".hotmail.com", ".yahoodns.net", ".secureserver.net",
    ".icloud.com", ".cox.net", ".qq.com", ".zoho.com", ".mimecast.com",
)  # fmt: skip
# Operators that say so after DATA of a sender whom the recipient does not want.
_REFUSE_SENDERS = (".docomo.ne.jp",)
# Exchange: the message expired, and this is what it was told each time.
_LAST_ERROR = re.compile(r"\bLED=([245]\d\d [^}]{1,600})")
# qmail's and Exim's own sentences after the reply they quote.
_BOILERPLATE = re.compile(
    r"No action is required on your part|I'm not going to try again|Giving up on|STARTTLS proto=|"
    r"\(Other MXes tried"
)
_CONNECTIONS = re.compile(r"connection|concurren|session|recipients|threads|too many|simultan")
_SPAM = re.compile(r"spam|\bub?e\b|unsolicited|junk|bulk", re.I)
_TOLD_BY_CODE = frozenset(
    {"requireptr", "authfailure", "securityerror", "rejected", "toomanyconn", "speeding",
     "networkerror", "mesgtoobig", "notcompliantrfc", "norelaying", "userunknown", "suspend",
     "mailboxfull", "filtered", "blocked", "badreputation", "contenterror", "policyviolation",
     "systemerror", "exceedlimit", "syntaxerror"}
)  # fmt: skip
_SCORE = re.compile(r"reputation|unexpected volume", re.I)
_ROOM_OF_ONE = re.compile(r"mail ?box|inbox|account|user|quota|recipient", re.I)
_NAMED = re.compile("reputation", re.I)
_LINK = re.compile(r"\b(?:ur[il]s?|links?|web ?sites?|uribl|surbl)\b", re.I)
# What refuses; that delivery failed, or could not be made, is no refusal.
_REFUSED = re.compile(
    r"reject|refus|den(?:y|ie)|accept|block|declin|allow|permi|authori|forbid|prohibit|banned|"
    r"unacceptable|go away|welcome|black|restrict|\b[45]\d\d\b",
    re.I,
)
# What a delivering program printed, and of that what is about the mailbox or the mail: its own
# status is then only how it said so.
_PRINTED = re.compile(
    r"(?:command[ \n]+output|child status \d{1,3}|exit (?:status|code) \d{1,3})[:. ]+(\S.{3,600})",
    re.I | re.S,
)
_NAMED_ITSELF = re.compile(r"[\w./-]{1,60}: +(\S.{3,600})", re.S)
_BY_PROGRAMS = frozenset({"mailboxfull", "suspend", "virusdetected", "spamdetected", "mesgtoobig"})
_RECIPIENT = re.compile(
    r"recipient (?:address )?(?:is )?(?:rejected|refused|denied|not accepted)\.?(?: \(in reply|$)",
    re.I,
)
_SENDERS_FAULT = frozenset({"hostunknown", "userunknown", "filtered", "notaccept"})


def judge(record: BounceRecord, *, ours: Sequence[Network] = ()) -> Judged:
    """`ours`: as for `classify`."""
    if record.kind in ("feedback", "vacation", "delivered"):
        return Judged(record, record.kind, None)
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
            if _REFUSED.search(text):
                weak = weak or meaning  # "rejected" alone: a status says more
            elif first is meaning:
                first = None
            continue
        if meaning.confidence == "low" and (
            meaning.refusal == "no" or (meaning.rule or "").startswith("codes/")
        ):
            weak = weak or meaning
            continue
        if meaning.rule == "mailer/exit":
            meaning = _printed(record, ours) or meaning
        return Judged(record, _by_sender(record) or _weighed(record, meaning), meaning)
    reason = _by_sender(record) or _by_numbers(record)
    if reason is None and weak is not None and weak.reason is not None and not _of_rcpt(record):
        return Judged(record, _weighed(record, weak), weak)
    if reason is None:
        return Judged(record, _last_resort(record), weak or first)
    return Judged(record, _before_rcpt(record, reason), weak or first)


def _printed(record: BounceRecord, ours: Sequence[Network]) -> Meaning | None:
    """What the words a delivering program left behind mean, where they name a cause."""
    output = _PRINTED.search(record.diagnostic[:MAX_TEXT])
    if output is None and record.diagnostic_type == "x-unix":
        output = _NAMED_ITSELF.match(record.diagnostic[:MAX_TEXT])
    meaning = classify(output[1], ours=ours) if output else None
    return meaning if meaning and meaning.reason in _BY_PROGRAMS else None


def _by_sender(record: BounceRecord) -> str | None:
    """What the reporting mailer calls it by itself."""
    if record.diagnostic_type == "x-unix" and record.diagnostic.isdigit():
        # The program's exit status; those of sysexits.h tell of the system, others of the program.
        return "systemerror" if record.diagnostic in _SYSTEM_EXITS else "mailererror"
    state = _STATE.search(record.diagnostic)
    if state and state[1] in _REFUSED_LATE and (record.status or ".0")[-2:] == ".0":
        return "filtered"
    return None


def _by_numbers(record: BounceRecord) -> str | None:
    """Status and reply code, where the words say nothing."""
    if record.code in CODES:
        return CODES[record.code]
    reason = by_status(record.status)
    if reason == "networkerror" and record.kind == "delayed":
        return "expired"  # nothing is wrong yet but the time it takes
    if reason is None and record.diagnostic_type == "x-unix":
        return "mailererror"
    if reason == "securityerror" and record.command == "mail":
        return "rejected"
    return reason


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


def _agreed(status: str | None, words: str) -> str:
    """One reason where the words say one and the status another."""
    told = by_status(status)
    if told is None or told == words:
        return words
    if words not in _ASKED:
        return words if told in _OPEN or (told, words) == _BROKEN_DNS else told
    if told == "userunknown" and words in _NOT_UNKNOWN:
        return words
    if told == "contenterror" and words == "spamdetected":
        return words  # what spam is, is content too
    if told in _FIRST and _ASKED.index(told) < _ASKED.index(words):
        return told
    return words


_BROKEN_DNS = ("hostunknown", "networkerror")
_FIRST = frozenset(_ASKED) - {"suspend", "hasmoved", "filtered"}


def _weighed(record: BounceRecord, meaning: Meaning) -> str:
    """The reason of the words, where status and command do not say it better."""
    reason = _in_context(record, meaning)
    if record.diagnostic_type == "x-unix" and reason in ("systemerror", "mailererror"):
        return reason if reason == "mailererror" else by_status(record.status) or "mailererror"
    if meaning.said_by and reason in _TOLD_BY_CODE:
        return reason  # an operator's own code: what it published is what it means
    if (meaning.rule or "").startswith("mailer/"):
        return _before_rcpt(record, reason)  # the mailer's own sentence: nobody knows better
    return _before_rcpt(record, _agreed(record.status, reason))


def _in_context(record: BounceRecord, meaning: Meaning) -> str:
    """What the words mean in this record: one word, several reasons."""
    reason = meaning.reason or "onhold"
    status = (record.status or "").partition(".")[2]
    if reason in ("userunknown", "hasmoved") and (status == "1.6" or record.code == 551):
        return "hasmoved"  # RFC 5321 section 4.2.3: 551 is "user not local", try elsewhere
    if reason == "syntaxerror" and status in ("1.1", "1.3"):
        return "userunknown"  # the syntax of an address
    if reason == "userunknown":
        return _unknown(record, meaning, status)
    if record.kind == "delayed" and meaning.rule == "connection/closed" and not record.code:
        return "expired"  # nobody has answered yet, and it is tried again
    if reason == "ratelimited" or (reason == "exceedlimit" and meaning.subject != "content"):
        return _too_much(record, reason)
    if reason in ("blocked", "contenterror", "spamdetected", "badreputation", "rejected"):
        return _refused(record, meaning, reason, status)
    if reason == "mesgtoobig":
        if status.startswith("6."):
            return "contenterror"
        return "exceedlimit" if status == "2.3" else reason
    if status == "3.1" and (
        reason == "systemerror"
        or (reason == "mailboxfull" and not _ROOM_OF_ONE.search(record.diagnostic))
    ):
        return "systemfull"
    return reason


def _too_much(record: BounceRecord, reason: str) -> str:
    if reason == "exceedlimit":
        return "speeding"
    reply = REPLY.search(record.diagnostic[:MAX_TEXT])
    text = record.diagnostic[reply.start(1) if reply else 0 : MAX_TEXT].lower()
    return "toomanyconn" if _CONNECTIONS.search(text) else "speeding"


def _refused(record: BounceRecord, meaning: Meaning, reason: str, status: str) -> str:
    """Whose fault it is: the address or name that speaks, the sender, the text."""
    if meaning.subject == "helo":
        return "blocked"
    if reason == "contenterror" and meaning.said_by and not status.startswith("6."):
        return "spamdetected"  # an operator that denies the content judges it, not its form
    if reason == "spamdetected" and status.startswith("6.") and meaning.confidence != "high":
        return reason if _SPAM.search(record.diagnostic) else "contenterror"
    if reason in ("blocked", "contenterror") and (
        meaning.subject == "url"
        or (meaning.subject == "domain" and _LINK.search(record.diagnostic))
    ):
        return "spamdetected"  # a list of links judges the text, not the sender
    if reason == "badreputation" and not _SCORE.search(record.diagnostic):
        reason = "blocked"  # listed or suspected, and nothing said of a score
    if (
        reason == "badreputation"
        and record.command == "mail"
        and not _NAMED.search(record.diagnostic)
    ):
        return "rejected"  # what was weighed is not said, and the sender's address was the last
    if meaning.subject == "domain" and reason == "blocked":
        return "rejected"  # the sender's domain; "blocked" is of our address or name
    return reason


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


def _unknown(record: BounceRecord, meaning: Meaning, status: str) -> str:
    """ "User unknown" after DATA is the site's filter speaking (Sisimai's "filtered"); so it is
    where nobody says that it answers RCPT and the status is not of the address. A mailer's own
    words about its own users are no reply."""
    if status in _ADDRESS_STATUS or record.command == "rcpt" or meaning.said_by:
        return "userunknown"
    if (meaning.rule or "").startswith("mailer/"):
        return "userunknown"
    if record.command in ("data", "eod") and _host_of(record, _REFUSE_SENDERS):
        return "filtered" if status == "2.0" else "rejected"
    if status == "2.1":
        return "suspend"
    return "userunknown" if _host_of(record, _CHECK_ADDRESSES) else "filtered"


def _host_of(record: BounceRecord, operators: tuple[str, ...]) -> bool:
    hosts = (record.remote_mta, record.reporting_mta)
    return any(host is not None and f".{host}".endswith(operators) for host in hosts)


def _of_rcpt(record: BounceRecord) -> bool:
    """RCPT was refused, and the recipient named as what is refused: nothing vaguer is needed."""
    return (
        record.command == "rcpt"
        and record.code in (550, 551, 553)
        and _RECIPIENT.search(record.diagnostic[:MAX_TEXT]) is not None
    )


def _last_resort(record: BounceRecord) -> str:
    if record.kind == "delayed" or record.action in ("delayed", "expired"):
        return "expired"
    if record.command in ("connect", "ehlo"):
        return "blocked"
    if record.command == "mail":
        return "rejected"
    if record.command == "rcpt" and record.code in (550, 551, 553):
        return "userunknown"  # RFC 5321 section 4.2.3: the mailbox
    return "onhold" if record.diagnostic else "undefined"
