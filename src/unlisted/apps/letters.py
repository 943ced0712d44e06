"""What the link in a report shows: the state of one letter to one recipient, in plain words.

It says who refused, why in plain words, and whether the letter goes again by itself, may be sent again
now, went out already or cannot. It names no address of a person, no address of ours, nobody's cause.
The act is a `ResendOrdered` by the sender; its form's word fits only what the page showed, so a second
post of it changes nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from unlisted.edge.clock import Clock
from unlisted.edge.journal import Line
from unlisted.edge.runner import Runner
from unlisted.facts import (
    Bounce,
    FactError,
    Queued,
    Reception,
    Refusal,
    ResendOrdered,
    Resent,
    Row,
    Settled,
    Suspicion,
    TransientFailure,
)
from unlisted.loop import _plan
from unlisted.mail.link import Link, open_link, word

State = Literal["again", "click", "waits", "sent", "copy", "cannot", "unknown"]
_WORDS: dict[State, str] = {
    "again": "It goes again by itself as soon as the other site takes our mail. You need not do anything.",
    "click": "It was not sent again. If you have not sent it again yourself, you can have it sent now.",
    "waits": "It is on its way again.",
    "sent": "It went out again and the other site took it. Please do not send it once more.",
    "copy": "You sent it again yourself, and that copy counts. This one is not sent beside it.",
    "cannot": "It cannot be sent again from here. Please send it anew if it still matters.",
    "unknown": "The other site may have it already: it gave no answer at the end. Ask the recipient, or "
    "your administrators, before you send it again.",
}


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows. `confirm`: the word its form must carry; empty: there is no form."""

    accepted_at: float
    domain: str
    receiver: str
    refused_at: float | None
    cause: str
    state: State
    words: str
    until: float | None
    again_at: float | None
    confirm: str


class Refused(NamedTuple):
    """Why a link or a form is not good: a status for the answer and a sentence."""

    status: int
    said: str


EXPIRED = Refused(410, "This link is too old. Ask your administrators about the message.")
FORGED = Refused(404, "This is no link of ours.")
GONE = Refused(404, "Nothing is known of this message any more.")
STALE = Refused(409, "This was done already, or the page was too old. Open the link again.")
LOST = Refused(503, "It could not be recorded. Nothing was changed; please try again later.")


class Letters:
    """By the states and the journal of a running service."""

    def __init__(self, runner: Runner, clock: Clock, key: bytes) -> None:
        self._runner = runner
        self._clock = clock
        self._key = key

    def shown(self, token: str) -> Letter | Refused:
        """What the link's page says now."""
        link = self._opened(token)
        return link if isinstance(link, Refused) else self._letter(link, token)

    async def again(self, token: str, confirm: str) -> Letter | Refused:
        """The sender wants it sent again."""
        link = self._opened(token)
        if isinstance(link, Refused):
            return link
        letter = self._letter(link, token)
        if isinstance(letter, Refused):
            return letter
        # Not compare_digest: whoever has the link can read the word on its page.
        if not letter.confirm or confirm != letter.confirm:
            return STALE
        with self._clock.hold("act"):
            order = ResendOrdered(
                at=self._clock.now(), actor="sender", reason="the link in its report", key=link.key
            )
            try:
                await self._runner.record(order)
            except Exception:  # the runner has logged why
                return LOST
        return self._letter(link, token)

    def _opened(self, token: str) -> Link | Refused:
        link = open_link(self._key, token)
        if link is None:
            return FORGED
        return EXPIRED if link.until < self._clock.now() else link

    def _letter(self, link: Link, token: str) -> Letter | Refused:
        story = _Story(link.key)
        for line in self._runner.journal.about(f"m{link.message}"):
            story.take(line)
        reception = story.reception
        if reception is None or link.index >= len(reception.recipients):
            return GONE
        state, until = self._state(story, link.key)
        confirm = word(self._key, token, f"{state} {story.last}") if state == "click" else ""
        refusal = story.refusal
        return Letter(
            accepted_at=reception.at,
            domain=reception.recipients[link.index].domain,
            receiver=refusal.receiver if refusal else "",
            refused_at=refusal.at if refusal else None,
            cause=_cause(refusal),
            state=state,
            words=_WORDS[state],
            until=until,
            again_at=story.resent_at,
            confirm=confirm,
        )

    def _state(self, story: _Story, key: str) -> tuple[State, float | None]:
        states, now = self._runner.states, self._clock.now()
        row = states.resend.books.get(key)
        if row is not None:
            return self._booked(row, now), row.until
        if story.how == "delivered":
            return "sent", None
        if story.how == "superseded":
            return "copy", None
        if story.how:
            return "cannot", None
        return "waits", story.until

    def _booked(self, row: Row, now: float) -> State:
        states = self._runner.states
        held, left_out = _plan.state_of(states, row, now)
        if left_out:
            return (
                "unknown" if held == "unknown outcome" else "again" if held == "copy" else "cannot"
            )
        return "click" if held == _plan.SWITCH else "again"


class _Story:
    """What the journal tells of one row."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.reception: Reception | None = None
        self.refusal: Refusal | Suspicion | None = None
        self.how = ""
        self.until: float | None = None
        self.resent_at: float | None = None
        self.last = 0

    def take(self, line: Line) -> None:
        try:
            fact = line.fact()
        except FactError:
            return  # of a later version
        row = getattr(fact, "row", None)
        if isinstance(fact, Reception):
            self.reception = fact
        elif (row.key if row is not None else getattr(fact, "key", "")) != self.key:
            return
        elif isinstance(fact, Refusal | Suspicion):
            self.refusal = fact
        elif isinstance(fact, Settled):
            self.how = fact.how
        elif isinstance(fact, Queued):
            self.until = fact.row.until
        elif isinstance(fact, Resent):
            self.resent_at = fact.at
        if isinstance(
            fact, Refusal | Suspicion | Settled | Queued | Resent | Bounce | TransientFailure
        ):
            self.last = line.n


def _cause(refusal: Refusal | Suspicion | None) -> str:
    if refusal is None:
        return "The other site did not take it."
    if isinstance(refusal, Suspicion):
        return "It refused our mail servers, as it seems; its words do not tell for sure."
    if refusal.zone:
        return (
            f"It refused our mail servers because the blocklist {refusal.zone} listed one of them."
        )
    return "It refused our mail servers, not you and not what you wrote."
