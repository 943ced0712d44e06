"""What should have been told and was not: a promised update, a webhook's event, a notice, and why.

Newest first, for the operator's page and API. It shows what is in the journal and judges nothing; a
webhook appears under its keyed hash.
"""

from __future__ import annotations

from typing import Any

from unlisted.apps import words
from unlisted.edge.readmodel import ReadModel, Untold
from unlisted.facts import DeadlineMissed, NoticeLost, WebhookLost
from unlisted.health.figures import clock, counted

SHOWN_S = 7 * 86_400.0  # on the page; the API has all that are kept
NEWS_S = 86_400.0  # in the banner at the top


def rows(model: ReadModel, since: float = 0.0) -> list[dict[str, Any]]:
    """One row each: `at`, `kind`, `what`, `why`."""
    found = [one for one in reversed(model.untold) if one.at >= since]
    return [{"at": one.at, "kind": type(one).__name__, **_words(model, one)} for one in found]


def listed(model: ReadModel) -> list[dict[str, Any]]:
    """The same for programs."""
    return [{**one, "at": words.iso(one["at"])} for one in rows(model)]


def overdue(model: ReadModel) -> list[DeadlineMissed]:
    """Promises that passed and are still not kept."""
    return [one.missed for one in model.incidents.values() if one.missed and not one.closed]


def _words(model: ReadModel, fact: Untold) -> dict[str, str]:
    if isinstance(fact, DeadlineMissed):
        return {
            "what": f"the update of {fact.incident} promised for {clock(fact.deadline)}",
            "why": _since(model, fact),
        }
    if isinstance(fact, WebhookLost):
        what = f"{fact.event} to webhook {fact.hook}"
    elif isinstance(fact, NoticeLost):
        what = f"the notice “{fact.what}” to the operator's people"
    else:
        why = "it answered 410, so it is called no more until it is configured anew"
        return {"what": f"webhook {fact.hook}", "why": why}
    return {"what": what, "why": f"{fact.why}, after {counted(fact.attempts, 'tries')}"}


def _since(model: ReadModel, fact: DeadlineMissed) -> str:
    incident = model.incidents.get(fact.incident)
    posts = incident.posts if incident is not None else []
    late = next((one for one in posts if one.at > fact.deadline and one.corrects is None), None)
    if late is None:
        return "nobody has posted it"
    return f"posted {words.span(late.at - fact.deadline)} late, as post {late.number}"
