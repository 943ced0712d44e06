"""What the watch says to a person: one paragraph for each thing that happened, 80 columns."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Sequence

from unlisted.apps.terminal import plain
from unlisted.edge.log_feed import Feed
from unlisted.edge.runner import Runner
from unlisted.facts import (
    CausesRanked,
    Delisted,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    FeedHeard,
    FeedSilent,
    IncidentClosed,
    IncidentOpened,
    PathReopened,
    ReceiverDropped,
    RecoveryWatched,
    Refusal,
    ReleasePredicted,
    Relisted,
)
from unlisted.health.figures import counted
from unlisted.loop._fixpoint import Followed
from unlisted.rates.interval import binomial_interval

WIDTH = 80
STRANGERS = 5  # told of in the sum
NAMED = 20  # what refusals of a path named, at most


class Words:
    """Says what followed; remembers which list the refusals of an address name."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._named: dict[str, dict[str, int]] = {}

    def say(self, n: int, cause: Fact, followed: Followed) -> None:
        """Each fact that a person should hear of."""
        for fact in (cause, *(derived for _, derived, _ in followed.facts)):
            if isinstance(fact, Refusal) and fact.zone is not None:
                named = self._named.setdefault(fact.address, {})
                if fact.zone in named or len(named) < NAMED:
                    named[fact.zone] = named.get(fact.zone, 0) + 1
            text = self._of(fact)
            if text:
                _paragraph(f"{_time(fact.at)}  {text}")

    def _of(self, fact: Fact) -> str:
        if isinstance(fact, EpisodeOpened):
            return self._opened(fact)
        if isinstance(fact, EpisodeClosed):
            return f"episode {fact.episode} is over: {fact.how}; {fact.evidence}."
        if isinstance(fact, CausesRanked):
            return self._ranked(fact)
        if isinstance(fact, ReleasePredicted) and fact.release_at is not None:
            return f"episode {fact.episode}: free at {_time(fact.release_at)} ({fact.basis})."
        if isinstance(fact, Delisted):
            return f"episode {fact.episode}: the list let go."
        if isinstance(fact, Relisted):
            return f"episode {fact.episode}: the list holds the address again."
        if isinstance(fact, PathReopened):
            return f"{fact.receiver} takes mail from {fact.address} again: {fact.why}."
        if isinstance(fact, ReceiverDropped):
            return dropped(fact)
        if isinstance(fact, RecoveryWatched):
            return (
                f"episode {fact.episode}: all accept again; it is over when refusals are as rare as "
                f"before, from {_time(fact.earliest)} to {_time(fact.latest)}{_missing(fact)}."
            )
        if isinstance(fact, FeedSilent):
            return (
                f"SILENT: {fact.feed} has said nothing since {_time(fact.last_at)}, longer than "
                f"{fact.usual_s:.0f} s. What it would tell is unknown; nothing counts as over."
            )
        if isinstance(fact, FeedHeard):
            return f"{fact.feed} speaks again after {fact.silent_s:.0f} s."
        if isinstance(fact, IncidentOpened):
            return f"incident {fact.incident}: {fact.title} (since {_time(fact.since)})."
        if isinstance(fact, IncidentClosed):
            return f"incident {fact.incident} is closed."
        return ""

    def _opened(self, fact: EpisodeOpened) -> str:
        where = f"on {fact.zone}" if fact.zone else f"at {fact.receiver}"
        share = binomial_interval(fact.refusals, fact.attempts)
        text = f"episode {fact.episode}: {fact.address} is blocked {where} since "
        text += f"{_time(fact.since)}; "
        if fact.basis == "replies":
            text += f"said in {counted(fact.refusals, 'replies')}"
        else:
            text += f"{fact.refusals:,} of {counted(fact.attempts, 'attempts')} refused "
            text += f"({share.low:.0%}-{share.high:.0%})"
        named = self._named.get(fact.address, {})
        if fact.zone is None and named:
            most = min(named, key=lambda zone: (-named[zone], zone))
            text += f"; its refusals name {most}"
        return text + "."

    def _ranked(self, fact: CausesRanked) -> str:
        text = f"episode {fact.episode}: who caused it: {fact.verdict}"
        for share in fact.shares[:3]:
            name = self._runner.journal.person(share.sender) or share.sender
            text += f"; {name} {share.share:.0%} ({share.low:.0%}-{share.high:.0%})"
            if share.reasons and fact.verdict in ("guilty", "probable"):
                text += f": {', '.join(share.reasons)}"
        return f"{text}. {fact.need}" if fact.need else f"{text}."

    def sum(self, feeds: Sequence[Feed]) -> None:
        """What was read and what stands, at the end."""
        for feed in feeds:
            if feed.unreadable:
                continue
            last = _time(feed.last_at) if feed.last_at is not None else "none"
            _paragraph(
                f"{feed.name}: {feed.lines:,} lines, {feed.attempts:,} attempts; last {last}"
                + (f"; {feed.tail.skipped:,} too long" if feed.tail.skipped else "")
                + ("; the file read last is gone" if feed.tail.lost else "")
                + ("; nothing new" if feed.resumed and not feed.fresh else "")
            )
            _strangers(feed)
        if all(feed.unreadable for feed in feeds):
            return
        episodes = self._runner.states.sense.open_episodes()
        for one in episodes:
            where = f"on {one.zone}" if one.zone else f"at {one.receiver}"
            _paragraph(f"open: {one.id}, {one.address} {where} since {_time(one.since)}")
        if not episodes:
            _paragraph("no episode is open")
        if self._runner.states.sense.episodes:
            _paragraph("All of them: unlisted episode list; one: unlisted episode explain ID")


def _strangers(feed: Feed) -> None:
    named = sorted(feed.strangers.items(), key=lambda one: (-one[1], one[0]))[:STRANGERS]
    if named:
        told = ", ".join(f"{address} ({count})" for address, count in named)
        _paragraph(f"refusals named addresses that are none of ours: {told}")


def _missing(fact: RecoveryWatched) -> str:
    short = [f"{one.receiver} ({one.missing} more)" for one in fact.paths if one.missing]
    return f"; attempts are missing at {', '.join(short[:STRANGERS])}" if short else ""


def dropped(fact: ReceiverDropped) -> str:
    """What a receiver that no longer follows a list is told by, with its witnesses."""
    others = "; ".join(f"{receiver} refused at {_time(at)}" for receiver, at in fact.controls)
    return (
        f"{fact.receiver} dropped the list {fact.zone}: it took {fact.taken} recipients in a row from "
        f"{fact.address} since {_time(fact.since)}, though the list still said listed at "
        f"{_time(fact.listed_at)} and others that follow it refuse ({others}). The listing goes on."
    )


def _paragraph(text: str) -> None:
    print(textwrap.fill(plain(text, " "), WIDTH, subsequent_indent="    "), flush=True)


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
