"""Posts by people, from the page, the API and the command line into the journal and back.

A post is tried by the very station that decides about it; what it refuses is answered with every
reason. The author of each post is in the journal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from unlisted.edge.clock import Clock
from unlisted.edge.runner import Quarantined, Runner
from unlisted.facts import (
    Fact,
    Figure,
    IncidentMerged,
    IncidentRevised,
    IncidentSplit,
    MergeSubmitted,
    Observed,
    Posted,
    PostPending,
    PostRefused,
    PostReturned,
    PostReviewed,
    PostSubmitted,
    ReviewWritten,
    RevisionSubmitted,
    SplitSubmitted,
    decode,
)
from unlisted.health import posts, written
from unlisted.health.incident import FIELDS
from unlisted.loop import _approval, _incident, _revise, _written

MOST_FOLLOWING = 60  # facts that may follow from a post


Submitted = Posted | PostPending | PostRefused
Reviewed = Posted | PostReturned | PostRefused | tuple[IncidentRevised, ...]
Preview = Posted | PostRefused | tuple[IncidentRevised, ...]
Revised = tuple[IncidentRevised, ...] | PostPending | PostRefused
Rejoined = IncidentMerged | IncidentSplit | PostRefused


class BadPost(ValueError):
    """A request that is no post; the text says what was expected."""


class Poster(Protocol):
    """What the operator's face needs."""

    async def submit(self, fact: PostSubmitted, *, dry: bool) -> Submitted: ...
    async def judge(self, fact: PostReviewed) -> Reviewed: ...
    async def revise(self, fact: RevisionSubmitted) -> Revised: ...
    async def rejoin(self, fact: MergeSubmitted | SplitSubmitted) -> Rejoined: ...
    def preview(self, draft: PostPending) -> Preview: ...
    def waits(self) -> bool: ...
    def by_another(self) -> bool: ...
    def draft(self, incident: str) -> str: ...
    def figures(self, incident: str) -> tuple[Figure, ...]: ...
    async def review(self, fact: ReviewWritten) -> None: ...


class Posting:
    """Through the runner of a service."""

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock

    async def submit(self, fact: PostSubmitted, *, dry: bool) -> Submitted:
        """The outcome, durable unless `dry`. `fact.at` is set here: it is when it was handed in."""
        with self._clock.hold("act"):
            fact = msgspec.structs.replace(fact, at=self._clock.now())
            if dry:
                return _written.answer(self._runner.states, fact, 0)
            found = await self._recorded(fact, fact.incident, fact.author)
        outcome: Submitted = _first(found, Posted, PostPending, PostRefused)
        return outcome

    async def review(self, fact: ReviewWritten) -> None:
        """Record what was added to a review; durable when it returns."""
        with self._clock.hold("act"):
            await self._runner.record(msgspec.structs.replace(fact, at=self._clock.now()))

    async def judge(self, fact: PostReviewed) -> Reviewed:
        """An approver's word and what came of it. `fact.at` is set here."""
        with self._clock.hold("act"):
            fact = msgspec.structs.replace(fact, at=self._clock.now())
            found = await self._recorded(fact, fact.incident, fact.approver)
        # A post may revise the title on its way: it is the post that was approved.
        if not any(isinstance(one, Posted | PostReturned | PostRefused) for one in found):
            return tuple(one for one in found if isinstance(one, IncidentRevised))
        outcome: Reviewed = _first(found, Posted, PostReturned, PostRefused)
        return outcome

    async def revise(self, fact: RevisionSubmitted) -> Revised:
        """What became of a revision. `fact.at` is set here."""
        with self._clock.hold("act"):
            fact = msgspec.structs.replace(fact, at=self._clock.now())
            found = await self._recorded(fact, fact.incident, fact.author)
        revised = tuple(one for one in found if isinstance(one, IncidentRevised))
        outcome: Revised = revised or _first(found, PostPending, PostRefused)
        return outcome

    async def rejoin(self, fact: MergeSubmitted | SplitSubmitted) -> Rejoined:
        """What became of a merge or a split. `fact.at` is set here."""
        with self._clock.hold("act"):
            fact = msgspec.structs.replace(fact, at=self._clock.now())
            found = await self._recorded(fact, fact.incident, fact.author)
        outcome: Rejoined = _first(found, IncidentMerged, IncidentSplit, PostRefused)
        return outcome

    def preview(self, draft: PostPending) -> Preview:
        """The draft as it would be told now."""
        at, states = self._clock.now(), self._runner.states
        if draft.post == "revision":
            if _revise.found(states, draft.incident) is not None:
                return _approval.revised(states, draft, at, "", 0)
        elif self._open(draft.incident):
            return _approval.published(states, draft, at, "", 0)
        reasons = ("the incident is not open",)
        return PostRefused(at=at, incident=draft.incident, author=draft.author, reasons=reasons)

    async def _recorded(self, fact: Observed, incident: str, author: str) -> list[Fact]:
        """What followed from it at once."""
        try:
            n = await self._runner.record(fact)
        except Quarantined as exc:
            reasons = (str(exc),)
            return [PostRefused(at=fact.at, incident=incident, author=author, reasons=reasons)]
        rows = self._runner.journal.database.execute(
            "select kind, body from fact where n>? and n<=? and cause=? order by n",
            (n, n + MOST_FOLLOWING, n),
        )
        return [decode(kind, body) for kind, body in rows]

    def waits(self) -> bool:
        """Whether posts wait for an approver."""
        return _incident.approved(self._runner.states)

    def by_another(self) -> bool:
        """Whether what somebody wrote is published by another person."""
        return self.waits() and not self._runner.states.accept.policy.approve_own_posts

    def draft(self, incident: str) -> str:
        """What the policy would post now, for a person to edit; empty without such an incident."""
        if not self._open(incident):
            return ""
        story = _incident.story(self._runner.states, self._clock.now(), None, final=False)
        return written.shown(posts.draft(story))

    def figures(self, incident: str) -> tuple[Figure, ...]:
        """What is measured now."""
        if not self._open(incident):
            return ()
        return _incident.available(self._runner.states, self._clock.now())

    def _open(self, incident: str) -> bool:
        found = self._runner.states.tell.incident
        return found is not None and found.id == incident


def _first(facts: list[Fact], *kinds: type[Fact]) -> Any:
    """The outcome among what followed."""
    return next(one for one in facts if isinstance(one, kinds))


def parsed(incident: str, author: str, given: dict[str, Any], role: str = "") -> PostSubmitted:
    """The fact of an API request or a form. Raises BadPost."""
    corrects = given.get("corrects")
    if corrects is not None and (type(corrects) is not int or not 1 <= corrects < 10**6):
        raise BadPost("corrects: expected the number of a post")
    return PostSubmitted(
        at=0.0,
        incident=incident[:40],
        author=author,
        sections=sections_of(given),
        next_update_by=moment(given.get("next_update_by")),
        corrects=corrects,
        role=role,
    )


def sections_of(given: dict[str, Any]) -> written.Sections:
    """`text`, or `sections` as a list of {label, text}. Raises BadPost."""
    text, listed = given.get("text"), given.get("sections")
    if isinstance(text, str) and listed is None:
        if len(text) > written.MAX_TEXT:
            raise BadPost(f"text: expected up to {written.MAX_TEXT} characters")
        return tuple((_sound(label), _sound(said)) for label, said in written.read(text))
    if not isinstance(listed, list) or text is not None or len(listed) > 10 * written.MAX_SECTIONS:
        raise BadPost("expected text, or sections as a list of {label, text}")
    found = []
    for one in listed:
        label, said = (one.get("label"), one.get("text")) if isinstance(one, dict) else (None, None)
        if not isinstance(label, str) or not isinstance(said, str):
            raise BadPost("sections: expected a list of {label, text}")
        found.append((_sound(label[:200]), _sound(said[: written.MAX_TEXT + 1])))
    return tuple(found)


def _sound(text: str) -> str:
    # Half a surrogate pair is no character and cannot be stored; what refuses it shows its place.
    return text.encode("utf-8", "replace").decode()


def moment(value: Any) -> float | None:
    """ISO 8601 with a zone as seconds; nothing: None."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 40:
        raise BadPost("next_update_by: expected a time as 2026-11-23T14:00Z")
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise ValueError
        return found.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise BadPost(
            "next_update_by: expected a time with its zone, as 2026-11-23T14:00Z"
        ) from None


def changes(given: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The fields that a revision gives, as text. Raises BadPost."""
    found = []
    for field in FIELDS:
        value = given.get(field)
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > written.MAX_SECTION:
            raise BadPost(f"{field}: expected text")
        found.append((field, _sound(value)))
    if not found:
        raise BadPost(f"expected one or more of {', '.join(FIELDS)}")
    return tuple(found)


def reason(given: dict[str, Any]) -> str:
    """Why, for everybody to read. Raises BadPost; whether it is there is the station's to say."""
    why = given.get("why", "")
    if not isinstance(why, str) or len(why) > written.MAX_SECTION:
        raise BadPost("why: expected text")
    return _sound(why)
