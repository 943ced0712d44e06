"""The public face: incidents and their posts, for anybody, without script.

Columns as service-health portals print them: ID, workload feature, title, classification,
severity, start, last updated. It shows only Posted facts, which name no sender, tenant, pool or
address of ours, and records that somebody imported; it has no other source, so it cannot leak one.
Whoever has the link of a non-delivery report sees that one letter's state besides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import incident_report, operator_api, review, web
from unlisted.apps.letters import Letters
from unlisted.apps.public_charts import trends
from unlisted.apps.public_copies import Copies, Marked, always
from unlisted.apps.public_letters import letter_pages
from unlisted.apps.public_views import (
    deadlines,
    entries_of,
    fitted,
    posts_of,
    record_of,
    view,
    view_of,
)
from unlisted.apps.service_health import ServiceHealth
from unlisted.edge.readmodel import ReadModel
from unlisted.health import own
from unlisted.health.record import Record

LATEST = 50  # incidents on the index
CURRENT = 10  # open ones in the banner
# Whole posts on one page, characters of each, headlines of older ones: the first that fits.
SIZES = (
    (10, 30_000, 100), (5, 30_000, 100), (2, 30_000, 50), (1, 30_000, 50), (1, 8_000, 50),
    (1, 4_000, 20), (1, 1_000, 20),
)  # fmt: skip
MAX_PAGE = 48 << 10


class Public:
    """The application; `ReadModel` is all it knows."""

    def __init__(
        self,
        model: ReadModel,
        name: str,
        now: Callable[[], float] = time.time,
        *,
        url: str = "",
        tokens: Sequence[str] = (),
        writable: Callable[[], bool] = always,
        letters: Letters | None = None,
    ) -> None:
        self.model = model
        self.name = name
        self._address = url
        self._tokens = bool(tokens)
        self._now = now
        self._reviews: dict[tuple[str, int, bool], bytes] = {}
        self._records: tuple[int, list[Record]] = (-1, [])
        self.copies = Copies(model, now, writable)
        programs = ServiceHealth(
            self.records, self.copies.catch_up, now,
            name=web.tamed(name), services=(own.SERVICE,), url=self.url, tokens=tokens, report=self._report,
        )  # fmt: skip
        routes = [
            Route("/", self.index),
            Route("/incidents/{id}", self.incident),
            Route("/incidents/{id}/posts/{number:int}", self.post),
            Route("/incidents/{id}/review", self.review),
            Route("/api/incidents.json", self.incidents),
            *([] if letters is None else letter_pages(self._rendered, letters)),
            *programs.routes(),
            Route("/openapi.json", self.openapi),
            Route("/style.css", web.style),
            Route("/favicon.ico", web.icon),
            Route("/favicon.svg", web.icon),
        ]
        handlers: dict[Any, Any] = {HTTPException: programs.on_error, Exception: web.on_fault}
        self.starlette = Starlette(routes=routes, exception_handlers=handlers)
        self.app = Marked(self.starlette, self.copies)

    def url(self, request: Request) -> str:
        """The page's address as others see it, with its slash."""
        return (self._address or str(request.base_url)).rstrip("/") + "/"

    def records(self) -> list[Record]:
        """Our incidents and imported records, newest start first."""
        revision, kept = self._records
        if revision != self.model.revision:
            kept = self._all_records()
            self._records = (self.model.revision, kept)
        return kept

    def _all_records(self) -> list[Record]:
        mine = [record_of(one) for one in self.model.incidents.values()]
        return sorted(
            [web.tamed(one) for one in (*mine, *self._imported())],
            key=lambda one: (-(one.start or 0.0), one.id or ""),
        )

    def _imported(self) -> list[Record]:
        """Those of other sources; an incident of ours is never replaced by one."""
        return [one for name, one in self.model.records.items() if name not in self.model.incidents]

    async def index(self, request: Request) -> Response:
        return await self.copies.page(request, self._index)

    def _index(self) -> bytes:
        found = [view(one, self._now()) for one in self.model.incidents.values()]
        found += [view_of(one) for one in self._imported()]
        found.sort(key=lambda one: (-(one["since"] or 0.0), one["id"]))
        current = [one for one in found if one["open"]]
        shown = LATEST
        while True:
            body = self._rendered(
                "public_index.html",
                incidents=found[:shown],
                current=current[: min(shown, CURRENT)],
                open=len(current),
                more=max(0, len(found) - shown),
            )
            if len(body) <= MAX_PAGE or shown == 1:
                return body
            shown = max(1, shown // 2)

    def _rendered(self, template: str, **values: Any) -> bytes:
        stale = self.copies.stale
        return web.rendered(template, name=self.name, stale=stale, **values).encode()

    def _found(self, name: str) -> tuple[dict[str, Any], list[dict[str, Any]], Record] | None:
        """The incident asked for, its posts newest first, and the same as a record."""
        one = self.model.incidents.get(name)
        if one is not None:
            return view(one, self._now()), posts_of(one), record_of(one)
        imported = self.model.records.get(name)
        if imported is None:
            return None
        return view_of(imported), entries_of(imported), imported

    async def incident(self, request: Request) -> Response:
        make = partial(self._incident, request.path_params["id"])
        return await self.copies.page(request, make, "There is no incident of this name.")

    def _incident(self, name: str) -> bytes | None:
        found = self._found(name)
        if found is None:
            return None
        one, posts, record = found
        kept = deadlines(record)
        mine = self.model.incidents.get(name)
        drawn = trends(mine.posts) if mine else []
        body = b""
        # Posts are as long as somebody made them; a page a phone can load comes before all of them.
        for whole, room, headlines in SIZES:
            body = self._rendered(
                "public_incident.html",
                incident=one,
                posts=[fitted(post, room) for post in posts[:whole]],
                older=posts[whole:][:headlines],
                more=max(0, len(posts) - whole - headlines),
                deadlines=kept[:headlines],
                trends=drawn,
                alone=False,
            )
            if len(body) <= MAX_PAGE:
                break
        return body

    async def post(self, request: Request) -> Response:
        make = partial(self._post, request.path_params["id"], request.path_params["number"])
        return await self.copies.page(request, make, "There is no update of this number.")

    def _post(self, name: str, number: int) -> bytes | None:
        found = self._found(name)
        posts = [post for post in found[1] if post["number"] == number] if found else []
        if found is None or not posts:
            return None
        body = b""
        for _, room, _ in SIZES:
            body = self._rendered(
                "public_incident.html",
                incident=found[0],
                posts=[fitted(posts[-1], room)],
                older=[],
                more=0,
                deadlines=[],
                trends=[],
                alone=True,
            )
            if len(body) <= MAX_PAGE:
                break
        return body

    async def review(self, request: Request) -> Response:
        """The report of a record whose post-incident review is published."""
        await self.copies.catch_up()
        name = request.path_params["id"]
        found = self._found(name)
        made = self._report(found[2], served=True) if found else None
        if made is None:
            return web.failed(request, 404, f"There is no report of {name[:40]}.")
        return web.tagged(request, *made)

    async def openapi(self, request: Request) -> Response:
        from unlisted.apps.openapi import document  # for the few who ask

        return web.data(request, document(self.name, tokens=self._tokens))

    def _report(self, record: Record, *, served: bool = False) -> tuple[bytes, str] | None:
        """The published review of an incident of ours, or the report of an imported record."""
        one = self.model.incidents.get(record.id or "")
        if one is None:
            return incident_report.report(record, served=served)
        if not one.reviewed:
            return None
        key = (one.opened.incident, one.review_fact, served)
        if key not in self._reviews:
            body = review.published(self.model, one.opened.incident, served=served)
            self._reviews = {key: body or b""}  # one at a time: they are large and seldom read
        return self._reviews[key], "text/html; charset=utf-8"

    async def incidents(self, request: Request) -> Response:
        def made() -> bytes:
            return msgspec.json.encode(web.tamed(operator_api.incidents(self.model)))

        return await self.copies.page(request, made, kind="application/json")
