"""A service-health record: one incident as somebody published it, with what we found in it.

The shape that the importer yields and the lint reads. Times are seconds since the Unix epoch, UTC;
`as_json` prints them as ISO 8601. A section's text is as printed, stripped; nothing is corrected in
it. A finding keeps the printed value beside the normalised one.
"""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Kind = Literal["current", "final", "report"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `where`: "row", "heading", "posts", or "post N" (1 is the oldest) and a section.
    `normalised`: what we take it for; None where nothing better is known. `needs_person`: a rule
    can only point at it. `strict`: blocks publishing of a post of our own."""

    code: str
    where: str
    text: str
    printed: str | None = None
    normalised: str | None = None
    needs_person: bool = False
    strict: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One post. `margin_min`: minutes from the next post to the promised time; negative: late.
    `corrects`: number of the post that this one revises."""

    at: float | None
    kind: Kind
    sections: dict[str, str]
    printed_at: str = ""
    text: str = ""
    next_update_by: float | None = None
    deadline_met: bool | None = None
    margin_min: float | None = None
    corrects: int | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """`posts`: oldest first. `time_zone`: offset of the page's own stamps, "-08:00"; None where it
    cannot be told, and then times without a zone of their own are None too. `status` and
    `origin`: Graph's names; a record that prints none has the status of its last post. `standing`:
    texts that stand now whatever a post told, by canonical label. `revisions`: when what it tells
    was changed, and how in words; oldest first."""

    id: str | None
    service: str | None
    feature_group: str | None
    feature: str | None
    title: str | None
    classification: str | None
    severity: str | None
    start: float | None
    end: float | None
    last_updated: float | None
    time_zone: str | None
    status: str = "serviceDegradation"
    origin: str = "microsoft"
    heading: str | None = None
    time_zone_evidence: tuple[str, ...] = ()
    posts: tuple[Entry, ...] = ()
    findings: tuple[Finding, ...] = ()
    standing: dict[str, str] = {}
    revisions: tuple[tuple[float, str], ...] = ()

    @property
    def scope(self) -> str | None:
        """The scope that stands, else the latest told."""
        if "Scope of Impact" in self.standing:
            return self.standing["Scope of Impact"]
        told = [post.sections.get("Scope of Impact") for _, post in self.told]
        return next((text for text in reversed(told) if text), None)

    @property
    def told(self) -> tuple[tuple[int, Entry], ...]:
        """The posts that say something, with their numbers."""
        return tuple((n, post) for n, post in enumerate(self.posts, 1) if post.kind != "report")

    @property
    def latest(self) -> Entry | None:
        """The last update as it stands now: its last correction, if it has one."""
        updates = [(n, post) for n, post in self.told if post.corrects is None]
        if not updates:
            return None
        number, latest = updates[-1]
        for n, post in self.told:
            if post.corrects == number:
                number, latest = n, post
        return latest

    def revised_since(self, number: int) -> tuple[tuple[float, str], ...]:
        """What was revised after this post and before the next; what came with a post is told there."""
        told = self.posts[number - 1].at
        if told is None:
            return ()
        later = [post.at for post in self.posts[number:] if post.at is not None]
        until = min(later, default=float("inf"))
        return tuple(one for one in self.revisions if told < one[0] < until)

    @property
    def corrected(self) -> dict[int, int]:
        """Number of a post → number of the one that corrects it."""
        return {
            post.corrects: n for n, post in enumerate(self.posts, 1) if post.corrects is not None
        }


def note(post: Entry, by: int | None) -> str:
    """What a reader of this post must know of corrections; empty: nothing. `by`: what corrects it."""
    said = [f"Corrects post {post.corrects}."] if post.corrects is not None else []
    said += [f"Corrected by post {by}."] if by is not None else []
    return " ".join(said)


def iso(at: float | None) -> str | None:
    """`at` as ISO 8601 in UTC, to the second."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(record: Record) -> dict[str, Any]:
    """The record as the one object that `unlisted health import --json` prints."""
    posts = [
        {
            "at": iso(post.at),
            "kind": post.kind,
            "sections": post.sections,
            "next_update_by": iso(post.next_update_by),
            "deadline_met": post.deadline_met,
            "margin_min": post.margin_min,
            "printed_at": post.printed_at,
            "text": post.text,
        }
        for post in record.posts
    ]
    names = ("id", "service", "feature_group", "feature", "title", "classification", "severity")
    return {
        **{name: getattr(record, name) for name in names},
        "start": iso(record.start),
        "end": iso(record.end),
        "last_updated": iso(record.last_updated),
        "time_zone": record.time_zone,
        "time_zone_evidence": list(record.time_zone_evidence),
        "heading": record.heading,
        "summary": summary(record),
        "posts": posts,
        "findings": findings_json(record.findings),
    }


def findings_json(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Findings for programs."""
    names = ("code", "where", "printed", "normalised", "text", "needs_person", "strict")
    return [{name: getattr(found, name) for name in names} for found in findings]


def summary(record: Record) -> dict[str, Any]:
    """Figures of the record: how long, how late the first word came, which promises were kept."""
    due = [post for post in record.posts if post.deadline_met is not None]
    stamps = [post.at for _, post in record.told if post.at is not None]
    start, end = record.start, record.end
    return {
        "entries": len(record.posts),
        "with_text": len(record.told),
        "first_post_after_s": stamps[0] - start if stamps and start is not None else None,
        "duration_s": end - start if end is not None and start is not None else None,
        "deadlines": len(due),
        "deadlines_met": sum(post.deadline_met is True for post in due),
        "margin_min_least": min(
            (p.margin_min for p in due if p.margin_min is not None), default=None
        ),
    }
