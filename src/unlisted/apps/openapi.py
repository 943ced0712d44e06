"""The OpenAPI 3.1 document of the public face: a table with one row per route.

Nothing is derived from the application; tests hold the rows against its routes, and drive the
service by the document. What a row does not name as a parameter is answered 400 where a query is
taken at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from unlisted.apps.openapi_schemas import (
    SCHEMAS,
    STATUSPAGE,
    TEXT,
    Schema,
    closed,
    many,
    named,
)
from unlisted.health import graph, odata

JSON = "application/json"
HTML = "text/html"
_ROOT = graph.ROOT


class Operation(msgspec.Struct, frozen=True):
    """A GET. `answers`: the media type and schema of 200. `dialect`: whose errors it has."""

    path: str
    summary: str
    kind: str
    schema: Schema | None = None
    parameters: tuple[str, ...] = ()
    dialect: str = "page"
    found: bool = True
    missing: bool = False


def _query(name: str, schema: Schema, said: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": said}


def _choice(*names: str) -> Schema:
    one = "|".join(names)
    # The pattern bounds the length: a maxLength beside it says nothing more.
    return {"type": "string", "pattern": f"^({one})(,({one})){{0,{len(names) - 1}}}$"}


# A filter in the shapes that clients send; parentheses, which no regular pattern can count, are taken too.
_TEXT = "'([^']|''){0,60}'"
_TIME = "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?"
_ORDERED = "(eq|ne|gt|ge|lt|le)"


def _filter(kinds: Mapping[str, odata.Kind], *examples: str) -> Schema:
    """Up to 3 terms joined by and or or."""

    def named(*wanted: odata.Kind) -> str:
        return "(" + "|".join(name for name, kind in kinds.items() if kind in wanted) + ")"

    words = named("string", "enum")
    terms = [
        f"{words} {_ORDERED} ({_TEXT}|null)",
        f"{words} in \\({_TEXT}(, ?{_TEXT}){{0,2}}\\)",
        f"(contains|startswith|endswith)\\({words}, ?{_TEXT}\\)",
    ]
    if "time" in kinds.values():
        terms.append(f"{named('time')} {_ORDERED} ({_TIME}|null)")
    if "bool" in kinds.values():
        terms.append(f"{named('bool')} (eq|ne) (true|false|null)")
    term = f"(not )?({'|'.join(terms)})"
    return {
        "type": "string",
        "pattern": f"^{term}( (and|or) {term}){{0,2}}$",
        "examples": list(examples),
    }


_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": odata.MAX_TOP}


def _order(kinds: Mapping[str, odata.Kind]) -> Schema:
    one = f"({'|'.join(kinds)})( (asc|desc))?"
    return {"type": "string", "pattern": f"^{one}(, ?{one}){{0,2}}$"}


_ORDERED_BY = "up to 10 properties with asc or desc, separated by commas"
PARAMETERS: dict[str, Schema] = {
    "filter": _query(
        "$filter",
        _filter(graph.KINDS, "isResolved eq false", "contains(title,'refuse')"),
        f"OData: and or not eq ne gt ge lt le in, contains startswith endswith; up to {odata.MAX_TERMS} "
        f"terms, parentheses up to {odata.MAX_DEPTH} levels deep",
    ),
    "overviewFilter": _query(
        "$filter", _filter(graph.OVERVIEW_KINDS, "service eq 'Outgoing mail'"), "OData, as for issues"
    ),
    "orderby": _query("$orderby", _order(graph.KINDS), _ORDERED_BY),
    "overviewOrderby": _query("$orderby", _order(graph.OVERVIEW_KINDS), _ORDERED_BY),
    "top": _query("$top", _NUMBER, "at most so many in all pages together"),
    "skip": _query("$skip", _NUMBER, "leave out so many"),
    "count": _query("$count", {"type": "boolean"}, "say how many match"),
    "select": _query("$select", _choice(*graph.KINDS, *graph.UNSORTED), "properties"),
    "overviewSelect": _query("$select", _choice(*graph.OVERVIEW_KINDS, "issues"), "properties"),
    "expand": _query("$expand", {"enum": ["issues"]}, "the issues of each service"),
    "prefer": {
        "name": "Prefer", "in": "header", "required": False,
        # RFC 7240 section 2: a preference that is not known is ignored, so any text is allowed.
        "schema": {"type": "string", "examples": ["odata.maxpagesize=2"]},
        "description": "odata.maxpagesize=N, 1 to 1000; other preferences are ignored",
    },
    "id": {
        "name": "id", "in": "path", "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,40}$"},
    },
    "service": {
        "name": "service", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
        "description": "a service's name, or its id",
    },
    "number": {
        "name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1},
    },
    "rest": {
        "name": "rest", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
    },
}  # fmt: skip
_PAGING = ("overviewFilter", "top", "skip", "count", "expand", "prefer")
_ISSUES = ("filter", "orderby", "top", "skip", "select", "count", "prefer")
_OVERVIEWS = ("overviewOrderby", "overviewSelect", *_PAGING)


def _graph(
    path: str, summary: str, schema: str, *parameters: str, missing: bool = True
) -> Operation:
    return Operation(
        _ROOT + path, summary, JSON, named(schema), parameters, dialect="graph", missing=missing
    )


def _report(path: str) -> Operation:
    return Operation(
        _ROOT + path, "The post-incident review, once one is published", HTML,
        parameters=("id",), dialect="graph", missing=True,
    )  # fmt: skip


def _statuspage(path: str, *fields: str) -> Operation:
    schema = closed({name: STATUSPAGE[name] for name in ("page", *fields)})
    return Operation(f"/api/v2/{path}.json", f"Statuspage v2: {path}", JSON, schema, dialect="data")


OPERATIONS: tuple[Operation, ...] = (
    Operation("/", "The list of incidents, for people", HTML),
    Operation("/incidents/{id}", "An incident with its updates", HTML, parameters=("id",), missing=True),
    Operation(
        "/incidents/{id}/posts/{number}", "One update", HTML,
        parameters=("id", "number"), missing=True,
    ),
    Operation("/incidents/{id}/review", "A published post-incident report", HTML, parameters=("id",), missing=True),
    Operation("/api/incidents.json", "Our incidents, whole", JSON, many(named("Incident"))),
    _graph("/healthOverviews", "Each service and its state", "Overviews", *_OVERVIEWS, missing=False),
    _graph("/healthOverviews/", "The same", "Overviews", *_OVERVIEWS, missing=False),
    _graph("/healthOverviews/{service}", "One service", "OverviewAlone", "service", "overviewSelect", "expand"),
    _graph("/healthOverviews/{service}/", "The same", "OverviewAlone", "service", "overviewSelect", "expand"),
    _graph("/issues", "Incidents", "Issues", *_ISSUES, missing=False),
    _graph("/issues/", "The same", "Issues", *_ISSUES, missing=False),
    _graph("/issues/{id}", "One incident", "IssueAlone", "id", "select"),
    _report("/issues/{id}/incidentReport"),
    _report("/issues/{id}/incidentReport()"),
    Operation(
        "/v1.0/{rest}", "All else of Graph is not served", JSON,
        parameters=("rest",), dialect="graph", found=False, missing=True,
    ),
    _statuspage("summary", "components", "incidents", "scheduled_maintenances", "status"),
    _statuspage("status", "status"),
    _statuspage("components", "components"),
    _statuspage("incidents", "incidents"),
    _statuspage("incidents/unresolved", "incidents"),
    *(_statuspage(f"scheduled-maintenances{end}", "scheduled_maintenances")
      for end in ("", "/upcoming", "/active")),
    Operation("/feed.atom", "Atom (RFC 4287): one entry per update", "application/atom+xml"),
    Operation("/openapi.json", "This document", JSON, {"type": "object"}, dialect="data"),
    Operation("/style.css", "The stylesheet", "text/css"),
    Operation("/favicon.ico", "The icon", "image/svg+xml"),
    Operation("/favicon.svg", "The icon", "image/svg+xml"),
)  # fmt: skip
_ERRORS = {
    "graph": (JSON, named("GraphError")),
    "data": (JSON, named("Error")),
    "page": (HTML, TEXT),
}


def document(name: str, *, tokens: bool) -> dict[str, Any]:
    """The whole document. `tokens`: Graph's routes ask for one."""
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Service health of {name}", "version": "1"},
        "paths": {one.path: {"get": _described(one, tokens)} for one in OPERATIONS},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(one: Operation, tokens: bool) -> dict[str, Any]:
    is_api = one.path.startswith("/api/")
    kind, schema = _ERRORS["data" if is_api else one.dialect]
    answers: dict[str, Any] = {}
    if one.found:
        answers["200"] = _answer("as asked", one.kind, one.schema or TEXT)
    if one.dialect != "graph":
        answers["304"] = {"description": "the client has it already (If-None-Match)"}
    if one.dialect == "graph" or "/api/v2/" in one.path:
        answers["400"] = _answer("not supported", kind, schema)
    if one.missing:
        answers["404"] = _answer("there is none", kind, schema)
    # Before any route: a head that is too long, in our own shape.
    answers["431"] = _answer("the request's head is too long", JSON, named("Error"))
    answers["503"] = _answer("nothing could be read yet", kind, schema)
    found: dict[str, Any] = {"summary": one.summary, "responses": answers}
    if one.parameters:
        found["parameters"] = [PARAMETERS[name] for name in one.parameters]
    if one.dialect == "graph" and tokens:
        answers["401"] = _answer("a token is missing", kind, schema)
        found["security"] = [{"bearer": []}]
    return found


def _answer(said: str, kind: str, schema: Schema) -> dict[str, Any]:
    return {"description": said, "content": {kind: {"schema": schema}}}
