"""The public face: incidents and their posts, for anybody, without script.

Columns as service-health portals print them: ID, workload feature, title, classification,
severity, start, last updated. It shows only Posted facts, which name no sender, tenant, pool or
address of ours; it has no other source, so it cannot leak one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import operator_api, web
from unlisted.apps.service_health import ServiceHealth
from unlisted.edge.readmodel import Incident, ReadModel
from unlisted.facts import Figure, Posted
from unlisted.health import own
from unlisted.health.record import Record

FEATURE = "Outgoing mail, delivery to other providers"
LATEST = 50  # incidents on the index
POSTS = 10  # whole posts on one page; older ones by their headline, whole on pages of their own
HEADLINES = 150
MAX_PAGE = 48 << 10
STATUS = {
    "serviceOperational": "Service operational",
    "investigating": "Investigating",
    "serviceDegradation": "Service degradation",
    "restoringService": "Restoring service",
    "extendedRecovery": "Extended recovery",
    "serviceRestored": "Service restored",
    "falsePositive": "False positive",
}


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
        programs = ServiceHealth(
            self.records, model.catch_up, now,
            name=name, services=(own.SERVICE,), url=self.url, tokens=tokens,
        )  # fmt: skip
        self.app = Starlette(
            routes=[
                Route("/", self.index),
                Route("/incidents/{id}", self.incident),
                Route("/incidents/{id}/posts/{number:int}", self.post),
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
        mine = [own.record_of(i.opened, i.posts, i.closed) for i in self.model.incidents.values()]
        found = [*mine, *self.model.records.values()]
        return sorted(found, key=lambda one: (-(one.start or 0.0), one.id or ""))

    async def index(self, request: Request) -> Response:
        await self.model.catch_up()
        found = list(reversed(self.model.incidents.values()))
        return web.page(
            request,
            "public_index.html",
            name=self.name,
            feature=FEATURE,
            incidents=[view(one, self._now()) for one in found[:LATEST]],
            current=[view(one, self._now()) for one in found if one.closed is None][:LATEST],
            more=max(0, len(found) - LATEST),
        )

    async def incident(self, request: Request) -> Response:
        await self.model.catch_up()
        one = self.model.incidents.get(request.path_params["id"])
        if one is None:
            return web.failed(request, 404, "There is no incident of this name.")
        # Posts are as long as somebody made them; a page a phone can load comes before all of them.
        whole = POSTS
        while True:
            answer = self._incident(request, one, whole)
            if len(answer.body) <= MAX_PAGE or whole == 1:
                return answer
            whole = max(1, whole // 2)

    def _incident(self, request: Request, one: Incident, whole: int) -> Response:
        newest = list(reversed(one.posts))
        return web.page(
            request,
            "public_incident.html",
            name=self.name,
            feature=FEATURE,
            incident=view(one, self._now()),
            posts=[_post(post, one) for post in newest[:whole]],
            older=newest[whole:][:HEADLINES],
            more=max(0, len(newest) - whole - HEADLINES),
            alone=False,
        )

    async def post(self, request: Request) -> Response:
        await self.model.catch_up()
        one = self.model.incidents.get(request.path_params["id"])
        number = request.path_params["number"]
        found = [post for post in one.posts if post.number == number] if one else []
        if one is None or not found:
            return web.failed(request, 404, "There is no update of this number.")
        return web.page(
            request,
            "public_incident.html",
            name=self.name,
            feature=FEATURE,
            incident=view(one, self._now()),
            posts=[_post(found[-1], one)],
            older=[],
            more=0,
            alone=True,
        )

    async def incidents(self, request: Request) -> Response:
        await self.model.catch_up()
        return web.data(request, operator_api.incidents(self.model))


def view(one: Incident, now: float) -> dict[str, Any]:
    """What both pages say of an incident."""
    last = one.posts[-1] if one.posts else None
    promised = last.next_update_by if last and one.closed is None else None
    return {
        "id": one.opened.incident,
        "title": one.opened.title,
        "classification": one.opened.classification,
        "severity": one.opened.severity,
        "since": one.opened.since,
        "until": one.closed.until if one.closed else None,
        "opened_at": one.opened.at,
        "updated_at": one.updated_at,
        "open": one.closed is None,
        "status": STATUS.get(last.status, last.status) if last else "Investigating",
        "next_update_by": promised,
        "overdue": promised is not None and promised < now,
        "met": sum(1 for post in one.posts if post.deadline_met),
        "promised": sum(1 for post in one.posts if post.deadline_met is not None),
        "posts": len(one.posts),
    }


def _post(post: Posted, incident: Incident) -> dict[str, Any]:
    labels = {label for label, _ in post.sections}
    times = {"Next update by": post.next_update_by, "Start time": incident.opened.since}
    return {
        # Sections that are a time: their words get the machine's form around them.
        "times": {label: at for label, at in times.items() if label in labels and at is not None},
        "number": post.number,
        "at": post.at,
        "final": post.post == "final",
        "status": STATUS.get(post.status, post.status),
        "sections": [(label, text) for label, text in post.sections if label != "Title"],
        "figures": [figure(one) for one in post.figures],
        "next_update_by": post.next_update_by,
        "deadline": post.deadline,
        "deadline_met": post.deadline_met,
    }


def figure(one: Figure) -> dict[str, Any]:
    """A figure with its query, window, n and interval, as a row of a table."""
    return {
        "name": one.name.replace("_", " ").capitalize(),
        "value": shown(one.value, one.unit),
        "interval": _interval(one),
        "n": one.n,
        "query": one.query,
        "start": one.start,
        "end": one.end,
    }


def _interval(one: Figure) -> str:
    if one.value is None:
        return "unknown"
    if one.low is None or one.high is None:
        return "exact"
    return f"{shown(one.low, one.unit)} to {shown(one.high, one.unit)}"


def shown(value: float | None, unit: str) -> str:
    """A number with its unit; unknown is said, not shown as 0."""
    if value is None:
        return "unknown"
    if unit == "share":
        return f"{value:.1%}"
    return f"{value:,.0f} {unit}" if value == int(value) else f"{value:,.2f} {unit}"
