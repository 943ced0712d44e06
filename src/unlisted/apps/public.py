"""The public face: incidents and their posts, for anybody, without script.

Columns as service-health portals print them: ID, workload feature, title, classification,
severity, start, last updated. It shows only Posted facts, which name no sender, tenant, pool or
address of ours, and records that somebody imported; it has no other source, so it cannot leak one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import incident_report, operator_api, review, web
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
    ) -> None:
        self.model = model
        self.name = name
        self._address = url
        self._now = now
        self._reviews: dict[tuple[str, int, bool], bytes] = {}
        self._told: tuple[object, bytes] = (None, b"")  # what the API last told of
        programs = ServiceHealth(
            self.records, model.catch_up, now,
            name=name, services=(own.SERVICE,), url=self.url, tokens=tokens, report=self._report,
        )  # fmt: skip
        self.app = Starlette(
            routes=[
                Route("/", self.index),
                Route("/incidents/{id}", self.incident),
                Route("/incidents/{id}/posts/{number:int}", self.post),
                Route("/incidents/{id}/review", self.review),
                Route("/api/incidents.json", self.incidents),
                *programs.routes(),
                Route("/style.css", web.style),
                Route("/favicon.ico", web.icon),
                Route("/favicon.svg", web.icon),
            ],
            exception_handlers={HTTPException: web.on_error, Exception: web.on_fault},
        )

    def url(self, request: Request) -> str:
        """The page's address as others see it, with its slash."""
        return (self._address or str(request.base_url)).rstrip("/") + "/"

    def records(self) -> list[Record]:
        """Our incidents and imported records, newest start first."""
        mine = [record_of(one) for one in self.model.incidents.values()]
        return sorted(
            [*mine, *self._imported()], key=lambda one: (-(one.start or 0.0), one.id or "")
        )

    def _imported(self) -> list[Record]:
        """Those of other sources; an incident of ours is never replaced by one."""
        return [one for name, one in self.model.records.items() if name not in self.model.incidents]

    async def index(self, request: Request) -> Response:
        await self.model.catch_up()
        found = [view(one, self._now()) for one in self.model.incidents.values()]
        found += [view_of(one) for one in self._imported()]
        found.sort(key=lambda one: (-(one["since"] or 0.0), one["id"]))
        shown = LATEST
        while True:
            answer = self._index(request, found, shown)
            if len(answer.body) <= MAX_PAGE or shown == 1:
                return answer
            shown = max(1, shown // 2)

    def _index(self, request: Request, found: list[dict[str, Any]], shown: int) -> Response:
        current = [one for one in found if one["open"]]
        return self._page(
            request,
            "public_index.html",
            incidents=found[:shown],
            current=current[: min(shown, CURRENT)],
            open=len(current),
            more=max(0, len(found) - shown),
        )

    def _page(self, request: Request, template: str, **values: Any) -> Response:
        return web.page(request, template, name=self.name, **values)

    def _found(
        self, request: Request
    ) -> tuple[dict[str, Any], list[dict[str, Any]], Record] | None:
        """The incident asked for, its posts newest first, and the same as a record."""
        name = request.path_params["id"]
        one = self.model.incidents.get(name)
        if one is not None:
            return view(one, self._now()), posts_of(one), record_of(one)
        imported = self.model.records.get(name)
        if imported is None:
            return None
        return view_of(imported), entries_of(imported), imported

    async def incident(self, request: Request) -> Response:
        await self.model.catch_up()
        found = self._found(request)
        if found is None:
            return web.failed(request, 404, "There is no incident of this name.")
        one, posts, record = found
        kept = deadlines(record)
        # Posts are as long as somebody made them; a page a phone can load comes before all of them.
        for whole, room, headlines in SIZES:
            answer = self._page(
                request,
                "public_incident.html",
                incident=one,
                posts=[fitted(post, room) for post in posts[:whole]],
                older=posts[whole:][:headlines],
                more=max(0, len(posts) - whole - headlines),
                deadlines=kept[:headlines],
                alone=False,
            )
            if len(answer.body) <= MAX_PAGE:
                break
        return answer

    async def post(self, request: Request) -> Response:
        await self.model.catch_up()
        found = self._found(request)
        number = request.path_params["number"]
        posts = [post for post in found[1] if post["number"] == number] if found else []
        if found is None or not posts:
            return web.failed(request, 404, "There is no update of this number.")
        for _, room, _ in SIZES:
            answer = self._page(
                request,
                "public_incident.html",
                incident=found[0],
                posts=[fitted(posts[-1], room)],
                older=[],
                more=0,
                deadlines=[],
                alone=True,
            )
            if len(answer.body) <= MAX_PAGE:
                break
        return answer

    async def review(self, request: Request) -> Response:
        """The report of a record whose post-incident review is published."""
        await self.model.catch_up()
        name = request.path_params["id"]
        found = self._found(request)
        made = self._report(found[2], served=True) if found else None
        if made is None:
            return web.failed(request, 404, f"There is no report of {name[:40]}.")
        return web.tagged(request, *made)

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
        await self.model.catch_up()
        # All of them are told each time, and between two posts they are the same.
        state = tuple(
            (name, len(one.posts), len(one.moves), one.closed is None)
            for name, one in self.model.incidents.items()
        )
        if state != self._told[0]:
            self._told = state, msgspec.json.encode(operator_api.incidents(self.model))
        return web.tagged(request, self._told[1], "application/json")
