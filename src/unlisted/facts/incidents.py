"""What the public is told happened: an incident, its parts, and its review."""

from __future__ import annotations

from unlisted.facts.fact import Fact, Observed


class RecordImported(Observed, frozen=True, tag=True):
    """Somebody published a service-health record of another source. `record`: as JSON of
    `health.record.Record`; a later one of the same `id` replaces it. `digest`: SHA-256 of the page.
    """

    id: str
    record: str
    digest: str
    actor: str


class RevisionSubmitted(Observed, frozen=True, tag=True):
    """A person revised what an incident tells. `changes`: (field, value as given), fields as in
    `IncidentRevised`."""

    incident: str
    author: str
    changes: tuple[tuple[str, str], ...]
    why: str
    role: str = ""


class MergeSubmitted(Observed, frozen=True, tag=True):
    """A person said that a closed incident was a part of another one."""

    incident: str
    into: str
    author: str
    why: str
    role: str = ""


class SplitSubmitted(Observed, frozen=True, tag=True):
    """A person said that these ended episodes were an incident of their own."""

    incident: str
    episodes: tuple[str, ...]
    author: str
    why: str
    role: str = ""


class ReviewWritten(Observed, frozen=True, tag=True):
    """A person added to the review of a closed incident, or published it (`publish`).

    `sections`: (label, text); the numbers in them are among the review's. The last one stands, and
    the review it belongs to is that of the facts before it.
    """

    incident: str
    author: str
    sections: tuple[tuple[str, str], ...] = ()
    publish: bool = False


class IncidentOpened(Fact, frozen=True, tag=True):
    """tell: an incident opened by itself, or a part of one was split off. `since`: first refusal.
    `scope`, `info`, `origin`: as `IncidentRevised` has them."""

    incident: str
    title: str
    classification: str
    severity: str
    since: float
    episodes: tuple[str, ...]
    because: tuple[int, ...] = ()
    scope: str = ""
    info: str = ""
    origin: str = "not known"


class IncidentRevised(Fact, frozen=True, tag=True):
    """tell: what the incident tells changed. `field`: title, impact, info, scope, start, end,
    classification, severity, origin; times in ISO 8601; empty: nothing told. `author` policy: as
    measured. `post`: number of the post that changed it."""

    incident: str
    field: str
    old: str
    new: str
    author: str
    why: str
    approver: str = ""
    draft: int | None = None
    post: int | None = None
    because: tuple[int, ...] = ()


class IncidentMerged(Fact, frozen=True, tag=True):
    """tell: the incident is a part of `into`; its posts stay where they are."""

    incident: str
    into: str
    author: str
    why: str
    because: tuple[int, ...] = ()


class IncidentSplit(Fact, frozen=True, tag=True):
    """tell: these episodes are now the incident `part`; what was posted of them stays here."""

    incident: str
    part: str
    episodes: tuple[str, ...]
    author: str
    why: str
    because: tuple[int, ...] = ()


class IncidentClosed(Fact, frozen=True, tag=True):
    """tell: the last post closed the incident; `since`..`until` is the impact."""

    incident: str
    since: float
    until: float
    because: tuple[int, ...] = ()
