"""Faults of a record in what it says: rules over its sentences, each narrow on purpose.

What only a person can judge (who said a quoted error, whether a cause has drifted, whether an
advisory should have been an incident) is pointed at with `needs_person` and never decided.
"""

import difflib
import re
from collections.abc import Iterator

from unlisted.health.figures import counted
from unlisted.health.labels import labels_in
from unlisted.health.lint_times import ranges
from unlisted.health.record import Finding, Record

_SPACE = re.compile(r"\s+")
_QUOTED = re.compile(r'["“]([^"“”]{3,300})["”]')
# Counted things and shares; "550", "5.7.350", "24 hours" and dates count nothing.
COUNTED = (
    r"(?:users?|customers?|organi[sz]ations?|tenants?|mailboxes|messages?|e?-?mails?|ndrs?|bounces?"
    r"|addresses|ips\b|ip ranges?|ranges|domains?|listings?|blocks|refusals?|attempts?|recipients?"
    r"|senders?|deliveries|accounts?)\b"
)
_FIGURE = re.compile(
    r"\b\d[\d,.]*\s?(?:%|percent\b|per cent\b)"
    r"|\b\d[\d,.]*\s?(?:[km]\b)?\s?(?:\w{2,20}\s){0,2}" + COUNTED
    + r"|\b\d[\d,.]*\s(?:out\s)?of\s(?:the\s|all\s)?\d", re.IGNORECASE,
)  # fmt: skip
_VAGUE = re.compile(
    r"\b(?:(?:a|the)\s(?:vast\s)?majority|(?:a\s)?(?:large|significant|high|small)\s(?:percentage|portion|number|proportion)"
    r"|most (?:of the )?(?:affected )?(?:users|customers|organi[sz]ations|messages))\b", re.IGNORECASE,
)  # fmt: skip
_CLAIM = re.compile(
    r"\b(?:mitigat(?:ed|ing)|resolved|restored|fixed|remediated|recovered)\b",
    re.IGNORECASE,
)
_WIDE = re.compile(
    r"\b(?:majority|most|all|every|large percentage|nearly all|almost all|fully|completely)\b",
    re.IGNORECASE,
)
_RETRY = re.compile(
    r"\b(?:retry|retrying|re-?send|re-?sending|send (?:it|them|the message|the messages|your message) again"
    r"|need not|do not need to|no (?:user )?action (?:is )?(?:needed|required))\b",
    re.IGNORECASE,
)
_BOUNCED = re.compile(
    r"\b(?:ndr|non-delivery|bounced?|bounces|unable to send|rejected|5\d\d\b)", re.IGNORECASE
)
_LARGE = re.compile(
    r"\b(?:significant|substantial|large|major|considerable|majority|widespread|most|many|all)\b"
    r"[^.]{0,40}\b(?:portion|part|share|range|ranges|addresses|users|customers|number|percentage|mail)\b",
    re.IGNORECASE,
)
_DAMAGE = re.compile(
    r"\b(?:blocked|outage|unable to|rejected|bounced|lost|ndr|non-delivery)\b", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"\b(?:refer to|see|consult|found in|available in|contained in|outlined in|described in)\b[^.]{0,80}"
    r"\b(?:document|review|report|pir)\b", re.IGNORECASE,
)  # fmt: skip
_LINK = re.compile(r"https?://\S{4,}|\bwww\.\S{4,}", re.IGNORECASE)
_SENDING = re.compile(
    r"\b(?:send|sends|sender|senders|sending|sent|outbound|outgoing)\b", re.IGNORECASE
)
_RECEIVING = re.compile(
    r"\b(?:receive|receives|recipient|recipients|receiving|received|receiver|receivers|inbound|incoming)\b",
    re.IGNORECASE,
)
_RELAYED = re.compile(
    r"\bremote (?:server|host|mta) (?:returned|said|responded|rejected|replied)\b", re.IGNORECASE
)
_AGENTS = (
    ("lifted by themselves", re.compile(r"\b(?:delisted|unblocked|removed|released|lifted|expired)\b[^.]{0,20}\bautomatically\b|\bautomatically\b[^.]{0,20}\b(?:delisted|unblocked|removed|released|lifted|expired)\b", re.I)),
    ("lifted on request, case by case", re.compile(r"\bcase-by-case\b|\bcollaborat\w+\b[^.]{0,60}\bdelist|\bdelist\w*\b[^.]{0,60}\b(?:collaborat|request)", re.I)),
    ("removed by the third party", re.compile(r"\b(?:service|party|provider|vendor)\b[^.]{0,30}\b(?:removed|lifted|withdrew)\b[^.]{0,20}\bblocks?\b", re.I)),
    ("blocks of a fixed time that start again", re.compile(r"\bblocks? of \d+ (?:hours|days)\b|\btrigger(?:ed|s)?\b[^.]{0,20}\banother block\b|\b(?:re-?listed|re-?blocked)\b", re.I)),
)  # fmt: skip
_CAUSES = ("Preliminary Root Cause", "Root Cause", "Current Status", "Final Status")


def heading_stale(record: Record) -> Iterator[Finding]:
    """A heading that says what an earlier post said of the impact."""
    impacts = [
        (n, p.sections["User Impact"]) for n, p in record.told if "User Impact" in p.sections
    ]
    if not record.heading or not impacts:
        return
    heading, latest = _flat(record.heading), _flat(impacts[-1][1])
    earlier = [n for n, text in impacts if _flat(text) == heading]
    if heading != latest and (earlier or _like(heading, latest) >= 0.6):
        told = f"of post {earlier[-1]}" if earlier else "of none of the posts"
        yield Finding(
            code="heading_stale",
            where="heading",
            printed=record.heading[:300],
            normalised=impacts[-1][1][:300],
            text=f"the heading is the impact {told}; post {impacts[-1][0]} says otherwise",
        )


def scope_contradicts(record: Record) -> Iterator[Finding]:
    """Scope names fewer sides (sending, receiving) than the title or the details."""
    said: dict[str, list[int]] = {}
    for number, post in record.told:
        scope = _condition(post.sections.get("Scope of Impact", ""))
        if not scope:
            continue
        for name in ("More Info", "Title", "User Impact"):
            wider = _sides(post.sections.get(name, ""), condition=name == "More Info")
            if scope < wider:
                said.setdefault(name, []).append(number)
    if said:
        numbers = sorted({n for found in said.values() for n in found})
        scope_text = record.posts[numbers[0] - 1].sections["Scope of Impact"]
        yield Finding(
            code="scope_contradicts",
            where=f"post {ranges(numbers)}, Scope of Impact",
            printed=scope_text[:300],
            text="the scope names one side; sending and receiving are both named by "
            + ", ".join(said),
            strict=True,
        )


def label_spacing(record: Record) -> Iterator[Finding]:
    """A label without a blank after its colon, or spelled another way than the record's own."""
    seen: dict[tuple[str, str], list[int]] = {}
    for number, post in enumerate(record.posts, 1):
        for label in labels_in(post.text):
            if not label.spaced:
                seen.setdefault(("label_spacing", label.printed + ":"), []).append(number)
            elif label.printed != label.name:
                seen.setdefault(("label_respelled", label.printed), []).append(number)
    for (code, printed), numbers in seen.items():
        name = labels_in(printed if printed.endswith(":") else printed + ":")[0].name
        yield Finding(
            code=code,
            where="post " + ranges(sorted(set(numbers))),
            printed=printed,
            normalised=name,
            text="no blank after the label's colon"
            if code == "label_spacing"
            else "another spelling of a label",
        )


def spelling_mixed(record: Record) -> Iterator[Finding]:
    """One word with and without its hyphen."""
    words: dict[str, dict[str, list[int]]] = {}
    for number, post in record.told:
        for text in post.sections.values():
            for word in re.findall(r"\b[A-Za-z]{2,20}-?[A-Za-z]{2,20}\b", text):
                spelled = word.lower()
                words.setdefault(spelled.replace("-", ""), {}).setdefault(spelled, []).append(
                    number
                )
    for forms in words.values():
        if len(forms) > 1 and any("-" in form for form in forms):
            within = sorted(set.intersection(*(set(found) for found in forms.values())))
            numbers = within or sorted({n for found in forms.values() for n in found})
            common = max(forms, key=lambda form: (len(forms[form]), form))
            yield Finding(
                code="spelling_mixed",
                where="post " + ranges(numbers),
                printed=" and ".join(sorted(forms)),
                normalised=common,
                text="two spellings of one word" + (" within one post" if within else ""),
            )


def no_figure(record: Record) -> Iterator[Finding]:
    """Not one count, rate or share in all posts."""
    texts = [text for _, post in record.told for text in post.sections.values()]
    if texts and not any(_FIGURE.search(_QUOTED.sub(" ", text)) for text in texts):
        yield Finding(
            code="no_figure",
            where="posts",
            text=f"no count, rate or percentage in {counted(len(record.told), 'posts')}",
            strict=True,
        )


def unquantified(record: Record) -> Iterator[Finding]:
    """ "A majority" without a number beside it."""
    for number, post in record.told:
        for name, text in post.sections.items():
            for sentence in _sentences(text):
                found = _VAGUE.search(sentence)
                if found and not _FIGURE.search(sentence):
                    yield Finding(
                        code="unquantified_majority",
                        where=f"post {number}, {name}",
                        printed=found[0],
                        text="a share without its figure",
                    )


def recovery_contradicted(record: Record) -> Iterator[Finding]:
    """It was mitigated for most, and then it went on for more than a day."""
    over = record.end or max((p.at for _, p in record.told if p.at is not None), default=None)
    for number, post in record.told:
        if post.kind == "final" or post.at is None or over is None or over - post.at <= 86_400:
            continue
        for sentence in _sentences(post.sections.get("Current Status", "")):
            if _CLAIM.search(sentence) and _WIDE.search(sentence):
                yield Finding(
                    code="recovery_contradicted",
                    where=f"post {number}, Current Status",
                    printed=sentence[:300],
                    text=f"and it went on for {counted(round((over - post.at) / 86_400), 'more days')}",
                    strict=True,
                )


def retry_advice_missing(record: Record) -> Iterator[Finding]:
    """Mail bounced, and nobody is told whether to send again."""
    missing = [
        n for n, post in record.told
        if _BOUNCED.search(post.sections.get("User Impact", "") + post.sections.get("Title", ""))
        and not _RETRY.search(post.text)
    ]  # fmt: skip
    if missing:
        yield Finding(
            code="retry_advice_missing",
            where="post " + ranges(missing),
            text="mail is refused, and users are not told whether to send it again",
        )


def steps_elsewhere(record: Record) -> Iterator[Finding]:
    """Next steps that are in a document which is not there."""
    for number, post in record.told:
        text = post.sections.get("Next Steps", "")
        if text and _ELSEWHERE.search(text) and not _LINK.search(text):
            yield Finding(
                code="steps_elsewhere",
                where=f"post {number}, Next Steps",
                printed=text[:300],
                text="points to a document and gives no link to it",
            )


def quoted_error(record: Record) -> Iterator[Finding]:
    """A quoted error worded as one system telling what another said, laid at the other's door."""
    seen: dict[str, list[int]] = {}
    for number, post in record.told:
        for text in post.sections.values():
            for quote in _QUOTED.findall(text):
                if _RELAYED.search(quote):
                    seen.setdefault(quote, []).append(number)
    for quote, numbers in seen.items():
        yield Finding(
            code="quoted_error_origin",
            where="post " + ranges(sorted(set(numbers))),
            printed=quote,
            text="worded by a system that repeats another's reply: was it really said by the one blamed?",
            needs_person=True,
        )


def cause_drifts(record: Record) -> Iterator[Finding]:
    """What caused it, or what ended it, is told in more than one way."""
    causes = {
        _flat(p.sections[n]): k for k, p in record.told for n in _CAUSES[:2] if n in p.sections
    }
    agents: dict[str, int] = {}
    for number, post in record.told:
        for name in _CAUSES:
            for agent, pattern in _AGENTS:
                if pattern.search(post.sections.get(name, "")):
                    agents.setdefault(agent, number)
    if len(causes) > 1 or len(agents) > 1:
        told = [f"{agent} (post {n})" for agent, n in agents.items()]
        yield Finding(
            code="cause_drifts",
            where="post " + ranges(sorted({*causes.values(), *agents.values()})),
            printed="; ".join(told) or None,
            text=f"{counted(len(causes), 'texts')} of the cause, {counted(len(agents), 'accounts')} of how blocks ended: "
            "do they agree?",
            needs_person=True,
        )


def classification_doubtful(record: Record) -> Iterator[Finding]:
    """An advisory over mail that was refused on a large scale."""
    if record.classification != "advisory":
        return
    for number, post in reversed(record.told):
        for name, text in post.sections.items():
            for sentence in _sentences(text):
                if _LARGE.search(sentence) and _DAMAGE.search(sentence):
                    yield Finding(
                        code="classification_doubtful",
                        where=f"row, and post {number}, {name}",
                        printed="advisory",
                        text=f"should it be an incident? {sentence[:200]}",
                        needs_person=True,
                    )
                    return


def _flat(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()


def _like(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a[:500], b[:500], autojunk=False).ratio()


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?;])\s+", text[:20_000])


def _condition(text: str) -> frozenset[str]:
    """The sides a condition names ("if the recipient uses …"); empty without a condition."""
    found = re.search(
        r"\b(?:if|when|where|whose|only)\b(.*)", text[:2000], re.IGNORECASE | re.DOTALL
    )
    return _named(found[1]) if found else frozenset()


def _sides(text: str, *, condition: bool) -> frozenset[str]:
    if condition:
        text = next((s for s in _sentences(text) if re.search(r"\b(?:if|only)\b", s)), "")
        return _condition(text)
    return _named(text[:2000])


def _named(text: str) -> frozenset[str]:
    sides = (("sending", _SENDING), ("receiving", _RECEIVING))
    return frozenset(name for name, pattern in sides if pattern.search(text))
