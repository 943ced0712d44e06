"""Reviews on the operator's face: `GET` shows one, `POST /api/incidents/{id}/review` adds or publishes.

What a person adds is refused with every reason: a number that is not among the review's figures, a
label twice, control characters. Only a closed incident's review can be published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import access, posting, review, web
from unlisted.facts import ReviewWritten
from unlisted.health import written

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator


class Reviews:
    """The routes. Who may is `access`'s to say; to publish needs an approver."""

    def __init__(self, face: Operator, poster: posting.Poster | None) -> None:
        self._face = face
        self._poster = poster

    def routes(self) -> list[Route]:
        return [
            Route("/incidents/{id}/review", self.show),
            Route("/api/incidents/{id}/review", self.take, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """With names: it is for those who run the place."""
        if self._face.session(request) is None:
            return self._face.ask(request)
        await self._face.model.catch_up()
        model, name = self._face.model, str(request.path_params["id"])
        if name not in model.incidents:
            return web.failed(request, 404, "There is no incident of this name.")
        found = review.made(model, name)
        added = review.signed(model.incidents[name].review)
        body = review.page(found, review.readable(model, found), added, served=True)
        return web.tagged(request, body, "text/html; charset=utf-8")

    async def take(self, request: Request) -> Response:
        """201 when it is in the journal, 422 with the reasons why it is not."""
        given = await web.object_of(request)
        await self._face.model.catch_up()
        model, name = self._face.model, str(request.path_params["id"])
        one = model.incidents.get(name)
        if one is None or self._poster is None:
            return web.failed(request, 404, "There is no incident of this name.")
        publish = given.get("publish", False)
        if not isinstance(publish, bool):
            return web.failed(request, 400, "publish: expected true or false")
        if publish and (refused := access.refusal(self._face, request, access.APPROVER)):
            return refused
        try:
            asked = "text" in given or "sections" in given
            sections = posting.sections_of(given) if asked else ()
            author = self._face.actor(request, given)
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        if not asked and one.review is not None:
            sections = one.review.sections
        reasons = []
        if publish and one.closed is None:
            reasons.append("the incident is not closed: a review can be published after its end")
        if publish and sections and self._poster.by_another():
            wrote = author if asked or one.review is None else one.review.author
            if wrote == author:
                reasons.append("what was added is published by another person than its author")
        if sections:
            figures = review.made(model, name).figures
            reasons += written.refused(sections, figures, model.addresses)
        if reasons:
            error = {"code": 422, "message": "; ".join(reasons), "reasons": reasons}
            return web.data(request, {"error": error}, 422)
        fact = ReviewWritten(
            at=0.0, incident=name, author=author, sections=sections, publish=publish
        )
        try:
            await self._poster.review(fact)
        except Exception:  # the runner has logged why it could not be written
            return web.failed(request, 503, "It could not be recorded. Nothing was changed.")
        return web.data(request, {"incident": name, "published": publish}, 201)
