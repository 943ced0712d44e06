"""What a reply means, as separate facts and never one label.

The rules are data; this module peels wrappers, asks the engine, and binds the address in the
text to ours. It knows no operator by name. A refusal of an address that is not ours is still a
refusal, with ours = "no": it says nothing about our pools (`Meaning.blames_us`).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from unlisted.mail.reply import MAX_REPLY, Reply, parse_reply
from unlisted.replies import addresses, shipped
from unlisted.replies.addresses import Network, Ours, Pool, Range
from unlisted.replies.knowledge import Confidence, Refusal, Retry, Rule, Subject
from unlisted.replies.shipped import Shipped
from unlisted.replies.unwrap import Unwrapped, unwrap

REMEMBERED = 8192
MAX_REMEMBERED = 2048  # characters; longer texts are rare, and thousands of them are a lot
MAX_VALUE = 320


class Meaning(msgspec.Struct, frozen=True):
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
    if isinstance(reply, str):
        if len(reply) <= MAX_REMEMBERED:
            return _of_text(reply, pool, source, stage)
        return _of_reply.__wrapped__(_parsed(reply), pool, source, stage)
    if len(reply.text) <= MAX_REMEMBERED:
        return _of_reply(reply, pool, source, stage)
    return _of_reply.__wrapped__(reply, pool, source, stage)


def as_json(meaning: Meaning) -> dict[str, Any]:
    """The public answer: the names of `Meaning`; refusal is true, false or "suspicion"."""
    found: dict[str, Any] = msgspec.structs.asdict(meaning)
    found["refusal"] = {"yes": True, "no": False}.get(meaning.refusal, meaning.refusal)
    found["also"] = list(meaning.also)
    return found


def _parsed(text: str) -> Reply:
    text = text[:MAX_REPLY]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    return parse_reply(text)


@lru_cache(maxsize=REMEMBERED)
def _of_text(text: str, pool: Pool, source: str | None, stage: str | None) -> Meaning:
    return _of_reply.__wrapped__(_parsed(text), pool, source, stage)


@lru_cache(maxsize=REMEMBERED)
def _of_reply(reply: Reply, pool: Pool, source: str | None, stage: str | None) -> Meaning:
    unwrapped = unwrap(reply)
    known = shipped.current()
    stage = unwrapped.stage or stage
    inner = unwrapped.inner
    ids, words = known.engine.candidates(unwrapped.text)
    if not known.conditioned.isdisjoint(ids):
        ids = [
            i
            for i in ids
            if i not in known.conditioned or known.holds(i, inner.code, inner.enhanced, stage)
        ]
    everywhere = known.everywhere(inner.code, inner.enhanced, stage)
    if everywhere and unwrapped.text:
        ids = sorted([*ids, *everywhere])
    found = known.engine.first(unwrapped.text, ids)
    if found is None:
        return _unmatched(unwrapped)
    return _Answer(known, unwrapped, known.rules[found[0]], found[1], words).meaning(pool, source)


def rule_for(reply: Reply | str, stage: str | None = None) -> str | None:
    """The id of the rule that speaks, for proving the data."""
    return classify(reply, stage=stage).rule


class _Answer:
    """One rule's match, on its way to a meaning."""

    def __init__(
        self, known: Shipped, said: Unwrapped, rule: Rule, match: re.Match[str], words: list[int]
    ) -> None:
        self.families = known.families
        self.said = said
        self.rule = rule
        self.words = words
        self.groups: dict[str, str] = {}
        if match.re.groupindex:
            self.groups = {
                name.rstrip("23456"): value for name, value in match.groupdict().items() if value
            }

    def meaning(self, pool: Pool, source: str | None) -> Meaning:
        rule, said = self.rule, self.said
        subject: Subject = rule.subject
        value = self.groups.get("subject")
        bound: Ours = "unknown"
        if subject in _ADDRESSED or rule.refusal != "no":
            one, bound = self._bound(pool, source)
            if one is not None:
                value = value or str(one)
                if subject == "address" and one.first != one.last:
                    subject = "network"
        blames, family, also = self._blamed()
        return Meaning(
            code=said.code,
            enhanced=said.enhanced,
            reason=rule.reason,
            refusal=rule.refusal,
            subject=subject,
            subject_value=value[:MAX_VALUE] if value else None,
            ours=bound,
            blames=blames,
            family=family,
            said_by=rule.said_by,
            retry=rule.retry,
            temporary=rule.temporary if rule.temporary is not None else said.inner.temporary,
            rule=rule.id,
            confidence=rule.confidence,
            also=also,
        )

    def _bound(self, pool: Pool, source: str | None) -> tuple[Range | None, Ours]:
        named = self.groups.get("ip")
        one = addresses.single(named) if named else None
        found = [one] if one is not None else addresses.in_text(self.said.text)
        if not found and source is not None and not self.said.relayed:
            # Nothing else was refused than what spoke to it; behind a relay that was another.
            own = addresses.single(source)
            if own is not None:
                return own, "yes" if not pool.known or pool.touches(own) else "no"
        return addresses.bind(found, pool, source)

    def _blamed(self) -> tuple[str | None, str | None, tuple[str, ...]]:
        """(the list as named, its family, families of further lists that the same code names). An
        unknown zone keeps its own name and has no family."""
        rule, groups = self.rule, self.groups
        listed = _named(groups["list"]) if "list" in groups else None
        if rule.refusal != "yes":
            return (listed if rule.refusal == "no" else None), None, ()
        decoded = _decoded(rule, groups)
        if decoded:
            return listed or decoded[0], decoded[0], tuple(decoded[1:])
        if rule.family:
            return rule.blames or listed or rule.family, rule.family, ()
        family = self.families.of_zone(listed) if listed else None
        if family is None and self.words:
            # Addresses of people name no list: "<x@gmail.com>" blames nobody.
            text = self.said.text
            clean = _PEOPLE.sub(" ", text) if "@" in text else text
            family = self.families.mentioned(clean, "list", self.words)
            # An operator's help page is no list: it counts only if no other list is named.
            if family is None and not (listed and "." in listed):
                family = self.families.mentioned(clean, "operator", self.words)
        return (listed if listed and "." in listed else family or listed), family, ()


_ADDRESSED = frozenset({"address", "network", "rate", "rdns"})
_PEOPLE = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")
# A zone as asked: octets of an address, or a customer's key, before the zone itself.
_QUERIED = re.compile(
    r"(?:[0-9]{1,3}\.){4}(?=[a-z])|[a-z0-9]{20,40}\.(?=[a-z]+\.dq\.|[a-z]+\.mail\.)"
)


def _named(token: str) -> str:
    token = token.strip("[]()<>'\"., :;").lower()[:255]
    queried = _QUERIED.match(token)
    return token[queried.end() :] if queried else token


def _decoded(rule: Rule, groups: dict[str, str]) -> list[str]:
    """Families that an operator's code names, the most decisive first: the highest bit, which is
    the list that operators put last into their table and trust by itself."""
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
        retry="same_later" if temporary else "never",
        temporary=temporary,
        rule=None,
        confidence="low",
    )
