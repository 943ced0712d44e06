"""A sender, a message or an episode explained: what is known in words, and the chain of facts behind it.

The command line, the operator's page and the API show the same. What an open episode waits for is
worked out from the newest facts; a figure has its n and its window, what is not known is said so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from unlisted.apps import chain_words, words
from unlisted.apps.chain import Chain, chain
from unlisted.apps.chain_words import rate
from unlisted.apps.story import Story
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.readmodel_episodes import Episode
from unlisted.facts import CausesRanked, Share
from unlisted.health.figures import counted

WAITS = 5  # paths, episodes or senders told of in one section
CAUSE = "Cause"
TWO_QUESTIONS = (
    "A share and the word guilty answer two questions: the share is how much of this listing's "
    "evidence is the sender's; guilty is whether it sends what lists go by."
)
SOURCES = {
    "stopped": "the source was stopped",
    "going on": "its source was named and was not seen to stop",
    "unknown": "nobody was named, so whether the source stopped is not known",
}


class Reasons(msgspec.Struct, frozen=True):
    """A statement and what it rests on."""

    said: str
    reasons: tuple[str, ...]


class Section(msgspec.Struct, frozen=True):
    """Paragraphs under a heading, then statements with their reasons."""

    heading: str
    lines: tuple[str, ...]
    shares: tuple[Reasons, ...] = ()


class Explained(msgspec.Struct, frozen=True):
    """What is said of one thing. `links`: (kind, id) of what it speaks of."""

    title: str
    sections: tuple[Section, ...]
    chain: Chain
    links: tuple[tuple[str, str], ...] = ()


def plain(told: Explained) -> dict[str, Any]:
    """An explanation for programs."""
    return {
        "explained": [msgspec.to_builtins(one) for one in told.sections],
        "chain": msgspec.to_builtins(told.chain),
    }


# ---------------------------------------------------------------- episode


def episode(model: ReadModel, name: str) -> Explained | None:
    """An episode: what it waits for, which of the three it was, what it cost, and why all that."""
    one = model.episodes.get(name)
    if one is None:
        return None
    where = f"on the list {one.opened.zone}" if one.opened.zone else f"at {one.opened.receiver}"
    waits = [] if one.closed else waits_for(model, one)
    sections = (
        Section("What it waits for", tuple(waits)),
        Section("Which it was", tuple(_which(one))),
        Section(CAUSE, tuple(_cause(model, one)), _shares(model, one)),
        Section("Its dates", tuple(_dates(one))),
        Section("What it cost in mail", tuple(_cost(one))),
        Section("Relistings", tuple(_relistings(one))),
    )
    senders = one.causes.named if one.causes else ()
    return Explained(
        f"Episode {name}: {one.opened.address} blocked {where}",
        tuple(section for section in sections if section.lines),
        chain(model, one.facts.values()),
        tuple(("sender", model.person(sender)) for sender in senders),
    )


def waits_for(model: ReadModel, one: Episode) -> list[str]:
    """What an open episode still needs, each as a sentence."""
    out = [
        f"{feed} to speak again: it is silent, so nothing counts as over."
        for feed in sorted(model.silent)
    ]
    opened = one.opened
    if opened.zone and one.delisted is None:
        out.append(f"{opened.zone} to let go of {opened.address}{_release(one)}.")
    address = model.addresses.get(opened.address)
    resting = sorted(address.resting) if address is not None else []
    if opened.receiver is not None:
        resting = [receiver for receiver in resting if receiver == opened.receiver]
    if resting:
        more = f" … and {len(resting) - WAITS} more" if len(resting) > WAITS else ""
        named = ", ".join(resting[:WAITS])
        out.append(f"{counted(len(resting), 'receivers')} to take its mail again: {named}{more}.")
    elif one.recovery is not None and (one.delisted is not None or not opened.zone):
        recovery = one.recovery
        out.append(
            "refusals as rare as before the incident, looked at from "
            f"{words.clock(recovery.earliest)} to {words.clock(recovery.latest)} at most."
        )
        out += [chain_words.band(path) + "." for path in recovery.paths[:WAITS]]
        if len(recovery.paths) > WAITS:
            out.append(f"… and {counted(len(recovery.paths) - WAITS, 'more paths')}.")
    if one.causes is None and opened.parent is None:
        out.append("its cause to be weighed: nothing was ranked yet.")
    elif one.causes is not None and one.causes.need:
        out.append(f"to know its cause: {one.causes.need}.")
    return out or ["a control receiver that takes its mail."]


def _release(one: Episode) -> str:
    found = one.predicted
    if found is None or found.low is None or found.high is None:
        return f" (when is not known{': ' + found.basis if found else ''})"
    return (
        f", expected between {words.clock(found.low)} and {words.clock(found.high)} ({found.basis})"
    )


def _which(one: Episode) -> list[str]:
    out = []
    if one.closed:
        source = SOURCES.get(one.closed.source) if "source" not in one.closed.how else ""
        out.append(f"{one.closed.how}" + (f"; {source}" if source else "") + ".")
        out += [chain_words.band(path) + "." for path in one.closed.bands[:WAITS]]
        if len(one.closed.bands) > WAITS:
            out.append(f"… and {counted(len(one.closed.bands) - WAITS, 'more paths')}.")
    elif one.stopped:
        out.append(f"The source stopped: {one.stopped.evidence}.")
    for fact in one.dropped:
        others = ", ".join(receiver for receiver, _ in fact.controls)
        out.append(
            f"{fact.receiver} dropped the list: it took {counted(fact.taken, 'recipients')} in a row since "
            f"{words.clock(fact.since)}, while the list said listed at "
            f"{words.clock(fact.listed_at)} and {others} still refused. That ended no listing."
        )
    return out


def _cause(model: ReadModel, one: Episode) -> list[str]:
    found = one.causes
    if found is None:
        parent = one.opened.parent
        return [f"As of episode {parent}, whose listing it belongs to."] if parent else []
    names = ", ".join(model.person(sender) for sender in found.named)
    out = [f"{found.verdict}{f': {names}' if names else ''} (ranked {words.clock(found.at)})."]
    out += [f"{text}." for text in chain_words.ranked_extras(model, found)]
    return [*out, TWO_QUESTIONS] if names else out


def _shares(model: ReadModel, one: Episode) -> tuple[Reasons, ...]:
    shares = one.causes.shares[:WAITS] if one.causes else ()
    return tuple(
        Reasons(chain_words.share(model, part), chain_words.reasons(model, part)) for part in shares
    )


def _dates(one: Episode) -> list[str]:
    if one.dated is None:
        return []
    found = one.dated
    said = [
        "The listing began " + chain_words.when(found.began, found.began_low, found.began_high),
        "it ended " + chain_words.when(found.ended, found.ended_low, found.ended_high),
        "the last evidence the list had was "
        + chain_words.when(
            "its end less the list's term" if found.evidence_low else "unknown",
            found.evidence_low,
            found.evidence_high,
        ),
    ]
    return ["; ".join(said) + "."]


def _cost(one: Episode) -> list[str]:
    if one.closed is None or not one.closed.refused:
        return [f"{counted(one.refusals, 'refusals')} so far."] if one.closed is None else []
    done = one.closed
    span = words.span(done.at - one.opened.since)
    return [
        f"{counted(done.refused, 'replies')} refused in {span}; {counted(done.deferred, 'recipients')} had to wait, "
        f"{done.bounced} bounced; sent again: {done.resent}."
    ]


def _relistings(one: Episode) -> list[str]:
    out = []
    if one.recurred is not None:
        back = one.recurred
        out.append(
            f"A relisting: {back.before} ended {words.span(back.after_s)} before, and {back.count} "
            "in a row came within the watch."
        )
    if one.watched is not None:
        out.append(f"{one.watched.zone} is watched for one until {words.clock(one.watched.until)}.")
    return out


# ---------------------------------------------------------------- sender


def sender(model: ReadModel, name: str) -> Explained | None:
    """A sender: its shares of each episode, what its mail met in that window, its holds."""
    person = model.hash_of(name)
    ranked = _ranked(model, person)
    holds = [one for one in model.holds.values() if one.held.sender == person]
    if not ranked and not holds and not model.knows(person):
        return None
    sections = []
    newest = sorted(ranked[::-1], key=lambda one: not one[1].guilty)
    for fact, part in newest[:WAITS]:
        sections.append(_share(model, person, fact, part))
    if len(ranked) > WAITS:
        more = f"… and {counted(len(ranked) - WAITS, 'more episodes')}."
        sections.append(Section("Other episodes", (more,)))
    if not ranked:
        sections.append(
            Section("Causes", ("It has no share in the evidence of any episode so far.",))
        )
    start = [one.n for one in holds]
    for fact, _ in ranked:
        found = model.episodes.get(fact.episode)
        if found is not None:
            start += [n for kind, n in found.facts.items() if kind in _BEHIND]
    return Explained(
        f"Sender {model.person(person)}",
        tuple(sections),
        chain(model, start),
        tuple(("episode", fact.episode) for fact, _ in ranked),
    )


_BEHIND = ("CausesRanked", "EpisodeOpened", "SourceStopped", "Delisted", "EpisodeClosed")


def _ranked(model: ReadModel, person: str) -> list[tuple[CausesRanked, Share]]:
    """The newest ranking of each episode that this sender has a share in."""
    return [
        (one.causes, part)
        for one in model.episodes.values()
        if one.causes is not None
        for part in one.causes.shares
        if part.sender == person
    ]


def _share(model: ReadModel, person: str, fact: CausesRanked, part: Share) -> Section:
    opened = model.episodes[fact.episode].opened
    others = "" if part.guilty or not fact.named else "; others were named"
    lines = _met(model, person, opened.address, opened.since - fact.window_s, opened.at)
    if fact.need:
        lines.append(f"To settle it: {fact.need}.")
    lines += [f"{text}." for text in chain_words.ranked_extras(model, fact)]
    lines += [TWO_QUESTIONS] if part.guilty else []
    share = Reasons(chain_words.share(model, part) + others, chain_words.reasons(model, part))
    heading = f"Episode {fact.episode} ({opened.address}): {fact.verdict}"
    return Section(heading, tuple(lines), (share,))


def _met(model: ReadModel, person: str, address: str, since: float, until: float) -> list[str]:
    """What its mail met in the window before the episode, with n and the facts that say so."""
    found = model.counted(person, max(0.0, since), until)
    if not found:
        return []
    window = f"{words.span(until - max(since, 0.0))} until {words.clock(until)}"
    count = {what: number for what, (number, _, _) in found.items()}
    left = sum(number for what, number in count.items() if what.startswith("left "))
    dead = count.get("failed userunknown", 0)
    answered = count.get("Delivery", 0) + dead
    pool = next((one for one in model.pools if address in one.addresses), None)
    handed = count.get("Reception", 0)
    elsewhere = not handed and not left and (pool is None or pool.watched)
    if elsewhere:
        # What another MTA delivered is kept as counts by the minute: no ratio can be made of these.
        out = [f"In the {window}: its mail went through another MTA, whose log is watched."]
    else:
        out = [f"In the {window}: {counted(handed, 'messages')} handed in."]
    if left:
        by_it = count.get(f"left {address}", 0)
        drawn = pool is not None and not pool.watched and len(pool.addresses) > 1
        chance = f"; the draw puts 1 in {len(pool.addresses)} there" if pool and drawn else ""
        out.append(
            f"By {address} left {rate(by_it, left)} of its recipients{chance}{_of(found, address)}."
        )
    if elsewhere and dead:
        out.append(f"{counted(dead, 'recipients')} did not exist.")
    elif answered:
        out.append(f"No such user: {rate(dead, answered)} of those that were answered.")
    refused = count.get("Refusal", 0) + count.get("Suspicion", 0)
    if refused:
        replies = "reply" if refused == 1 else "replies"
        out.append(f"{refused} {replies} blamed our address, or may have.")
    return out


def _of(found: dict[str, tuple[int, int, int]], address: str) -> str:
    number, low, high = found.get(f"left {address}", (0, 0, 0))
    return f" (facts {low} to {high})" if number > 1 else f" (fact {low})" if number else ""


# ---------------------------------------------------------------- message


def message_chain(model: ReadModel, told: Story) -> Chain:
    """Why a message is where it is: what its newest lines stand on, and its episodes."""
    start = sorted({n for line in told.lines for n in line.facts}, reverse=True)[:6]
    for name in told.episodes:
        start += [n for kind, n in model.episodes[name].facts.items() if kind in _BEHIND]
    start += [one.n for name in told.holds for one in [model.holds[name]]]
    return chain(model, start, shown=16)
