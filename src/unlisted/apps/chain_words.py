"""How each fact of a chain is said: what, and each figure with its n and its window.

A field that is not known here, because the fact comes from a later station, is said by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from unlisted.apps import words
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import (
    Acted,
    Band,
    Bounce,
    Carried,
    CausesRanked,
    Delisted,
    DelistingAdvised,
    Delivery,
    Due,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    Failed,
    FeedbackReceived,
    FeedHeard,
    FeedSilent,
    HoldReleased,
    ListingDated,
    Outcome,
    PathReopened,
    PathRested,
    PathTested,
    PathTried,
    ProbeAnswered,
    Queued,
    ReceiverDropped,
    Reception,
    RecoveryWatched,
    Recurred,
    Refusal,
    Relisted,
    RelistingWatched,
    RuleStepped,
    SenderHeld,
    Settled,
    Share,
    SourceStopped,
    Suspicion,
    TransientFailure,
)
from unlisted.health.figures import counted
from unlisted.rates.interval import binomial_interval

LONG = 300  # characters of a reply's text
SHARES = 4
_RANKED = {
    "at", "episode", "verdict", "named", "shares", "window_s", "need", "because", "drawn", "rival",
    "range_probability", "error_probability", "nobody_odds", "others_share", "weighed",
    "episodes_needed", "reason",
}  # fmt: skip
# `log_e` is told as a reason: how much likelier the draws are.
_SHARE = {
    "sender", "tenant", "share", "low", "high", "reasons", "campaigns", "messages", "guilty",
    "standing", "by", "kind", "probability", "log_e", "episodes_for", "episodes_against",
}  # fmt: skip
_BY = {
    "answers": "what it sent and how that was answered",
    "draws": "the draw of addresses",
    "both": "what it sent and the draw of addresses",
}


def told(model: ReadModel, fact: Fact) -> str:
    """The fact in words; empty: it says nothing to a person."""
    for kind, tell in _TOLD.items():
        if isinstance(fact, kind):
            return tell(model, fact)
    return ""


def rate(part: int, whole: int) -> str:
    """A share with its n and its 95 % interval."""
    if not whole:
        return "no attempts"
    found = binomial_interval(min(part, whole), whole)
    return (
        f"{part} of {whole} ({part / whole:.0%}, 95 % interval {found.low:.0%} to {found.high:.0%})"
    )


def band(one: Band) -> str:
    """A path's refusals beside what was usual."""
    took = f"{one.receiver}: {rate(one.refused, one.attempts)} refused in "
    usual = (
        f"{one.usual_refused} of {one.usual_attempts} before"
        if one.usual_attempts
        else "no attempts before, so its pool's share"
    )
    attempts = "attempt" if one.missing == 1 else "attempts"
    missing = f"; {one.missing} more {attempts} would tell" if one.missing else ""
    return f"{took}{words.span(one.until - one.since)}; usual: up to {one.upper:.1%} ({usual}){missing}"


def extras(model: ReadModel, value: msgspec.Struct, known: set[str]) -> list[str]:
    """Fields that are not known here and say something: name and value in words."""
    out = []
    for field in msgspec.structs.fields(value):
        found = getattr(value, field.name)
        if field.name in known or found is None or found in ("", (), [], {}, 0, False):
            continue
        out.append(f"{field.name.replace('_', ' ')}: {_plain(model, found)}")
    return out


def _plain(model: ReadModel, value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        return ", ".join(extras(model, value, set()))
    if isinstance(value, tuple | list):
        shown = "; ".join(_plain(model, one) for one in value[:5])
        return shown + (f"; … and {len(value) - 5} more" if len(value) > 5 else "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return model.person(str(value))


def ranked_extras(model: ReadModel, fact: CausesRanked) -> list[str]:
    """What a ranking says beyond its verdict and its shares."""
    said = []
    if not fact.drawn and not fact.reason:
        said.append("Our routing did not draw the address, so the draw says nothing here")
    if fact.weighed > 1:
        said.append(f"{fact.weighed} listings were weighed together")
    if fact.nobody_odds is not None and fact.drawn:
        said.append(
            f"If nobody here had caused a tenth of the listings, their draws would be "
            f"{fact.nobody_odds:.3g} times as likely"
        )
    if fact.others_share is not None:
        said.append(f"Share of the evidence that is nobody's listed here: {fact.others_share:.1%}")
    for what, probability in (
        ("the list named a whole range", fact.range_probability),
        ("the list was wrong", fact.error_probability),
    ):
        if probability:
            said.append(f"Probability that {what}: {probability:.1%}")
    if fact.rival:
        said.append(f"What explains it without a sender of ours: {fact.rival}")
    if fact.episodes_needed:
        more = counted(fact.episodes_needed, "more listings")
        said.append(f"About {more} would name the likeliest")
    if fact.reason:
        said.append(fact.reason[:1].upper() + fact.reason[1:])
    return said + extras(model, fact, _RANKED)


def share(model: ReadModel, one: Share) -> str:
    """A sender's share with its interval; `reasons` says why."""
    who = model.person(one.sender) + (" (named)" if one.guilty else "")
    return (
        f"{who} {one.share:.0%} of the evidence ({one.low:.0%} to {one.high:.0%}; "
        f"{counted(one.messages, 'messages')})"
    )


def reasons(model: ReadModel, one: Share) -> tuple[str, ...]:
    """What speaks for or against a sender, and how it stands by that."""
    said = list(one.reasons)
    if one.standing:
        by = f" by {_BY.get(one.by, one.by)}" if one.by else ""
        said.append(f"so it stands as {one.standing}{by}")
    if one.kind != "sender":
        said.append(f"its {one.kind} stands for it")
    if one.probability is not None:
        said.append(f"probability that it caused a listing: {one.probability:.1%}")
    if one.episodes_for:
        said.append(f"it likely caused {', '.join(one.episodes_for)}")
    if one.episodes_against:
        came = ", ".join(one.episodes_against)
        said.append(f"it mailed by another address only when {came} came")
    return (*said, *extras(model, one, _SHARE))


def _reply(fact: Any) -> str:
    said = " ".join(str(one) for one in (fact.code or "", fact.enhanced or "", fact.text) if one)
    return said[:LONG] + ("…" if len(said) > LONG else "")


def _outcome(model: ReadModel, f: Any) -> str:
    how = "took mail" if isinstance(f, Delivery) else "replied"
    where = "in another server's log" if f.row.watched else f"to message {f.row.key}"
    return f"{f.receiver} {how} from {f.address}, {where}: {_reply(f)}"


def _opened(model: ReadModel, f: Any) -> str:
    where = f"on the list {f.zone}" if f.zone else f"at {f.receiver}"
    if f.basis == "dns":
        return (
            f"Episode {f.episode}: {f.address} is blocked {where}, by the list's own answer, asked "
            "because another address of its pool is on it"
        )
    basis = {
        "reply+dns": "a refusal, and the list's own answer",
        "shift": "its replies shifted against this address and not against its neighbours",
        "replies": "the words of several refusals; no list was asked",
    }.get(f.basis, f.basis)
    window = words.span(max(0.0, f.at - f.since))
    return (
        f"Episode {f.episode}: {f.address} is blocked {where}, by {basis}; "
        f"{rate(f.refusals, f.attempts)} refused, the first {window} before"
    )


def _ranked(model: ReadModel, f: Any) -> str:
    names = ", ".join(model.person(one) for one in f.named)
    said = [
        f"Cause of {f.episode}: {f.verdict}" + (f", {names}" if names else "")
        + f" (mail of {words.span(f.window_s)})"
    ]  # fmt: skip
    parts = [
        f"{model.person(one.sender)} {one.share:.0%} ({one.low:.0%} to {one.high:.0%})"
        for one in f.shares[:SHARES]
    ]
    if parts:
        more = f" … and {len(f.shares) - SHARES} more" if len(f.shares) > SHARES else ""
        said.append(f"Shares of the evidence: {', '.join(parts)}{more}")
    if f.need:
        said.append(f"To settle it: {f.need}")
    return ". ".join([*said, *ranked_extras(model, f)])


def _probe(model: ReadModel, f: Any) -> str:
    code = f" ({', '.join(f.codes)})" if f.codes else ""
    why = f": {f.why}" if f.why and f.why != f.state else ""
    return f"{f.zone} answered for {f.address}: {f.state}{code}{why}"


def _dropped(model: ReadModel, f: Any) -> str:
    others = "; ".join(f"{one} refused it at {words.clock(at)}" for one, at in f.controls)
    before = f", refused there last at {words.clock(f.refused_at)}" if f.refused_at else ""
    return (
        f"{f.receiver} dropped the list {f.zone}: {f.taken} recipients in a row taken from "
        f"{f.address} since {words.clock(f.since)}{before}, though the list said listed at "
        f"{words.clock(f.listed_at)}. Controls: {others}"
    )


def _dated(model: ReadModel, f: Any) -> str:
    return (
        f"Dates of {f.episode}: began {when(f.began, f.began_low, f.began_high)}; ended "
        f"{when(f.ended, f.ended_low, f.ended_high)}; last evidence "
        f"{when('inferred' if f.evidence_low else 'unknown', f.evidence_low, f.evidence_high)}"
    )


def when(how: str, low: float | None, high: float | None) -> str:
    """An end of a listing, and how it is known."""
    if low is None and high is None:
        return "at no known time"
    if low is None:
        return f"before {words.clock(high or 0.0)} ({how})"
    return f"between {words.clock(low)} and {words.clock(high or low)} ({how})"


def _watched(model: ReadModel, f: Any) -> str:
    waits = "; ".join(band(one) for one in f.paths[:SHARES])
    more = f"; … and {len(f.paths) - SHARES} more" if len(f.paths) > SHARES else ""
    return (
        f"All accept again; {f.episode} is over when refusals are as rare as before, between "
        f"{words.clock(f.earliest)} and {words.clock(f.latest)}"
        + (f". Not yet: {waits}{more}" if waits else "")
    )


def _closed(model: ReadModel, f: Any) -> str:
    return f"Episode {f.episode} closed: {f.how}. {f.evidence}"


def _blames(model: ReadModel, f: Any) -> str:
    rule = f" (rule {f.rule})" if f.rule else ""
    if isinstance(f, Refusal):
        named = f"by the list {f.zone}" if f.zone else "and names no list"
        return f"A refusal: {f.receiver} blames our address {f.address} {named}{rule}"
    if isinstance(f, Suspicion):
        return f"{f.receiver} may blame our address {f.address}; its words do not tell{rule}"
    return f"{f.receiver} blames the mail, not our address: {f.reason}{rule}"


def _who(model: ReadModel, f: Any) -> str:
    count = len(f.recipients)
    return (
        f"{model.person(f.sender)} (tenant {f.tenant}) handed in message {f.id} for {count} "
        f"recipient{'s' if count != 1 else ''}"
    )


def _back(model: ReadModel, f: Any) -> str:
    what = f"as {f.episode}" if f.episode else "by the list's own answer"
    return (
        f"{f.address} is on {f.zone} again ({what}), {words.span(f.after_s)} after {f.before} "
        f"closed: {f.count} listing{'s' if f.count != 1 else ''} before it within the watch"
    )


def _state(model: ReadModel, f: Any) -> str:
    if f.row.state == "out":
        return f"Message {f.row.key} goes out by {f.row.address}"
    why = f" ({f.why})" if f.why else ""
    return f"Message {f.row.key} {words.STATES.get(f.row.state, f.row.state)} " + (
        f"{words.condition(f.row.waits_for)}{why}"
    )


_TOLD: dict[type[Fact], Callable[[ReadModel, Any], str]] = {
    EpisodeOpened: _opened,
    CausesRanked: _ranked,
    SenderHeld: lambda m, f: (
        f"{m.person(f.sender)} is held ({f.hold}), {f.scope}, until {words.clock(f.expires_at)}: "
        f"{f.reason}"
    ),
    HoldReleased: lambda m, f: f"Hold {f.hold} ended by {f.actor}: {f.why}",
    SourceStopped: lambda m, f: f"The source stopped: {f.evidence}",
    RuleStepped: lambda m, f: (
        f"Rule {f.rule} went from {f.old or 'nothing'} to {f.new}: {f.why} ({f.matched} matched, "
        f"{f.other_senders} of other senders)"
    ),
    Delisted: lambda m, f: (
        f"The list let go of {f.episode} between {words.clock(f.low)} and {words.clock(f.high)}"
    ),
    Relisted: lambda m, f: f"The list holds the address of {f.episode} again",
    DelistingAdvised: lambda m, f: f.advice,
    PathRested: lambda m, f: f"Mail from {f.address} to {f.receiver} rests: {f.why}",
    PathReopened: lambda m, f: f"{f.receiver} takes mail from {f.address} again: {f.why}",
    PathTried: lambda m, f: (
        f"{f.receiver} is tried from {f.address} by one letter, {f.taken} of {f.wanted} taken so far"
    ),
    ReceiverDropped: _dropped,
    ListingDated: _dated,
    RecoveryWatched: _watched,
    RelistingWatched: lambda m, f: (
        f"{f.zone} is asked about {f.address} until {words.clock(f.until)}"
    ),
    Recurred: _back,
    EpisodeClosed: _closed,
    Refusal: _blames,
    Suspicion: _blames,
    Failed: _blames,
    Queued: _state,
    Settled: lambda m, f: f"Message {f.key} is settled: {f.how}",
    Reception: _who,
    Due: lambda m, f: "" if f.why in ("due", "until") else f"Its turn came: {f.why}",
    Delivery: _outcome,
    Bounce: _outcome,
    TransientFailure: _outcome,
    Outcome: _outcome,
    Carried: lambda m, f: (
        f"{f.receiver} took {counted(sum(count for _, count in f.senders), 'recipients')} from "
        f"{f.address} in a minute of another server's log"
    ),
    ProbeAnswered: _probe,
    PathTested: lambda m, f: (
        f"{f.receiver} answered {f.address} without mail: {_reply(f) or 'nothing'}"
    ),
    FeedbackReceived: lambda m, f: (
        f"A report of type {f.feedback_type}" + (f" about message {f.message}" if f.message else "")
    ),
    FeedSilent: lambda m, f: f"Input {f.feed} fell silent",
    FeedHeard: lambda m, f: f"Input {f.feed} speaks again",
    Acted: lambda m, f: f"{f.actor} did {f.act} of {f.target}: {f.reason}",
}  # fmt: skip
