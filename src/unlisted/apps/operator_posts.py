"""The operator's way to post: a form with the session's CSRF token, and the API with the token.

`POST /api/incidents/{id}/posts` answers 201 with the post, 202 with a draft that waits for an approver,
422 with every reason why it was refused, and with `dry_run` 200 with the post as it would stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import operator_api, posting, public_views, web
from unlisted.edge.readmodel_incidents import Incident
from unlisted.facts import Posted, PostPending, PostRefused, PostSubmitted
from unlisted.health import written

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator


class Posts:
    """The routes; who may is `access`'s to say."""

    def __init__(self, face: Operator, poster: posting.Poster | None) -> None:
        self._face = face
        self._poster = poster

    def routes(self) -> list[Route]:
        return [
            Route("/incidents/{id}/post", self.write),
            Route("/incidents/{id}/post", self.take_form, methods=["POST"]),
            Route("/api/incidents/{id}/posts", self.take, methods=["POST"]),
        ]

    async def _known(self, request: Request) -> str | None:
        await self._face.model.catch_up()
        name = str(request.path_params["id"])
        return name if name in self._face.model.incidents else None

    async def take(self, request: Request) -> Response:
        """By the API."""
        given = await web.object_of(request)
        name = await self._known(request)
        if name is None or self._poster is None:
            return web.failed(request, 404, "There is no incident of this name.")
        dry = given.get("dry_run", False)
        if not isinstance(dry, bool):
            return web.failed(request, 400, "dry_run: expected true or false")
        try:
            author = self._face.actor(request, given)
            fact = posting.parsed(name, author, given, self._face.role(request))
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        found = await self._submit(fact, dry=dry)
        if isinstance(found, Posted):
            return web.data(request, operator_api.post(found), 200 if dry else 201)
        if found is None:
            return web.failed(request, 503, LOST)
        if isinstance(found, PostPending):
            return web.data(request, operator_api.draft(found), 202)
        error = {"code": 422, "message": "; ".join(found.reasons), "reasons": list(found.reasons)}
        return web.data(request, {"error": error}, 422)

    async def _submit(self, fact: PostSubmitted, *, dry: bool) -> posting.Submitted | None:
        assert self._poster is not None
        try:
            return await self._poster.submit(fact, dry=dry)
        except Exception:  # the runner has logged why it could not be written
            return None

    async def write(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self._face.ask(request)
        name = await self._known(request)
        if name is None or self._poster is None:
            return web.failed(request, 404, "There is no incident of this name.")
        given = _returned(self._face.model.incidents[name], request.query_params.get("draft", ""))
        return self._page(request, name, session.csrf, given or {"text": self._poster.draft(name)})

    async def take_form(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self._face.ask(request)
        given: dict[str, Any] = dict(await self._face.form_of(request, session))
        name = await self._known(request)
        if name is None or self._poster is None:
            return web.failed(request, 404, "There is no incident of this name.")
        dry = given.get("do") != "publish"
        try:
            role = self._face.role(request)
            fact = posting.parsed(name, session.actor, _of_form(given), role)
        except ValueError as exc:
            return self._page(request, name, session.csrf, given, (str(exc),), status=422)
        found = await self._submit(fact, dry=dry)
        if found is None:
            return self._page(request, name, session.csrf, given, (LOST,), status=503)
        if isinstance(found, PostRefused):
            return self._page(request, name, session.csrf, given, found.reasons, status=422)
        if isinstance(found, PostPending):
            return RedirectResponse("/?done=waits#incidents", status_code=303)
        if dry:
            return self._page(request, name, session.csrf, given, tried=found)
        return RedirectResponse("/?done=posted#incidents", status_code=303)

    def _page(
        self,
        request: Request,
        name: str,
        csrf: str,
        given: dict[str, Any],
        reasons: tuple[str, ...] = (),
        *,
        status: int = 200,
        tried: Posted | None = None,
    ) -> Response:
        assert self._poster is not None
        incident = self._face.model.incidents[name]
        return self._face.page(
            request,
            "operator_post.html",
            status,
            csrf=csrf,
            now=self._face.now(),
            incident=public_views.view(incident, self._face.now()),
            draft=incident.draft,
            called=incident.called,
            text=str(given.get("text", ""))[: written.MAX_TEXT],
            next_update_by=str(given.get("next_update_by", ""))[:40],
            corrects=str(given.get("corrects", ""))[:7],
            reasons=reasons,
            tried=tried.sections if tried else (),
            waits=self._poster.waits(),
            figures=[
                {**public_views.figure(one), "id": one.name} for one in self._poster.figures(name)
            ],
        )


LOST = "It could not be recorded. Nothing was changed."


def _returned(incident: Incident, number: str) -> dict[str, Any]:
    """A draft that went back to its author, to be written anew; empty: there is none."""
    for draft, _ in incident.returned:
        if str(draft.draft) == number:
            return {"text": written.shown(draft.sections), "corrects": draft.corrects or ""}
    return {}


def _of_form(given: dict[str, Any]) -> dict[str, Any]:
    """A form's texts as the API's values; a time without a zone is UTC, as the form says."""
    found: dict[str, Any] = {"text": str(given.get("text", ""))}
    by = str(given.get("next_update_by", "")).strip().removesuffix(" UTC").replace(" ", "T", 1)
    found["next_update_by"] = f"{by}Z" if by and by[-1].isdigit() and len(by) <= 16 else by
    number = str(given.get("corrects", "")).strip()
    if number:
        if not (number.isascii() and number.isdigit() and len(number) <= 6):
            raise posting.BadPost("corrects: expected the number of a post")
        found["corrects"] = int(number)
    return found
