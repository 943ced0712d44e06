"""Why, on the operator's face: an episode or a sender explained, with the chain of facts behind it.

`GET /episode?id=`, `GET /sender?id=` for a person who signed in; `GET /api/episodes/{id}/explain` and
`GET /api/senders/{id}/explain` for programs. They read and change nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import explained, web
from unlisted.apps.explained import Explained
from unlisted.edge.readmodel import ReadModel

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator

LONGEST = 320  # characters of a name that is asked for
KINDS: dict[str, Callable[[ReadModel, str], Explained | None]] = {
    "episode": explained.episode,
    "sender": explained.sender,
}


class Explanations:
    """The routes; who may is the operator's face to say."""

    def __init__(self, face: Operator) -> None:
        self._face = face

    def routes(self) -> list[Route]:
        return [
            *[Route(f"/{kind}", self._page(kind)) for kind in KINDS],
            *[Route(f"/api/{kind}s/{{id}}/explain", self._data(kind)) for kind in KINDS],
        ]

    async def _told(self, kind: str, name: str) -> Explained | None:
        await self._face.model.catch_up()
        return KINDS[kind](self._face.model, name[:LONGEST])

    def _page(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            session = self._face.session(request)
            if session is None:
                return self._face.ask(request)
            name = request.query_params.get("id", "")[:LONGEST]
            told = await self._told(kind, name)
            return self._face.page(
                request, "operator_explain.html", 200 if told else 404, csrf=session.csrf,
                kind=kind, id=name, told=told, now=self._face.now(),
            )  # fmt: skip

        return page

    def _data(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def data(request: Request) -> Response:
            self._face.allowed(request)
            told = await self._told(kind, request.path_params["id"])
            if told is None:
                return web.failed(request, 404, f"no such {kind}")
            return web.data(request, {"title": told.title, **explained.plain(told)})

        return data
