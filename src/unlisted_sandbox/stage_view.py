"""A read-only picture of a run for a page: clock, lists, honest figures, last refusals, marks.

Everything here is what the world saw at its own sockets, as far as the scoreboard counts it (a pair
is a message's token and a mailbox). A `Watcher` reads each lane's log once, as it grows, while the
world's loop is between two steps; it sets no timer, records nothing and asks nobody. What a
`Stage` holds is data: how it is said and drawn is the page's business.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from unlisted_sandbox import tokens
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.eventlog import Event
from unlisted_sandbox.home import message_id
from unlisted_sandbox.people import population
from unlisted_sandbox.score import Score
from unlisted_sandbox.script import Submission
from unlisted_sandbox.weekdays import issues
from unlisted_sandbox.world import World

if TYPE_CHECKING:
    from unlisted_sandbox.lanes import Lane
    from unlisted_sandbox.running import Running

LAST_REFUSALS = 3
STORIES = 40
HOUR_S = 3600.0
_NAME = re.compile(r"\bm\d{1,18}\b")  # what the operator's page calls a message, from its 250

Pair = tuple[str, str]


class Address(Struct, frozen=True):
    """One egress address now. `until`: the end of its listing, as the list knows it now."""

    address: str
    zone: str = ""
    until: float | None = None


class Span(Struct, frozen=True):
    """One listing, from its start to its end as known now."""

    address: str
    start: float
    end: float


class Refusal(Struct, frozen=True):
    """One refusal as it was said."""

    at: float
    site: str
    address: str
    text: str


class Mark(Struct, frozen=True):
    """Something that happened at an instant. `kind`: hijack, gave up, bulk, held, released."""

    at: float
    kind: str
    text: str


class Picture(Struct, frozen=True, kw_only=True):
    """One platform at one instant. Figures as in docs/scoreboard.md, so far."""

    accepted: int
    honest_submitted: int
    honest_delivered: int
    honest_bounced: int
    honest_waiting: int  # neither in the mailbox nor returned
    spam_submitted: int
    spam_delivered: int
    refusals: int
    resent: int
    pool: tuple[Address, ...]
    listings: tuple[Span, ...]
    refused_hourly: tuple[int, ...]  # from the world's start
    last_refusals: tuple[Refusal, ...]  # newest first
    marks: tuple[Mark, ...]
    caption: str

    @property
    def listed(self) -> int:
        return sum(1 for one in self.pool if one.until is not None)


class Story(Struct, frozen=True):
    """One honest mail that was refused: by whom, in which words, and since when it is there."""

    id: str  # the platform's own name of the message
    refused_at: float
    site: str
    text: str
    delivered_at: float | None = None


class Stage(Struct, frozen=True, kw_only=True):
    """The whole run at one instant."""

    number: int
    world: str
    seed: int
    start: float
    now: float
    end: float  # of the scripted days
    until: float  # the latest end
    over: bool
    speed: float | None
    real_s: float
    left_s: float | None  # real seconds, estimated; None: nobody knows
    platforms: dict[str, Picture]
    secrets: tuple[Mark, ...]  # what only the world knows, up to now
    next_hijack: float | None
    stories: tuple[Story, ...] = ()
    scores: dict[str, Score] = {}
    faults: tuple[str, ...] = ()


class Watcher:
    """Makes pictures. Belongs to the thread of the world's loop."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._world = running.world
        self._script = _Script(running.world, running.honest)
        self._tallies = {name: _Tally(lane, self._script) for name, lane in running.lanes.items()}
        self._secrets = planned(running.world)
        self._number = 0

    def look(self, scores: dict[str, Score] | None = None, faults: Sequence[str] = ()) -> Stage:
        """A new picture."""
        running, world = self._running, self._world
        now = running.coordinator.now()
        self._script.read(now)
        pictures: dict[str, Picture] = {}
        for name, tally in self._tallies.items():
            submitter = running.submitters.get(name)
            tally.read(submitter.spam if submitter else ())
            pictures[name] = _picture(running, name, tally, now)
        self._number += 1
        real_s = time.monotonic() - running.started
        stories: tuple[Story, ...] = ()
        if "unlisted" in running.submitters:
            taken = running.submitters["unlisted"].taken
            stories = self._tallies["unlisted"].told(taken)
        ahead = [m.at for m in self._secrets if m.kind == "hijack" and m.at > now]
        given_up = [
            Mark(at, "gave up", f"{name}: the hijacker of {_who(world, n)} has stopped")
            for name, submitter in running.submitters.items()
            for n, at in submitter.stopped.items()
            if at < world.end
        ]
        return Stage(
            number=self._number,
            world=world.world.name,
            seed=world.seed,
            start=world.start,
            now=now,
            end=world.end,
            until=world.until,
            over=scores is not None,
            speed=running.coordinator.speed,
            real_s=real_s,
            left_s=self._left(now, real_s),
            platforms=pictures,
            secrets=tuple(
                sorted(
                    [*(m for m in self._secrets if m.at <= now), *given_up],
                    key=lambda m: (m.at, m.kind, m.text),
                )
            ),
            next_hijack=min(ahead, default=None),
            stories=stories,
            scores=scores or {},
            faults=tuple(faults),
        )

    def _left(self, now: float, real_s: float) -> float | None:
        """Until the scripted days are over: by the work left, and not faster than permitted."""
        if now >= self._world.end or real_s < 5:
            return None
        share = self._script.share()
        by_work = real_s / share - real_s if share > 0.01 else None
        speed = self._running.options.speed
        by_speed = (self._world.end - now) / speed if speed else None
        known = [x for x in (by_work, by_speed) if x is not None]
        return max(known, default=None)


class _Script:
    """The script so far: which pairs are wanted, and which mail lies between whom."""

    def __init__(self, world: World, honest: Sequence[Submission]) -> None:
        self.world = world
        self.wanted: dict[Pair, Submission] = {}
        self.between: dict[tuple[str, str], list[str]] = {}  # reverse-path, mailbox -> tokens
        self._honest = honest
        self._directory = Directory(world)
        self._n = 0

    def read(self, now: float) -> None:
        while self._n < len(self._honest) and self._honest[self._n].at <= now:
            s = self._honest[self._n]
            self._n += 1
            for mailbox in sorted({r.lower() for r in s.recipients}):
                if self._directory.kind(mailbox) == "mailbox":
                    self.wanted[(s.token, mailbox)] = s
                    self.between.setdefault((s.reverse_path.lower(), mailbox), []).append(s.token)

    def share(self) -> float:
        return self._n / len(self._honest) if self._honest else 1.0


class _Tally:
    """One lane's log, read so far."""

    def __init__(self, lane: Lane, script: _Script) -> None:
        self.lane = lane
        self.delivered: dict[Pair, float] = {}
        self.bounced: set[Pair] = set()
        self.spam: set[Pair] = set()
        self.spam_delivered: set[Pair] = set()
        self.refused: dict[Pair, Event] = {}  # honest, the first refusal of each
        self.resent: dict[Pair, str] = {}  # and the Message-ID under which it came
        self.last: list[Event] = []
        self.hourly: list[int] = []
        self.marks: list[Mark] = []
        self._script = script
        self._n = 0
        self._spam_n = 0

    def read(self, spam: Sequence[Submission]) -> None:
        for s in spam[self._spam_n :]:
            self.spam.update((s.token, r.lower()) for r in s.recipients)
        self._spam_n = len(spam)
        events = self.lane.log.events
        for event in events[self._n :]:
            self._take(event)
        self._n = len(events)
        del self.last[:-LAST_REFUSALS]

    def _take(self, e: Event) -> None:
        pair = (e.token, e.mailbox)
        wanted = self._script.wanted
        match e.kind:
            case "delivered":
                if pair in wanted:
                    self.delivered.setdefault(pair, e.at)
                    if pair in self.refused and e.id == message_id(wanted[pair].data):
                        self.resent.setdefault(pair, e.id)
                elif pair not in self.spam_delivered and self._is_spam(e.token):
                    self.spam_delivered.add(pair)
            case "bounced":
                if pair in wanted:
                    self.bounced.add(pair)
            case "refused":
                self.last.append(e)
                hour = max(0, int((e.at - self._script.world.start) // HOUR_S))
                self.hourly += [0] * (hour + 1 - len(self.hourly))
                self.hourly[hour] += 1
                for mailbox in e.mailbox.split():
                    self._refused(e, mailbox)
            case "held":
                self.marks.append(Mark(e.at, "held", f"the postmaster holds {_person(e.sender)}"))
            case "released":
                why = (
                    "the account was hijacked"
                    if e.text == "hijacked"
                    else "it was an honest sender"
                )
                self.marks.append(
                    Mark(e.at, "released", f"the postmaster lets {_person(e.sender)} go: {why}")
                )

    def _is_spam(self, token: str) -> bool:
        origin = tokens.read(self._script.world.seed, token) if token else None
        return origin is not None and origin.kind == "spam"

    def _refused(self, e: Event, mailbox: str) -> None:
        token = e.token
        if not token:  # refused before the body: clear only when one mail alone can be meant
            under_way = [
                t
                for t in self._script.between.get((e.sender.lower(), mailbox), ())
                if (t, mailbox) not in self.delivered
            ]
            token = under_way[0] if len(under_way) == 1 else ""
        if (token, mailbox) in self._script.wanted:
            self.refused.setdefault((token, mailbox), e)

    def told(self, taken: dict[str, str]) -> tuple[Story, ...]:
        """Refused mail of which the platform's own name is known; delivered ones first."""
        found: list[Story] = []
        for pair, e in self.refused.items():
            name = _NAME.search(taken.get(message_id(self._script.wanted[pair].data), ""))
            at = self.delivered.get(pair) if pair in self.resent else None
            if name and (at is not None or pair not in self.delivered):
                found.append(Story(name[0], e.at, e.site, e.text, at))
        found.sort(key=lambda s: (s.delivered_at is None, s.refused_at, s.id))
        return tuple(found[:STORIES])


def planned(world: World) -> tuple[Mark, ...]:
    """What only the world knows: who is hijacked when, and which honest mailings are large."""
    marks = []
    for n, row in enumerate(world.hijacks):
        rate = f"{row.per_hour:g} mails an hour" if row.per_hour else f"{row.per_day:g} mails a day"
        text = f"{_who(world, n)} is hijacked: {rate}"
        marks.append(Mark(world.start + row.start_h * HOUR_S, "hijack", text))
    for news in world.newsletters:
        for at_h in issues(world, news)[1]:
            text = f"an honest newsletter to {news.size:,} subscribers"
            marks.append(Mark(world.start + at_h * HOUR_S, "bulk", text))
    for letter in world.letters:
        text = f"an honest letter to {letter.size:,} people, the first of its sender"
        marks.append(Mark(world.start + letter.at_h * HOUR_S, "bulk", text))
    return tuple(sorted(marks, key=lambda m: (m.at, m.text)))


def _who(world: World, hijack: int) -> str:
    return population(world).of(hijack).address


def _person(sender: str) -> str:
    return sender.partition(":")[2] or sender


def _picture(running: Running, name: str, tally: _Tally, now: float) -> Picture:
    lane = running.lanes[name]
    spans: list[Span] = []
    listed: dict[str, Address] = {}
    for zone, state in lane.lists.items():
        for x in state.listings():
            if x.start > now:
                continue  # about to begin; nobody can see it yet
            spans.append(Span(x.address, x.start, x.end))
            before = listed.get(x.address)
            if now < x.end and (before is None or (before.until or 0.0) < x.end):
                listed[x.address] = Address(x.address, zone, x.end)
    wanted = tally._script.wanted
    reached = tally.delivered.keys() | tally.bounced
    pool = tuple(listed.get(a, Address(a)) for a in lane.pool)
    refusals = lane.log.counts.get("refused", 0)
    return Picture(
        accepted=lane.log.counts.get("submitted", 0),
        honest_submitted=len(wanted),
        honest_delivered=len(tally.delivered),
        honest_bounced=len(tally.bounced),
        honest_waiting=max(0, len(wanted) - len(reached)),
        spam_submitted=len(tally.spam),
        spam_delivered=len(tally.spam_delivered),
        refusals=refusals,
        resent=len(tally.resent),
        pool=pool,
        listings=tuple(spans),
        refused_hourly=tuple(tally.hourly),
        last_refusals=tuple(Refusal(e.at, e.site, e.address, e.text) for e in reversed(tally.last)),
        marks=tuple(tally.marks),
        caption=_caption(len(listed), len(pool), refusals, now, tally),
    )


def _caption(listed: int, size: int, refusals: int, now: float, tally: _Tally) -> str:
    """Where this platform is, in words, as anybody could see it from outside."""
    held = [m for m in tally.marks if m.at <= now]
    if not refusals:
        return "Mail flows." if not listed else f"{listed} of {size} addresses listed."
    if listed:
        text = f"{listed} of {size} addresses listed; mail from them is refused."
    else:
        text = "Every address is free again." if tally.lane.log.counts.get("refused") else ""
    if held:
        text += f" {held[-1].text[0].upper()}{held[-1].text[1:]}."
    return text
