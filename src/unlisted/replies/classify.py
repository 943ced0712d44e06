"""What a reply means, as separate facts and never one label.

The rules are data; this module peels wrappers, asks the engine, and binds the address in the
text to ours. It knows no operator by name. A refusal of an address that is not ours is still a
refusal, with ours = "no": it says nothing about our pools (`Meaning.blames_us`).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from unlisted.mail.reply import MAX_REPLY, Reply, parse_reply
from unlisted.replies import addresses, families, knowledge
from unlisted.replies.addresses import Network, Ours
from unlisted.replies.engine import Engine
from unlisted.replies.knowledge import Confidence, Refusal, Retry, Rule, Subject
from unlisted.replies.unwrap import Unwrapped, unwrap

REMEMBERED = 8192


class Meaning(msgspec.Struct, frozen=True):
    """code and enhanced: what our own peer said; the rest: what the last server in it meant.

    reason: Sisimai's name, None where nothing could be told. blames: the zone or list as named,
    canonical where known. temporary: whether trying again is sensible by the reply itself.
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

    @property
    def blames_us(self) -> bool:
        """A refusal, and not of somebody else's address."""
        return self.refusal == "yes" and self.ours != "no"


def classify(
    reply: Reply | str,
    *,
    ours: Sequence[Network] = (),
    source: str | None = None,
    stage: str | None = None,
) -> Meaning:
    """ours: our networks. source: the address this reply was given to. stage: as in the
    facts: connect, greeting, ehlo, mail, rcpt, data, eod; only a refused greeting changes
    what is meant. Texts beyond 8 KB are cut."""
    if isinstance(reply, str):
        text = reply
    else:
        text = f"{reply.code}\0{reply.enhanced or ''}\0{reply.text}"
    return _classify(text[:MAX_REPLY], isinstance(reply, str), tuple(ours), source, stage)


@lru_cache(maxsize=REMEMBERED)
def _classify(
    text: str, raw: bool, ours: tuple[Network, ...], source: str | None, stage: str | None
) -> Meaning:
    if raw:
        reply = parse_reply(text.encode("utf-8", "replace")[:MAX_REPLY])
    else:
        code, enhanced, body = text.split("\0", 2)
        reply = Reply(int(code), enhanced or None, body)
    unwrapped = unwrap(reply)
    found = _first(unwrapped, stage)
    if found is None:
        return _unmatched(reply, unwrapped)
    return _meaning(reply, unwrapped, found[0], found[1], ours, source)


def rule_for(reply: Reply | str, stage: str | None = None) -> str | None:
    """The id of the rule that speaks, for proving the data."""
    return classify(reply, stage=stage).rule


class _Conditions(msgspec.Struct, frozen=True):
    code: re.Pattern[str] | None
    enhanced: re.Pattern[str] | None
    stage: str | None


@lru_cache(maxsize=1)
def _loaded() -> tuple[tuple[Rule, ...], Engine, dict[int, _Conditions]]:
    rules = knowledge.shipped()
    conditions = {
        index: _Conditions(
            re.compile(rule.code) if rule.code is not None else None,
            re.compile(rule.enhanced) if rule.enhanced is not None else None,
            rule.stage,
        )
        for index, rule in enumerate(rules)
        if rule.code is not None or rule.enhanced is not None or rule.stage
    }
    return rules, Engine([rule.match for rule in rules]), conditions


def _first(unwrapped: Unwrapped, stage: str | None) -> tuple[Rule, re.Match[str]] | None:
    rules, engine, conditions = _loaded()
    code = str(unwrapped.inner.code or "")
    enhanced = unwrapped.inner.enhanced or ""
    if unwrapped.greeting:
        stage = "greeting"
    skip = frozenset(
        index
        for index, wanted in conditions.items()
        if (wanted.code is not None and not wanted.code.fullmatch(code))
        or (wanted.enhanced is not None and not wanted.enhanced.fullmatch(enhanced))
        or (wanted.stage and wanted.stage != stage)
    )
    found = engine.first(unwrapped.text, skip)
    return (rules[found[0]], found[1]) if found else None


def _meaning(
    reply: Reply,
    unwrapped: Unwrapped,
    rule: Rule,
    match: re.Match[str],
    ours: tuple[Network, ...],
    source: str | None,
) -> Meaning:
    groups = {name.rstrip("23456"): value for name, value in match.groupdict().items() if value}
    subject: Subject = rule.subject
    value = groups.get("subject")
    bound: Ours = "unknown"
    if subject in ("address", "network", "rate", "rdns") or rule.refusal != "no":
        network, bound = _bind(unwrapped, groups.get("ip"), ours, source)
        if network is not None:
            value = value or addresses.shown(network)
            if subject == "address" and network.num_addresses > 1:
                subject = "network"
    blames, family = _blame(rule, groups, unwrapped.text) if rule.refusal == "yes" else (None, None)
    if rule.refusal == "no" and "list" in groups:
        blames = _named(groups["list"])
    temporary = rule.temporary if rule.temporary is not None else unwrapped.inner.temporary
    return Meaning(
        code=reply.code,
        enhanced=reply.enhanced,
        reason=rule.reason,
        refusal=rule.refusal,
        subject=subject,
        subject_value=value[:320] if value else None,
        ours=bound,
        blames=blames,
        family=family,
        said_by=rule.said_by,
        retry=rule.retry,
        temporary=temporary,
        rule=rule.id,
        confidence=rule.confidence,
    )


def _bind(
    unwrapped: Unwrapped, named: str | None, ours: tuple[Network, ...], source: str | None
) -> tuple[Network | None, Ours]:
    network = addresses.single(named) if named else None
    found = [network] if network is not None else addresses.in_text(unwrapped.text)
    if not found and source is not None and not unwrapped.relayed:
        # Nothing else was refused than what spoke to it; behind a relay that was another.
        own = addresses.single(source)
        if own is not None:
            return own, "yes" if not ours or addresses.is_ours(own, ours, None) else "no"
    return addresses.bind(found, ours, source)


def _blame(rule: Rule, groups: dict[str, str], text: str) -> tuple[str | None, str | None]:
    """(the list as named, its family). An unknown zone keeps its own name and has no family."""
    names = families.shipped()
    listed = _named(groups["list"]) if "list" in groups else None
    decoded = _decode(rule, groups)
    if decoded:
        return listed or decoded, decoded
    if rule.family:
        return rule.blames or listed or rule.family, rule.family
    family = names.of_zone(listed) if listed else None
    if family is None:
        # Addresses of people name no list: "<x@gmail.com>" blames nobody.
        clean = _PEOPLE.sub(" ", text)
        family = names.mentioned(clean, "list")
        # An operator's help page is no list: it counts only if no other list is named.
        if family is None and not (listed and "." in listed):
            family = names.mentioned(clean, "operator")
    return listed if listed and "." in listed else family or listed, family


_PEOPLE = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")


def _named(token: str) -> str:
    return token.strip("[]()<>'\"., :;").lower()[:255]


def _decode(rule: Rule, groups: dict[str, str]) -> str | None:
    if "bits" in groups:
        # One code can name several lists; the highest bit speaks for all of them.
        place = len(groups["bits"].lstrip("0"))
        return rule.table.get(str(place)) if place else rule.table.get("0")
    if "code" in groups:
        return rule.table.get(groups["code"])
    return None


def _unmatched(reply: Reply, unwrapped: Unwrapped) -> Meaning:
    temporary = unwrapped.inner.temporary
    return Meaning(
        code=reply.code,
        enhanced=reply.enhanced,
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
