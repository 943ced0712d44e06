"""Service health for programs, beside the public page: Graph, Statuspage v2, Atom.

Reads only what the public page shows. What a client asks and is not supported is answered 400 in
the dialect's own error shape; a fault of ours is a 500 without a traceback. With tokens configured
Graph's routes ask for one; the other dialects are as public as the page.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import web
from unlisted.health import feed, graph, odata, statuspage
from unlisted.health.record import Record, iso

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
MAX_QUERY = 8192
_PREFER = re.compile(r"(?:^|[,;\s])odata\.maxpagesize\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

Records = Callable[[], "Sequence[Record]"]
Report = Callable[[Record], "tuple[bytes, str] | None"]


class GraphError(Exception):
    """An answer that is an error in Graph's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class ServiceHealth:
    """The routes. `records`: what is public now, after `catch_up`; `tokens`: SHA-256 of each allowed bearer token,
    in hex; none: no token is asked for. `url`: the public page's address, ending in a slash."""

    def __init__(
        self,
        records: Records,
        catch_up: Callable[[], Awaitable[None]],
        now: Callable[[], float],
        *,
        name: str,
        services: Sequence[str],
        url: Callable[[Request], str],
        tokens: Iterable[str] = (),
        report: Report = lambda record: None,
    ) -> None:
        self._records = records
        self._catch_up = catch_up
        self._now = now
        self._name = name
        self._services = tuple(services)
        self._url = url
        self._tokens = tuple(tokens)
        self._report = report

    def routes(self) -> list[Route]:
        root = graph.ROOT
        graphs: list[tuple[str, Callable[[Request], dict[str, Any] | Response]]] = [
            (f"{root}/healthOverviews", self._overviews),
            (f"{root}/healthOverviews/", self._overviews),
            (f"{root}/healthOverviews/{{service}}", self._overview),
            (f"{root}/healthOverviews/{{service}}/", self._overview),
            (f"{root}/issues", self._issues),
            (f"{root}/issues/", self._issues),
            (f"{root}/issues/{{id}}", self._issue),
            (f"{root}/issues/{{id}}/incidentReport", self._incident_report),
            (f"{root}/issues/{{id}}/incidentReport()", self._incident_report),
            ("/v1.0/{rest:path}", self._absent),
        ]
        pages: list[tuple[str, Callable[[statuspage.Page], dict[str, Any]]]] = [
            ("summary", lambda page: page.summary()),
            ("status", lambda page: {"status": page.status()}),
            ("components", lambda page: {"components": page.components()}),
            ("incidents", lambda page: {"incidents": page.incidents()}),
            ("incidents/unresolved", lambda page: {"incidents": page.incidents(unresolved=True)}),
            *((f"scheduled-maintenances{end}", lambda page: {"scheduled_maintenances": []})
              for end in ("", "/upcoming", "/active")),
        ]  # fmt: skip
        return [
            *[Route(path, self._graph(answer), methods=["GET"]) for path, answer in graphs],
            *[Route(f"/api/v2/{path}.json", self._statuspage(answer)) for path, answer in pages],
            Route("/feed.atom", self._atom),
        ]

    # ------------------------------------------------------------ Graph

    def _graph(
        self, answer: Callable[[Request], dict[str, Any] | Response]
    ) -> Callable[[Request], Any]:
        async def respond(request: Request) -> Response:
            try:
                self._allowed(request)
                await self._catch_up()
                found = answer(request)
            except GraphError as exc:
                return self._failed(request, exc)
            except odata.QueryError as exc:
                return self._failed(request, GraphError(400, "BadRequest", str(exc)))
            if isinstance(found, Response):
                return found
            return self._json(request, found)

        return respond

    def _allowed(self, request: Request) -> None:
        if len(request.scope.get("query_string", b"")) > MAX_QUERY:
            raise GraphError(400, "BadRequest", f"The query is longer than {MAX_QUERY} octets.")
        if not self._tokens:
            return
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode("utf-8", "replace")).hexdigest()
        known = [hmac.compare_digest(digest, token) for token in self._tokens]
        if kind.lower() != "bearer" or not any(known):
            raise GraphError(
                401, "InvalidAuthenticationToken", "Access token is missing or not valid."
            )

    def _overviews(self, request: Request) -> dict[str, Any]:
        query = self._query(
            request, graph.OVERVIEW_KINDS, selectable=("issues",), expandable=("issues",)
        )
        return self._collection(request, query, self._all_overviews(), "healthOverviews")

    def _all_overviews(self) -> list[dict[str, Any]]:
        return graph.overviews(self._services, self._records())

    def _overview(self, request: Request) -> dict[str, Any]:
        wanted = unquote(request.path_params["service"])
        query = self._single(
            request, graph.OVERVIEW_KINDS, selectable=("issues",), expandable=("issues",)
        )
        for one in self._all_overviews():
            if wanted in (one["service"], one["id"]):
                context = f"{self._root(request)}/$metadata#admin/serviceAnnouncement/healthOverviews/$entity"
                return {"@odata.context": context, **_shaped(one, query)}
        raise GraphError(404, "ItemNotFound", "There is no service of that name.")

    def _issues(self, request: Request) -> dict[str, Any]:
        query = self._query(request, graph.KINDS, selectable=graph.UNSORTED)
        issues = [graph.issue(record) for record in self._records()]
        return self._collection(request, query, issues, "issues")

    def _issue(self, request: Request) -> dict[str, Any]:
        query = self._single(request, graph.KINDS, selectable=graph.UNSORTED)
        context = f"{self._root(request)}/$metadata#admin/serviceAnnouncement/issues/$entity"
        return {"@odata.context": context, **_shaped(graph.issue(self._one(request)), query)}

    def _incident_report(self, request: Request) -> Response:
        self._single(request, {})
        record = self._one(request)
        found = self._report(record)
        if found is None:
            raise GraphError(
                404, "ItemNotFound", "No post-incident review is published for this issue."
            )
        body, kind = found
        name = f"{record.id}-review.{'html' if 'html' in kind else 'txt'}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(body, media_type=kind, headers=headers)

    def _absent(self, request: Request) -> Response:
        raise GraphError(404, "ResourceNotFound", "This part of Graph is not served here.")

    def _one(self, request: Request) -> Record:
        wanted = request.path_params["id"]
        for record in self._records():
            if record.id == wanted:
                return record
        raise GraphError(404, "ItemNotFound", "There is no issue of that id.")

    def _query(self, request: Request, kinds: Any, **more: Any) -> odata.Query:
        return odata.parse(request.query_params.multi_items(), kinds, **more)

    def _single(self, request: Request, kinds: Any, **more: Any) -> odata.Query:
        """Of one entity: only its shape can be asked for."""
        for name, _ in request.query_params.multi_items():
            if name not in ("$select", "$expand"):
                raise odata.QueryError(f"The query option '{name[:60]}' is not supported here.")
        return self._query(request, kinds, **more)

    def _collection(
        self, request: Request, query: odata.Query, items: list[dict[str, Any]], name: str
    ) -> dict[str, Any]:
        found = odata.applied(query, items)
        size = _page_size(request)
        end = len(found) if query.top is None else min(len(found), query.skip + query.top)
        last = min(end, query.skip + size)
        answer: dict[str, Any] = {
            "@odata.context": f"{self._root(request)}/$metadata#admin/serviceAnnouncement/{name}"
        }
        if query.count:
            answer["@odata.count"] = len(found)
        if last < end:
            answer["@odata.nextLink"] = self._next(request, query, last, name)
        answer["value"] = [_shaped(item, query) for item in found[query.skip : last]]
        return answer

    def _next(self, request: Request, query: odata.Query, skip: int, name: str) -> str:
        options = dict(request.query_params.multi_items())
        options["$skip"] = str(skip)
        if query.top is not None:
            options["$top"] = str(query.top - (skip - query.skip))
        return f"{self._root(request)}/admin/serviceAnnouncement/{name}?" + urlencode(options)

    def _root(self, request: Request) -> str:
        return self._url(request).rstrip("/") + "/v1.0"

    def _json(
        self, request: Request, value: dict[str, Any], status: int = 200, name: str = ""
    ) -> Response:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        headers = {"request-id": name or _request_id(request, body), "cache-control": "no-cache"}
        if "value" in value and _asked_size(request) is not None:
            headers["preference-applied"] = f"odata.maxpagesize={_page_size(request)}"
        kind = "application/json;odata.metadata=minimal;charset=utf-8"
        return Response(body, status_code=status, media_type=kind, headers=headers)

    async def on_error(self, request: Request, exc: Exception) -> Response:
        """Starlette's handler: below Graph's root a refusal has Graph's shape too."""
        if not request.url.path.startswith("/v1.0/") or not isinstance(exc, HTTPException):
            return await web.on_error(request, exc)
        code = {404: "ResourceNotFound", 405: "MethodNotAllowed"}.get(
            exc.status_code, "Unavailable"
        )
        answer = self._failed(request, GraphError(exc.status_code, code, exc.detail))
        answer.headers.update(exc.headers or {})
        return answer

    def _failed(self, request: Request, exc: GraphError) -> Response:
        client = request.headers.get("client-request-id", "")
        name = _request_id(request, exc.message.encode())
        client = client if _CLIENT_ID.fullmatch(client) else name
        value = graph.error(exc.code, exc.message, (iso(self._now()) or "")[:-1], name, client)
        answer = self._json(request, value, exc.status, name)
        if exc.status == 401:
            answer.headers["www-authenticate"] = "Bearer"
        return answer

    # ------------------------------------------------------------ the others

    def _statuspage(
        self, answer: Callable[[statuspage.Page], dict[str, Any]]
    ) -> Callable[[Request], Any]:
        async def respond(request: Request) -> Response:
            if request.query_params:
                return web.failed(request, 400, "no query option is supported here")
            await self._catch_up()
            page = statuspage.Page(
                self._name, self._url(request), self._services, self._records(), self._now()
            )
            made = web.data(request, {"page": page.page, **answer(page)})
            made.headers["access-control-allow-origin"] = "*"
            return made

        return respond

    async def _atom(self, request: Request) -> Response:
        await self._catch_up()
        body = feed.atom(self._name, self._url(request), self._records(), self._now())
        return web.tagged(request, body, "application/atom+xml; charset=utf-8")


def _shaped(item: Mapping[str, Any], query: odata.Query) -> dict[str, Any]:
    """The properties asked for; navigation properties only when expanded."""
    hidden = {"issues"} - set(query.expand)
    wanted = query.select or tuple(item)
    return {
        name: item[name] for name in item if name in (*wanted, *query.expand) and name not in hidden
    }


def _asked_size(request: Request) -> int | None:
    found = _PREFER.search(request.headers.get("prefer", "")[:1000])
    return int(found[1]) if found else None


def _page_size(request: Request) -> int:
    asked = _asked_size(request)
    return PAGE_SIZE if asked is None else max(1, min(asked, MAX_PAGE_SIZE))


def _request_id(request: Request, body: bytes) -> str:
    """Tells one answer from another in a log; made of the answer, so a test can repeat it."""
    made = hashlib.sha256(str(request.url).encode("utf-8", "replace") + b"\0" + body).hexdigest()
    return f"{made[:8]}-{made[8:12]}-4{made[13:16]}-8{made[17:20]}-{made[20:32]}"
