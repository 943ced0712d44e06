"""Replies inside replies: what a relay or a bounce quotes of the next server's answer.

Postfix ("host X said: …", "refused to talk to me: …", "(in reply to …)"), Exim ("SMTP error from
remote mail server after …: …"), Exchange ("Remote Server returned '…'", "550 5.7.350 … -> 554
…"), qmail ("Remote host said: …"), sendmail ("<<< 554 …"), DSN fields ("smtp; 550 …") and the
phrases of hosted senders ("The response was: 550 …"). Peels at most four layers, never invents a
code.
"""

import re
from collections.abc import Iterable

import msgspec

from unlisted.mail.reply import Reply, parse_reply
from unlisted.replies.index import printed_words_in, words_in

MAX_LAYERS = 4
MAX_TEXT = 2048  # beyond it nobody explains; a flood of addresses costs its length many times over

# The second digit is 0 to 5 by RFC 5321 (section 4.2.1); servers say 471, 475, 571 all the same.
_CODE = r"(?=[#<(]{0,2}[245][0-57]\d(?:[ -]|$))"
_OPEN = r"[ '\"<(\[]{0,3}"
# (what must occur, name, the wrapper up to where the quoted reply begins), over one lower-cased
# line. Of those that match, the one that ends last is peeled.
_WRAPPERS = tuple(
    (mark, name, re.compile(pattern + _CODE, re.ASCII))
    for mark, name, pattern in (
        ("talk to me", "postfix-greeting", r"refused to talk to me[:.] "),
        (
            "smtp error from remote",
            "exim",
            r"smtp error from remote (?:mail server|mailer)(?: after [^:]{1,60}(?::<[^>]{0,320}>)?"
            r"[^:]{0,80})?: (?:host \S{1,200} \[[^\]]{1,60}\]: )?",
        ),
        ("->", "relay", r" ?--?> ?"),
        ("#", "exchange", r"(?:^| )(?=#)"),
        (
            "said",
            "said",
            r"\b(?:said|says)(?: (?:after|in reply to|in response to) [^:]{1,60})?:? ?" + _OPEN,
        ),
        (
            "re",  # of all these words
            "returned",
            r"\b(?:returned|responded|replied|reports?|response|reason|error|reply)"
            r"(?: (?:with|code|error|was|is|the following|this|message|text|from [^ :]{1,200}))*"
            r"[: ]{1,2}" + _OPEN,
        ),
        (" was", "was", r"\b(?:was|were):? " + _OPEN),
        ("smtp", "field", r"\b(?:x-)?e?smtp ?; ?" + _OPEN),
        ("postfix", "field", r"\bx-postfix ?; ?" + _OPEN),
        ("qmail", "field", r"\bx-qmail ?; ?" + _OPEN),
        ("diagnostic", "field", r"\bdiagnostic[- ]code ?: ?" + _OPEN),
    )
)
_QUOTED = re.compile(r"(?:^| )<<< " + _CODE)
_AFTER_QUOTED = re.compile(
    r" (?:>>> |\.\.\. while talking|[245]\d\d [245]\.\d{1,3}\.\d{1,3} (?:<[^>]{0,320}>)?\.\.\. )"
    r"| (?:554 5\.0\.0|501 5\.6\.0) "
)
_ENTITY = re.compile(r"&(lt|gt|amp|quot|apos|nbsp|#39|#34|#60|#62|#160);")
_ENTITIES = {
    "lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'", "nbsp": " ",
    "#39": "'", "#34": '"', "#60": "<", "#62": ">", "#160": " ",
}  # fmt: skip
TAG = r"</?(?:br|html|body|p|div|span|b|i|em|strong|font|a|td|tr|table|pre|li|ul|code)\b"
_TAG = re.compile(TAG + "[^<>]{0,300}>")
_IN_REPLY = re.compile(r" ?\(in reply to (?:the )?([a-z ]{2,20}?)(?: command)?\)")
# qmail ends with the exchanger it leaves: not the address that was refused.
_GIVING_UP = re.compile(r" ?giving up on (?:\d{1,3}\.){3}\d{1,3}\.?(?: |$)", re.ASCII)
# A server that checks an address by asking another one: the answer it quotes is to itself.
_CHECKED = ("unverified address: ", "callout")
_STAGES = {
    "helo": "ehlo", "ehlo": "ehlo", "lhlo": "ehlo", "mail from": "mail", "rcpt to": "rcpt",
    "data": "data", "end of data": "eod", "initial connection": "greeting",
}  # fmt: skip
# Where in the transaction it happened, by what stands before the quoted reply.
_STAGE_WORDS = (
    ("refused to talk to me", "greeting"),
    ("initial connection", "greeting"),
    ("initial server greeting", "greeting"),
    ("greeting failed", "greeting"),
    ("after helo", "ehlo"),
    ("after ehlo", "ehlo"),
    ("mail from:", "mail"),
    ("sender was rejected", "mail"),
    ("rcpt to:", "rcpt"),
    ("does not like recipient", "rcpt"),
    ("end of data", "eod"),
    ("after sending data", "eod"),
    ("after i sent the message", "eod"),
    ("data command", "data"),
    ("after data", "data"),
)
_BOGUS_END = " '\"#>"
# Without a code inside nothing is quoted; the first class lets `re` skip.
INSIDE = re.compile(r"[245][0-57][0-9](?=[ -]|$)(?<![\w.:/=-]...)", re.ASCII)
_NO_EDGE = frozenset(".:/=-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_CODES = frozenset(
    100 * first + 10 * second + third
    for first in (2, 4, 5)
    for second in (0, 1, 2, 3, 4, 5, 7)
    for third in range(10)
)
_CODE_WORDS = frozenset(b"%d" % code for code in _CODES)
# An enhanced code further in ("554 mx cmsmtp 5.7.1 Service unavailable"); no address, no version.
_LATE_ENHANCED = re.compile(r"[45](?<![\w.:/=-].)\.\d{1,3}\.\d{1,3}(?![\w-]|\.\w)", re.ASCII)
_MAYBE_ENHANCED = re.compile(r"\.[0-9]{1,3}\.[0-9]", re.ASCII)  # `re` skips to a dot
MAX_LATE = 120


class Unwrapped(msgspec.Struct, frozen=True, gc=False):
    """inner: code and enhanced code of the last server; text: what it said, on one line with
    single spaces, lower case; words: of that text, as the index counts them. code, enhanced: of
    the first server that said any: our own peer. relayed: another server than ours was refused
    (Exchange's "->"), so an address in it, or the lack of one, says nothing about the address we
    sent from. stage: where in the transaction, if the wrapper says."""

    inner: Reply
    text: str
    words: list[bytes]
    code: int
    enhanced: str | None
    relayed: bool
    stage: str | None


def unwrap(reply: Reply) -> Unwrapped:
    text = reply.text[:MAX_TEXT].lower()
    words = printed_words_in(text)
    if words is None or "  " in text or "&" in text or "<" in text:
        text = _line(text)
        words = words_in(text)
    code, enhanced = reply.code, reply.enhanced
    if (
        code
        and (enhanced is not None or code in _CODES)
        # The words are there already, and most texts have no code among them.
        and not ((codes := _CODE_WORDS.intersection(words)) and _any_inside(codes, text))
        and "<<< " not in text
        and "giving up on " not in text
        and "(in reply to" not in text
    ):
        if enhanced is None and _MAYBE_ENHANCED.search(text, 0, MAX_LATE):
            reply, enhanced = _with_late(reply, text)
        return Unwrapped(reply, text, words, code, enhanced, False, None)
    return _unwrapped(reply, text)


def _any_inside(codes: Iterable[bytes], text: str) -> bool:
    """As `INSIDE` tells, of these codes: the numbers of an address are mostly all there is."""
    for code in codes:
        wanted = code.decode()
        place = text.find(wanted, 1)
        while place > 0:
            after = text[place + 3 : place + 4]
            if text[place - 1] not in _NO_EDGE and after in ("", " ", "-"):
                return True
            place = text.find(wanted, place + 1)
    return False


def _unwrapped(reply: Reply, text: str) -> Unwrapped:
    relayed = False
    stage: str | None = None
    inner = reply
    if not reply.code and text[:3].isdigit():
        inner = reply = parse_reply(text)  # its code stood behind a tag
        text = reply.text
    code, enhanced = reply.code, reply.enhanced
    for _ in range(MAX_LAYERS):
        found = _peeled(text)
        if found is None:
            break
        name, before, rest = found
        if any(words in before for words in _CHECKED):
            break
        relayed = relayed or name == "relay"
        if not relayed:
            stage = stage or _stage(before)
        said = parse_reply(rest)
        text = said.text
        if not code:
            code, enhanced = said.code, said.enhanced or enhanced
        inherited = None if relayed else inner.enhanced
        inner = Reply(said.code or inner.code, said.enhanced or inherited, text)
    if "giving up on " in text:
        text = _GIVING_UP.sub("", text)
    if "(in reply to" in text:
        text, stage = _without_suffix(text, stage)
    if inner.code:
        text = _without_repeats(text, inner.code)
    if inner.enhanced is None:
        inner, late = _with_late(inner, text)
        enhanced = enhanced or (None if relayed else late)
    return Unwrapped(inner, text, words_in(text), code, enhanced, relayed, stage)


def _with_late(reply: Reply, text: str) -> tuple[Reply, str | None]:
    """A reply without an enhanced code with the one further in, if there is one; that code."""
    late = late_enhanced(text)
    if late is None or (reply.code and int(late[0]) != reply.code // 100):
        return reply, None
    return Reply(reply.code, late, text), late


def late_enhanced(text: str) -> str | None:
    """An enhanced code further in."""
    found = _LATE_ENHANCED.search(text, 0, MAX_LATE)
    return found and found[0]


def _line(text: str) -> str:
    """Of a lower-cased text: on one line, single spaces; entities and tags of an NDR in HTML
    undone."""
    if not text.isascii():
        text = text.replace("\u2019", "'").replace("\u2018", "'")
        text = text.encode("utf-8", "replace").decode()
    if "\n" in text or "  " in text or not text.isprintable():
        text = " ".join(text.split())
    if "&" in text and ";" in text:
        text = _ENTITY.sub(lambda found: _ENTITIES[found[1]], text)
    if "<" in text and ("</" in text or "<br" in text):
        text = " ".join(_TAG.sub(" ", text).split())
    return text


def _peeled(text: str) -> tuple[str, str, str] | None:
    """(wrapper, what stood before the quoted reply, the reply), or None."""
    if "<<< " in text:
        quoted = _QUOTED.search(text)
        if quoted:
            rest = _AFTER_QUOTED.split(text[quoted.end() :], maxsplit=1)[0]
            return "quoted", text[: quoted.end()], rest.replace("<<< ", "")
    if not INSIDE.search(text, 1):
        return None
    end = 0
    best = ""
    for mark, name, pattern in _WRAPPERS:
        if mark in text:
            for found in pattern.finditer(text, end):
                end, best = found.end(), name
    if not end or end >= len(text):
        return None
    return best, text[:end], text[end:].strip("#<(").rstrip(_BOGUS_END)


def _stage(before: str) -> str | None:
    for words, stage in _STAGE_WORDS:
        if words in before:
            return stage
    return None


def _without_suffix(text: str, stage: str | None) -> tuple[str, str | None]:
    found = _IN_REPLY.search(text)
    if not found:
        return text, stage
    return (text[: found.start()] + text[found.end() :]).strip(), _STAGES.get(found[1], stage)


def _without_repeats(text: str, code: int) -> str:
    """A multi-line reply that was joined to one line has its code before each piece."""
    if f" {code}-" not in text:
        return text
    return text.replace(f" {code}-", " ").replace(f" {code} ", " ")
