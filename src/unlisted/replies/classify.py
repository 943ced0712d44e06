"""What a reply means, as separate facts and never one label.

The rules are data; this module peels wrappers, asks the engine, and binds the address in the
text to ours. It knows no operator by name. A refusal of an address that is not ours is still a
refusal, with ours = "no": it says nothing about our pools (`Meaning.blames_us`).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from unlisted.mail.reply import Reply
from unlisted.replies import addresses, shipped
from unlisted.replies.addresses import Network, Ours, Pool, Range
from unlisted.replies.engine import Found, Read
from unlisted.replies.knowledge import Confidence, Refusal, Retry, Rule, Subject
from unlisted.replies.places import at_places
from unlisted.replies.shipped import Shipped
from unlisted.replies.unwrap import Unwrapped, unwrap

REMEMBERED = 8192
MAX_REMEMBERED = 2048  # characters; longer texts are rare, and thousands of them are a lot
MAX_VALUE = 320


class Meaning(msgspec.Struct, frozen=True, gc=False):
    """code and enhanced: what our own peer said; the rest: what the last server in it meant.

    reason: Sisimai's name, None where nothing could be told. blames: the zone or list as named,
    canonical where known. family: of the list that decides; also: families of further lists that
    an operator's code names beside it. temporary: whether trying again is sensible by the reply
    itself.
    """

    code: int
    enhanced: str | None
    reason: str | None
    refusal: Refusal
    subject: Subject
    subject_value: str | None
    ours: Ours
    blames: str | None
    family: str | None
    said_by: str | None
    retry: Retry
    temporary: bool
    rule: str | None
    confidence: Confidence
    also: tuple[str, ...] = ()

    @property
    def blames_us(self) -> bool:
        """A refusal, and not of somebody else's address."""
        return self.refusal == "yes" and self.ours != "no"


def classify(
    reply: Reply | str,
    *,
    ours: Sequence[Network] | Pool = (),
    source: str | None = None,
    stage: str | None = None,
) -> Meaning:
    """ours: our networks; give the same tuple (or `Pool`) for each reply. source: the address
    this reply was given to. stage: as in the facts: connect, greeting, ehlo, mail, rcpt, data,
    eod; only a refused greeting changes what is meant. Texts beyond 8 KB are cut."""
    pool = ours if isinstance(ours, Pool) else addresses.pool_of(ours)
    asked = (reply, pool, source, stage)
    meaning = _remembered.get(asked)
    if meaning is None:
        meaning = _answer(reply, pool, source, stage)
        _remember(asked, reply if isinstance(reply, str) else reply.text, meaning)
    return meaning


# Most texts come once, for there is an id in them; to keep each would cost as much as to understand
# it. Kept is what comes again: a byte of a text's hash tells that it has been there, and one that is
# kept by mistake does no harm.
_remembered: dict[tuple[Reply | str, Pool, str | None, str | None], Meaning] = {}
_been_there = bytearray(1 << 16)


def _remember(
    asked: tuple[Reply | str, Pool, str | None, str | None], text: str, meaning: Meaning
) -> None:
    tag = hash(asked)
    place, mark = tag & 0xFFFF, tag >> 16 & 0xFF
    if _been_there[place] != mark:
        _been_there[place] = mark
    elif len(text) <= MAX_REMEMBERED:
        if len(_remembered) >= REMEMBERED:
            forget()
        _remembered[asked] = meaning


def forget() -> None:
    """What comes again is worked out again."""
    _remembered.clear()


def as_json(meaning: Meaning) -> dict[str, Any]:
    """The public answer: the names of `Meaning`; refusal is true, false or "suspicion"."""
    found: dict[str, Any] = msgspec.structs.asdict(meaning)
    found["refusal"] = {"yes": True, "no": False}.get(meaning.refusal, meaning.refusal)
    found["also"] = list(meaning.also)
    return found


def _answer(reply: Reply | str, pool: Pool, source: str | None, stage: str | None) -> Meaning:
    known = shipped.current()
    if isinstance(reply, str):
        said, read = known.plans.heard(reply)
    else:
        said = unwrap(reply)
        read = known.engine.read(said.text, said.words)
    inner = said.inner
    found = known.first(read, inner.code, inner.enhanced, said.stage or stage)
    if found is None:
        return _unmatched(said)
    return _meaning(known, said, read, found, pool, source)


def rule_for(reply: Reply | str, stage: str | None = None) -> str | None:
    """The id of the rule that speaks, for proving the data."""
    return classify(reply, stage=stage).rule


def _meaning(
    known: Shipped,
    said: Unwrapped,
    read: Read,
    found: Found,
    pool: Pool,
    source: str | None,
) -> Meaning:
    rule = known.rules[found.pattern]
    groups: dict[str, str] = {}
    if found.groups:
        for name, text in zip(found.groups, found.match.groups(), strict=True):
            if text:
                groups[name] = text
    subject: Subject = rule.subject
    value = groups.get("subject")
    bound: Ours = "unknown"
    if rule.refusal != "no" or subject in _ADDRESSED:
        one, bound = _bound(said, read, groups.get("ip"), pool, source)
        if one is not None:
            value = value or one.text
            if subject == "address" and one.first != one.last:
                subject = "network"
    blames, family, also = _blamed(known, read, rule, groups)
    return Meaning(
        said.code,
        said.enhanced,
        rule.reason,
        rule.refusal,
        subject,
        value[:MAX_VALUE] if value else None,
        bound,
        blames,
        family,
        rule.said_by,
        _retry(rule, said.inner.code),
        rule.temporary if rule.temporary is not None else said.inner.temporary,
        rule.id,
        rule.confidence,
        also,
    )


def _bound(
    said: Unwrapped, read: Read, named: str | None, pool: Pool, source: str | None
) -> tuple[Range | None, Ours]:
    # 127.0.0.x is what a list answers, nobody's address.
    one = addresses.single(named) if named and not named.startswith("127.") else None
    found: Iterable[Range]
    if one is not None:
        found = (one,)
    elif read.told.addresses is None:
        found = addresses.in_text(read.text)
    else:
        found = at_places(read.tokens, read.told.addresses)
    subject, bound = addresses.bind(found, pool, source)
    if subject is None and source is not None and not said.relayed:
        # Nothing else was refused than what spoke to it; behind a relay that was another.
        own = addresses.single(source)
        if own is not None:
            return own, "yes" if not pool.known or pool.touches(own) else "no"
    return subject, bound


def _blamed(
    known: Shipped, read: Read, rule: Rule, groups: dict[str, str]
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """(the list as named, its family, families of further lists that the same code names). An
    unknown zone keeps its own name and has no family."""
    listed = _named(groups["list"]) if "list" in groups else None
    if listed is not None and listed.startswith(_PAGES):
        listed = None  # where to look an address up, not what it is listed on
    if rule.refusal != "yes":
        return (listed if rule.refusal == "no" else None), None, ()
    if rule.table:
        decoded = _decoded(rule, groups)
        if decoded:
            return listed or decoded[0], decoded[0], tuple(decoded[1:])
    if rule.family:
        return rule.blames or listed or rule.family, rule.family, ()
    names = known.families
    family = names.of_zone(listed) if listed else None
    if family is None:
        # Addresses of people name no list: "<x@gmail.com>" blames nobody.
        clean = _PEOPLE.sub(" ", read.text) if "@" in read.text else read.text
        words = known.engine.occurring(read)
        family = names.mentioned(clean, "list", words)
        # An operator's help page is no list: it counts only if no other list is named.
        if family is None and not (listed and "." in listed):
            family = names.mentioned(clean, "operator", words)
    return (listed if listed and "." in listed else family or listed), family, ()


def _retry(rule: Rule, code: int) -> Retry:
    """A rule that is silent on `temporary` was written of 5yz; the same words after 4yz are tried
    again, as the code says (RFC 5321 section 4.2.1)."""
    if rule.retry == "never" and rule.temporary is None and code // 100 == 4:
        return "same_later"
    return rule.retry


_PAGES = ("www.", "check.", "lookup.", "multirbl.valli.org", "mxtoolbox.com", "dnsbl.info")
_ADDRESSED = frozenset({"address", "network", "rate", "rdns"})
_PEOPLE = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")
# A zone as asked: octets of an address, or a customer's key, before the zone itself.
_QUERIED = re.compile(
    r"(?:[0-9]{1,3}\.){2,4}(?=[a-z0-9-]*[a-z])|[a-z0-9]{20,40}\.(?=[a-z]+\.dq\.|[a-z]+\.mail\.)"
)


def _named(token: str) -> str:
    token = token.strip("[]()<>'\"., :;").lower()[:255]
    queried = _QUERIED.match(token)
    return token[queried.end() :] if queried else token


def _decoded(rule: Rule, groups: dict[str, str]) -> list[str]:
    """Families that an operator's code names; of several bits the highest is named first."""
    code = groups.get("code")
    if code is not None and code in rule.table:
        return [rule.table[code]]
    bits = groups.get("bits") or code
    if not bits or bits.strip("01"):
        return []
    places = [place for place, bit in enumerate(reversed(bits), 1) if bit == "1"]
    named = [rule.table[str(p)] for p in reversed(places or [0]) if str(p) in rule.table]
    return list(dict.fromkeys(named))


def _unmatched(said: Unwrapped) -> Meaning:
    temporary = said.inner.temporary
    retry: Retry = "same_later" if temporary else "never"
    return Meaning(
        code=said.code,
        enhanced=said.enhanced,
        reason=None,
        refusal="no",
        subject="none",
        subject_value=None,
        ours="unknown",
        blames=None,
        family=None,
        said_by=None,
        retry=retry,
        temporary=temporary,
        rule=None,
        confidence="low",
    )
