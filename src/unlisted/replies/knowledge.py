"""The rules of operators/*.toml: a wording, where it is from, an example, what it means.

A file has a rank; rules are asked by rank, then file name, then place. A rule refuses to load
with an unknown key, without an example, without source and date. `validate` proves that each
example is caught by its own rule and none earlier.
"""

import re
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Literal

import msgspec

Refusal = Literal["yes", "no", "suspicion"]
Subject = Literal[
    "address", "network", "domain", "helo", "url", "content", "sender", "recipient",
    "rdns", "auth", "receiver", "rate", "none",
]  # fmt: skip
Retry = Literal["same_later", "slow_down", "other_address", "after_delisting", "never"]
Confidence = Literal["high", "medium", "low"]

# Sisimai's names (its reason documentation), which bounce tools share.
REASONS = frozenset(
    {"authfailure", "badreputation", "blocked", "contenterror", "delivered", "emailtoolarge", "exceedlimit", "expired", "failedstarttls", "feedback", "filtered", "hasmoved", "hostunknown", "mailboxfull", "mailererror", "mesgtoobig", "networkerror", "norelaying", "notaccept", "notcompliantrfc", "onhold", "policyviolation", "ratelimited", "rejected", "requireptr", "securityerror", "spamdetected", "speeding", "suppressed", "suspend", "syntaxerror", "systemerror", "systemfull", "toomanyconn", "undefined", "userunknown", "vacation", "virusdetected"}
)  # fmt: skip


class KnowledgeError(ValueError):
    """A rule that cannot be used; the text names file and rule."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """match: pattern over the lower-cased text. code, enhanced, stage: further conditions.

    Named groups of match: ip (the address refused), list (zone or list blamed), subject (the
    value refused), code (looked up in `table` for a family), bits (digits 0/1; the highest set
    place, counted from the right, is looked up in `table`).
    family: a canonical name; "" takes it from the list named in the text.
    """

    id: str
    match: str
    examples: tuple[str, ...]
    reason: str
    refusal: Refusal
    subject: Subject
    retry: Retry
    source: str
    date: str
    code: str | None = None
    enhanced: str | None = None
    stage: str | None = None
    family: str = ""
    blames: str | None = None
    said_by: str | None = None
    temporary: bool | None = None
    confidence: Confidence = "high"
    table: dict[str, str] = {}


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """defaults: keys that rules of this file share; a rule's own value stands before them."""

    rank: int
    rule: list[Rule]
    defaults: dict[str, object] = {}


_GROUP = re.compile(r"(?<=\?P<)\w+")
# Written %NAME% in a pattern.
MACROS = {
    "%IP%": r"\[?(?<![0-9a-f:.])(?:ipv6:)?(?P<ip>(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?|[0-9a-f]{0,4}:[0-9a-f:.]{1,41})\]?",
    # A zone, or a list's name of some words up to the next stop.
    "%LIST%": r"(?P<list>[a-z0-9_-]{1,63}\.[a-z0-9_.-]{0,200}[a-z0-9]"
    r"|[a-z0-9][\w+ -]{1,60}?(?= - | see | to | for |[.;,:('\")]|$))",
    # After a name: that it is listed, blocked or the like by somebody.
    "%LISTED%": r"(?: in (?:the |your |this )?(?:message|mail|e-?mail|body|he?lo|ehlo|text)(?: body| text| content)?)?,? "
    r"(?:is |was |are |were |has been |have been |have |appears? |seems to be )?"
    r"(?:currently |temporarily |also |being |been )?"
    r"(?:blocked|listed|black-?listed|block-?listed|rejected|refused|denied|found|deferred|banned|present"
    r"|on|in|matched|matches|flagged)[:,]? (?:was |is )?(?:listed |found |refused |blocked |present )?"
    r"(?:using|by|in|on|at|via|with|through|due to|because of|per|from|as|see|the|an?|our|spamhaus|https?:)\b",
    "%ZONE%": r"(?P<list>[a-z0-9_-]{1,63}\.[a-z0-9_.-]{0,200}[a-z0-9])",
}


def parse_file(name: str, text: str) -> File:
    try:
        data = tomllib.loads(text)
        defaults = data.get("defaults", {})
        data["rule"] = [_expanded({**defaults, **rule}) for rule in data.get("rule", [])]
        found = msgspec.convert(data, File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as exc:
        raise KnowledgeError(f"{name}: {exc}") from exc
    for rule in found.rule:
        where = f"{name}: {rule.id}"
        if rule.reason not in REASONS:
            raise KnowledgeError(f"{where}: {rule.reason} is no reason we know")
        if not rule.examples or not rule.source or not re.fullmatch(r"\d{4}-\d{2}", rule.date):
            raise KnowledgeError(f"{where}: a rule has examples, a source and a date (YYYY-MM)")
        if rule.refusal == "yes" and rule.subject not in ("address", "network"):
            raise KnowledgeError(f"{where}: a refusal blames an address or its network")
    return found


def _expanded(rule: dict[str, object]) -> dict[str, object]:
    pattern = rule.get("match")
    if isinstance(pattern, str):
        for name, value in MACROS.items():
            # A group name may stand once in a pattern: the second is ip2, the third ip3.
            for number in range(1, 6):
                suffix = "" if number == 1 else str(number)
                pattern = pattern.replace(name, _GROUP.sub(rf"\g<0>{suffix}", value), 1)
        rule["match"] = pattern
    return rule


@lru_cache(maxsize=1)
def shipped() -> tuple[Rule, ...]:
    """All rules in their order."""
    files = []
    for entry in resources.files("unlisted.replies").joinpath("operators").iterdir():
        if entry.name.endswith(".toml"):
            files.append((entry.name, parse_file(entry.name, entry.read_text("utf-8"))))
    files.sort(key=lambda item: (item[1].rank, item[0]))
    rules = tuple(rule for _, file in files for rule in file.rule)
    ids = [rule.id for rule in rules]
    doubled = sorted({i for i in ids if ids.count(i) > 1})
    if doubled:
        raise KnowledgeError(f"two rules with one id: {', '.join(doubled)}")
    return rules
