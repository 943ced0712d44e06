"""The posts of an incident and the time by which the next is promised."""

from __future__ import annotations

import msgspec

from unlisted.facts.fact import Fact, Observed


class PostSubmitted(Observed, frozen=True, tag=True):
    """A person handed in a post of an open incident. `sections`: (label, text), figures in it as
    `{{ name }}`. `corrects`: number of the post that it revises; None: an update. `role`: the
    author's roles.
    """

    incident: str
    author: str
    sections: tuple[tuple[str, str], ...]
    next_update_by: float | None = None
    corrects: int | None = None
    role: str = ""


class PostReviewed(Observed, frozen=True, tag=True):
    """Somebody approved draft number `draft` of an incident, or sent it back with a reason."""

    incident: str
    draft: int
    approver: str
    approve: bool
    reason: str = ""
    role: str = ""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number a person is shown: its name, query, window, n and interval. None: unknown."""

    name: str
    value: float | None
    unit: str
    query: str
    start: float
    end: float
    n: int = 0
    low: float | None = None
    high: float | None = None


class Posted(Fact, frozen=True, tag=True):
    """tell: a public post. `post`: current or final. `sections`: (label, text) in order. `deadline`:
    what the update before promised. `corrects`: number of the post it revises, which stays visible.
    """

    incident: str
    number: int
    post: str
    title: str
    status: str
    sections: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    next_update_by: float | None
    deadline: float | None
    deadline_met: bool | None
    author: str = "policy"
    because: tuple[int, ...] = ()
    corrects: int | None = None
    approver: str = ""
    draft: int | None = None


class PostPending(Fact, frozen=True, tag=True):
    """tell: a post waits for an approver, as draft number `draft` of its incident. `post`: current,
    final, or revision (which has `changes` and `why` for `sections`). `sections`: as written, figures as `{{ name }}`; they are measured anew when it is approved. `status` and
    `after` (number of the last post): what it was written for. `next_update_by` None: by policy.
    """

    incident: str
    draft: int
    author: str
    post: str
    sections: tuple[tuple[str, str], ...]
    status: str
    after: int
    next_update_by: float | None = None
    corrects: int | None = None
    changes: tuple[tuple[str, str], ...] = ()
    why: str = ""
    because: tuple[int, ...] = ()


class PostReturned(Fact, frozen=True, tag=True):
    """tell: a draft goes back to its author, and why. `by`: an approver who rejected it; policy: it
    is out of date, or was replaced."""

    incident: str
    draft: int
    author: str
    by: str
    reasons: tuple[str, ...]
    because: tuple[int, ...] = ()


class PostRefused(Fact, frozen=True, tag=True):
    """tell: what a person handed in, or approved, was not published, and why."""

    incident: str
    author: str
    reasons: tuple[str, ...]
    because: tuple[int, ...] = ()


class PostDrafted(Fact, frozen=True, tag=True):
    """tell: a person is to post by `deadline`; `sections` are a draft with `{{ name }}` for figures."""

    incident: str
    deadline: float
    sections: tuple[tuple[str, str], ...]
    because: tuple[int, ...] = ()


class DutyCalled(Fact, frozen=True, tag=True):
    """tell: the person on duty is called: a promised update is due and nobody has posted it."""

    incident: str
    deadline: float
    because: tuple[int, ...] = ()


class DeadlineMoved(Fact, frozen=True, tag=True):
    """tell: correction `number` gave another time for the next update than was promised (`old`)."""

    incident: str
    number: int
    old: float
    new: float
    author: str
    because: tuple[int, ...] = ()


class DeadlineMissed(Fact, frozen=True, tag=True):
    """tell: the time of a promised update has passed and there is none."""

    incident: str
    deadline: float
    because: tuple[int, ...] = ()
