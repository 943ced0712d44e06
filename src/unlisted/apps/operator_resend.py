"""The operator's switch for re-sends: plans, and an order by the API or a form of the page.

`GET /api/resend` lists the plans (`?episode=` one, with its letters); `POST /api/resend` switches one
on: 202 with the plan as it stands then, and with `dry_run` 200 with the plan as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import resending, web
from unlisted.facts import ResendOrdered

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator

_NONE = "There is no episode of this name."
_LOST = "It could not be recorded. Nothing was changed."


class Resends:
    """The routes; who may is `access`'s to say."""

    def __init__(self, face: Operator, resends: resending.Resending | None) -> None:
        self._face = face
        self._resends = resends

    def routes(self) -> list[Route]:
        return [
            Route("/api/resend", self.show),
            Route("/api/resend", self.take, methods=["POST"]),
            Route("/resend", self.take_form, methods=["POST"]),
        ]

    def rows(self) -> list[dict[str, Any]]:
        """The plans for the page, without their letters."""
        if self._resends is None:
            return []
        found = [resending.shown(one, self._face.model.person, 0) for one in self._resends.plans()]
        return [one for one in found if one["episode"]]

    async def show(self, request: Request) -> Response:
        self._face.allowed(request)
        if self._resends is None:
            return web.failed(request, 404, _NONE)
        episode = request.query_params.get("episode", "")
        if not episode:
            plans = [
                resending.shown(one, self._face.model.person, 0) for one in self._resends.plans()
            ]
            return web.data(request, plans)
        plan = self._resends.plan(episode)
        if plan is None:
            return web.failed(request, 404, _NONE)
        return web.data(request, resending.shown(plan, self._face.model.person))

    async def take(self, request: Request) -> Response:
        """By the API."""
        given = await web.object_of(request)
        dry = given.get("dry_run", False)
        if not isinstance(dry, bool):
            return web.failed(request, 400, "dry_run: expected true or false")
        try:
            order = resending.parsed(self._face.actor(request, given), given)
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        refused = await self._order(order, dry=dry)
        if refused:
            return web.failed(request, *refused)
        assert self._resends is not None and order.episode is not None
        plan = self._resends.plan(order.episode)
        assert plan is not None
        return web.data(
            request, resending.shown(plan, self._face.model.person), 200 if dry else 202
        )

    async def _order(self, order: ResendOrdered, *, dry: bool) -> tuple[int, str] | None:
        if self._resends is None or self._resends.plan(order.episode or "") is None:
            return 404, _NONE
        if not dry:
            try:
                await self._resends.order(order)
            except Exception:  # the runner has logged why it could not be written
                return 503, _LOST
        return None

    async def take_form(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self._face.ask(request)
        given: dict[str, Any] = dict(await self._face.form_of(request, session))
        given["unknown_outcome"] = given.get("unknown_outcome") == "yes"
        try:
            order = resending.parsed(session.actor, given)
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        refused = await self._order(order, dry=False)
        if refused:
            return web.failed(request, *refused)
        return RedirectResponse("/?done=resend#resend", status_code=303)
