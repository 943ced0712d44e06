"""Posts that wait for an approver, on the operator's page and by the API.

A draft is shown as it would stand now, measured now. `POST /api/incidents/{id}/drafts/{n}/approve`
answers 201 with the post (or the revisions), 409 when the draft went back to its author as out of date, 422 when this
approval is none; `reject` answers 200. Both with every reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import operator_api, posting, public_views, web
from unlisted.apps.operator_posts import LOST
from unlisted.edge.readmodel_incidents import Incident
from unlisted.facts import Posted, PostRefused, PostReturned, PostReviewed

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator

MOST_REASON = 2000  # read of a reason; the station has its own limit
NONE = "There is no draft of this number."


class Drafts:
    """The routes; who may is `access`'s to say."""

    def __init__(self, face: Operator, poster: posting.Poster | None) -> None:
        self._face = face
        self._poster = poster

    def routes(self) -> list[Route]:
        one = "/incidents/{id}/drafts/{number:int}"
        return [
            Route(one, self.show),
            Route(one, self.take_form, methods=["POST"]),
            Route("/api/incidents/{id}/drafts", self.list),
            Route(f"/api{one}/approve", self._take(approve=True), methods=["POST"]),
            Route(f"/api{one}/reject", self._take(approve=False), methods=["POST"]),
        ]

    async def _incident(self, request: Request) -> Incident | None:
        await self._face.model.catch_up()
        return self._face.model.incidents.get(request.path_params["id"])

    async def list(self, request: Request) -> Response:
        incident = await self._incident(request)
        if incident is None:
            return web.failed(request, 404, "There is no incident of this name.")
        return web.data(request, operator_api.drafts(incident))

    def _take(self, *, approve: bool) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            given = await web.object_of(request)
            reason = given.get("reason", "")
            if await self._incident(request) is None or self._poster is None:
                return web.failed(request, 404, "There is no incident of this name.")
            if not isinstance(reason, str):
                return web.failed(request, 400, "reason: expected text")
            try:
                actor = self._face.actor(request, given)
            except ValueError as exc:
                return web.failed(request, 400, str(exc))
            found = await self._reviewed(request, actor, reason, approve=approve)
            return _answered(request, found, approve=approve)

        return answer

    async def _reviewed(
        self, request: Request, actor: str, reason: str, *, approve: bool
    ) -> posting.Reviewed | None:
        assert self._poster is not None
        fact = PostReviewed(
            at=0.0,
            incident=request.path_params["id"],
            draft=min(request.path_params["number"], 10**6),
            approver=actor,
            approve=approve,
            reason=reason[:MOST_REASON].encode("utf-8", "replace").decode(),
            role=self._face.role(request),
        )
        try:
            return await self._poster.judge(fact)
        except Exception:  # the runner has logged why it could not be written
            return None

    # ------------------------------------------------------------ the page

    async def show(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self._face.ask(request)
        return await self._page(request, session.csrf)

    async def take_form(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self._face.ask(request)
        form = await self._face.form_of(request, session)
        if await self._incident(request) is None or self._poster is None:
            return web.failed(request, 404, NONE)
        approve, reason = form.get("do") == "approve", form.get("reason", "")
        found = await self._reviewed(request, session.actor, reason, approve=approve)
        if isinstance(found, Posted):
            return RedirectResponse("/?done=posted#incidents", status_code=303)
        if isinstance(found, tuple):
            path = f"/incidents/{request.path_params['id']}?done=revised"
            return RedirectResponse(path, status_code=303)
        if isinstance(found, PostReturned) and not approve:
            return RedirectResponse("/?done=returned#incidents", status_code=303)
        reasons = (LOST,) if found is None else found.reasons
        return await self._page(
            request, session.csrf, reasons, reason, 503 if found is None else 422
        )

    async def _page(
        self, request: Request, csrf: str, reasons: tuple[str, ...] = (), reason: str = "",
        status: int = 200,
    ) -> Response:  # fmt: skip
        incident, number = await self._incident(request), request.path_params["number"]
        if incident is None or self._poster is None:
            return web.failed(request, 404, NONE)
        back = next((b for d, b in incident.returned if d.draft == number), None)
        draft = incident.drafts.get(number)
        draft = draft or next((d for d, _ in incident.returned if d.draft == number), None)
        if draft is None:
            return web.failed(request, 404, NONE)
        now = self._face.now()
        found = self._poster.preview(draft) if back is None else None
        values: dict[str, Any] = {
            "incident": public_views.view(incident, now),
            "draft": draft,
            "back": back,
            "changes": found if isinstance(found, tuple) else (),
            "sections": found.sections if isinstance(found, Posted) else draft.sections,
            "stale": found.reasons if isinstance(found, PostRefused) else (),
            "by": found.next_update_by if isinstance(found, Posted) else draft.next_update_by,
            "reasons": reasons,
            "reason": reason[:500],
        }
        return self._face.page(request, "operator_draft.html", status, csrf=csrf, now=now, **values)


def _answered(request: Request, found: posting.Reviewed | None, *, approve: bool) -> Response:
    if found is None:
        return web.failed(request, 503, LOST)
    if isinstance(found, tuple):
        return web.data(request, {"revisions": [operator_api.revision(one) for one in found]}, 201)
    if isinstance(found, Posted):
        return web.data(request, {**operator_api.post(found), "author": found.author,
                                  "approver": found.approver}, 201)  # fmt: skip
    if isinstance(found, PostReturned) and not approve:
        told = {"draft": found.draft, "author": found.author, "reasons": list(found.reasons)}
        return web.data(request, told)
    status = 409 if isinstance(found, PostReturned) else 422
    error = {"code": status, "message": "; ".join(found.reasons), "reasons": list(found.reasons)}
    return web.data(request, {"error": error}, status)
