"""One mail's story in words, from the journal: reply, episode, cause, wait or hold, delivery.

For a support person: each line has its time and stands on facts, whose numbers it names. It says
what is inferred as inferred, and shows no body.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import msgspec

from unlisted.apps import words
from unlisted.apps.words import LEFT_OUT as SAID
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.readmodel_episodes import Episode
from unlisted.facts import (
    Accepted,
    Booked,
    Bounce,
    Delivery,
    Due,
    Fact,
    FactError,
    Failed,
    FeedbackReceived,
    HandSent,
    NotAttempted,
    NotResent,
    Outcome,
    Queued,
    Reception,
    Refusal,
    Resent,
    Routed,
    Row,
    Settled,
    Suspicion,
    TransientFailure,
)
from unlisted.health.figures import counted

_ID = re.compile(r"(m\d{1,18})(?:\.(\d{1,6}))?")
_WHY = {
    "draw": "drawn by the keyed rotation",
    "redraw": "the drawn address rests, the sender is cleared: drawn again",
    "moved": "refused before, judged clean: moved to another address once",
    "kept": "the same address again",
}
_HOW = {
    "delivered": "Delivered.",
    "bounced": "Returned to its sender.",
    "expired": "Given up: it could not be delivered in time; its sender was told.",
    "superseded": "Not sent again: the sender had sent the same mail by hand.",
    "discarded": "Returned: it was held until its term ended.",
}
_STAGES = {"connect": "on connecting", "eod": "after the message", "greeting": "in its greeting"}


class Told(msgspec.Struct, frozen=True):
    """One line of a story: when, what, and the facts it stands on."""

    at: float
    text: str
    facts: tuple[int, ...]
    tone: str = ""  # "", good, bad, wait


class Story(msgspec.Struct, frozen=True):
    """A message's story. `recipient`: the one it was asked for, None: all."""

    message: str
    recipient: int | None
    lines: tuple[Told, ...]
    now: str
    sender: str = ""
    episodes: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()


def parse_id(text: str) -> tuple[str, int | None] | None:
    """m17 or m17.0; None: it is neither."""
    found = _ID.fullmatch(text.strip().lower())
    if not found:
        return None
    return found[1], int(found[2]) if found[2] else None


def told(model: ReadModel, message: str, recipient: int | None = None) -> Story | None:
    """The story, or None: no such message."""
    teller = _Teller(model, recipient)
    lines = model.lines_of(message)
    received = next((line for line in lines if line.kind == "Reception"), None)
    if received is None:
        return None
    if recipient is not None:
        with contextlib.suppress(FactError):
            fact = received.fact()
            if isinstance(fact, Reception) and recipient >= len(fact.recipients):
                return None
    for line in lines:
        try:
            fact = line.fact()
        except FactError:
            continue  # of a later version: a story with a gap is better than none
        if teller.concerns(fact):
            teller.take(fact, line.n)
    now = teller.now(message)
    ordered = tuple(sorted(teller.lines, key=lambda one: one.at))
    return Story(message, recipient, ordered, now, teller.sender, teller.episodes, teller.holds)


class _Teller:
    def __init__(self, model: ReadModel, recipient: int | None) -> None:
        self.model = model
        self.recipient = recipient
        self.lines: list[Told] = []
        self.many = False
        self.sender = ""
        self._episodes: set[str] = set()
        self._holds: set[str] = set()

    @property
    def episodes(self) -> tuple[str, ...]:
        """Those that the story tells of."""
        return tuple(sorted(self._episodes))

    @property
    def holds(self) -> tuple[str, ...]:
        """Those that the story tells of."""
        return tuple(sorted(self._holds))

    def concerns(self, fact: Fact) -> bool:
        key = getattr(getattr(fact, "row", None), "key", None) or getattr(fact, "key", "")
        index = str(key).partition(".")[2]
        return self.recipient is None or not index or index == str(self.recipient)

    def say(self, fact: Fact, n: int, text: str, tone: str = "") -> None:
        row = getattr(fact, "row", None)
        key = row.key if isinstance(row, Row) else str(getattr(fact, "key", ""))
        index = key.partition(".")[2]
        if self.many and self.recipient is None and index:
            text = f"Recipient {index}: {text}"
        self.lines.append(Told(fact.at, text, (n,), tone))

    def take(self, fact: Fact, n: int) -> None:
        for kind, tell in _TELL.items():
            if isinstance(fact, kind):
                tell(self, fact, n)
                return

    def reception(self, fact: Reception, n: int) -> None:
        self.many = len(fact.recipients) > 1
        who = self.sender = self.model.person(fact.sender)
        shown = fact.recipients if self.recipient is None else ()
        if self.recipient is not None and self.recipient < len(fact.recipients):
            shown = (fact.recipients[self.recipient],)
        people = [
            f"{self.model.person(one.person)}"
            if self.model.person(one.person) != one.person
            else f"someone at {one.domain}"
            for one in shown[:5]
        ]
        more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
        self.say(
            fact,
            n,
            f"Accepted from {who} (tenant {fact.tenant}), {fact.size} bytes, "
            f"for {', '.join(people)}{more}.",
        )

    def accepted(self, fact: Accepted, n: int) -> None:
        if fact.size > 1:
            self.say(
                fact,
                n,
                f"Near-duplicate: {counted(fact.size, 'messages')} of campaign {fact.campaign} so far.",
            )

    def routed(self, fact: Routed, n: int) -> None:
        chance = f", one of {fact.among}" if fact.among > 1 else ""
        self.say(
            fact,
            n,
            f"Leaves by {fact.address} (pool {fact.pool}{chance}): {_WHY.get(fact.why, fact.why)}.",
        )

    def queued(self, fact: Queued, n: int) -> None:
        row = fact.row
        if row.state == "out":
            return
        why = f" ({fact.why})" if fact.why else ""
        if row.state == "due" and row.due is not None:
            self.say(fact, n, f"Next try at {words.clock(row.due)}{why}.", "wait")
            return
        until = f", at the latest {words.clock(row.until)}" if row.until is not None else ""
        state = words.STATES.get(row.state, row.state).capitalize()
        self.say(fact, n, f"{state} {words.condition(row.waits_for)}{until}{why}.", "wait")
        kind, _, name = row.waits_for.partition(":")
        if kind == "hold":
            self.hold(name)

    def hold(self, name: str) -> None:
        hold = self.model.holds.get(name)
        if hold is None or name in self._holds:
            return
        self._holds.add(name)
        held = hold.held
        self.lines.append(
            Told(
                held.at,
                f"Hold {name} on {self.model.person(held.sender)}: {held.reason}. Scope: "
                f"{held.scope}. It ends {words.clock(held.expires_at)} unless a person "
                f"releases it (unlisted hold release {name}).",
                held.because,
                "bad",
            )
        )
        if hold.released is not None:
            done = hold.released
            self.lines.append(
                Told(done.at, f"Hold {name} ended by {done.actor}: {done.why}.", done.because)
            )

    def outcome(self, fact: Outcome, n: int) -> None:
        if isinstance(fact, NotAttempted):
            self.say(fact, n, f"Not tried after all: {fact.text}.", "wait")
            return
        said = " ".join(
            str(one) for one in (fact.code or "", fact.enhanced or "", fact.text) if one
        )
        where = _STAGES.get(fact.stage, f"after {fact.stage.upper()}")
        if isinstance(fact, Delivery):
            self.say(fact, n, f"{fact.receiver} took it from {fact.address}: {said}", "good")
        elif not fact.code:
            self.say(fact, n, f"No answer from {fact.receiver} to {fact.address}: {said}", "bad")
        else:
            self.say(fact, n, f"{fact.receiver} answered {fact.address} {where}: {said}", "bad")

    def refusal(self, fact: Refusal, n: int) -> None:
        zone = f"names the list {fact.zone}" if fact.zone else "names no list"
        self.say(
            fact,
            n,
            f"That is a refusal: it blames our address {fact.address}, not the mail; it {zone}"
            f"{_rule(fact.rule)}.",
        )
        self.episode(fact.address, fact.receiver, fact.zone, fact.at)

    def suspicion(self, fact: Suspicion, n: int) -> None:
        self.say(
            fact, n, f"It may blame our address {fact.address}; its words do not tell"
            f"{_rule(fact.rule)}."
        )  # fmt: skip
        self.episode(fact.address, fact.receiver, None, fact.at)

    def failed(self, fact: Failed, n: int) -> None:
        if not fact.code:
            return  # nobody answered: the outcome's line said it already
        term = "for now" if fact.temporary else "for good"
        reason = f": {fact.reason}" if fact.reason != "undefined" else ""
        self.say(fact, n, f"That does not blame our address; it is a no {term}{reason}.")

    def episode(self, address: str, receiver: str, zone: str | None, at: float) -> None:
        for episode in self.model.episodes.values():
            opened = episode.opened
            if opened.episode in self._episodes or opened.address != address:
                continue
            if not (opened.receiver == receiver or (opened.zone and zone in (None, opened.zone))):
                continue
            end = episode.closed.at if episode.closed else float("inf")
            if opened.since - 60 <= at <= end:
                self._episodes.add(opened.episode)
                self._tell_episode(episode)

    def _tell_episode(self, episode: Episode) -> None:
        opened = episode.opened
        what = f"on the blocklist {opened.zone}" if opened.zone else f"blocked at {opened.receiver}"
        add = self.lines.append
        add(
            Told(
                opened.at,
                f"Episode {opened.episode} opened: {opened.address} is {what} "
                f"({opened.refusals:,} of {counted(opened.attempts, 'attempts')} refused by then).",
                opened.because,
                "bad",
            )
        )
        causes = episode.causes
        if causes is not None:
            names = ", ".join(self.model.person(one) for one in causes.named)
            text = f"Cause of {opened.episode}: {names}." if names else (
                f"Cause of {opened.episode}: {causes.verdict}"
                + (f"; it would take {causes.need}." if causes.need else ".")
            )  # fmt: skip
            add(Told(causes.at, text, causes.because))
        if episode.stopped is not None:
            add(Told(episode.stopped.at, f"The source stopped: {episode.stopped.evidence}.", ()))
        if episode.delisted is not None:
            add(Told(episode.delisted.at, f"{opened.zone} lists {opened.address} no more.", ()))
        if episode.closed is not None:
            done = episode.closed
            add(
                Told(done.at, f"Episode {opened.episode} closed: {done.how} ({done.evidence}).", ())
            )

    def booked(self, fact: Booked, n: int) -> None:
        self.say(
            fact,
            n,
            "Bounced, and its sender told. Kept until "
            f"{words.clock(fact.until)}, to be sent again should it prove a block.",
            "wait",
        )

    def resent(self, fact: Resent, n: int) -> None:
        why = f": {fact.episode} proved a block" if fact.episode else ""
        by = {"policy": "", "sender": ", by its sender's click"}
        who = by.get(fact.by, f", switched on by {fact.by}")
        self.say(fact, n, f"Sent again, once{who}{why}.")

    def not_resent(self, fact: NotResent, n: int) -> None:
        self.say(fact, n, f"Not sent again: {SAID.get(fact.why, fact.why)}.", "wait")

    def hand_sent(self, fact: HandSent, n: int) -> None:
        self.say(fact, n, f"The sender sent the same mail again by hand ({fact.copy}).")

    def settled(self, fact: Settled, n: int) -> None:
        tone = "good" if fact.how == "delivered" else "bad"
        self.say(fact, n, _HOW.get(fact.how, fact.how), tone)

    def due(self, fact: Due, n: int) -> None:
        if fact.why not in ("due", "until"):
            self.say(fact, n, f"Its turn: {fact.why}.")

    def feedback(self, fact: FeedbackReceived, n: int) -> None:
        self.say(fact, n, f"A recipient's provider reported it: {fact.feedback_type}.", "bad")

    def now(self, message: str) -> str:
        rows = self.model.db.execute(
            "select row from queue where message=? order by idx", (int(message[1:]),)
        ).fetchall()
        states = []
        for (raw,) in rows:
            row = msgspec.json.decode(raw, type=Row)
            index = row.key.partition(".")[2]
            if self.recipient is None or index == str(self.recipient):
                words_ = (
                    f"{words.STATES.get(row.state, row.state)} {words.condition(row.waits_for)}"
                )
                if row.state == "due" and row.due is not None:
                    words_ += f" at {words.clock(row.due)}"
                states.append(f"recipient {index} {words_.strip()}")
        if not states:
            return "Nothing of it is in the queue any more."
        more = f"; and {len(states) - 5} more" if len(states) > 5 else ""
        return "Now: " + "; ".join(states[:5]) + more + "."


def _rule(rule: str | None) -> str:
    return f" (rule {rule})" if rule else ""


_TELL: dict[type[Fact], Callable[[_Teller, Any, int], None]] = {
    Reception: _Teller.reception,
    Accepted: _Teller.accepted,
    Routed: _Teller.routed,
    Queued: _Teller.queued,
    Delivery: _Teller.outcome,
    TransientFailure: _Teller.outcome,
    Bounce: _Teller.outcome,
    NotAttempted: _Teller.outcome,
    Refusal: _Teller.refusal,
    Suspicion: _Teller.suspicion,
    Failed: _Teller.failed,
    Booked: _Teller.booked,
    Resent: _Teller.resent,
    NotResent: _Teller.not_resent,
    HandSent: _Teller.hand_sent,
    Settled: _Teller.settled,
    Due: _Teller.due,
    FeedbackReceived: _Teller.feedback,
}
