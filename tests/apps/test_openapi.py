"""The OpenAPI document and the routes of the public face are the same list."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from tests.apps.conftest import Faces

from unlisted.apps.openapi import OPERATIONS, PARAMETERS, document
from unlisted.apps.public import Public
from unlisted.edge.readmodel import ReadModel
from unlisted.health import graph, odata


def test_every_route_is_in_the_document_and_nothing_else_is(handmade: Any) -> None:
    model = ReadModel(handmade.journal.path, live=True)
    app = Public(model, "mail.example.org", lambda: 0.0).starlette
    served = [re.sub(r":[a-z]+}", "}", one.path) for one in app.routes if isinstance(one, Route)]
    model.close()
    assert sorted(served) == sorted(one.path for one in OPERATIONS)
    assert all(one.methods == {"GET", "HEAD"} for one in app.routes if isinstance(one, Route))


def test_the_document_names_what_it_refers_to_and_nothing_twice() -> None:
    found = document("x", tokens=True)
    assert len(found["paths"]) == len(OPERATIONS)
    text = str(found)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in found["components"]["schemas"]
    for path, one in found["paths"].items():
        given = [p["name"] for p in one["get"].get("parameters", ()) if p["in"] == "path"]
        assert given == re.findall(r"{(\w+)}", path)


def test_it_is_served(faces: Faces) -> None:
    found = faces.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    assert "security" not in found["paths"]["/v1.0/admin/serviceAnnouncement/issues"]["get"]


OPTIONS = [
    ("filter", graph.KINDS), ("overviewFilter", graph.OVERVIEW_KINDS),
    ("orderby", graph.KINDS), ("overviewOrderby", graph.OVERVIEW_KINDS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kinds"), OPTIONS, ids=[name for name, _ in OPTIONS])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_option_that_the_document_describes_is_taken(
    name: str, kinds: Any, data: Any
) -> None:
    pattern = PARAMETERS[name]["schema"]["pattern"]
    text = data.draw(st.from_regex(pattern, fullmatch=True))
    assert len(text) <= odata.MAX_FILTER
    odata.parse([(PARAMETERS[name]["name"], text)], kinds)


def test_the_examples_of_the_document_match_its_patterns() -> None:
    for one in PARAMETERS.values():
        for example in one["schema"].get("examples", ()):
            if "pattern" in one["schema"]:
                assert re.fullmatch(one["schema"]["pattern"], example), example
