"""The OpenAPI document of the operator's API, its routes and its gate are the same list."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.routing import Route
from tests.apps.conftest import T0, Faces

from unlisted.apps import access
from unlisted.apps.openapi_operator import OPERATIONS, document, role
from unlisted.apps.operator import Operator
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.staff import ROLES


def test_every_route_of_the_api_is_in_the_document_and_nothing_else_is(handmade: Any) -> None:
    model = ReadModel(handmade.journal.path, live=True)
    app = Operator(model, "t", None, lambda: 0.0, name="x").app  # type: ignore[arg-type]
    served = [
        (method, re.sub(r":[a-z]+}", "}", one.path))
        for one in app.routes
        if isinstance(one, Route) and one.path.startswith("/api/")
        for method in (one.methods or set()) - {"HEAD"}
    ]
    model.close()
    assert sorted(served) == sorted((one.method, one.path) for one in OPERATIONS)


def test_each_act_of_the_gate_is_described_with_its_role() -> None:
    told = {(one.method, one.path): role(one) for one in OPERATIONS}
    asked = {
        (method, path.replace(":int", "")): needed
        for (method, path), needed in access.NEEDS.items()
        if path.startswith("/api/")
    }
    assert {place: told[place] for place in asked} == asked
    assert {told[place] for place in told} <= {*ROLES, access.TOKEN}
    assert all(told[place] == "viewer" for place in set(told) - set(asked))


def test_the_document_names_what_it_refers_to_and_each_place_once() -> None:
    found = document("x")
    names = set(re.findall(r"#/components/schemas/(\w+)", str(found)))
    assert names == set(found["components"]["schemas"])
    for path, methods in found["paths"].items():
        for one in methods.values():
            given = [p["name"] for p in one.get("parameters", ()) if p["in"] == "path"]
            assert given == re.findall(r"{(\w+)}", path)
            assert {"401", "403", "431"} <= set(one["responses"])


def test_it_is_served_to_who_may_look(faces: Faces) -> None:
    assert faces.ask(faces.operator, "/api/openapi.json").status == 401
    found = faces.api("/api/openapi.json").json()
    assert found["openapi"] == "3.1.0" and "/api/untold" in found["paths"]


LISTS = sorted(one.path for one in OPERATIONS if one.method == "GET" and "{" not in one.path)


@pytest.mark.parametrize("path", [path for path in LISTS if path != "/api/resend"])
def test_the_lists_of_a_whole_story_have_the_fields_that_the_document_says(
    ended_faces: Any, ended: Any, path: str
) -> None:
    ended.tick(T0 + 95_000)
    document_ = ended_faces.api("/api/openapi.json").json()
    schema = document_["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    held(document_, schema["schema"], ended_faces.api(path).json(), path)


def held(whole: Any, schema: Any, value: Any, at: str) -> None:
    """The value has this shape, as far as the document's own words go."""
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "enum" in schema:
        assert value in schema["enum"], at
    elif kinds:
        named = {list: "array", dict: "object", str: "string", bool: "boolean", type(None): "null"}
        kind = named.get(type(value)) or ("integer" if isinstance(value, int) else "number")
        assert kind in kinds or (kind == "integer" and "number" in kinds), (at, value)
    if isinstance(value, list):
        for number, one in enumerate(value):
            held(whole, schema["items"], one, f"{at}[{number}]")
    elif isinstance(value, dict) and "properties" in schema:
        assert set(schema["required"]) <= set(value), at
        if schema.get("additionalProperties") is False:
            assert set(value) <= set(schema["properties"]), at
        for name in set(value) & set(schema["properties"]):
            held(whole, schema["properties"][name], value[name], f"{at}.{name}")
