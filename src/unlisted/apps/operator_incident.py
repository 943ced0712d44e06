"""One incident on the operator's page: what it tells, who wrote and approved it, its revisions.

Revising, merging and splitting go by form or by the API: `POST /api/incidents/{id}/revisions`,
`…/merge`, `…/split` answer 201 with what stands, 202 with a draft that waits, 422 with every reason.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import operator_api, posting, public_views, web
from unlisted.apps.operator_posts import LOST
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.readmodel_episodes import Episode
from unlisted.edge.readmodel_incidents import Incident
from unlisted.facts import (
    IncidentMerged,
    IncidentSplit,
    MergeSubmitted,
    PostPending,
    PostRefused,
    RevisionSubmitted,
    SplitSubmitted,
)
from unlisted.health.incident import CHOICES, FIELDS

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator

MOST_EPISODES = 1000
SHOWN = 50
NONE = "There is no incident of this name."
Given = dict[str, Any]
Outcome = posting.Revised | posting.Rejoined
_DONE = {"revised": "The incident is revised.", "merged": "The incident is merged.",
         "split": "The part is an incident of its own.", "waits": "It waits for an approver."}  # fmt: skip


class Incidents:
    """The routes; who may is `access`'s to say."""

    def __init__(self, face: Operator, poster: posting.Poster | None) -> None:
        self._face = face
        self._poster = poster
        self._acts: dict[str, Callable[[str, str, str, Given], Awaitable[Outcome]]] = {
            "revise": self._revise,
            "merge": self._merge,
            "split": self._split,
        }

    def routes(self) -> list[Route]:
        found = [
            Route("/incidents/{id}", self.show),
            Route("/api/incidents/{id}/revisions", self.revisions),
        ]
        for act in self._acts:
            path = f"/api/incidents/{{id}}/{'revisions' if act == 'revise' else act}"
            found.append(Route(path, self._take(act), methods=["POST"]))
            found.append(Route(f"/incidents/{{id}}/{act}", self._take_form(act), methods=["POST"]))
        return found

    async def _incident(self, request: Request) -> Incident | None:
        await self._face.model.catch_up()
        return self._face.model.incidents.get(request.path_params["id"])

    # ------------------------------------------------------------ acts

    async def _revise(self, name: str, actor: str, role: str, given: Given) -> Outcome:
        assert self._poster is not None
        fact = RevisionSubmitted(
            at=0.0, incident=name, author=actor, changes=posting.changes(given),
            why=posting.reason(given), role=role,
        )  # fmt: skip
        return await self._poster.revise(fact)

    async def _merge(self, name: str, actor: str, role: str, given: Given) -> Outcome:
        assert self._poster is not None
        into = given.get("into")
        if not isinstance(into, str):
            raise posting.BadPost("into: expected the name of an incident")
        fact = MergeSubmitted(
            at=0.0, incident=name, into=into[:40].encode("utf-8", "replace").decode(),
            author=actor, why=posting.reason(given), role=role,
        )  # fmt: skip
        return await self._poster.rejoin(fact)

    async def _split(self, name: str, actor: str, role: str, given: Given) -> Outcome:
        assert self._poster is not None
        episodes = given.get("episodes")
        if isinstance(episodes, str):
            episodes = episodes.replace(",", " ").split()
        if not isinstance(episodes, list) or len(episodes) > MOST_EPISODES:
            raise posting.BadPost("episodes: expected a list of names")
        if not all(isinstance(one, str) for one in episodes):
            raise posting.BadPost("episodes: expected a list of names")
        names = tuple(one[:40].encode("utf-8", "replace").decode() for one in episodes)
        fact = SplitSubmitted(
            at=0.0, incident=name, episodes=names, author=actor, why=posting.reason(given),
            role=role,
        )  # fmt: skip
        return await self._poster.rejoin(fact)

    def _take(self, act: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            given = await web.object_of(request)
            incident = await self._incident(request)
            if incident is None or self._poster is None:
                return web.failed(request, 404, NONE)
            try:
                actor = self._face.actor(request, given)
                role, name = self._face.role(request), incident.opened.incident
                found = await self._acts[act](name, actor, role, given)
            except posting.BadPost as exc:
                return web.failed(request, 400, str(exc))
            except ValueError as exc:
                return web.failed(request, 400, str(exc))
            except Exception:  # the runner has logged why it could not be written
                return web.failed(request, 503, LOST)
            return _answered(request, found)

        return answer

    def _take_form(self, act: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = self._face.session(request)
            if session is None:
                return self._face.ask(request)
            form = await self._face.form_of(request, session)
            incident = await self._incident(request)
            if incident is None or self._poster is None:
                return web.failed(request, 404, NONE)
            given: Given = {name: text for name, text in form.items() if text.strip()}
            if act == "revise":
                # A form sends every field; what is as it was is no revision.
                now = incident.values
                given = {k: v for k, v in given.items() if k not in FIELDS or v != now[k]}
            role, name = self._face.role(request), incident.opened.incident
            try:
                found = await self._acts[act](name, session.actor, role, given)
            except posting.BadPost as exc:
                return self._page(request, incident, session.csrf, form, (str(exc),), 422)
            except Exception:
                return self._page(request, incident, session.csrf, form, (LOST,), 503)
            if isinstance(found, PostRefused):
                return self._page(request, incident, session.csrf, form, found.reasons, 422)
            done = {"revise": "revised", "merge": "merged", "split": "split"}[act]
            done = "waits" if isinstance(found, PostPending) else done
            return RedirectResponse(f"/incidents/{name}?done={done}", status_code=303)

        return answer

    # ------------------------------------------------------------ pages

    async def show(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self._face.ask(request)
        incident = await self._incident(request)
        if incident is None:
            return web.failed(request, 404, NONE)
        return self._page(request, incident, session.csrf, {}, (), 200)

    def _page(
        self,
        request: Request,
        incident: Incident,
        csrf: str,
        form: dict[str, str],
        reasons: tuple[str, ...],
        status: int,
    ) -> Response:
        now = self._face.now()
        told = incident.values
        return self._face.page(
            request, "operator_incident.html", status, csrf=csrf, now=now, reasons=reasons,
            notice=_DONE.get(request.query_params.get("done", ""), ""),
            incident=public_views.view(incident, now),
            posts=incident.posts[: -SHOWN - 1 : -1],
            revisions=[
                {**public_views.revision(one), "author": one.author, "approver": one.approver}
                for one in incident.revisions[: -SHOWN - 1 : -1]
            ],
            drafts=list(incident.drafts.values()),
            statuses=public_views.STATUS,
            episodes=_episodes(self._face.model, incident),
            fields=_fields(told, form),
            form={name: form.get(name, "")[:4000] for name in ("why", "into", "episodes")},
            acts=self._poster is not None,
        )  # fmt: skip

    async def revisions(self, request: Request) -> Response:
        """With their authors, unlike the public page."""
        incident = await self._incident(request)
        if incident is None:
            return web.failed(request, 404, NONE)
        return web.data(request, [_named(one) for one in incident.revisions])


def _episodes(model: ReadModel, incident: Incident) -> list[Episode]:
    """Those it has now, newest first: what opened while it was open, without what was split off."""
    gone = {name for part in incident.parts for name in part.episodes}
    began, ended = incident.opened.at, incident.closed.at if incident.closed else math.inf
    if incident.part_of is not None:
        found = [model.episodes[one] for one in incident.opened.episodes if one in model.episodes]
    else:
        found = [e for e in model.episodes.values() if began <= e.opened.at <= ended]
    return [one for one in reversed(found) if one.opened.episode not in gone][:SHOWN]


def _fields(told: dict[str, str], form: dict[str, str]) -> list[dict[str, Any]]:
    """The form's fields: as typed, else as they stand."""
    names = {"impact": "User impact (empty: as each post tells it)", "info": "More info", "scope": "Scope of impact",
             "start": "Start (with its zone)", "end": "End (with its zone)"}  # fmt: skip
    return [
        {
            "name": field,
            "label": names.get(field, field.capitalize()),
            "text": form.get(field, told[field])[:4000],
            "choices": CHOICES.get(field, ()),
            "long": field in ("impact", "info", "scope"),
        }
        for field in FIELDS
    ]


def _named(one: Any) -> dict[str, Any]:
    return {**operator_api.revision(one), "by": one.author, "approver": one.approver or None}


def _answered(request: Request, found: Outcome) -> Response:
    if isinstance(found, PostRefused):
        error = {"code": 422, "message": "; ".join(found.reasons), "reasons": list(found.reasons)}
        return web.data(request, {"error": error}, 422)
    if isinstance(found, PostPending):
        return web.data(request, operator_api.draft(found), 202)
    if isinstance(found, IncidentMerged):
        return web.data(request, {"incident": found.incident, "into": found.into}, 201)
    if isinstance(found, IncidentSplit):
        told = {"incident": found.incident, "part": found.part, "episodes": list(found.episodes)}
        return web.data(request, told, 201)
    return web.data(request, {"revisions": [_named(one) for one in found]}, 201)
