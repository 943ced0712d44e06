"""What keeps the public face quick while mail flows, and up while the journal is not.

A page is rendered once per revision of the read model and kept until something it could show is
committed, or the next promise runs out (time alone makes it "missed"). Every request still reads
the journal first, so a post is visible as soon as it is durable. While the journal cannot be read
or written, what was read last goes on being served: marked on the page, and by two headers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from unlisted.apps import web, words
from unlisted.edge.readmodel import ReadModel

MAX_COPIES = 256


class Copies:
    """`writable`: whether mail's facts can become durable now; without that, nothing is news.
    `stale`: when what is shown was last known to be current; None: it is."""

    def __init__(
        self, model: ReadModel, now: Callable[[], float], writable: Callable[[], bool]
    ) -> None:
        self._model = model
        self._now = now
        self._writable = writable
        self._current: float | None = None
        self.stale: float | None = None
        self._made: tuple[int, float | None] = (-1, None)
        self._until = float("-inf")
        self._pages: dict[str, web.Copy] = {}

    async def catch_up(self) -> None:
        """Read what is new; if that fails, know since when. Raises HTTPException before the
        journal was read for the first time: an empty page would say that all is well."""
        if await self._model.catch_up() and self._writable():
            self._current, self.stale = self._now(), None
            return
        if self._current is None and self._model.n:
            self._current = self._model.at
        if self._current is None:
            raise HTTPException(503, "The records cannot be read yet.", {"retry-after": "10"})
        self.stale = self._current

    async def page(
        self,
        request: Request,
        make: Callable[[], bytes | None],
        missing: str = "",
        kind: str = web.HTML,
    ) -> Response:
        """The kept copy of this path, else what `make` renders; 404 if that is nothing."""
        await self.catch_up()
        key = (self._model.revision, self.stale)
        if key != self._made or self._now() > self._until:
            self._pages.clear()
            self._made, self._until = key, self._next_promise()
        path = request.scope["path"]
        copy = self._pages.get(path)
        if copy is None:
            body = make()
            if body is None:
                return web.failed(request, 404, missing)
            copy = web.Copy(body, kind)
            while len(self._pages) >= MAX_COPIES:
                del self._pages[next(iter(self._pages))]
            self._pages[path] = copy
        return copy.answer(request)

    def _next_promise(self) -> float:
        now = self._now()
        promised = (
            one.posts[-1].next_update_by
            for one in self._model.incidents.values()
            if one.posts and one.closed is None
        )
        return min((at for at in promised if at is not None and at >= now), default=float("inf"))


class Marked:
    """Around the application: says in the head of each answer that it is an old copy."""

    def __init__(self, app: Any, copies: Copies) -> None:
        self._app = app
        self._copies = copies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marking(event: Any) -> None:
            stale = self._copies.stale
            if stale is not None and event["type"] == "http.response.start":
                said = [
                    # RFC 9111 made the first obsolete; programs that look for it are still there.
                    (b"warning", b'110 - "Response is Stale"'),
                    (b"x-stale-since", str(words.iso(stale)).encode()),
                ]
                event = {**event, "headers": [*event["headers"], *said]}
            await send(event)

        wrapped: Awaitable[None] = self._app(scope, receive, marking)
        await wrapped


def always() -> bool:
    """For a face without a journal's writer beside it."""
    return True
